"""Convolution and its two adjoints.

    y[n, o, r, c] = bias[o] + sum over i, j, k of w[o, k, i, j] x[n, k, s r + d i - p, s c + d j - p]

(x counts as zero outside its borders; s is the stride, d the dilation, p the padding, one of each per direction). The
map is linear in x and linear in w, so it has an adjoint in each:

    <conv2d(x, w), g>  =  <x, conv2d_adjoint_x(g, w)>  =  <w, conv2d_adjoint_w(x, g)>

The adjoint in x is what other libraries call transposed convolution. These three are closed under differentiation:
the derivative of any of them is another of them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels import convolution_cpu as cpu
from tinygen.kernels import convolution_taps as by_taps
from tinygen.kernels.cpu.products import all_finite
from tinygen.kernels.windows import output_size

Pair = tuple[int, int]  # (vertical, horizontal)


def conv2d(x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    if _is_common(x, w, dilation, groups):
        y = cpu.conv2d(x, w, bias, stride, padding)
    else:
        y = conv2d_plain(x, w, bias, stride, padding, dilation, groups)
    if any(padding) and not _all_finite(w, y[:1]):
        return by_taps.conv2d(x, w, bias, stride, padding, dilation, groups)
    return y


def conv2d_adjoint_x(
    g: Array,
    w: Array,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """g (N, O, H_out, W_out), w (O, C / groups, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    if _is_common(g, w, dilation, groups):
        x = cpu.conv2d_adjoint_x(g, w, size, stride, padding, bias)
    else:
        x = conv2d_adjoint_x_plain(g, w, size, stride, padding, dilation, groups, bias)
    if not _all_finite(w, x[:1]):
        return by_taps.conv2d_adjoint_x(g, w, size, stride, padding, dilation, groups, bias)
    return x


def conv2d_adjoint_w(
    x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    if _is_common(x, g, dilation, groups):
        w = cpu.conv2d_adjoint_w(x, g, kernel_size, stride, padding)
    else:
        w = conv2d_adjoint_w_plain(x, g, kernel_size, stride, padding, dilation, groups)
    if not _all_finite(w[:, :1]):
        return by_taps.conv2d_adjoint_w(x, g, kernel_size, stride, padding, dilation, groups)
    return w


def _all_finite(*candidates: Array) -> bool:
    """Whether the smallest candidate has neither infinities nor NaN. If not, the result may have a NaN too many: zero
    times infinity, where the padding meets a weight or a gradient.

    A weight spoils the same pixels of every image, so the first image of the result is a candidate beside the kernel;
    a gradient spoils a kernel's element in all channels, so the first channel is one. Arrays on a GPU are not examined,
    since the host would wait for each: there the NaN stays.
    """
    array = min(candidates, key=lambda candidate: candidate.size)
    return not is_numpy(array) or all_finite(array)


def _is_common(first: Array, second: Array, dilation: Pair, groups: int) -> bool:
    """Whether the CPU's own kernels take the case: NumPy arrays, no dilation, one group, something to compute."""
    return is_numpy(first) and dilation == (1, 1) and groups == 1 and first.size > 0 and second.size > 0


# The same for any array module: all patches in one copy, then one matrix product (a batch of them with groups) -------


def conv2d_plain(
    x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """``conv2d`` on any array module: the kernel times all patches."""
    (N, _, *size), (O, _, *kernel_size) = x.shape, w.shape
    H_out, W_out = output_size(size, kernel_size, stride, padding, dilation)
    patches = _patches(x, kernel_size, stride, padding, dilation, (H_out, W_out), groups)
    y = _by_group(w.reshape(groups, O // groups, patches.shape[1]), patches).reshape(O, N, H_out, W_out)
    if bias is not None:
        y = y + bias.reshape(O, 1, 1, 1)
    return y.swapaxes(0, 1)


def conv2d_adjoint_x_plain(
    g: Array,
    w: Array,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """``conv2d_adjoint_x`` on any array module.

    Pixel s a + r of the padded x hears of output a - t by the kernel's element i where d i = s t + r. If each of the s
    phases r hears of equally many outputs, one convolution serves them all; else each has its own, with those elements
    of the kernel alone that it hears by. No way multiplies zeros that a stride or a dilation leaves out.
    """
    phases = [_phases(size[a], w.shape[2 + a], stride[a], padding[a], dilation[a]) for a in (0, 1)]
    parts = [
        (rows, columns, _interleaved(g, w[:, :, rows.taps, columns.taps], rows, columns, groups))
        for rows in phases[0]
        for columns in phases[1]
    ]
    if parts and parts[0][2].shape[2:] == tuple(size):
        x = parts[0][2]
    else:
        x = array_module(g).zeros((len(g), groups * w.shape[1], *size), np.result_type(g.dtype, w.dtype))
        for rows, columns, part in parts:
            x[:, :, rows.pixels, columns.pixels] = part
    return x if bias is None else x + bias.reshape(-1, 1, 1)


class Phase(NamedTuple):
    """Pixels of x, along one direction, and what they hear by: an adjoint convolution of their own."""

    pixels: slice
    taps: slice  # of the kernel
    size: int
    stride: int
    padding: int  # may be negative: the first outputs are heard by no one
    dilation: int


def _phases(size: int, kernel_size: int, stride: int, padding: int, dilation: int) -> list[Phase]:
    """The phases of a direction: all pixels together where they hear of equally many outputs, else every s-th."""
    if stride == 1 or (dilation == 1 and kernel_size % stride == 0):
        return [Phase(slice(None), slice(None), size, stride, padding, dilation)]
    phases, common = [], math.gcd(stride, dilation)
    for r in range(stride):
        first = -((r - padding) // stride)  # the first a
        pixel = stride * first + r - padding
        tap = next((i for i in range(kernel_size) if dilation * i % stride == r), None)
        if tap is not None and pixel < size:
            count = -(-(size - pixel) // stride)
            behind = first - (dilation * tap - r) // stride
            taps = slice(tap, None, stride // common)
            phases.append(Phase(slice(pixel, None, stride), taps, count, 1, behind, dilation // common))
    return phases


def _interleaved(g: Array, w: Array, rows: Phase, columns: Phase, groups: int) -> Array:
    """One phase of each direction, as one convolution of g, of stride 1, whose channels are then pixels: the results
    of all r are laid side by side (the sub-pixel convolution of Shi et al. 2016)."""
    (N, O), (_, C, *kernel_size), axes = g.shape[:2], w.shape, (rows, columns)
    stride, dilation = tuple(axis.stride for axis in axes), (rows.dilation, columns.dilation)
    turns = [taps // axis.stride for taps, axis in zip(kernel_size, axes, strict=True)]  # the values of t
    kernel = w.reshape(groups, O // groups, C, turns[0], stride[0], turns[1], stride[1])[:, :, :, ::-1, :, ::-1]
    channels = groups * C * stride[0] * stride[1]  # one for each channel of x and each r
    kernel = kernel.transpose(0, 2, 4, 6, 1, 3, 5).reshape(channels, O // groups, *turns)

    first = [axis.padding // axis.stride for axis in axes]  # the first and the last a
    last = [(axis.padding + axis.size - 1) // axis.stride for axis in axes]
    start = [a - d * (count - 1) for a, d, count in zip(first, dilation, turns, strict=True)]
    y = conv2d_plain(_window(g, start, [a + 1 for a in last]), kernel, None, (1, 1), (0, 0), dilation, groups)

    H, W = y.shape[2:]
    x = y.reshape(N, groups * C, *stride, H, W).transpose(0, 1, 4, 2, 5, 3)
    x = x.reshape(N, groups * C, H * stride[0], W * stride[1])
    top, left = (axis.padding - axis.stride * a for axis, a in zip(axes, first, strict=True))
    return x[:, :, top : top + rows.size, left : left + columns.size]


def conv2d_adjoint_w_plain(
    x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """``conv2d_adjoint_w`` on any array module: the output's gradient times all patches."""
    C, (N, O, H_out, W_out) = x.shape[1], g.shape
    patches = _patches(x, kernel_size, stride, padding, dilation, (H_out, W_out), groups)
    seen = g.swapaxes(0, 1).reshape(groups, O // groups, N * H_out * W_out)
    return _by_group(seen, patches.swapaxes(1, 2)).reshape(O, C // groups, *kernel_size)


def _patches(
    x: Array,
    kernel_size: Sequence[int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Sequence[int],
    groups: int,
) -> Array:
    """What each kernel element meets: x (N, C, H, W) -> (groups, C / groups kh kw, N H_out W_out). The windows have to
    lie within the padded x: nothing looks whether they do."""
    N, C = x.shape[:2]
    padded = _window(x, (-padding[0], -padding[1]), (x.shape[2] + padding[0], x.shape[3] + padding[1]))
    image, channel, down, right = padded.strides
    patches = array_module(x).lib.stride_tricks.as_strided(
        padded,
        (C, *kernel_size, N, *output_size),
        (channel, dilation[0] * down, dilation[1] * right, image, stride[0] * down, stride[1] * right),
    )
    return patches.reshape(groups, C // groups * math.prod(kernel_size), N * math.prod(output_size))


def _window(x: Array, start: Sequence[int], stop: Sequence[int]) -> Array:
    """The pixels of x (N, C, H, W) from ``start`` to ``stop``, vertically and horizontally: zeros outside of it."""
    size = x.shape[2:]
    if all(start[a] >= 0 and stop[a] <= size[a] for a in (0, 1)):
        return x[:, :, start[0] : stop[0], start[1] : stop[1]]
    y = array_module(x).zeros((*x.shape[:2], stop[0] - start[0], stop[1] - start[1]), x.dtype)
    inner = [slice(max(start[a], 0), max(start[a], 0, min(stop[a], size[a]))) for a in (0, 1)]
    place = [slice(inner[a].start - start[a], inner[a].stop - start[a]) for a in (0, 1)]
    y[:, :, place[0], place[1]] = x[:, :, inner[0], inner[1]]
    return y


def _by_group(a: Array, b: Array) -> Array:
    """Products of matrices, a batch of them; a single one without the batch, for then a transpose costs no copy."""
    return (a[0] @ b[0])[None] if len(a) == 1 else a @ b
