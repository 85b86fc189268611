"""Resampling: images are enlarged or reduced by interpolation along rows and along columns.

Each row of the result is a weighted mean of rows of the image, and the same holds for columns: Y = R X C^T with one
matrix per direction. The adjoint is R^T G C, the same operation with the matrices transposed.
"""

import numpy as np

from tinygen.autograd.operation import operation
from tinygen.backend import Array
from tinygen.kernels import resampling as kernels


@operation(lambda g, x, rows, columns: resize(g, rows=rows.T, columns=columns.T), linear=True)
def resize(x: Array, rows: np.ndarray, columns: np.ndarray) -> Array:
    """x (N, C, H, W), rows (H_out, H), columns (W_out, W) -> R X C^T, (N, C, H_out, W_out); a pixel of
    weight 0 has no influence."""
    return kernels.resize(x, rows, columns)
