"""Appendix: batch normalisation on a CPU: few passes through memory, in blocks that fit the cache.

Whatever memory order a dense batch (N, C, ...) has, the axes before the channels' are adjacent in it, and so are those
after. All functions compute on views (outer, C, inner), in which a channel is a set of contiguous rows.
"""

import math
from collections.abc import Callable

import numpy as np

from tinygen.kernels.cpu.blocked import BLOCK, PARALLEL_MIN_CHEAP, memory_order
from tinygen.kernels.cpu.parallel import parallel

PARALLEL_MIN_SUMS = 2_000_000  # elements: one core's BLAS adds up a million in the time of a call to a thread
SHORT_ROW = 1024  # elements: NumPy takes 100 ns to start a row with a number to broadcast
FAR_FROM_ZERO = 8  # standard deviations: for a mean beyond, sums of distances from it are computed

Rows = slice  # of the outer axis


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The variance is mean(x^2) - mean(x)^2, from one pass through memory, unless the difference loses two or more of
    float32's seven digits; then it is computed from distances to the mean."""
    (view,), count = _channel_views(x), x.size // x.shape[1]
    sums = _sum_over_blocks(lambda rows: _channel_products((view[rows], None), (view[rows], view[rows])), view)
    mean, square = sums / count
    variance = square - mean * mean
    mean = mean.astype(x.dtype)
    if not (variance * FAR_FROM_ZERO**2 >= square).all():
        centre = mean[:, None]
        sums = _sum_over_blocks(lambda rows: _channel_products((d := view[rows] - centre, d)), view, PARALLEL_MIN_CHEAP)
        variance = sums[0] / count
    return mean, variance.astype(x.dtype)


def normalise(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, inv_std: np.ndarray) -> np.ndarray:
    """``x scale + shift`` with scale = weight inv_std and shift = bias - mean scale."""
    scale = weight * inv_std
    return _affine(x, scale, bias - mean * scale)


def channel_sums(g: np.ndarray, x: np.ndarray, mean: np.ndarray, inv_std: np.ndarray) -> np.ndarray:
    """``sum(g x_hat) = inv_std (sum(g x) - mean sum(g))``, or from x - mean if that difference loses digits."""
    x, g = _channel_views(x, g)
    if (abs(mean) * inv_std < FAR_FROM_ZERO).all():
        sums = _sum_over_blocks(lambda rows: _channel_products((g[rows], None), (x[rows], g[rows])), x)
        sums[1] -= mean * sums[0]
    else:
        centre = mean[:, None]
        sums = _sum_over_blocks(
            lambda rows: _channel_products((g[rows], None), (x[rows] - centre, g[rows])), x, PARALLEL_MIN_CHEAP
        )
    sums[1] *= inv_std
    return sums


def normalise_grad(
    g: np.ndarray, x: np.ndarray, weight: np.ndarray, mean: np.ndarray, inv_std: np.ndarray, sums: np.ndarray
) -> np.ndarray:
    """``(x scale + shift + g) factor`` with scale = -mean(g x_hat) inv_std, shift = -mean(g) - mean scale and
    factor = weight inv_std."""
    mean_g, mean_g_x_hat = sums * (x.shape[1] / x.size)
    scale = -mean_g_x_hat * inv_std
    return _affine(x, scale, -mean_g - scale * mean, g, weight * inv_std)


def _affine(
    x: np.ndarray, scale: np.ndarray, shift: np.ndarray, g: np.ndarray | None = None, factor: np.ndarray | None = None
) -> np.ndarray:
    """``x scale + shift``, an affine map of each channel, or with g and factor ``(x scale + shift + g) factor``, in one
    pass through memory: x and g (N, C, ...), all others (C,)."""
    terms, factors = ([] if each is None else [each] for each in (g, factor))
    y = np.empty_like(x, dtype=np.result_type(x, *terms))
    out, x, *terms = _channel_views(y, x, *terms)
    scale, shift, *factors = _broadcastable(out, scale, shift, *factors)

    def block(rows: Rows) -> None:
        part = out[rows]
        np.multiply(x[rows], scale, out=part)
        part += shift
        for term in terms:
            part += term[rows]
        for each in factors:
            part *= each

    _for_rows(block, out, PARALLEL_MIN_CHEAP)
    return y


def _channel_views(first: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """(N, C, ...) -> (outer, C, inner), in the memory order of the first; an array in another order is copied."""
    order = memory_order(first)
    channels = order.index(1)
    shape = math.prod(first.shape[axis] for axis in order[:channels]), first.shape[1], -1
    return [x.transpose(order).reshape(shape) for x in (first, *others)]


def _broadcastable(x: np.ndarray, *statistics: np.ndarray) -> list[np.ndarray]:
    """(C,) -> (C, 1), to broadcast against x (outer, C, inner); (C, inner) if the rows are short."""
    if len(x) > 1 and x.shape[2] < SHORT_ROW:
        return [np.repeat(each.astype(x.dtype), x.shape[2]).reshape(x.shape[1:]) for each in statistics]
    return [each.astype(x.dtype)[:, None] for each in statistics]


def _channel_products(*pairs: tuple[np.ndarray, np.ndarray | None]) -> np.ndarray:
    """For each of ``pairs``, x and y (outer, C, inner), the sum of x y over each channel (y None: of x): (pairs, C).
    The rows' sums are added up in double precision."""
    first = pairs[0][0]
    rows = np.empty((len(pairs), *first.shape[:2]), first.dtype)
    for row, (x, y) in zip(rows, pairs, strict=True):
        np.vecdot(x, np.ones(x.shape[2], x.dtype) if y is None else y, out=row)
    return np.add.reduce(rows, axis=1, dtype=np.float64)


def _sum_over_blocks(
    function: Callable[[Rows], np.ndarray], x: np.ndarray, min_size: int = PARALLEL_MIN_SUMS
) -> np.ndarray:
    """The sum of ``function(rows)`` over blocks of rows of x (outer, C, inner)."""
    parts: dict[int, np.ndarray] = {}

    def block(rows: Rows) -> None:
        parts[rows.start] = function(rows)

    _for_rows(block, x, min_size)
    return np.sum([parts[start] for start in sorted(parts)], axis=0)


def _for_rows(block: Callable[[Rows], None], x: np.ndarray, min_size: int) -> None:
    """Call ``block`` on slices of the outer axis of x (outer, C, inner) that fit the cache; from ``min_size`` elements
    on, in all threads."""
    step = max(1, BLOCK * len(x) // max(1, x.size))

    def work(first: int, last: int) -> None:
        for start in range(first, last, step):
            block(slice(start, min(start + step, last)))

    parallel(work, len(x), when=x.size >= min_size)
