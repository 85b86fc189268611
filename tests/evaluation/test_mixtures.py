"""Modes are counted as they are defined, and the data's own share is what a Gaussian's is."""

import math

import numpy as np
import pytest

from tinygen.data import samplers
from tinygen.evaluation import mode_coverage

pytestmark = pytest.mark.usefixtures("seeded")


def test_the_datas_own_samples_cover_all_modes_with_the_share_of_a_gaussian():
    n, expected = 20_000, 1 - math.exp(-4.5)
    for mixture in (samplers.ring(), samplers.grid()):
        found = mode_coverage(mixture(n), mixture)
        assert found.modes == len(mixture.centres) == len(found.counts)
        assert found.share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / n))
        assert found.counts.sum() == round(found.share * n)


def test_a_stray_sample_covers_no_mode_and_a_tenth_of_its_due_does():
    ring = samplers.ring(modes=4)
    for there, modes in ((9, 1), (10, 2)):  # of 400 samples 100 are a mode's due
        samples = np.concatenate(
            [ring.centres[:1].repeat(400 - there, axis=0), ring.centres[1:2].repeat(there, axis=0)]
        )
        found = mode_coverage(samples, ring)
        assert (found.modes, found.share) == (modes, 1.0)
        assert found.counts.tolist() == [400 - there, there, 0, 0]


def test_what_lies_between_the_modes_counts_for_none():
    ring = samplers.ring(modes=4, radius=1.0, scale=0.1)
    samples = np.array([[0.0, 0.0], [1.31, 0.0], [1.29, 0.0], [0.0, 0.71]])
    assert mode_coverage(samples, ring, fair_part=0.5).counts.tolist() == [1, 1, 0, 0]
    assert mode_coverage(samples, ring, fair_part=0.5).share == 0.5
    assert mode_coverage(samples, ring, deviations=3.2).counts.tolist() == [2, 1, 0, 0]


@pytest.mark.parametrize("shape", [(0, 2), (5, 3), (5,)])
def test_samples_that_are_none_of_the_mixtures_are_refused(shape):
    with pytest.raises(
        ValueError, match=r"^mode_coverage: samples must be (an array \(n, d\), not empty|\(n, 2\)), got .*\("
    ):
        mode_coverage(np.zeros(shape), samplers.ring())
