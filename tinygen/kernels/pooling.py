"""Pooling: each output pixel is the mean, or the largest, of a window of input pixels.

A kernel tap (i, j) pairs output pixel (r, c) with input pixel (s r + d i - p, s c + d j - p). For one tap the pairs
that lie inside the image form a regular grid, so pooling is a short sum (or maximum) over taps of strided views. On a
CPU each thread takes some of the channels and goes from row to row, so that what it needs again is still in the cache.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu.layout import as_nchw, to_hcwn
from tinygen.kernels.cpu.parallel import parallel
from tinygen.kernels.windows import taps

Pair = tuple[int, int]  # (vertical, horizontal)

MANY = 100_000  # elements from which a second thread saves more than it costs


def pool_output_size(
    size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Pair:
    """(H_out, W_out). With ``ceil_mode`` a last, partial window counts if it starts in the image or left padding."""

    def along(axis: int) -> int:
        room = size[axis] + 2 * padding[axis] - dilation[axis] * (kernel_size[axis] - 1) - 1
        count = (room + (stride[axis] - 1 if ceil_mode else 0)) // stride[axis] + 1
        starts_too_late = ceil_mode and (count - 1) * stride[axis] >= size[axis] + padding[axis]
        return count - 1 if starts_too_late else count

    return along(0), along(1)


# The mean ------------------------------------------------------------------------------------------------------------


def avg_pool2d_divisors(
    size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    output_size: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> float | np.ndarray:
    """What each window's sum is divided by: one number if it is the same for all, else an array (H_out, W_out).

    A window counts its own pixels; the padding's too with ``count_include_pad``, but never what lies beyond the
    padding (the overhang of a last window under ``ceil_mode``).
    """
    if divisor_override is not None:
        return float(divisor_override)

    def along(axis: int) -> np.ndarray:
        first = stride[axis] * np.arange(output_size[axis]) - padding[axis]
        border = padding[axis] if count_include_pad else 0
        return np.minimum(first + kernel_size[axis], size[axis] + border) - np.maximum(first, -border)

    divisors = along(0)[:, None] * along(1)
    whole = kernel_size[0] * kernel_size[1]
    return float(whole) if (divisors == whole).all() else divisors


def avg_pool2d(
    x: Array, kernel_size: Pair, stride: Pair, padding: Pair, output_size: Pair, divisors: float | np.ndarray
) -> Array:
    """x (N, C, H, W) -> (N, C, H_out, W_out): the sum over each window, divided by ``divisors``."""
    xp = array_module(x)
    (N, C, H, W), (H_out, W_out) = x.shape, output_size
    y = as_nchw(xp.empty((H_out, C, W_out, N), x.dtype))
    pairs = list(_pairs((H, W), output_size, kernel_size, stride, padding))
    row_out, first_row, column_out, first_column = pairs[0]
    begins = (row_out, column_out) == (slice(0, H_out), slice(0, W_out))  # the first tap has a pixel for every window
    if begins:
        pairs.pop(0)

    def work(first: int, last: int) -> None:
        means, part = y[:, first:last], x[:, first:last]
        means[...] = part[:, :, first_row, first_column] if begins else 0
        for row_out, row_in, column_out, column_in in pairs:
            means[:, :, row_out, column_out] += part[:, :, row_in, column_in]
        means /= xp.asarray(divisors, dtype=x.dtype)

    _share_channels(work, x)
    return y


def avg_pool2d_adjoint(
    g: Array,
    size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    output_size: Pair,
    divisors: float | np.ndarray,
) -> Array:
    """g (N, C, H_out, W_out) -> (N, C, H, W): each value, divided, handed to all pixels of its window."""
    xp = array_module(g)
    (N, C, _, _), (H, W) = g.shape, size
    apart = stride[0] >= kernel_size[0] and stride[1] >= kernel_size[1]  # each pixel is in one window at most
    covered = (stride[0] * output_size[0], stride[1] * output_size[1])
    tiled = stride == kernel_size and padding == (0, 0) and size == covered  # each pixel is in one, and will be written
    x = as_nchw((xp.empty if tiled else xp.zeros)((H, C, W, N), g.dtype))

    def work(first: int, last: int) -> None:
        shares, part = g[:, first:last] / xp.asarray(divisors, dtype=g.dtype), x[:, first:last]
        for row_out, row_in, column_out, column_in in _pairs(size, output_size, kernel_size, stride, padding):
            if apart:
                part[:, :, row_in, column_in] = shares[:, :, row_out, column_out]
            else:
                part[:, :, row_in, column_in] += shares[:, :, row_out, column_out]

    _share_channels(work, g)
    return x


def _pairs(
    size: Sequence[int],
    output_size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
) -> Iterator[tuple[slice, slice, slice, slice]]:
    """For each tap of the window, in reading order: output rows, input rows, output columns and input columns."""
    rows, columns = (taps(size[a], output_size[a], kernel_size[a], stride[a], padding[a], dilation[a]) for a in (0, 1))
    for row_out, row_in in rows:
        for column_out, column_in in columns:
            yield row_out, row_in, column_out, column_in


def _share_channels(work: Callable[[int, int], None], x: Array) -> None:
    """Call ``work(first, last)`` on all channels of x (N, C, H, W), shared out to the threads where they compute."""
    if is_numpy(x):
        parallel(work, x.shape[1], when=x.size >= MANY)
    else:
        work(0, x.shape[1])


# The maximum ---------------------------------------------------------------------------------------------------------


def max_pool2d_indices(
    x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, output_size: Pair
) -> Array:
    """x (N, C, H, W) -> (N, C, H_out, W_out): where the largest value of each window lies, as h W + w.

    Of equal values the first, in reading order; NaN counts as larger than any number; padding never wins (-1 for a
    window that meets nothing else).
    """
    xp = array_module(x)
    N, C, *size = x.shape
    H_out, W_out = output_size
    positions = xp.arange(size[0] * size[1]).reshape(size)
    where = as_nchw(xp.full((H_out, C, W_out, N), -1))  # -1: no pixel of the window seen so far

    def work(first: int, last: int) -> None:
        best = as_nchw(xp.zeros((H_out, last - first, W_out, N), x.dtype))
        chosen = where[:, first:last]
        pairs = _pairs(size, output_size, kernel_size, stride, padding, dilation)
        for row_out, row_in, column_out, column_in in pairs:
            value, here = x[:, first:last, row_in, column_in], (slice(None), slice(None), row_out, column_out)
            better = (value > best[here]) | (value != value) | (chosen[here] < 0)
            best[here] = xp.where(better, value, best[here])
            chosen[here] = xp.where(better, positions[row_in, column_in], chosen[here])

    _share_channels(work, x)
    return where


def take_pixels(x: Array, indices: Array) -> Array:
    """x (N, C, H, W), indices (N, C, H_out, W_out) of positions h W + w -> the pixels there, (N, C, H_out, W_out).

    An index of -1 stands for no pixel; what is taken for it means nothing.
    """
    if not is_numpy(x):
        return take_pixels_plain(x, indices)
    flat = to_hcwn(x).reshape(-1)
    return as_nchw(flat[_places(indices, x.shape[3])])


def take_pixels_plain(x: Array, indices: Array) -> Array:
    """``take_pixels`` on any array module."""
    N, C, H, W = x.shape
    xp = array_module(x)
    flat, places = x.reshape(N, C, H * W), xp.maximum(indices, 0).reshape(N, C, math.prod(indices.shape[2:]))
    return xp.take_along_axis(flat, places, 2).reshape(indices.shape)


def put_pixels(g: Array, indices: Array, size: Pair) -> Array:
    """The adjoint of ``take_pixels``: each g (N, C, H_out, W_out) added to its pixel of a (N, C, H, W) of zeros."""
    if not is_numpy(g):
        return put_pixels_plain(g, indices, size)
    N, C = g.shape[:2]
    places = _places(indices, size[1]).reshape(-1)
    sums = np.bincount(places, g.transpose(2, 1, 3, 0).reshape(-1), N * C * size[0] * size[1])
    return as_nchw(sums.astype(g.dtype).reshape(size[0], C, size[1], N))


def put_pixels_plain(g: Array, indices: Array, size: Pair) -> Array:
    """``put_pixels`` on any array module."""
    xp = array_module(g)
    N, C = g.shape[:2]
    H, W = size
    images = xp.arange(N * C).reshape(N, C, 1, 1)
    x = xp.zeros(N * C * H * W, g.dtype)
    xp.add.at(x, (images * (H * W) + xp.maximum(indices, 0)).reshape(-1), g.reshape(-1))
    return x.reshape(N, C, H, W)


def _places(indices: np.ndarray, W: int) -> np.ndarray:
    """Where the pixels that ``indices`` (N, C, H_out, W_out) point at lie in (H, C, W, N) memory."""
    N, C = indices.shape[:2]
    indices = np.maximum(indices.transpose(2, 1, 3, 0), 0)  # (H_out, C, W_out, N)
    rows_above = indices // W * (C - 1) + np.arange(C)[:, None, None]
    return (indices + rows_above * W) * N + np.arange(N)
