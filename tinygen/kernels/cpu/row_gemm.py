"""Appendix: the adjoints of a convolution by matrix products over rows (GEMM, general matrix multiplication; after
kn2row: Vasudevan, Anderson and Gregg 2017, arXiv 1704.04428).

K is the kernel, G the gradient of the output, dK that of the kernel, L the lowered image of ``mec``.

conv2d_input_grad. The rows of G whose windows cover row h of the image lie one behind another in memory, a matrix
G[r0 : r1] ((r1 - r0) O, W_out N). The rows of the kernel that connect them with row h are, in reverse order, a matrix
((r1 - r0) O, kw C). The product holds what each column j of the kernel contributes to row h:

    columns (kw C, W_out N)  =  K[rows]^T @ G[r0 : r1]

With a stride s the pixels f, f + s, f + 2 s, ... of the row, phase f, get contributions from every s-th column of the
kernel only, and with a stride between rows from every s-th row (polyphase decomposition). Each phase is a sum of
slices of the columns.

conv2d_weight_grad. For each row i of the kernel one GEMM sums over all pixels: dK[i] = G @ L[i]^T, where L[i] (kw C,
pixels) holds the image rows s r + i - p, lowered as in ``mec``. The lowered rows of one remainder modulo s lie one
behind another, so L[i] is a slice of them.
"""

from functools import reduce

import numpy as np

from tinygen.kernels.cpu.layout import Array, as_nchw, empty_gemm_kernel, to_hcwn
from tinygen.kernels.cpu.mec import lower
from tinygen.kernels.cpu.parallel import parallel_gemms
from tinygen.kernels.windows import Geometry, Pair, taps


def conv2d_input_grad(g: Array, w: Array, bias: Array | None, size: Pair, geometry: Geometry) -> Array:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    (N, O, H_out, W_out), (_, C, kh, kw), (H, W) = g.shape, w.shape, size
    (row_stride, stride), (row_padding, padding) = geometry[:2]
    rows, x = to_hcwn(g).reshape(H_out, O, W_out * N), np.empty((H, C, W, N), np.result_type(g, w))
    by_row = w.transpose(2, 0, 3, 1)  # (kh, O, kw, C)
    kernels = [np.ascontiguousarray(by_row[i::row_stride][::-1]) for i in range(row_stride)]  # by remainder of the row
    bias_terms = [] if bias is None else [bias[:, None, None]]

    # The slices that are added up may begin before the W_out output pixels and end after them. So ``columns`` is wider:
    # ``halo`` pixels on the left, and others on the right, which stay zero.
    halo = max(0, -((padding - kw + 1) // stride))
    width = halo + max(W_out, (W - 1 + padding) // stride + 1)
    phases = []  # for each: its pixels; (j, window in columns[j]) for each column j of the kernel
    for phase in range(min(stride, W)):
        starts = {j: halo + (phase + padding - j) // stride for j in range((phase + padding) % stride, kw, stride)}
        windows = [(j, slice(start, start - (phase - W) // stride)) for j, start in starts.items()]
        phases.append((slice(phase, None, stride), windows))

    def work(first: int, last: int) -> None:
        columns = np.zeros((kw, C, width, N), x.dtype)
        interior = columns.reshape(kw * C, width * N)[:, halo * N : (halo + W_out) * N]
        for h in range(first, last):
            quotient, remainder = divmod(h + row_padding, row_stride)
            r0 = quotient - len(kernels[remainder]) + 1  # may be outside, like the row after the last
            top = max(r0, 0)
            bottom = max(top, min(quotient + 1, H_out))
            weights = kernels[remainder][top - r0 : bottom - r0].reshape(-1, kw * C)
            np.matmul(weights.T, rows[top:bottom].reshape(-1, W_out * N), out=interior)
            for pixels, windows in phases:
                add_up([columns[j][:, window] for j, window in windows] + bias_terms, x[h][:, pixels])

    parallel_gemms(work, H, g.size * C * kh * kw)
    return as_nchw(x)


def add_up(terms: list[Array], out: Array) -> None:
    """out = sum of the terms."""
    if len(terms) > 1:
        np.add(reduce(np.add, terms[:-1]), terms[-1], out=out)
    else:
        out[...] = terms[0] if terms else 0


def conv2d_weight_grad(x: Array, g: Array, kernel_size: Pair, geometry: Geometry) -> Array:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (N, C, H, _), (_, O, H_out, W_out), (kh, kw), stride = x.shape, g.shape, kernel_size, geometry.stride[0]
    rows = to_hcwn(x).transpose(1, 0, 2, 3)
    g_rows = np.ascontiguousarray(to_hcwn(g).transpose(1, 0, 2, 3)).reshape(O, H_out, W_out * N)
    w = empty_gemm_kernel((O, C, kh, kw), np.result_type(x, g))

    def work(first: int, last: int) -> None:
        lowered = np.empty((stride, kw, last - first, -(-H // stride), W_out, N), x.dtype)
        for phase in range(min(stride, H)):
            part = rows[first:last, phase::stride]
            lower(part, lowered[phase, :, :, : part.shape[1]], geometry)
        for i, (out, into) in enumerate(taps(H, H_out, kh, stride, geometry.padding[0])):
            start = into.start // stride
            pixels = lowered[into.start % stride, :, :, start : start + out.stop - out.start]
            weights = g_rows[:, out].reshape(O, -1) @ pixels.reshape(kw * (last - first), -1).T
            w[:, first:last, i] = weights.reshape(O, kw, last - first).swapaxes(1, 2)

    parallel_gemms(work, C, g.size * C * kh * kw)
    return w
