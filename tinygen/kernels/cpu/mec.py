"""Appendix: convolution by compact lowering (MEC, memory-efficient convolution: Cho and Brand 2017, arXiv 1706.06873).

im2col copies each pixel into kh kw columns. Compact lowering copies along the width only: row h of the image becomes a
matrix L[h] (kw C, W_out N), for each column j of the kernel the pixels that it multiplies. The rows of a window lie one
behind another in L, so they are a matrix (kh kw C, W_out N) without a further copy:

    Y[r]  =  K @ L[s r - p : s r - p + kh]

where K (O, kh kw C) is the kernel in its order in memory. L ends at the top and bottom edge of the image, and K is cut
to fit, so that padding above and below is not multiplied. Padding on the left and right is: L holds its zeros.
"""

import numpy as np

from tinygen.kernels.cpu.layout import Array, as_nchw, to_gemm_kernel, to_hcwn
from tinygen.kernels.cpu.parallel import parallel_gemms
from tinygen.kernels.windows import Geometry, output_size, taps

BLOCK = 2_000_000  # elements of L in memory at a time, per thread: half takes up to 1.1, twice up to 1.3 times as long


def conv2d(x: Array, w: Array, bias: Array | None, geometry: Geometry) -> Array:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out).

    The threads share out the output pixels, counted row by row, so that their parts are equal."""
    (N, C, H, W), (O, _, kh, kw), (stride, padding) = x.shape, w.shape, (geometry.stride[0], geometry.padding[0])
    H_out, W_out = output_size((H, W), (kh, kw), *geometry[:2])
    x_rows, kernel = to_hcwn(x), to_gemm_kernel(w).reshape(O, kh * kw * C)
    y = np.empty((H_out, O, W_out * N), np.result_type(x, w))
    block = max(1, BLOCK // (stride * kw * C * W_out * N))  # output rows

    def work(first: int, last: int) -> None:
        end = -(-last // W_out)
        for start in range(first // W_out, end, block):
            tops = {r: stride * r - padding for r in range(start, min(start + block, end))}
            inside = {r: (min(max(top, 0), H), min(max(top + kh, 0), H)) for r, top in tops.items()}  # rows of x
            base = inside[start][0]
            lowered = np.empty((max(bottom for _, bottom in inside.values()) - base, kw, C, W_out, N), x.dtype)
            lower(x_rows[base : base + len(lowered)], lowered.swapaxes(0, 1), geometry)
            for r, (top, bottom) in inside.items():
                pixels = slice(N * max(0, first - r * W_out), N * min(W_out, last - r * W_out))
                weights = kernel[:, (top - tops[r]) * kw * C : (bottom - tops[r]) * kw * C]
                window = lowered[top - base : bottom - base].reshape(-1, W_out * N)[:, pixels]
                np.matmul(weights, window, out=y[r, :, pixels])
                if bias is not None:
                    y[r, :, pixels] += bias[:, None]

    parallel_gemms(work, H_out * W_out, y.size * C * kh * kw)
    return as_nchw(y.reshape(H_out, O, W_out, N))


def lower(x: Array, columns: Array, geometry: Geometry) -> None:
    """Fill ``columns`` (kw, A, B, W_out, N): for each column of the kernel the pixels of x (A, B, W, N) that it
    multiplies, zeros where that is padding."""
    kw, _, _, W_out, _ = columns.shape
    pairs = taps(x.shape[2], W_out, kw, geometry.stride[1], geometry.padding[1])
    for column, (out, into) in zip(columns, pairs, strict=True):
        column[:, :, : out.start] = 0
        column[:, :, out] = x[:, :, into]
        column[:, :, out.stop :] = 0
