"""Normalisation by the mean and variance of a batch, and its derivatives.

The values x of a channel become x_hat = (x - mean) / s with s^2 = variance + eps. Mean and variance depend on x, so the
gradient with respect to x is not g / s, where g is the gradient of x_hat: it loses its mean and its component along
x_hat,

    P(g) = (g - mean(g) - x_hat mean(g x_hat)) / s        (Ioffe and Szegedy 2015, section 3)

P is linear and self-adjoint. The operations ``normalise``, ``normalise_grad`` (weight P), ``channel_sum`` and
``channel_dot`` (the gradients of bias and weight) are closed under differentiation. They all need two sums over each
channel, of g and of g x_hat, which are computed once per backward pass (``shared``) and passed on as the option
``sums``; their dependence on g and x is part of the derivatives below.

Options of all: ``mean`` and ``inv_std`` (1 / s), the statistics (C,) of x, and ``eps``.
"""

from typing import Any

from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array
from tinygen.kernels import normalisation as kernels
from tinygen.operations.creation import ones_like, zeros_like
from tinygen.operations.reductions import mean as mean_over
from tinygen.operations.reductions import sum, var


@operation(
    lambda g, x, weight, bias, shared, **stats: normalise_grad(g, x, weight, sums=shared, **stats),
    lambda g, x, weight, bias, shared, **stats: channel_dot(g, x, sums=shared, **stats),
    lambda g, x, weight, bias, shared, **stats: channel_sum(g, x, sums=shared, **stats),
    shared=lambda g, x, weight, bias, mean, inv_std, eps: kernels.channel_sums(g.data, x.data, mean, inv_std),
)
def normalise(x: Array, weight: Array, bias: Array, mean: Array, inv_std: Array, eps: float) -> Array:
    """``weight x_hat + bias`` per channel: x (N, C, ...), weight and bias (C,) -> (N, C, ...)."""
    return kernels.normalise(x, weight, bias, mean, inv_std)


@operation(lambda h, g, x, sums, **stats: normalise(x, zeros_like(h), h, **stats), None)
def channel_sum(g: Array, x: Array, sums: Array, mean: Array, inv_std: Array, eps: float) -> Array:
    """``sum(g)`` per channel: g and x (N, C, ...) -> (C,); ``sums`` are those of this g and x."""
    return sums[0].astype(g.dtype)


@operation(
    lambda h, g, x, sums, **stats: normalise(x, h, zeros_like(h), **stats),
    lambda h, g, x, sums, **stats: normalise_grad(g, x, h, sums=sums, **stats),
)
def channel_dot(g: Array, x: Array, sums: Array, mean: Array, inv_std: Array, eps: float) -> Array:
    """``sum(g x_hat)`` per channel: g and x (N, C, ...) -> (C,); ``sums`` are those of this g and x."""
    return sums[1].astype(g.dtype)


def _vjp_in_x(h: Tensor, g: Tensor, x: Tensor, weight: Tensor, sums: Array, shared: Array, **stats: Any) -> Tensor:
    """The gradient of sum(h weight P(g)) with respect to x, on which x_hat, P and 1 / s depend."""
    axes = _all_but_channels(x)
    x_hat = normalise(x, ones_like(weight), zeros_like(weight), **stats)
    p_g = normalise_grad(g, x, weight, sums=sums, **stats)
    p_h = normalise_grad(h, x, weight, sums=shared, **stats)
    inner = (
        mean_over(h * p_g, axes, True) * x_hat
        + mean_over(h * x_hat, axes, True) * p_g
        + mean_over(g * x_hat, axes, True) * p_h
    )
    inv_std: Tensor = (var(x, axes, keepdims=True) + stats["eps"]) ** -0.5
    return -inner * inv_std


@operation(
    lambda h, g, x, weight, sums, shared, **stats: normalise_grad(h, x, weight, sums=shared, **stats),
    _vjp_in_x,
    lambda h, g, x, weight, sums, shared, **stats: sum(
        h * normalise_grad(g, x, ones_like(weight), sums=sums, **stats), _all_but_channels(x)
    ),
    shared=lambda h, g, x, weight, sums, mean, inv_std, eps: kernels.channel_sums(h.data, x.data, mean, inv_std),
)
def normalise_grad(g: Array, x: Array, weight: Array, sums: Array, mean: Array, inv_std: Array, eps: float) -> Array:
    """``weight P(g)`` per channel: g and x (N, C, ...), weight (C,), sums (2, C) of g and g x_hat -> (N, C, ...)."""
    return kernels.normalise_grad(g, x, weight, mean, inv_std, sums)


def _all_but_channels(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))
