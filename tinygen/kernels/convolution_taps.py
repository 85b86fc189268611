"""Convolution tap by tap: each element of the kernel meets the pixels inside the image that it falls on, nothing else.

The fast ways multiply the zeros of the padding as well, which does no harm while the other factor is finite. Where it
is not, zero times infinity would lose outputs that do not depend on it, so then this way is taken.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygen.backend import Array, array_module
from tinygen.kernels.windows import output_size, taps

Pair = tuple[int, int]  # (vertical, horizontal)


def conv2d(x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    seen = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    y = array_module(x).zeros((len(x), len(w), *seen), np.result_type(x.dtype, w.dtype))
    images, kernel, outputs = _by_group(x, 1, groups), _by_group(w, 0, groups), _by_group(y, 1, groups)
    for i, j, out, into in _meetings(x.shape[2:], seen, w.shape[2:], stride, padding, dilation):
        outputs[out] += array_module(x).einsum("ngkhw,gok->ngohw", images[into], kernel[..., i, j])
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def conv2d_adjoint_x(
    g: Array, w: Array, size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int, bias: Array | None = None
) -> Array:
    """g (N, O, H_out, W_out), w (O, C / groups, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    x = array_module(g).zeros((len(g), groups * w.shape[1], *size), np.result_type(g.dtype, w.dtype))
    images, kernel, outputs = _by_group(x, 1, groups), _by_group(w, 0, groups), _by_group(g, 1, groups)
    for i, j, out, into in _meetings(size, g.shape[2:], w.shape[2:], stride, padding, dilation):
        images[into] += array_module(g).einsum("ngohw,gok->ngkhw", outputs[out], kernel[..., i, j])
    return x if bias is None else x + bias.reshape(-1, 1, 1)


def conv2d_adjoint_w(
    x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    w = array_module(x).zeros((g.shape[1], x.shape[1] // groups, *kernel_size), np.result_type(x.dtype, g.dtype))
    images, kernel, outputs = _by_group(x, 1, groups), _by_group(w, 0, groups), _by_group(g, 1, groups)
    for i, j, out, into in _meetings(x.shape[2:], g.shape[2:], kernel_size, stride, padding, dilation):
        met = images[into], outputs[out]
        kernel[..., i, j] = array_module(x).einsum("ngkhw,ngohw->gok", *met)
    return w


def _by_group(array: Array, axis: int, groups: int) -> Array:
    """``array``, a view whose ``axis``, of channels, is two: (groups, channels of a group)."""
    return array.reshape(*array.shape[:axis], groups, array.shape[axis] // groups, *array.shape[axis + 1 :])


def _meetings(
    size: Sequence[int], seen: Sequence[int], kernel_size: Sequence[int], stride: Pair, padding: Pair, dilation: Pair
) -> Iterator[tuple[int, int, tuple[Any, ...], tuple[Any, ...]]]:
    """For each kernel element (i, j) an index of the output pixels it serves, and one of the pixels it sees."""
    rows, columns = (taps(size[a], seen[a], kernel_size[a], stride[a], padding[a], dilation[a]) for a in (0, 1))
    for i, (row_out, row_in) in enumerate(rows):
        for j, (column_out, column_in) in enumerate(columns):
            yield i, j, (..., row_out, column_out), (..., row_in, column_in)
