"""Upsampling against interpolation pixel by pixel and small results computed by hand, and its errors."""

import numpy as np
import pytest

import tinygen as tg
import tinygen.functional as F

NUMBERS = np.random.default_rng(0)


def bilinear(x, size, positions):
    """x (H, W) read at the fractional ``positions`` (rows, columns) between its pixels."""
    y = np.empty(size)
    for r, row in enumerate(positions[0]):
        for c, column in enumerate(positions[1]):
            top, left = int(row), int(column)
            below, right = min(top + 1, x.shape[0] - 1), min(left + 1, x.shape[1] - 1)
            a, b = row - top, column - left
            upper = (1 - b) * x[top, left] + b * x[top, right]
            y[r, c] = (1 - a) * upper + a * ((1 - b) * x[below, left] + b * x[below, right])
    return y


@pytest.mark.parametrize("size", [(6, 8), (5, 3), (1, 1), (3, 4), (2, 9)])
def test_aligned_corners_keep_their_places(size):
    x = NUMBERS.normal(size=(3, 4))
    y = F.upsample_bilinear2d(tg.tensor(x[None, None]), size).numpy()[0, 0]
    positions = [np.linspace(0, n - 1, new) for n, new in zip(x.shape, size, strict=True)]
    np.testing.assert_allclose(y, bilinear(x, size, positions), atol=1e-12)
    assert y[0, 0] == x[0, 0]


@pytest.mark.parametrize("size", [(6, 8), (5, 3), (1, 1), (3, 4), (2, 9)])
def test_without_aligned_corners_pixels_are_areas(size):
    x = NUMBERS.normal(size=(3, 4))
    y = F.upsample_bilinear2d(tg.tensor(x[None, None]), size, align_corners=False).numpy()[0, 0]
    positions = [
        np.clip((np.arange(new) + 0.5) * n / new - 0.5, 0, n - 1) for n, new in zip(x.shape, size, strict=True)
    ]
    np.testing.assert_allclose(y, bilinear(x, size, positions), atol=1e-12)


def test_two_pixels_doubled():
    x = tg.tensor([[[[0.0, 3.0]]]])
    np.testing.assert_allclose(F.upsample_bilinear2d(x, (1, 4)).numpy().ravel(), [0, 1, 2, 3], atol=1e-6)
    areas = F.upsample_bilinear2d(x, (1, 4), align_corners=False).numpy().ravel()
    np.testing.assert_allclose(areas, [0, 0.75, 2.25, 3])
    np.testing.assert_array_equal(F.upsample_nearest2d(x, (1, 4)).numpy().ravel(), [0, 0, 3, 3])


def test_an_unaligned_scale_factor_sets_the_distance_of_the_pixels_not_only_the_size():
    x = tg.tensor(np.arange(3.0).reshape(1, 1, 1, 3))
    y = F.upsample_bilinear2d(x, scale_factor=(1, 2.3), align_corners=False).numpy().ravel()
    assert y.shape == (6,)
    np.testing.assert_allclose(y, np.clip((np.arange(6) + 0.5) / 2.3 - 0.5, 0, 2))


@pytest.mark.parametrize("function", [F.upsample_bilinear2d, F.upsample_nearest2d])
@pytest.mark.parametrize("options", [{"size": (3, 4)}, {"scale_factor": 1.2}, {"scale_factor": 1}])
def test_what_keeps_its_size_stays_as_it_is(function, options):
    x = NUMBERS.normal(size=(2, 2, 3, 4))
    np.testing.assert_array_equal(function(tg.tensor(x), **options).numpy(), x)


@pytest.mark.parametrize("size", [(6, 8), (5, 3), (1, 1), (7, 9)])
def test_nearest_copies_the_pixel_at_the_same_relative_place(size):
    x = NUMBERS.normal(size=(2, 3, 3, 4))
    rows, columns = (np.arange(new) * n // new for n, new in zip((3, 4), size, strict=True))
    y = F.upsample_nearest2d(tg.tensor(x), size).numpy()
    np.testing.assert_array_equal(y, x[:, :, rows][..., columns])


@pytest.mark.parametrize("function", [F.upsample_bilinear2d, F.upsample_nearest2d])
def test_a_number_is_a_pair_of_it_and_one_image_a_batch_of_one(function):
    x = tg.tensor(NUMBERS.normal(size=(2, 3, 4)))
    assert function(x, 5).shape == (2, 5, 5)
    assert function(x, scale_factor=2).shape == (2, 6, 8)
    assert function(x, scale_factor=(2, 0.5)).shape == (2, 6, 2)
    np.testing.assert_array_equal(function(x, 5).numpy(), function(x[None], 5).numpy()[0])


@pytest.mark.parametrize("function", [F.upsample_bilinear2d, F.upsample_nearest2d])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either size or scale_factor"),
        ({"size": 4, "scale_factor": 2}, "either size or scale_factor"),
        ({"size": 0}, "size must be a whole number from 1, or a pair of them, got int 0"),
        ({"size": 2.5}, "size must be a whole number from 1, or a pair of them, got float 2.5"),
        ({"scale_factor": -1}, "scale_factor must be a positive number, or a pair of them, got -1"),
        ({"size": (1, 2, 3)}, "a pair of them"),
        ({"scale_factor": 0.1}, "3 pixels cannot become 0"),
    ],
)
def test_upsampling_errors_name_what_does_not_fit(function, options, message):
    with pytest.raises(ValueError, match=f"{function.__name__}: .*{message}"):
        function(tg.zeros(1, 1, 3, 4), **options)


@pytest.mark.parametrize("function", [F.upsample_bilinear2d, F.upsample_nearest2d])
def test_a_matrix_is_no_image(function):
    with pytest.raises(ValueError, match="expects images"):
        function(tg.zeros(3, 4), 2)


def test_pixels_that_are_bytes_are_interpolated_between_and_copied_as_they_are():
    x = tg.tensor(np.array([[[[0, 100], [200, 255]]]], np.uint8))
    between = F.upsample_bilinear2d(x, 3)
    np.testing.assert_array_equal(between.numpy(), F.upsample_bilinear2d(x.astype("float32"), 3).numpy())
    assert F.upsample_nearest2d(x, 4).dtype == np.uint8
