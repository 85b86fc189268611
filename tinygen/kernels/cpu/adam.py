"""Appendix: the update of Adam on a CPU: all parameters in one call to the threads, without temporary arrays."""

import numpy as np

from tinygen.kernels.cpu.blocked import BLOCK, PARALLEL_MIN_ELEMENTS, flat_views
from tinygen.kernels.cpu.parallel import parallel

Pair = tuple[float, float]


def adam_update(
    arrays: list[tuple[np.ndarray, ...]], rates: list[Pair], betas: Pair, weight_decay: float
) -> list[np.ndarray]:
    """The parameters, laid end to end, are cut into one part per thread, so most of them stay whole."""
    changed, views = [], []
    for p, g, m, v in arrays:
        new = np.empty_like(m, dtype=p.dtype)
        if m.strides == v.strides == new.strides:
            views.append(flat_views(new, m, v, p, g))  # p and g may be copied
        else:
            views.append([array[np.newaxis] for array in (new, m, v, p, g)])
        changed.append(new)
    ends = np.cumsum([0] + [len(new) for new, *_ in views]).tolist()

    def work(first: int, last: int) -> None:
        for begin, end, view, rate in zip(ends, ends[1:], views, rates, strict=False):
            for start in range(max(first, begin), min(last, end), BLOCK):
                part = slice(start - begin, min(start + BLOCK, last, end) - begin)
                _update([array[part] for array in view], rate, betas, weight_decay)

    parallel(work, ends[-1], when=ends[-1] >= PARALLEL_MIN_ELEMENTS)
    return changed


def _update(arrays: list[np.ndarray], rate: Pair, betas: Pair, weight_decay: float) -> None:
    """Fill ``new``, and change m and v, in twelve passes through one block, with weight decay in fourteen."""
    (new, m, v, p, g), (a, e), (b1, b2) = arrays, rate, betas
    if weight_decay:
        g = g + weight_decay * p
    np.subtract(g, m, out=new)
    new *= 1 - b1
    m += new
    np.multiply(g, g, out=new)
    new *= 1 - b2
    v *= b2
    v += new
    np.sqrt(v, out=new)
    new += e
    np.divide(m, new, out=new)
    new *= -a
    new += p
