"""Matrix products, and the affine map."""

from tinygen.backend import Array, array_module
from tinygen.kernels.cpu import products as cpu
from tinygen.kernels.dispatch import fast_on_cpu


@fast_on_cpu(cpu.matmul, when=cpu.is_large)
def matmul(x: Array, y: Array) -> Array:
    """x (..., M, K), y (..., K, N), with the same leading axes -> (..., M, N)."""
    return array_module(x).matmul(x, y)


def affine(x: Array, weight: Array, bias: Array) -> Array:
    """x W^T + b: x (N, inputs), weight (outputs, inputs), bias (outputs,) -> (N, outputs)."""
    y = matmul(x, weight.T)
    return array_module(y).add(y, bias, out=y if y.dtype == bias.dtype else None)
