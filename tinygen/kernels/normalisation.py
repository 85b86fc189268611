"""Batch normalisation (Ioffe and Szegedy 2015): moments of the channels, and the arithmetic of the normalised values.

With the mean and the scale 1 / sqrt(variance + eps) of each channel, y = (x - mean) scale. All sums and means are over
the batch and the pixels of a channel: x (N, C, ...) -> (C,).
"""

import numpy as np

from tinygen.backend import Array, array_module
from tinygen.kernels.cpu import normalisation as cpu
from tinygen.kernels.dispatch import fast_on_cpu


@fast_on_cpu(cpu.moments)
def moments(x: Array) -> tuple[Array, Array]:
    """The mean and the (biased) variance of each channel: x (N, C, ...) -> (C,), (C,)."""
    count = x.size // x.shape[1]
    mean = (_channel_sum(x) / count).astype(x.dtype)
    distance = x - _column(mean, x)
    return mean, (_channel_sum(distance * distance) / count).astype(x.dtype)


@fast_on_cpu(cpu.normalise)
def normalise(x: Array, weight: Array, bias: Array, mean: Array, scale: Array) -> Array:
    """``weight y + bias``: x (N, C, ...), all others (C,) -> (N, C, ...)."""
    slope = weight * scale
    return x * _column(slope, x) + _column(bias - mean * slope, x)


@fast_on_cpu(cpu.channel_sums)
def channel_sums(g: Array, x: Array, mean: Array, scale: Array) -> Array:
    """``sum(g)`` and ``sum(g y)``: g and x (N, C, ...), mean and scale (C,) -> (2, C), in double precision."""
    y = (x - _column(mean, x)) * _column(scale, x)
    return array_module(x).stack([_channel_sum(g), _channel_sum(g * y)])


@fast_on_cpu(cpu.normalise_grad)
def normalise_grad(g: Array, x: Array, weight: Array, mean: Array, scale: Array, sums: Array) -> Array:
    """``weight scale (g - mean(g) - y mean(g y))``: g and x (N, C, ...), weight, mean and scale (C,), sums (2, C) those
    of ``channel_sums`` -> (N, C, ...)."""
    mean_g, mean_gy = sums * (x.shape[1] / x.size)
    slope = mean_gy * scale
    return _column(weight * scale, x) * (g - x * _column(slope, x) - _column(mean_g - slope * mean, x))


def _channel_sum(x: Array) -> Array:
    """(N, C, ...) -> (C,), the sums over pixels added up in double precision."""
    return x.reshape(*x.shape[:2], -1).sum(axis=2).sum(axis=0, dtype=np.float64)


def _column(statistic: Array, x: Array) -> Array:
    """(C,) -> (1, C, 1, ...), to broadcast against x (N, C, ...), in its dtype."""
    return statistic.astype(x.dtype).reshape(1, -1, *(1,) * (x.ndim - 2))
