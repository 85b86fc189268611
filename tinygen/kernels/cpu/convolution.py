"""Appendix: convolution on a CPU without dilation and groups: an algorithm for each shape.

    conv2d                 mec
    conv2d_input_grad      row_gemm
    conv2d_weight_grad     row_gemm; mec for few channels
    all three              full_window for a single window, or a single pixel

At stride 1 the roles of input and output can be exchanged: conv2d(x, w) is the adjoint of a convolution whose kernel is
w rotated by 180 degrees with its channels exchanged, and whose padding is kh - 1 - p. That changes how narrow the GEMMs
are (those of ``mec`` have as many rows as there are output channels, those of ``row_gemm`` kw times the number of input
channels) and how much padding they multiply. The thresholds were measured on two cores with AVX2, with one thread and
batches of 64 images; ratios of times near a threshold vary by 0.1 with the other sizes.
"""

from collections.abc import Sequence

import numpy as np

from tinygen.kernels.cpu import full_window, mec, row_gemm
from tinygen.kernels.cpu.layout import Array, empty_gemm_kernel
from tinygen.kernels.windows import Geometry, Pair, output_size

WIDE = 48  # channels: row_gemm with exchanged roles takes 0.6 to 0.7 of mec's time at O = 16 and 32, 0.9 from 48 on
NARROW = 8  # channels: with exchanged roles 1.7 times mec's time at C = 4, 1.3 at 8, 1.0 at 16
FEW = 32  # channels: a GEMM per kernel row takes 1.5 to 2.6 times mec's time at C = 1 to 3, as much at 8 to 32


def conv2d(x: Array, w: Array, bias: Array | None, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (_, C, *size), (O, _, *kernel_size) = x.shape, w.shape
    if _is_full_window(size, kernel_size, geometry):
        return _add_bias(full_window.conv2d(x, w), bias)
    if _is_pixel(size, kernel_size, geometry):
        return _add_bias(full_window.conv2d_of_pixel(x, w), bias)
    if O < WIDE and C >= NARROW and _can_exchange(kernel_size, geometry):
        size_out = output_size(size, kernel_size, *geometry[:2])
        return conv2d_input_grad(x, _rotated(w), bias, size_out, _exchanged(kernel_size, geometry))
    return mec.conv2d(x, w, bias, geometry)


def conv2d_input_grad(g: Array, w: Array, bias: Array | None, size: Pair, geometry: Geometry) -> Array:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    O, C, *kernel_size = w.shape
    if _is_full_window(size, kernel_size, geometry):
        return _add_bias(full_window.conv2d_input_grad(g, w), bias)
    if _is_pixel(size, kernel_size, geometry):
        return _add_bias(full_window.conv2d_of_pixel_input_grad(g, w), bias)
    exchanged = _exchanged(kernel_size, geometry)
    if (C >= WIDE or O < NARROW) and _can_exchange(kernel_size, geometry) and exchanged.padding < geometry.padding:
        return conv2d(g, _rotated(w), bias, exchanged)
    return row_gemm.conv2d_input_grad(g, w, bias, size, geometry)


def conv2d_weight_grad(x: Array, g: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    C, O = x.shape[1], g.shape[1]
    if _is_full_window(x.shape[2:], kernel_size, geometry):
        return full_window.conv2d_weight_grad(x, g)
    if _is_pixel(x.shape[2:], kernel_size, geometry):
        return full_window.conv2d_of_pixel_weight_grad(x, g)
    if O < C and _can_exchange(kernel_size, geometry):
        w = empty_gemm_kernel((O, C, *kernel_size), np.result_type(x, g))
        w[...] = _rotated(conv2d_weight_grad(g, x, kernel_size, _exchanged(kernel_size, geometry)))
        return w
    return (mec if C < FEW else row_gemm).conv2d_weight_grad(x, g, kernel_size, geometry)


def _is_full_window(size: Sequence[int], kernel_size: Sequence[int], geometry: Geometry) -> bool:
    return tuple(size) == tuple(kernel_size) and geometry.padding == (0, 0)


def _is_pixel(size: Sequence[int], kernel_size: Sequence[int], geometry: Geometry) -> bool:
    return (*size, *geometry.stride) == (1, 1, 1, 1) and _exchanged(kernel_size, geometry).padding == (0, 0)


def _can_exchange(kernel_size: Sequence[int], geometry: Geometry) -> bool:
    return geometry.stride == (1, 1) and min(_exchanged(kernel_size, geometry).padding) >= 0


def _exchanged(kernel_size: Sequence[int], geometry: Geometry) -> Geometry:
    """The geometry with the roles of input and output exchanged, at stride 1."""
    vertical, horizontal = geometry.padding
    return geometry._replace(padding=(kernel_size[0] - 1 - vertical, kernel_size[1] - 1 - horizontal))


def _rotated(w: Array) -> Array:
    """w (O, C, kh, kw) rotated by 180 degrees -> (C, O, kh, kw), a view."""
    return w[:, :, ::-1, ::-1].swapaxes(0, 1)


def _add_bias(y: Array, bias: Array | None) -> Array:
    return y if bias is None else y + bias[:, None, None]
