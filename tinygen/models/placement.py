"""Evaluating a model: its inputs are converted to the dtype and device of its parameters, and processed in batches."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from tinygen import ranks
from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import require
from tinygen.nn import Module

Result = TypeVar("Result")


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


def in_batches(function: Callable[..., Result], model: Module, batch_size: int, *arrays: Any) -> Iterator[Result]:
    """``function`` of ``batch_size`` rows of each of ``arrays`` (N, ...) at a time, the last batch perhaps smaller.

    Where several ranks run, they share the rows of each batch; their results are joined if they are arrays, tensors or
    lists of them, and added up if they are numbers. Nothing is recorded for derivatives and ``model`` is in evaluation
    mode while ``function`` runs, and between batches in the mode that it was in.
    """
    for start in range(0, len(arrays[0]), batch_size):
        batch = [array[start : start + batch_size] for array in arrays]
        with no_grad(), model.evaluating(), ranks.shared(len(batch[0])) as own:
            result = function(*(array[own] for array in batch))
            result = result if own == slice(None) else _joined(result)
        yield result


def _joined(result: Any) -> Any:
    """The result of the whole batch from those of the ranks' rows: arrays joined, numbers added up."""
    if isinstance(result, list):
        return [_joined(each) for each in result]
    if isinstance(result, Tensor):
        return tensor(ranks.joined(result.numpy()), device=result.device)
    return ranks.joined(result)
