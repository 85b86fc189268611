"""Appendix: element-wise work in blocks that fit the processor's cache, shared by the threads.

An array of megabytes does not fit the cache, so NumPy's ``a * b + c`` reads it from main memory once per step. Here
each thread takes a part of the arrays, and does all steps on one block before the next. Smaller blocks would fit a
faster cache, but each NumPy call releases Python's global lock and waits for it again, so a call should do much work.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinygen.kernels.cpu.layout import match_layout
from tinygen.kernels.cpu.parallel import parallel, threads

BLOCK = 262_144  # elements, 1 MiB of float32 per array
# The sizes, in elements, above which two threads were measured to be faster than one:
PARALLEL_MIN_ELEMENTS = 100_000  # steps with an exponential, a logarithm or a root
PARALLEL_MIN_CHEAP = 300_000  # sums, products and comparisons


def memory_order(x: np.ndarray) -> list[int]:
    """The axes of x from the largest stride to the smallest: if x is dense, ``x.transpose`` by it is contiguous."""
    return sorted(range(x.ndim), key=lambda axis: -x.strides[axis])


def flat_views(out: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    """One-dimensional views in the memory order of ``out``, which is dense; an array in another order is copied."""
    if out.flags.c_contiguous:
        return [array.reshape(-1) for array in (out, *arrays)]
    order = memory_order(out)
    return [array.transpose(order).reshape(-1) for array in (out, *arrays)]


def blocked(min_size: int = PARALLEL_MIN_ELEMENTS) -> Callable[[Callable[..., None]], Callable[..., np.ndarray]]:
    """Make a kernel ``kernel(*arrays, *options) -> out`` of the decorated ``function(out, *arrays, *options)``, which
    computes element by element and fills ``out``. The result has the memory order of the last array.

    From ``min_size`` elements on the function is called on blocks of one-dimensional views; below, on the arrays with
    one more axis, since NumPy returns a number, without memory to write to, for a result without axes.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., np.ndarray]:
        @wraps(function)
        def kernel(*args: Any) -> np.ndarray:
            arrays = [each for each in args if isinstance(each, np.ndarray)]
            options = args[len(arrays) :]
            out = np.empty_like(arrays[-1], dtype=np.result_type(*arrays))
            arrays, size = [match_layout(array, out) for array in arrays], out.size
            if size < min_size:
                function(*[array[np.newaxis] for array in (out, *arrays)], *options)
                return out
            views, blocks = flat_views(out, *arrays), -(-size // BLOCK)
            blocks += -blocks % threads()

            def work(first: int, last: int) -> None:
                for block in range(first, last):
                    part = slice(size * block // blocks, size * (block + 1) // blocks)
                    function(*[view[part] for view in views], *options)

            parallel(work, blocks)
            return out

        return kernel

    return decorate
