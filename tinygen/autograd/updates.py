"""Updates in place: ``x -= y`` gives the tensor ``x`` a new array, where nothing would have to be remembered.

A training step written by hand is ``with tg.no_grad(): p -= lr * p.grad``: everyone who holds ``p``, its module among
them, sees the new weights. The array before is left as it is, since a graph may still need it; that graph notices that
``p`` has another one. Where a gradient would have to flow through the update, Python's ``x = x - y`` makes the new
tensor that can remember it, and the error says so.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autograd.recording import grad_mode, is_recording
from tinygen.autograd.tensor import Tensor
from tinygen.backend import copy_like


def in_place(symbol: str, operation: Callable[[Tensor, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """The operator ``x <symbol>= y``, of the array ``operation(x, y)`` in the dtype of ``x``.

    Raises ``RuntimeError`` where it would have to be recorded, or ``x`` was made by an operation that was;
    ``ValueError`` where the result has another shape, ``TypeError`` where its dtype is of another kind.
    """

    def update(x: Tensor, y: Any) -> Tensor:
        _require_no_past(symbol, x, y)
        with grad_mode(False):
            array = operation(x, y).data
        if array.shape != x.shape:
            raise ValueError(f"x {symbol}= y: the result has shape {array.shape}, x {x.shape}; write x = x {symbol} y")
        if array.dtype != x.dtype and not np.can_cast(array.dtype, x.dtype, "same_kind"):
            raise TypeError(f"x {symbol}= y: the result is {array.dtype}, x {x.dtype}; write x = x {symbol} y")
        x.data = copy_like(array, x.data)
        return x

    return update


def _require_no_past(symbol: str, x: Tensor, y: Any) -> None:
    if x.node is not None:
        raise RuntimeError(f"x {symbol}= y: x was made by a recorded operation; write x = x {symbol} y")
    if is_recording() and x.requires_grad:
        raise RuntimeError(
            f"x {symbol}= y: x is a leaf that requires gradients; write with tg.no_grad(): x {symbol}= y, "
            f"or x = x {symbol} y for a tensor made of it"
        )
    if is_recording() and isinstance(y, Tensor) and y.requires_grad:
        raise RuntimeError(f"x {symbol}= y: y requires gradients, so the result has a past; write x = x {symbol} y")
