"""Appendix: the Bernoulli log-likelihood on a CPU, with an eighth of the logarithms if 8 divides the number of columns.

A logarithm costs as much as twenty multiplications, and a sum of logarithms is the logarithm of a product. Each factor
here, 1 + e^-|l|, is in [1, 2], so a product of eight does not overflow.
"""

import numpy as np

from tinygen.kernels.cpu.elementwise import exp_neg_abs, log1p_in_place
from tinygen.kernels.cpu.parallel import parallel

HALVINGS = 3  # 2^3 factors per logarithm
PARALLEL_MIN_LOGITS = 150_000  # logits above which two threads were measured to be faster than one


def bernoulli(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """sum t l - max(l, 0) - log(1 + e^-|l|) over the rows."""
    out = np.empty(len(logits), logits.dtype)

    def work(first: int, last: int) -> None:
        l, t = logits[first:last], target[first:last]
        terms = t * l
        terms -= l.clip(0, np.inf)
        terms.sum(axis=1, out=out[first:last])
        out[first:last] -= _sum_of_log1p(exp_neg_abs(l))

    parallel(work, len(logits), when=logits.size >= PARALLEL_MIN_LOGITS)
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
