"""How a kernel is run: by its fast CPU version, again after infinities, or on a GPU as one compiled chain of steps.

To start a kernel on a GPU takes the processor about ten microseconds, in which the GPU could compute a million
elements. CuPy compiles a chain of element-wise steps, written for arrays, into one kernel.
"""

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu.products import all_finite

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Kernel = Callable[..., Array]


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


def recompute_if_nonfinite(
    examined: Callable[..., Sequence[Array]], exact: Kernel | None = None
) -> Callable[[Any], Kernel]:
    """Decorate a kernel: where a NumPy result may hold a NaN from 0 times infinity in the padding, which the sum
    without padding does not have, the result is that of ``exact`` (default: the kernel's reference version).

    ``examined(result, *arguments)`` are small arrays one of which shows every infinite element of the factors that are
    multiplied with padding: an infinite weight reaches the same pixels of every image, so the weights or the first
    image of a result do; an infinite gradient reaches an element of the kernel in all input channels, so the first
    channel does. Arrays on a GPU are not examined, since the host would wait for each: there the NaN stays.
    """

    def decorate(kernel: Any) -> Kernel:
        @wraps(kernel)
        def checked(*args: Any) -> Array:
            result = kernel(*args)
            if not is_numpy(result) or all(map(all_finite, examined(result, *args))):
                return result
            return (exact or kernel.reference)(*args)

        return checked

    return decorate


def fused(function: Callable[..., Array]) -> Callable[..., Array]:
    """``function`` of arrays and numbers, element by element throughout, as one kernel if the array module has ``fuse``
    (CuPy), else unchanged."""
    compiled = cache(lambda fuse: fuse(function))  # one per array module

    @wraps(function)
    def call(*operands: Array) -> Array:
        fuse = getattr(array_module(*operands), "fuse", None)
        return function(*operands) if fuse is None else compiled(fuse)(*operands)

    return call
