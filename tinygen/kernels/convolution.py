"""Convolution and its two adjoints, by im2col and col2im.

    y[n, o, r, c] = bias[o] + sum over k, i, j of w[o, k, i, j] x[n, k, s r + d i - p, s c + d j - p]

with stride s, dilation d and padding p, one of each per direction; x counts as zero outside its borders. ``im2col``
copies the window of each output pixel into a column of a matrix, so that all these sums are one matrix product (GEMM),
kernel times columns (Chellapilla, Puri and Simard 2006). The map is linear in x and linear in w, so it has an adjoint
in each:

    <conv2d(x, w), g>  =  <x, conv2d_input_grad(g, w)>  =  <w, conv2d_weight_grad(x, g)>

The first is also called transposed convolution. ``col2im``, the adjoint of ``im2col``, adds each column to the pixels
that it was copied from. The derivative of any of the three maps is another of them.
"""

import math
from collections.abc import Sequence
from typing import Any

from tinygen.backend import Array, array_module
from tinygen.kernels import convolution_taps as by_taps
from tinygen.kernels.cpu import convolution as cpu
from tinygen.kernels.dispatch import fast_on_cpu, recompute_if_nonfinite
from tinygen.kernels.windows import Geometry, Pair, output_size, tap_pairs


def _has_cpu_version(first: Array, second: Array, *rest: Any) -> bool:
    """Whether the CPU version takes the case: no dilation, one group, something to compute."""
    return rest[-1].dilation == (1, 1) and rest[-1].groups == 1 and first.size > 0 and second.size > 0


# An infinite weight, times padding, is a NaN: it is seen in w, and in each image of y, which has all weights' products.
@recompute_if_nonfinite(lambda y, x, w, *_: [_smaller(w, y[:1])], exact=by_taps.conv2d)
@fast_on_cpu(cpu.conv2d, when=_has_cpu_version)
def conv2d(x: Array, w: Array, bias: Array | None, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, _, *size), (O, _, *kernel_size), groups = x.shape, w.shape, geometry.groups
    columns = im2col(x, kernel_size, geometry)
    y = _grouped_matmul(w.reshape(groups, O // groups, columns.shape[1]), columns)
    y = y.reshape(O, N, *output_size(size, kernel_size, *geometry[:3])).swapaxes(0, 1)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


# The same with x in place of y: the CPU version may pad g. The reference version multiplies no padding.
@recompute_if_nonfinite(lambda x, g, w, *_: [_smaller(w, x[:1])])
@fast_on_cpu(cpu.conv2d_input_grad, when=_has_cpu_version)
def conv2d_input_grad(g: Array, w: Array, bias: Array | None, size: Pair, geometry: Geometry) -> Array:
    """g (N, O, H_out, W_out), w (O, C / groups, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    (N, O, *output), (_, C, *kernel_size), groups = g.shape, w.shape, geometry.groups
    kernel = w.reshape(groups, O // groups, C * math.prod(kernel_size)).swapaxes(1, 2)
    columns = _grouped_matmul(kernel, _flatten(g, groups)).reshape(groups * C, *kernel_size, N, *output)
    x = col2im(columns, size, geometry)
    return x if bias is None else x + bias.reshape(-1, 1, 1)


# x is padded, on a CPU sometimes g: an infinite g reaches all input channels of w, an infinite x all output channels.
@recompute_if_nonfinite(lambda w, *_: [w[:1], w[:, :1]], exact=by_taps.conv2d_weight_grad)
@fast_on_cpu(cpu.conv2d_weight_grad, when=_has_cpu_version)
def conv2d_weight_grad(x: Array, g: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    columns = im2col(x, kernel_size, geometry)
    w = _grouped_matmul(_flatten(g, geometry.groups), columns.swapaxes(1, 2))
    return w.reshape(g.shape[1], x.shape[1] // geometry.groups, *kernel_size)


def im2col(x: Array, kernel_size: Sequence[int], geometry: Geometry) -> Array:
    """x (N, C, H, W) -> columns (groups, C / groups kh kw, N H_out W_out), zero where a window covers padding."""
    (N, C, H, W), (stride, padding, dilation, groups) = x.shape, geometry
    H_out, W_out = output_size((H, W), kernel_size, stride, padding, dilation)
    padded = array_module(x).zeros((N, C, H + 2 * padding[0], W + 2 * padding[1]), x.dtype)
    padded[:, :, padding[0] : padding[0] + H, padding[1] : padding[1] + W] = x
    image, channel, row, column = padded.strides
    windows = array_module(x).lib.stride_tricks.as_strided(
        padded,
        (C, *kernel_size, N, H_out, W_out),
        (channel, dilation[0] * row, dilation[1] * column, image, stride[0] * row, stride[1] * column),
    )
    return windows.reshape(groups, C // groups * math.prod(kernel_size), N * H_out * W_out)


def col2im(columns: Array, size: Pair, geometry: Geometry) -> Array:
    """columns (C, kh, kw, N, H_out, W_out) -> x (N, C, H, W) with size = (H, W): the adjoint of ``im2col``."""
    C, kh, kw, N, *output = columns.shape
    x = array_module(columns).zeros((C, N, *size), columns.dtype)
    for i, j, out, into in tap_pairs(size, output, (kh, kw), geometry):
        x[into] += columns[:, i, j][out]
    return x.swapaxes(0, 1)


def _flatten(g: Array, groups: int) -> Array:
    """g (N, O, H_out, W_out) -> (groups, O / groups, N H_out W_out)."""
    N, O, *output = g.shape
    return g.swapaxes(0, 1).reshape(groups, O // groups, N * math.prod(output))


def _grouped_matmul(a: Array, b: Array) -> Array:
    """A batch of matrix products; a batch of one as a plain product, which takes a transposed factor without a copy."""
    return (a[0] @ b[0])[None] if len(a) == 1 else a @ b


def _smaller(a: Array, b: Array) -> Array:
    return min(a, b, key=lambda array: array.size)
