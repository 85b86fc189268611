"""Normalisation by the mean and variance of a batch, and its derivatives.

A channel's values x become y = (x - mean) / s, s^2 = variance + eps. Mean and variance depend on x, so the gradient g
of y is projected onto what neither shifts nor scales the channel: g / s without its mean and its component along y,

    P(g) = (g - mean(g) - y mean(g y)) / s.

P is self-adjoint. The operations ``normalise``, ``normalise_grad`` (P), ``channel_sum`` and ``channel_dot`` (the
gradients of bias and weight) are closed under differentiation. They all take two sums over each channel, of g and of
g y, which are computed once per backward pass.

Options of all: ``mean`` and ``scale`` (1 / s), the statistics (C,) of x, and ``eps``.
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
    shared=lambda g, x, weight, bias, mean, scale, eps: kernels.channel_sums(g.data, x.data, mean, scale),
)
def normalise(x: Array, weight: Array, bias: Array, mean: Array, scale: Array, eps: float) -> Array:
    """``weight y + bias`` per channel: x (N, C, ...), weight and bias (C,) -> (N, C, ...)."""
    return kernels.normalise(x, weight, bias, mean, scale)


@operation(lambda h, g, x, sums, **stats: normalise(x, zeros_like(h), h, **stats), None)
def channel_sum(g: Array, x: Array, sums: Array, mean: Array, scale: Array, eps: float) -> Array:
    """``sum(g)`` per channel: g and x (N, C, ...) -> (C,)."""
    return sums[0].astype(g.dtype)


@operation(
    lambda h, g, x, sums, **stats: normalise(x, h, zeros_like(h), **stats),
    lambda h, g, x, sums, **stats: normalise_grad(g, x, h, sums=sums, **stats),
)
def channel_dot(g: Array, x: Array, sums: Array, mean: Array, scale: Array, eps: float) -> Array:
    """``sum(g y)`` per channel: g and x (N, C, ...) -> (C,)."""
    return sums[1].astype(g.dtype)


def _vjp_in_x(h: Tensor, g: Tensor, x: Tensor, weight: Tensor, sums: Array, shared: Array, **stats: Any) -> Tensor:
    """The gradient of sum(h weight P(g)) with respect to x, on which y, P and 1 / s depend."""
    axes = _all_but_channels(x)
    y = normalise(x, ones_like(weight), zeros_like(weight), **stats)
    p_g = normalise_grad(g, x, weight, sums=sums, **stats)
    p_h = normalise_grad(h, x, weight, sums=shared, **stats)
    inner = mean_over(h * p_g, axes, True) * y + mean_over(h * y, axes, True) * p_g + mean_over(g * y, axes, True) * p_h
    scale: Tensor = (var(x, axes, keepdims=True) + stats["eps"]) ** -0.5
    return -inner * scale


@operation(
    lambda h, g, x, weight, sums, shared, **stats: normalise_grad(h, x, weight, sums=shared, **stats),
    _vjp_in_x,
    lambda h, g, x, weight, sums, shared, **stats: sum(
        h * normalise_grad(g, x, ones_like(weight), sums=sums, **stats), _all_but_channels(x)
    ),
    shared=lambda h, g, x, weight, sums, mean, scale, eps: kernels.channel_sums(h.data, x.data, mean, scale),
)
def normalise_grad(g: Array, x: Array, weight: Array, sums: Array, mean: Array, scale: Array, eps: float) -> Array:
    """``weight P(g)`` per channel: g and x (N, C, ...), weight (C,), sums (2, C) of g and g y -> (N, C, ...)."""
    return kernels.normalise_grad(g, x, weight, mean, scale, sums)


def _all_but_channels(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))
