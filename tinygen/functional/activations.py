"""Activations: what stands between two linear maps, so that together they are more than one linear map.

The pieces of straight line (ReLU and its kin) and of exponential (ELU), the S-shaped curves, and the softmax, which
makes probabilities of any numbers. Those with a logarithm are computed from it directly, never as the logarithm of
something that may have become 0.
"""

from tinygen.autograd.operands import real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.operations import elementwise, reductions
from tinygen.operations.arithmetic import where
from tinygen.operations.comparison import greater
from tinygen.operations.elementwise import exp, expm1, sigmoid, tanh
from tinygen.validation import number

__all__ = ["elu", "leaky_relu", "log_sigmoid", "log_softmax", "relu", "sigmoid", "softmax", "softplus", "tanh"]


@real_operands("x")
def relu(x: Tensor) -> Tensor:
    """``max(x, 0)`` for each element; derivative 0 at 0."""
    return elementwise.leaky_relu(x, slope=0.0)


@real_operands("x")
def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is positive, ``negative_slope x`` elsewhere, for each element (Maas et al. 2013)."""
    return elementwise.leaky_relu(x, slope=number("leaky_relu", "negative_slope", negative_slope))


@real_operands("x")
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, ``alpha (e^x - 1)`` elsewhere, for each element (Clevert et al. 2016)."""
    alpha = number("elu", "alpha", alpha)
    if alpha > 0:
        return elementwise.elu(x, alpha=alpha)
    positive = greater(x, 0.0)
    return where(positive, x, alpha * expm1(where(positive, 0.0, x)))


@real_operands("x")
def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + e^(beta x)) / beta``, a smooth ReLU of each element; ``x`` itself where ``beta x`` is above
    ``threshold``. Raises ``ValueError`` where ``beta`` is 0."""
    beta, threshold = number("softplus", "beta", beta), number("softplus", "threshold", threshold)
    if beta == 0:
        raise ValueError("softplus: beta must not be 0, log(1 + e^(beta x)) is divided by it")
    scaled = x if beta == 1 else x * beta
    smooth = elementwise.softplus(scaled) if beta == 1 else elementwise.softplus(scaled) / beta
    # In float32 they have long been the same there: log(1 + e^-20) is less than x's rounding.
    return smooth if x.dtype == "float32" and threshold >= 20 else where(greater(scaled, threshold), x, smooth)


@real_operands("x")
def log_sigmoid(x: Tensor) -> Tensor:
    """``log(1 / (1 + e^-x)) = -log(1 + e^-x)``, for each element, finite for every finite ``x``."""
    return -elementwise.softplus(-x)


@real_operands("x")
def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """``x - log sum e^x`` along ``axis``, for ``x`` of any shape: the logarithms of probabilities that sum to 1."""
    return reductions.log_softmax(x, axis)


@real_operands("x")
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """``e^x / sum e^x`` along ``axis``, for ``x`` of any shape: probabilities that sum to 1."""
    return exp(reductions.log_softmax(x, axis, name="softmax"))
