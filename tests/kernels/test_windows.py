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
