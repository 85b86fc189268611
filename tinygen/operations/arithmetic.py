"""Arithmetic, element by element, and the choice between elements.

Each vector-Jacobian product is the derivative times the gradient g of the result. Where the derivative does not exist,
a value is chosen: at a tie each operand gets half of g, and the derivative of |x| at 0 is 0. Where the result is NaN,
so is the gradient. An element that was not chosen has the gradient 0 for every g, infinite ones too: the 0 is selected
by ``where``, since 0 times infinity is NaN.
"""

from typing import Any

import numpy as np

from tinygen.autograd.broadcasting import add, elementwise
from tinygen.autograd.operands import operands
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module
from tinygen.kernels import elementwise as kernels
from tinygen.operations.comparison import floor_divide, nondifferentiable, not_equal, sign

__all__ = ["abs", "add", "clip", "divide", "maximum", "minimum", "multiply", "negative", "remainder"]
__all__ += ["subtract", "where"]


@elementwise(lambda g, x, y: g, lambda g, x, y: -g)
def subtract(x: Array, y: Array) -> Array:
    """``x - y``, element by element."""
    return x - y


@elementwise(lambda g, x, y: g * y, lambda g, x, y: g * x, linear=True)
def multiply(x: Array, y: Array) -> Array:
    """``x y``, element by element; linear in each factor."""
    return x * y


@elementwise(
    lambda g, x, y: g / y,
    lambda g, x, y: -g * (x / y / y),  # the quotient rule, -g x / y^2; y * y could overflow
)
def divide(x: Array, y: Array) -> Array:
    """``x / y``, element by element."""
    return x / y


@operation(lambda g, x: -g, linear=True)
def negative(x: Array) -> Array:
    """``-x``, element by element."""
    return -x


@elementwise(
    None,
    lambda g, condition, x, y: where(condition, g, 0.0),
    lambda g, condition, x, y: where(condition, 0.0, g),
)
def where(condition: Array, x: Array, y: Array) -> Array:
    """``x`` where ``condition`` is true, ``y`` elsewhere, element by element; the gradient goes to the chosen
    element."""
    if isinstance(y, float) and y == 0 and not isinstance(x, (int, float)) and x.dtype.kind == "f":
        return kernels.masked(condition, x)
    return array_module(condition, x, y).where(condition, _fitting(x, y), _fitting(y, x))


def _fitting(number: Any, array: Any) -> Any:
    """A Python integer as the dtype of an integer array; ``OverflowError`` if it is out of range (``where`` of NumPy
    would wrap it)."""
    has_to_fit = type(number) is int and getattr(array, "dtype", np.dtype(float)).kind in "iu"
    return array.dtype.type(number) if has_to_fit else number


def weighted(g: Tensor, weight: Tensor) -> Tensor:
    """``g weight``, and 0 where the weight is 0, for every g, infinite ones too."""
    return where(not_equal(weight, 0), g, 0.0) * weight


@operands("x")
@operation(lambda g, x: weighted(g, sign(x)))
def abs(x: Array) -> Array:
    """``|x|``, element by element; derivative 0 at 0."""
    return array_module(x).abs(x)


@nondifferentiable
def _fraction_if_larger(x: Array, y: Array, *, tie: float, dtype: Any) -> Array:
    is_ordered = (x >= y) | (x < y)
    return array_module(x, y).where(is_ordered, (x > y) + tie * (x == y), np.nan).astype(dtype)


def _if_larger(g: Tensor, x: Any, y: Any, tie: float = 0.5) -> Tensor:
    """``g`` where x > y, ``tie`` times g where they are equal, 0 where x < y, NaN where one of them is NaN."""
    return weighted(g, _fraction_if_larger(x, y, tie=tie, dtype=g.dtype))


@elementwise(_if_larger, lambda g, x, y: _if_larger(g, y, x))
def maximum(x: Array, y: Array) -> Array:
    """The larger of ``x`` and ``y``, element by element; at a tie each gets half of the gradient."""
    return array_module(x, y).maximum(x, y)


@elementwise(lambda g, x, y: _if_larger(g, y, x), _if_larger)
def minimum(x: Array, y: Array) -> Array:
    """The smaller of ``x`` and ``y``, element by element; at a tie each gets half of the gradient."""
    return array_module(x, y).minimum(x, y)


def _at_least(x: Array, min: Array | None) -> Array:
    return x if min is None else array_module(x, min).maximum(x, min)


def _below_max(g: Tensor, x: Any, min: Any, max: Any) -> Tensor:
    """``g`` where x, once it is at least ``min``, is at most ``max``; 0 elsewhere."""
    return g if max is None else _if_larger(g, max, _lower_bounded(x, min), tie=1.0)


def _above_min(g: Tensor, x: Any, min: Any) -> Tensor:
    """``g`` where x is at least ``min``, 0 elsewhere."""
    return g if min is None else _if_larger(g, x, min, tie=1.0)


_maximum_without_gradient = nondifferentiable(lambda x, y: array_module(x, y).maximum(x, y))


def _lower_bounded(x: Any, min: Any) -> Any:
    """The larger of ``x`` and ``min``, without a gradient."""
    return x if min is None else _maximum_without_gradient(x, min)


@elementwise(
    lambda g, x, min, max: _above_min(_below_max(g, x, min, max), x, min),
    lambda g, x, min, max: _if_larger(_below_max(g, x, min, max), min, x, tie=0.0),
    lambda g, x, min, max: _if_larger(g, _lower_bounded(x, min), max, tie=0.0),
)
def clip(x: Array, min: Array | None = None, max: Array | None = None) -> Array:
    """``x`` limited to ``min`` and ``max`` (numbers, tensors or None); derivative 1 on the bounds, 0 outside."""
    y = _at_least(x, min)
    return y if max is None else array_module(y, max).minimum(y, max)


@elementwise(lambda g, x, y: g, lambda g, x, y: -g * floor_divide(x, y))
def remainder(x: Array, y: Array) -> Array:
    """``x - y floor(x / y)``, the remainder of the division rounded down; it has the sign of ``y``."""
    return x % y
