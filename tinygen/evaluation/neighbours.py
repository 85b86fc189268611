"""Metrics of the nearest neighbours of features: precision and recall, density and coverage, memorisation.

Each test image has a ball around its features, whose radius is the distance to its k-th nearest neighbour in the test
set. *Precision* is the fraction of the samples that lie in a ball of the test set, *recall* the fraction of the test
images that lie in a ball of the samples (Kynkäänniemi et al. 2019). An outlier has a large ball, which alone makes many
samples precise. Naeem et al. (2020) therefore count the balls. *Density* is the mean over samples of the number of test
images in whose balls a sample lies, divided by k; *coverage* the fraction of the test images whose ball contains a
sample.

Suppose that M samples and N test images have one distribution, and no two distances are equal. The N - 1 other test
images and one sample are in any order of distance from a test image with equal probability, so the sample is among the
first k, in the ball, with probability k / N, and the expected density is 1. No sample is in the ball if the first k of
all M + N - 1 others are test images, so the expected coverage is

    1 - (N - 1) ... (N - k) / ((M + N - 1) ... (M + N - k))

These metrics do not compare samples with training images; ``memorisation`` does.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tinygen.checks import Count, checked
from tinygen.evaluation.features import check_same_features, gather
from tinygen.kernels.products import matmul

TILE = 2**20  # distances in memory at a time, 8 MB
ROUNDING = 1e-12  # squared distances below this are 0, relative to the squares of which they are the difference


@checked
def precision_recall(sample_features: Iterable[Any], test_features: Iterable[Any], k: Count = 3) -> tuple[float, float]:
    """The precision and the recall of samples with respect to a test set, both from 0 to 1 (Kynkäänniemi et al.
    2019).

    Both depend on ``k`` and on the numbers of images: compare values only where these are equal. Features are iterators
    of vectors (D,) or batches (B, D), arrays or tensors, or arrays (N, D), and are kept in memory, but not the matrix
    of their distances. Raises ``ValueError`` for a set of no more than ``k`` images, for different numbers of features,
    for NaN and infinity, and where squared distances overflow.
    """
    samples, test = _features("precision_recall", sample_features, test_features, k + 1, k + 1)
    sample_radii, test_radii = (_squared_radii("precision_recall", each, k) for each in (samples, test))
    is_precise, is_recalled = np.zeros(len(samples), bool), np.zeros(len(test), bool)
    for rows, squares in _tiles(samples, test):
        is_precise[rows] = (squares <= test_radii).any(axis=1)
        is_recalled |= (squares <= sample_radii[rows, None]).any(axis=0)
    return float(is_precise.mean()), float(is_recalled.mean())


@checked
def density_coverage(sample_features: Iterable[Any], test_features: Iterable[Any], k: Count = 5) -> tuple[float, float]:
    """The density, from 0, and the coverage, from 0 to 1, of samples with respect to a test set (Naeem et al. 2020).

    The expected density of samples of the test set's distribution is 1 for every ``k`` and number of images; coverage
    rises with ``k`` and the number of samples. Features and errors are as in ``precision_recall``, but one sample
    suffices.
    """
    samples, test = _features("density_coverage", sample_features, test_features, 1, k + 1)
    radii = _squared_radii("density_coverage", test, k)
    contained, is_covered = 0, np.zeros(len(test), bool)
    for _, squares in _tiles(samples, test):
        inside = squares <= radii
        contained += int(inside.sum())
        is_covered |= inside.any(axis=0)
    return contained / (k * len(samples)), float(is_covered.mean())


@checked
def memorisation(
    sample_features: Iterable[Any], test_features: Iterable[Any], training_features: Iterable[Any]
) -> tuple[float, float]:
    """The probability that a sample is nearer to its nearest training image than a test image is to its own, ties
    counted half, and the standard error of this probability where both have one distribution.

    The test images are new: not used in training. Then the expectation is 1/2 for samples of the distribution of the
    data, whatever the training set; it is 1 for copies of training images, and below 1/2 for samples that are far from
    the data. It is the statistic of Mann and Whitney (1947) divided by the number of pairs; its deviation from 1/2 in
    standard errors is the C_T score of Meehan et al. (2020) for a single cell, with the opposite sign.

    Features are as in ``precision_recall``. Pixels are features too: ``images.reshape(N, -1)``. Raises ``ValueError``
    for an empty set, for different numbers of features, for NaN and infinity, and where squared distances overflow.
    """
    samples, test = _features("memorisation", sample_features, test_features, 1, 1)
    training = gather("memorisation: training_features", training_features, minimum=1)
    check_same_features("memorisation", samples.shape[1], training.shape[1], "training_features")
    _, squares = nearest_rows(np.concatenate([samples, test]), [training])
    if not np.isfinite(squares).all():
        raise ValueError("memorisation: squared distances overflow; scale the features of all sets down alike")
    M, N = len(samples), len(test)
    of_test = np.sort(squares[M:])
    nearer, nearer_or_equal = (np.searchsorted(of_test, squares[:M], side) for side in ("left", "right"))
    return float(1 - (nearer + nearer_or_equal).mean() / (2 * N)), math.sqrt((M + N + 1) / (12 * M * N))


def nearest_rows(x: np.ndarray, candidates: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The index of the nearest row of ``candidates``, blocks (B, D), to each row of x (N, D), and its squared distance,
    computed from the differences: (N,) and (N,). The distance is infinite where there is none or it overflows."""
    index, least, seen = np.zeros(len(x), np.intp), np.full(len(x), np.inf), 0
    for block in candidates:
        for rows, squares in _tiles(x, block):
            found = squares.argmin(axis=1)
            exact = np.square(x[rows] - block[found]).sum(axis=1)
            index[rows] = np.where(exact < least[rows], seen + found, index[rows])
            least[rows] = np.minimum(exact, least[rows])
        seen += len(block)
    return index, least


def _features(
    caller: str, samples: Iterable[Any], test: Iterable[Any], least_samples: int, least_test: int
) -> tuple[np.ndarray, np.ndarray]:
    """All features of both sets, (M, D) and (N, D) in float64, of at least so many images."""
    x = gather(f"{caller}: sample_features", samples, least_samples)
    y = gather(f"{caller}: test_features", test, least_test)
    check_same_features(caller, x.shape[1], y.shape[1])
    return x, y


def _squared_radii(caller: str, x: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each row of x (N, D) to the k-th nearest of the other rows: (N,)."""
    radii = np.concatenate([np.partition(squares, k, axis=1)[:, k].copy() for _, squares in _tiles(x, x)])
    if not np.isfinite(radii).all():
        raise ValueError(f"{caller}: squared distances overflow; scale the features of both sets down alike")
    return radii


def _tiles(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of x (N, D), as slices, and their squared distances |x_i - y_j|^2 to all of y (M, D), in bounded memory.

    Distances are |x_i|^2 - 2 x_i.y_j + |y_j|^2, from the mean of y, so that less cancels.
    """
    centre = y.mean(axis=0)
    y = y - centre
    lengths = np.square(y).sum(axis=1)
    step = max(1, TILE // len(y))
    for rows in (slice(first, first + step) for first in range(0, len(x), step)):
        part = x[rows] - centre
        sums = np.square(part).sum(axis=1)[:, None] + lengths
        squares = sums - matmul(2 * part, y.T)
        squares[squares < ROUNDING * sums] = 0
        yield rows, squares
