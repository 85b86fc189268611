"""The nearest training image: found exactly, at its distance, whatever type the images are of."""

import numpy as np
import pytest

from tinygen import data, evaluation
from tinygen.evaluation import neighbours


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (25, 3, 4, 4), np.uint8)


@pytest.mark.parametrize("block", [7, 2_000])
def test_the_nearest_of_all_is_found_with_its_distance(images, block, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    numbers = data.centred(images)
    samples = np.random.default_rng(1).uniform(-1, 1, (9, 3, 4, 4)).astype("float32")
    distances = np.sqrt(np.square(samples[:, None] - numbers).mean(axis=(2, 3, 4)))
    for given in (images, numbers):
        index, distance = evaluation.nearest(samples, given)
        np.testing.assert_array_equal(index, distances.argmin(axis=1))
        np.testing.assert_allclose(distance, distances.min(axis=1), rtol=1e-4)


def test_an_image_is_nearest_to_itself(images):
    index, distance = evaluation.nearest(data.centred(images), images)
    np.testing.assert_array_equal(index, np.arange(25))
    np.testing.assert_allclose(distance, 0, atol=1e-3)


@pytest.mark.parametrize(("count", "shape"), [(0, (3, 4, 4)), (5, (1, 4, 4))])
def test_no_images_and_images_of_another_shape_are_refused(count, shape):
    with pytest.raises(ValueError, match=r"^nearest: (samples \(2, 3, 4, 4\) and images|images must be .* not empty)"):
        evaluation.nearest(np.zeros((2, 3, 4, 4), "float32"), np.zeros((count, *shape), "uint8"))


def test_bytes_are_brought_into_the_range_of_the_others_whichever_they_are(images):
    numbers = images / np.float32(255)
    for samples, others in ((numbers, images), (images, numbers), (images, images)):
        index, distance = evaluation.nearest(samples, others, value_range=(0.0, 1.0))
        np.testing.assert_array_equal(index, np.arange(25))
        np.testing.assert_allclose(distance, 0, atol=1e-3)


def test_samples_that_have_no_distance_are_refused(images):
    with pytest.raises(ValueError, match=r"^nearest: images must hold finite numbers, got nan"):
        evaluation.nearest(np.full((2, 3, 4, 4), np.nan), images)
    with pytest.raises(ValueError, match=r"^nearest: samples must be bool, uint8 or floating point, got int64"):
        evaluation.nearest(images.astype("int64"), images)


def test_distances_small_beside_the_values_are_exact():
    """|a|^2 - 2 a.b + |b|^2 would cancel all digits in single precision."""
    values = np.array([1000.0, 1000.01, 1000.02], "float32").reshape(3, 1, 1, 1)
    index, distance = evaluation.nearest(values, values[::-1])
    assert index.tolist() == [2, 1, 0]
    assert distance.tolist() == [0, 0, 0]

    white = np.full((1, 1, 28, 28), 255, "uint8")
    other = white.copy()
    other[0, 0, 5, 5] = 254
    index, distance = evaluation.nearest(white, np.concatenate([other, white]))
    assert (index.tolist(), distance.tolist()) == ([1], [0])
    _, distance = evaluation.nearest(white, other)
    np.testing.assert_allclose(distance, 2 / 255 / 28, rtol=1e-6)


def test_distances_whose_squares_overflow_are_refused():
    with pytest.raises(ValueError, match="nearest: squared distances overflow"), np.errstate(all="ignore"):
        evaluation.nearest(np.full((1, 1, 2, 2), 1e200), np.full((1, 1, 2, 2), -1e200))
