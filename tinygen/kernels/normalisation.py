"""Batch normalisation (Ioffe and Szegedy 2015): moments of the channels, and the arithmetic of the normalised values.

With mean and inv_std = 1 / sqrt(variance + eps) of each channel, x_hat = (x - mean) inv_std. All sums and means are
over the batch and the pixels of a channel: x (N, C, ...) -> (C,).
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
    centred = x - _column(mean, x)
    return mean, (_channel_sum(centred * centred) / count).astype(x.dtype)


@fast_on_cpu(cpu.normalise)
def normalise(x: Array, weight: Array, bias: Array, mean: Array, inv_std: Array) -> Array:
    """``weight x_hat + bias``: x (N, C, ...), all others (C,) -> (N, C, ...)."""
    gain = weight * inv_std
    return x * _column(gain, x) + _column(bias - mean * gain, x)


@fast_on_cpu(cpu.channel_sums)
def channel_sums(g: Array, x: Array, mean: Array, inv_std: Array) -> Array:
    """``sum(g)`` and ``sum(g x_hat)``: g and x (N, C, ...), mean and inv_std (C,) -> (2, C), in double precision."""
    x_hat = (x - _column(mean, x)) * _column(inv_std, x)
    return array_module(x).stack([_channel_sum(g), _channel_sum(g * x_hat)])


@fast_on_cpu(cpu.normalise_grad)
def normalise_grad(g: Array, x: Array, weight: Array, mean: Array, inv_std: Array, sums: Array) -> Array:
    """``weight inv_std (g - mean(g) - x_hat mean(g x_hat))``: g and x (N, C, ...), weight, mean and inv_std (C,), sums
    (2, C) from ``channel_sums`` -> (N, C, ...)."""
    mean_g, mean_g_x_hat = sums * (x.shape[1] / x.size)
    gain = mean_g_x_hat * inv_std
    return _column(weight * inv_std, x) * (g - x * _column(gain, x) - _column(mean_g - gain * mean, x))


def _channel_sum(x: Array) -> Array:
    """(N, C, ...) -> (C,), the sums over pixels added up in double precision."""
    return x.reshape(*x.shape[:2], -1).sum(axis=2).sum(axis=0, dtype=np.float64)


def _column(statistic: Array, x: Array) -> Array:
    """(C,) -> (1, C, 1, ...), to broadcast against x (N, C, ...), in its dtype."""
    return statistic.astype(x.dtype).reshape(1, -1, *(1,) * (x.ndim - 2))
