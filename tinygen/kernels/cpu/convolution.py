"""Appendix: convolution on a CPU without dilation and groups: the choice of an algorithm by shape.

    conv2d                 mec
    conv2d_input_grad      row_gemm; col2im for one channel
    conv2d_weight_grad     row_gemm; mec for few channels
    all three              full_window for a single window, or a single pixel

At stride 1 each of the three is also another one with exchanged roles: conv2d(x, w) is the adjoint of a convolution
whose kernel is w rotated by 180 degrees with its channels exchanged. So each is computed in the direction in which
its GEMMs are less narrow: a GEMM is fast only if none of its sides is short, and those of ``mec`` have as many rows as
there are output channels.
"""

from collections.abc import Sequence

import numpy as np

from tinygen.kernels.cpu import col2im, full_window, mec, row_gemm
from tinygen.kernels.cpu.layout import Array, empty_gemm_kernel
from tinygen.kernels.windows import Geometry, Pair, output_size

WIDE = 48
NARROW = 8  # channels, below which the GEMMs of row_gemm are narrower than those of mec
FEW = 32  # input channels, below which a GEMM per kernel row is too narrow for the weight gradient


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
    return (col2im if C == 1 else row_gemm).conv2d_input_grad(g, w, bias, size, geometry)


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
