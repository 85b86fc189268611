"""The cache of parsed files: exact, whole or absent, and never believed when it is damaged."""

import h5py
import numpy as np
import pytest

from tinygen.data.cache import cache_folder, entry_path, read_entry, write_entry

ARRAYS = {"images": np.arange(6 * 784, dtype=np.uint8).reshape(6, 1, 28, 28), "labels": np.arange(6)}


@pytest.fixture
def entry(cache_home):
    path = entry_path("mnist", "file.gz", "0123")
    write_entry(path, ARRAYS, "4567")
    return path


def test_the_cache_lies_in_the_users_cache_folder(cache_home, monkeypatch, tmp_path):
    assert cache_folder() == cache_home / "tinygen"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "tinygen"


def test_an_entry_gives_back_arrays_and_the_checksum_of_their_source(entry):
    arrays, content_sha256 = read_entry(entry)
    assert content_sha256 == "4567"
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_an_entry_that_is_not_there_is_none(cache_home):
    assert read_entry(entry_path("mnist", "other.gz", "0123")) is None


def test_a_damaged_entry_is_none_wherever_the_damage_is(entry):
    whole = entry.read_bytes()
    for position in [*range(64), *range(512, len(whole), 29)]:
        entry.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert read_entry(entry) is None, position
    for length in (0, 7, len(whole) // 2, len(whole) - 1):
        entry.write_bytes(whole[:length])
        assert read_entry(entry) is None


def test_an_entry_is_plain_hdf5_and_none_once_it_was_altered_through_it(entry):
    with h5py.File(entry, "r+") as file:
        np.testing.assert_array_equal(file["arrays/arrays/labels"], ARRAYS["labels"])
        file["arrays/arrays/labels"][2] = 7
    assert read_entry(entry) is None


def test_a_write_that_fails_leaves_no_file_and_keeps_the_old_entry(entry, monkeypatch):
    def fail(*paths):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_entry(entry, ARRAYS, "89ab")
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]
    assert read_entry(entry)[1] == "4567"
