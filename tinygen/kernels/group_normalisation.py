"""The two functions of images from which group normalisation is made: an affine map for each channel of each image, and
its adjoint, sums over the pixels of each channel of each image."""

from tinygen.backend import Array, array_module
from tinygen.kernels.cpu import group_normalisation as cpu
from tinygen.kernels.dispatch import fast_on_cpu


@fast_on_cpu(cpu.pixel_affine, when=lambda x, coefficients: x.ndim == 4)
def pixel_affine(x: Array, coefficients: Array) -> Array:
    """``x scale + shift``: x (N, C, ...), coefficients scale and shift (2, N, C), or the scale alone (1, N, C)."""
    columns = coefficients.reshape(*coefficients.shape, *(1,) * (x.ndim - 2))
    return x * columns[0] + columns[1] if len(columns) == 2 else x * columns[0]


@fast_on_cpu(cpu.pixel_sums, when=lambda x, g: x.ndim == 4)
def pixel_sums(x: Array, g: Array) -> Array:
    """``sum(g x)`` and ``sum(g)`` over pixels: x and g (N, C, ...) -> (2, N, C)."""
    pixels = (*x.shape[:2], -1)
    return array_module(x).stack([each.reshape(pixels).sum(axis=2) for each in (g * x, g)])
