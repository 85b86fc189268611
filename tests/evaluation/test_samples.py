"""Mode coverage follows its definition, and the nearest training image is found exactly, whatever its dtype."""

import math

import numpy as np
import pytest

from tinygen import data, evaluation
from tinygen.data import samplers
from tinygen.evaluation import mode_coverage
from tinygen.evaluation import samples as evaluation_samples

pytestmark = pytest.mark.usefixtures("seeded")


def test_the_datas_own_samples_cover_all_modes_with_the_share_of_a_gaussian():
    n, expected = 20_000, 1 - math.exp(-4.5)
    for mixture in (samplers.ring(), samplers.grid()):
        found = mode_coverage(mixture(n), mixture)
        assert found.modes == len(mixture.centres) == len(found.counts)
        assert found.share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / n))
        assert found.counts.sum() == round(found.share * n)


def test_a_stray_sample_covers_no_mode_and_a_tenth_of_its_due_does():
    ring = samplers.ring(modes=4)
    for there, modes in ((9, 1), (10, 2)):  # of 400 samples 100 are a mode's due
        samples = np.concatenate(
            [ring.centres[:1].repeat(400 - there, axis=0), ring.centres[1:2].repeat(there, axis=0)]
        )
        found = mode_coverage(samples, ring)
        assert (found.modes, found.share) == (modes, 1.0)
        assert found.counts.tolist() == [400 - there, there, 0, 0]


def test_what_lies_between_the_modes_counts_for_none():
    ring = samplers.ring(modes=4, radius=1.0, scale=0.1)
    samples = np.array([[0.0, 0.0], [1.31, 0.0], [1.29, 0.0], [0.0, 0.71]])
    assert mode_coverage(samples, ring, fair_part=0.5).counts.tolist() == [1, 1, 0, 0]
    assert mode_coverage(samples, ring, fair_part=0.5).share == 0.5
    assert mode_coverage(samples, ring, deviations=3.2).counts.tolist() == [2, 1, 0, 0]


@pytest.mark.parametrize("shape", [(0, 2), (5, 3), (5,)])
def test_samples_that_are_none_of_the_mixtures_are_refused(shape):
    with pytest.raises(
        ValueError, match=r"^mode_coverage: samples must be (an array \(n, d\), not empty|\(n, 2\)), got .*\("
    ):
        mode_coverage(np.zeros(shape), samplers.ring())


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (25, 3, 4, 4), np.uint8)


@pytest.mark.parametrize("block", [7, 2_000])
def test_the_nearest_of_all_is_found_with_its_distance(images, block, monkeypatch):
    monkeypatch.setattr(evaluation_samples, "BLOCK", block)
    numbers = data.to_tanh_range(images)
    samples = np.random.default_rng(1).uniform(-1, 1, (9, 3, 4, 4)).astype("float32")
    distances = np.sqrt(np.square(samples[:, None] - numbers).mean(axis=(2, 3, 4)))
    for given in (images, numbers):
        index, distance = evaluation.nearest(samples, given)
        np.testing.assert_array_equal(index, distances.argmin(axis=1))
        np.testing.assert_allclose(distance, distances.min(axis=1), rtol=1e-4)


def test_an_image_is_nearest_to_itself(images):
    index, distance = evaluation.nearest(data.to_tanh_range(images), images)
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
