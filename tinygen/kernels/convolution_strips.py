"""Convolution on a CPU without patches: one pixel at a time.

Copy the input rows that an output row needs, say h of them, so that what they hold of one column of the image lies
together and the columns one behind the other: a strip (W, h, C, N). The kw columns that an output pixel sees follow one
another in it, whatever the stride, so they are a matrix of (kw h C) rows and N columns, a view. With the kernel, which
lies in the same order, as a matrix K (O, kw h C)

    Y[r, :, c]  =  K  @  strip[left : left + kw],    left = stride c - padding.

No product is added to another, and none meets the padding's zeros: at an edge the strip ends, and K is cut to fit. But
each has only N columns, so it pays where K has many rows: with few output channels the way by rows is faster.
"""

import numpy as np

from tinygen.kernels.cpu.layout import as_nchw, to_gemm_kernel, to_hcwn
from tinygen.kernels.cpu.parallel import parallel_gemms as share
from tinygen.kernels.windows import output_size

Pair = tuple[int, int]  # (vertical, horizontal)


def conv2d(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, C, H, W), (O, _, kh, kw) = x.shape, w.shape
    H_out, W_out = output_size((H, W), (kh, kw), stride, padding)
    rows, kernel = to_hcwn(x), to_gemm_kernel(w)
    y = np.empty((H_out, O, W_out, N), np.result_type(x, w))

    def work(first: int, last: int) -> None:
        for r in range(first // W_out, -(-last // W_out)):
            top, columns = stride[0] * r - padding[0], slice(max(0, first - r * W_out), min(W_out, last - r * W_out))
            upper, lower = _inside(top, kh, H)
            strip = np.ascontiguousarray(rows[top + upper : top + lower].transpose(2, 0, 1, 3)).reshape(-1, N)
            cut, height = kernel[:, :, upper:lower].reshape(O, -1), (lower - upper) * C
            for c in range(columns.start, columns.stop):
                left = stride[1] * c - padding[1]
                start, stop = (height * column for column in _inside(left, kw, W))
                met = strip[height * left + start : height * left + stop]
                np.matmul(cut[:, start:stop], met, out=y[r, :, c])
            if bias is not None:
                y[r, :, columns] += bias[:, None, None]

    share(work, H_out * W_out, y.size * C * kh * kw)
    return as_nchw(y)


def _inside(first: int, length: int, size: int) -> Pair:
    """Where a window of ``length`` pixels, whose first is the image's pixel ``first``, enters an image of ``size``
    pixels, and where it leaves it."""
    start = max(0, -first)
    return start, max(start, min(length, size - first))
