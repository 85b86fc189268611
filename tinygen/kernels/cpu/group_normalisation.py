"""Appendix: group normalisation on a CPU, one row of pixels of all images at a time, in the memory order of images.

A row (C, W, N) is contiguous and fits the cache, and so do the coefficients, repeated for each of its pixels.
"""

import numpy as np

from tinygen.kernels.cpu.blocked import PARALLEL_MIN_CHEAP
from tinygen.kernels.cpu.layout import as_nchw, to_hcwn
from tinygen.kernels.cpu.parallel import parallel


def pixel_affine(x: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """x (N, C, H, W), then scale and shift (N, C), and perhaps g (N, C, H, W) and factor (N, C) -> (N, C, H, W)."""
    scale, shift, *second = others
    rows, g_rows = to_hcwn(x), [to_hcwn(g) for g in second[:1]]
    out = np.empty_like(rows, dtype=np.result_type(x, *second[:1]))
    repeated = np.empty((2 + len(g_rows), *rows.shape[1:]), out.dtype)
    for place, coefficients in enumerate((scale, shift, *second[1:])):
        repeated[place] = coefficients.T[:, None]

    def work(first: int, last: int) -> None:
        product = np.empty_like(repeated[0])
        for row in range(first, last):
            np.multiply(rows[row], repeated[0], out=out[row])
            out[row] += repeated[1]
            for each in g_rows:
                out[row] += np.multiply(each[row], repeated[2], out=product)

    parallel(work, len(rows), when=x.size >= PARALLEL_MIN_CHEAP)
    return as_nchw(out)


def pixel_sums(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """g and x (N, C, H, W) -> (2, N, C). The sums over rows are added up in double precision."""
    g_rows, rows = to_hcwn(g), to_hcwn(x)
    ones = np.ones((1, x.shape[3]), g.dtype)
    sums = np.empty((len(rows), 2, x.shape[1], len(x)), np.result_type(x, g))

    def work(first: int, last: int) -> None:
        for row in range(first, last):
            np.matmul(ones, g_rows[row], out=sums[row, 0, :, None])
            np.einsum("cwn,cwn->cn", g_rows[row], rows[row], out=sums[row, 1])

    parallel(work, len(rows), when=x.size >= PARALLEL_MIN_CHEAP)
    return np.add.reduce(sums, axis=0, dtype=np.float64).swapaxes(1, 2)
