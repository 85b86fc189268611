"""How much of a mixture a generator has found: the modes that it covers, and what share of its samples is good."""

from typing import NamedTuple

import numpy as np

from tinygen.checks import NotNegative, Points, Positive, checked
from tinygen.data.samplers import GaussianMixture


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
