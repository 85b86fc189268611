"""Normalisation by a batch's own mean and variance, and its derivative.

A channel's values x become y = (x - mean) / s, s^2 = variance + eps. Mean and variance are made of x, so of a gradient
g only that counts which neither shifts nor stretches the channel: what is left of g / s without its mean and without
its part along y,

    P(g) = (g - mean(g) - y mean(g y)) / s.

P is its own adjoint, as projections are. With ``normalise_product``, P, and the sums of g and of g y, for bias and
weight, the family closes under differentiation.
"""

from typing import Any

from tinygen.autograd.operation import operation
from tinygen.autograd.recording import scope
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array
from tinygen.kernels import normalisation as kernels
from tinygen.kernels.normalisation import Statistics
from tinygen.operations.creation import ones_like, zeros_like
from tinygen.operations.reductions import mean, sum, var


@operation(
    lambda g, x, weight, bias, **given: normalise_product(g, x, weight, **given),
    lambda g, x, weight, bias, **given: sum_along(g, x, **given),
    lambda g, x, weight, bias, **given: sum_level(g, x, **given),
)
def normalise(x: Array, weight: Array, bias: Array, eps: float, channels: Statistics) -> Array:
    """``weight y + bias``, per channel: x (N, C, ...), weight and bias (C,); ``channels``: what x itself tells."""
    return kernels.normalise(x, weight, bias, channels)


@operation(lambda h, g, x, **given: normalise(x, zeros_like(h), h, **given), None)
def sum_level(g: Array, x: Array, eps: float, channels: Statistics) -> Array:
    """``sum(g)`` over each channel: g and x (N, C, ...) -> (C,)."""
    return kernels.normalised_sums(g, x, channels, scope())[0]


@operation(
    lambda h, g, x, **given: normalise(x, h, zeros_like(h), **given),
    lambda h, g, x, **given: normalise_product(g, x, h, **given),
)
def sum_along(g: Array, x: Array, eps: float, channels: Statistics) -> Array:
    """``sum(g y)`` over each channel: g and x (N, C, ...) -> (C,)."""
    return kernels.normalised_sums(g, x, channels, scope())[1]


def _in_x(h: Tensor, g: Tensor, x: Tensor, weight: Tensor, eps: float, channels: Statistics) -> Tensor:
    """The gradient of sum(h weight P(g)), of which y, P and 1 / s change with x."""
    axes = _all_but_channels(x)
    given: dict[str, Any] = {"eps": eps, "channels": channels}
    y = normalise(x, ones_like(weight), zeros_like(weight), **given)
    of_g, of_h = (normalise_product(each, x, weight, **given) for each in (g, h))
    inner = mean(h * of_g, axes, True) * y + mean(h * y, axes, True) * of_g + mean(g * y, axes, True) * of_h
    return -inner / (var(x, axes, keepdims=True) + eps) ** 0.5


@operation(
    lambda h, g, x, weight, **given: normalise_product(h, x, weight, **given),
    _in_x,
    lambda h, g, x, weight, **given: sum(h * normalise_product(g, x, ones_like(weight), **given), _all_but_channels(g)),
)
def normalise_product(g: Array, x: Array, weight: Array, eps: float, channels: Statistics) -> Array:
    """``weight P(g)``, per channel: g and x (N, C, ...), weight (C,)."""
    return kernels.normalise_product(g, x, weight, channels, scope())


def _all_but_channels(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))
