"""Resampling: an image is enlarged or reduced by one matrix over its rows and one over its columns.

Interpolation is linear in the image and separable, so (N, C, H, W) -> (N, C, H_out, W_out) is  R x B^T  for each image
and channel: R (H_out, H) says which rows an output row mixes, B (W_out, W) the same for columns. Its adjoint is
R^T g B: the same function with the matrices transposed.

A zero of a matrix stands for a pixel that does not count, even if it is infinite or NaN. A product of matrices, the
fastest way on a CPU, gives that result only where all pixels are finite; otherwise, and on a GPU, whose pixels cannot
be examined without waiting, the pixels that count are picked by their index.
"""

from functools import cache, cached_property

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.products import share
from tinygen.kernels.windows import images, lay


class Interpolation:
    """Interpolation along one direction, y = M x: ``matrix`` M (new pixels, old pixels), ``T`` the transposed one."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    @cached_property
    def T(self) -> "Interpolation":
        return Interpolation(self.matrix.T)

    @cached_property
    def taps(self) -> tuple[np.ndarray, np.ndarray]:
        """The old pixels that count for each new one, and their weights, both (new pixels, K); where fewer than K
        count, the others have weight 0."""
        counts = self.matrix != 0
        K = max(1, counts.sum(axis=1).max())
        old = np.argsort(~counts, axis=1, kind="stable")[:, :K]
        return old, np.take_along_axis(self.matrix, old, 1)


@cache
def interpolation(
    size_in: int, size_out: int, mode: str, align_corners: bool, scale: float | None, dtype: np.dtype | str
) -> Interpolation:
    """ "bilinear" or "nearest" interpolation along one direction, its (size_out, size_in) matrix read-only.

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
    return Interpolation(matrix)


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


def resize(x: Array, rows: Interpolation, columns: Interpolation) -> Array:
    """x (N, C, H, W), rows (H -> H_out), columns (W -> W_out) -> (N, C, H_out, W_out)."""
    if not (is_numpy(x) and x.size):
        return resize_plain(x, rows, columns)
    y = _resize_cpu(x, rows.matrix, columns.matrix)
    # A zero that met an infinity or a NaN leaves NaN, so it is enough to examine the smaller of the two.
    return y if np.isfinite(min(x, y, key=np.size)).all() else resize_plain(x, rows, columns)


def resize_plain(x: Array, rows: Interpolation, columns: Interpolation) -> Array:
    """``resize`` on any array module."""
    ways = [(2, rows), (3, columns)]
    for axis, way in ways if len(rows.matrix) <= x.shape[2] else reversed(ways):  # what leaves less to do comes first
        x = _resize_axis(x, way, axis)
    return x


def _resize_axis(x: Array, way: Interpolation, axis: int) -> Array:
    xp = array_module(x)
    old, weights = (xp.asarray(each) for each in way.taps)
    if axis == 2:
        weights = weights[:, :, None]
    met = xp.where(weights != 0, xp.take(x, old, axis=axis), 0)  # the old pixels stand along a new axis behind
    return (met * weights).sum(axis=axis + 1, dtype=np.result_type(x.dtype, weights.dtype))


def _resize_cpu(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """With the batch innermost, (H, C, W, N), columns are a product for each row and channel, and rows one product
    over all the rest; first comes what leaves less to do for the other. The threads share the channels."""
    (N, C, H, W), H_out, W_out = x.shape, len(rows), len(columns)
    laid, rows, columns = lay(x), np.ascontiguousarray(rows), np.ascontiguousarray(columns)
    y = np.empty((H_out, C, W_out, N), np.result_type(x, rows))

    @np.errstate(invalid="ignore")  # zeros that meet infinities: the result is not used
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
    return images(y)
