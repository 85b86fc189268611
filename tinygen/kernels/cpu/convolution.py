"""Convolution on a CPU: which way for which shape.

Convolutions to many channels go pixel by pixel (``pixel_gemm``), those to fewer, and the adjoints, row by row
(``row_gemm``). Where the image has very few channels, patches are better (``im2col``), but for the
adjoint in x, which has to add them up again, only with one. Three more kinds are brought back to what is fast:

* few output channels, stride 1: the map is the adjoint of a convolution with few *input* channels, its kernel turned
  round by 180 degrees and its channels exchanged;
* a kernel as large as its image meets it once: all three of the triad are plain matrix products;
* one pixel is spread over an image as large as the kernel: products again, one for each output channel.
"""

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from tinygen.kernels.cpu import im2col, pixel_gemm, row_gemm
from tinygen.kernels.cpu.layout import as_nchw, as_oihw, empty_gemm_kernel, to_gemm_kernel
from tinygen.kernels.products import matmul
from tinygen.kernels.windows import Geometry, Pair, output_size

FEW_CHANNELS = 8  # below, the products of rows are too thin (but not for the adjoint in x)
MANY_CHANNELS = 48  # below, those of pixels are


def conv2d(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, geometry: Geometry) -> np.ndarray:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    stride, padding = geometry[:2]
    (_, C, *size), (O, _, *kernel_size) = x.shape, w.shape
    if size == kernel_size and padding == (0, 0):
        return _with_bias(_see_all(x, w), bias)
    if _from_one_pixel(size, kernel_size, stride, padding):
        return _with_bias(_spread(x, w), bias)
    if _turns_round(C, O, kernel_size, stride, padding):
        seen = output_size(size, kernel_size, stride, padding)
        return im2col.conv2d_input_grad(x, _turned(w), seen, stride, _turned_padding(kernel_size, padding), bias)
    way = pixel_gemm if C >= FEW_CHANNELS and O >= MANY_CHANNELS else _way(C)
    return way.conv2d(x, w, bias, stride, padding)


def conv2d_input_grad(
    g: np.ndarray, w: np.ndarray, bias: np.ndarray | None, size: Pair, geometry: Geometry
) -> np.ndarray:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W)."""
    stride, padding = geometry[:2]
    O, C, *kernel_size = w.shape
    if size == tuple(kernel_size) and padding == (0, 0):
        return _with_bias(_see_all_adjoint_x(g, w), bias)
    if _from_one_pixel(size, kernel_size, stride, padding):
        return _with_bias(_spread_adjoint_x(g, w), bias)
    if _turns_round(C, O, kernel_size, stride, padding):
        return im2col.conv2d(g, _turned(w), bias, stride, _turned_padding(kernel_size, padding))
    way = im2col if C == 1 else row_gemm
    return way.conv2d_input_grad(g, w, size, stride, padding, bias)


def conv2d_weight_grad(x: np.ndarray, g: np.ndarray, kernel_size: Pair, geometry: Geometry) -> np.ndarray:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    stride, padding = geometry[:2]
    C, O, size = x.shape[1], g.shape[1], x.shape[2:]
    if size == kernel_size and padding == (0, 0):
        return _see_all_adjoint_w(x, g)
    if _from_one_pixel(size, kernel_size, stride, padding):
        return _spread_adjoint_w(x, g)
    if _turns_round(C, O, kernel_size, stride, padding):
        turned = im2col.conv2d_weight_grad(g, x, kernel_size, stride, _turned_padding(kernel_size, padding))
        return _turned(turned)
    return _way(C).conv2d_weight_grad(x, g, kernel_size, stride, padding)


def _way(C: int) -> ModuleType:
    return im2col if C < FEW_CHANNELS else row_gemm


def _turns_round(C: int, O: int, kernel_size: Sequence[int], stride: Pair, padding: Pair) -> bool:
    return O < FEW_CHANNELS <= C and stride == (1, 1) and all(padding[a] < kernel_size[a] for a in (0, 1))


def _turned_padding(kernel_size: Sequence[int], padding: Pair) -> Pair:
    return kernel_size[0] - 1 - padding[0], kernel_size[1] - 1 - padding[1]


def _see_all(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x (N, C, kh, kw), w (O, C, kh, kw) -> (N, O, 1, 1)."""
    y = matmul(to_gemm_kernel(w).reshape(len(w), -1), np.ascontiguousarray(x.transpose(3, 2, 1, 0)).reshape(-1, len(x)))
    return y.T.reshape(len(x), len(w), 1, 1)


def _see_all_adjoint_x(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    """g (N, O, 1, 1), w (O, C, kh, kw) -> (N, C, kh, kw)."""
    _, C, kh, kw = w.shape
    x = matmul(to_gemm_kernel(w).reshape(len(w), -1).T, g.reshape(len(g), -1).T)  # (kw kh C, N)
    return as_nchw(np.ascontiguousarray(x.reshape(kw, kh, C, -1).transpose(1, 2, 0, 3)))


def _see_all_adjoint_w(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """x (N, C, kh, kw), g (N, O, 1, 1) -> (O, C, kh, kw)."""
    (N, C, kh, kw), O = x.shape, g.shape[1]
    w = matmul(g.reshape(N, O).T, np.ascontiguousarray(x.transpose(3, 2, 1, 0)).reshape(-1, N).T)
    return as_oihw(w.reshape(O, kw, kh, C))


def _from_one_pixel(size: Sequence[int], kernel_size: Sequence[int], stride: Pair, padding: Pair) -> bool:
    return (*size, *stride) == (1, 1, 1, 1) and padding == (kernel_size[0] - 1, kernel_size[1] - 1)


def _spread(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x (N, C, 1, 1), w (O, C, kh, kw) -> (N, O, kh, kw), in which the kernel appears turned round."""
    (N, C), (O, _, kh, kw) = x.shape[:2], w.shape
    y = matmul(to_gemm_kernel(w).reshape(O, -1, C), np.broadcast_to(x.reshape(N, C).T, (O, C, N)))  # (O, kw kh, N)
    return as_nchw(np.ascontiguousarray(y[:, ::-1].reshape(O, kw, kh, N).transpose(2, 0, 1, 3)))


def _spread_adjoint_x(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    """g (N, O, kh, kw), w (O, C, kh, kw) -> (N, C, 1, 1)."""
    O, C = w.shape[:2]
    return (
        matmul(to_gemm_kernel(w).reshape(O, -1, C).swapaxes(1, 2), _turned_maps(g)).sum(axis=0).T.reshape(-1, C, 1, 1)
    )


def _spread_adjoint_w(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """x (N, C, 1, 1), g (N, O, kh, kw) -> (O, C, kh, kw)."""
    (N, C), (_, O, kh, kw) = x.shape[:2], g.shape
    pixels = np.broadcast_to(x.reshape(N, C), (O, N, C))
    return as_oihw(matmul(_turned_maps(g), pixels).reshape(O, kw, kh, C))


def _turned_maps(g: np.ndarray) -> np.ndarray:
    """(N, O, kh, kw) -> (O, kw kh, N), each map turned by 180 degrees."""
    N, O, kh, kw = g.shape
    return np.ascontiguousarray(g.transpose(1, 3, 2, 0)[:, ::-1, ::-1]).reshape(O, kw * kh, N)


def _turned(w: np.ndarray) -> np.ndarray:
    """The kernel turned by 180 degrees, its channels exchanged."""
    turned = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    kernel = empty_gemm_kernel(turned.shape, w.dtype)
    kernel[...] = turned
    return kernel


def _with_bias(y: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    return y if bias is None else y + bias[:, None, None]
