"""Convolution on a CPU without patches: one row of the image at a time.

In memory images lie as (H, C, W, N), the batch innermost, so rows that follow one another are one matrix. Take a row of
the input and lay out what each of the kernel's columns meets of it, kw copies that are shifted: a matrix of (kw C) rows
and (W_out N) columns, ``columns(X[h])``. Take the kernel with its rows upside down, one below the other: a matrix K
(kh O, kw C). The kh output rows that see the input row, Y[r : r + kh] with r = h - kh + 1, lie one below the other as
well, (kh O, W_out N), and in K's order. So the whole triad is one product for each input row, with no patches:

    conv2d              Y[r : r + kh]   +=  K  @  columns(X[h])
    its adjoint in w    K               +=  Y[r : r + kh]  @  columns(X[h])^T
    its adjoint in x    columns(X[h])    =  K^T  @  Y[r : r + kh],  and the shifted copies are added up

The adjoints do it for one column of the kernel after the other, K[:, j], with the output pixels that it serves: those
from which it would meet nothing but padding are left out.

At the upper and lower edge fewer output rows see the input row; then some rows of K are left out, so nothing is
multiplied by the padding's zeros. With a stride of s from row to row, an input row meets every s-th row of the kernel
only: K has its rows sorted by their remainder, and those that are wanted lie together again.
"""

import numpy as np

from tinygen.kernels.products import share
from tinygen.kernels.windows import images, lay, taps

Pair = tuple[int, int]  # (vertical, horizontal)


def conv2d(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, C, H, W), (O, _, kh, kw) = x.shape, w.shape
    H_out, W_out = (H + 2 * padding[0] - kh) // stride[0] + 1, (W + 2 * padding[1] - kw) // stride[1] + 1
    rows, meetings = lay(x), Meetings(kh, stride[0], padding[0])
    kernel, pairs = as_matrix(w, meetings.order), taps(W, W_out, kw, stride[1], padding[1])
    y = np.empty((H_out, O, W_out * N), np.result_type(x, w))

    def work(first: int, last: int) -> None:
        y[first:last] = 0 if bias is None else bias[:, None]
        columns = np.empty((kw, C, W_out, N), x.dtype)
        for h in range(H):
            seen_by, through = meetings.of(h, first, last)
            if seen_by:
                gather(rows[h], pairs, columns)
                products = kernel[through].reshape(-1, kw * C) @ columns.reshape(kw * C, -1)
                y[seen_by] += products.reshape(-1, O, W_out * N)

    share(work, H_out, y.size * C * kh * kw)
    return images(y.reshape(H_out, O, W_out, N))


def conv2d_adjoint_x(
    g: np.ndarray, w: np.ndarray, size: Pair, stride: Pair, padding: Pair, bias: np.ndarray | None
) -> np.ndarray:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W)."""
    (N, O, H_out, W_out), (_, C, kh, kw), (H, W) = g.shape, w.shape, size
    rows, meetings = lay(g).reshape(H_out, O, W_out * N), Meetings(kh, stride[0], padding[0])
    kernel, pairs = as_columns(w, meetings.order), taps(W, W_out, kw, stride[1], padding[1])
    x = np.empty((H, C, W, N), np.result_type(g, w))

    def work(first: int, last: int) -> None:
        x[first:last] = 0 if bias is None else bias[:, None, None]
        for h in range(first, last):
            seen_by, through = meetings.of(h, 0, H_out)
            if seen_by:
                seeing = rows[seen_by].reshape(-1, W_out * N)
                for column, (out, into) in zip(kernel[:, through].reshape(kw, -1, C), pairs, strict=True):
                    x[h][:, into] += (column.T @ seeing[:, N * out.start : N * out.stop]).reshape(C, -1, N)

    share(work, H, g.size * C * kh * kw)
    return images(x)


def conv2d_adjoint_w(x: np.ndarray, g: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (kh, kw), (N, C, H, W), (_, O, H_out, W_out) = kernel_size, x.shape, g.shape
    rows, seen = lay(x), lay(g).reshape(H_out, O, W_out * N)
    meetings, pairs = Meetings(kh, stride[0], padding[0]), taps(W, W_out, kw, stride[1], padding[1])
    totals: dict[int, np.ndarray] = {}  # by first row, so that they are added up in one order, whoever is first

    def work(first: int, last: int) -> None:
        total = totals[first] = np.zeros((kw, kh, O, C), np.result_type(x, g))
        for h in range(first, last):
            seen_by, through = meetings.of(h, 0, H_out)
            if seen_by:
                seeing = seen[seen_by].reshape(-1, W_out * N)
                for column, (out, into) in zip(total[:, through], pairs, strict=True):
                    met = np.ascontiguousarray(rows[h][:, into]).reshape(C, -1)
                    column += (seeing[:, N * out.start : N * out.stop] @ met.T).reshape(-1, O, C)

    share(work, H, g.size * C * kh * kw)
    w = np.empty((kw, kh, O, C), np.result_type(x, g))
    w[:, meetings.order] = np.sum([totals[first] for first in sorted(totals)], axis=0)
    return w.transpose(2, 3, 1, 0)


class Meetings:
    """Which rows meet: input row h and output row r through the kernel's row h + padding - stride r.

    ``order`` lists the kernel's rows as they stand in K: by their remainder modulo the stride, each lot upside down.
    """

    def __init__(self, kernel_rows: int, stride: int, padding: int) -> None:
        self.kernel_rows, self.stride, self.padding = kernel_rows, stride, padding
        self.order = sorted(range(kernel_rows), key=lambda row: (row % stride, -row))

    def of(self, h: int, first: int, last: int) -> tuple[slice | None, slice]:
        """The output rows from ``first`` to ``last`` that see input row ``h``, None if there are none, and the rows of
        K through which they do."""
        reach = h + self.padding
        start = max(first, -((self.kernel_rows - 1 - reach) // self.stride))
        stop = min(last, reach // self.stride + 1)
        if start >= stop:
            return None, slice(0, 0)
        place = self.order.index(reach - self.stride * start)
        return slice(start, stop), slice(place, place + stop - start)


def as_matrix(w: np.ndarray, order: list[int]) -> np.ndarray:
    """The kernel (O, C, kh, kw) as K (kh, O, kw C), its rows in ``order``."""
    O, C, kh, kw = w.shape
    return np.ascontiguousarray(w.transpose(2, 0, 3, 1)[order]).reshape(kh, O, kw * C)


def as_columns(w: np.ndarray, order: list[int]) -> np.ndarray:
    """The kernel (O, C, kh, kw) as the columns of K, (kw, kh, O, C), its rows in ``order``."""
    return np.ascontiguousarray(w.transpose(3, 2, 0, 1)[:, order])


def gather(row: np.ndarray, pairs: list[tuple[slice, slice]], columns: np.ndarray) -> None:
    """Fill ``columns`` (kw, C, W_out, N) with what each column of the kernel meets of ``row`` (C, W, N)."""
    for column, (out, into) in zip(columns, pairs, strict=True):
        column[:, : out.start] = 0
        column[:, out] = row[:, into]
        column[:, out.stop :] = 0
