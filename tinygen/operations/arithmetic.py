"""Arithmetic, element by element, and choices between elements.

Every product below is the derivative that a first calculus course gives, times the incoming gradient g. Where a
derivative does not exist (at a tie, at 0) the choice is stated: ties share the gradient evenly, |x| has slope 0 at 0.
"""

from typing import Any

from tinygen.autograd.arguments import checked
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


def _if_larger(g: Tensor, x: Any, y: Any) -> Tensor:
    """``g`` where x > y, half of it where they tie, 0 elsewhere."""
    share = constant(lambda x, y: ((x > y) + 0.5 * (x == y)).astype(g.dtype))
    return g * share(x, y)


@elementwise(_if_larger, lambda g, x, y: _if_larger(g, y, x))
def maximum(x: Array, y: Array) -> Array:
    """The larger of ``x`` and ``y``, element by element; a tie shares the gradient evenly."""
    return array_module(x, y).maximum(x, y)


@elementwise(lambda g, x, y: _if_larger(g, y, x), _if_larger)
def minimum(x: Array, y: Array) -> Array:
    """The smaller of ``x`` and ``y``, element by element; a tie shares the gradient evenly."""
    return array_module(x, y).minimum(x, y)


@checked
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
