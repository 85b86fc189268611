"""Convolution on a CPU without a matrix of patches.

In memory images lie as (H, C, W, N), the batch innermost. Then the kh input rows that an output row needs lie one
behind the other, and for one kernel column they are a plain matrix, (kh C) rows of (W_out N) numbers, a view. A
convolution is kw products of matrices over such overlapping views, added up:

    y[r] = sum over t of  U_t (O, kh C)  @  X[r : r + kh] (kh C, W_out N), beginning at column t

With a stride of s the columns are dealt into s piles first (column s w + p of the image becomes column w of pile p) and
the piles are stacked as channels: what is left is a convolution of stride 1 along the row, with ceil(kw / s) steps.
Where an image has few channels the products would be thin, so every kernel column gets a pile of its own and one
product does it all.

Zeros of the padding are laid beside the rows, never above or below: rows outside the image are left out of the product.
The adjoint in x is a convolution again, one for each phase of the stride; the adjoint in w multiplies the same views
with the output's gradient. Operands that begin on a cache line, in blocks of columns that the BLAS multiplies without
repacking, run fastest; the rows are shared out to the threads.
"""

import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygen.backend import parallel
from tinygen.kernels.products import matmul

Pair = tuple[int, int]  # (vertical, horizontal)

FEW_CHANNELS = 8  # below, of input or output, a product per kernel column is too thin
CACHE_LINE = 64  # bytes
IN_CACHE = 1 << 18  # bytes of output rows that are worked on together
WITHOUT_PACKING = 1_000_000  # multiplications up to which the BLAS works on the operands where they lie


def lay(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) in any order -> contiguous (H, C, W, N); a view if it lies so already."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0))


def images(y: np.ndarray) -> np.ndarray:
    """(H, C, W, N) -> (N, C, H, W), a view."""
    return y.transpose(3, 1, 0, 2)


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array that begins on a cache line: the BLAS multiplies such operands up to twice as fast."""
    size = math.prod(shape) * dtype.itemsize
    room = np.empty(size + CACHE_LINE, np.uint8)
    return room[-room.ctypes.data % CACHE_LINE :][:size].view(dtype).reshape(shape)


@dataclass
class Rows:
    """The rows of an image, columns in piles: ``data`` (H, piles C, width N and a gap); a kernel's way over them."""

    data: np.ndarray
    batch: int
    piles: int
    steps: int

    @classmethod
    def of(cls, x: np.ndarray, columns: int, stride: int, left: int, width: int) -> "Rows":
        """Deal out x (H, C, W, N) for ``width`` output columns and a kernel of ``columns`` columns, of which the first
        meets column -``left`` of the image at first."""
        H, C, W, N = x.shape
        piles = columns if C < FEW_CHANNELS else min(stride, columns)
        steps = 1 if piles == columns else -(-columns // stride)
        length = width + steps - 1
        # Rows a multiple of 1024 bytes apart would share a fraction of the cache: a gap of a cache line prevents it.
        line = CACHE_LINE // x.itemsize
        room = aligned((H, piles, C, (-(-length * N // line) + 1) * line), x.dtype)
        data = room[..., : length * N].reshape(H, piles, C, length, N)

        def deal(first: int, last: int) -> None:
            for pile in range(piles):
                before = max(0, -(-(left - pile) // stride))  # columns of the pile that lie left of the image
                start = stride * before + pile - left
                count = max(0, min(length - before, -(-(W - start) // stride)))
                part = data[first:last, pile]
                part[:, :, :before] = 0
                part[:, :, before : before + count] = x[first:last, :, start : start + stride * count : stride]
                part[:, :, before + count :] = 0

        parallel(deal, H, minimum=4)
        return cls(room.reshape(H, piles * C, -1), N, piles, steps)

    def windows(self, height: int, step: int, columns: int, block: int) -> np.ndarray:
        """What ``height`` rows from each row on show to the kernel's ``step``: (H - height + 1, columns / block, height
        piles C, block), overlapping views; ``columns`` counts output columns times N."""
        H, depth, along = self.data.shape
        number = self.data.itemsize
        shape = (H - height + 1, columns // block, height * depth, block)
        strides = (depth * along * number, block * number, along * number, number)
        return as_strided(self.data[:, :, step * self.batch :], shape, strides, writeable=False)


def block_of(columns: int, multiplications: int) -> int:
    """The widest equal parts of ``columns`` whose product, of so many multiplications a column, needs no packing; parts
    of whole cache lines if there are such, so that each of them begins on one."""
    widest = max(1, WITHOUT_PACKING // multiplications)
    equal = [columns // parts for parts in range(1, columns + 1) if columns % parts == 0]
    fitting = [width for width in equal if min(32, columns) <= width <= widest]
    return max(fitting, key=lambda width: (width % 16 == 0, width), default=columns)


def as_steps(w: np.ndarray, rows: Rows) -> np.ndarray:
    """The kernel (O, C, kh, kw) as a matrix for each step, (steps, O, kh, piles C); columns beyond kw are 0."""
    O, C, kh, kw = w.shape
    missing = rows.steps * rows.piles - kw
    if missing:
        w = np.concatenate([w, np.zeros((O, C, kh, missing), w.dtype)], axis=3)
    w = w.reshape(O, C, kh, rows.steps, rows.piles).transpose(3, 0, 2, 4, 1)  # (steps, O, kh, piles, C)
    matrices = aligned(w.shape, w.dtype)
    matrices[...] = w
    return matrices.reshape(rows.steps, O, kh, rows.piles * C)


def correlate(x: Rows, w: np.ndarray, bias: np.ndarray | None, out: np.ndarray, stride: int, top: int) -> None:
    """out[r, :, c] = bias + sum over i, j of w[:, :, i, j] x[stride r + i - top, :, column j from c], as the piles have
    it; out (H_out, O, W_out, N) may be a strided view."""
    H_out, O, W_out, N = out.shape
    H = len(x.data)
    kernel = as_steps(w, x)
    steps, _, kh, depth = kernel.shape
    columns = W_out * N
    block = block_of(columns, O * kh * depth)
    together = max(1, IN_CACHE // (O * columns * out.itemsize))  # output rows
    in_place = out.flags.c_contiguous

    def rows(first: int, last: int, skip: int, end: int) -> None:
        """Output rows that meet the kernel's rows ``skip`` to ``end``, all of them within the image."""
        matrices = kernel[:, :, skip:end].reshape(steps, O, -1)
        views = [x.windows(end - skip, step, columns, block) for step in range(steps)]
        scratch = aligned((2, together, O, columns), out.dtype)
        for r in range(first, last, together):
            count = min(together, last - r)
            start = stride * r - top + skip
            total = out[r : r + count].reshape(count, O, columns) if in_place else scratch[0, :count]
            part = scratch[1, :count]
            for step in range(steps):
                target = part if step else total
                met = views[step][start : start + stride * count : stride]
                np.matmul(matrices[step], met, out=target.reshape(count, O, -1, block).swapaxes(1, 2))
                if step:
                    np.add(total, part, out=total)
            if bias is not None:
                np.add(total, bias[:, None], out=total)
            if not in_place:
                out[r : r + count] = total.reshape(count, O, W_out, N)

    def work(first: int, last: int) -> None:
        def kernel_rows(r: int) -> Pair:
            return max(0, top - stride * r), min(kh, H + top - stride * r)

        for (skip, end), group in groupby(range(first, last), kernel_rows):
            members = list(group)
            if skip < end:
                rows(members[0], members[-1] + 1, skip, end)
            else:
                out[members[0] : members[-1] + 1] = 0 if bias is None else bias[:, None, None]

    parallel(work, H_out)


def add_maps(x: np.ndarray, w: np.ndarray, out: np.ndarray, padding: Pair) -> None:
    """A convolution of stride 1 with few output channels: multiply each row of x (H, C, W, N) with all of the kernel
    at once, which gives a map for each of its elements, and add the maps up where they belong in out (H_out, O, W_out,
    N). A product for each output row would be too thin."""
    (O, C, kh, kw), (H, _, W, N), (H_out, _, W_out, _) = w.shape, x.shape, out.shape
    kernel = np.ascontiguousarray(w.transpose(2, 3, 0, 1)).reshape(-1, C)
    overlaps = [(j, max(0, padding[1] - j), min(W_out, W + padding[1] - j)) for j in range(kw)]

    def work(first: int, last: int) -> None:
        out[first:last] = 0
        for h in range(max(0, first - padding[0]), min(H, last - padding[0] + kh - 1)):
            maps = (kernel @ x[h].reshape(C, -1)).reshape(kh, kw, O, W, N)
            for i in range(kh):
                r = h + padding[0] - i
                if first <= r < last:
                    for j, start, end in overlaps:
                        out[r, :, start:end] += maps[i, j, :, start + j - padding[1] : end + j - padding[1]]

    parallel(work, H_out)


def conv2d(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), w (O, C, kh, kw), bias (O,) or None -> (N, O, H_out, W_out)."""
    (N, C, H, W), (O, _, kh, kw) = x.shape, w.shape
    if (H, W, padding) == (kh, kw, (0, 0)):
        return _with_bias(_see_all(x, w), bias)
    if _from_one_pixel((H, W), (kh, kw), stride, padding):
        return _with_bias(_see_all_adjoint_x(x, _turned(w)), bias)
    H_out, W_out = (H + 2 * padding[0] - kh) // stride[0] + 1, (W + 2 * padding[1] - kw) // stride[1] + 1
    y = aligned((H_out, O, W_out, N), np.result_type(x, w))
    if O < FEW_CHANNELS <= C and stride == (1, 1):
        add_maps(lay(x), w, y, padding)
        return images(y if bias is None else y + bias[:, None, None])
    rows = Rows.of(lay(x), kw, stride[1], padding[1], W_out)
    correlate(rows, w, bias, y, stride[0], padding[0])
    return images(y)


def conv2d_adjoint_x(
    g: np.ndarray, w: np.ndarray, size: Pair, stride: Pair, padding: Pair, bias: np.ndarray | None
) -> np.ndarray:
    """g (N, O, H_out, W_out), w (O, C, kh, kw) -> (N, C, H, W): a convolution of stride 1 for each phase.

    Pixel s r + a of x meets the kernel's rows a + p, a + p - s, ... only, at the output's rows r, r + 1, ...: so the
    pixels of one phase are the output convolved with those rows of the kernel, turned round.
    """
    N, (_, C, kh, kw), (H, W) = len(g), w.shape, size
    if (H, W, padding) == (kh, kw, (0, 0)):
        return _with_bias(_see_all_adjoint_x(g, w), bias)
    if _from_one_pixel((H, W), (kh, kw), stride, padding):
        return _with_bias(_see_all(g, _turned(w)), bias)
    x = aligned((H, C, W, N), np.result_type(g, w))
    laid, turned = lay(g), w.swapaxes(0, 1)
    for b in range(min(stride[1], W)):
        column, right = (b + padding[1]) % stride[1], (b + padding[1]) // stride[1]
        columns = len(range(column, kw, stride[1]))
        width = len(range(b, W, stride[1]))
        rows = Rows.of(laid, columns, 1, columns - 1 - right, width) if columns else None
        for a in range(min(stride[0], H)):
            row, below = (a + padding[0]) % stride[0], (a + padding[0]) // stride[0]
            phase = x[a :: stride[0], :, b :: stride[1]]
            part = turned[:, :, row :: stride[0], column :: stride[1]][:, :, ::-1, ::-1]
            if rows is None or part.size == 0:
                phase[...] = 0 if bias is None else bias[:, None, None]
            else:
                correlate(rows, part, bias, phase, 1, part.shape[2] - 1 - below)
    return images(x)


def conv2d_adjoint_w(x: np.ndarray, g: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """x (N, C, H, W), g (N, O, H_out, W_out) -> (O, C, kh, kw)."""
    (kh, kw), C, (N, O, H_out, W_out) = kernel_size, x.shape[1], g.shape
    if (x.shape[2:], padding) == ((kh, kw), (0, 0)):
        return _see_all_adjoint_w(x, g)
    if _from_one_pixel(x.shape[2:], (kh, kw), stride, padding):
        return _turned(_see_all_adjoint_w(g, x))
    if O < FEW_CHANNELS <= C and stride == (1, 1) and padding[0] < kh and padding[1] < kw:
        # Few output channels: let the output's gradient run over the image instead, the kernel turned round.
        return _turned(conv2d_adjoint_w(g, x, kernel_size, stride, (kh - 1 - padding[0], kw - 1 - padding[1])))
    laid = lay(g)
    rows = Rows.of(lay(x), kw, stride[1], padding[1], W_out)
    H, depth, columns = len(rows.data), rows.data.shape[1], W_out * N
    totals: dict[int, np.ndarray] = {}  # by first row, so that they are added up in one order, whoever is first

    def work(first: int, last: int) -> None:
        total = np.zeros((rows.steps, kh, depth, O), np.result_type(x, g))
        for r in range(first, last):
            start = stride[0] * r - padding[0]
            skip, end = max(0, -start), min(kh, H - start)
            if skip < end:
                pixels = laid[r].reshape(O, columns).T
                for step in range(rows.steps):
                    view = rows.windows(end - skip, step, columns, columns)[start + skip, 0]
                    total[step, skip:end] += (view @ pixels).reshape(end - skip, depth, O)
        totals[first] = total

    parallel(work, H_out)
    w = np.sum([totals[first] for first in sorted(totals)], axis=0)
    w = w.reshape(rows.steps, kh, rows.piles, C, O).transpose(4, 3, 1, 0, 2)  # (O, C, kh, steps, piles)
    return np.ascontiguousarray(w).reshape(O, C, kh, -1)[..., :kw]


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
