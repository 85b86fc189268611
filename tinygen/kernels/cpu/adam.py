"""The update of Adam on a CPU: all parameters in one call to the threads, without temporary arrays."""

from collections.abc import Sequence

import numpy as np

from tinygen.kernels.cpu.blocked import BLOCK, PARALLEL_MIN_ELEMENTS, flat_views
from tinygen.kernels.cpu.parallel import parallel


def adam_update(
    parameters: list[np.ndarray],
    gradients: list[np.ndarray],
    means: list[np.ndarray],
    squares: list[np.ndarray],
    rates: Sequence[tuple[float, float]],
    betas: tuple[float, float],
    weight_decay: float,
) -> list[np.ndarray]:
    """The parameters, laid end to end, are cut into one part per thread, so most of them stay whole."""
    changed, views = [], []
    for parameter, gradient, mean, square in zip(parameters, gradients, means, squares, strict=True):
        new = np.empty_like(mean, dtype=parameter.dtype)
        arrays = new, mean, square, parameter, gradient
        if mean.strides == square.strides == new.strides:
            views.append(flat_views(*arrays))  # the last two may be copies
        else:
            views.append([array[np.newaxis] for array in arrays])
        changed.append(new)
    ends = np.cumsum([len(view[0]) for view in views]).tolist()

    def work(first: int, last: int) -> None:
        for end, arrays, rate in zip(ends, views, rates, strict=True):
            begin = end - len(arrays[0])
            stop = min(last, end) - begin
            for start in range(max(first - begin, 0), stop, BLOCK):
                part = slice(start, min(start + BLOCK, stop))
                _update([array[part] for array in arrays], rate, betas, weight_decay)

    size = ends[-1] if ends else 0
    parallel(work, size, when=size >= PARALLEL_MIN_ELEMENTS)
    return changed


def _update(
    arrays: list[np.ndarray], rate: tuple[float, float], betas: tuple[float, float], weight_decay: float
) -> None:
    """Fill ``new``, and change m and v, in ten passes through one block."""
    (new, m, v, p, g), (b1, b2) = arrays, betas
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
    new += rate[1]
    np.divide(m, new, out=new)
    new *= -rate[0]
    new += p
