"""Pooling: each output pixel is the mean, or the maximum, of a window of input pixels.

Element (i, j) of the window connects output pixel (r, c) with input pixel (s r + d i - p, s c + d j - p). For one
element the pairs inside the image form a regular grid, so pooling is a short sum (or maximum) of strided views.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu import layout
from tinygen.kernels.cpu import pooling as cpu
from tinygen.kernels.cpu.parallel import parallel
from tinygen.kernels.dispatch import fast_on_cpu
from tinygen.kernels.windows import Geometry, Pair, tap_pairs

PARALLEL_MIN_PIXELS = 100_000  # elements above which two threads of a CPU were measured to be faster than one


def pool_output_size(size: Pair, kernel_size: Pair, geometry: Geometry, ceil_mode: bool) -> Pair:
    """(H_out, W_out). With ``ceil_mode`` a partial last window counts if it starts in the image or the left padding."""

    def along(axis: int) -> int:
        stride, padding, dilation = (pair[axis] for pair in geometry[:3])
        span = size[axis] + 2 * padding - dilation * (kernel_size[axis] - 1) - 1
        count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
        starts_too_late = ceil_mode and (count - 1) * stride >= size[axis] + padding
        return count - 1 if starts_too_late else count

    return along(0), along(1)


def _empty_images(shape: Sequence[int], like: Array) -> Array:
    """Uninitialised images of ``shape`` (N, C, H, W), with the array module and dtype of ``like``."""
    return (layout.empty_images if is_numpy(like) else array_module(like).empty)(shape, like.dtype)


def _for_channels(work: Callable[[int, int], None], x: Array) -> None:
    """Call ``work(first, last)`` on ranges of channels of x (N, C, H, W), on a CPU in all threads."""
    parallel(work, x.shape[1], when=is_numpy(x) and x.size >= PARALLEL_MIN_PIXELS)


# The mean ------------------------------------------------------------------------------------------------------------


def avg_pool2d_divisors(
    size: Pair, kernel_size: Pair, geometry: Geometry, output_size: Pair, count_include_pad: bool
) -> float | np.ndarray:
    """The number of pixels in each window: one number if all are equal, else an array (H_out, W_out). Padding counts
    with ``count_include_pad``, but never what a last window has beyond the padding (``ceil_mode``)."""

    def along(axis: int) -> np.ndarray:
        padding = geometry.padding[axis]
        first = geometry.stride[axis] * np.arange(output_size[axis]) - padding
        border = padding if count_include_pad else 0
        return np.minimum(first + kernel_size[axis], size[axis] + border) - np.maximum(first, -border)

    divisors = along(0)[:, None] * along(1)
    whole = math.prod(kernel_size)
    return float(whole) if (divisors == whole).all() else divisors


def avg_pool2d(
    x: Array, kernel_size: Pair, geometry: Geometry, output_size: Pair, divisors: float | np.ndarray
) -> Array:
    """x (N, C, H, W) -> (N, C, H_out, W_out): the sum over each window, divided by ``divisors``."""
    y = _empty_images((*x.shape[:2], *output_size), x)
    divisors = array_module(x).asarray(divisors, dtype=x.dtype)
    elements = [(out, into) for _, _, out, into in tap_pairs(x.shape[2:], output_size, kernel_size, geometry)]
    assigns = elements[0][0] == (..., slice(0, output_size[0]), slice(0, output_size[1]))  # to every output pixel

    def work(first: int, last: int) -> None:
        part_y, part_x = y[:, first:last], x[:, first:last]
        part_y[...] = part_x[elements[0][1]] if assigns else 0
        for out, into in elements[assigns:]:
            part_y[out] += part_x[into]
        part_y /= divisors

    _for_channels(work, x)
    return y


def avg_pool2d_adjoint(
    g: Array, size: Pair, kernel_size: Pair, geometry: Geometry, output_size: Pair, divisors: float | np.ndarray
) -> Array:
    """g (N, C, H_out, W_out) -> (N, C, H, W): each value, divided, is added to all pixels of its window."""
    x = _empty_images((*g.shape[:2], *size), g)
    divisors = array_module(g).asarray(divisors, dtype=g.dtype)
    covered = tuple([s * n for s, n in zip(geometry.stride, output_size, strict=True)])
    tiled = geometry[:2] == (kernel_size, (0, 0)) and size == covered  # every pixel is in exactly one window

    def work(first: int, last: int) -> None:
        part_x, part_g = x[:, first:last], g[:, first:last] / divisors
        if not tiled:
            part_x[...] = 0
        for _, _, out, into in tap_pairs(size, output_size, kernel_size, geometry):
            if tiled:
                part_x[into] = part_g[out]
            else:
                part_x[into] += part_g[out]

    _for_channels(work, g)
    return x


# The maximum ---------------------------------------------------------------------------------------------------------


def max_pool2d_indices(x: Array, kernel_size: Pair, geometry: Geometry, output_size: Pair) -> Array:
    """x (N, C, H, W) -> (N, C, H_out, W_out): the position h W + w of the maximum of each window.

    Among equal values it is the first in reading order; NaN counts as larger than any number; padding never is the
    maximum (-1 for a window of padding only).
    """
    xp, size = array_module(x), x.shape[2:]
    positions = xp.arange(math.prod(size)).reshape(size)
    indices = _empty_images((*x.shape[:2], *output_size), positions)

    def work(first: int, last: int) -> None:
        part_x, chosen = x[:, first:last], indices[:, first:last]
        best = _empty_images(chosen.shape, x)
        best[...], chosen[...] = 0, -1
        for _, _, out, into in tap_pairs(size, output_size, kernel_size, geometry):
            value, old, index = part_x[into], best[out], chosen[out]
            larger = (value > old) | (value != value) | (index < 0)
            best[out] = xp.where(larger, value, old)
            chosen[out] = xp.where(larger, positions[into], index)

    _for_channels(work, x)
    return indices


@fast_on_cpu(cpu.gather2d)
def gather2d(x: Array, indices: Array) -> Array:
    """x (N, C, H, W), indices (N, C, H_out, W_out) of positions h W + w -> the pixels there, (N, C, H_out, W_out).

    An index of -1 stands for no pixel; its result is undefined.
    """
    N, C, H, W = x.shape
    xp = array_module(x)
    flat, positions = x.reshape(N, C, H * W), xp.maximum(indices, 0).reshape(N, C, math.prod(indices.shape[2:]))
    return xp.take_along_axis(flat, positions, 2).reshape(indices.shape)


def scatter_add2d(g: Array, indices: Array, size: Pair) -> Array:
    """The adjoint of ``gather2d``: each g (N, C, H_out, W_out) is added to its pixel of zeros (N, C, H, W)."""
    xp = array_module(g)
    (N, C), (H, W) = g.shape[:2], size
    planes = xp.arange(N * C).reshape(N, C, 1, 1)
    x = xp.zeros(N * C * H * W, g.dtype)
    xp.add.at(x, (planes * (H * W) + xp.maximum(indices, 0)).reshape(-1), g.reshape(-1))
    return x.reshape(N, C, H, W)
