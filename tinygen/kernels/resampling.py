"""Resampling: an image is enlarged or reduced by one matrix over its rows and one over its columns.

Interpolation is linear in the image and separable, so (N, C, H, W) -> (N, C, H_out, W_out) is  R x B^T  for each image
and channel: R (H_out, H) says which rows an output row mixes, B (W_out, W) the same for columns. Its adjoint is
R^T g B: the same function with the matrices transposed.
"""

from functools import cache

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu.layout import as_nchw, to_hcwn
from tinygen.kernels.cpu.parallel import parallel_gemms as share


@cache
def interpolation_matrix(
    size_in: int, size_out: int, mode: str, align_corners: bool, scale: float | None, dtype: np.dtype | str
) -> np.ndarray:
    """The (size_out, size_in) matrix, read-only, of "bilinear" or "nearest" interpolation along one direction.

    ``scale`` is the factor that the user asked for, or None where a size was asked for: pixel centres lie
    1 / scale apart, else size_in / size_out. With ``align_corners`` the first and last pixels keep their places.
    """
    nearest, weight = (
        _nearest(size_in, size_out, scale) if mode == "nearest" else _bilinear(size_in, size_out, align_corners, scale)
    )
    matrix = np.zeros((size_out, size_in), dtype)
    rows = np.arange(size_out)
    np.add.at(matrix, (rows, nearest), 1 - weight)
    np.add.at(matrix, (rows, np.minimum(nearest + 1, size_in - 1)), weight)
    matrix.setflags(write=False)
    return matrix


def _bilinear(size_in: int, size_out: int, align_corners: bool, scale: float | None) -> tuple[np.ndarray, np.ndarray]:
    """For each output pixel the input pixel to its left and the weight of that one's right neighbour."""
    rows = np.arange(size_out)
    if align_corners:
        source = rows * ((size_in - 1) / (size_out - 1) if size_out > 1 else 0.0)
    else:
        step = 1 / scale if scale else size_in / size_out
        source = np.maximum((rows + 0.5) * step - 0.5, 0)
    left = np.minimum(source.astype(int), size_in - 1)
    return left, np.clip(source - left, 0, 1)


def _nearest(size_in: int, size_out: int, scale: float | None) -> tuple[np.ndarray, np.ndarray]:
    """For each output pixel its input pixel, and no weight for the neighbour (PyTorch rounds in float32, so do we)."""
    rows = np.arange(size_out)
    if size_out == size_in:
        source = rows
    elif size_out == 2 * size_in:
        source = rows // 2
    else:
        step = np.float32(1 / scale) if scale else np.float32(size_in) / np.float32(size_out)
        source = np.minimum(np.floor(rows.astype(np.float32) * step).astype(int), size_in - 1)
    return source, np.zeros(size_out)


def resize(x: Array, rows: np.ndarray, columns: np.ndarray) -> Array:
    """x (N, C, H, W), rows (H_out, H), columns (W_out, W) -> rows @ x @ columns^T, (N, C, H_out, W_out).

    A zero in a matrix says that the pixel is not looked at: infinities and NaN do not spread through it. The matrices
    are NumPy's wherever x is.
    """
    if not (is_numpy(x) and x.size):
        return resize_plain(x, rows, columns)
    y = _resize_cpu(x, rows, columns)
    # An infinity or NaN in an image of x, times every element of the matrices, makes all pixels of y infinite or NaN.
    return y if np.isfinite(y[:, :, 0, 0]).all() else resize_plain(x, rows, columns)


def resize_plain(x: Array, rows: np.ndarray, columns: np.ndarray) -> Array:
    """``resize`` on any array module: in each direction the pixels that have a weight are gathered and added up."""
    return _mixed(_mixed(x, rows, 2), columns, 3)


def _mixed(x: Array, matrix: np.ndarray, axis: int) -> Array:
    """The matrix times ``axis`` of x (N, C, H, W), without what its zeros would meet."""
    xp, (pixels, weights) = array_module(x), weighted_pixels(matrix)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    taken = xp.take(x, xp.asarray(pixels.reshape(-1)), axis).reshape(*before, *pixels.shape, *after)
    weighed = taken * xp.asarray(weights).reshape(*weights.shape, *(1 for _ in after))
    y = weighed.sum(axis=axis, dtype=weighed.dtype)
    unseen = np.flatnonzero(~weights.any(axis=0))
    if unseen.size:
        y[(slice(None),) * axis + (xp.asarray(unseen),)] = 0
    return y


def weighted_pixels(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row of the matrix the columns where it is not 0, and their weights: two arrays (count, rows). Where a
    row has fewer than ``count``, its first column stands there again, and shares its weight evenly with itself."""
    rows, columns = np.nonzero(matrix)
    counts = np.bincount(rows, minlength=len(matrix))
    first = np.cumsum(counts) - counts  # of each row, among the columns
    place = np.arange(counts.max(initial=1))[:, None]
    place = first + np.where(place < counts, place, 0)  # (count, rows)
    pixels = np.append(columns, 0)[place]  # a row of zeros may come last
    copies = (place == first).sum(axis=0)
    weights = matrix[np.arange(len(matrix)), pixels]
    return pixels, np.where(place == first, weights / copies, weights).astype(matrix.dtype)


def _resize_cpu(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """With the batch innermost, (H, C, W, N), columns are a product for each row and channel, and rows one product
    over all the rest; first comes what leaves less to do for the other. The threads share the channels. The zeros of
    the matrices are multiplied, too, so the result is right for finite numbers only."""
    (N, C, H, W), H_out, W_out = x.shape, len(rows), len(columns)
    laid, rows, columns = to_hcwn(x), np.ascontiguousarray(rows), np.ascontiguousarray(columns)
    y = np.empty((H_out, C, W_out, N), np.result_type(x, rows))

    @np.errstate(invalid="ignore")
    def enlarge(first: int, last: int) -> None:
        wide = columns @ laid[:, first:last]  # (H, C, W_out, N)
        part = slice(first * W_out * N, last * W_out * N)
        np.matmul(rows, wide.reshape(H, -1), out=y.reshape(H_out, -1)[:, part])

    @np.errstate(invalid="ignore")
    def reduce(first: int, last: int) -> None:
        part = slice(first * W * N, last * W * N)
        low = rows @ laid.reshape(H, -1)[:, part]  # (H_out, C W N)
        np.matmul(columns, low.reshape(H_out, last - first, W, N), out=y[:, first:last])

    share(enlarge if H_out > H else reduce, C, x.size * W_out + y.size * H)
    return as_nchw(y)
