"""Convolution on a CPU without patches: one row of the image at a time.

In memory images lie as (H, C, W, N), the batch innermost, so rows that follow one another are one matrix. Take a row of
the input and lay out what each of the kernel's columns meets of it, kw copies that are shifted: a matrix of (kw C) rows
and (W_out N) columns, ``columns(X[h])``. Take the kernel with its rows upside down, one below the other: a matrix K
(kh O, kw C). The kh output rows that see the input row, Y[r : r + kh] with r = h - kh + 1, lie one below the other as
well, (kh O, W_out N), and in K's order. So the whole triad is one product for each input row, with no patches:

    conv2d              Y[r : r + kh]   +=  K  @  columns(X[h])
    its adjoint in w    K               +=  Y[r : r + kh]  @  columns(X[h])^T
    its adjoint in x    columns(X[h])    =  K^T  @  Y[r : r + kh],  and the shifted copies are added up

With many channels the adjoints take only those columns of the kernel together that serve the same output pixels: those
from which they would meet nothing but padding are left out. With few channels such products were too thin.
The threads share out the rows; but for the adjoint in w, with many channels, the columns of K, for then they need not
add up afterwards what each of them has found. Who meets whom, at the edges and with strides, is said in
``convolution_meetings``.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np

from tinygen.kernels.convolution_meetings import MANY_CHANNELS, Lot, Meetings, Turn, margin
from tinygen.kernels.cpu.layout import as_nchw, empty_gemm_kernel, to_hcwn
from tinygen.kernels.cpu.parallel import parallel_gemms as share
from tinygen.kernels.windows import output_size, taps

Pair = tuple[int, int]  # (vertical, horizontal)


def conv2d(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, C, H, W), (O, _, kh, kw) = x.shape, w.shape
    H_out, W_out = output_size((H, W), (kh, kw), stride, padding)
    rows, meetings = to_hcwn(x), Meetings(kh, stride[0], padding[0])
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
    return as_nchw(y.reshape(H_out, O, W_out, N))


def conv2d_adjoint_x(
    g: np.ndarray, w: np.ndarray, size: Pair, stride: Pair, padding: Pair, bias: np.ndarray | None
) -> np.ndarray:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W)."""
    (N, O, H_out, W_out), (_, C, kh, kw), (H, W) = g.shape, w.shape, size
    rows, meetings = to_hcwn(g).reshape(H_out, O, W_out * N), Meetings(kh, stride[0], padding[0])
    turns = Turn.of(kw, W, W_out, stride[1], padding[1], C)
    kernels = [as_matrix(w, meetings.order, [echo.columns for echo in turn.echoes]) for turn in turns]
    left = margin(kw, stride[1], padding[1])
    length = max([left + W_out, *(heard.stop for turn in turns for echo in turn.echoes for heard in echo.heard)])
    x = np.empty((H, C, W, N), np.result_type(g, w))

    def work(first: int, last: int) -> None:
        room = [np.zeros((turn.columns, C, length, N), x.dtype) for turn in turns]
        for unit in range(first, last):
            h, which = divmod(unit, len(turns))
            turn, copies = turns[which], room[which]
            seen_by, through = meetings.of(h, 0, H_out)
            if seen_by:
                seeing = rows[seen_by].reshape(-1, W_out * N)
                for lot in turn.lots:
                    start, stop = N * lot.served.start, N * lot.served.stop
                    kernel = kernels[which][through].reshape(len(seeing), -1)
                    kernel = kernel[:, C * lot.places.start : C * lot.places.stop]
                    some = copies[lot.places].reshape(-1, length * N)
                    np.matmul(kernel.T, seeing[:, start:stop], out=some[:, N * left + start : N * left + stop])
            else:
                copies[...] = 0
            brought = iter(copies)
            for echo in turn.echoes:
                echo.add_up(brought, x[h][:, echo.pixels])
            if bias is not None:
                x[h][:, turn.pixels] += bias[:, None, None]

    share(work, H * len(turns), g.size * C * kh * kw)
    return as_nchw(x)


def conv2d_adjoint_w(x: np.ndarray, g: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (kh, kw), (N, C, H, W), (_, O, H_out, W_out) = kernel_size, x.shape, g.shape
    rows, seen = to_hcwn(x), to_hcwn(g).reshape(H_out, O, W_out * N)
    meetings, lots = Meetings(kh, stride[0], padding[0]), Lot.of(kw, W, W_out, stride[1], padding[1], C)
    w = empty_gemm_kernel((O, C, kh, kw), np.result_type(x, g))
    if sum(len(lot.pairs) for lot in lots) < kw:  # some columns meet nothing but padding
        w[...] = 0
    totals: dict[int, list[np.ndarray]] = {}  # by first row, so that they are added up in one order, whoever is first

    def total_of(lot: Lot, channels: slice, input_rows: range) -> np.ndarray:
        """What these rows bring to those columns of K that stand for the lot's columns and the channels."""
        width, pixels = channels.stop - channels.start, lot.served.stop - lot.served.start
        columns = np.zeros((len(lot.pairs), width, pixels, N), x.dtype)
        total = np.zeros((kh, O, len(lot.pairs) * width), w.dtype)
        for h in input_rows:
            seen_by, through = meetings.of(h, 0, H_out)
            if seen_by:
                for column, (out, into) in zip(columns, lot.pairs, strict=True):
                    column[:, out.start - lot.served.start : out.stop - lot.served.start] = rows[h][channels, into]
                seeing = seen[seen_by].reshape(-1, W_out * N)[:, N * lot.served.start : N * lot.served.stop]
                total[through] += (seeing @ columns.reshape(total.shape[2], -1).T).reshape(-1, *total.shape[1:])
        return total

    def write_into_w(total: np.ndarray, lot: Lot, channels: slice) -> None:
        for place, row in enumerate(meetings.order):
            w[:, channels, row, lot.places] = total[place].reshape(O, len(lot.pairs), -1).swapaxes(1, 2)

    def share_of_rows(first: int, last: int) -> None:
        totals[first] = [total_of(lot, slice(0, C), range(first, last)) for lot in lots]

    def share_of_columns(first: int, last: int) -> None:  # of the (kw C) columns of K
        for lot in lots:
            # The lot's columns of the kernel stay together; what is cut, if it is, are the channels.
            edges = [(edge - C * lot.places.start) / len(lot.pairs) for edge in (first, last)]
            start, stop = (min(max(ceil(edge), 0), C) for edge in edges)
            if start < stop:
                channels = slice(start, stop)
                write_into_w(total_of(lot, channels, range(H)), lot, channels)

    if C < MANY_CHANNELS:
        share(share_of_rows, H, g.size * C * kh * kw)
        for lot, total, *others in zip(lots, *(totals[first] for first in sorted(totals)), strict=True):
            for other in others:
                total += other
            write_into_w(total, lot, slice(0, C))
    else:
        share(share_of_columns, kw * C, g.size * C * kh * kw)
    return w


def as_matrix(w: np.ndarray, order: list[int], columns: Sequence[slice] = (slice(None),)) -> np.ndarray:
    """The kernel (O, C, kh, kw) as K (kh, O, kw C): its rows in ``order``, its columns as the slices take them."""
    O, C, kh, kw = w.shape
    matrix = np.empty((kh, O, sum(len(range(*some.indices(kw))) for some in columns), C), w.dtype)
    for place, row in enumerate(order):
        start = 0
        for some in columns:
            part = w[:, :, row, some].swapaxes(1, 2)
            matrix[place, :, start : start + part.shape[1]] = part
            start += part.shape[1]
    return matrix.reshape(kh, O, matrix.shape[2] * C)
