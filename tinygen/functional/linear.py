"""The affine map of a linear layer."""

from tinygen.autograd.operands import real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.operations.products import affine, matmul
from tinygen.operations.shaping import transpose


@real_operands("x", "weight", "bias")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x W^T + b`` over the last axis: x (..., in), weight (out, in) or (in,), bias (out,) -> (..., out). Raises
    ``ValueError`` for shapes that do not fit."""
    if weight.ndim not in (1, 2) or x.ndim == 0 or x.shape[-1] != weight.shape[-1]:
        shapes = f"(x {x.shape}, weight {weight.shape})"
        raise ValueError(f"linear: weight expects {weight.shape[-1:]} inputs, x has {x.shape[-1:]} {shapes}")
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise ValueError(f"linear: bias must have shape {weight.shape[:-1]}, got {bias.shape} (weight {weight.shape})")
    if x.ndim == weight.ndim == 2:
        return affine(x, weight, bias)
    y = matmul(x, transpose(weight))
    return y if bias is None else y + bias
