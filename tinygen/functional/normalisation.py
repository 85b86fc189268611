"""Batch normalisation (Ioffe and Szegedy 2015): every channel brought to mean 0 and variance 1 over the batch.

y = weight (x - mean) / sqrt(variance + eps) + bias
"""

from tinygen.autograd.recording import recording
from tinygen.autograd.tensor import Tensor
from tinygen.operations.elementwise import sqrt
from tinygen.operations.reductions import mean, var
from tinygen.operations.shaping import reshape


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
    """Normalise x (N, C, ...) per channel; all else has shape (C,).

    In ``training`` (or without running statistics) by the batch's own mean and variance, which also move the running
    ones, ``running += momentum (batch - running)``, with the unbiased variance; else by the running ones. Raises
    ``ValueError`` for a batch of a single value a channel, whose variance says nothing.
    """
    if not x.size:
        return x  # nothing to normalise, and no statistics
    if x.ndim < 2:
        raise ValueError(f"batch_norm: expects a batch (N, C, ...), got shape {x.shape}")
    channels = x.shape[1]
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, given in named.items():
        if given is not None and given.shape != (channels,):
            raise ValueError(f"batch_norm: {name} must have shape ({channels},), got {given.shape} (x {x.shape})")
    axes = (0, *range(2, x.ndim))
    if training or running_mean is None or running_var is None:
        count = x.size // channels
        if count < 2:
            raise ValueError(f"batch_norm: training needs more than one value a channel, got shape {x.shape}")
        centre, variance = mean(x, axes, keepdims=True), var(x, axes, keepdims=True)
        if running_mean is not None and running_var is not None:
            with recording(False):
                _move(running_mean, reshape(centre, channels), momentum)
                _move(running_var, reshape(variance, channels) * (count / (count - 1)), momentum)
    else:
        centre, variance = _per_channel(running_mean, x), _per_channel(running_var, x)
    y = (x - centre) / sqrt(variance + eps)
    if weight is not None:
        y = y * _per_channel(weight, x)
    return y if bias is None else y + _per_channel(bias, x)


def _per_channel(statistic: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...), to stand beside x (N, C, ...)."""
    return reshape(statistic, (1, -1, *(1,) * (x.ndim - 2)))


def _move(running: Tensor, batch: Tensor, momentum: float) -> None:
    running.data = (running.data + momentum * (batch.data - running.data)).astype(running.dtype)
