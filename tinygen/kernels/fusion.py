"""Chains of element-wise steps as one kernel of a GPU.

A GPU is handed its work a kernel at a time, and to hand one over takes the processor some ten microseconds, in which
the GPU could have worked through a million numbers. CuPy can compile a chain of steps, written for arrays, into one.
"""

from collections.abc import Callable
from functools import cache, wraps

from tinygen.backend import Array, array_module


def fused(function: Callable[..., Array]) -> Callable[..., Array]:
    """``function`` of arrays and numbers, element by element throughout: one kernel where the array module has
    ``fuse`` (CuPy), else step by step as it is written."""
    compiled = cache(lambda fuse: fuse(function))  # one for each array module

    @wraps(function)
    def call(*operands: Array) -> Array:
        fuse = getattr(array_module(*operands), "fuse", None)
        return function(*operands) if fuse is None else compiled(fuse)(*operands)

    return call
