"""Appendix: convolution with a kernel as large as its image and no padding, a linear layer (a plain matrix product):
Y = K @ X with the kernel K (O, kh kw C) and the images X (kh kw C, N)."""

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
