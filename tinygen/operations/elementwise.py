"""Functions of one number, applied to every element: exponentials, logarithms, roots, and the S-shaped curves.

Where the derivative is shortest in terms of the function's own value y (exp' = y, tanh' = 1 - y^2), the product takes
y, which is at hand, instead of computing it again. A power's slope is what its formula says in the limit: never NaN
beside a finite value.
"""

from typing import Any

from tinygen.autograd.broadcasting import elementwise
from tinygen.autograd.operands import real_operands
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module
from tinygen.kernels import elementwise as kernels
from tinygen.operations.arithmetic import weighed, where
from tinygen.operations.comparison import constant
from tinygen.operations.creation import full_like, zeros_like


@real_operands("x")
@operation(lambda g, y, x: g * y, keeps_output=True)
def exp(x: Array) -> Array:
    """``e^x``."""
    return array_module(x).exp(x)


@real_operands("x")
@operation(lambda g, y, x: g * (y + 1), keeps_output=True)
def expm1(x: Array) -> Array:
    """``e^x - 1``, accurate near 0."""
    return array_module(x).expm1(x)


@real_operands("x")
@operation(lambda g, x: g / x)
def log(x: Array) -> Array:
    """The natural logarithm."""
    return array_module(x).log(x)


@real_operands("x")
@operation(lambda g, x: g / (x + 1))
def log1p(x: Array) -> Array:
    """``log(1 + x)``, accurate near 0."""
    return array_module(x).log1p(x)


def _power_in_base(g: Tensor, x: Any, p: Any) -> Tensor:
    """p x^(p - 1); at x = 0, where the slope may be infinite, 0 if p or g is 0."""
    if not isinstance(p, Tensor) and (p == 0 or p >= 1):
        return zeros_like(g) if p == 0 else g if p == 1 else g * (p * x ** (p - 1))
    is_flat = constant(lambda g, x, p: (x == 0) & ((p == 0) | (g == 0)))(g, x, p)
    return where(is_flat, 0.0, g * (p * where(is_flat, 1.0, x) ** (p - 1)))


def _power_in_exponent(g: Tensor, x: Any, p: Any) -> Tensor:
    """x^p log x; 0 at x = 0, which is the limit for p > 0, and for whole p of x < 0, alone among their neighbours."""
    x = x if isinstance(x, Tensor) else full_like(p, x)
    is_flat = constant(lambda x, p: (x < 0) & (p % 1 == 0) | (x == 0) & (p >= 0))(x, p)
    return where(is_flat, 0.0, g * (x**p * log(where(is_flat, 1.0, x))))


@elementwise(_power_in_base, _power_in_exponent)
def power(x: Array, p: Array) -> Array:
    """``x`` to the power ``p``, element by element."""
    return x**p


def _half_over_root(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """g / (2 y); 0 if both are 0, so that where nobody asks for the root of 0 its slope does no harm."""
    is_nothing = constant(lambda g, y: (g == 0) & (y == 0))(g, y)
    return where(is_nothing, 0.0, g / (2 * where(is_nothing, 1.0, y)))


@real_operands("x")
@operation(_half_over_root, keeps_output=True)
def sqrt(x: Array) -> Array:
    """The square root; its slope at 0 is infinite (``norm`` and ``std`` have slope 0 there)."""
    return array_module(x).sqrt(x)


@real_operands("x")
@operation(lambda g, x: g * cos(x))
def sin(x: Array) -> Array:
    """The sine of ``x`` radians."""
    return array_module(x).sin(x)


@real_operands("x")
@operation(lambda g, x: -g * sin(x))
def cos(x: Array) -> Array:
    """The cosine of ``x`` radians."""
    return array_module(x).cos(x)


@real_operands("x")
@operation(lambda g, y, x: g * (1 - y * y), keeps_output=True)
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return kernels.tanh(x)


@real_operands("x")
@operation(lambda g, y, x: g * (y * (1 - y)), keeps_output=True)
def sigmoid(x: Array) -> Array:
    """The logistic function ``1 / (1 + e^-x)``."""
    return kernels.sigmoid(x)


@operation(lambda g, x: g * sigmoid(x))
def softplus(x: Array) -> Array:
    """``log(1 + e^x)``, exact for large ``|x|`` too."""
    return kernels.softplus(x)


@operation(lambda g, x, slope: leaky_relu_product(g, x, slope=slope))
def leaky_relu(x: Array, slope: float) -> Array:
    """``x`` where it is positive, ``slope x`` elsewhere (Maas et al. 2013)."""
    return kernels.leaky_relu(x, slope)


@operation(lambda g, h, x, slope: leaky_relu_product(g, x, slope=slope), None)
def leaky_relu_product(g: Array, x: Array, slope: float) -> Array:
    """``g`` times the slope of ``leaky_relu`` at ``x``: linear in ``g``, constant in ``x`` between its kinks."""
    return kernels.leaky_relu_derivative(g, x, slope)


@constant
def _is_negative(y: Array) -> Array:
    """1 where ``y`` is negative, NaN where it is NaN, 0 elsewhere."""
    return array_module(y).where(y == y, y < 0, y).astype(y.dtype)


@operation(lambda g, y, x, alpha: elu_product(g, y, alpha=alpha), keeps_output=True)
def elu(x: Array, alpha: float) -> Array:
    """``x`` where it is positive, ``alpha (e^x - 1)`` elsewhere (Clevert et al. 2016), for ``alpha > 0``."""
    return kernels.elu(x, alpha)


@operation(
    lambda g, h, y, alpha: elu_product(g, y, alpha=alpha),
    lambda g, h, y, alpha: weighed(g * h, _is_negative(y)),
)
def elu_product(g: Array, y: Array, alpha: float) -> Array:
    """``g`` times the slope of ``elu`` where its value is ``y``: 1 where y > 0, ``y + alpha = alpha e^x`` elsewhere.

    Named, because the slope is a function of the value: with this operation the family closes under differentiation.
    """
    return kernels.elu_derivative(g, y, alpha)
