"""The log-likelihood of many coins at once, with few logarithms.

A logarithm costs as much as twenty multiplications, and a sum of logarithms is the logarithm of a product. Each factor
here, 1 + e^-|l|, lies between 1 and 2, so no product of a few overflows.
"""

import numpy as np

from tinygen.backend import Array, is_numpy
from tinygen.kernels.cpu.parallel import parallel
from tinygen.kernels.elementwise import decay, log1p_in_place, softplus_plain

HALVINGS = 3  # so 2^3 factors come under one logarithm
WORTH_SHARING = 150_000  # logits, below which the threads wait for Python's lock longer than they compute


def bernoulli(logits: Array, target: Array) -> Array:
    """sum_i t_i l_i - log(1 + e^l_i) over the rows of logits l and target t, both (N, D) -> (N,)."""
    if not (is_numpy(logits) and logits.dtype == target.dtype and logits.dtype.kind == "f"):
        return bernoulli_plain(logits, target)
    out = np.empty(len(logits), logits.dtype)

    def work(first: int, last: int) -> None:
        l, t = logits[first:last], target[first:last]
        terms = t * l
        terms -= l.clip(0, np.inf)  # log(1 + e^l) = max(l, 0) + log(1 + e^-|l|)
        terms.sum(axis=1, out=out[first:last])
        out[first:last] -= _sum_of_log1p(decay(l))

    parallel(work, len(logits), when=logits.size >= WORTH_SHARING)
    return out


def _sum_of_log1p(x: np.ndarray) -> np.ndarray:
    """The sum of log(1 + x) over the rows of x (N, D), for 0 <= x <= 1. Two columns a, b become one, a + b + ab, which
    is (1 + a)(1 + b) - 1 without the rounding of 1 + a."""
    for _ in range(HALVINGS):
        half, odd = divmod(x.shape[1], 2)
        if odd:
            break
        a, b = x[:, :half], x[:, half:]
        x = a * b
        x += a
        x += b
    log1p_in_place(x)
    return x.sum(axis=1)


def bernoulli_plain(logits: Array, target: Array) -> Array:
    """``bernoulli`` on any array module."""
    return (target * logits - softplus_plain(logits)).sum(axis=1)
