"""A classifier judges samples: what it reads in them, and by whose weights."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import evaluation, nn
from tinygen.data import Dataset
from tinygen.models import SVHNClassifier


class Brightness(nn.Module):
    """Reads digit 1 in bright images and digit 0 in dark ones, the surer the farther from grey."""

    pixel_range = (-1.0, 1.0)

    def __init__(self):
        self.scale = nn.Parameter(np.ones(1, "float32"))

    def forward(self, x):
        mean = tg.mean(x, axis=(1, 2, 3))
        return tg.stack([-mean * self.scale, mean * self.scale, mean * 0 - 100], axis=1)


def test_reading_tells_how_sure_the_classifier_is_and_which_digits_there_are():
    images = np.stack([np.full((3, 4, 4), value, "float32") for value in (1.0, 1.0, 1.0, -1.0)])
    found = evaluation.read_digits(Brightness(), images)
    assert found["mean_top_probability"] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-5)
    assert [found[f"share_of_{digit}"] for digit in range(3)] == [0.25, 0.75, 0]
    assert found["least_share"] == 0


def test_a_training_s_checkpoint_and_plain_weights_are_read(tmp_path):
    tg.manual_seed(0)
    state = SVHNClassifier().state_dict()
    tg.save(tmp_path / "plain.h5", model=state)
    tg.save(tmp_path / "run.h5", parts={"model": state, "optimizer": {}}, epoch=1)
    for name in ("plain.h5", "run.h5"):
        found = evaluation.load_classifier(tmp_path / name).state_dict()
        assert all(np.array_equal(found[key], state[key]) for key in state)


def test_weights_of_another_network_are_refused(tmp_path):
    for number, parts in enumerate(({"generator": {}}, {"model": {"weight": np.zeros(2)}})):
        tg.save(tmp_path / f"{number}.h5", **parts)
        with pytest.raises(ValueError, match=rf"{number}\.h5 does not hold the weights of the classifier"):
            evaluation.load_classifier(tmp_path / f"{number}.h5")


@pytest.mark.filterwarnings("ignore:.*images for 512 features")
def test_the_test_set_itself_is_at_distance_zero_from_it():
    tg.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), np.uint8)
    test_set = Dataset(images, np.zeros(12, np.int64))
    same = evaluation.judge_samples(SVHNClassifier(), images, test_set)
    darker = evaluation.judge_samples(SVHNClassifier(), images // 2, test_set)
    assert same["fid"] == pytest.approx(0, abs=1e-3)
    assert darker["fid"] > 10 * abs(same["fid"])
    assert {"kid", "kid_standard_error", "classifier_accuracy", "samples_mean_top_probability"} <= same.keys()
