"""Layers without parameters: activation functions, pooling, upsampling, dropout and reshaping.

Each applies a function of ``functional``, whose errors it raises, with the options that it was constructed with.
"""

from typing import Any

from tinygen import functional as F
from tinygen.autograd.arguments import as_tensor, axis_from_front, checked_arguments
from tinygen.autograd.tensor import Tensor
from tinygen.functional.options import Pair
from tinygen.nn.module import Module
from tinygen.operations.shaping import flatten, reshape


class ELU(Module):
    """``x`` where it is positive, ``alpha (e^x - 1)`` elsewhere."""

    @checked_arguments
    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) -> the same shape."""
        return F.elu(x, self.alpha)


class ReLU(Module):
    """``max(x, 0)``."""

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) -> the same shape."""
        return F.relu(x)


class LeakyReLU(Module):
    """``x`` where it is positive, ``negative_slope x`` elsewhere."""

    @checked_arguments
    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) -> the same shape."""
        return F.leaky_relu(x, self.negative_slope)


class Sigmoid(Module):
    """``1 / (1 + e^-x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) -> the same shape."""
        return F.sigmoid(x)


class SiLU(Module):
    """``x / (1 + e^-x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) -> the same shape."""
        return F.silu(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) -> the same shape."""
        return F.tanh(x)


class Softplus(Module):
    """``log(1 + e^(beta x)) / beta``; ``x`` itself where ``beta x`` is above ``threshold``."""

    @checked_arguments
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) -> the same shape."""
        return F.softplus(x, self.beta, self.threshold)


class AvgPool2d(Module):
    """The mean of each window; options as ``F.avg_pool2d``."""

    @checked_arguments
    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out)."""
        windows = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return F.avg_pool2d(x, *windows, self.count_include_pad, self.divisor_override)


class MaxPool2d(Module):
    """The largest value of each window; options as ``F.max_pool2d``."""

    @checked_arguments
    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out)."""
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class UpsamplingBilinear2d(Module):
    """Bilinear interpolation with aligned corners, to ``size`` or by ``scale_factor``, as ``F.upsample_bilinear2d``."""

    @checked_arguments
    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        self.size, self.scale_factor = size, scale_factor

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out)."""
        return F.upsample_bilinear2d(x, self.size, self.scale_factor, align_corners=True)


class UpsamplingNearest2d(Module):
    """Each pixel repeated, to ``size`` or by ``scale_factor``; options as ``F.upsample_nearest2d``."""

    @checked_arguments
    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        self.size, self.scale_factor = size, scale_factor

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out)."""
        return F.upsample_nearest2d(x, self.size, self.scale_factor)


class Dropout(Module):
    """Dropout: in training mode each element is set to 0 with probability ``p``, otherwise divided by ``1 - p``."""

    @checked_arguments
    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) -> the same shape."""
        return F.dropout(x, self.p, self.training)


class Dropout2d(Module):
    """Dropout of whole feature maps: in training mode each is set to 0 with probability ``p``, otherwise divided by
    ``1 - p``."""

    @checked_arguments
    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) -> the same shape."""
        return F.dropout2d(x, self.p, self.training)


class Flatten(Module):
    """The axes from ``start_axis`` on as one axis: (N, C, H, W) -> (N, C H W) for the default, 1."""

    @checked_arguments
    def __init__(self, start_axis: int = 1) -> None:
        self.start_axis = start_axis

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ...) -> (N, M) for ``start_axis`` 1."""
        return flatten(x, self.start_axis)


class Unflatten(Module):
    """The axis ``axis`` split into axes of lengths ``sizes``: (N, C H W) -> (N, C, H, W) for 1, (C, H, W)."""

    @checked_arguments
    def __init__(self, axis: int, sizes: tuple[int, ...]) -> None:
        self.axis, self.sizes = axis, sizes

    def forward(self, x: Tensor) -> Tensor:
        """x (..., M, ...) -> ``(..., *sizes, ...)``."""
        x = as_tensor("Unflatten", "x", x)
        axis = axis_from_front("Unflatten", self.axis, x.ndim)
        return reshape(x, (*x.shape[:axis], *self.sizes, *x.shape[axis + 1 :]))
