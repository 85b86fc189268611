"""Appendix: group normalisation on a CPU, one row of pixels of all images at a time, in the memory order of images.

A row (C, W, N) is contiguous and fits the cache, and so do the coefficients, repeated for each of its pixels.
"""

import numpy as np

from tinygen.kernels.cpu.blocked import PARALLEL_MIN_CHEAP
from tinygen.kernels.cpu.layout import as_nchw, to_hcwn
from tinygen.kernels.cpu.parallel import parallel


def pixel_affine(x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """x (N, C, H, W), coefficients (1 or 2, N, C) -> (N, C, H, W)."""
    rows = to_hcwn(x)
    out = np.empty_like(rows, dtype=np.result_type(x, coefficients))
    repeated = np.empty((len(coefficients), *rows.shape[1:]), out.dtype)
    repeated[...] = coefficients.swapaxes(1, 2)[:, :, None]

    def work(first: int, last: int) -> None:
        for row in range(first, last):
            np.multiply(rows[row], repeated[0], out=out[row])
            if len(repeated) == 2:
                out[row] += repeated[1]

    parallel(work, len(rows), when=x.size >= PARALLEL_MIN_CHEAP)
    return as_nchw(out)


def pixel_sums(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """x and g (N, C, H, W) -> (2, N, C). The sums over the rows are added up in double precision."""
    rows, g_rows, dtype = to_hcwn(x), to_hcwn(g), np.result_type(x, g)
    sums = np.empty((len(rows), 2, x.shape[1], len(x)), dtype)

    def work(first: int, last: int) -> None:
        for row in range(first, last):
            np.einsum("cwn,cwn->cn", rows[row], g_rows[row], out=sums[row, 0])
            np.einsum("cwn->cn", g_rows[row], out=sums[row, 1])

    parallel(work, len(rows), when=x.size >= PARALLEL_MIN_CHEAP)
    return np.add.reduce(sums, axis=0, dtype=np.float64).swapaxes(1, 2).astype(dtype)
