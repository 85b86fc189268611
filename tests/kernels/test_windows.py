"""Memory order and taps: the pairs of pixels that a window of pixels makes, against their definition."""

import itertools

import numpy as np
import pytest

from tinygen.kernels import windows


@pytest.mark.parametrize("size", [1, 4, 9])
@pytest.mark.parametrize("kernel_size", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("padding", [-2, 0, 1, 6])
@pytest.mark.parametrize("dilation", [1, 3])
def test_taps_pair_each_output_pixel_with_the_input_pixels_that_it_sees(size, kernel_size, stride, padding, dilation):
    output_size = 6
    pairs = windows.taps(size, output_size, kernel_size, stride, padding, dilation)
    assert len(pairs) == kernel_size
    for tap, (out, into) in enumerate(pairs):
        seen = [(r, stride * r + dilation * tap - padding) for r in range(output_size)]
        expected = [(r, h) for r, h in seen if 0 <= h < size]
        assert list(zip(range(output_size)[out], range(size)[into], strict=True)) == expected


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (19, 2, 16, 16)], ids=["a few", "a page apart"])
def test_images_are_laid_with_the_batch_innermost_and_back(shape):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    laid = windows.lay(x)
    assert laid.shape == (shape[2], shape[1], shape[3], shape[0])
    assert laid.flags.c_contiguous
    for n, c, h, w in itertools.product(*map(range, x.shape)):
        assert laid[h, c, w, n] == x[n, c, h, w]
    np.testing.assert_array_equal(windows.images(laid), x)
    assert np.shares_memory(windows.lay(windows.images(laid)), laid)


def test_one_image_under_many_names_is_laid_like_any():
    x = np.broadcast_to(np.arange(12.0).reshape(1, 1, 3, 4), (20, 2, 3, 4))
    np.testing.assert_array_equal(windows.lay(x), x.transpose(2, 1, 3, 0))


def test_kernels_are_laid_with_their_rows_and_columns_outside_the_channels_and_back():
    w = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    laid = windows.lay_kernel(w)
    assert laid.shape == (2, 5, 4, 3)
    assert laid.flags.c_contiguous
    np.testing.assert_array_equal(windows.as_kernel(laid), w)
    assert np.shares_memory(windows.lay_kernel(windows.as_kernel(laid)), laid)
    room = windows.empty_kernel(w.shape, w.dtype)
    assert room.base is None
    assert (room.shape, room.strides, room.dtype) == (w.shape, windows.as_kernel(laid).strides, w.dtype)


def test_an_array_is_laid_like_images_of_its_shape_and_like_nothing_else():
    x = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    images = windows.images(windows.lay(x))
    laid = windows.laid_like(x, images)
    np.testing.assert_array_equal(laid, x)
    assert laid.strides == images.strides
    for other in (x, x[:1], x.ravel(), np.asfortranarray(x)):
        assert windows.laid_like(x, other) is x
    assert windows.laid_like(images, images) is images
