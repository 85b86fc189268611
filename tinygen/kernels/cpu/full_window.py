"""Appendix: convolutions with a single window, and those of a single pixel, which are plain matrix products.

A kernel as large as its image, without padding, is a linear layer: Y = K @ X with K (O, kh kw C) and X (kh kw C, N).
The other case is its mirror image: an image of one pixel with a padding of kh - 1, kw - 1. There each output pixel is
the product of the pixel with one element of the kernel, the last element first: Y rotated by 180 degrees (O kh kw, N)
= K @ X with K (O kh kw, C) and X (C, N).
"""

import numpy as np

from tinygen.kernels.cpu.layout import Array, as_nchw, as_oihw, to_gemm_kernel
from tinygen.kernels.products import matmul


def conv2d(x: Array, w: Array) -> Array:
    """x (N, C, kh, kw), w (O, C, kh, kw) -> (N, O, 1, 1)."""
    N, O = len(x), len(w)
    y = matmul(to_gemm_kernel(w).reshape(O, -1), x.transpose(2, 3, 1, 0).reshape(-1, N))
    return y.T.reshape(N, O, 1, 1)


def conv2d_input_grad(g: Array, w: Array) -> Array:
    """g (N, O, 1, 1), w (O, C, kh, kw) -> (N, C, kh, kw)."""
    (N, O), (_, C, kh, kw) = g.shape[:2], w.shape
    x = matmul(to_gemm_kernel(w).reshape(O, -1).T, g.reshape(N, O).T)
    return as_nchw(np.ascontiguousarray(x.reshape(kh, kw, C, N).swapaxes(1, 2)))


def conv2d_weight_grad(x: Array, g: Array) -> Array:
    """x (N, C, kh, kw), g (N, O, 1, 1) -> (O, C, kh, kw)."""
    (N, C, kh, kw), O = x.shape, g.shape[1]
    w = matmul(g.reshape(N, O).T, x.transpose(2, 3, 1, 0).reshape(-1, N).T)
    return as_oihw(w.reshape(O, kh, kw, C))


def conv2d_of_pixel(x: Array, w: Array) -> Array:
    """x (N, C, 1, 1), w (O, C, kh, kw) -> (N, O, kh, kw)."""
    (N, C), (O, _, kh, kw) = x.shape[:2], w.shape
    y = matmul(to_gemm_kernel(w).reshape(-1, C), x.reshape(N, C).T).reshape(O, kh, kw, N)
    return as_nchw(np.ascontiguousarray(y[:, ::-1, ::-1].swapaxes(0, 1)))


def conv2d_of_pixel_input_grad(g: Array, w: Array) -> Array:
    """g (N, O, kh, kw), w (O, C, kh, kw) -> (N, C, 1, 1)."""
    N, C = len(g), w.shape[1]
    return matmul(to_gemm_kernel(w).reshape(-1, C).T, _rotated(g)).T.reshape(N, C, 1, 1)


def conv2d_of_pixel_weight_grad(x: Array, g: Array) -> Array:
    """x (N, C, 1, 1), g (N, O, kh, kw) -> (O, C, kh, kw)."""
    (N, C), (_, O, kh, kw) = x.shape[:2], g.shape
    return as_oihw(matmul(_rotated(g), x.reshape(N, C)).reshape(O, kh, kw, C))


def _rotated(g: Array) -> Array:
    """g (N, O, kh, kw), each map rotated by 180 degrees -> (O kh kw, N)."""
    return g.transpose(1, 2, 3, 0)[:, ::-1, ::-1].reshape(-1, len(g))
