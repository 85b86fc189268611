"""Convolution and its two adjoints.

    y[n, o, r, c] = bias[o] + sum over i, j, k of w[o, k, i, j] x[n, k, s r + d i - p, s c + d j - p]

(x counts as zero outside its borders; s is the stride, d the dilation, p the padding, one of each per direction). The
map is linear in x and linear in w, so it has an adjoint in each:

    <conv2d(x, w), g>  =  <x, conv2d_adjoint_x(g, w)>  =  <w, conv2d_adjoint_w(x, g)>

The adjoint in x is what other libraries call transposed convolution. These three are closed under differentiation:
the derivative of any of them is another of them.

On a CPU an infinity or a NaN reaches what the sum says and nothing else. Some algorithms multiply zeros that the sum
does not have, so where such a zero would meet one of them, ``convolution_taps`` takes over. The arrays of a GPU are not
examined, for the host would have to wait.
"""

import math
from collections.abc import Sequence

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels import convolution_cpu as cpu
from tinygen.kernels import convolution_taps as by_taps
from tinygen.kernels.windows import output_size

Pair = tuple[int, int]  # (vertical, horizontal)


def conv2d(x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    """x (N, C, H, W), w (O, C / groups, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    if padding != (0, 0) and not _are_finite(w):  # the kernel would meet the padding's zeros
        return by_taps.conv2d(x, w, bias, stride, padding, dilation, groups)
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
    is_common = _is_common(g, w, dilation, groups)
    if not _are_finite(w) or not (is_common or _are_finite(g)):  # the plain way fills the kernel up with zeros
        return by_taps.conv2d_adjoint_x(g, w, size, stride, padding, dilation, groups, bias)
    if is_common:
        return cpu.conv2d_adjoint_x(g, w, size, stride, padding, bias)
    return conv2d_adjoint_x_plain(g, w, size, stride, padding, dilation, groups, bias)


def conv2d_adjoint_w(
    x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C / groups, kh, kw)."""
    if _is_common(x, g, dilation, groups):
        w = cpu.conv2d_adjoint_w(x, g, kernel_size, stride, padding)
    else:
        w = conv2d_adjoint_w_plain(x, g, kernel_size, stride, padding, dilation, groups)
    if padding != (0, 0) and not _are_finite(w):  # g may have met the padding's zeros
        return by_taps.conv2d_adjoint_w(x, g, kernel_size, stride, padding, dilation, groups)
    return w


def _are_finite(x: Array) -> bool:
    """Whether x holds neither infinity nor NaN; taken for granted off the CPU, where a look is a wait."""
    return not is_numpy(x) or bool(np.isfinite(x).all())


def _is_common(first: Array, second: Array, dilation: Pair, groups: int) -> bool:
    """Whether the CPU's own kernels take the case: NumPy arrays, no dilation, one group, something to compute."""
    return is_numpy(first) and dilation == (1, 1) and groups == 1 and first.size > 0 and second.size > 0


# The same for any array module: all patches in one copy, then one matrix product (a batch of them with groups) -------


def conv2d_plain(
    x: Array, w: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """``conv2d`` on any array module: the kernel times all patches."""
    (N, _, *size), (O, _, *kernel_size) = x.shape, w.shape
    H_out, W_out = output_size(size, kernel_size, stride, padding, dilation)
    patches = _patches(x, kernel_size, stride, padding, dilation, (H_out, W_out), groups)
    y = _by_group(w.reshape(groups, O // groups, patches.shape[1]), patches).reshape(O, N, H_out, W_out)
    if bias is not None:
        y = y + bias.reshape(O, 1, 1, 1)
    return y.swapaxes(0, 1)


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
    """``conv2d_adjoint_x`` on any array module: one convolution of g, of stride 1, whose channels are then pixels.

    Pixel s a + r of the padded x hears of output a - t by the kernel's element s t + r: for each phase r < s, that is a
    convolution over t with every s-th element, backwards. All phases are one product, whose results are laid side by
    side (the sub-pixel convolution of Shi et al. 2016), and none multiplies the zeros that a stride leaves out.
    """
    (N, O, *seen), (_, C, *kernel_size) = g.shape, w.shape  # C counts the channels of one group
    reach = [dilation[axis] * (kernel_size[axis] - 1) + 1 for axis in (0, 1)]
    turns = [-(-reach[axis] // stride[axis]) for axis in (0, 1)]  # the values of t
    first = [padding[axis] // stride[axis] for axis in (0, 1)]  # the first and the last a
    last = [(padding[axis] + size[axis] - 1) // stride[axis] for axis in (0, 1)]

    kernel = array_module(g).zeros((O, C, turns[0] * stride[0], turns[1] * stride[1]), w.dtype)
    kernel[:, :, : reach[0] : dilation[0], : reach[1] : dilation[1]] = w
    phases = kernel.reshape(groups, O // groups, C, turns[0], stride[0], turns[1], stride[1])[:, :, :, ::-1, :, ::-1]
    channels = groups * C * stride[0] * stride[1]  # one for each channel of x and each r
    phases = phases.transpose(0, 2, 4, 6, 1, 3, 5).reshape(channels, O // groups, *turns)

    before = [turn - 1 for turn in turns]
    after = [max(0, last[axis] + 1 - seen[axis]) for axis in (0, 1)]
    heard = _surrounded(g, before, after)[:, :, first[0] : last[0] + turns[0], first[1] : last[1] + turns[1]]
    y = conv2d_plain(heard, phases, None, (1, 1), (0, 0), (1, 1), groups)

    H, W = y.shape[2:]
    x = y.reshape(N, groups * C, *stride, H, W).transpose(0, 1, 4, 2, 5, 3)
    x = x.reshape(N, groups * C, H * stride[0], W * stride[1])
    top, left = (padding[axis] - stride[axis] * first[axis] for axis in (0, 1))
    x = x[:, :, top : top + size[0], left : left + size[1]]
    return x if bias is None else x + bias.reshape(-1, 1, 1)


def conv2d_adjoint_w_plain(
    x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """``conv2d_adjoint_w`` on any array module: the output's gradient times all patches."""
    C, (N, O, H_out, W_out) = x.shape[1], g.shape
    patches = _patches(x, kernel_size, stride, padding, dilation, (H_out, W_out), groups)
    seen = g.swapaxes(0, 1).reshape(groups, O // groups, N * H_out * W_out)
    return _by_group(seen, patches.swapaxes(1, 2)).reshape(O, C // groups, *kernel_size)


def _patches(
    x: Array,
    kernel_size: Sequence[int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Sequence[int],
    groups: int,
) -> Array:
    """What each kernel element meets: x (N, C, H, W) -> (groups, C / groups kh kw, N H_out W_out). The windows have to
    lie within the padded x: nothing looks whether they do."""
    N, C = x.shape[:2]
    padded = _surrounded(x, padding, padding)
    image, channel, down, right = padded.strides
    patches = array_module(x).lib.stride_tricks.as_strided(
        padded,
        (C, *kernel_size, N, *output_size),
        (channel, dilation[0] * down, dilation[1] * right, image, stride[0] * down, stride[1] * right),
    )
    return patches.reshape(groups, C // groups * math.prod(kernel_size), N * math.prod(output_size))


def _surrounded(x: Array, before: Sequence[int], after: Sequence[int]) -> Array:
    """x (N, C, H, W) with so many zeros above and to the left, and below and to the right; itself without any."""
    (N, C, H, W), (top, left), (bottom, right) = x.shape, before, after
    if not (top or left or bottom or right):
        return x
    y = array_module(x).zeros((N, C, top + H + bottom, left + W + right), x.dtype)
    y[:, :, top : top + H, left : left + W] = x
    return y


def _by_group(a: Array, b: Array) -> Array:
    """Products of matrices, a batch of them; a single one without the batch, for then a transpose costs no copy."""
    return (a[0] @ b[0])[None] if len(a) == 1 else a @ b
