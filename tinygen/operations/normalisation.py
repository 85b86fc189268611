"""Normalisation by mean and variance, of the channels of a batch or of groups of channels, and its derivatives.

The values x become x_hat = (x - mean) / s with s^2 = variance + eps. Mean and variance depend on x, so the gradient
with respect to x is not g / s, where g is the gradient of x_hat: its mean and its component along x_hat are removed
(the latter nearly, since eps > 0),

    P(g) = (g - mean(g) - x_hat mean(g x_hat)) / s        (Ioffe and Szegedy 2015, section 3)

Means are over the values that share a statistic. P is linear and self-adjoint. The operations ``normalise``,
``normalise_grad`` (P(weight g)), ``channel_sum`` and ``channel_dot`` (the gradients of bias and weight) are closed
under differentiation. They all need two sums over each channel, of g and of g x_hat, which are computed once per
backward pass (``shared``) and passed on as the option ``sums``; their dependence on g and x is part of the derivatives
below.

Options of all: ``mean`` and ``inv_std`` (1 / s), the statistics of x, and ``eps``. The statistics are (C,) in batch
normalisation, with sums (2, C), and (N, G) in group normalisation, with sums (2, N, C).
"""

from typing import Any

from tinygen import ranks
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array
from tinygen.kernels import group_normalisation as of_groups
from tinygen.kernels import normalisation as of_batch
from tinygen.operations.creation import ones_like, zeros_like
from tinygen.operations.reductions import mean as mean_over
from tinygen.operations.reductions import sum
from tinygen.operations.shaping import broadcast_to, reshape


def _kernels(mean: Array) -> Any:
    return of_batch if mean.ndim == 1 else of_groups


@operation(
    lambda g, x, weight, bias, shared, **stats: normalise_grad(g, x, weight, sums=shared, **stats),
    lambda g, x, weight, bias, shared, **stats: channel_dot(g, x, sums=shared, **stats),
    lambda g, x, weight, bias, shared, **stats: channel_sum(g, x, sums=shared, **stats),
    shared=lambda g, x, weight, bias, mean, inv_std, eps: _kernels(mean).channel_sums(g.data, x.data, mean, inv_std),
)
def normalise(x: Array, weight: Array, bias: Array, mean: Array, inv_std: Array, eps: float) -> Array:
    """``weight x_hat + bias`` per channel: x (N, C, ...), weight and bias (C,) -> (N, C, ...)."""
    return _kernels(mean).normalise(x, weight, bias, mean, inv_std)


@operation(lambda h, g, x, sums, **stats: normalise(x, zeros_like(h), h, **stats), None)
def channel_sum(g: Array, x: Array, sums: Array, mean: Array, inv_std: Array, eps: float) -> Array:
    """``sum(g)`` per channel: g and x (N, C, ...) -> (C,); ``sums`` are those of this g and x."""
    return _over_images(sums[0]).astype(g.dtype)


@operation(
    lambda h, g, x, sums, **stats: normalise(x, h, zeros_like(h), **stats),
    lambda h, g, x, sums, **stats: normalise_grad(g, x, h, sums=sums, **stats),
)
def channel_dot(g: Array, x: Array, sums: Array, mean: Array, inv_std: Array, eps: float) -> Array:
    """``sum(g x_hat)`` per channel: g and x (N, C, ...) -> (C,); ``sums`` are those of this g and x."""
    return _over_images(sums[1]).astype(g.dtype)


def _vjp_in_x(h: Tensor, g: Tensor, x: Tensor, weight: Tensor, sums: Array, shared: Array, **stats: Any) -> Tensor:
    """The gradient of sum(h P(weight g)) with respect to x, on which x_hat, P and 1 / s depend."""
    weighted, mean = _column(weight, x) * g, stats["mean"]
    if mean.ndim == 1 and ranks.fraction() != 1:
        raise NotImplementedError("batch_norm: second derivatives where ranks share the batch")
    x_hat = normalise(x, ones_like(weight), zeros_like(weight), **stats)
    p_g = normalise_grad(g, x, weight, sums=sums, **stats)
    p_h = normalise_grad(h, x, ones_like(weight), sums=shared, **stats)
    inner = _mean(h * p_g, mean) * x_hat + _mean(h * x_hat, mean) * p_g + _mean(weighted * x_hat, mean) * p_h
    inv_std: Tensor = (_mean((x - _mean(x, mean)) ** 2, mean) + stats["eps"]) ** -0.5
    return -inner * inv_std


@operation(
    lambda h, g, x, weight, sums, shared, **stats: (
        _column(weight, x) * normalise_grad(h, x, ones_like(weight), sums=shared, **stats)
    ),
    _vjp_in_x,
    lambda h, g, x, weight, sums, shared, **stats: sum(
        g * normalise_grad(h, x, ones_like(weight), sums=shared, **stats), _all_but_channels(x)
    ),
    shared=lambda h, g, x, weight, sums, mean, inv_std, eps: _kernels(mean).channel_sums(h.data, x.data, mean, inv_std),
)
def normalise_grad(g: Array, x: Array, weight: Array, sums: Array, mean: Array, inv_std: Array, eps: float) -> Array:
    """``P(weight g)``: g and x (N, C, ...), weight (C,), sums of g and g x_hat over channels -> (N, C, ...)."""
    if mean.ndim == 1 and ranks.fraction() != 1:  # g is a gradient of the rank's mean; the means in P are of all rows
        (sums,) = ranks.averaged([sums])
    return _kernels(mean).normalise_grad(g, x, weight, mean, inv_std, sums)


def _over_images(sums: Array) -> Array:
    """(C,) or (N, C) -> (C,)."""
    return sums.reshape(-1, sums.shape[-1]).sum(axis=0)


def _mean(x: Tensor, mean: Array) -> Tensor:
    """The mean over the values whose statistic is one element of ``mean``, to broadcast against x (N, C, ...)."""
    if mean.ndim == 1:
        return mean_over(x, _all_but_channels(x), True)
    groups = reshape(x, (*mean.shape, -1))
    return reshape(broadcast_to(mean_over(groups, -1, True), groups.shape), x.shape)


def _column(weight: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...)."""
    return reshape(weight, (1, -1, *(1,) * (x.ndim - 2)))


def _all_but_channels(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))
