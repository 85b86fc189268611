"""Normalisation of channels: their mean and variance over all other axes, and what is made of the two.

Whatever order a batch (N, C, ...) has in memory, if it is dense the axes before the channels' run together there, and
so do those after. Seen as (before, C, after), as all kernels here see it, a channel's numbers lie in long straight
lines, and what belongs to a channel stands beside them as (C, 1), or repeated along them if they are short. The threads
share out the first axis, for sums only of large arrays: the BLAS adds up a million numbers in the time that it takes to
hand half of them to a thread.
"""

import math
import weakref
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu.parallel import parallel
from tinygen.kernels.elementwise import BLOCK, CHEAP_WORTH_SHARING
from tinygen.kernels.windows import CACHE_SIZE

SUMS_WORTH_SHARING = 2_000_000  # elements; sums write nothing and are soon done
SHORT = 1024  # numbers; a line of fewer is short: see ``_beside``
DISTANCE = 8  # of a mean from 0 in standard deviations, from which on sums of distances from it are needed


def moments(x: Array) -> tuple[Array, Array]:
    """The mean and the variance of each channel of x (N, C, ...): two arrays (C,).

    The variance is mean(x^2) - mean(x)^2, from one passage through memory. Where little is left of that difference,
    two digits of seven or more are lost, so on a CPU, which can look without waiting, it is then computed of the
    distances from the mean; elsewhere always.
    """
    x = View.of(x).see(x)
    share, dtype = x.shape[1] / x.size, x.dtype
    if is_numpy(x):
        mean, square = _added(lambda x: _sums((x, None), (x, x)), x) * share
        variance = square - mean * mean
        if (variance * DISTANCE**2 >= square).all():
            return mean.astype(dtype), variance.astype(dtype)
    else:
        (mean,) = _sums((x, None)) * share
    mean = mean.astype(dtype)
    (variance,) = _added(lambda x: _sums((d := x - mean[:, None], d)), x, in_blocks=True) * share
    return mean, variance.astype(dtype)


class Statistics:
    """What normalisation knows of the channels of an x: their ``mean`` and their ``scale``, 1 / s, both (C,).

    It also keeps the two sums of a gradient with them, which three derivatives want, as long as one reverse walk lasts:
    in a walk no gradient changes.
    """

    def __init__(self, mean: Array, scale: Array) -> None:
        self.mean, self.scale = mean, scale
        self._kept: tuple[object, Callable[[], Array | None], Callable[[], Array | None], Array] | None = None

    @cached_property
    def lie_around_zero(self) -> bool:
        """Whether no mean is so far from 0 that sum(g x) and mean sum(g) would be much alike. Nobody looks on a GPU,
        for the host would have to wait."""
        return is_numpy(self.mean) and bool((abs(self.mean) * self.scale < DISTANCE).all())

    def sums(self, g: Array, x: Array, walk: object) -> Array:
        """``sum(g)`` and ``sum(g y)`` with ``y = (x - mean) scale``, over each channel: (2, C), the lines of an array
        added up in double precision. ``walk``: what stands for the reverse walk in which they are wanted, if any."""
        if self._kept is not None:
            when, of_g, of_x, sums = self._kept
            if walk is not None and when is walk and of_g() is g and of_x() is x:
                return sums
        sums = _sums_of_product(g, x, self)
        self._kept = walk, weakref.ref(g), weakref.ref(x), sums
        return sums


def normalise(x: Array, weight: Array, bias: Array, channels: Statistics) -> Array:
    """``weight (x - mean) scale + bias`` per channel: x (N, C, ...), weight and bias (C,)."""
    view = View.of(x)
    x = view.see(x)
    slope = weight * channels.scale
    slope, height = _beside(x, slope, bias - channels.mean * slope)

    def work(y: Array, x: Array) -> None:
        array_module(x).multiply(x, slope, out=y)
        y += height

    return view.back(_filled(work, x))


def normalised_sums(g: Array, x: Array, channels: Statistics, walk: object = None) -> Array:
    """``sum(g)`` and ``sum(g y)`` with ``y = (x - mean) scale``, over a channel: g and x (N, C, ...) -> (2, C)."""
    return channels.sums(g, x, walk).astype(np.result_type(g.dtype, x.dtype))


def normalise_product(g: Array, x: Array, weight: Array, channels: Statistics, walk: object = None) -> Array:
    """``weight scale (g - mean(g) - y mean(g y))`` with ``y = (x - mean) scale``, the means those of a channel: g and x
    (N, C, ...), weight (C,)."""
    level, along = channels.sums(g, x, walk) * (-x.shape[1] / x.size)  # the two means, to be added
    along *= channels.scale
    view = View.of(x)
    x, g = view.see(x), view.see(g)
    along, height, slope = _beside(x, along, level - along * channels.mean, weight * channels.scale)

    def work(y: Array, x: Array, g: Array) -> None:
        array_module(x).multiply(x, along, out=y)
        y += g
        y += height
        y *= slope

    return view.back(_filled(work, x, g))


def _sums_of_product(g: Array, x: Array, channels: Statistics) -> Array:
    """``sum(g)`` and ``sum(g (x - mean) scale)``: (2, C)."""
    view, mean = View.of(x), channels.mean
    x, g = view.see(x), view.see(g)
    if channels.lie_around_zero:
        sums = _added(lambda x, g: _sums((g, None), (x, g)), x, g)
        sums[1] -= mean * sums[0]
    else:
        sums = _added(lambda x, g: _sums((g, None), (x - mean[:, None], g)), x, g, in_blocks=True)
    sums[1] *= channels.scale
    return sums


# Ways through memory -------------------------------------------------------------------------------------------------


class View(NamedTuple):
    """The ways from the shape of an x (N, C, ...) to (before, C, after), and back."""

    order: tuple[int, ...]  # of the axes, as they are seen
    shape: tuple[int, ...]  # in that order
    seen: tuple[int, int, int]
    back_again: tuple[int, ...]

    @classmethod
    def of(cls, x: Array) -> "View":
        """In the order in which x lies in memory, if it is dense there, so that nothing is copied."""
        return cls.of_layout(x.shape, x.strides, x.itemsize)

    @classmethod
    @lru_cache(maxsize=CACHE_SIZE)
    def of_layout(cls, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> "View":
        axes = range(len(shape))
        order = sorted(axes, key=lambda axis: -strides[axis])
        if not _are_dense([shape[axis] for axis in order], [strides[axis] for axis in order], itemsize):
            order = list(axes)
        ordered, place = tuple([shape[axis] for axis in order]), order.index(1)
        seen = math.prod(ordered[:place]), shape[1], math.prod(ordered[place + 1 :])
        return cls(tuple(order), ordered, seen, tuple([order.index(axis) for axis in axes]))

    def see(self, x: Array) -> Array:
        """x, of the shape that this view is for, as (before, C, after)."""
        return x.transpose(self.order).reshape(self.seen)

    def back(self, seen: Array) -> Array:
        """What was seen as (before, C, after) in its own shape again."""
        return seen.reshape(self.shape).transpose(self.back_again)


def _are_dense(shape: list[int], strides: list[int], itemsize: int) -> bool:
    """Whether such an array lies in memory without gaps, in C's order; strides along axes of length 1 mean nothing."""
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length != 1 and stride != itemsize:
            return False
        itemsize *= length
    return True


def _beside(x: Array, *numbers: Array) -> list[Array]:
    """``numbers``, each (C,), to stand beside x (before, C, after). NumPy begins anew with each line, which takes it
    100 ns; so if they are short, each number is repeated for its whole line: then it begins anew with each row of
    lines."""
    if is_numpy(x) and len(x) > 1 and x.shape[2] < SHORT:
        return [np.repeat(each.astype(x.dtype), x.shape[2]).reshape(x.shape[1:]) for each in numbers]
    return [each.astype(x.dtype)[:, None] for each in numbers]


def _sums(*pairs: tuple[Array, Array | None]) -> Array:
    """For each of ``pairs``, x and y (before, C, after), the sum of x y over each channel, of x where y is None:
    (pairs, C). In double precision, for lines may be many, one after another; by ``reduce``, for ``sum`` takes as long
    again to look for its options."""
    first = pairs[0][0]
    xp = array_module(first)
    lines = xp.empty((len(pairs), *first.shape[:2]), first.dtype)
    for line, (x, y) in zip(lines, pairs, strict=True):
        if xp is np:
            np.vecdot(x, _ones(x.shape[2], x.dtype) if y is None else y, out=line)
        else:
            (x if y is None else x * y).sum(axis=2, out=line)
    return xp.add.reduce(lines, axis=1, dtype="float64")


@lru_cache(maxsize=CACHE_SIZE)
def _ones(count: int, dtype: np.dtype) -> np.ndarray:
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones


def _added(function: Callable[..., Array], *arrays: Array, in_blocks: bool = False) -> Array:
    """The sums that ``function`` makes of ``arrays`` (before, C, after). ``in_blocks``: it computes new arrays, so let
    the threads share them out, and on a CPU keep them in the cache."""
    first = arrays[0]
    if not (in_blocks or first.size >= SUMS_WORTH_SHARING):
        return function(*arrays)
    lines = _lines_of_block(first) if in_blocks else len(first)
    parts: dict[int, Array] = {}

    def work(start: int, stop: int) -> None:
        for line in range(start, stop, lines):
            parts[line] = function(*(array[line : min(line + lines, stop)] for array in arrays))

    _share(work, first, CHEAP_WORTH_SHARING if in_blocks else SUMS_WORTH_SHARING)
    return sum(parts[line] for line in sorted(parts))


def _lines_of_block(x: Array) -> int:
    """How many lines of x (before, C, after) fit the cache; off the CPU, all."""
    return max(1, BLOCK * len(x) // max(1, x.size)) if is_numpy(x) else max(1, len(x))


def _filled(function: Callable[..., object], *arrays: Array) -> Array:
    """A new array like the first of ``arrays``, filled by ``function(new, *arrays)``, on a CPU some lines at a time, so
    that what one step of the function leaves is still in the cache for the next."""
    new = array_module(arrays[0]).empty(arrays[0].shape, np.result_type(*[array.dtype for array in arrays]))
    lines = _lines_of_block(new)

    def work(first: int, last: int) -> None:
        for start in range(first, last, lines):
            function(*(array[start : min(start + lines, last)] for array in (new, *arrays)))

    _share(work, new, CHEAP_WORTH_SHARING)
    return new


def _share(work: Callable[[int, int], None], x: Array, least: int) -> None:
    parallel(work, len(x), when=is_numpy(x) and x.size >= least)
