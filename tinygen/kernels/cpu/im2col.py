"""Appendix: convolution of images with few channels, by im2col in blocks (Chellapilla, Puri and Simard 2006).

With few channels the matrix products (GEMMs) of the other algorithms have a short side, and are slow. Here the window
of each output pixel is copied into a column of kh kw C elements. With the batch innermost the columns of output row r
are a matrix L[r] (kh kw C, W_out N). With the kernel as a matrix K (O, kh kw C), rows Y[r] (O, W_out N) of the output
and G[r] of its gradient, and the gradients dK and dL of kernel and columns

    conv2d                 Y[r]   =  K @ L[r]
    conv2d_weight_grad     dK     =  sum over r of  G[r] @ L[r]^T
    conv2d_input_grad      dL[r]  =  K^T @ G[r],  and each element is added to the pixel that it was copied from

The threads share out the output rows, in blocks that fit the cache; in conv2d_input_grad, the images.
"""

from collections.abc import Iterator

import numpy as np

from tinygen.kernels.cpu.layout import Array, as_nchw, as_oihw, to_gemm_kernel, to_hcwn
from tinygen.kernels.cpu.parallel import one_blas_thread, parallel
from tinygen.kernels.cpu.products import matmul
from tinygen.kernels.windows import Geometry, Pair, tap_pairs

BLOCK = 524_288  # elements of L in memory at a time, per thread
PARALLEL_MIN_ELEMENTS = 300_000  # of L in all: fewer are copied in calls so short that threads wait for each other


def conv2d(x: Array, w: Array, bias: Array | None, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    O, windows, kernel = len(w), _windows(x, w.shape[2:], geometry), to_gemm_kernel(w).reshape(len(w), -1)
    H_out, *_, W_out, N = windows.shape
    y = np.empty((H_out, O, W_out * N), np.result_type(x, w))

    def work(first: int, last: int) -> None:
        for rows, columns in _blocks(windows, first, last):
            np.matmul(kernel, columns, out=y[rows])
            if bias is not None:
                y[rows] += bias[:, None]

    with one_blas_thread():
        parallel(work, H_out, when=windows.size >= PARALLEL_MIN_ELEMENTS)
    return as_nchw(y.reshape(H_out, O, W_out, N))


def conv2d_weight_grad(x: Array, g: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    windows, (_, O, H_out, _) = _windows(x, kernel_size, geometry), g.shape
    g_rows = to_hcwn(g).reshape(H_out, O, -1)
    totals: dict[int, Array] = {}  # by first row: summed in this order, whichever thread finishes first

    def work(first: int, last: int) -> None:
        blocks = _blocks(windows, first, last)
        totals[first] = sum((g_rows[rows] @ columns.swapaxes(1, 2)).sum(axis=0) for rows, columns in blocks)

    with one_blas_thread():
        parallel(work, H_out, when=windows.size >= PARALLEL_MIN_ELEMENTS)
    total = np.sum([totals[first] for first in sorted(totals)], axis=0)
    return as_oihw(total.reshape(O, *kernel_size, -1))


def conv2d_input_grad(g: Array, w: Array, bias: Array | None, size: Pair, geometry: Geometry) -> Array:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    (N, O, H_out, W_out), (_, C, *kernel_size) = g.shape, w.shape
    kernel = to_gemm_kernel(w).reshape(O, -1).T
    columns = matmul(np.broadcast_to(kernel, (H_out, *kernel.shape)), to_hcwn(g).reshape(H_out, O, W_out * N))
    columns = columns.reshape(H_out, *kernel_size, C, W_out, N).transpose(1, 2, 3, 5, 0, 4)
    x = as_nchw(np.empty((size[0], C, size[1], N), columns.dtype))

    def work(first: int, last: int) -> None:
        images = x[first:last].swapaxes(0, 1)
        images[...] = 0 if bias is None else bias[:, None, None, None]
        for i, j, out, into in tap_pairs(size, (H_out, W_out), kernel_size, geometry):
            images[into] += columns[i, j, :, first:last][out]

    parallel(work, N, when=columns.size >= PARALLEL_MIN_ELEMENTS)
    return x


def _windows(x: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W) -> (H_out, kh, kw, C, W_out, N), a view of the padded image."""
    (N, C, H, W), (stride, (vertical, horizontal)) = x.shape, geometry[:2]
    padded = np.zeros((H + 2 * vertical, C, W + 2 * horizontal, N), x.dtype)
    padded[vertical : vertical + H, :, horizontal : horizontal + W] = to_hcwn(x)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel_size, axis=(0, 2))
    return windows[:: stride[0], :, :: stride[1]].transpose(0, 4, 5, 1, 2, 3)


def _blocks(windows: Array, first: int, last: int) -> Iterator[tuple[slice, Array]]:
    """The output rows ``first`` to ``last`` in blocks, each with its columns L (rows, kh kw C, W_out N)."""
    H_out, kh, kw, C, W_out, N = windows.shape
    step = max(1, BLOCK * H_out // windows.size)
    for start in range(first, last, step):
        rows = slice(start, min(start + step, last))
        yield rows, windows[rows].reshape(-1, kh * kw * C, W_out * N)
