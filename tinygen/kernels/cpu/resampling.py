"""Appendix: resampling on a CPU: matrix products with the batch innermost, (H, C, W, N)."""

import numpy as np

from tinygen.kernels.cpu.layout import as_nchw, to_hcwn
from tinygen.kernels.cpu.parallel import parallel_gemms


def resize(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Along columns it is one product per row and channel, along rows one product; the smaller result comes first.

    The zeros of the matrices are multiplied too, so an infinity or NaN makes all pixels of its image infinite or NaN.
    Returns ``NotImplemented`` for those.
    """
    (N, C, H, W), H_out, W_out = x.shape, len(rows), len(columns)
    x, rows, columns = to_hcwn(x), np.ascontiguousarray(rows), np.ascontiguousarray(columns)
    y = np.empty((H_out, C, W_out, N), np.result_type(x, rows))

    @np.errstate(invalid="ignore")
    def columns_first(first: int, last: int) -> None:
        wide = columns @ x[:, first:last]  # (H, C, W_out, N)
        part = slice(first * W_out * N, last * W_out * N)
        np.matmul(rows, wide.reshape(H, -1), out=y.reshape(H_out, -1)[:, part])

    @np.errstate(invalid="ignore")
    def rows_first(first: int, last: int) -> None:
        part = slice(first * W * N, last * W * N)
        low = rows @ x.reshape(H, -1)[:, part]  # (H_out, C W N)
        np.matmul(columns, low.reshape(H_out, last - first, W, N), out=y[:, first:last])

    parallel_gemms(columns_first if H_out > H else rows_first, C, x.size * W_out + y.size * H)
    return as_nchw(y) if np.isfinite(y[:1, :, :1]).all() else NotImplemented
