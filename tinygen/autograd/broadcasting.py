"""The three operations that the engine itself stands on: add, and broadcasting with its adjoint, the sum.

Copying a number to many places and adding up what comes back from them are adjoint linear maps: with B the broadcast,
<B x, y> = <x, B* y> where B* sums over the copies. So each is the other's gradient, and the pair closes under
differentiation. Operands of different shapes meet through an explicit ``broadcast_to`` at the entry of every
``elementwise`` operation; no other product has to think of shapes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Decorator, Tensor
from tinygen.backend import Array, array_module


@operation(lambda g, x, shape: sum_to(g, shape=x.shape), linear=True)
def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array:
    """``x`` repeated along new leading axes and axes of length 1 until it has ``shape`` (a view; no copy)."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    try:
        return array_module(x).broadcast_to(x, shape)
    except ValueError:
        raise ValueError(f"broadcast_to: shape {x.shape} does not broadcast to {shape}") from None


@operation(lambda g, x, shape: broadcast_to(g, shape=x.shape), linear=True)
def sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    """The sums of ``x`` over the axes along which ``shape`` would be repeated to become ``x.shape``; float16 is added
    up in float32, where no partial sum overflows."""
    new = x.ndim - len(shape)
    repeated = tuple(i for i in range(x.ndim) if i < new or (shape[i - new] == 1 and x.shape[i] != 1))
    if not repeated:
        return x
    if x.dtype == np.float16:
        return x.sum(axis=repeated, keepdims=True, dtype="float32").reshape(shape).astype(x.dtype)
    return x.sum(axis=repeated, keepdims=True).reshape(shape)


def common_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that NumPy's rule gives to operands of ``shapes`` in the operation ``name``; else a ``ValueError``."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast together") from None


def meet(name: str, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands of one shape: each tensor among ``inputs`` broadcast to the shape that NumPy's rule gives to all."""
    shapes = [x.data.shape for x in inputs if isinstance(x, Tensor)]
    if shapes.count(shapes[0]) == len(shapes):
        return inputs
    shape = common_shape(name, *shapes)
    return tuple([broadcast_to(x, shape=shape) if isinstance(x, Tensor) and x.shape != shape else x for x in inputs])


def elementwise(*vjps: Callable[..., Tensor] | None, linear: bool = False) -> Decorator:
    """``operation`` on operands that are broadcast to one shape."""
    return operation(*vjps, linear=linear, prepare=meet)


@elementwise(lambda g, x, y: g, lambda g, x, y: g)
def add(x: Array, y: Array) -> Array:
    """``x + y``, element by element."""
    return x + y
