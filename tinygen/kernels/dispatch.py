"""How a kernel is run: by its fast CPU version, or on a GPU as one compiled chain of steps.

To start a kernel on a GPU takes the processor about ten microseconds, in which the GPU could compute a million
elements. CuPy compiles a chain of element-wise steps, written for arrays, into one kernel.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from tinygen.backend import Array, array_module, is_numpy

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def fast_on_cpu(
    fast: Callable[..., Any], when: Callable[..., bool] | None = None
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorate a reference kernel with the version in ``kernels.cpu`` that computes the same faster.

    ``fast`` is called if the first argument is a NumPy array, or a list of them (all arrays of an operation are on one
    device), and ``when``, called with the same arguments, is true (default: always). Otherwise, and if ``fast`` returns
    ``NotImplemented``, the reference is called. Tests reach the two as ``kernel.reference`` and ``kernel.fast``.
    """

    def decorate(reference: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(reference)
        def kernel(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
            if _is_on_cpu(args[0]) and (when is None or when(*args, **options)):
                result = fast(*args, **options)
                if result is not NotImplemented:
                    return result
            return reference(*args, **options)

        vars(kernel).update(reference=reference, fast=fast)
        return kernel

    return decorate


def _is_on_cpu(operand: Any) -> bool:
    return all(map(_is_on_cpu, operand)) if isinstance(operand, (list, tuple)) else is_numpy(operand)


def fused(function: Callable[..., Array]) -> Callable[..., Array]:
    """``function`` of arrays and numbers, element by element throughout, as one kernel if the array module has ``fuse``
    (CuPy), else unchanged."""
    compiled = cache(lambda fuse: fuse(function))  # one per array module

    @wraps(function)
    def call(*operands: Array) -> Array:
        fuse = getattr(array_module(*operands), "fuse", None)
        return function(*operands) if fuse is None else compiled(fuse)(*operands)

    return call
