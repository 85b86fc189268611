"""Convolution on a CPU: one row of the image at a time.

In memory images lie as (H, C, W, N), the batch innermost, so rows that follow one another are one matrix. Take a row of
the input and lay out what each of the kernel's columns meets of it, kw copies that are shifted: a matrix of (kw C) rows
and (W_out N) columns, ``columns(X[h])``. Take the kernel with its rows upside down, one below the other: a matrix K
(kh O, kw C). The kh output rows that see the input row, Y[r : r + kh] with r = h - kh + 1, lie one below the other as
well, (kh O, W_out N), and in K's order. So the whole triad is one product for each input row, with no patches:

    conv2d              Y[r : r + kh]   +=  K  @  columns(X[h])
    its adjoint in w    K               +=  Y[r : r + kh]  @  columns(X[h])^T
    its adjoint in x    columns(X[h])    =  K^T  @  Y[r : r + kh],  and the shifted copies are added up

At the upper and lower edge fewer output rows see the input row; then some rows of K are left out, so nothing is
multiplied by the padding's zeros. With a stride of s from row to row, an input row meets every s-th row of the kernel
only: K has its rows sorted by their remainder, and those that are wanted lie together again.

Matrix products reach the processor's speed when no side of theirs is short. Where the channels are so few that kw C or
kh O would be, the rows of the kernel are stacked as channels first, a copy of the image for each.
"""

from collections.abc import Callable

import numpy as np

from tinygen.backend import parallel
from tinygen.kernels.products import matmul
from tinygen.kernels.windows import images, lay, taps

Pair = tuple[int, int]  # (vertical, horizontal)

FEW_CHANNELS = 8  # below, of input or output, the products are too thin
WORTH_SHARING = 2_000_000  # multiplications: some 50 microseconds of a core


def conv2d(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, C, H, W), (O, _, kh, kw) = x.shape, w.shape
    if (H, W, padding) == (kh, kw, (0, 0)):
        return _with_bias(_see_all(x, w), bias)
    if _from_one_pixel((H, W), (kh, kw), stride, padding):
        return _with_bias(_see_all_adjoint_x(x, _turned(w)), bias)
    H_out, W_out = (H + 2 * padding[0] - kh) // stride[0] + 1, (W + 2 * padding[1] - kw) // stride[1] + 1
    if C < FEW_CHANNELS and kh > 1:
        stacked = images(_stack_rows(lay(x), kh, H_out, stride[0], padding[0]))
        return conv2d(stacked, _as_one_row(w), bias, (1, stride[1]), (0, padding[1]))
    if _turns_round(O, C, (kh, kw), stride, padding):
        return conv2d_adjoint_x(x, _turned(w), (H_out, W_out), stride, _turned_padding((kh, kw), padding), bias)
    rows, meetings = lay(x), Meetings(kh, H_out, stride[0], padding[0])
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

    _share(work, H_out, y.size * C * kh * kw)
    return images(y.reshape(H_out, O, W_out, N))


def conv2d_adjoint_x(
    g: np.ndarray, w: np.ndarray, size: Pair, stride: Pair, padding: Pair, bias: np.ndarray | None
) -> np.ndarray:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W)."""
    (N, O, H_out, W_out), (_, C, kh, kw), (H, W) = g.shape, w.shape, size
    if (H, W, padding) == (kh, kw, (0, 0)):
        return _with_bias(_see_all_adjoint_x(g, w), bias)
    if _from_one_pixel((H, W), (kh, kw), stride, padding):
        return _with_bias(_see_all(g, _turned(w)), bias)
    if C < FEW_CHANNELS and kh > 1:
        stacked = conv2d_adjoint_x(g, _as_one_row(w), (H_out, W), (1, stride[1]), (0, padding[1]), None)
        return _with_bias(images(_unstack_rows(lay(stacked), kh, H, stride[0], padding[0])), bias)
    if _turns_round(O, C, (kh, kw), stride, padding):
        return conv2d(g, _turned(w), bias, stride, _turned_padding((kh, kw), padding))
    rows, meetings = lay(g).reshape(H_out, O, W_out * N), Meetings(kh, H_out, stride[0], padding[0])
    kernel, pairs = as_matrix(w, meetings.order), taps(W, W_out, kw, stride[1], padding[1])
    x = np.empty((H, C, W, N), np.result_type(g, w))

    def work(first: int, last: int) -> None:
        x[first:last] = 0 if bias is None else bias[:, None, None]
        for h in range(first, last):
            seen_by, through = meetings.of(h)
            if seen_by:
                columns = kernel[through].reshape(-1, kw * C).T @ rows[seen_by].reshape(-1, W_out * N)
                scatter(columns.reshape(kw, C, W_out, N), pairs, x[h])

    _share(work, H, g.size * C * kh * kw)
    return images(x)


def conv2d_adjoint_w(x: np.ndarray, g: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (kh, kw), (N, C, H, W), (_, O, H_out, W_out) = kernel_size, x.shape, g.shape
    if ((H, W), padding) == ((kh, kw), (0, 0)):
        return _see_all_adjoint_w(x, g)
    if _from_one_pixel((H, W), (kh, kw), stride, padding):
        return _turned(_see_all_adjoint_w(g, x))
    if C < FEW_CHANNELS and kh > 1:
        stacked = images(_stack_rows(lay(x), kh, H_out, stride[0], padding[0]))
        w = conv2d_adjoint_w(stacked, g, (1, kw), (1, stride[1]), (0, padding[1]))
        return w.reshape(O, kh, C, kw).swapaxes(1, 2)
    if _turns_round(O, C, (kh, kw), stride, padding):
        return _turned(conv2d_adjoint_w(g, x, (kh, kw), stride, _turned_padding((kh, kw), padding)))
    rows, seen = lay(x), lay(g).reshape(H_out, O, W_out * N)
    meetings, pairs = Meetings(kh, H_out, stride[0], padding[0]), taps(W, W_out, kw, stride[1], padding[1])
    totals: dict[int, np.ndarray] = {}  # by first row, so that they are added up in one order, whoever is first

    def work(first: int, last: int) -> None:
        columns = np.empty((kw, C, W_out, N), x.dtype)
        total = totals[first] = np.zeros((kh, O, kw * C), np.result_type(x, g))
        for h in range(first, last):
            seen_by, through = meetings.of(h)
            if seen_by:
                gather(rows[h], pairs, columns)
                products = seen[seen_by].reshape(-1, W_out * N) @ columns.reshape(kw * C, -1).T
                total[through] += products.reshape(-1, O, kw * C)

    _share(work, H, g.size * C * kh * kw)
    w = np.empty((kh, O, kw, C), np.result_type(x, g))
    w[meetings.order] = np.sum([totals[first] for first in sorted(totals)], axis=0).reshape(kh, O, kw, C)
    return w.transpose(1, 3, 0, 2)


class Meetings:
    """Which rows meet: input row h and output row r through the kernel's row h + padding - stride r.

    ``order`` lists the kernel's rows as they stand in K: by their remainder modulo the stride, each lot upside down.
    """

    def __init__(self, kernel_rows: int, output_rows: int, stride: int, padding: int) -> None:
        self.kernel_rows, self.output_rows, self.stride, self.padding = kernel_rows, output_rows, stride, padding
        self.order = sorted(range(kernel_rows), key=lambda row: (row % stride, -row))

    def of(self, h: int, first: int = 0, last: int | None = None) -> tuple[slice | None, slice]:
        """The output rows from ``first`` to ``last`` that see input row ``h``, None if there are none, and the rows of
        K through which they do."""
        reach = h + self.padding
        start = max(first, -((self.kernel_rows - 1 - reach) // self.stride))
        stop = min(self.output_rows if last is None else last, reach // self.stride + 1)
        if start >= stop:
            return None, slice(0, 0)
        place = self.order.index(reach - self.stride * start)
        return slice(start, stop), slice(place, place + stop - start)


def as_matrix(w: np.ndarray, order: list[int]) -> np.ndarray:
    """The kernel (O, C, kh, kw) as K (kh, O, kw C), its rows in ``order``."""
    O, C, kh, kw = w.shape
    return np.ascontiguousarray(w.transpose(2, 0, 3, 1)[order]).reshape(kh, O, kw * C)


def gather(row: np.ndarray, pairs: list[tuple[slice, slice]], columns: np.ndarray) -> None:
    """Fill ``columns`` (kw, C, W_out, N) with what each column of the kernel meets of ``row`` (C, W, N)."""
    for column, (out, into) in zip(columns, pairs, strict=True):
        column[:, : out.start] = 0
        column[:, out] = row[:, into]
        column[:, out.stop :] = 0


def scatter(columns: np.ndarray, pairs: list[tuple[slice, slice]], row: np.ndarray) -> None:
    """The adjoint of ``gather``: add ``columns`` to the pixels of ``row`` that they were met at."""
    for column, (out, into) in zip(columns, pairs, strict=True):
        row[:, into] += column[:, out]


def _share(work: Callable[[int, int], None], rows: int, multiplications: int) -> None:
    parallel(work, rows, minimum=2 if multiplications >= WORTH_SHARING else rows + 1)


# Few channels. Of the input: the rows of the kernel become channels, and it keeps a single row. Of the output: the map
# is the adjoint of a convolution with few input channels, the kernel turned round (with a stride of 1).


def _as_one_row(w: np.ndarray) -> np.ndarray:
    """(O, C, kh, kw) -> (O, kh C, 1, kw)."""
    O, C, kh, kw = w.shape
    return w.swapaxes(1, 2).reshape(O, kh * C, 1, kw)


def _stack_rows(x: np.ndarray, kh: int, H_out: int, stride: int, padding: int) -> np.ndarray:
    """(H, C, W, N) -> (H_out, kh C, W, N): for each output row the rows that the kernel's rows meet."""
    H, C, W, N = x.shape
    stacked = np.zeros((H_out, kh, C, W, N), x.dtype)
    for i, (out, into) in enumerate(taps(H, H_out, kh, stride, padding)):
        stacked[out, i] = x[into]
    return stacked.reshape(H_out, kh * C, W, N)


def _unstack_rows(stacked: np.ndarray, kh: int, H: int, stride: int, padding: int) -> np.ndarray:
    """The adjoint of ``_stack_rows``: (H_out, kh C, W, N) -> (H, C, W, N)."""
    H_out, depth, W, N = stacked.shape
    x = np.zeros((H, depth // kh, W, N), stacked.dtype)
    stacked = stacked.reshape(H_out, kh, -1, W, N)
    for i, (out, into) in enumerate(taps(H, H_out, kh, stride, padding)):
        x[into] += stacked[out, i]
    return x


def _turns_round(O: int, C: int, kernel_size: Pair, stride: Pair, padding: Pair) -> bool:
    return O < FEW_CHANNELS <= C and stride == (1, 1) and all(padding[a] < kernel_size[a] for a in (0, 1))


def _turned_padding(kernel_size: Pair, padding: Pair) -> Pair:
    return kernel_size[0] - 1 - padding[0], kernel_size[1] - 1 - padding[1]


# A kernel as large as its image meets it once, and the whole triad is matrix products; and a convolution that spreads
# one pixel over a whole image is the adjoint of such a one, with the kernel turned round.


def _see_all(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x (N, C, kh, kw), w (O, C, kh, kw) -> (N, O, 1, 1)."""
    y = matmul(w.reshape(len(w), -1), np.ascontiguousarray(x.transpose(1, 2, 3, 0)).reshape(-1, len(x)))
    return y.T.reshape(len(x), len(w), 1, 1)


def _see_all_adjoint_x(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    """g (N, O, 1, 1), w (O, C, kh, kw) -> (N, C, kh, kw)."""
    _, C, kh, kw = w.shape
    x = matmul(w.reshape(len(w), -1).T, g.reshape(len(g), -1).T)  # (C kh kw, N)
    return images(np.ascontiguousarray(x.reshape(C, kh, kw, -1).transpose(1, 0, 2, 3)))


def _see_all_adjoint_w(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """x (N, C, kh, kw), g (N, O, 1, 1) -> (O, C, kh, kw)."""
    w = matmul(g.reshape(len(g), -1).T, np.ascontiguousarray(x.transpose(1, 2, 3, 0)).reshape(-1, len(x)).T)
    return w.reshape(-1, *x.shape[1:])


def _from_one_pixel(size: Pair, kernel_size: Pair, stride: Pair, padding: Pair) -> bool:
    return (*size, *stride) == (1, 1, 1, 1) and padding == (kernel_size[0] - 1, kernel_size[1] - 1)


def _turned(w: np.ndarray) -> np.ndarray:
    """The kernel turned by 180 degrees, its channels exchanged."""
    return np.ascontiguousarray(w[:, :, ::-1, ::-1].swapaxes(0, 1))


def _with_bias(y: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    return y if bias is None else y + bias[:, None, None]
