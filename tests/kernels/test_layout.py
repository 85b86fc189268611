"""Memory order of images and kernels: conversions and their inverses."""

import itertools

import numpy as np
import pytest

from tinygen.kernels.cpu import layout


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (19, 2, 16, 16)], ids=["small", "stride of a page"])
def test_images_are_stored_with_the_batch_innermost(shape):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    stored = layout.to_hcwn(x)
    assert stored.shape == (shape[2], shape[1], shape[3], shape[0])
    assert stored.flags.c_contiguous
    for n, c, h, w in itertools.product(*map(range, x.shape)):
        assert stored[h, c, w, n] == x[n, c, h, w]
    np.testing.assert_array_equal(layout.as_nchw(stored), x)
    assert np.shares_memory(layout.to_hcwn(layout.as_nchw(stored)), stored)


def test_a_broadcast_batch_is_stored_like_a_full_one():
    x = np.broadcast_to(np.arange(12.0).reshape(1, 1, 3, 4), (20, 2, 3, 4))
    np.testing.assert_array_equal(layout.to_hcwn(x), x.transpose(2, 1, 3, 0))


def test_kernels_are_stored_with_the_input_channels_innermost():
    w = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    stored = layout.to_gemm_kernel(w)
    assert stored.shape == (2, 4, 5, 3)
    assert stored.flags.c_contiguous
    np.testing.assert_array_equal(layout.as_oihw(stored), w)
    assert np.shares_memory(layout.to_gemm_kernel(layout.as_oihw(stored)), stored)
    empty = layout.empty_gemm_kernel(w.shape, w.dtype)
    assert empty.base is None
    assert (empty.shape, empty.strides, empty.dtype) == (w.shape, layout.as_oihw(stored).strides, w.dtype)


def test_an_array_matches_the_layout_of_images_of_its_own_shape_only():
    x = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    images = layout.as_nchw(layout.to_hcwn(x))
    matched = layout.match_layout(x, images)
    np.testing.assert_array_equal(matched, x)
    assert matched.strides == images.strides
    for other in (x, x[:1], x.ravel(), np.asfortranarray(x)):
        assert layout.match_layout(x, other) is x
    assert layout.match_layout(images, images) is images
