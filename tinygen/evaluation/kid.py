"""The kernel distance between two sets of images, through their features: KID (Bińkowski et al. 2018, section 4).

It is the squared maximum mean discrepancy with the kernel ``k(x, y) = (x.y / D + 1)^3``. No Gaussian is assumed, and
the estimate over pairs of different images is unbiased for every N,

    mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

With a cubic kernel it is 0 where all moments up to the third agree.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygen.backend import generator
from tinygen.checks import AtLeastTwo, Natural, checked
from tinygen.evaluation.features import BLOCK, check_same_features, gather
from tinygen.kernels.products import matmul

MIN_PER_BLOCK, MIN_BLOCKS = 2, 2  # a pair of images for the estimate, two estimates for its standard error


@checked
def kid_blocks(samples: Natural, test_images: Natural, most: AtLeastTwo = 10) -> int:
    """The number of ``blocks`` for ``calculate_kid_score``: ``most``, or fewer where a block would have fewer than two
    images.

    Raises ``ValueError`` where either set has fewer than four images, too few for the score; it can be called before a
    long training.
    """
    blocks = min(samples, test_images) // MIN_PER_BLOCK
    if blocks < MIN_BLOCKS:
        least = MIN_BLOCKS * MIN_PER_BLOCK
        raise ValueError(
            f"kid_blocks: the kernel distance needs {least} samples and {least} test images, got {samples} and "
            f"{test_images}"
        )
    return min(most, blocks)


@checked
def calculate_kid_score(
    sample_features: Iterable[Any], test_features: Iterable[Any], *, blocks: AtLeastTwo = 10
) -> tuple[float, float]:
    """An unbiased estimate of the squared maximum mean discrepancy of two sets' features, and its standard error.

    Both sets are shuffled and divided into ``blocks``; the result is the mean of the estimates from each pair of
    blocks. No image is in two blocks, so the estimates are independent, and the standard error is that of their mean.
    An unbiased estimate **may be negative**: at a distance of 0 half of them are.

    ``sample_features`` and ``test_features`` are iterators of vectors (D,) or batches (B, D), arrays or tensors, or
    arrays (N, D), and are kept in memory. Random numbers are from the library's generator. Raises ``ValueError`` where
    a block would have fewer than two images, for different numbers of features, for NaN and infinity, and where the
    kernel overflows.
    """
    caller = "calculate_kid_score"
    samples = gather(f"{caller}: sample_features", sample_features, minimum=2 * blocks)
    test = gather(f"{caller}: test_features", test_features, minimum=2 * blocks)
    check_same_features(caller, samples.shape[1], test.shape[1])
    parts = (np.array_split(generator().permutation(len(every)), blocks) for every in (samples, test))
    estimates = [_squared_discrepancy(samples[xs], test[ys]) for xs, ys in zip(*parts, strict=True)]
    if not np.isfinite(estimates).all():
        raise ValueError(f"{caller}: the cubic kernel of these features overflows; scale both sets down alike")
    return float(np.mean(estimates)), float(np.std(estimates, ddof=1) / math.sqrt(blocks))


def _squared_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """The estimate from x (M, D) and y (N, D)."""
    return _within(x) + _within(y) - 2 * _kernel_sum(x, y) / (len(x) * len(y))


def _within(x: np.ndarray) -> float:
    """The mean of the kernel over pairs of different rows of x (N, D)."""
    diagonal = ((np.square(x).sum(axis=1) / x.shape[1] + 1) ** 3).sum()
    return (_kernel_sum(x, x) - diagonal) / (len(x) * (len(x) - 1))


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    """The sum of ``(x.y / D + 1)^3`` over all pairs of rows of x (M, D) and y (N, D), in blocks of rows of x."""
    total = 0.0
    for first in range(0, len(x), BLOCK):
        base = matmul(x[first : first + BLOCK], y.T) / x.shape[1] + 1
        total += (base * base * base).sum()
    return float(total)
