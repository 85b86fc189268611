"""Normalisation to mean 0 and variance 1: of each channel over the batch (batch normalisation, Ioffe and Szegedy 2015),
or of groups of channels in each example (group normalisation, Wu and He 2018).

y = weight (x - mean) / sqrt(variance + eps) + bias
"""

from typing import Any

from tinygen import ranks
from tinygen.autograd.operands import as_tensors, real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, without_underflow
from tinygen.kernels import group_normalisation
from tinygen.kernels.normalisation import moments
from tinygen.operations.creation import ones, zeros_like
from tinygen.operations.normalisation import normalise
from tinygen.operations.shaping import reshape
from tinygen.validation import described, number_from, truth_value, whole_number


@real_operands("x", "weight", "bias")
def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``weight (x - mean) / sqrt(variance + eps) + bias`` per channel: x (N, C, ...); ``running_mean``,
    ``running_var``, ``weight`` and ``bias`` (C,) or None.

    In ``training``, or without running statistics, mean and variance are those of the batch, and the running ones are
    updated, ``running += momentum (batch - running)``, with the unbiased variance; otherwise they are the running ones.
    Raises ``ValueError`` for shapes that do not fit, for a batch of a single value per channel, whose variance is
    undefined, and for one running statistic without the other; ``TypeError`` for running statistics that cannot be
    updated.
    """
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: running_mean and running_var must be given together or not at all")
    training = truth_value("batch_norm", "training", training)
    momentum, eps = (number_from("batch_norm", *given, 0) for given in (("momentum", momentum), ("eps", eps)))
    running_mean = _statistic("running_mean", running_mean, x, training)
    running_var = _statistic("running_var", running_var, x, training)
    if not x.size:
        return x  # nothing to normalise, and no statistics
    if x.ndim < 2:
        raise ValueError(f"batch_norm: expects a batch (N, C, ...), got shape {x.shape}")
    channels = x.shape[1]
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, given in named.items():
        if given is not None and given.shape != (channels,):
            raise ValueError(f"batch_norm: {name} must have shape ({channels},), got {given.shape} (x {x.shape})")
    weight = ones(channels, dtype=x.dtype, device=x.device) if weight is None else weight
    bias = zeros_like(weight) if bias is None else bias
    if not training and running_mean is not None and running_var is not None:
        scale = weight / (running_var + eps) ** 0.5
        return x * _as_column(scale, x) + _as_column(bias - running_mean * scale, x)
    count = x.size // channels
    if count < 2 * ranks.fraction():
        raise ValueError(f"batch_norm: training needs more than one value per channel, got shape {x.shape}")
    mean, variance = _of_whole_batch(*without_underflow(moments, x.data))
    if running_mean is not None and running_var is not None:
        _update(running_mean, mean, momentum)
        _update(running_var, variance * (count / (count - ranks.fraction())), momentum)
    return normalise(x, weight, bias, eps=eps, mean=mean, inv_std=(variance + eps) ** -0.5)


def _of_whole_batch(mean: Array, variance: Array) -> tuple[Array, Array]:
    """The moments of a batch whose rows are shared by several ranks, from those of this rank's rows: (C,), (C,)."""
    (whole,) = ranks.averaged([mean])
    return whole, variance if whole is mean else ranks.averaged([variance + (mean - whole) ** 2])[0]


@real_operands("x", "weight", "bias")
def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """``weight (x - mean) / sqrt(variance + eps) + bias`` with mean and variance over ``num_groups`` groups of adjacent
    channels of each example, and weight and bias per channel: x (N, C, ...); ``weight`` and ``bias`` (C,) or None.

    Training and evaluation are the same, and the examples of a batch independent. Raises ``ValueError`` for shapes that
    do not fit, for a number of groups that does not divide C, and for a group of a single value, whose variance is 0.
    """
    groups, eps = whole_number("group_norm", "num_groups", num_groups, 1), number_from("group_norm", "eps", eps, 0)
    if x.ndim < 2 or x.shape[1] % groups:
        raise ValueError(f"group_norm: expects (N, C, ...), C a multiple of num_groups ({groups}), got shape {x.shape}")
    N, C = x.shape[:2]
    for name, given in {"weight": weight, "bias": bias}.items():
        if given is not None and given.shape != (C,):
            raise ValueError(f"group_norm: {name} must have shape ({C},), got {given.shape} (x {x.shape})")
    if not x.size:
        return x
    if x.size == N * groups:
        raise ValueError(f"group_norm: expects more than one value per group, got shape {x.shape}, {groups} groups")
    weight = ones(C, dtype=x.dtype, device=x.device) if weight is None else weight
    bias = zeros_like(weight) if bias is None else bias
    mean, variance = without_underflow(group_normalisation.moments, x.data, groups)
    return normalise(x, weight, bias, eps=eps, mean=mean, inv_std=(variance + eps) ** -0.5)


def _statistic(name: str, running: Any, x: Tensor, training: bool) -> Tensor | None:
    """A running statistic as a tensor; in ``training`` the caller's own, which is updated."""
    if running is None or (isinstance(running, Tensor) and running.dtype == x.dtype):
        return running
    if training:
        if not isinstance(running, Tensor) or running.dtype.kind != "f":
            kind = f"{running.dtype} {described(running)}" if isinstance(running, Tensor) else described(running)
            raise TypeError(f"batch_norm: training updates {name}, a Tensor of floating-point numbers, got {kind}")
        return running
    (statistic,) = as_tensors("batch_norm", {name: running}, x.device)
    return statistic.astype(x.dtype)


def _as_column(statistic: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...), which broadcasts with x (N, C, ...)."""
    return reshape(statistic, (1, -1, *(1,) * (x.ndim - 2)))


def _update(running: Tensor, batch: Array, momentum: float) -> None:
    updated = without_underflow(lambda old, new: old + momentum * (new - old), running.data, batch)
    running.data = updated.astype(running.dtype)
