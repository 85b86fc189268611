"""Convolution tap by tap: for kernels and images that hold infinities or NaN.

The other algorithms multiply zeros that the formula does not have: those of the padding, and those with which a kernel
is filled up. The products are 0, but NaN where the other factor is infinite or NaN. Here each element of the kernel
meets only the pixels that it sees, in a product of matrices of its own.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tinygen.backend import Array, array_module
from tinygen.kernels.windows import output_size, taps

Pair = tuple[int, int]  # (vertical, horizontal)
Place = tuple[slice, slice, slice, slice]  # of pixels in images (N, C, H, W)


def conv2d(x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    seen = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    y = array_module(x).zeros((len(x), len(w), *seen), np.result_type(x.dtype, w.dtype))
    for i, j, out, into in _meetings(x.shape[2:], seen, w.shape[2:], stride, padding, dilation):
        met = x[into]
        products = _matrices(w[:, :, i, j], groups) @ _grouped(met, groups)
        y[out] += products.reshape(len(x), len(w), *met.shape[2:])
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def conv2d_adjoint_x(
    g: Array, w: Array, size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int, bias: Array | None
) -> Array:
    """g (N, O, H_out, W_out), w (O, C / groups, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    C = w.shape[1] * groups
    x = array_module(g).zeros((len(g), C, *size), np.result_type(g.dtype, w.dtype))
    for i, j, out, into in _meetings(size, g.shape[2:], w.shape[2:], stride, padding, dilation):
        met = g[out]
        products = _matrices(w[:, :, i, j], groups).swapaxes(1, 2) @ _grouped(met, groups)
        x[into] += products.reshape(len(g), C, *met.shape[2:])
    return x if bias is None else x + bias.reshape(-1, 1, 1)


def conv2d_adjoint_w(
    x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    O, C = g.shape[1], x.shape[1] // groups
    w = array_module(x).zeros((O, C, *kernel_size), np.result_type(x.dtype, g.dtype))
    for i, j, out, into in _meetings(x.shape[2:], g.shape[2:], kernel_size, stride, padding, dilation):
        products = _grouped(g[out], groups) @ _grouped(x[into], groups).swapaxes(2, 3)  # (N, groups, O / groups, C)
        w[:, :, i, j] = products.sum(axis=0).reshape(O, C)
    return w


def _meetings(
    size: Sequence[int], seen: Sequence[int], kernel_size: Sequence[int], stride: Pair, padding: Pair, dilation: Pair
) -> Iterator[tuple[int, int, Place, Place]]:
    """For each element (i, j) of the kernel: the output pixels that it serves, and the input pixels that it sees."""
    rows, columns = (taps(size[a], seen[a], kernel_size[a], stride[a], padding[a], dilation[a]) for a in (0, 1))
    every = slice(None)
    for i, (row_out, row_in) in enumerate(rows):
        for j, (column_out, column_in) in enumerate(columns):
            yield i, j, (every, every, row_out, column_out), (every, every, row_in, column_in)


def _matrices(w: Array, groups: int) -> Array:
    """One element of the kernel, (O, C / groups), as matrices (groups, O / groups, C / groups)."""
    return w.reshape(groups, -1, w.shape[1])


def _grouped(pixels: Array, groups: int) -> Array:
    """Pixels (N, C, h, w) as matrices (N, groups, C / groups, h w)."""
    N, C, h, w = pixels.shape
    return pixels.reshape(N, groups, C // groups, h * w)
