"""Convolution without products with padding, for infinite and undefined factors.

The GEMMs of a convolution also multiply the zeros of the padding. That changes nothing while the other factor is
finite; but 0 times infinity is NaN, also in outputs that do not depend on the infinite element. The functions below sum
over the elements of the kernel ("taps"), each times those pixels inside the image that it falls on. They are several
times slower, so ``recompute_if_nonfinite`` calls them only where a result is not finite.
"""

import numpy as np

from tinygen.backend import Array, array_module
from tinygen.kernels.windows import Geometry, Pair, output_size, tap_pairs


def conv2d(x: Array, w: Array, bias: Array | None, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    size = output_size(x.shape[2:], w.shape[2:], *geometry[:3])
    y = array_module(x).zeros((len(x), len(w), *size), np.result_type(x.dtype, w.dtype))
    x_grouped, w_grouped, y_grouped = (_split(*pair, geometry.groups) for pair in ((x, 1), (w, 0), (y, 1)))
    for i, j, out, into in tap_pairs(x.shape[2:], size, w.shape[2:], geometry):
        y_grouped[out] += array_module(x).einsum("ngkhw,gok->ngohw", x_grouped[into], w_grouped[..., i, j])
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def conv2d_weight_grad(x: Array, g: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    w = array_module(x).zeros((g.shape[1], x.shape[1] // geometry.groups, *kernel_size), np.result_type(x, g))
    x_grouped, g_grouped, w_grouped = (_split(*pair, geometry.groups) for pair in ((x, 1), (g, 1), (w, 0)))
    for i, j, out, into in tap_pairs(x.shape[2:], g.shape[2:], kernel_size, geometry):
        w_grouped[..., i, j] = array_module(x).einsum("ngkhw,ngohw->gok", x_grouped[into], g_grouped[out])
    return w


def _split(array: Array, axis: int, groups: int) -> Array:
    """A view of ``array`` with its axis of channels split in two: (groups, channels per group)."""
    return array.reshape(*array.shape[:axis], groups, array.shape[axis] // groups, *array.shape[axis + 1 :])
