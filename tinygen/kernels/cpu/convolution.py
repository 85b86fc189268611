"""Appendix: convolution on a CPU without dilation and groups: an algorithm for each shape.

    conv2d                 mec, to more channels;     im2col from one or two channels
    conv2d_input_grad      row_gemm, to fewer;        im2col to one channel
    conv2d_weight_grad     row_gemm;                  im2col for few channels
    all three              full_window for a kernel as large as its image

At a stride above 1, apart from few channels, conv2d is mec and conv2d_input_grad row_gemm whatever the channels.

The GEMMs (general matrix multiplications) of ``mec`` have as many rows as the result has channels, those of
``row_gemm`` kw times that number: the first is faster where there are many, the second where there are few. At stride 1
either can compute both maps, since the roles of input and output can be exchanged: conv2d(x, w) is the adjoint of a
convolution whose kernel is w rotated by 180 degrees with its channels exchanged, and whose padding is kh - 1 - p. So
``mec`` computes the maps to more channels, and ``row_gemm`` those to as many or fewer: 0.3 to 1.1 times the time of the
other algorithm.
"""

from collections.abc import Sequence

import numpy as np

from tinygen.kernels.cpu import full_window, im2col, mec, row_gemm
from tinygen.kernels.cpu.layout import Array, empty_gemm_kernel
from tinygen.kernels.windows import Geometry, Pair, output_size

# Channels below which im2col is faster; the ratios are printed by benchmarks/convolution_algorithms.py:
VERY_FEW = 3  # conv2d: 0.8 times mec's time from one or two channels, 0.9 to 1.0 from three or four
FEW = 16  # conv2d_weight_grad: 0.5 to 0.9 times row_gemm's time for 1 to 8 channels, 1.1 for 16


def conv2d(x: Array, w: Array, bias: Array | None, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (_, C, *size), (O, _, *kernel_size) = x.shape, w.shape
    if _is_full_window(size, kernel_size, geometry):
        return _add_bias(full_window.conv2d(x, w), bias)
    if C < VERY_FEW:
        return im2col.conv2d(x, w, bias, geometry)
    if O <= C and _can_exchange(kernel_size, geometry):
        size_out = output_size(size, kernel_size, *geometry[:2])
        return conv2d_input_grad(x, _rotated(w), bias, size_out, _exchanged(kernel_size, geometry))
    return mec.conv2d(x, w, bias, geometry)


def conv2d_input_grad(g: Array, w: Array, bias: Array | None, size: Pair, geometry: Geometry) -> Array:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    O, C, *kernel_size = w.shape
    if _is_full_window(size, kernel_size, geometry):
        return _add_bias(full_window.conv2d_input_grad(g, w), bias)
    if C > O and _can_exchange(kernel_size, geometry):
        return conv2d(g, _rotated(w), bias, _exchanged(kernel_size, geometry))
    return (im2col if C == 1 else row_gemm).conv2d_input_grad(g, w, bias, size, geometry)


def conv2d_weight_grad(x: Array, g: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    C, O = x.shape[1], g.shape[1]
    if _is_full_window(x.shape[2:], kernel_size, geometry):
        return full_window.conv2d_weight_grad(x, g)
    if O < C and _can_exchange(kernel_size, geometry):
        w = empty_gemm_kernel((O, C, *kernel_size), np.result_type(x, g))
        w[...] = _rotated(conv2d_weight_grad(g, x, kernel_size, _exchanged(kernel_size, geometry)))
        return w
    return (im2col if C < FEW else row_gemm).conv2d_weight_grad(x, g, kernel_size, geometry)


def _is_full_window(size: Sequence[int], kernel_size: Sequence[int], geometry: Geometry) -> bool:
    return tuple(size) == tuple(kernel_size) and geometry.padding == (0, 0)


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
