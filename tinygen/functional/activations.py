"""Activation functions: ReLU and its variants, sigmoid, SiLU, tanh, softplus, softmax along an axis.

Without an ``axis`` they apply to each element of x, any shape. ``log_sigmoid`` and ``log_softmax`` are computed in log
space, so they are finite where the probability underflows to 0.
"""

from tinygen.autograd.operands import real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.operations import elementwise, reductions
from tinygen.operations.arithmetic import where
from tinygen.operations.comparison import greater
from tinygen.operations.elementwise import exp, expm1, sigmoid, silu, tanh
from tinygen.validation import number

__all__ = ["elu", "leaky_relu", "log_sigmoid", "log_softmax", "relu", "sigmoid", "silu", "softmax", "softplus", "tanh"]


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
    ``threshold``. Raises ``ValueError`` for ``beta`` 0."""
    beta, threshold = number("softplus", "beta", beta), number("softplus", "threshold", threshold)
    if beta == 0:
        raise ValueError("softplus: beta must not be 0, log(1 + e^(beta x)) is divided by it")
    scaled = x if beta == 1 else x * beta
    smooth = elementwise.softplus(scaled) if beta == 1 else elementwise.softplus(scaled) / beta
    # In float32 both agree there: log(1 + e^-20) is below the rounding error of x.
    return smooth if x.dtype == "float32" and threshold >= 20 else where(greater(scaled, threshold), x, smooth)


@real_operands("x")
def log_sigmoid(x: Tensor) -> Tensor:
    """``log(1 / (1 + e^-x)) = -log(1 + e^-x)``, for each element, finite for every finite ``x``."""
    return -elementwise.softplus(-x)


@real_operands("x")
def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """``x - log sum e^x`` along ``axis`` of x, any shape: the log-probabilities of a categorical distribution."""
    return reductions.log_softmax(x, axis)


@real_operands("x")
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """``e^x / sum e^x`` along ``axis`` of x, any shape: the probabilities of a categorical distribution."""
    return exp(reductions.log_softmax(x, axis, name="softmax"))
