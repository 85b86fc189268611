"""The kernels of pooling: they follow their definitions, are adjoint to each other, and equal the reference."""

import itertools

import numpy as np
import pytest

from tinygen.kernels import pooling
from tinygen.kernels.cpu import parallel
from tinygen.kernels.windows import Geometry

# size, kernel, stride, padding, ceil_mode
WINDOWS = [
    ((6, 6), (2, 2), (2, 2), (0, 0), False),
    ((7, 9), (2, 2), (2, 2), (0, 0), False),
    ((7, 9), (2, 2), (2, 2), (0, 0), True),
    ((7, 9), (3, 2), (1, 2), (1, 1), False),
    ((8, 5), (3, 3), (2, 2), (1, 1), True),
    ((5, 6), (5, 4), (3, 1), (2, 2), True),
    ((8, 8), (2, 1), (3, 4), (0, 0), False),
    ((4, 4), (4, 4), (1, 1), (0, 0), False),
]


def sizes(window: tuple) -> tuple:
    """Size, kernel size, geometry and output size."""
    size, kernel, stride, padding, ceil_mode = window
    geometry = Geometry(stride, padding, (1, 1), 1)
    return size, kernel, geometry, pooling.pool_output_size(size, kernel, geometry, ceil_mode)


def windows_of(size, kernel, geometry, output):
    """(r, c, rows, columns): the pixels inside the image of each output pixel's window."""
    for r, c in itertools.product(*map(range, output)):
        first = [geometry.stride[a] * (r, c)[a] - geometry.padding[a] for a in (0, 1)]
        yield r, c, *(slice(max(first[a], 0), min(first[a] + kernel[a], size[a])) for a in (0, 1))


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "ceil_mode", "expected"),
    [
        (7, 2, 2, 0, 1, False, 3),
        (7, 2, 2, 0, 1, True, 4),
        (5, 3, 2, 1, 1, True, 3),
        (4, 2, 3, 1, 1, True, 2),  # a third window would start beyond the image
        (7, 2, 1, 0, 3, False, 4),
        (1, 2, 2, 0, 1, False, 0),
    ],
)
def test_output_size_counts_windows_that_fit(size, kernel, stride, padding, dilation, ceil_mode, expected):
    size, kernel, *geometry = ((value, value) for value in (size, kernel, stride, padding, dilation))
    assert pooling.pool_output_size(size, kernel, Geometry(*geometry, 1), ceil_mode) == (expected, expected)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_mean_of_each_window_counts_its_pixels_in_the_image(window):
    size, kernel, geometry, output = sizes(window)
    x = images(3, 2, *size)
    divisors = pooling.avg_pool2d_divisors(size, kernel, geometry, output, False)
    y = pooling.avg_pool2d(x, kernel, geometry, output, divisors)
    for r, c, rows, columns in windows_of(size, kernel, geometry, output):
        np.testing.assert_allclose(y[:, :, r, c], x[:, :, rows, columns].mean(axis=(2, 3)))


def test_padding_counts_in_the_mean_but_what_lies_beyond_it_does_not():
    size, kernel, geometry, output = sizes(((3, 3), (3, 3), (2, 2), (1, 1), True))
    assert output == (2, 2)
    counted = pooling.avg_pool2d_divisors(size, kernel, geometry, output, True)
    assert counted == 9
    size, kernel, geometry, output = sizes(((4, 4), (3, 3), (2, 2), (1, 1), True))
    counted = pooling.avg_pool2d_divisors(size, kernel, geometry, output, True)
    np.testing.assert_array_equal(counted, [[9, 9, 6], [9, 9, 6], [6, 6, 4]])


@pytest.mark.parametrize("window", WINDOWS)
def test_mean_and_its_adjoint_are_adjoint(window):
    size, *rest = sizes(window)
    x, g = images(3, 2, *size), images(3, 2, *rest[-1])[::-1]
    divisors = pooling.avg_pool2d_divisors(size, *rest, True)
    y, back = pooling.avg_pool2d(x, *rest, divisors), pooling.avg_pool2d_adjoint(g, size, *rest, divisors)
    np.testing.assert_allclose(np.vdot(y, g), np.vdot(x, back))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("threads", [1, 3])
def test_mean_is_the_same_however_many_threads_share_the_channels(window, threads, monkeypatch):
    size, *rest = sizes(window)
    x, g = images(3, 5, *size).astype("float32"), images(3, 5, *rest[-1]).astype("float32")
    divisors = pooling.avg_pool2d_divisors(size, *rest, True)
    expected = pooling.avg_pool2d(x, *rest, divisors), pooling.avg_pool2d_adjoint(g, size, *rest, divisors)
    monkeypatch.setattr(pooling, "PARALLEL_MIN_PIXELS", 0)
    monkeypatch.setattr(parallel, "threads", lambda: threads)
    y, back = pooling.avg_pool2d(x, *rest, divisors), pooling.avg_pool2d_adjoint(g, size, *rest, divisors)
    assert y.dtype == back.dtype == np.float32
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(back, expected[1])


@pytest.mark.parametrize("window", WINDOWS)
def test_the_indices_point_at_the_largest_pixel(window):
    size, kernel, geometry, output = sizes(window)
    x = images(3, 2, *size)
    indices = pooling.max_pool2d_indices(x, kernel, geometry, output)
    y = pooling.gather2d(x, indices)
    for r, c, rows, columns in windows_of(size, kernel, geometry, output):
        np.testing.assert_array_equal(y[:, :, r, c], x[:, :, rows, columns].max(axis=(2, 3)))


def test_of_equal_pixels_the_first_in_reading_order_is_the_largest():
    x = np.array([[[[1.0, 3.0, 3.0], [3.0, 0.0, 3.0]]]])
    assert pooling.max_pool2d_indices(x, (2, 3), Geometry((1, 1), (0, 0), (1, 1), 1), (1, 1)).item() == 1


def test_nan_is_larger_than_any_number():
    x = np.array([[[[1.0, np.nan], [np.inf, 0.0]]]])
    assert pooling.max_pool2d_indices(x, (2, 2), Geometry((1, 1), (0, 0), (1, 1), 1), (1, 1)).item() == 1


def test_padding_is_never_the_largest():
    x = np.full((1, 1, 2, 2), -np.inf)
    indices = pooling.max_pool2d_indices(x, (2, 2), Geometry((1, 1), (1, 1), (1, 1), 1), (3, 3))
    np.testing.assert_array_equal(indices[0, 0], [[0, 0, 1], [0, 0, 1], [2, 2, 3]])


def test_a_window_of_padding_only_has_index_minus_one():
    indices = pooling.max_pool2d_indices(np.ones((1, 1, 1, 2)), (2, 2), Geometry((1, 1), (1, 1), (2, 2), 1), (1, 2))
    np.testing.assert_array_equal(indices, np.full((1, 1, 1, 2), -1))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", [(3, 2), (1, 1), (40, 60)])
def test_fast_gather_computes_what_the_reference_computes(window, shape):
    size, kernel, geometry, output = sizes(window)
    x = images(*shape, *size)
    indices = pooling.max_pool2d_indices(x, kernel, geometry, output)
    np.testing.assert_array_equal(pooling.gather2d(x, indices), pooling.gather2d.reference(x, indices))


@pytest.mark.parametrize("window", WINDOWS)
def test_gather_and_scatter_are_adjoint(window):
    size, kernel, geometry, output = sizes(window)
    x, g = images(3, 2, *size), images(3, 2, *output)[::-1]
    indices = pooling.max_pool2d_indices(x, kernel, geometry, output)
    taken, put = pooling.gather2d(x, indices), pooling.scatter_add2d(g, indices, size)
    np.testing.assert_allclose(np.vdot(taken, g), np.vdot(x, put))


def test_an_empty_batch_is_pooled_to_an_empty_batch():
    x = np.zeros((0, 2, 4, 4))
    window = ((2, 2), Geometry((2, 2), (0, 0), (1, 1), 1), (2, 2))
    assert pooling.avg_pool2d(x, *window, 4.0).shape == (0, 2, 2, 2)
    indices = pooling.max_pool2d_indices(x, *window)
    assert pooling.gather2d(x, indices).shape == (0, 2, 2, 2)
    assert pooling.scatter_add2d(np.zeros((0, 2, 2, 2)), indices, (4, 4)).shape == (0, 2, 4, 4)
