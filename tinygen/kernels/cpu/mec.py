"""Appendix: convolution by compact lowering (MEC: Cho and Brand 2017, arXiv 1706.06873).

im2col copies each pixel into kh kw columns. Compact lowering copies along the width only: row h of the image becomes a
matrix L[h] (kw C, W_out N), for each column j of the kernel the pixels that it multiplies. The rows of a window lie one
behind another in L, so they are a matrix (kh kw C, W_out N) without a further copy:

    conv2d                 Y[r]   =  K @ L[s r - p : s r - p + kh]
    conv2d_weight_grad     K      =  sum over r of  Y[r] @ L[s r - p : s r - p + kh]^T

where K (O, kh kw C) is the kernel in its order in memory. L ends at the upper and lower edge of the image, and K is cut
to fit, so that padding above and below is not multiplied. Padding on the left and right is: L holds its zeros.
"""

from collections.abc import Iterator

import numpy as np

from tinygen.kernels.cpu.layout import Array, as_nchw, as_oihw, to_gemm_kernel, to_hcwn
from tinygen.kernels.cpu.parallel import parallel_gemms
from tinygen.kernels.windows import Geometry, Pair, output_size, taps

BLOCK = 2_000_000  # elements of L in memory at a time, per thread: half takes up to 1.1, twice up to 1.3 times as long


def conv2d(x: Array, w: Array, bias: Array | None, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, _, *size), (O, C, kh, kw) = x.shape, w.shape
    H_out, W_out = output_size(size, (kh, kw), *geometry[:2])
    rows, kernel = to_hcwn(x), to_gemm_kernel(w).reshape(O, kh * kw * C)
    y = np.empty((H_out, O, W_out * N), np.result_type(x, w))

    def work(first: int, last: int) -> None:
        for r, pixels, weights, window in windows(rows, (kh, kw), geometry, W_out, first, last):
            np.matmul(kernel[:, weights], window, out=y[r, :, pixels])
            if bias is not None:
                y[r, :, pixels] += bias[:, None]

    parallel_gemms(work, H_out * W_out, y.size * C * kh * kw)
    return as_nchw(y.reshape(H_out, O, W_out, N))


def conv2d_weight_grad(x: Array, g: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (N, C, _, _), (_, O, H_out, W_out), (kh, kw) = x.shape, g.shape, kernel_size
    rows, g_rows = to_hcwn(x), to_hcwn(g).reshape(H_out, O, W_out * N)
    totals: dict[int, Array] = {}  # by first pixel: summed in this order, whichever thread finishes first

    def work(first: int, last: int) -> None:
        total = totals[first] = np.zeros((O, kh * kw * C), np.result_type(x, g))
        for r, pixels, weights, window in windows(rows, kernel_size, geometry, W_out, first, last):
            total[:, weights] += g_rows[r][:, pixels] @ window.T

    parallel_gemms(work, H_out * W_out, g.size * C * kh * kw)
    w = np.sum([totals[first] for first in sorted(totals)], axis=0)
    return as_oihw(w.reshape(O, kh, kw, C))


def windows(
    x: Array, kernel_size: Pair, geometry: Geometry, W_out: int, first: int, last: int
) -> Iterator[tuple[int, slice, slice, Array]]:
    """The windows of the output pixels ``first`` to ``last`` of x (H, C, W, N), counted row by row so that threads get
    equal numbers: (row r, its columns in Y[r], the columns of K inside the image, what they multiply)."""
    (H, C, _, N), (kh, kw), stride, padding = x.shape, kernel_size, geometry.stride[0], geometry.padding[0]
    end, block = -(-last // W_out), max(1, BLOCK // (stride * kw * C * W_out * N))  # output rows
    for start in range(first // W_out, end, block):
        rows = [(r, stride * r - padding) for r in range(start, min(start + block, end))]
        inside = [(min(max(top, 0), H), min(max(top + kh, 0), H)) for _, top in rows]  # input rows
        base = inside[0][0]
        lowered = np.empty((inside[-1][1] - base, kw, C, W_out, N), x.dtype)
        lower(x[base : inside[-1][1]], lowered.swapaxes(0, 1), geometry)
        for (r, top), (upper, under) in zip(rows, inside, strict=True):
            pixels = slice(N * max(0, first - r * W_out), N * min(W_out, last - r * W_out))
            window = lowered[upper - base : under - base].reshape(-1, W_out * N)[:, pixels]
            yield r, pixels, slice((upper - top) * kw * C, (under - top) * kw * C), window


def lower(x: Array, columns: Array, geometry: Geometry) -> None:
    """Fill ``columns`` (kw, A, B, W_out, N): for each column of the kernel the pixels of x (A, B, W, N) that it
    multiplies, zeros where that is padding."""
    kw, _, _, W_out, _ = columns.shape
    pairs = taps(x.shape[2], W_out, kw, geometry.stride[1], geometry.padding[1])
    for column, (out, into) in zip(columns, pairs, strict=True):
        column[:, :, : out.start] = 0
        column[:, :, out] = x[:, :, into]
        column[:, :, out.stop :] = 0
