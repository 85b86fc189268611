"""Resampling: an image is enlarged or reduced by one matrix along its rows and one along its columns.

Interpolation is linear in the image and separable: (N, C, H, W) -> (N, C, H_out, W_out) is  R x C^T  for each image and
channel. Row r of R (H_out, H) has the weights of the input rows in output row r, and C (W_out, W) those of the columns.
The adjoint is R^T g C: the same function with the matrices transposed.
"""

from functools import cache

import numpy as np

from tinygen.backend import Array, array_module
from tinygen.kernels.cpu import resampling as cpu
from tinygen.kernels.dispatch import fast_on_cpu


@cache
def interpolation_matrix(
    size_in: int, size_out: int, mode: str, align_corners: bool, scale: float | None, dtype: np.dtype | str
) -> np.ndarray:
    """The (size_out, size_in) matrix, read-only, of "bilinear" or "nearest" interpolation along one direction.

    Pixel centres of the output are 1 / ``scale`` input pixels apart (default: size_in / size_out). With
    ``align_corners`` the centres of the first and last pixels coincide.
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
    """For each output pixel the input pixel to its left, and the weight of the pixel after that."""
    rows = np.arange(size_out)
    if align_corners:
        source = rows * ((size_in - 1) / (size_out - 1) if size_out > 1 else 0.0)
    else:
        step = 1 / scale if scale else size_in / size_out
        source = np.maximum((rows + 0.5) * step - 0.5, 0)
    left = np.minimum(source.astype(int), size_in - 1)
    return left, np.clip(source - left, 0, 1)


def _nearest(size_in: int, size_out: int, scale: float | None) -> tuple[np.ndarray, np.ndarray]:
    """For each output pixel its input pixel, and weight 0 for the pixel after that (rounded in float32, as PyTorch)."""
    rows = np.arange(size_out)
    if size_out == size_in:
        source = rows
    elif size_out == 2 * size_in:
        source = rows // 2
    else:
        step = np.float32(1 / scale) if scale else np.float32(size_in) / np.float32(size_out)
        source = np.minimum(np.floor(rows.astype(np.float32) * step).astype(int), size_in - 1)
    return source, np.zeros(size_out)


@fast_on_cpu(cpu.resize, when=lambda x, *_: x.size > 0)
def resize(x: Array, rows: np.ndarray, columns: np.ndarray) -> Array:
    """x (N, C, H, W), rows (H_out, H), columns (W_out, W) -> rows @ x @ columns^T, (N, C, H_out, W_out).

    A pixel whose weight is zero has no influence: infinities and NaN do not spread through zeros. The matrices are
    NumPy's on any device.
    """
    return _interpolate(_interpolate(x, rows, 2), columns, 3)


def _interpolate(x: Array, matrix: np.ndarray, axis: int) -> Array:
    """The matrix times ``axis`` of x (N, C, H, W): pixels of nonzero weight are gathered, weighted and added up."""
    xp, most = array_module(x), (matrix != 0).sum(axis=1).max(initial=0)
    pixels = np.argsort(matrix == 0, axis=1, kind="stable")[:, :most].T  # (most, rows), those with weights first
    weights = xp.asarray(np.take_along_axis(matrix.T, pixels, 0)).reshape(*pixels.shape, *[1] * (3 - axis))
    gathered = xp.take(x, xp.asarray(pixels.reshape(-1)), axis)
    gathered = gathered.reshape(*x.shape[:axis], *pixels.shape, *x.shape[axis + 1 :])
    weighted = xp.where(weights != 0, gathered, False) * weights  # False: 0 of any dtype
    return weighted.sum(axis=axis, dtype=weighted.dtype)
