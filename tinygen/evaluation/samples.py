"""Samples compared with what they should resemble: the modes of a mixture, the images of a training set."""

from typing import NamedTuple

import numpy as np

from tinygen.checks import Images, NotNegative, Points, Positive, ValueRange, checked
from tinygen.data.dataset import as_numbers
from tinygen.data.samplers import GaussianMixture
from tinygen.models.pixels import check_pixels

BLOCK = 2_000  # training images compared at a time


class ModeCoverage(NamedTuple):
    """``modes``: how many centres are covered; ``share``: of all samples, those within reach of a centre; ``counts``
    (modes,): how many of these each centre has."""

    modes: int
    share: float
    counts: np.ndarray


@checked
def mode_coverage(
    samples: Points, mixture: GaussianMixture, *, deviations: Positive = 3.0, fair_part: NotNegative = 0.1
) -> ModeCoverage:
    """Count ``samples`` (n, d) within so many standard ``deviations`` of their nearest centre of ``mixture``.

    Perfect samples in the plane have a share of 1 - exp(-9/2) = 0.989 within three. A mode is covered where it has at
    least ``fair_part`` of the n / modes samples that would be its due: so one stray sample covers nothing, however many
    are drawn. Raises ``ValueError`` for samples of another dimension, and for none.
    """
    if samples.shape[1] != mixture.centres.shape[1]:
        raise ValueError(f"mode_coverage: samples must be (n, {mixture.centres.shape[1]}), got {samples.shape}")
    nearest, distance = mixture.nearest(samples)
    good = distance <= deviations
    counts = np.bincount(nearest[good], minlength=len(mixture.centres))
    covered = counts >= fair_part * len(samples) / len(mixture.centres)
    return ModeCoverage(int(covered.sum()), float(good.mean()), counts)


@checked
def nearest(samples: Images, images: Images, value_range: ValueRange = (-1.0, 1.0)) -> tuple[np.ndarray, np.ndarray]:
    """For each of ``samples`` (N, C, H, W) the nearest of ``images`` (M, C, H, W): its index and the distance to it.

    The distance is the root of the mean square of the pixels' differences, (N,) and (N,). Floating-point images are the
    numbers that they are; uint8 and bool images are brought into ``value_range``, that of the others, block by block.

    Raises ``ValueError`` where there are no images, images and samples are not of one shape, one is of another dtype,
    or holds NaN, infinity or numbers whose square overflows.
    """
    if samples.shape[1:] != images.shape[1:]:
        raise ValueError(f"nearest: samples {samples.shape} and images {images.shape} must be of one shape (C, H, W)")
    flat = _numbers(samples, value_range).reshape(len(samples), -1)
    lengths = np.square(flat).sum(axis=1)
    best, least = np.zeros(len(samples), np.intp), np.full(len(samples), np.inf)
    for first in range(0, len(images), BLOCK):
        block = _numbers(images[first : first + BLOCK], value_range).reshape(-1, flat.shape[1])
        squares = lengths[:, None] - 2 * flat @ block.T + np.square(block).sum(axis=1)
        index = squares.argmin(axis=1)
        found = squares[np.arange(len(samples)), index]
        best = np.where(found < least, first + index, best)
        least = np.minimum(found, least)
    if not np.isfinite(least).all():
        raise ValueError("nearest: squared distances overflow; scale samples and images down")
    # |a|^2 - 2 a.b + |b|^2 cancels where a is close to b, so the distances are computed again from the differences.
    differences = flat - _numbers(images[best], value_range).reshape(flat.shape)
    return best, np.sqrt(np.square(differences).mean(axis=1))


def _numbers(images: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    check_pixels("nearest", images, None)
    return as_numbers(images, value_range, np.float64)
