"""Arithmetic, element by element, and choices between elements.

Every product below is the derivative that a first calculus course gives, times the incoming gradient g. Where a
derivative does not exist (at a tie, at 0) the choice is stated: ties share the gradient evenly, |x| has slope 0 at 0.
"""

from typing import Any

from tinygen.autograd.broadcasting import add, elementwise
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module
from tinygen.operations.comparison import constant, floor_divide, sign

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
    lambda g, condition, x, y: where(condition, g, 0.0),  # type: ignore[has-type]
    lambda g, condition, x, y: where(condition, 0.0, g),  # type: ignore[has-type]
)
def where(condition: Array, x: Array, y: Array) -> Array:
    """``x`` where ``condition`` holds, ``y`` elsewhere; the gradient goes to the one that was taken."""
    return array_module(condition, x, y).where(condition, x, y)


@operation(lambda g, x: g * sign(x))
def abs(x: Array) -> Array:
    """``|x|``; slope 0 at 0."""
    return array_module(x).abs(x)


@constant
def _share_of_first(x: Array, y: Array, dtype: Any) -> Array:
    """1 where x > y, a half where they tie, 0 elsewhere."""
    return ((x > y) + 0.5 * (x == y)).astype(dtype)


@elementwise(
    lambda g, x, y: g * _share_of_first(x, y, dtype=g.dtype),
    lambda g, x, y: g * _share_of_first(y, x, dtype=g.dtype),
)
def maximum(x: Array, y: Array) -> Array:
    """The larger of ``x`` and ``y``, element by element; a tie shares the gradient evenly."""
    return array_module(x, y).maximum(x, y)


@elementwise(
    lambda g, x, y: g * _share_of_first(y, x, dtype=g.dtype),
    lambda g, x, y: g * _share_of_first(x, y, dtype=g.dtype),
)
def minimum(x: Array, y: Array) -> Array:
    """The smaller of ``x`` and ``y``, element by element; a tie shares the gradient evenly."""
    return array_module(x, y).minimum(x, y)


def clip(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``x`` held between ``min`` and ``max`` (numbers or tensors, or None); slope 1 on the bounds, 0 outside."""
    if min is not None:
        x = where(constant(lambda x, low: (x < low) | (low != low))(x, min), min, x)  # a bound of NaN leaves NaN
    if max is not None:
        x = where(constant(lambda x, high: (x > high) | (high != high))(x, max), max, x)
    return x


@elementwise(lambda g, x, y: g, lambda g, x, y: -g * floor_divide(x, y))
def remainder(x: Array, y: Array) -> Array:
    """What is left of ``x`` when ``y`` is taken from it a whole number of times; it has the sign of ``y``."""
    return x % y
