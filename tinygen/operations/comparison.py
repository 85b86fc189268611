"""Functions without a gradient: comparisons, signs and positions of extremes.

They are piecewise constant, so their derivative is 0 wherever it exists; their results are leaves of the graph.
"""

import functools
import inspect
import operator
from collections.abc import Callable

from tinygen.autograd.arguments import array_or_number, checked_arguments, tensor_signature
from tinygen.autograd.tensor import Parameters, Tensor
from tinygen.backend import Array, array_module, without_underflow


def nondifferentiable(value: Callable[Parameters, Array]) -> Callable[Parameters, Tensor]:
    """Make a function of tensors (arrays, numbers) out of the function of arrays below; it has no gradient.

    Its positional arguments are operands, its keywords options. Raises ``TypeError`` for operands for which it is not
    defined, ``ValueError`` for shapes that do not broadcast.
    """
    name = value.__name__.strip("_")

    @functools.wraps(value)
    def function(*args: Parameters.args, **options: Parameters.kwargs) -> Tensor:
        arrays = [array_or_number(name, x) for x in args]
        try:
            return Tensor(without_underflow(value, *arrays, **options))
        except TypeError:
            kinds = " and ".join(str(getattr(x, "dtype", type(x).__name__)) for x in arrays)
            raise TypeError(f"{name}: is not defined for {kinds}") from None
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    if inspect.isfunction(value):
        signature = inspect.signature(value)
        operands = [p.name for p in signature.parameters.values() if p.annotation is Array]
        vars(function)["__signature__"] = tensor_signature(signature, operands)
    return function


equal = nondifferentiable(operator.eq)
not_equal = nondifferentiable(operator.ne)
less = nondifferentiable(operator.lt)
less_equal = nondifferentiable(operator.le)
greater = nondifferentiable(operator.gt)
greater_equal = nondifferentiable(operator.ge)
logical_and = nondifferentiable(operator.and_)
logical_or = nondifferentiable(operator.or_)
logical_not = nondifferentiable(operator.invert)


@nondifferentiable
def sign(x: Array) -> Array:
    """The sign of ``x``, element by element: -1, 0 or 1."""
    return array_module(x).sign(x)


@nondifferentiable
def floor_divide(x: Array, y: Array) -> Array:
    """``x / y`` rounded down to a whole number."""
    return x // y


@nondifferentiable
def isfinite(x: Array) -> Array:
    """Whether ``x`` is neither infinite nor NaN."""
    return array_module(x).isfinite(x)


@checked_arguments
@nondifferentiable
def argmax(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first maximum of x (any shape) along ``axis``; default: in the flattened tensor."""
    return array_module(x).asarray(x).argmax(axis=axis, keepdims=keepdims)


@checked_arguments
@nondifferentiable
def argmin(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first minimum of x (any shape) along ``axis``; default: in the flattened tensor."""
    return array_module(x).asarray(x).argmin(axis=axis, keepdims=keepdims)
