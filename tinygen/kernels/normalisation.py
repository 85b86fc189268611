"""Normalisation of channels: their mean and variance over all other axes, and what is made of the two.

Whatever order a batch (N, C, ...) has in memory, if it is dense the axes before the channels' run together there, and
so do those after. Seen as (before, C, after), as all kernels here see it, a channel's numbers lie in long straight
lines, and what belongs to a channel stands beside them as (C, 1), or repeated along them if they are short. The threads
share out the first axis, for sums only of large arrays: the BLAS adds up a million numbers in the time that it takes to
hand half of them to a thread.
"""

import math
import weakref
from collections.abc import Callable, Sequence

import numpy as np

from tinygen.backend import Array, array_module, is_numpy, parallel
from tinygen.kernels.elementwise import BLOCK, CHEAP_WORTH_SHARING

SUMS_WORTH_SHARING = 2_000_000  # elements; sums write nothing and are soon done
SHORT = 1024  # numbers; a line of fewer is short: see ``_beside``
DISTANCE = 8  # of a mean from 0 in standard deviations, from which on sums of distances from it are needed


def moments(x: Array) -> tuple[Array, Array]:
    """The mean and the variance of each channel of x (N, C, ...): two arrays (C,).

    The variance is mean(x^2) - mean(x)^2, from one passage through memory. Where little is left of that difference,
    two digits of seven or more are lost, so on a CPU, which can look without waiting, it is then computed of the
    distances from the mean; elsewhere always.
    """
    see, _ = _views(x)
    x = see(x)
    count, dtype = x.size // x.shape[1], x.dtype
    if is_numpy(x):
        mean, square = (total / count for total in _added(lambda x: (_sums(x), _products(x, x)), x))
        variance = square - mean * mean
        if (variance * DISTANCE**2 >= square).all():
            return mean.astype(dtype), variance.astype(dtype)
    else:
        mean = _sums(x) / count
    mean = mean.astype(dtype)
    (total,) = _added(lambda x: (_products(d := x - mean[:, None], d),), x, in_blocks=True)
    return mean, (total / count).astype(dtype)


class Statistics:
    """What normalisation knows of the channels of an x: their ``mean`` and their ``scale``, 1 / s, both (C,).

    It also keeps the two sums of a gradient with them, which three derivatives want, as long as one reverse walk lasts:
    in a walk no gradient changes.
    """

    def __init__(self, mean: Array, scale: Array) -> None:
        self.mean, self.scale = mean, scale
        self._kept: tuple[object, Callable[[], Array | None], Callable[[], Array | None], Array] | None = None

    def sums(self, g: Array, x: Array, walk: object) -> Array:
        """``sum(g)`` and ``sum(g y)`` with ``y = (x - mean) scale``, over each channel: (2, C), the lines of an array
        added up in double precision. ``walk``: what stands for the reverse walk in which they are wanted, if any."""
        if self._kept is not None:
            when, of_g, of_x, sums = self._kept
            if walk is not None and when is walk and of_g() is g and of_x() is x:
                return sums
        sums = _sums_of_product(g, x, self.mean, self.scale)
        self._kept = walk, weakref.ref(g), weakref.ref(x), sums
        return sums


def normalise(x: Array, weight: Array, bias: Array, channels: Statistics) -> Array:
    """``weight (x - mean) scale + bias`` per channel: x (N, C, ...), weight and bias (C,)."""
    see, back = _views(x)
    x = see(x)
    slope = weight * channels.scale
    height = _beside(bias - channels.mean * slope, x)
    slope = _beside(slope, x)

    def work(y: Array, x: Array) -> None:
        array_module(x).multiply(x, slope, out=y)
        y += height

    return back(_filled(work, x))


def normalised_sums(g: Array, x: Array, channels: Statistics, walk: object = None) -> Array:
    """``sum(g)`` and ``sum(g y)`` with ``y = (x - mean) scale``, over a channel: g and x (N, C, ...) -> (2, C)."""
    return channels.sums(g, x, walk).astype(np.result_type(g.dtype, x.dtype))


def normalise_product(g: Array, x: Array, weight: Array, channels: Statistics, walk: object = None) -> Array:
    """``weight scale (g - mean(g) - y mean(g y))`` with ``y = (x - mean) scale``, the means those of a channel: g and x
    (N, C, ...), weight (C,)."""
    see, back = _views(x)
    level, along = (channels.sums(g, x, walk) * (x.shape[1] / x.size)).astype(np.result_type(g.dtype, x.dtype))
    x, g = see(x), see(g)
    along *= channels.scale
    height = _beside(along * channels.mean - level, x)
    slope, along = _beside(weight * channels.scale, x), _beside(-along, x)

    def work(y: Array, x: Array, g: Array) -> None:
        array_module(x).multiply(x, along, out=y)
        y += g
        y += height
        y *= slope

    return back(_filled(work, x, g))


def _sums_of_product(g: Array, x: Array, mean: Array, scale: Array) -> Array:
    """``sum(g)`` and ``sum(g (x - mean) scale)``: (2, C)."""
    see, _ = _views(x)
    x, g = see(x), see(g)
    if is_numpy(x) and (abs(mean) * scale < DISTANCE).all():  # else sum(g x) and mean sum(g) would be much alike
        level, along = _added(lambda x, g: (_sums(g), _products(x, g)), x, g)
        along -= mean * level
    else:
        level, along = _added(lambda x, g: (_sums(g), _products(x - mean[:, None], g)), x, g, in_blocks=True)
    along *= scale
    return array_module(x).stack((level, along))


# Ways through memory -------------------------------------------------------------------------------------------------


def _views(x: Array) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """The ways from the shape of x (N, C, ...) to (before, C, after), and back: in the order in which x lies in memory,
    if it is dense there, so that nothing is copied."""
    strides = x.strides
    order = sorted(range(x.ndim), key=lambda axis: -strides[axis])
    if not x.transpose(order).flags.c_contiguous:
        order = list(range(x.ndim))
    shape = [x.shape[axis] for axis in order]
    seen_shape = math.prod(shape[: order.index(1)]), x.shape[1], -1

    def see(x: Array) -> Array:
        return x.transpose(order).reshape(seen_shape)

    def back(seen: Array) -> Array:
        return seen.reshape(shape).transpose([order.index(axis) for axis in range(len(order))])

    return see, back


def _beside(numbers: Array, x: Array) -> Array:
    """``numbers`` (C,) to stand beside x (before, C, after). NumPy begins anew with each line, which takes it 100 ns;
    so if they are short, each number is repeated for its whole line: then it begins anew with each row of lines."""
    if is_numpy(x) and len(x) > 1 and x.shape[2] < SHORT:
        return np.repeat(numbers, x.shape[2]).reshape(x.shape[1:])
    return numbers[:, None]


def _sums(x: Array) -> Array:
    """The sum over each channel: x (before, C, after) -> (C,)."""
    return _add_lines(np.vecdot(x, np.ones(x.shape[2], x.dtype)) if is_numpy(x) else x.sum(axis=2))


def _products(x: Array, y: Array) -> Array:
    """The sum of x y over each channel: x and y (before, C, after) -> (C,)."""
    return _add_lines(np.vecdot(x, y) if is_numpy(x) and is_numpy(y) else (x * y).sum(axis=2))


def _add_lines(sums: Array) -> Array:
    """The sums of lines (before, C) added up: (C,). In double precision, for they may be many, one after another; by
    ``reduce``, for ``sum`` takes as long again to look for its options."""
    return array_module(sums).add.reduce(sums, axis=0, dtype="float64")


def _added(function: Callable[..., Sequence[Array]], *arrays: Array, in_blocks: bool = False) -> Sequence[Array]:
    """The sums of what ``function`` makes of ``arrays`` (before, C, after), a few (C,), added up in double precision.
    ``in_blocks``: the function computes new arrays, so let the threads share them out, and on a CPU keep them in the
    cache."""
    first = arrays[0]
    if not (in_blocks or first.size >= SUMS_WORTH_SHARING):
        return function(*arrays)
    lines = _lines_of_block(first) if in_blocks else len(first)
    parts: dict[int, Sequence[Array]] = {}

    def work(start: int, stop: int) -> None:
        for line in range(start, stop, lines):
            parts[line] = function(*(array[line : min(line + lines, stop)] for array in arrays))

    _share(work, first, CHEAP_WORTH_SHARING if in_blocks else SUMS_WORTH_SHARING)
    return [sum(found) for found in zip(*(parts[line] for line in sorted(parts)), strict=True)]


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
    shared = is_numpy(x) and x.size >= least
    parallel(work, len(x), minimum=2 if shared else len(x) + 1)
