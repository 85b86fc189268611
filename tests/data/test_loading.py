"""From a name to a data set: the right files, splits and types; clear words where something is amiss."""

import dataclasses
import gzip
import hashlib
import warnings

import h5py
import numpy as np
import pytest

from tinygen import data
from tinygen.data import catalogue, loading

pytestmark = pytest.mark.filterwarnings("ignore:.*is not the official.*:UserWarning")

PUBLISHED = ["binarized-mnist", "mnist", "fashion-mnist", "svhn"]


def parsed_files(cache_home):
    return sorted(cache_home.rglob("*.h5"))


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Refuse every download, as a machine without a network does; gives the addresses that were asked."""
    asked = []

    def refuse(addresses, path, size, sha256):
        asked.extend(addresses)
        return [f"{address}: no network" for address in addresses]

    monkeypatch.setattr(loading, "fetch", refuse)
    return asked


def test_the_names_are_those_of_the_table():
    assert data.names() == (*PUBLISHED, "strokes", "street")


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_every_published_set_loads_in_every_split(name, split, root):
    dataset = data.load(name, split, root=root)
    shape = (3, 32, 32) if name == "svhn" else (1, 28, 28)
    count = 23 if split == "test" or name == "binarized-mnist" else {"train": 21, "valid": 2}[split]
    assert dataset.images.shape == (count, *shape)
    assert dataset.images.dtype == (bool if name == "binarized-mnist" else np.uint8)
    assert (dataset.name, dataset.split) == (name, split)
    if name == "binarized-mnist":
        assert dataset.labels is None
    else:
        assert dataset.labels.dtype == np.int64


def test_validation_images_are_the_last_tenth_of_the_training_images_and_in_no_other_split(root, digits):
    train, valid = data.load("mnist", "train", root=root), data.load("mnist", "valid", root=root)
    np.testing.assert_array_equal(np.concatenate([train.images, valid.images]), digits.images)
    np.testing.assert_array_equal(np.concatenate([train.labels, valid.labels]), digits.labels)
    assert len(valid) == 2


def test_a_set_with_validation_images_of_its_own_keeps_its_splits(root, encode, digits):
    (root / "binarized_mnist" / "binarized_mnist_valid.amat").write_bytes(encode.amat(1 - digits.binary[:5]))
    np.testing.assert_array_equal(data.load("binarized-mnist", "train", root=root).images, digits.binary)
    np.testing.assert_array_equal(data.load("binarized-mnist", "valid", root=root).images, 1 - digits.binary[:5])


@pytest.mark.parametrize(
    ("name", "counts"), [("strokes", [60_000, 10_000, 10_000]), ("street", [73_257, 10_000, 26_032])]
)
def test_a_set_that_the_library_draws_draws_each_split_from_a_seed_of_its_own(name, counts, monkeypatch):
    asked = {}

    def draw(count, seed, limit):
        assert limit is None
        asked[seed] = count
        return np.zeros((count, 1, 1, 1), np.uint8), np.zeros(count, np.int64)

    monkeypatch.setitem(catalogue.CATALOGUE, name, dataclasses.replace(catalogue.CATALOGUE[name], draw=draw))
    assert [len(data.load(name, split)) for split in ("train", "valid", "test")] == counts
    assert list(asked.values()) == counts


def test_a_limit_takes_the_first_images_of_a_split_and_draws_no_more(root, monkeypatch):
    whole = data.load("mnist", "train", root=root)
    first = data.load("mnist", "train", root=root, limit=5)
    np.testing.assert_array_equal(first.images, whole.images[:5])
    np.testing.assert_array_equal(first.labels, whole.labels[:5])
    assert len(data.load("mnist", "train", root=root, limit=1000)) == len(whole)
    drawn = []

    def draw(count, seed, limit):
        drawn.append((count, limit))
        return np.zeros((limit, 1, 28, 28), np.uint8), np.zeros(limit, np.int64)

    monkeypatch.setitem(catalogue.CATALOGUE, "strokes", dataclasses.replace(catalogue.STROKES, draw=draw))
    assert len(data.load("strokes", "train", limit=7)) == 7
    assert drawn == [(60_000, 7)]
    with pytest.raises(ValueError, match="load: limit must be a whole number from 1 or None, got 0"):
        data.load("mnist", "train", root=root, limit=0)


def test_an_unknown_name_or_split_is_answered_with_the_choices():
    with pytest.raises(ValueError, match=r"no data set 'minst', choose from binarized-mnist, mnist, .*strokes"):
        data.load("minst", "train")
    with pytest.raises(ValueError, match="no split 'dev' of mnist, choose from train, valid, test"):
        data.load("mnist", "dev")


# Finding files


def test_the_root_is_the_argument_else_the_environment_else_the_cache(root, tmp_path, monkeypatch, cache_home):
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / "nowhere"))
    assert len(data.load("mnist", "test", root=str(root))) == 23
    monkeypatch.setenv("TINYGEN_DATA", str(root))
    assert len(data.load("mnist", "test")) == 23
    monkeypatch.delenv("TINYGEN_DATA")
    with pytest.raises(FileNotFoundError, match=str(cache_home / "tinygen" / "mnist")):
        data.load("mnist", "test")


def test_files_may_be_plain_or_gzipped_whatever_the_published_form(root, digits):
    for path in [*(root / "mnist").iterdir(), *(root / "svhn").iterdir()]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(data.load("mnist", "test", root=root).images, digits.images)
    np.testing.assert_array_equal(data.load("svhn", "test", root=root).images, digits.colour)


def test_offline_a_missing_file_is_named_with_its_places_addresses_and_a_way_out(tmp_path, offline):
    with pytest.raises(FileNotFoundError) as caught:
        data.load("fashion-mnist", "test", root=tmp_path)
    message = str(caught.value)
    for part in ("t10k-images-idx3-ubyte.gz", str(tmp_path / "fashion_mnist"), "no network", "--data strokes"):
        assert part in message
    assert len(offline) == 2
    assert all(address in message and address.endswith("t10k-images-idx3-ubyte.gz") for address in offline)


def test_without_download_no_address_is_asked(tmp_path, offline):
    with pytest.raises(FileNotFoundError, match="download=False"):
        data.load("svhn", "train", root=tmp_path, download=False)
    assert offline == []


def test_a_missing_file_is_fetched_into_the_root_and_checked_against_the_table(root, tmp_path, monkeypatch):
    content = gzip.compress((root / "mnist" / "t10k-images-idx3-ubyte").read_bytes())
    (root / "mnist" / "t10k-images-idx3-ubyte").unlink()
    asked = []

    def fetch(addresses, path, size, sha256):
        asked.append((path.name, size, sha256[:8]))
        path.write_bytes(content)
        return ["first: gone"]

    monkeypatch.setattr(loading, "fetch", fetch)
    assert len(data.load("mnist", "test", root=root)) == 23
    assert asked == [("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b")]


# Broken and unofficial files

BROKEN = {
    "a web page": (lambda content: b"<!DOCTYPE html>", "web page"),
    "empty": (lambda content: b"", "empty"),
    "truncated": (lambda content: content[:-100], r"truncated|has 7\d\d numbers"),
    "trailing bytes": (lambda content: content + b"\x00\x00", r"trailing|line 24"),
    "another format": (lambda content: b"\x89PNG\r\n\x1a\n" * 40, r"magic|expected 0 or 1"),
    "a truncated gzip": (lambda content: gzip.compress(content)[:-20], "truncated"),
    "a corrupt gzip": (lambda content: gzip.compress(content)[:-6] + b"\x00" * 6, "corrupt"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("binarized-mnist", "binarized_mnist/binarized_mnist_test.amat"),
        ("mnist", "mnist/t10k-images-idx3-ubyte"),
        ("svhn", "svhn/test_32x32.mat"),
    ],
)
def test_a_broken_file_is_refused_by_name_and_never_cached(name, file, fault, root, cache_home):
    break_it, message = BROKEN[fault]
    path = root / file
    path.write_bytes(break_it(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path}: .*({message})"):
        data.load(name, "test", root=root)
    assert parsed_files(cache_home) == []


def test_more_images_than_the_official_file_holds_are_refused(root, monkeypatch):
    files = {"test": tuple(dataclasses.replace(file, count=22) for file in catalogue.MNIST.files["test"])}
    monkeypatch.setitem(catalogue.CATALOGUE, "mnist", dataclasses.replace(catalogue.MNIST, files=files))
    with pytest.raises(ValueError, match="it holds 23 images, expected from 1 to 22"):
        data.load("mnist", "test", root=root)


def test_a_file_without_images_is_refused(root, encode, digits):
    (root / "mnist" / "t10k-images-idx3-ubyte").write_bytes(encode.idx(digits.images[:0, 0]))
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte: it holds 0 images"):
        data.load("mnist", "test", root=root)


def test_images_and_labels_of_different_number_are_refused_by_name(root, encode, digits):
    (root / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(encode.idx(digits.labels[1:]))
    with pytest.raises(ValueError, match=f"{root / 'mnist'}: .*23 images and 22 labels"):
        data.load("mnist", "test", root=root)


def test_a_file_that_is_not_the_official_one_is_said_to_be_so_from_the_cache_too(root):
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"train_32x32.mat is not the official .* holds 23 images.*73,257"):
            data.load("svhn", "train", root=root)


def test_an_official_file_is_taken_without_a_word_however_it_is_packed(root, monkeypatch):
    path = root / "svhn" / "test_32x32.mat"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(gzip.compress(path.read_bytes()))
    files = {"test": (dataclasses.replace(catalogue.SVHN.files["test"][0], content_sha256=sha256),)}
    monkeypatch.setitem(catalogue.CATALOGUE, "svhn", dataclasses.replace(catalogue.SVHN, files=files))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = data.load("svhn", "test", root=root)
    assert len(found) == 23


# The cache


@pytest.fixture
def parses(monkeypatch):
    """Count how often a file is parsed."""
    seen = []
    monkeypatch.setattr(loading, "unpack", lambda raw: seen.append(len(raw)) or raw)
    return seen


def test_a_file_is_parsed_once_and_its_root_is_left_as_it_was(root, parses, cache_home):
    before = sorted(root.rglob("*"))
    first, second = data.load("svhn", "test", root=root), data.load("svhn", "test", root=root)
    np.testing.assert_array_equal(second.images, first.images)
    np.testing.assert_array_equal(second.labels, first.labels)
    assert len(parses) == 1
    assert sorted(root.rglob("*")) == before
    assert len(parsed_files(cache_home)) == 1


def test_a_file_that_changed_is_parsed_anew(root, parses, encode, digits):
    data.load("binarized-mnist", "test", root=root)
    (root / "binarized_mnist" / "binarized_mnist_test.amat").write_bytes(encode.amat(1 - digits.binary))
    np.testing.assert_array_equal(data.load("binarized-mnist", "test", root=root).images, 1 - digits.binary)
    assert len(parses) == 2


def test_a_damaged_cache_is_parsed_anew_and_replaced(root, parses, cache_home, digits):
    data.load("svhn", "test", root=root)
    (entry,) = parsed_files(cache_home)
    with h5py.File(entry, "r+") as file:
        file["arrays/arrays/images"][0] = 0
    np.testing.assert_array_equal(data.load("svhn", "test", root=root).images, digits.colour)
    np.testing.assert_array_equal(data.load("svhn", "test", root=root).images, digits.colour)
    assert len(parses) == 2


def test_the_same_bytes_under_another_name_are_no_cached_answer(root, digits):
    data.load("mnist", "test", root=root)
    labels = (root / "mnist" / "t10k-labels-idx1-ubyte").read_bytes()
    (root / "mnist" / "t10k-images-idx3-ubyte").write_bytes(labels)
    with pytest.raises(ValueError, match="magic number"):
        data.load("mnist", "test", root=root)


def test_a_cache_that_cannot_be_written_costs_a_warning_only(root, tmp_path, monkeypatch, digits):
    (tmp_path / "no-folder").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-folder"))
    with pytest.warns(UserWarning, match="no-folder/tinygen cannot be written; files are parsed anew each time"):
        dataset = data.load("svhn", "test", root=root)
    np.testing.assert_array_equal(dataset.images, digits.colour)


# The table


def test_every_checksum_in_the_table_is_a_sha256_of_its_own():
    entries = [entry for entry in catalogue.CATALOGUE.values() if hasattr(entry, "files")]
    checksums = [
        checksum
        for entry in entries
        for files in entry.files.values()
        for file in files
        for checksum in {file.sha256, file.content_sha256}
    ]
    assert len(checksums) == len(set(checksums)) == 21
    assert all(len(bytes.fromhex(checksum)) == 32 for checksum in checksums)
