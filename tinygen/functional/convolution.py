"""Convolution and transposed convolution with PyTorch's options, which are checked here.

The transposed convolution is the adjoint of the convolution (``operations/convolution.py``), so input and output
channels are exchanged in its weight (C_in, C_out / groups, kh, kw).
"""

from tinygen.autograd.operands import real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.functional.options import Pair, as_batch, pair, spatial_size, unbatch
from tinygen.kernels.windows import Geometry
from tinygen.operations import convolution as operations
from tinygen.operations.shaping import pad
from tinygen.validation import whole_number


def _check(function: str, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool) -> int:
    """``groups`` as an int; raises ``ValueError`` where it or the shapes do not fit."""
    shapes = f"(x {x.shape}, weight {weight.shape})"
    if weight.ndim != 4:
        raise ValueError(f"{function}: weight must have 4 axes {shapes}")
    groups = whole_number(function, "groups", groups)
    if groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"{function}: groups must divide the weight's first axis, got {groups} {shapes}")
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    if x.shape[1] != channels:
        raise ValueError(f"{function}: weight expects {channels} input channels, x has {x.shape[1]} {shapes}")
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and bias.shape != (outputs,):
        raise ValueError(f"{function}: bias must have shape ({outputs},), got {bias.shape} {shapes}")
    return groups


def _same_padding(kernel_size: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """(before, after) per direction such that a convolution of stride 1 keeps the size."""
    total = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)


@real_operands("x", "weight", "bias")
def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """``y[n, o, r, c] = b[o] + sum_kij w[o, k, i, j] x[n, k, s r + d i - p, s c + d j - p]`` (a cross-correlation).

    x (N, C, H, W) or (C, H, W), weight (O, C / groups, kh, kw), bias (O,) -> (N, O, H_out, W_out) or (O, H_out,
    W_out) with H_out = (H + 2 p - d (kh - 1) - 1) // s + 1. ``padding`` may be "valid" (none) or "same" (stride 1
    keeps the size). Raises ``ValueError`` where shapes or options do not fit.
    """
    x, single = as_batch("conv2d", x)
    groups = _check("conv2d", x, weight, bias, groups, transposed=False)
    strides, dilations = pair("conv2d", "stride", stride, minimum=1), pair("conv2d", "dilation", dilation, minimum=1)
    kernel_size = spatial_size(weight)
    if padding == "same":
        if strides != (1, 1):
            raise ValueError(f"conv2d: padding 'same' goes with stride 1, got stride {stride!r}")
        rows, columns = _same_padding(kernel_size, dilations)
        x, padding = pad(x, ((0, 0), (0, 0), rows, columns)), 0
    elif padding == "valid":
        padding = 0
    elif isinstance(padding, str):
        raise ValueError(f"conv2d: padding must be numbers, 'valid' or 'same', got {padding!r}")
    paddings = pair("conv2d", "padding", padding, minimum=0)
    for size, p, d, k in zip(x.shape[2:], paddings, dilations, kernel_size, strict=True):
        if size + 2 * p < d * (k - 1) + 1:
            raise ValueError(
                f"conv2d: the kernel reaches over {d * (k - 1) + 1} pixels, the padded image has {size + 2 * p} "
                f"(x {x.shape}, weight {weight.shape}, padding {paddings}, dilation {dilations})"
            )
    y = operations.conv2d(x, weight, bias, geometry=Geometry(strides, paddings, dilations, groups))
    return unbatch(y, single)


@real_operands("x", "weight", "bias")
def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    groups: int = 1,
    dilation: int | Pair = 1,
) -> Tensor:
    """The adjoint of ``conv2d`` in its images: each pixel of ``x`` adds a multiple of the kernel to the result.

    ``y[n, o, s r + d i - p, s c + d j - p] += w[k, o, i, j] x[n, k, r, c]`` over all k, i, j, r, c; y begins as b[o].

    x (N, C, H, W) or (C, H, W), weight (C, O / groups, kh, kw), bias (O,) -> (N, O, H_out, W_out) with
    H_out = (H - 1) s - 2 p + d (kh - 1) + output_padding + 1. ``output_padding``, smaller than stride or dilation,
    chooses one of the sizes that a convolution maps to H. Raises ``ValueError`` where shapes or options do not fit.
    """
    name = "conv_transpose2d"
    x, single = as_batch(name, x)
    groups = _check(name, x, weight, bias, groups, transposed=True)
    strides, dilations = pair(name, "stride", stride, minimum=1), pair(name, "dilation", dilation, minimum=1)
    paddings, extra = pair(name, "padding", padding, minimum=0), pair(name, "output_padding", output_padding, minimum=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise ValueError(
            f"{name}: output_padding {extra} must be smaller than stride {strides} or dilation {dilations}"
        )
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(x.shape[2:], strides, paddings, dilations, weight.shape[2:], extra, strict=True)
    )
    if min(size) < 1:
        raise ValueError(f"{name}: the result would have size {size} (x {x.shape}, weight {weight.shape})")
    rows, columns = (e // s for e, s in zip(extra, strides, strict=True))  # whole strides: zeros behind the last pixels
    x = pad(x, ((0, 0), (0, 0), (0, rows), (0, columns))) if rows or columns else x
    geometry = Geometry(strides, paddings, dilations, groups)
    y = operations.conv2d_input_grad(x, weight, bias, size=size, geometry=geometry)
    return unbatch(y, single)
