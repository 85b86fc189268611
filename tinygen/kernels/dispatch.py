"""The rule that chooses between a reference kernel and its fast CPU version."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from tinygen.backend import is_numpy

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def fast_on_cpu(
    fast: Callable[..., Result], when: Callable[..., bool] | None = None
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorate a reference kernel with the version in ``kernels.cpu`` that computes the same faster.

    ``fast`` is called where the first argument is a NumPy array (an operation's arrays are all on one device) and
    ``when``, called with the same arguments, is true (default: always); otherwise the reference is called. Tests
    reach the two as ``kernel.reference`` and ``kernel.fast``.
    """

    def decorate(reference: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(reference)
        def kernel(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
            if is_numpy(args[0]) and (when is None or when(*args, **options)):
                return fast(*args, **options)
            return reference(*args, **options)

        dispatched: Any = kernel
        dispatched.reference, dispatched.fast = reference, fast
        return kernel

    return decorate
