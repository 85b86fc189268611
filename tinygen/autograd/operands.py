"""The operands of functions: arrays, lists and numbers are converted to tensors, and to floating-point dtypes.

An operand that is not a tensor is converted to one on the device of the first tensor among the operands; numbers and
lists, which have no dtype, get that of the others.

A function of real numbers converts integers and bools to the floating-point dtype of the other operands, or to float32,
the default: unsigned integers have no negative values, and their sums overflow. float16 is computed in float32, and the
result is rounded once. float32 and float64 are unchanged.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autograd.arguments import as_tensor
from tinygen.autograd.tensor import Decorator, Parameters, Tensor

DEFAULT, HALF = np.dtype(np.float32), np.dtype(np.float16)
READY = {np.dtype(np.float32), np.dtype(np.float64)}


def operands(*names: str, real: bool = False, widen: bool = False) -> Decorator:
    """A decorator that converts the arguments ``names`` to tensors; None is kept where it is the default.

    ``widen``: float16 is computed in float32, and the result rounded. ``real``: also, integers and bools are converted
    to floating-point numbers. The decorated function raises ``TypeError`` for operands that are not real numbers, and
    for arguments that do not fit its signature.
    """

    def decorate(function: Callable[Parameters, Tensor]) -> Callable[Parameters, Tensor]:
        name, signature = function.__name__, inspect.signature(function)
        parameters = signature.parameters
        optional = {argument for argument in names if parameters[argument].default is None}
        places = [i for i, argument in enumerate(parameters) if argument in names]
        required = sum(argument not in optional for argument in names)  # they come first

        def are_ready(args: tuple[Any, ...], options: dict[str, Any]) -> bool:
            """Whether all operands are tensors that need no conversion."""
            if not required <= len(args) <= len(parameters) or not options.keys().isdisjoint(names):
                return False
            for i in places:
                if i < len(args):
                    x = args[i]
                    if not ((isinstance(x, Tensor) and x.data.dtype in READY) or (x is None and i >= required)):
                        return False
            return True

        @functools.wraps(function)
        def call(*args: Parameters.args, **options: Parameters.kwargs) -> Tensor:
            if are_ready(args, options):
                return function(*args, **options)
            try:
                bound = signature.bind(*args, **options)
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from None
            given = {argument: bound.arguments[argument] for argument in names if argument in bound.arguments}
            given = {key: x for key, x in given.items() if x is not None or key not in optional}
            dtype = _common_dtype(given)
            for argument, x in zip(given, as_tensors(name, given), strict=True):
                bound.arguments[argument] = _in_reals(x, dtype) if real else _widened(x) if widen else x
            result = function(*bound.args, **bound.kwargs)
            return result.astype(HALF) if (real or widen) and dtype == HALF else result

        return call

    return decorate


def real_operands(*names: str) -> Decorator:
    """``operands(*names, real=True)``."""
    return operands(*names, real=True)


def _common_dtype(given: dict[str, Any]) -> np.dtype | None:
    """The common floating-point dtype of the tensors and arrays among the operands; None without any."""
    dtypes = [x.dtype for x in given.values() if hasattr(x, "dtype") and not isinstance(x, np.generic)]
    floats = [dtype for dtype in dtypes if getattr(dtype, "kind", "") == "f"]
    return np.result_type(*floats) if floats else None


def as_tensors(function: str, given: dict[str, Any], device: str | None = None) -> list[Tensor]:
    """The arguments ``given`` as tensors on the device of the first tensor among them, else on ``device``."""
    dtype, device = _common_dtype(given), next((x.device for x in given.values() if isinstance(x, Tensor)), device)
    return [as_tensor(function, argument, x, device, dtype) for argument, x in given.items()]


def _in_reals(x: Tensor, dtype: np.dtype | None) -> Tensor:
    """``x`` in the dtype in which a function of real numbers computes if the operands' common dtype is ``dtype``."""
    return _widened(x) if x.dtype.kind == "f" else x.astype(dtype if dtype in READY else DEFAULT)


def _widened(x: Tensor) -> Tensor:
    """``x``, float16 as float32."""
    return x.astype(DEFAULT) if x.dtype == HALF else x
