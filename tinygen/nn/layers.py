"""Layers with parameters: linear, convolution, transposed convolution."""

import math
from typing import Any

from tinygen import functional as F
from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.tensor import Tensor
from tinygen.functional.options import Pair, pair
from tinygen.nn.initialisation import uniform
from tinygen.nn.module import Module, Parameter
from tinygen.validation import whole_number


class Linear(Module):
    """``x W^T + b``: weight W (out, in), bias b (out,). Initial values: U(-1/sqrt(in), 1/sqrt(in)), as in PyTorch."""

    @checked_arguments
    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features = whole_number("Linear", "in_features", in_features, minimum=0)
        self.out_features = whole_number("Linear", "out_features", out_features, minimum=0)
        self.weight = uniform((out_features, in_features), fan_in=in_features)
        self.bias: Parameter | None = uniform((out_features,), fan_in=in_features) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) -> (..., out)."""
        return F.linear(x, self.weight, self.bias)


class _Convolution(Module):
    """The options and initial weights of both convolutions."""

    def __init__(
        self,
        weight_shape: tuple[int, int],
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair,
        padding: int | Pair | str,
        dilation: int | Pair,
        groups: int,
        bias: bool,
    ) -> None:
        self.kernel_size = pair(type(self).__name__, "kernel_size", kernel_size, minimum=1)
        fan_in = weight_shape[1] * math.prod(self.kernel_size)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.weight = uniform((*weight_shape, *self.kernel_size), fan_in)
        self.bias: Parameter | None = uniform((out_channels,), fan_in) if bias else None


def _check_groups(name: str, in_channels: int, out_channels: int, groups: int) -> None:
    if groups < 1 or min(in_channels, out_channels) < 0 or in_channels % groups or out_channels % groups:
        raise ValueError(
            f"{name}: groups ({groups}) must divide in_channels ({in_channels}) and out_channels ({out_channels})"
        )


class Conv2d(_Convolution):
    """A convolution: weight (out, in / groups, kh, kw), bias (out,); options and errors as ``F.conv2d``."""

    @checked_arguments
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        self.in_channels, self.out_channels = in_channels, out_channels
        _check_groups("Conv2d", in_channels, out_channels, groups)
        shape = (out_channels, in_channels // groups)
        super().__init__(shape, out_channels, kernel_size, stride, padding, dilation, groups, bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, in, H, W) -> (N, out, H_out, W_out)."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ConvTranspose2d(_Convolution):
    """A transposed convolution: weight (in, out / groups, kh, kw), bias (out,); options and errors as
    ``F.conv_transpose2d``."""

    @checked_arguments
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Pair = 1,
    ) -> None:
        self.in_channels, self.out_channels = in_channels, out_channels
        _check_groups("ConvTranspose2d", in_channels, out_channels, groups)
        shape = (in_channels, out_channels // groups)
        super().__init__(shape, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.output_padding = output_padding

    def forward(self, x: Tensor) -> Tensor:
        """x (N, in, H, W) -> (N, out, H_out, W_out)."""
        options: Any = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return F.conv_transpose2d(x, self.weight, self.bias, *options)
