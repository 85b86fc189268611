"""Samples compared with the modes of a mixture, and with the images of a training set."""

from typing import NamedTuple

import numpy as np

from tinygen.checks import Images, NonNegative, Points, Positive, ValueRange, checked
from tinygen.data.dataset import as_numbers
from tinygen.data.samplers import GaussianMixture
from tinygen.evaluation.neighbours import nearest_rows
from tinygen.models.pixels import check_pixels

BLOCK = 2_000  # training images compared at a time


class ModeCoverage(NamedTuple):
    """``modes``: the number of covered centres; ``share``: the fraction of samples near a centre; ``counts`` (modes,):
    the number of these samples per centre."""

    modes: int
    share: float
    counts: np.ndarray


@checked
def mode_coverage(
    samples: Points, mixture: GaussianMixture, *, deviations: Positive = 3.0, fair_part: NonNegative = 0.1
) -> ModeCoverage:
    """The modes of ``mixture`` covered by ``samples`` (n, d), and the fraction of samples within ``deviations``
    standard deviations of their nearest centre.

    For the mixture itself, in the plane, the fraction within three is 1 - exp(-9/2) = 0.989. A mode is covered if it
    has at least ``fair_part`` of n / modes samples, its expected number, so a single sample covers no mode for large n.
    Raises ``ValueError`` for samples of another dimension, and for none.
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
    """The index of the nearest of ``images`` (M, C, H, W) to each of ``samples`` (N, C, H, W), and its distance, the
    root mean square difference of the pixels: (N,) and (N,). A small distance indicates a memorised image.

    uint8 and bool images are mapped to ``value_range``; floating-point images are unchanged. Raises ``ValueError`` for
    no images, for different shapes, for other dtypes, for NaN and infinity, and for values whose square overflows.
    """
    if samples.shape[1:] != images.shape[1:]:
        raise ValueError(f"nearest: samples {samples.shape} and images {images.shape} must be of one shape (C, H, W)")
    flat = _numbers(samples, value_range).reshape(len(samples), -1)
    starts = range(0, len(images), BLOCK)
    blocks = (_numbers(images[i : i + BLOCK], value_range).reshape(-1, flat.shape[1]) for i in starts)
    index, squares = nearest_rows(flat, blocks)
    if not np.isfinite(squares).all():
        raise ValueError("nearest: squared distances overflow; scale samples and images down")
    return index, np.sqrt(squares / flat.shape[1])


def _numbers(images: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    check_pixels("nearest", images, None)
    return as_numbers(images, value_range, np.float64)
