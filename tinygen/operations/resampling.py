"""Resampling: images enlarged or shrunk by interpolation along rows and along columns.

Interpolation computes each new row as a weighted mean of old rows, and the same with columns: Y = R X C^T with one
matrix per direction. The adjoint is R^T G C, the same operation with the matrices transposed: a pair of itself.
"""

from tinygen.autograd.operation import operation
from tinygen.backend import Array
from tinygen.kernels import resampling as kernels
from tinygen.kernels.resampling import Interpolation


@operation(lambda g, x, rows, columns: resize(g, rows=rows.T, columns=columns.T), linear=True)
def resize(x: Array, rows: Interpolation, columns: Interpolation) -> Array:
    """x (N, C, H, W), rows (H -> H_out), columns (W -> W_out) -> (N, C, H_out, W_out)."""
    return kernels.resize(x, rows, columns)
