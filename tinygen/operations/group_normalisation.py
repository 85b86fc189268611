"""The operations from which group normalisation is made, for each channel of each image.

    pixel_affine(x, (a, b))  =  a x + b                     x (N, C, ...), a and b (N, C)
    pixel_sums(x, g)         =  (sum(g x), sum(g))          over the pixels

The second is the vector-Jacobian product of the first with respect to (a, b), and the first that of the second with
respect to g: the two are closed under differentiation. Mean and variance of a group of channels are computed from
``pixel_moments``, its normalisation is an affine map, so all that depends on the groups is arithmetic on (N, C).
"""

from tinygen.autograd.operation import operation
from tinygen.backend import Array
from tinygen.kernels import group_normalisation as kernels
from tinygen.operations.shaping import stack


@operation(
    lambda g, x, coefficients: pixel_affine(g, coefficients[:1]),
    lambda g, x, coefficients: pixel_sums(x, g)[: len(coefficients)],
)
def pixel_affine(x: Array, coefficients: Array) -> Array:
    """``x scale + shift``: x (N, C, ...), coefficients scale and shift (2, N, C), or the scale alone (1, N, C)."""
    return kernels.pixel_affine(x, coefficients)


@operation(lambda h, x, g: pixel_affine(g, h[:1]), lambda h, x, g: pixel_affine(x, h))
def pixel_sums(x: Array, g: Array) -> Array:
    """``sum(g x)`` and ``sum(g)`` over pixels: x and g (N, C, ...) -> (2, N, C)."""
    return kernels.pixel_sums(x, g)


@operation(lambda h, x: pixel_affine(x, stack([2 * h[0], h[1]])))
def pixel_moments(x: Array) -> Array:
    """``sum(x^2)`` and ``sum(x)`` over pixels: x (N, C, ...) -> (2, N, C)."""
    return kernels.pixel_sums(x, x)
