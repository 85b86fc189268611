"""The synthetic digits: reproducible, balanced, whole, like handwriting, and neither noise nor ten stamps."""

import numpy as np
import pytest

from tinygen import backend
from tinygen.data.strokes import STYLES, place, strokes, write


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    return strokes(3000, 1)


def rows(images: np.ndarray) -> np.ndarray:
    """Images as rows (N, 784) of grey in [0, 1]."""
    return images.reshape(len(images), -1) / 255


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.square(a).sum(1)[:, None] - 2 * a @ b.T + np.square(b).sum(1)


def test_images_and_labels_have_the_shapes_and_types_of_mnist(digits):
    images, labels = digits
    assert (images.shape, images.dtype) == ((3000, 1, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((3000,), np.int64)
    assert (images.min(), images.max()) == (0, 255)


def test_a_seed_gives_the_same_digits_again_and_another_seed_gives_others(digits):
    images, labels = digits
    again, labels_again = strokes(3000, 1)
    assert np.array_equal(images, again)
    assert np.array_equal(labels, labels_again)
    others, other_labels = strokes(3000, 2)
    assert not np.array_equal(labels, other_labels)
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in others}


@pytest.mark.parametrize("limit", [1, 333, 3000, 5000])
def test_a_limit_draws_the_first_of_the_same_digits(digits, limit):
    images, labels = strokes(3000, 1, limit)
    np.testing.assert_array_equal(images, digits[0][:limit])
    np.testing.assert_array_equal(labels, digits[1][:limit])


def test_the_librarys_generator_is_left_as_it_was():
    before = backend.get_rng_state()
    strokes(50, 1)
    assert backend.get_rng_state() == before


@pytest.mark.parametrize("count", [0, 1, 7, 3000])
def test_every_digit_comes_equally_often_to_one(count):
    images, labels = strokes(count, 4)
    assert len(images) == len(labels) == count
    times = np.bincount(labels, minlength=10)
    assert times.max() - times.min() <= 1


def test_labels_come_in_no_order(digits):
    assert np.abs(np.bincount(digits[1][:500], minlength=10) - 50).max() < 30
    assert (np.diff(digits[1]) == 0).mean() == pytest.approx(0.1, abs=0.03)


def test_the_ink_is_as_much_as_in_handwriting_and_no_image_is_empty_or_a_blot(digits):
    ink = rows(digits[0]).mean(1)
    assert ink.mean() == pytest.approx(0.131, abs=0.01)  # MNIST's mean grey
    assert ink.min() > 0.02
    assert ink.max() < 0.4


def test_digits_lie_whole_in_the_middle_of_the_canvas(digits):
    grey = digits[0][:, 0] / 255
    centres = np.arange(28) + 0.5
    across = (grey.sum(1) * centres).sum(1) / grey.sum((1, 2))
    down = (grey.sum(2) * centres).sum(1) / grey.sum((1, 2))
    assert np.abs(np.stack([across, down]) - 14).max() < 2
    inside = np.pad(np.zeros((26, 26), bool), 1, constant_values=True)
    assert (grey[:, inside].max(1) > 0.5).mean() < 0.011  # in MNIST, too, one image in ninety reaches the edge


def test_a_digit_fills_the_box_that_it_is_placed_in():
    random = np.random.default_rng(0)
    box, centre, thickness = np.full(50, 30.0), np.array([[20.0], [40.0]]).repeat(50, 1), np.full(50, 2.0)
    placed = place(write(np.arange(50) % 10, random), thickness, box, centre)
    assert np.ptp(placed, axis=(0, 3)).max(0) + thickness == pytest.approx(box, rel=1e-4)
    assert placed.mean((0, 3)) == pytest.approx(centre, abs=4)


def test_a_digit_is_more_than_a_stamp(digits):
    """Distances to the class's mean and to the nearest image: 6.3 and 4.9 in MNIST; 4.9 and 1.4 without jitter."""
    images, labels = rows(digits[0]), digits[1]
    spread = [np.linalg.norm(images[labels == digit] - images[labels == digit].mean(0), axis=1) for digit in range(10)]
    assert np.mean([one.mean() for one in spread]) > 5.5
    distance = squared_distances(images, images)
    np.fill_diagonal(distance, np.inf)
    assert np.sqrt(distance.min(1)).mean() > 4


def test_class_means_classify_digits_as_poorly_as_in_mnist(digits):
    """The share is 0.79 in MNIST; stamps, noisy or not, would score 1 (the styles alone: 0.97), noise 0.1."""
    images, labels = rows(digits[0]), digits[1]
    train, test = slice(2000), slice(2000, None)
    means = np.stack([images[train][labels[train] == digit].mean(0) for digit in range(10)])
    accuracy = (squared_distances(images[test], means).argmin(1) == labels[test]).mean()
    assert 0.7 < accuracy < 0.92


def test_the_nearest_of_two_thousand_images_is_mostly_of_the_same_digit(digits):
    """The share is 0.92 in MNIST."""
    images, labels = rows(digits[0]), digits[1]
    nearest = squared_distances(images[2000:], images[:2000]).argmin(1)
    assert (labels[nearest] == labels[2000:]).mean() > 0.88


def test_every_style_is_drawn():
    """Without random displacements and poses, as many different drawings appear as there are styles."""

    class Steady(np.random.Generator):
        def standard_normal(self, size):
            return np.zeros(size)

        def normal(self, mean, deviation, size):
            return np.zeros(size)

    for digit, styles in STYLES.items():
        written = write(np.full(300, digit), Steady(np.random.PCG64(0)))
        assert len(np.unique(written.transpose(2, 0, 1, 3).reshape(300, -1), axis=0)) == len(styles)
