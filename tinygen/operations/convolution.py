"""Convolution: a triad of linear maps that closes under differentiation.

    conv2d(x, w)                    images and kernels to feature maps
    conv2d_adjoint_x(g, w)          its adjoint in x: feature maps back to images; this is ``conv_transpose2d``
    conv2d_adjoint_w(x, g)          its adjoint in w: images and feature maps to kernels

All three say the same sum over triples (x, w, g), <conv2d(x, w), g>, and each leaves out another of the three. So the
gradient of any of them is the other two: read the products below as a table. Options are pairs (vertical,
horizontal); ``functional.py`` takes PyTorch's forms of them and checks shapes.
"""

from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array
from tinygen.kernels import convolution as kernels
from tinygen.operations.reductions import sum

Pair = tuple[int, int]  # (vertical, horizontal)


def _per_channel(g: Tensor) -> Tensor:
    return sum(g, axis=(0, 2, 3))


@operation(
    lambda g, x, w, bias, **geometry: conv2d_adjoint_x(g, w, None, size=x.shape[2:], **geometry),
    lambda g, x, w, bias, **geometry: conv2d_adjoint_w(x, g, kernel_size=w.shape[2:], **geometry),
    lambda g, x, w, bias, **geometry: _per_channel(g),
    linear=True,
)
def conv2d(x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    return kernels.conv2d(x, w, bias, stride, padding, dilation, groups)


@operation(
    lambda g, x, w, bias, size, **geometry: conv2d(g, w, None, **geometry),
    lambda g, x, w, bias, size, **geometry: conv2d_adjoint_w(g, x, kernel_size=w.shape[2:], **geometry),
    lambda g, x, w, bias, size, **geometry: _per_channel(g),
    linear=True,
)
def conv2d_adjoint_x(
    x: Array, w: Array, bias: Array | None, size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """x (N, O, H_out, W_out), w (O, C / groups, kh, kw), bias (C,) or None -> (N, C, H, W), (H, W) = ``size``."""
    return kernels.conv2d_adjoint_x(x, w, size, stride, padding, dilation, groups, bias)


@operation(
    lambda g, x, y, kernel_size, **geometry: conv2d_adjoint_x(y, g, None, size=x.shape[2:], **geometry),
    lambda g, x, y, kernel_size, **geometry: conv2d(x, g, None, **geometry),
    linear=True,
)
def conv2d_adjoint_w(
    x: Array, y: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """x (N, C, H, W), y (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    return kernels.conv2d_adjoint_w(x, y, kernel_size, stride, padding, dilation, groups)
