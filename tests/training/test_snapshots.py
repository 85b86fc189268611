"""Snapshots: they are restored from a checkpoint, and some of them are chosen evenly."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.training import Snapshots


def test_a_checkpoint_keeps_them(tmp_path):
    kept, others = Snapshots(), Snapshots({7: np.zeros((1, 1, 2, 2), np.uint8)})
    kept[200], kept[1000] = np.ones((2, 1, 3, 3), np.uint8), np.zeros((2, 1, 3, 3), np.uint8)
    tg.save(tmp_path / "kept.h5", snapshots=kept.state_dict())
    others.load_state_dict(tg.load(tmp_path / "kept.h5")["snapshots"])
    assert list(others) == [200, 1000]
    assert all(np.array_equal(others[moment], kept[moment]) for moment in kept)


def test_rows_are_even_from_the_first_to_the_last():
    kept = Snapshots({moment: np.full((2, 1, 1, 1), moment, np.uint8) for moment in range(10, 60, 10)})
    moments, images = kept.rows(3)
    assert moments == [10, 30, 50]
    assert images.shape == (3, 2, 1, 1, 1)
    assert images[:, 0, 0, 0, 0].tolist() == moments
    assert kept.rows(9)[0] == [10, 20, 30, 40, 50]
    assert kept.rows(1)[0] == [10]


def test_where_there_is_none_there_are_no_rows():
    with pytest.raises(ValueError, match=r"^rows: there is no snapshot"):
        Snapshots().rows(3)
