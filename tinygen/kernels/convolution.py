"""Convolution and its two adjoints.

    y[n, o, r, c] = bias[o] + sum over i, j, k of w[o, k, i, j] x[n, k, s r + d i - p, s c + d j - p]

(x counts as zero outside its borders; s is the stride, d the dilation, p the padding, one of each per direction). The
map is linear in x and linear in w, so it has an adjoint in each:

    <conv2d(x, w), g>  =  <x, conv2d_adjoint_x(g, w)>  =  <w, conv2d_adjoint_w(x, g)>

The adjoint in x is what other libraries call transposed convolution. These three are closed under differentiation:
the derivative of any of them is another of them.
"""

from collections.abc import Sequence

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels import convolution_cpu as cpu

Pair = tuple[int, int]  # (vertical, horizontal)


def conv2d(x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    if _is_common(x, w, dilation, groups):
        return cpu.conv2d(x, w, bias, stride, padding)
    return conv2d_plain(x, w, bias, stride, padding, dilation, groups)


def conv2d_adjoint_x(
    g: Array,
    w: Array,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """g (N, O, H_out, W_out), w (O, C / groups, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    if _is_common(g, w, dilation, groups):
        return cpu.conv2d_adjoint_x(g, w, size, stride, padding, bias)
    return conv2d_adjoint_x_plain(g, w, size, stride, padding, dilation, groups, bias)


def conv2d_adjoint_w(
    x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    if _is_common(x, g, dilation, groups):
        return cpu.conv2d_adjoint_w(x, g, kernel_size, stride, padding)
    return conv2d_adjoint_w_plain(x, g, kernel_size, stride, padding, dilation, groups)


def _is_common(first: Array, second: Array, dilation: Pair, groups: int) -> bool:
    """Whether the CPU's own kernels take the case: NumPy arrays, no dilation, one group, something to compute."""
    return is_numpy(first) and dilation == (1, 1) and groups == 1 and first.size > 0 and second.size > 0


# The same for any array module: all patches in one gather, then one matrix product (a batch of them with groups) ---


def _patches(
    x: Array, kernel_size: Sequence[int], stride: Pair, padding: Pair, dilation: Pair, output_size: Sequence[int]
) -> Array:
    """What each kernel element meets: (N, C, H, W) -> (C, kh, kw, H_out, W_out, N)."""
    xp = array_module(x)
    N, C, H, W = x.shape
    top, left = padding
    padded = xp.zeros((C, H + 2 * top, W + 2 * left, N), x.dtype)
    padded[:, top : top + H, left : left + W] = x.transpose(1, 2, 3, 0)
    rows, columns = (
        dilation[axis] * xp.arange(kernel_size[axis])[:, None] + stride[axis] * xp.arange(output_size[axis])
        for axis in (0, 1)
    )  # (kh, H_out), (kw, W_out)
    return padded[:, rows[:, None, :, None], columns[:, None, :]]


def conv2d_plain(
    x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """``conv2d`` on any array module: all patches, one product."""
    (N, C, *size), (O, _, *kernel_size) = x.shape, w.shape
    H_out, W_out = (
        (size[axis] + 2 * padding[axis] - dilation[axis] * (kernel_size[axis] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    )
    fan_in = C // groups * kernel_size[0] * kernel_size[1]
    patches = _patches(x, kernel_size, stride, padding, dilation, (H_out, W_out))
    y = w.reshape(groups, O // groups, fan_in) @ patches.reshape(groups, fan_in, H_out * W_out * N)
    y = y.reshape(O, H_out, W_out, N)
    if bias is not None:
        y = y + bias.reshape(O, 1, 1, 1)
    return y.transpose(3, 0, 1, 2)


def conv2d_adjoint_x_plain(
    g: Array,
    w: Array,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """The pixels of g set ``stride`` apart, between zeros, and convolved with the kernel turned by 180 degrees."""
    (N, O, H_out, W_out), (_, C, kh, kw) = g.shape, w.shape  # C counts the channels of one group
    reach = (dilation[0] * (kh - 1), dilation[1] * (kw - 1))
    apart = array_module(g).zeros(
        (N, O, size[0] + 2 * padding[0] + reach[0], size[1] + 2 * padding[1] + reach[1]), g.dtype
    )
    apart[
        :,
        :,
        reach[0] : reach[0] + stride[0] * H_out : stride[0],
        reach[1] : reach[1] + stride[1] * W_out : stride[1],
    ] = g
    apart = apart[:, :, padding[0] : padding[0] + size[0] + reach[0], padding[1] : padding[1] + size[1] + reach[1]]
    turned = w.reshape(groups, O // groups, C, kh, kw).swapaxes(1, 2)[..., ::-1, ::-1]
    turned = turned.reshape(groups * C, O // groups, kh, kw)
    return conv2d_plain(apart, turned, bias, (1, 1), (0, 0), dilation, groups)


def conv2d_adjoint_w_plain(
    x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """``conv2d_adjoint_w`` on any array module: the output's gradient times all patches."""
    C, (N, O, H_out, W_out) = x.shape[1], g.shape
    fan_in, pixels = C // groups * kernel_size[0] * kernel_size[1], H_out * W_out * N
    patches = _patches(x, kernel_size, stride, padding, dilation, (H_out, W_out)).reshape(groups, fan_in, pixels)
    w = g.transpose(1, 2, 3, 0).reshape(groups, O // groups, pixels) @ patches.swapaxes(1, 2)
    return w.reshape(O, C // groups, *kernel_size)
