"""The operands of functions: what a caller hands over becomes tensors, and with functions of real numbers, real ones.

Functions take tensors, arrays, lists and numbers alike. What is no tensor becomes one beside the first tensor or array
among the operands: on its device, and numbers and lists, which have no dtype of their own, in the dtype of the others.

One rule says which numbers a function of real numbers computes with. Whole numbers and truth values become float32, the
library's default, or take the floating-point dtype of the operands beside them: bytes know no negatives, and their sums
run over. float16 is computed in float32 and the result is rounded once. float32 and float64 stay what they are.
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
    """Make tensors of the arguments ``names`` of the function below; None stays where it is their default.

    ``widen``: float16 is computed in float32, and the result rounded. ``real``: that, and whole numbers and truth
    values become floating-point numbers. Raises ``TypeError`` for an operand that is no arrangement of real numbers,
    and where arguments do not fit the function's signature.
    """

    def decorate(function: Callable[Parameters, Tensor]) -> Callable[Parameters, Tensor]:
        name, signature = function.__name__, inspect.signature(function)
        parameters = signature.parameters
        optional = {argument for argument in names if parameters[argument].default is None}
        places = [i for i, argument in enumerate(parameters) if argument in names]
        required = sum(argument not in optional for argument in names)  # they come first

        def are_ready(args: tuple[Any, ...], options: dict[str, Any]) -> bool:
            """Whether all operands are tensors with which the function computes as they are."""
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
    """The floating-point dtype in which the operands meet: that of the tensors and arrays that have one."""
    dtypes = [x.dtype for x in given.values() if hasattr(x, "dtype") and not isinstance(x, np.generic)]
    floats = [dtype for dtype in dtypes if getattr(dtype, "kind", "") == "f"]
    return np.result_type(*floats) if floats else None


def as_tensors(function: str, given: dict[str, Any], device: str | None = None) -> list[Tensor]:
    """The arguments ``given`` to ``function`` as tensors on the device of the first tensor among them, else on
    ``device``."""
    dtype, device = _common_dtype(given), next((x.device for x in given.values() if isinstance(x, Tensor)), device)
    return [as_tensor(function, argument, x, device, dtype) for argument, x in given.items()]


def _in_reals(x: Tensor, dtype: np.dtype | None) -> Tensor:
    """``x`` in the floating-point dtype in which a function of real numbers computes beside operands of ``dtype``."""
    return _widened(x) if x.dtype.kind == "f" else x.astype(dtype if dtype in READY else DEFAULT)


def _widened(x: Tensor) -> Tensor:
    """``x``, float16 as float32."""
    return x.astype(DEFAULT) if x.dtype == HALF else x
