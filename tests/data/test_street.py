"""The embedded house numbers: reproducible whoever draws them, balanced, legible, varied, and learnable."""

import numpy as np
import pytest

from tinygen import backend
from tinygen.data import street as page
from tinygen.data.street import PAINTS, SIDE, street
from tinygen.kernels.cpu import parallel


@pytest.fixture(scope="module")
def photographs() -> tuple[np.ndarray, np.ndarray]:
    return street(1900, 1)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_images_and_labels_have_the_shapes_and_types_of_svhn(photographs):
    images, labels = photographs
    assert (images.shape, images.dtype) == ((1900, 3, 32, 32), np.uint8)
    assert (labels.shape, labels.dtype) == ((1900,), np.int64)
    assert images.max() - images.min() > 240


def test_a_seed_gives_the_same_images_again_and_another_seed_gives_others(photographs):
    images, labels = photographs
    again, labels_again = street(1900, 1)
    assert np.array_equal(images, again)
    assert np.array_equal(labels, labels_again)
    others, other_labels = street(1900, 2)
    assert not np.array_equal(labels, other_labels)
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in others}


@pytest.mark.parametrize("threads", [1, 3])
def test_it_does_not_matter_how_many_threads_draw(threads, photographs, monkeypatch):
    monkeypatch.setattr(parallel, "threads", lambda: threads)
    images, labels = street(1900, 1)
    assert np.array_equal(images, photographs[0])
    assert np.array_equal(labels, photographs[1])


@pytest.mark.parametrize("limit", [1, 250, 251, 5000])
def test_a_limit_draws_the_first_of_the_same_images(photographs, limit):
    images, labels = street(1900, 1, limit)
    np.testing.assert_array_equal(images, photographs[0][:limit])
    np.testing.assert_array_equal(labels, photographs[1][:limit])


def test_the_librarys_generator_is_left_as_it_was():
    before = backend.get_rng_state()
    street(50, 1)
    assert backend.get_rng_state() == before


@pytest.mark.parametrize("count", [0, 1, 7, 250, 637])
def test_every_digit_comes_equally_often_to_one(count):
    images, labels = street(count, 4)
    assert len(images) == len(labels) == count
    times = np.bincount(labels, minlength=10)
    assert times.max() - times.min() <= 1


def test_labels_come_in_no_order(photographs):
    assert np.abs(np.bincount(photographs[1][:125], minlength=10) - 12.5).max() < 11
    assert (np.diff(photographs[1]) == 0).mean() == pytest.approx(0.1, abs=0.03)


def test_every_digit_stands_out_from_what_is_around_it(monkeypatch):
    """The mean grey of the paint in the middle is 40 of 255 or more from that of the ground between it."""
    covered = []

    def draw(*arguments):
        covered.append(draw_as_ever(*arguments))
        return covered[-1]

    draw_as_ever = page.draw
    monkeypatch.setattr(page, "draw", draw)
    monkeypatch.setattr(parallel, "threads", lambda: 1)
    grey = street(1500, 9)[0].mean(1)
    covered = np.concatenate(covered)
    middle = np.zeros((SIDE, SIDE), bool)
    middle[4:28, 9:23] = True
    paint, ground = (covered > 0.9) & middle, (covered < 0.1) & middle
    assert min(paint.sum((1, 2)).min(), ground.sum((1, 2)).min()) > 20
    of_paint, of_ground = ((grey * part).sum((1, 2)) / part.sum((1, 2)) for part in (paint, ground))
    assert np.abs(of_paint - of_ground).min() > 40
    assert 0.4 < (of_paint > of_ground).mean() < 0.6  # light on dark is as frequent as dark on light


def test_a_plate_and_its_paint_are_far_apart_in_brightness():
    plate, paint = PAINTS.mean(-1).T
    assert np.abs(plate - paint).min() >= 110


@pytest.mark.parametrize("present", [False, True])
def test_neighbours_are_beside_a_digit_where_requested_and_do_not_overlap_it(present):
    labels, thickness = np.arange(500) % 10, np.full(500, 4.0)
    pieces = page._numbers(labels, np.full((2, 500), present), thickness, generator())
    middle, left, right = (page.draw(part, thickness, (SIDE, SIDE)) for part in np.split(pieces, 3, axis=-1))
    for neighbour in (left, right):
        assert (neighbour.max((1, 2)) > 0.5).mean() == pytest.approx(float(present), abs=0.05)
        assert ((middle * neighbour).max((1, 2)) > 0.3).mean() < 0.03


def test_digits_lie_whole_in_the_middle_of_the_canvas():
    labels, thickness = np.arange(500) % 10, np.full(500, 4.0)
    pieces = page._numbers(labels, np.full((2, 500), False), thickness, generator())[..., :64]
    low, high = pieces.min((0, 3)), pieces.max((0, 3))  # (2, 500)
    assert np.abs((low + high) / 2 - SIDE / 2).max() < 4
    assert ((low > 2) & (high < SIDE - 2)).mean() > 0.98
    assert 14 < (high - low)[1].min() < (high - low)[1].max() < 27


def test_a_plate_does_not_end_beside_a_neighbour():
    beside = generator(1).random((2, 400)) < 0.5
    plates = page._plates(beside, generator())[:, 0]
    assert plates[:, 4:-4, 4:-4].min() == 1
    for side, column in enumerate((plates[:, 16, 0], plates[:, 16, -1])):
        assert column[beside[side]].min() == 1
        assert (column[~beside[side]] < 1).mean() == pytest.approx(2.5 / 8 + 0.5 / 8, abs=0.12)


def test_fields_have_mean_0_and_variance_1_and_vary_as_fast_as_asked():
    bandwidth = np.array([[1.0], [5.0]]).repeat(200, 1)  # slowly down, fast across
    fields = page._fields(bandwidth, generator())
    assert fields.shape == (200, 1, SIDE, SIDE)
    assert fields.mean((2, 3)) == pytest.approx(0, abs=1e-5)
    assert fields.var((2, 3)) == pytest.approx(1, rel=1e-4)
    down, across = (np.square(np.diff(fields, axis=axis)).mean() for axis in (2, 3))
    assert across > 5 * down


def test_a_blur_is_a_gaussian_of_the_width_asked_for_and_keeps_the_light():
    point = np.zeros((2, 3, SIDE, SIDE), np.float32)
    point[:, :, 16, 12] = 1
    spread = np.array([1.0, 2.5])
    blurred = page._blur(point, spread)
    distance = np.square(np.arange(SIDE) - 16)[:, None] + np.square(np.arange(SIDE) - 12)
    for image, s in zip(blurred, spread, strict=True):
        assert image[0] == pytest.approx(np.exp(-distance / (2 * s**2)) / (2 * np.pi * s**2), abs=2e-3)
    assert page._blur(np.ones_like(point), spread) == pytest.approx(1, rel=1e-5)


def test_images_are_as_varied_in_light_and_in_colour_as_photographs(photographs):
    """SVHN's image means have a standard deviation of 40 to 44 of 255 a channel, its images one of 29 within."""
    images = photographs[0].astype(float)
    assert images.mean() == pytest.approx(115, abs=15)
    assert images.mean((2, 3)).std(0) == pytest.approx(40, abs=8)
    assert 25 < images.mean(1).std((1, 2)).mean() < 50
    assert np.ptp(images.mean((2, 3)), axis=1).mean() > 10  # neither grey ...
    assert np.ptp(images.mean((2, 3)), axis=1).mean() < 60  # ... nor gaudy


def test_images_are_smooth_between_lines(photographs):
    """What a generative model cannot learn, noise of pixels, is not there: half of all steps are below 4 of 255."""
    steps = np.abs(np.diff(photographs[0].astype(float), axis=-1))
    assert np.median(steps) < 4


def outlines(images: np.ndarray) -> np.ndarray:
    """Middles in grey as rows of mean 0 and length 1: the same for light on dark and dark on light but for the sign."""
    grey = images.mean(1)[:, 3:-3, 8:-8].reshape(len(images), -1)
    grey -= grey.mean(1, keepdims=True)
    return grey / np.linalg.norm(grey, axis=1, keepdims=True)


def test_digits_can_be_read_by_their_outlines_and_are_more_than_stamps(photographs):
    images, labels = photographs
    rows = outlines(images)
    likeness = np.abs(rows[1500:] @ rows[:1500].T)
    assert (labels[likeness.argmax(1)] == labels[1500:]).mean() > 0.95
    assert likeness.max(1).mean() < 0.92


def test_neither_colour_nor_illumination_depends_on_the_digit(photographs):
    """The nearest colour is of the same digit as often as any image: one time in ten."""
    images, labels = photographs
    colours = images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].reshape(len(images), -1).astype(float)  # of the corners
    squared = np.square(colours[1500:, None] - colours[:1500]).sum(-1)
    assert (labels[squared.argmin(1)] == labels[1500:]).mean() < 0.2
