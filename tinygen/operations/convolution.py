"""Convolution and its two adjoints: three operations that are closed under differentiation.

    conv2d(x, w)                    images and kernels -> feature maps
    conv2d_input_grad(g, w)         its adjoint in x: feature maps and kernels -> images; this is ``conv_transpose2d``
    conv2d_weight_grad(x, g)        its adjoint in w: images and feature maps -> kernels

All three are one sum over triples (x, w, g), <conv2d(x, w), g>, with another of the three left out. So the gradients of
each are the other two: the vector-Jacobian products below can be read as a table. ``kernels/windows.py`` defines the
options, ``Geometry``; ``functional/convolution.py`` takes them in PyTorch's form and checks shapes.
"""

from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array
from tinygen.kernels import convolution as kernels
from tinygen.kernels.windows import Geometry, Pair
from tinygen.operations.reductions import sum


def _sum_per_channel(g: Tensor) -> Tensor:
    """(N, C, H, W) -> (C,)."""
    return sum(g, axis=(0, 2, 3))


@operation(
    lambda g, x, w, bias, geometry: conv2d_input_grad(g, w, None, size=x.shape[2:], geometry=geometry),
    lambda g, x, w, bias, geometry: conv2d_weight_grad(x, g, kernel_size=w.shape[2:], geometry=geometry),
    lambda g, x, w, bias, geometry: _sum_per_channel(g),
    linear=True,
)
def conv2d(x: Array, w: Array, bias: Array | None, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    return kernels.conv2d(x, w, bias, geometry)


@operation(
    lambda v, g, w, bias, size, geometry: conv2d(v, w, None, geometry=geometry),
    lambda v, g, w, bias, size, geometry: conv2d_weight_grad(v, g, kernel_size=w.shape[2:], geometry=geometry),
    lambda v, g, w, bias, size, geometry: _sum_per_channel(v),
    linear=True,
)
def conv2d_input_grad(g: Array, w: Array, bias: Array | None, size: Pair, geometry: Geometry) -> Array:
    """g (N, O, H_out, W_out), w (O, C / groups, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    return kernels.conv2d_input_grad(g, w, bias, size, geometry)


@operation(
    lambda v, x, g, kernel_size, geometry: conv2d_input_grad(g, v, None, size=x.shape[2:], geometry=geometry),
    lambda v, x, g, kernel_size, geometry: conv2d(x, v, None, geometry=geometry),
    linear=True,
)
def conv2d_weight_grad(x: Array, g: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    return kernels.conv2d_weight_grad(x, g, kernel_size, geometry)
