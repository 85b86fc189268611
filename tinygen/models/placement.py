"""The dtype and device of a model's parameters, to which its inputs are converted."""

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
    """``values`` if it is a tensor, else converted to one with the dtype and on the device of ``model``; any shape.

    Raises ``TypeError``, naming ``caller`` and ``argument``, if they are not real numbers.
    """
    if isinstance(values, Tensor):
        return values
    return tensor(require(caller, argument, values, np.ndarray), **placement(model))
