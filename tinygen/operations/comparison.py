"""Functions without a gradient: comparisons, signs and positions.

They are piecewise constant, so their derivative is 0 wherever it exists; their results remember nothing.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

from tinygen.autograd.arguments import bare, checked
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module, without_underflow


def constant(value: Callable[..., Array]) -> Callable[..., Tensor]:
    """Make a function of tensors (arrays, numbers) that has no gradient out of one of arrays."""
    name = "comparison" if value.__name__ == "<lambda>" else value.__name__.strip("_")

    @functools.wraps(value)
    def function(*operands: Any, **options: Any) -> Tensor:
        arrays = [bare(name, x) for x in operands]
        try:
            return Tensor(without_underflow(value, *arrays, **options))
        except TypeError:
            kinds = " and ".join(str(getattr(x, "dtype", type(x).__name__)) for x in arrays)
            raise TypeError(f"{name}: is not defined for {kinds}") from None
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    return function


equal = constant(operator.eq)
not_equal = constant(operator.ne)
less = constant(operator.lt)
less_equal = constant(operator.le)
greater = constant(operator.gt)
greater_equal = constant(operator.ge)
logical_and = constant(operator.and_)
logical_or = constant(operator.or_)
logical_not = constant(operator.invert)


@constant
def sign(x: Array) -> Array:
    """-1, 0 or 1, the sign of ``x``."""
    return array_module(x).sign(x)


@constant
def floor_divide(x: Array, y: Array) -> Array:
    """The largest whole number not above ``x / y``."""
    return x // y


@constant
def isfinite(x: Array) -> Array:
    """Whether ``x`` is neither infinite nor NaN."""
    return array_module(x).isfinite(x)


@checked
@constant
def argmax(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """The position of the first maximum along ``axis`` (None: in the flattened tensor)."""
    return array_module(x).asarray(x).argmax(axis=axis, keepdims=keepdims)


@checked
@constant
def argmin(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """The position of the first minimum along ``axis`` (None: in the flattened tensor)."""
    return array_module(x).asarray(x).argmin(axis=axis, keepdims=keepdims)
