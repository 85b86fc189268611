"""Who meets whom in a convolution by rows: rows of the image and of the output, columns of the kernel and pixels.

At the upper and lower edge fewer output rows see an input row; then some rows of the kernel's matrix K are left out, so
nothing is multiplied by the padding's zeros. With a stride of s from row to row, an input row meets every s-th row of
the kernel only: K has its rows sorted by their remainder, and those that are wanted lie together again. In the other
direction, pixels that lie s from each other are reached by the same columns of the kernel.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np

from tinygen.kernels.windows import CACHE_SIZE, taps

MANY_CHANNELS = 48  # from here on, a column of the kernel by itself is enough for a product


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


class Lot(NamedTuple):
    """Columns of the kernel that are multiplied together."""

    places: slice  # where they stand among the columns that were given
    pairs: list[tuple[slice, slice]]  # for each: the output pixels it serves, and the input pixels it sees
    served: slice  # the output pixels that any of them serves

    @classmethod
    @lru_cache(maxsize=CACHE_SIZE)
    def of(cls, columns: int, size: int, seen: int, stride: int, padding: int, channels: int) -> tuple["Lot", ...]:
        """All columns of the kernel, for input rows of ``size`` and output rows of ``seen`` pixels."""
        return tuple(cls.among(taps(size, seen, columns, stride, padding), channels))

    @classmethod
    def among(cls, pairs: list[tuple[slice, slice]], channels: int) -> list["Lot"]:
        """The columns whose ``pairs`` are given, in lots: with many channels, those next to each other that serve the
        same pixels, else all. Without those lots that meet nothing but padding."""
        lots, start = [], 0
        for _, lot in groupby(pairs, key=lambda pair: channels < MANY_CHANNELS or (pair[0].start, pair[0].stop)):
            some = list(lot)
            served = [out for out, _ in some if out.start < out.stop]
            if served:
                reach = slice(min(out.start for out in served), max(out.stop for out in served))
                lots.append(cls(slice(start, start + len(some)), some, reach))
            start += len(some)
        return lots


class Echo(NamedTuple):
    """What comes back to input pixels that lie one stride from each other: the same columns of the kernel reach them
    all."""

    pixels: slice
    columns: slice
    heard: list[slice]  # for each column the output pixels, counted with a margin, from which it reaches the pixels

    @classmethod
    def of(cls, first: int, size: int, kernel_columns: int, stride: int, padding: int) -> "Echo":
        """The echo at the pixels ``first``, ``first + stride``, ... of ``size``."""
        reach, count = first + padding, -(-(size - first) // stride)
        columns = slice(reach % stride, kernel_columns, stride)
        heard = []
        for column in range(kernel_columns)[columns]:
            start = margin(kernel_columns, stride, padding) + (reach - column) // stride
            heard.append(slice(start, start + count))
        return cls(slice(first, None, stride), columns, heard)

    def add_up(self, brought: Iterator[np.ndarray], total: np.ndarray) -> None:
        """Fill ``total`` (C, pixels, N) with the sum of what the columns ``brought``, each (C, W_out and margins, N):
        two in one passage, more in an array of their own first, for with a stride ``total`` lies in short lines."""
        match [copy[:, pixels] for pixels, copy in zip(self.heard, brought, strict=False)]:
            case []:
                total[...] = 0
            case [only]:
                total[...] = only
            case [first, second]:
                np.add(first, second, out=total)
            case [first, second, *others]:
                added = first + second
                for other in others:
                    added += other
                total[...] = added


class Turn(NamedTuple):
    """What the adjoint in x does of an input row in one go: all echoes of it, or with many channels one."""

    echoes: list[Echo]
    pixels: slice  # that they reach
    columns: int  # of the kernel, how many the echoes want
    lots: list[Lot]

    @classmethod
    @lru_cache(maxsize=CACHE_SIZE)
    def of(cls, columns: int, size: int, seen: int, stride: int, padding: int, channels: int) -> tuple["Turn", ...]:
        """The turns for input rows of ``size`` and output rows of ``seen`` pixels, by a kernel of so many columns."""
        pairs, turns = taps(size, seen, columns, stride, padding), []
        echoes = [Echo.of(first, size, columns, stride, padding) for first in range(min(stride, size))]
        for some in [[echo] for echo in echoes] if channels >= MANY_CHANNELS else [echoes]:
            wanted = [pair for echo in some for pair in pairs[echo.columns]]
            reached = some[0].pixels if len(some) == 1 else slice(None)
            turns.append(cls(some, reached, len(wanted), Lot.among(wanted, channels)))
        return tuple(turns)


def margin(kernel_columns: int, stride: int, padding: int) -> int:
    """How many pixels left of the first output pixel the first input pixels may listen for an echo."""
    return max(0, -((padding - kernel_columns + 1) // stride))
