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

from collections.abc import Iterator
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
    pairs, margin = taps(W, W_out, kw, stride[1], padding[1]), (kw - 1) // stride[1]
    echoes = [Echo.of(first, W, kw, stride[1], padding[1], margin) for first in range(min(stride[1], W))]
    length = max([margin + W_out, *(place.stop for echo in echoes for place in echo.places)])
    turns = [[echo] for echo in echoes] if C >= MANY_CHANNELS else [echoes]
    columns = [[column for echo in turn for column in echo.columns] for turn in turns]
    kernels = [as_matrix(w[..., some], meetings.order) for some in columns]
    lots = [Lot.of([pairs[column] for column in some], C) for some in columns]
    x = np.empty((H, C, W, N), np.result_type(g, w))

    def work(first: int, last: int) -> None:
        room = [np.zeros((len(some), C, length, N), x.dtype) for some in columns]
        for unit in range(first, last):
            h, which = divmod(unit, len(turns))
            seen_by, through = meetings.of(h, 0, H_out)
            copies = room[which]
            if seen_by:
                seeing = rows[seen_by].reshape(-1, W_out * N)
                for lot in lots[which]:
                    start, stop = N * lot.served.start, N * lot.served.stop
                    kernel = kernels[which][through].reshape(len(seeing), -1)
                    kernel = kernel[:, C * lot.columns.start : C * lot.columns.stop]
                    some = copies[lot.columns].reshape(-1, length * N)
                    np.matmul(kernel.T, seeing[:, start:stop], out=some[:, N * margin + start : N * margin + stop])
            else:
                copies[...] = 0
            brought = iter(copies)
            for echo in turns[which]:
                echo.add_up(brought, x[h][:, echo.pixels])
                if bias is not None:
                    x[h][:, echo.pixels] += bias[:, None, None]

    share(work, H * len(turns), g.size * C * kh * kw)
    return images(x)


def conv2d_adjoint_w(x: np.ndarray, g: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (kh, kw), (N, C, H, W), (_, O, H_out, W_out) = kernel_size, x.shape, g.shape
    rows, seen = lay(x), lay(g).reshape(H_out, O, W_out * N)
    meetings, lots = Meetings(kh, stride[0], padding[0]), Lot.of(taps(W, W_out, kw, stride[1], padding[1]), C)
    totals: dict[int, list[np.ndarray]] = {}  # by first unit, so that they are added up in one order, whoever is first

    def work(first: int, last: int) -> None:
        room = [np.zeros((len(lot.pairs), C, lot.served.stop - lot.served.start, N), x.dtype) for lot in lots]
        totals[first] = [np.zeros((kh, O, len(columns) * C), np.result_type(x, g)) for columns in room]
        for unit in range(first, last):
            h, which = divmod(unit, len(lots))
            seen_by, through = meetings.of(h, 0, H_out)
            if seen_by:
                lot, columns, total = lots[which], room[which], totals[first][which]
                for column, (out, into) in zip(columns, lot.pairs, strict=True):
                    column[:, out.start - lot.served.start : out.stop - lot.served.start] = rows[h][:, into]
                seeing = seen[seen_by].reshape(-1, W_out * N)[:, N * lot.served.start : N * lot.served.stop]
                product = seeing @ columns.reshape(total.shape[2], -1).T
                total[through] += product.reshape(-1, O, total.shape[2])

    share(work, H * len(lots), g.size * C * kh * kw)
    w = np.zeros((O, C, kh, kw), np.result_type(x, g))
    for which, lot in enumerate(lots):
        found, *others = (totals[first][which] for first in sorted(totals))
        for other in others:
            found += other
        for place, row in enumerate(meetings.order):
            for column in range(len(lot.pairs)):
                w[:, :, row, lot.columns.start + column] = found[place, :, C * column : C * (column + 1)]
    return w


class Lot(NamedTuple):
    """Columns of the kernel that are multiplied together."""

    columns: slice
    pairs: list[tuple[slice, slice]]  # for each: the output pixels it serves, and the input pixels it sees
    served: slice  # the output pixels that any of them serves

    @classmethod
    def of(cls, pairs: list[tuple[slice, slice]], channels: int) -> list["Lot"]:
        """The columns whose ``pairs`` are given, in lots; those that meet nothing but padding are left out."""
        size, lots = 1 if channels >= MANY_CHANNELS else len(pairs), []
        for start in range(0, len(pairs), size):
            some = pairs[start : start + size]
            served = [out for out, _ in some if out.start < out.stop]
            if served:
                reach = slice(min(out.start for out in served), max(out.stop for out in served))
                lots.append(cls(slice(start, start + len(some)), some, reach))
        return lots


class Echo(NamedTuple):
    """What comes back to input pixels that lie one stride from each other: the same columns of the kernel reach them
    all."""

    pixels: slice
    columns: list[int]
    places: list[slice]  # for each column the output pixels, counted with a margin, from which it reaches the pixels

    @classmethod
    def of(cls, first: int, size: int, kernel_columns: int, stride: int, padding: int, margin: int) -> "Echo":
        """The echo at the pixels ``first``, ``first + stride``, ... of ``size``."""
        reach, count = first + padding, -(-(size - first) // stride)
        columns = list(range(reach % stride, kernel_columns, stride))
        starts = [margin + (reach - column) // stride for column in columns]
        return cls(slice(first, None, stride), columns, [slice(start, start + count) for start in starts])

    def add_up(self, brought: Iterator[np.ndarray], total: np.ndarray) -> None:
        """Fill ``total`` (C, pixels, N) with the sum of what the columns ``brought``, each (C, W_out and margins, N);
        the first two are added in one passage."""
        match [copy[:, place] for place, copy in zip(self.places, brought, strict=False)]:
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
    matrix = np.empty((kh, O, kw, C), w.dtype)
    for place, row in enumerate(order):
        matrix[place] = w[:, :, row].swapaxes(1, 2)
    return matrix.reshape(kh, O, kw * C)
