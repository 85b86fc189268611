"""In-place operators: ``x -= y`` replaces the array of the tensor ``x``, where nothing is recorded.

A training step is ``with tg.no_grad(): p -= lr * p.grad``, after which the module that has the parameter ``p`` has the
new weights. The old array is not changed, since a graph may need it; the backward pass of such a graph detects that
``p`` has another array. Where the update would have to be differentiated, an error recommends ``x = x - y``, which
makes a new tensor.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autograd.recording import grad_mode, is_recording
from tinygen.autograd.tensor import Tensor
from tinygen.backend import copy_like


def in_place(symbol: str, operation: Callable[[Tensor, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """The operator ``x <symbol>= y``, of the array ``operation(x, y)`` in the dtype of ``x``.

    Raises ``RuntimeError`` where it would have to be recorded, or ``x`` was made by a recorded operation;
    ``ValueError`` where the result has another shape, ``TypeError`` where its dtype is of another kind.
    """

    def update(x: Tensor, y: Any) -> Tensor:
        _require_unrecorded(symbol, x, y)
        with grad_mode(False):
            array = operation(x, y).data
        if array.shape != x.shape:
            raise ValueError(f"x {symbol}= y: the result has shape {array.shape}, x {x.shape}; write x = x {symbol} y")
        if array.dtype != x.dtype and not np.can_cast(array.dtype, x.dtype, "same_kind"):
            raise TypeError(f"x {symbol}= y: the result is {array.dtype}, x {x.dtype}; write x = x {symbol} y")
        x.data = copy_like(array, x.data)
        return x

    return update


def _require_unrecorded(symbol: str, x: Tensor, y: Any) -> None:
    if x.node is not None:
        raise RuntimeError(f"x {symbol}= y: x was made by a recorded operation; write x = x {symbol} y")
    if is_recording() and x.requires_grad:
        raise RuntimeError(
            f"x {symbol}= y: x is a leaf that requires gradients; write with tg.no_grad(): x {symbol}= y, "
            f"or x = x {symbol} y for a tensor made of it"
        )
    if is_recording() and isinstance(y, Tensor) and y.requires_grad:
        raise RuntimeError(
            f"x {symbol}= y: y requires gradients, so the result would be recorded; write x = x {symbol} y"
        )
