"""Pooling with PyTorch's options: each window of an image is reduced to its mean or its largest value."""

import math
from typing import Any

from tinygen.autograd.operands import operands, real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.functional.options import Pair, as_batch, pair, spatial_size, unbatch
from tinygen.kernels.pooling import avg_pool2d_divisors, max_pool2d_indices, pool_output_size
from tinygen.kernels.windows import Geometry
from tinygen.operations import pooling as operations
from tinygen.operations.arithmetic import where
from tinygen.validation import truth_value, whole_number


def _windows(
    name: str,
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | tuple[int, ...] | None,
    padding: int | Pair,
    dilation: int | Pair,
    ceil_mode: bool,
) -> tuple[Pair, Geometry, Pair]:
    """Kernel size, geometry and output size. Raises ``ValueError`` where they do not fit x."""
    kernel = pair(name, "kernel_size", kernel_size, minimum=1)
    strides = kernel if stride is None or stride == () else pair(name, "stride", stride, minimum=1)
    paddings = pair(name, "padding", padding, minimum=0)
    dilations = pair(name, "dilation", dilation, minimum=1)
    if any(2 * p > k for p, k in zip(paddings, kernel, strict=True)):
        raise ValueError(f"{name}: padding {paddings} must be at most half of kernel_size {kernel}")
    geometry = Geometry(strides, paddings, dilations, groups=1)
    size = pool_output_size(spatial_size(x), kernel, geometry, truth_value(name, "ceil_mode", ceil_mode))
    if min(size) < 1:
        raise ValueError(f"{name}: the window is larger than the padded image (x {x.shape}, kernel_size {kernel})")
    return kernel, geometry, size


@real_operands("x")
def avg_pool2d(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: x (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out).

    ``stride`` s (default: ``kernel_size`` k), ``padding`` p: H_out = (H + 2 p - k) / s + 1, rounded down, or up with
    ``ceil_mode``. The zeros of the padding count unless ``count_include_pad`` is False; ``divisor_override`` is divided
    by instead. Raises ``ValueError`` for p > k / 2, a window larger than the padded image or a divisor of 0.
    """
    x, single = as_batch("avg_pool2d", x)
    kernel, geometry, size = _windows("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    count_include_pad = truth_value("avg_pool2d", "count_include_pad", count_include_pad)
    if divisor_override is not None and whole_number("avg_pool2d", "divisor_override", divisor_override) == 0:
        raise ValueError("avg_pool2d: divisor_override must not be 0")
    divisors: Any = divisor_override
    if divisors is None:
        divisors = avg_pool2d_divisors(spatial_size(x), kernel, geometry, size, count_include_pad)
    y = operations.avg_pool2d(x, kernel_size=kernel, geometry=geometry, output_size=size, divisors=divisors)
    return unbatch(y, single)


@operands("x")
def max_pool2d(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest value of each window: x (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out).

    The padding counts as minus infinity; of equal values the first, row by row, gets the gradient. Options and errors
    are those of ``avg_pool2d``, with ``dilation`` d: the window has the size d (k - 1) + 1.
    """
    x, single = as_batch("max_pool2d", x)
    kernel, geometry, size = _windows("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)
    indices = max_pool2d_indices(x.data, kernel, geometry, size)
    y = operations.gather2d(x, indices=indices)
    if geometry.dilation != (1, 1):  # the pixels of a window may all lie in the padding
        y = where(Tensor(indices < 0), -math.inf, y)
    return unbatch(y, single)
