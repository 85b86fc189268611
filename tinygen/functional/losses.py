"""Losses: what training makes small. Each is a negative log-likelihood; ``reduction`` says what becomes of the batch.

mse_loss                            a Gaussian with variance 1/2, up to a constant
binary_cross_entropy_with_logits    coins, from the log-odds
cross_entropy                       dice, from unnormalised log-probabilities
"""

from typing import Any

import numpy as np

from tinygen.autograd.tensor import Tensor, tensor_like
from tinygen.backend import array_module, to_device
from tinygen.functional.activations import log_softmax
from tinygen.operations.arithmetic import where
from tinygen.operations.elementwise import softplus
from tinygen.operations.reductions import mean, sum
from tinygen.operations.shaping import getitem, reshape


def _reduce(name: str, loss: Tensor, reduction: str) -> Tensor:
    reductions = {"mean": mean, "sum": sum, "none": lambda loss: loss}
    if reduction not in reductions:
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    return reductions[reduction](loss)


def mse_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """``(x - target)^2``, its mean, its sum, or as it is (``"none"``)."""
    difference = x - tensor_like(target, x)
    return _reduce("mse_loss", difference * difference, reduction)


def binary_cross_entropy_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``-weight (pos_weight t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))``, in nats, finite for every logit.

    ``target`` in [0, 1] has the shape of ``x``; ``weight`` and ``pos_weight`` broadcast to it.
    """
    target = tensor_like(target, x)
    if target.shape != x.shape:
        raise ValueError(
            f"binary_cross_entropy_with_logits: target must have the shape of x, {x.shape}, got {target.shape}"
        )
    on = target * softplus(-x)
    loss = (on if pos_weight is None else pos_weight * on) + (1 - target) * softplus(x)
    return _reduce("binary_cross_entropy_with_logits", loss if weight is None else weight * loss, reduction)


def cross_entropy(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-sum_c w_c q_c log softmax(x)_c`` in nats, from unnormalised log-probabilities x (C,), (N, C) or (N, C, ...).

    ``target``: labels (whole numbers 0 to C - 1, the shape of x without its class axis; ``ignore_index`` marks those
    that do not count) or probabilities of the classes (the shape of x). ``weight`` (C,): one a class.
    ``label_smoothing`` s: q = (1 - s) target + s / C. The mean over labels is weighted by their classes' weights, as
    in PyTorch. Raises ``ValueError`` for a label out of range, for shapes that do not fit and for the mean of no label.
    """
    if not isinstance(target, Tensor):
        target = Tensor(to_device(np.asarray(target), x.device))  # a list of labels stays whole numbers
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
        if target.shape != x.shape:
            raise ValueError(f"cross_entropy: probabilities must have the shape of x, {x.shape}, got {target.shape}")
        loss = -sum(weighted * (target * (1 - label_smoothing) + label_smoothing / classes), axis)
        return mean(loss) if reduction == "mean" else _reduce("cross_entropy", loss, reduction)
    counts, index = _positions(x, target.data, axis, ignore_index, may_be_none=reduction != "mean")
    loss = -getitem(weighted, index)
    if label_smoothing > 0:
        loss = (1 - label_smoothing) * loss - label_smoothing / classes * sum(weighted, axis)
    loss = where(counts, loss, 0.0)
    if reduction != "mean":
        return _reduce("cross_entropy", loss, reduction)
    share = counts.astype(x.dtype) if weight is None else where(counts, getitem(weight, index[axis]), 0.0)
    return sum(loss) / sum(share)


def _positions(
    x: Tensor, labels: Any, axis: int, ignore_index: int, *, may_be_none: bool
) -> tuple[Tensor, tuple[Any, ...]]:
    """Which labels count, and the index that picks from x each label's element (class 0's where it does not count).
    Raises ``ValueError`` where a label is out of range, and where none counts, unless there ``may_be_none``."""
    expected = x.shape[:axis] + x.shape[axis + 1 :]
    if labels.dtype.kind not in "iu" or labels.shape != expected:
        raise ValueError(
            f"cross_entropy: labels must be whole numbers of shape {expected}, got {labels.dtype} of shape "
            f"{labels.shape} (x {x.shape})"
        )
    xp = array_module(labels)
    counts = labels != ignore_index
    fine = ((labels >= 0) & (labels < x.shape[axis]) | ~counts).all() & (counts.any() | may_be_none)
    if not fine:  # the one look at what may lie on a GPU, where a look is a wait
        seen = labels[counts]
        bounds = f"labels must lie between 0 and {x.shape[axis] - 1}, got"
        problem = (
            f"{bounds} {int(seen.min())} to {int(seen.max())}" if seen.size else "no label counts: all are ignored"
        )
        raise ValueError(f"cross_entropy: {problem} (ignore_index {ignore_index})")
    labels = xp.where(counts, labels, 0)
    places = [xp.arange(n).reshape(-1, *(1,) * (len(expected) - i - 1)) for i, n in enumerate(expected)]
    return Tensor(counts), (*places[:axis], labels, *places[axis:])
