"""Batch and group normalisation as layers: weights, and for the first running statistics for evaluation."""

import numpy as np

from tinygen import functional as F
from tinygen.autograd.arguments import as_tensor, checked_arguments
from tinygen.autograd.tensor import Tensor
from tinygen.checks import Count
from tinygen.nn.module import Buffer, Module, Parameter
from tinygen.validation import whole_number


class _BatchNorm(Module):
    axes: tuple[int, ...]

    @checked_arguments
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        whole_number(type(self).__name__, "num_features", num_features, minimum=0)
        zeros, ones = np.zeros(num_features, np.float32), np.ones(num_features, np.float32)
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine else None
        self.running_mean = Buffer(zeros) if track_running_stats else None
        self.running_var = Buffer(ones) if track_running_stats else None

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) -> the same shape, normalised per channel."""
        x = as_tensor(type(self).__name__, "x", x)
        if x.ndim not in self.axes or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: expects {' or '.join(map(str, self.axes))} axes and {self.num_features} "
                f"channels, got shape {x.shape}"
            )
        statistics = (self.running_mean, self.running_var)
        return F.batch_norm(x, *statistics, self.weight, self.bias, self.training, self.momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """``F.batch_norm`` of x (N, C) or (N, C, L): weight and bias (C,), and running statistics (C,)."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """``F.batch_norm`` of images x (N, C, H, W): weight and bias (C,), and running statistics (C,)."""

    axes = (4,)


class GroupNorm(Module):
    """``F.group_norm`` of x (N, C, ...): weight and bias (C,). Raises ``ValueError`` if ``num_groups`` does not divide
    ``num_channels``."""

    @checked_arguments
    def __init__(self, num_groups: Count, num_channels: Count, eps: float = 1e-5, affine: bool = True) -> None:
        if num_channels % num_groups:
            raise ValueError(f"num_groups ({num_groups}) must divide num_channels ({num_channels})")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(np.ones(num_channels, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, np.float32)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) -> the same shape, normalised per group of channels."""
        x = as_tensor("GroupNorm", "x", x)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm: expects {self.num_channels} channels (N, C, ...), got shape {x.shape}")
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
