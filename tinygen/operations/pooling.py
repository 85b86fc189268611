"""Pooling: the mean and the maximum of each window, with their adjoints.

The mean is linear, so its gradient is its adjoint: each value is added to all pixels of its window. The maximum is a
choice followed by a linear map: the position of the maximum has no gradient, gathering the pixels there is linear, and
the adjoint adds values to the pixels that they came from.
"""

from tinygen.autograd.operation import operation
from tinygen.backend import Array
from tinygen.kernels import pooling as kernels
from tinygen.kernels.windows import Geometry, Pair


@operation(lambda g, x, **windows: avg_pool2d_adjoint(g, size=x.shape[2:], **windows), linear=True)
def avg_pool2d(x: Array, kernel_size: Pair, geometry: Geometry, output_size: Pair, divisors: float | Array) -> Array:
    """x (N, C, H, W) -> (N, C, H_out, W_out): the sum of each window, divided by ``divisors``."""
    return kernels.avg_pool2d(x, kernel_size, geometry, output_size, divisors)


@operation(lambda g, x, size, **windows: avg_pool2d(g, **windows), linear=True)
def avg_pool2d_adjoint(
    x: Array, size: Pair, kernel_size: Pair, geometry: Geometry, output_size: Pair, divisors: float | Array
) -> Array:
    """x (N, C, H_out, W_out) -> (N, C, H, W): each value, divided, is added to all pixels of its window."""
    return kernels.avg_pool2d_adjoint(x, size, kernel_size, geometry, output_size, divisors)


@operation(lambda g, x, indices: scatter_add2d(g, indices=indices, size=x.shape[2:]), linear=True)
def gather2d(x: Array, indices: Array) -> Array:
    """x (N, C, H, W), indices (N, C, H_out, W_out) of positions h W + w -> the pixels there."""
    return kernels.gather2d(x, indices)


@operation(lambda g, x, indices, size: gather2d(g, indices=indices), linear=True)
def scatter_add2d(x: Array, indices: Array, size: Pair) -> Array:
    """x (N, C, H_out, W_out), added to the pixels at ``indices`` of zeros -> (N, C, H, W)."""
    return kernels.scatter_add2d(x, indices, size)
