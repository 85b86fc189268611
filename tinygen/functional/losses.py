"""Losses. Each is a negative log-likelihood, reduced over the batch to its mean or its sum, or not at all:

mse_loss                            a Gaussian of variance 1/2, up to a constant
binary_cross_entropy_with_logits    a Bernoulli distribution, given by its log-odds
cross_entropy                       a categorical distribution, given by unnormalised log-probabilities
"""

from contextlib import suppress
from typing import Any

import numpy as np

from tinygen.autograd.broadcasting import common_shape
from tinygen.autograd.operands import real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.backend import array_module, to_device
from tinygen.functional.activations import log_softmax
from tinygen.operations.arithmetic import where
from tinygen.operations.elementwise import softplus
from tinygen.operations.reductions import mean, sum
from tinygen.operations.shaping import getitem, reshape
from tinygen.validation import described, number, whole_number


def _reduce(name: str, loss: Tensor, reduction: str) -> Tensor:
    _check_reduction(name, reduction)
    if reduction == "mean" and not loss.size:
        raise ValueError(f"{name}: the mean of an empty batch is undefined (shape {loss.shape})")
    return mean(loss) if reduction == "mean" else sum(loss) if reduction == "sum" else loss


def _check_reduction(name: str, reduction: str) -> None:
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _check_shape(name: str, argument: str, given: Tensor, x: Tensor) -> None:
    """``ValueError`` for a target of another shape than x: (N,) and (N, 1), for one, would broadcast to (N, N)."""
    if given.shape != x.shape:
        raise ValueError(f"{name}: {argument} must have the shape of x, {x.shape}, got {given.shape}")


@real_operands("x", "target")
def mse_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """``(x - target)^2``: its mean, its sum, or each element (``"none"``); x and target have one shape, any shape.

    Raises ``ValueError`` where the shapes differ, for another ``reduction`` and for the mean of an empty batch.
    """
    _check_shape("mse_loss", "target", target, x)
    difference = x - target
    return _reduce("mse_loss", difference * difference, reduction)


@real_operands("x", "target", "weight", "pos_weight")
def binary_cross_entropy_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``-weight (pos_weight t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))``, in nats, finite for every logit x.

    ``target`` t in [0, 1] has the shape of ``x``, any shape; ``weight`` and ``pos_weight`` broadcast to that shape.
    Raises ``ValueError`` where they do not, for another ``reduction`` and for the mean of an empty batch.
    """
    name = "binary_cross_entropy_with_logits"
    _check_shape(name, "target", target, x)
    for argument, given in (("weight", weight), ("pos_weight", pos_weight)):
        if given is not None and common_shape(f"{name}, {argument} and x", given.shape, x.shape) != x.shape:
            raise ValueError(f"{name}: {argument} must broadcast to the shape of x, {x.shape}, got {given.shape}")
    positive = target * softplus(-x)
    loss = (positive if pos_weight is None else pos_weight * positive) + (1 - target) * softplus(x)
    return _reduce(name, loss if weight is None else weight * loss, reduction)


@real_operands("x", "weight")
def cross_entropy(
    x: Tensor,
    target: Any,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-sum_c w_c q_c log softmax(x)_c`` in nats, from unnormalised log-probabilities x (C,), (N, C) or (N, C, ...).

    ``target``: labels of the shape of x without its class axis, integers 0 to C - 1 (those equal to ``ignore_index``
    are left out); or probabilities of the classes, of the shape of x. ``weight`` (C,): one per class.
    ``label_smoothing`` s: q = (1 - s) target + s / C. The mean over labels is weighted by their classes' weights, as
    in PyTorch. Raises ``ValueError`` for a label out of range, for shapes that do not fit and for the mean of no label;
    ``TypeError`` for a target that holds neither labels nor probabilities.
    """
    _check_reduction("cross_entropy", reduction)
    ignore_index = whole_number("cross_entropy", "ignore_index", ignore_index)
    label_smoothing = number("cross_entropy", "label_smoothing", label_smoothing)
    target = _labels_or_probabilities(target, x)
    axis = 0 if x.ndim == 1 else 1
    classes = x.shape[axis] if x.ndim else 0
    if weight is not None and weight.shape != (classes,):
        raise ValueError(f"cross_entropy: weight must have shape ({classes},), got {weight.shape} (x {x.shape})")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must lie between 0 and 1, got {label_smoothing}")
    log_p = log_softmax(x, axis)
    weights = None if weight is None else reshape(weight, (-1, *(1,) * (x.ndim - axis - 1)))
    weighted = log_p if weights is None else log_p * weights
    if target.dtype.kind == "f":
        if target.shape == x.shape[:axis] + x.shape[axis + 1 :]:
            raise TypeError(
                f"cross_entropy: labels must be whole numbers, got {target.dtype} of shape {target.shape}; write "
                "tg.tensor(labels, dtype='int64'), for tg.tensor makes float32 of a list of numbers"
            )
        if target.shape != x.shape:
            raise ValueError(f"cross_entropy: probabilities must have the shape of x, {x.shape}, got {target.shape}")
        loss = -sum(weighted * (target * (1 - label_smoothing) + label_smoothing / classes), axis)
        return _reduce("cross_entropy", loss, reduction)
    counts, index = _positions(x, target.data, axis, ignore_index, may_be_none=reduction != "mean")
    loss = -getitem(weighted, index)
    if label_smoothing > 0:
        loss = (1 - label_smoothing) * loss - label_smoothing / classes * sum(weighted, axis)
    loss = where(counts, loss, 0.0)
    if reduction != "mean":
        return _reduce("cross_entropy", loss, reduction)
    label_weights = counts.astype(x.dtype) if weight is None else where(counts, getitem(weight, index[axis]), 0.0)
    return sum(loss) / sum(label_weights)


def _labels_or_probabilities(target: Any, x: Tensor) -> Tensor:
    """``target`` as a tensor on the device of ``x``; a list of labels as integers, probabilities in the dtype of x."""
    given: Tensor | None = target if isinstance(target, Tensor) else None
    if given is None:
        with suppress(ValueError):
            given = Tensor(to_device(target if hasattr(target, "device") else np.asarray(target), x.device))
    if given is None or given.dtype.kind not in "biuf":
        raise TypeError(f"cross_entropy: target must be labels or probabilities of the classes, got {described(given)}")
    return given.astype(x.dtype) if given.dtype.kind == "f" and given.dtype != x.dtype else given


def _positions(
    x: Tensor, labels: Any, axis: int, ignore_index: int, *, may_be_none: bool
) -> tuple[Tensor, tuple[Any, ...]]:
    """Which labels are not ignored, and the index of each label's element of x (that of class 0 for ignored ones).

    Raises ``ValueError`` where a label is out of range, and, unless ``may_be_none``, where all labels are ignored.
    """
    expected = x.shape[:axis] + x.shape[axis + 1 :]
    if labels.dtype.kind not in "iu" or labels.shape != expected:
        raise ValueError(
            f"cross_entropy: labels must be whole numbers of shape {expected}, got {labels.dtype} of shape "
            f"{labels.shape} (x {x.shape})"
        )
    xp = array_module(labels)
    counts = labels != ignore_index
    is_valid = ((labels >= 0) & (labels < x.shape[axis]) | ~counts).all() & (counts.any() | may_be_none)
    if not is_valid:  # the single device-to-host synchronisation
        used = labels[counts]
        bounds = f"labels must lie between 0 and {x.shape[axis] - 1}, got"
        problem = (
            f"{bounds} {int(used.min())} to {int(used.max())}" if used.size else "no label counts: all are ignored"
        )
        raise ValueError(f"cross_entropy: {problem} (ignore_index {ignore_index})")
    labels = xp.where(counts, labels, 0)
    places = [xp.arange(n).reshape(-1, *(1,) * (len(expected) - i - 1)) for i, n in enumerate(expected)]
    return Tensor(counts), (*places[:axis], labels, *places[axis:])
