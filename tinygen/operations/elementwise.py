"""Functions of one number, element by element: exponentials, logarithms, powers, sines and activation functions.

Where the derivative is a function of the value y (exp' = y, tanh' = 1 - y^2), the vector-Jacobian product uses y, which
was kept, and does not compute it again. The derivative of a power is the limit of its formula, so it is not NaN where
the value is finite.
"""

from typing import Any

from tinygen.autograd.broadcasting import elementwise
from tinygen.autograd.operands import real_operands
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module
from tinygen.kernels import elementwise as kernels
from tinygen.operations.arithmetic import weighted, where
from tinygen.operations.comparison import nondifferentiable
from tinygen.operations.creation import full_like, zeros_like


@real_operands("x")
@operation(lambda g, y, x: g * y, keeps_output=True)
def exp(x: Array) -> Array:
    """``e^x``, element by element."""
    return array_module(x).exp(x)


@real_operands("x")
@operation(lambda g, y, x: g * (y + 1), keeps_output=True)
def expm1(x: Array) -> Array:
    """``e^x - 1``, element by element; accurate near 0."""
    return array_module(x).expm1(x)


@real_operands("x")
@operation(lambda g, x: g / x)
def log(x: Array) -> Array:
    """The natural logarithm of ``x``, element by element."""
    return array_module(x).log(x)


@real_operands("x")
@operation(lambda g, x: g / (x + 1))
def log1p(x: Array) -> Array:
    """``log(1 + x)``, element by element; accurate near 0."""
    return array_module(x).log1p(x)


_is_flat_in_base = nondifferentiable(lambda g, x, p: (x == 0) & ((p == 0) | (g == 0)))
_is_flat_in_exponent = nondifferentiable(lambda x, p: (x < 0) & (p % 1 == 0) | (x == 0) & (p >= 0))


def _power_in_base(g: Tensor, x: Any, p: Any) -> Tensor:
    """g p x^(p - 1); at x = 0, where x^(p - 1) may be infinite, 0 if p or g is 0."""
    if not isinstance(p, Tensor) and (p == 0 or p >= 1):
        return zeros_like(g) if p == 0 else g if p == 1 else g * (p * x ** (p - 1))
    is_flat = _is_flat_in_base(g, x, p)
    return where(is_flat, 0.0, g * (p * where(is_flat, 1.0, x) ** (p - 1)))


def _power_in_exponent(g: Tensor, x: Any, p: Any) -> Tensor:
    """g x^p log x; 0 at x = 0, the limit for p > 0, and for x < 0 with a whole p, where x^p is not defined nearby."""
    x = x if isinstance(x, Tensor) else full_like(p, x)
    is_flat = _is_flat_in_exponent(x, p)
    return where(is_flat, 0.0, g * (x**p * log(where(is_flat, 1.0, x))))


@elementwise(_power_in_base, _power_in_exponent)
def power(x: Array, p: Array) -> Array:
    """``x`` to the power ``p``, element by element."""
    return x**p


_are_zero = nondifferentiable(lambda g, y: (g == 0) & (y == 0))


def _sqrt_vjp(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """g / (2 y), and 0 where g and y are 0: a root that the result does not depend on adds no NaN."""
    are_zero = _are_zero(g, y)
    return where(are_zero, 0.0, g / (2 * where(are_zero, 1.0, y)))


@real_operands("x")
@operation(_sqrt_vjp, keeps_output=True)
def sqrt(x: Array) -> Array:
    """The square root of ``x``, element by element; its derivative at 0 is infinite (that of ``norm`` and ``std`` is 0
    there)."""
    return array_module(x).sqrt(x)


@real_operands("x")
@operation(lambda g, x: g * cos(x))
def sin(x: Array) -> Array:
    """The sine of ``x`` radians, element by element."""
    return array_module(x).sin(x)


@real_operands("x")
@operation(lambda g, x: -g * sin(x))
def cos(x: Array) -> Array:
    """The cosine of ``x`` radians, element by element."""
    return array_module(x).cos(x)


@real_operands("x")
@operation(lambda g, y, x: g * (1 - y * y), keeps_output=True)
def tanh(x: Array) -> Array:
    """The hyperbolic tangent of ``x``, element by element."""
    return kernels.tanh(x)


@real_operands("x")
@operation(lambda g, y, x: g * (y * (1 - y)), keeps_output=True)
def sigmoid(x: Array) -> Array:
    """The logistic function ``1 / (1 + e^-x)``, element by element."""
    return kernels.sigmoid(x)


def _silu_vjp_in_x(h: Tensor, g: Tensor, x: Tensor, y: Array) -> Tensor:
    """g h times the second derivative of ``silu``, s (1 - s) (2 + x (1 - 2 s))."""
    s = sigmoid(x)
    return g * h * (s * (1 - s) * (2 + x * (1 - 2 * s)))


@real_operands("x")
@operation(lambda g, y, x: silu_vjp(g, x, y=y.data), keeps_output=True)
def silu(x: Array) -> Array:
    """``x / (1 + e^-x)``, a smooth ReLU, element by element (Elfwing, Uchibe and Doya 2018). Below -88 the value is
    that at -88, -5e-37."""
    return kernels.silu(x)


@operation(lambda h, g, x, y: silu_vjp(h, x, y=y), _silu_vjp_in_x)
def silu_vjp(g: Array, x: Array, y: Array) -> Array:
    """``g`` times the derivative of ``silu`` at ``x``, where its value is ``y``: ``s + y (1 - s)``, s the sigmoid."""
    return kernels.silu_derivative(g, x, y)


@operation(lambda g, x: g * sigmoid(x))
def softplus(x: Array) -> Array:
    """``log(1 + e^x)``, accurate for large ``|x|`` too."""
    return kernels.softplus(x)


@operation(lambda g, x, slope: leaky_relu_vjp(g, x, slope=slope))
def leaky_relu(x: Array, slope: float) -> Array:
    """``x`` where it is positive, ``slope x`` elsewhere (Maas et al. 2013)."""
    return kernels.leaky_relu(x, slope)


@operation(lambda g, h, x, slope: leaky_relu_vjp(g, x, slope=slope), None)
def leaky_relu_vjp(g: Array, x: Array, slope: float) -> Array:
    """``g`` times the derivative of ``leaky_relu`` at ``x``: linear in ``g``, piecewise constant in ``x``."""
    return kernels.leaky_relu_derivative(g, x, slope)


@nondifferentiable
def _is_negative(y: Array) -> Array:
    """1 where ``y`` is negative, NaN where it is NaN, 0 elsewhere."""
    return array_module(y).where(y == y, y < 0, y).astype(y.dtype)


@operation(lambda g, y, x, alpha: elu_vjp(g, y, alpha=alpha), keeps_output=True)
def elu(x: Array, alpha: float) -> Array:
    """``x`` where it is positive, ``alpha (e^x - 1)`` elsewhere (Clevert et al. 2016), for ``alpha > 0``."""
    return kernels.elu(x, alpha)


@operation(
    lambda g, h, y, alpha: elu_vjp(g, y, alpha=alpha),
    lambda g, h, y, alpha: weighted(g * h, _is_negative(y)),
)
def elu_vjp(g: Array, y: Array, alpha: float) -> Array:
    """``g`` times the derivative of ``elu`` where its value is ``y``: 1 for y > 0, else ``y + alpha = alpha e^x``.

    An operation of its own, whose vector-Jacobian products are made of itself and of arithmetic.
    """
    return kernels.elu_derivative(g, y, alpha)
