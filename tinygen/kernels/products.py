"""The product of matrices, or of batches of them, and how the threads share products out."""

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu.parallel import one_blas_thread
from tinygen.kernels.cpu.parallel import parallel_gemms as share

BLAS_ALONE = 8_000  # multiplications up to which the BLAS uses one thread of its own accord


def matmul(x: Array, y: Array) -> Array:
    """x (..., M, K), y (..., K, N) with the same axes in front -> (..., M, N).

    On a CPU the threads share out the matrices of a batch, else the rows of the result, or its columns if it has more.
    """
    (*batch, M, _), N = x.shape, y.shape[-1]
    if x.size * N <= BLAS_ALONE or not (is_numpy(x) and is_numpy(y)):
        return array_module(x).matmul(x, y)
    out = np.empty((*batch, M, N), np.result_type(x, y))

    def work(first: int, last: int) -> None:
        part = slice(first, last)
        if batch:
            np.matmul(x[part], y[part], out=out[part])
        elif M >= N:
            np.matmul(x[part], y, out=out[part])
        else:
            np.matmul(x, y[:, part], out=out[:, part])

    share(work, batch[0] if batch else max(M, N), x.size * N)
    return out


def all_finite(x: np.ndarray) -> bool:
    """Whether x has neither infinities nor NaN; False may also mean that the sum of its squares overflows, which is
    faster to compute for many elements. Whole numbers are always finite."""
    if x.dtype.kind != "f":
        return True
    if x.size < 10_000:
        return bool(np.isfinite(x).all())
    line = x.ravel("K")  # a view, if x is dense in memory
    with one_blas_thread(), np.errstate(over="ignore"):
        return bool(np.isfinite(np.dot(line, line)))


def affine(x: Array, weight: Array, bias: Array) -> Array:
    """x W^T + b: x (N, inputs), weight (outputs, inputs), bias (outputs,) -> (N, outputs)."""
    y = matmul(x, weight.T)
    if y.dtype != bias.dtype:
        return y + bias
    y += bias
    return y
