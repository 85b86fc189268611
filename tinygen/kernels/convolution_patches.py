"""Convolution on a CPU for images of few channels: patches.

A matrix product reaches the processor's speed when no side of it is short. Where an image has one channel or three, one
row of it and one of the kernel are too little to multiply; but then it costs little to copy out, for each output pixel,
all that the kernel meets of the image. With the batch innermost the patches of an output row are a matrix of (kw kh C)
rows and (W_out N) columns, and with the kernel as a matrix K (O, kw kh C) the triad is

    conv2d                   Y[r]  =  K  @  patches(X)[r]
    its adjoint in w            K  =  sum over r of  Y[r]  @  patches(X)[r]^T
    its adjoint in x   patches(X)  =  K^T  @  Y,  and each patch is added to the pixels that it was taken from
"""

from collections.abc import Callable, Iterator

import numpy as np

from tinygen.kernels.cpu.layout import as_nchw, as_oihw, to_gemm_kernel, to_hcwn
from tinygen.kernels.cpu.parallel import parallel_gemms as share
from tinygen.kernels.products import matmul
from tinygen.kernels.windows import output_size, taps

Pair = tuple[int, int]  # (vertical, horizontal)

IN_CACHE = 524_288  # numbers in the patches that are worked on together: fewer would make calls short as well
WORTH_SHARING = 300_000  # numbers in all patches: fewer are copied in calls so short that threads wait for each other


def conv2d(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, _, H, W), (O, _, kh, kw) = x.shape, w.shape
    H_out, W_out = output_size((H, W), (kh, kw), stride, padding)
    rows, kernel = to_hcwn(x), to_gemm_kernel(w).reshape(O, -1)
    patches_of = _patches_of(rows, (kh, kw), stride, padding, (H_out, W_out))
    y = np.empty((H_out, O, W_out * N), np.result_type(x, w))

    def work(first: int, last: int) -> None:
        for start, stop in _blocks(first, last, kernel.shape[1] * W_out * N):
            np.matmul(kernel, patches_of(start, stop), out=y[start:stop])
            if bias is not None:
                y[start:stop] += bias[:, None]

    share(work, H_out, y.size * kernel.shape[1])
    return as_nchw(y.reshape(H_out, O, W_out, N))


def conv2d_adjoint_x(
    g: np.ndarray, w: np.ndarray, size: Pair, stride: Pair, padding: Pair, bias: np.ndarray | None
) -> np.ndarray:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W)."""
    (N, O, H_out, W_out), (_, C, kh, kw), (H, W) = g.shape, w.shape, size
    rows, kernel = to_hcwn(g).reshape(H_out, O, W_out * N), to_gemm_kernel(w).reshape(O, -1)
    x = np.empty((H, C, W, N), np.result_type(g, w))
    if H_out * kernel.shape[1] * W_out * N < WORTH_SHARING:
        x[...] = 0 if bias is None else bias[:, None, None]
        patches = matmul(np.broadcast_to(kernel.T, (H_out, *kernel.T.shape)), rows)
        scatter(patches.reshape(H_out, kw, kh, C, W_out, N), x, stride, padding)
        return as_nchw(x)

    def work(first: int, last: int) -> None:
        for start, stop in _blocks(first, last, kernel.shape[1] * W_out * N // stride[0]):
            x[start:stop] = 0 if bias is None else bias[:, None, None]
            above = max(0, -((kh - 1 - start - padding[0]) // stride[0]))  # the first output row that sees these
            below = min(H_out, (stop - 1 + padding[0]) // stride[0] + 1)
            if above < below:
                patches = (kernel.T @ rows[above:below]).reshape(below - above, kw, kh, C, W_out, N)
                scatter(patches, x[start:stop], stride, (padding[0] + start - stride[0] * above, padding[1]))

    share(work, H, g.size * kernel.shape[1])
    return as_nchw(x)


def conv2d_adjoint_w(x: np.ndarray, g: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (kh, kw), C, (N, O, H_out, W_out) = kernel_size, x.shape[1], g.shape
    rows, seen = to_hcwn(x), to_hcwn(g).reshape(H_out, O, W_out * N)
    patches_of = _patches_of(rows, kernel_size, stride, padding, (H_out, W_out))
    totals: dict[int, np.ndarray] = {}  # by first row, so that they are added up in one order, whoever is first

    def work(first: int, last: int) -> None:
        total = totals[first] = np.zeros((O, kw * kh * C), np.result_type(x, g))
        for start, stop in _blocks(first, last, kh * kw * C * W_out * N):
            total += (seen[start:stop] @ patches_of(start, stop).swapaxes(1, 2)).sum(axis=0)

    share(work, H_out, g.size * C * kh * kw)
    w = np.sum([totals[first] for first in sorted(totals)], axis=0)
    return as_oihw(w.reshape(O, kw, kh, C))


def _patches_of(
    x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, seen: Pair
) -> Callable[[int, int], np.ndarray]:
    """A function ``(first, last) -> patches`` of these output rows, of ``seen`` (H_out, W_out) in all, from x
    (H, C, W, N). Few patches are gathered here, all at once; many by whoever asks for them."""
    (_, C, _, N), (kh, kw), (H_out, W_out) = x.shape, kernel_size, seen

    def some(first: int, last: int) -> np.ndarray:
        return gather(x, first, last, kernel_size, stride, padding, W_out)

    if H_out * kh * kw * C * W_out * N >= WORTH_SHARING:
        return some
    every = some(0, H_out)
    return lambda first, last: every[first:last]


def gather(
    x: np.ndarray, first: int, last: int, kernel_size: Pair, stride: Pair, padding: Pair, W_out: int
) -> np.ndarray:
    """The patches of x (H, C, W, N) for the output rows ``first`` to ``last``: (last - first, kw kh C, W_out N)."""
    (H, C, W, N), (kh, kw) = x.shape, kernel_size
    top = stride[0] * first - padding[0]  # the rows of x that they see, from the first to behind the last
    bottom = stride[0] * (last - 1) - padding[0] + kh
    upper = max(top, 0)
    lower = max(upper, min(bottom, H))
    padded = np.zeros((bottom - top, C, W + 2 * padding[1], N), x.dtype)
    padded[upper - top : lower - top, :, padding[1] : padding[1] + W] = x[upper:lower]
    down, channel, right, image = padded.strides
    patches = np.lib.stride_tricks.as_strided(
        padded,
        (last - first, kw, kh, C, W_out, N),
        (stride[0] * down, right, down, channel, stride[1] * right, image),
    )
    return patches.reshape(last - first, kw * kh * C, W_out * N)


def scatter(patches: np.ndarray, x: np.ndarray, stride: Pair, padding: Pair) -> None:
    """The adjoint of ``gather``: add the patches (rows, kw, kh, C, W_out, N) to the pixels of x (H, C, W, N) that they
    were taken from; row 0 of the patches meets row -``padding[0]`` of x at first."""
    (rows, kw, kh, _, W_out, _), (H, _, W, _) = patches.shape, x.shape
    columns = taps(W, W_out, kw, stride[1], padding[1])
    for i, (row_out, row_in) in enumerate(taps(H, rows, kh, stride[0], padding[0])):
        for j, (column_out, column_in) in enumerate(columns):
            x[row_in, :, column_in] += patches[row_out, j, i, :, column_out]


def _blocks(first: int, last: int, numbers: int) -> Iterator[Pair]:
    """``first`` to ``last`` in pieces whose patches, of so many numbers a row, fit the cache together."""
    rows = max(1, IN_CACHE // max(1, numbers))
    for start in range(first, last, rows):
        yield start, min(start + rows, last)
