"""Convolution on a CPU without patches: one row of the image at a time.

In memory images lie as (H, C, W, N), the batch innermost, so rows that follow one another are one matrix. Take a row of
the input and lay out what each of the kernel's columns meets of it, kw copies that are shifted: a matrix of (kw C) rows
and (W_out N) columns, ``columns(X[h])``. Take the kernel with its rows upside down, one below the other: a matrix K
(kh O, kw C). The kh output rows that see the input row, Y[r : r + kh] with r = h - kh + 1, lie one below the other as
well, (kh O, W_out N), and in K's order. So the whole triad is one product for each input row, with no patches:

    conv2d              Y[r : r + kh]   +=  K  @  columns(X[h])
    its adjoint in w    K               +=  Y[r : r + kh]  @  columns(X[h])^T
    its adjoint in x    columns(X[h])    =  K^T  @  Y[r : r + kh],  and the shifted copies are added up

With many channels the adjoints take one column of the kernel after the other, and only the output pixels that it
serves: those from which it would meet nothing but padding are left out. With few channels such products were too thin.

At the upper and lower edge fewer output rows see the input row; then some rows of K are left out, so nothing is
multiplied by the padding's zeros. With a stride of s from row to row, an input row meets every s-th row of the kernel
only: K has its rows sorted by their remainder, and those that are wanted lie together again.
"""

from typing import NamedTuple

import numpy as np

from tinygen.kernels.products import share
from tinygen.kernels.windows import images, lay, taps

Pair = tuple[int, int]  # (vertical, horizontal)

MANY_CHANNELS = 48  # from here on, a column of the kernel by itself is enough for a product


def conv2d(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, C, H, W), (O, _, kh, kw) = x.shape, w.shape
    H_out, W_out = (H + 2 * padding[0] - kh) // stride[0] + 1, (W + 2 * padding[1] - kw) // stride[1] + 1
    rows, meetings = lay(x), Meetings(kh, stride[0], padding[0])
    kernel, pairs = as_matrix(w, meetings.order), taps(W, W_out, kw, stride[1], padding[1])
    y = np.empty((H_out, O, W_out * N), np.result_type(x, w))

    def work(first: int, last: int) -> None:
        y[first:last] = 0 if bias is None else bias[:, None]
        columns = np.zeros((kw, C, W_out, N), x.dtype)
        for h in range(H):
            seen_by, through = meetings.of(h, first, last)
            if seen_by:
                for column, (out, into) in zip(columns, pairs, strict=True):
                    column[:, out] = rows[h][:, into]
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
    kernel, lots = as_matrix(w, meetings.order), Lot.of(taps(W, W_out, kw, stride[1], padding[1]), C)
    margin, sums = echoes(W, kw, stride[1], padding[1])
    length = max(margin + W_out, *(pixels.stop for _, heard in sums for _, pixels in heard), 0)
    x = np.empty((H, C, W, N), np.result_type(g, w))

    def work(first: int, last: int) -> None:
        copies = np.zeros((kw, C, length, N), x.dtype)
        for h in range(first, last):
            seen_by, through = meetings.of(h, 0, H_out)
            if not seen_by:
                x[h] = 0
                continue
            seeing, rows_of_kernel = rows[seen_by].reshape(-1, W_out * N), kernel[through].reshape(-1, kw, C)
            for lot in lots:
                served = slice(N * (margin + lot.served.start), N * (margin + lot.served.stop))
                np.matmul(
                    rows_of_kernel[:, lot.columns].reshape(len(seeing), -1).T,
                    seeing[:, N * lot.served.start : N * lot.served.stop],
                    out=copies[lot.columns].reshape(-1, length * N)[:, served],
                )
            for pixels, heard in sums:
                add_up([copies[column][:, place] for column, place in heard], x[h][:, pixels])
        if bias is not None:
            x[first:last] += bias[:, None, None]

    share(work, H, g.size * C * kh * kw)
    return images(x)


def conv2d_adjoint_w(x: np.ndarray, g: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (kh, kw), (N, C, H, W), (_, O, H_out, W_out) = kernel_size, x.shape, g.shape
    rows, seen = lay(x), lay(g).reshape(H_out, O, W_out * N)
    meetings, lots = Meetings(kh, stride[0], padding[0]), Lot.of(taps(W, W_out, kw, stride[1], padding[1]), C)
    totals: dict[int, list[np.ndarray]] = {}  # by first row, so that they are added up in one order, whoever is first

    def work(first: int, last: int) -> None:
        met = [np.zeros((len(lot.pairs), C, lot.served.stop - lot.served.start, N), x.dtype) for lot in lots]
        totals[first] = [np.zeros((kh, O, len(each) * C), np.result_type(x, g)) for each in met]
        for h in range(first, last):
            seen_by, through = meetings.of(h, 0, H_out)
            if seen_by:
                seeing = seen[seen_by].reshape(-1, W_out * N)
                for lot, columns, total in zip(lots, met, totals[first], strict=True):
                    for column, (out, into) in zip(columns, lot.pairs, strict=True):
                        column[:, out.start - lot.served.start : out.stop - lot.served.start] = rows[h][:, into]
                    served = seeing[:, N * lot.served.start : N * lot.served.stop]
                    product = served @ columns.reshape(total.shape[2], -1).T
                    total[through] += product.reshape(-1, O, total.shape[2])

    share(work, H, g.size * C * kh * kw)
    w = np.zeros((kh, O, kw, C), np.result_type(x, g))
    for place, lot in enumerate(lots):
        found = np.sum([totals[first][place] for first in sorted(totals)], axis=0)
        w[meetings.order, :, lot.columns] = found.reshape(kh, O, -1, C)
    return w.transpose(1, 3, 0, 2)


class Lot(NamedTuple):
    """Columns of the kernel that are multiplied together."""

    columns: slice
    pairs: list[tuple[slice, slice]]  # for each: the output pixels it serves, and the input pixels it sees
    served: slice  # the output pixels that any of them serves

    @classmethod
    def of(cls, pairs: list[tuple[slice, slice]], channels: int) -> list["Lot"]:
        """The kernel's columns, whose ``pairs`` are given, in lots; those that meet nothing but padding left out."""
        step, lots = 1 if channels >= MANY_CHANNELS else len(pairs), []
        for start in range(0, len(pairs), step):
            some = pairs[start : start + step]
            served = [out for out, _ in some if out.start < out.stop]
            if served:
                reach = slice(min(out.start for out in served), max(out.stop for out in served))
                lots.append(cls(slice(start, start + step), some, reach))
        return lots


Echoes = list[tuple[slice, list[tuple[int, slice]]]]


def echoes(size: int, kernel_columns: int, stride: int, padding: int) -> tuple[int, Echoes]:
    """Where the ``size`` input pixels of a row find what comes back to them by each of the kernel's columns.

    Returns a margin, and for each lot of pixels, those one stride from each other, the columns that reach them and the
    output pixels from which they do, counted from ``margin`` pixels left of the first.
    """
    margin = (kernel_columns - 1) // stride
    found = []
    for first in range(min(stride, size)):
        reach, count = first + padding, -(-(size - first) // stride)
        starts = [
            (column, margin + (reach - column) // stride) for column in range(reach % stride, kernel_columns, stride)
        ]
        heard = [(column, slice(start, start + count)) for column, start in starts]
        found.append((slice(first, None, stride), heard))
    return margin, found


def add_up(copies: list[np.ndarray], total: np.ndarray) -> None:
    """Fill ``total`` with the sum of ``copies``, the first two of them in one passage."""
    match copies:
        case []:
            total[...] = 0
        case [only]:
            total[...] = only
        case [first, second, *others]:
            np.add(first, second, out=total)
            for other in others:
                total += other


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
