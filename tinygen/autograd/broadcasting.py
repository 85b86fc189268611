"""The three operations that the engine itself uses: add, broadcasting, and the adjoint of broadcasting, a sum.

Broadcasting B copies an element to several places; its adjoint B*, with <B x, y> = <x, B* y>, sums over the copies.
Each is the vector-Jacobian product of the other, so the pair is closed under differentiation. Every ``elementwise``
operation broadcasts its operands to a common shape by an explicit ``broadcast_to`` first, so no other vector-Jacobian
product needs to deal with broadcasting.
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
    in float32, so that no partial sum overflows."""
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


def broadcast_operands(name: str, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors among ``inputs`` broadcast to their common shape by NumPy's rule."""
    shapes = [x.data.shape for x in inputs if isinstance(x, Tensor)]
    if shapes.count(shapes[0]) == len(shapes):
        return inputs
    shape = common_shape(name, *shapes)
    return tuple([broadcast_to(x, shape=shape) if isinstance(x, Tensor) and x.shape != shape else x for x in inputs])


def elementwise(*vjps: Callable[..., Tensor] | None, linear: bool = False) -> Decorator:
    """``operation`` on operands that are first broadcast to a common shape."""
    return operation(*vjps, linear=linear, prepare=broadcast_operands)


@elementwise(lambda g, x, y: g, lambda g, x, y: g)
def add(x: Array, y: Array) -> Array:
    """``x + y``, element by element."""
    return x + y
