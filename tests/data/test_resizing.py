"""Images of another size: by the same triangle as Pillow's, and without patterns that were not there."""

import numpy as np
import pytest
from PIL import Image

from tinygen import data


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 2, 28, 28), np.uint8)


@pytest.mark.parametrize("side", [64, 28, 13, 1])
def test_pillows_filter_gives_the_same_greys_but_for_its_rounding_twice(images, side):
    found = data.resized(images, side)
    assert found.dtype == np.uint8
    assert found.shape == (3, 2, side, side)
    for grey, ours in zip(images.reshape(-1, 28, 28), found.reshape(-1, side, side), strict=True):
        expected = np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BILINEAR))
        assert np.abs(ours.astype(int) - expected).max() <= 1


def test_the_same_side_changes_nothing(images):
    assert np.array_equal(data.resized(images, 28), images)


def test_an_even_image_stays_even_and_fine_lines_become_their_mean():
    even, lines = np.full((1, 1, 28, 28), 77, np.uint8), np.zeros((1, 1, 28, 28), np.uint8)
    lines[..., ::2] = 200
    assert (data.resized(even, 64) == 77).all()
    small = data.resized(lines, 7)
    assert np.abs(small[..., 1:-1].astype(int) - 100).max() <= 1


@pytest.mark.parametrize(
    ("images", "side", "problem"),
    [
        (
            np.zeros((1, 1, 4, 4), np.float32),
            8,
            r"images must be uint8 squares \(N, C, H, H\), got float32 \(1, 1, 4, 4\)",
        ),
        (np.zeros((1, 1, 4, 5), np.uint8), 8, r"images must be uint8 squares \(N, C, H, H\), got uint8 \(1, 1, 4, 5\)"),
        (np.zeros((1, 1, 4, 4), np.uint8), 0, "side must be a whole number from 1, got 0"),
    ],
)
def test_what_cannot_be_resized_is_refused(images, side, problem):
    with pytest.raises(ValueError, match=f"^resized: {problem}$"):
        data.resized(images, side)
