"""The rule that chooses between a reference kernel and its fast CPU version."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from tinygen.backend import is_numpy

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

        dispatched: Any = kernel
        dispatched.reference, dispatched.fast = reference, fast
        return kernel

    return decorate


def _is_on_cpu(operand: Any) -> bool:
    return all(map(is_numpy, operand)) if isinstance(operand, list) else is_numpy(operand)
