"""Arithmetic, element by element, and choices between elements.

Every product below is the derivative that a first calculus course gives, times the incoming gradient g. Where a
derivative does not exist (at a tie, at 0) the choice is stated: ties share the gradient evenly, |x| has slope 0 at 0.
Where the value is NaN, so is the gradient. An element that was not taken has the gradient 0 whatever g is: its zero is
chosen, not multiplied, for 0 times infinity is NaN.
"""

from typing import Any

import numpy as np

from tinygen.autograd.broadcasting import add, elementwise
from tinygen.autograd.operands import operands
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module
from tinygen.kernels import elementwise as kernels
from tinygen.operations.comparison import constant, floor_divide, not_equal, sign

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


@elementwise(lambda g, x, y: g / y, lambda g, x, y: -g * (x / y / y))
def divide(x: Array, y: Array) -> Array:
    """``x / y``, element by element."""
    return x / y


@operation(lambda g, x: -g, linear=True)
def negative(x: Array) -> Array:
    """``-x``."""
    return -x


@elementwise(
    None,
    lambda g, condition, x, y: where(condition, g, 0.0),
    lambda g, condition, x, y: where(condition, 0.0, g),
)
def where(condition: Array, x: Array, y: Array) -> Array:
    """``x`` where ``condition`` holds, ``y`` elsewhere; the gradient goes to the one that was taken."""
    if isinstance(y, float) and y == 0 and not isinstance(x, (int, float)) and x.dtype.kind == "f":
        return kernels.kept(x, condition)
    x, y = _fitting(x, y), _fitting(y, x)
    return array_module(condition, x, y).where(condition, x, y)


def _fitting(number: Any, array: Any) -> Any:
    """A Python integer as the dtype of an integer array; ``OverflowError`` if it is out of range (``where`` of NumPy
    would wrap it)."""
    if type(number) is int and not isinstance(array, (int, float)) and array.dtype.kind in "iu":
        return array.dtype.type(number)
    return number


def weighed(g: Tensor, share: Tensor) -> Tensor:
    """``g share``, and 0 where the share is 0, whatever g is there."""
    return where(not_equal(share, 0), g, 0.0) * share


@operands("x")
@operation(lambda g, x: weighed(g, sign(x)))
def abs(x: Array) -> Array:
    """``|x|``; slope 0 at 0."""
    return array_module(x).abs(x)


def _if_larger(g: Tensor, x: Any, y: Any, tie: float = 0.5) -> Tensor:
    """``g`` where x > y, ``tie`` times g where they are equal, 0 where x < y, NaN where one of them is."""

    @constant
    def share(x: Array, y: Array) -> Array:
        is_ordered = (x >= y) | (x < y)
        return array_module(x, y).where(is_ordered, (x > y) + tie * (x == y), np.nan).astype(g.dtype)

    return weighed(g, share(x, y))


@elementwise(_if_larger, lambda g, x, y: _if_larger(g, y, x))
def maximum(x: Array, y: Array) -> Array:
    """The larger of ``x`` and ``y``, element by element; a tie shares the gradient evenly."""
    return array_module(x, y).maximum(x, y)


@elementwise(lambda g, x, y: _if_larger(g, y, x), _if_larger)
def minimum(x: Array, y: Array) -> Array:
    """The smaller of ``x`` and ``y``, element by element; a tie shares the gradient evenly."""
    return array_module(x, y).minimum(x, y)


def _raised(x: Array, low: Array | None) -> Array:
    return x if low is None else array_module(x, low).maximum(x, low)


def _raised_constant(x: Any, low: Any) -> Any:
    """``x`` held up by ``low``, without a gradient."""
    return x if low is None else constant(_raised)(x, low)


def _below_max(g: Tensor, x: Any, min: Any, max: Any) -> Tensor:
    """``g`` where the upper bound does not hold x down."""
    return g if max is None else _if_larger(g, max, _raised_constant(x, min), tie=1.0)


def _above_min(g: Tensor, x: Any, min: Any) -> Tensor:
    """``g`` where the lower bound does not hold x up."""
    return g if min is None else _if_larger(g, x, min, tie=1.0)


@elementwise(
    lambda g, x, min, max: _above_min(_below_max(g, x, min, max), x, min),
    lambda g, x, min, max: _if_larger(_below_max(g, x, min, max), min, x, tie=0.0),
    lambda g, x, min, max: _if_larger(g, _raised_constant(x, min), max, tie=0.0),
)
def clip(x: Array, min: Array | None = None, max: Array | None = None) -> Array:
    """``x`` held between ``min`` and ``max`` (numbers or tensors, or None); slope 1 on the bounds, 0 outside."""
    y = _raised(x, min)
    return y if max is None else array_module(y, max).minimum(y, max)


@elementwise(lambda g, x, y: g, lambda g, x, y: -g * floor_divide(x, y))
def remainder(x: Array, y: Array) -> Array:
    """What is left of ``x`` when ``y`` is taken from it a whole number of times; it has the sign of ``y``."""
    return x % y
