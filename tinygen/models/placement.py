"""Where a model computes, and on what: the dtype and device of its parameters, which its inputs take on."""

from typing import Any

import numpy as np

from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import require
from tinygen.nn import Module


def placement(model: Module) -> dict[str, Any]:
    """The ``dtype`` and ``device`` of the model's first parameter, as ``tensor`` takes them; float32 on the CPU for a
    model without parameters."""
    _, first = next(model.named_parameters(), (None, None))  # not the list of all, which takes longer
    return {"dtype": "float32", "device": "cpu"} if first is None else {"dtype": first.dtype, "device": first.device}


def placed(caller: str, argument: str, values: Any, model: Module) -> Tensor:
    """``values`` as a tensor: one as it is, an array or what becomes one with the dtype and on the device of ``model``.

    Raises ``TypeError`` where they are no real numbers, naming ``caller`` and ``argument``.
    """
    if isinstance(values, Tensor):
        return values
    return tensor(require(caller, argument, values, np.ndarray), **placement(model))
