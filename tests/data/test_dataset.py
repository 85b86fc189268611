"""Data sets can be cut down; grey images become binary ones as their greys say, the same ones every time."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import backend, data


@pytest.fixture
def dataset(digits):
    return data.Dataset(digits.images, digits.labels, "mnist", "train")


def test_a_slice_is_a_smaller_dataset_of_the_same_set(dataset, digits):
    first = dataset[:5]
    assert (len(first), first.name, first.split) == (5, "mnist", "train")
    np.testing.assert_array_equal(first.images, digits.images[:5])
    np.testing.assert_array_equal(first.labels, digits.labels[:5])
    assert len(dataset[:1_000]) == 23


def test_indices_and_masks_choose_images_with_their_labels(dataset, digits):
    for chosen in ([3, 1], np.array([3, 1]), digits.labels == 4):
        np.testing.assert_array_equal(dataset[chosen].images, digits.images[chosen])
        np.testing.assert_array_equal(dataset[chosen].labels, digits.labels[chosen])


def test_a_number_gives_one_image_with_its_label(dataset, digits):
    image, label = dataset[-1]
    np.testing.assert_array_equal(image, digits.images[-1])
    assert label == digits.labels[-1]
    assert len(list(dataset)) == 23


def test_a_dataset_may_have_no_labels(digits):
    dataset = data.Dataset(digits.binary)
    assert dataset[:3].labels is None
    assert dataset[0][1] is None


def test_labels_of_another_number_are_refused(digits):
    with pytest.raises(ValueError, match="23 images have 22 labels"):
        data.Dataset(digits.images, digits.labels[1:])


def test_images_at_equal_distances_are_some_of_each_kind_of_a_sorted_set():
    images = np.repeat(np.arange(10), 7)
    assert data.evenly_spaced(images, 10).tolist() == list(range(10))
    assert data.evenly_spaced(images, 3).tolist() == [0, 3, 6]
    assert (
        data.evenly_spaced(images, 70) is data.evenly_spaced(images, None) is data.evenly_spaced(images, 99) is images
    )


def test_binarize_gives_1_with_probability_grey_over_255():
    grey = np.broadcast_to(np.array([0, 51, 128, 204, 255], np.uint8), (2_500, 1, 8, 5))
    binary = data.binarize(grey, 3)
    assert binary.dtype == bool
    mean = binary.mean(axis=(0, 1, 2))
    assert (mean[0], mean[4]) == (0, 1)
    np.testing.assert_allclose(mean, np.array([0, 51, 128, 204, 255]) / 255, atol=0.015)  # 20,000 draws: 4 sigma


def test_binarize_is_fixed_by_its_seed_and_leaves_the_generator_alone(digits):
    state = backend.get_rng_state()
    first = data.binarize(digits.images, 1)
    assert backend.get_rng_state() == state
    backend.generator().random(5)
    np.testing.assert_array_equal(data.binarize(digits.images, 1), first)
    assert (data.binarize(digits.images, 2) != first).any()


def test_binarize_gives_the_first_images_the_same_pixels_however_many_follow(digits, monkeypatch):
    whole = data.binarize(digits.images, 1)
    np.testing.assert_array_equal(data.binarize(digits.images[:7], 1), whole[:7])
    monkeypatch.setattr("tinygen.data.dataset.BLOCK", 3)
    np.testing.assert_array_equal(data.binarize(digits.images, 1), whole)


def test_binarize_leaves_bool_images_unchanged(digits):
    binary = digits.binary.astype(bool)
    assert data.binarize(binary, 1) is binary


def test_bytes_are_greys_of_255_whatever_numbers_they_hold(digits):
    """A set of bytes that are all at most 1 is nearly black."""
    dark = np.ones((2_000, 1, 8, 8), np.uint8)
    assert data.binarize(dark).mean() == pytest.approx(1 / 255, rel=0.15)  # 128,000 draws: 3.4 sigma
    whole = np.concatenate([dark, np.full_like(dark, 255)])
    np.testing.assert_array_equal(data.binarize(whole)[:2_000], data.binarize(dark))


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "float32"])
def test_binarize_and_centred_refuse_other_dtypes_by_name_even_of_0_and_1(digits, dtype):
    for function in (data.binarize, data.to_tanh_range):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: images must be .*uint8.*, got {dtype}"):
            function(digits.binary.astype(dtype))


def test_binarize_refuses_greys_that_are_not_bytes(digits):
    with pytest.raises(ValueError, match="binarize: images must be uint8 greys from 0 to 255, or bool, got float64"):
        data.binarize(digits.images / 255, 1)


def test_centred_images_reach_from_minus_one_to_one_and_go_back_to_the_same_bytes():
    images = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    numbers = data.to_tanh_range(images)
    assert numbers.dtype == np.float32
    assert (numbers.min(), numbers.max()) == (-1, 1)
    np.testing.assert_allclose(np.diff(numbers.ravel()), 2 / 255, rtol=1e-4)
    np.testing.assert_array_equal(data.as_bytes(numbers), images)


def test_bytes_are_the_nearest_and_black_or_white_beyond():
    numbers = np.array([-7, -1 + 0.9 / 255, -1 + 1.1 / 255, 1.2], "float32")
    np.testing.assert_array_equal(data.as_bytes(numbers), [0, 0, 1, 255])


def test_images_that_have_numbers_already_and_numbers_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"^to_tanh_range: images must be uint8 from 0 to 255, got float32 \(3,\)$"):
        data.to_tanh_range(np.zeros(3, "float32"))
    with pytest.raises(ValueError, match=r"^as_bytes: images must be floating point in \[-1, 1\], got uint8"):
        data.as_bytes(np.zeros(3, "uint8"))
    with pytest.raises(ValueError, match=r"^as_bytes: images hold NaN or infinity"):
        data.as_bytes(np.array([0, np.nan]))


def test_a_dataset_binarized_keeps_labels_and_name(dataset):
    binary = dataset.binarized()
    np.testing.assert_array_equal(binary.images, data.binarize(dataset.images))
    assert binary.labels is dataset.labels
    assert (binary.name, binary.split) == ("mnist", "train")
    np.testing.assert_array_equal(binary.binarized().images, binary.images)


def test_images_and_labels_may_be_lists_and_tensors(digits):
    images, labels = digits.images[:3], digits.labels[:3].astype(int)
    for given in ((images.tolist(), labels.tolist()), (tg.tensor(images), tg.tensor(labels))):
        dataset = data.Dataset(*given)
        np.testing.assert_array_equal(dataset.images, images)
        np.testing.assert_array_equal(dataset.labels, labels)
        np.testing.assert_array_equal(dataset[[2, 0]].labels, labels[[2, 0]])


@pytest.mark.parametrize("labels", [np.zeros(23), np.zeros((23, 1), int), np.array(["a"] * 23), [[1], [2, 3]], 3])
def test_labels_that_are_not_whole_numbers_are_refused(digits, labels):
    with pytest.raises((TypeError, ValueError), match=r"^Dataset: labels must be whole numbers \(N,\) or None, got "):
        data.Dataset(digits.images, labels)


def test_an_index_that_is_none_is_told(dataset):
    for index in (2.5, 23, (0, 0, 0, 0, 0)):
        with pytest.raises(IndexError, match=r"^Dataset: no image .* among 23"):
            dataset[index]
    for index in ("a", None, True, np.False_):
        with pytest.raises(IndexError, match=r"^Dataset: an index must be a whole number, a slice, indices or a mask"):
            dataset[index]
