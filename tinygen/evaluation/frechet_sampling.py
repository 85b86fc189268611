"""The standard error of a Fréchet distance of N samples, and its limit for infinitely many.

The distance is biased upwards, because a covariance estimated from few samples has too low a rank. To leading order the
bias is proportional to 1/N: for N samples of an isotropic Gaussian against the Gaussian itself it is
``tr(S) (1/N + (D + 1) / (4 N))``. Its factor depends on the generator, so the order of two generators can change with
N. Chong and Forsyth (2020) therefore fit a line to scores against 1/N and extrapolate to 0.

Both need many distances to one test set. The symmetric form is faster then, since the root of the test set's covariance
is computed once:

    tr (S_p S_q)^(1/2) = tr (S_q^(1/2) S_p S_q^(1/2))^(1/2)
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from tinygen.backend import generator
from tinygen.checks import AtLeastTwo, checked
from tinygen.evaluation.features import BLOCK, Moments, check_same_features, gather, moments
from tinygen.evaluation.frechet import warn_if_few
from tinygen.kernels.cpu.parallel import one_blas_thread


class FIDInfinity(NamedTuple):
    """The Fréchet distance extrapolated to infinitely many samples, and the line through the scores.

    ``estimate`` is the line at 1/N = 0, which may be negative, ``standard_error`` its standard error over new samples,
    ``slope`` the bias times N. ``sizes`` (K,) are the numbers of samples and ``scores`` (K,) their distances, each a
    mean over random subsets.
    """

    estimate: float
    standard_error: float
    slope: float
    sizes: np.ndarray
    scores: np.ndarray


@checked
def fid_standard_error(
    sample_features: Iterable[Any], test_features: Iterable[Any], *, resamples: AtLeastTwo = 100, replace: bool = False
) -> float:
    """The standard error of ``calculate_fid_score`` over new samples, from random subsets of the samples.

    The result is the standard deviation of the distances of ``resamples`` random subsets of n = 4/5 N of the N samples,
    times ``sqrt(n / (N - n))`` (Shao and Wu 1989, eq. 2.1). With ``replace``, N samples are drawn with replacement and
    nothing is rescaled (Efron 1979): the usual bootstrap, whose result is more than twice too large where N is about
    the number of features, because the number of different images in a resample varies. That of subsets is a quarter
    too large there. Both are right for large N, unless the distance is dominated by its bias.

    The test set is treated as fixed, as part of the definition of the score. Features are as in
    ``calculate_fid_score``; the samples' are kept in memory. Random numbers are from the library's generator. Raises
    ``ValueError`` for fewer than 5 samples or 2 ``resamples``, and as ``calculate_fid_score`` does.
    """
    return _standard_error(
        *_samples_and_reference("fid_standard_error", sample_features, test_features), resamples, replace
    )


@checked
def fid_infinity(
    sample_features: Iterable[Any],
    test_features: Iterable[Any],
    *,
    sizes: AtLeastTwo = 15,
    smallest: AtLeastTwo | None = None,
    shuffles: AtLeastTwo = 5,
    resamples: AtLeastTwo = 100,
) -> FIDInfinity:
    """The Fréchet distance extrapolated to infinitely many samples (Chong and Forsyth 2020, section 4).

    For each of ``sizes`` numbers of samples, evenly spaced from ``smallest`` to all N, ``shuffles`` random subsets are
    scored; a line is fitted to the scores against 1/N by least squares. ``smallest`` is by default the larger of N / 10
    and twice the number of features, but at most N / 2; with fewer samples than features the scores do not lie on a
    line, which causes a warning.

    The standard error has two parts. Subsets of the same samples are correlated: to leading order the sampling error of
    all N (``fid_standard_error``) shifts all scores, and so the line, by the same amount. The part due to the choice of
    subsets is estimated from the lines of single shuffles.

    The bias due to the size of the test set remains. Features, random numbers and errors are those of
    ``fid_standard_error``; ``ValueError`` also for a ``smallest`` that is not below N.
    """
    caller = "fid_infinity"
    samples, reference = _samples_and_reference(caller, sample_features, test_features)
    count, features = samples.shape
    if smallest is None:
        smallest = max(count // 10, min(2 * features, count // 2), 2)
    if smallest >= count:
        raise ValueError(f"{caller}: smallest must be below the number of samples, got {smallest} of {count}")
    warn_if_few(f"{caller}: the smallest subset", smallest, features)
    numbers = np.linspace(smallest, count, sizes).round().astype(int)
    scores = np.array(
        [[reference.distance(samples, generator().permutation(count)[:n]) for n in numbers] for _ in range(shuffles)]
    )
    design = np.stack([np.ones(sizes), 1 / numbers], axis=1)
    intercepts, slopes = np.linalg.lstsq(design, scores.T, rcond=None)[0]  # one line per shuffle
    subset_error = intercepts.std(ddof=1) / math.sqrt(shuffles)
    sampling_error = _standard_error(samples, reference, resamples)
    return FIDInfinity(
        float(intercepts.mean()),
        math.hypot(subset_error, sampling_error),
        float(slopes.mean()),
        numbers,
        scores.mean(axis=0),
    )


class _Reference:
    """The Gaussian of the test set, with the root of its covariance."""

    def __init__(self, test: Moments) -> None:
        eigenvalues, directions = np.linalg.eigh(test.covariance)
        self.root = directions * np.sqrt(eigenvalues.clip(0)) @ directions.T
        self.mean, self.trace = test.mean, float(test.covariance.trace())

    def distance(self, samples: np.ndarray, chosen: np.ndarray) -> float:
        """The Fréchet distance of the rows ``chosen`` (n,) of ``samples`` (N, D)."""
        found = moments("samples", (samples[chosen[i : i + BLOCK]] for i in range(0, len(chosen), BLOCK)))
        delta = found.mean - self.mean
        with one_blas_thread():
            eigenvalues = np.linalg.eigvalsh(self.root @ found.covariance @ self.root).clip(0)
        return float(delta @ delta + found.covariance.trace() + self.trace - 2 * np.sqrt(eigenvalues).sum())


def _samples_and_reference(caller: str, sample: Iterable[Any], test: Iterable[Any]) -> tuple[np.ndarray, _Reference]:
    samples = gather(f"{caller}: sample_features", sample, minimum=5)
    of_test = moments(f"{caller}: test_features", test)
    check_same_features(caller, samples.shape[1], len(of_test.mean))
    return samples, _Reference(of_test)


def _standard_error(samples: np.ndarray, reference: _Reference, resamples: int, replace: bool = False) -> float:
    """The standard error of the distance of all ``samples`` (N, D), as ``fid_standard_error`` describes."""
    count = len(samples)
    size = count if replace else 4 * count // 5
    chosen = (generator().choice(count, size, replace=replace) for _ in range(resamples))
    deviation = float(np.std([reference.distance(samples, some) for some in chosen], ddof=1))
    return deviation if replace else deviation * math.sqrt(size / (count - size))
