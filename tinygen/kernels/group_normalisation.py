"""Group normalisation (Wu and He 2018): moments of groups of channels, and the arithmetic of the normalised values.

With mean and inv_std = 1 / sqrt(variance + eps) of G groups of adjacent channels of each example, (N, G), x_hat =
(x - mean) inv_std. All is computed from sums over the pixels of a channel and one affine map of the pixels, with
coefficients (N, C).
"""

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu import group_normalisation as cpu
from tinygen.kernels.dispatch import fast_on_cpu

FAR_FROM_ZERO = 8  # standard deviations: for a mean beyond, mean(x^2) - mean(x)^2 loses two digits


def moments(x: Array, groups: int) -> tuple[Array, Array]:
    """The mean and the (biased) variance of each group: x (N, C, ...) -> (N, G), (N, G)."""
    mean, square = _group_means(pixel_sums(x, x), x, groups)
    variance = square - mean**2
    if not is_numpy(x) or (variance * FAR_FROM_ZERO**2 < square).any():  # no question to a device, which would wait
        centred = x - _column(_per_channel(mean, x), x)
        variance = _group_means(pixel_sums(centred, centred), x, groups)[1]
    return mean.astype(x.dtype), variance.astype(x.dtype)


def normalise(x: Array, weight: Array, bias: Array, mean: Array, inv_std: Array) -> Array:
    """``weight x_hat + bias``: x (N, C, ...), weight and bias (C,), mean and inv_std (N, G) -> (N, C, ...)."""
    scale = weight * _per_channel(inv_std, x)
    return pixel_affine(x, scale, bias - _per_channel(mean, x) * scale)


def channel_sums(g: Array, x: Array, mean: Array, inv_std: Array) -> Array:
    """``sum(g)`` and ``sum(g x_hat)`` over pixels: g and x (N, C, ...) -> (2, N, C), in double precision."""
    total, product = pixel_sums(g, x)
    return array_module(x).stack([total, (product - _per_channel(mean, x) * total) * _per_channel(inv_std, x)])


def normalise_grad(g: Array, x: Array, weight: Array, mean: Array, inv_std: Array, sums: Array) -> Array:
    """``inv_std (weight g - mean(weight g) - x_hat mean(weight g x_hat))`` with means over groups: g and x (N, C, ...),
    weight (C,), mean and inv_std (N, G), sums (2, N, C) from ``channel_sums`` -> (N, C, ...)."""
    mean_g, mean_g_x_hat = _group_means(weight * sums, x, mean.shape[1])
    scale = -mean_g_x_hat * inv_std**2
    shift = -mean_g * inv_std - scale * mean
    return pixel_affine(x, _per_channel(scale, x), _per_channel(shift, x), g, weight * _per_channel(inv_std, x))


@fast_on_cpu(cpu.pixel_affine, when=lambda x, *others: x.ndim == 4)
def pixel_affine(x: Array, scale: Array, shift: Array, g: Array | None = None, factor: Array | None = None) -> Array:
    """``x scale + shift``, or with g and factor ``x scale + shift + g factor``: x and g (N, C, ...), all others
    (N, C)."""
    y = x * _column(scale, x) + _column(shift, x)
    return y if g is None or factor is None else y + g * _column(factor, x)


@fast_on_cpu(cpu.pixel_sums, when=lambda g, x: x.ndim == 4)
def pixel_sums(g: Array, x: Array) -> Array:
    """``sum(g)`` and ``sum(g x)`` over pixels: g and x (N, C, ...) -> (2, N, C), in double precision."""
    return array_module(x).stack([each.reshape(*x.shape[:2], -1).sum(axis=2, dtype=np.float64) for each in (g, g * x)])


def _group_means(sums: Array, x: Array, groups: int) -> Array:
    """Sums over pixels (2, N, C) -> means over groups (2, N, G)."""
    return sums.reshape(2, len(x), groups, -1).sum(axis=3) * (len(x) * groups / x.size)


def _per_channel(statistic: Array, x: Array) -> Array:
    """(N, G) -> (N, C)."""
    return statistic.repeat(x.shape[1] // statistic.shape[1], axis=1)


def _column(statistic: Array, x: Array) -> Array:
    """(N, C) -> (N, C, 1, ...), to broadcast against x (N, C, ...), in its dtype."""
    return statistic.astype(x.dtype).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))
