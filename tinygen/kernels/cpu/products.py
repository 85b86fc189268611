"""Appendix: matrix products on a CPU, shared by the threads."""

import numpy as np

from tinygen.kernels.cpu.parallel import one_blas_thread, parallel_gemms

BLAS_SINGLE_THREAD = 8_000  # multiplications up to which OpenBLAS uses one thread of its own accord


def is_large(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether the BLAS would use more than one thread for x @ y."""
    return x.size * y.shape[-1] > BLAS_SINGLE_THREAD


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The threads share the matrices of a batch, else the rows of the result, or its columns if it has more."""
    (*batch, M, _), N = x.shape, y.shape[-1]
    out = np.empty((*batch, M, N), np.result_type(x, y))

    def work(first: int, last: int) -> None:
        part = slice(first, last)
        if batch:
            np.matmul(x[part], y[part], out=out[part])
        elif M >= N:
            np.matmul(x[part], y, out=out[part])
        else:
            np.matmul(x, y[:, part], out=out[:, part])

    parallel_gemms(work, batch[0] if batch else max(M, N), x.size * N)
    return out


def all_finite(x: np.ndarray) -> bool:
    """Whether x has neither infinities nor NaN. False may also mean that the sum of its squares, which is faster to
    compute for many elements, overflows. Integers are always finite."""
    if x.dtype.kind != "f":
        return True
    if x.size < 10_000:
        return bool(np.isfinite(x).all())
    flat = x.ravel("K")
    with one_blas_thread(), np.errstate(over="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)))
