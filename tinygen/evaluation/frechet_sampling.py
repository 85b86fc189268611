"""How far a Fréchet distance of N samples is to be trusted: its standard error, and its limit as N grows.

The distance is biased upwards. A covariance estimated from few samples lies in fewer directions than the truth, and is
farther from everything. To leading order the bias goes as 1/N: for N samples of an isotropic Gaussian against the
Gaussian itself it is ``tr(S) (1/N + (D + 1) / (4 N))``. Its factor depends on what is judged, so two generators can
change places as N grows. Chong and Forsyth (2020) therefore fit a line to scores against 1/N and read it off at 0.

Both want the distance to one test set many times over. There the symmetric form is quicker, with the root of the test
set's covariance taken once:

    tr (S_p S_q)^(1/2) = tr (S_q^(1/2) S_p S_q^(1/2))^(1/2)
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from tinygen.backend import generator
from tinygen.checks import Several, checked
from tinygen.evaluation.features import BLOCK, Moments, check_same_features, gather, moments
from tinygen.evaluation.frechet import warn_if_few
from tinygen.kernels.cpu.parallel import one_blas_thread


class FIDInfinity(NamedTuple):
    """The Fréchet distance of infinitely many samples, and the line through the scores of fewer that leads there.

    ``estimate`` is where the line meets 1/N = 0 and may be negative, ``standard_error`` its standard error over new
    samples, ``slope`` the bias times N. ``sizes`` (K,) are the numbers of samples and ``scores`` (K,) their distances,
    each the mean over random subsets.
    """

    estimate: float
    standard_error: float
    slope: float
    sizes: np.ndarray
    scores: np.ndarray


@checked
def fid_standard_error(
    sample_features: Iterable[Any], test_features: Iterable[Any], *, resamples: Several = 100, replace: bool = False
) -> float:
    """The standard error of ``calculate_fid_score`` over new samples, by the bootstrap.

    ``resamples`` subsets of n = 4/5 N of the N samples are drawn and scored; the standard deviation of their distances,
    times ``sqrt(n / (N - n))``, is returned (Shao and Wu 1989, eq. 2.1). With ``replace`` N are drawn with replacement
    and nothing is rescaled (Efron 1979): the usual bootstrap, which says more than twice too much where N is about the
    number of features, since it is different images that count and their number varies. Subsets say a quarter too much
    there. Both are right where N is large, unless the distance itself is all bias.

    The test set is held to be what it is: it belongs to the score's definition. The sample features are held in memory,
    the test features are read once. The library's generator draws. Raises ``ValueError`` where there are fewer than 5
    samples or 2 ``resamples``, and as ``calculate_fid_score`` does.
    """
    return _spread(*_samples_and_reference("fid_standard_error", sample_features, test_features), resamples, replace)


@checked
def fid_infinity(
    sample_features: Iterable[Any],
    test_features: Iterable[Any],
    *,
    sizes: Several = 15,
    smallest: Several | None = None,
    shuffles: Several = 5,
    resamples: Several = 100,
) -> FIDInfinity:
    """The Fréchet distance extrapolated to infinitely many samples (Chong and Forsyth 2020, section 4).

    At each of ``sizes`` numbers of samples, evenly from ``smallest`` to all N, ``shuffles`` random subsets are scored;
    least squares on 1/N gives a line. ``smallest`` is N / 10 unless given, but twice the number of features where N / 2
    allows it, else N / 2: with fewer samples than features the scores do not follow a line, and a warning says so.

    The standard error has two parts. Subsets of the same samples share their luck, which no number of shuffles shows:
    to leading order it moves all scores alike, and so the line, by the standard error of the score of all N
    (``fid_standard_error``). What the choice of subsets adds is read off the lines of single shuffles.

    Raises ``ValueError`` where ``smallest`` is not below N. The bias that the test set's own size brings stays. The
    library's generator draws; features as in ``fid_standard_error``.
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
    intercepts, slopes = np.linalg.lstsq(design, scores.T, rcond=None)[0]  # one line a shuffle
    choice = intercepts.std(ddof=1) / math.sqrt(shuffles)
    luck = _spread(samples, reference, resamples)
    return FIDInfinity(
        float(intercepts.mean()), math.hypot(choice, luck), float(slopes.mean()), numbers, scores.mean(axis=0)
    )


class _Reference:
    """The Gaussian of the test set, ready to be compared with many."""

    def __init__(self, test: Moments) -> None:
        eigenvalues, directions = np.linalg.eigh(test.covariance)
        self.root = directions * np.sqrt(eigenvalues.clip(0)) @ directions.T
        self.mean, self.trace = test.mean, float(test.covariance.trace())

    def distance(self, samples: np.ndarray, chosen: np.ndarray) -> float:
        """The Fréchet distance from those of ``samples`` (N, D) that ``chosen`` (n,) names."""
        found = moments("samples", (samples[chosen[i : i + BLOCK]] for i in range(0, len(chosen), BLOCK)))
        way = found.mean - self.mean
        with one_blas_thread():
            eigenvalues = np.linalg.eigvalsh(self.root @ found.covariance @ self.root).clip(0)
        return float(way @ way + found.covariance.trace() + self.trace - 2 * np.sqrt(eigenvalues).sum())


def _samples_and_reference(caller: str, sample: Iterable[Any], test: Iterable[Any]) -> tuple[np.ndarray, _Reference]:
    samples = gather(f"{caller}: sample_features", sample, least=5)
    of_test = moments(f"{caller}: test_features", test)
    check_same_features(caller, samples.shape[1], len(of_test.mean))
    return samples, _Reference(of_test)


def _spread(samples: np.ndarray, reference: _Reference, resamples: int, replace: bool = False) -> float:
    """The standard error of the distance of all ``samples``: see ``fid_standard_error``."""
    count = len(samples)
    size = count if replace else 4 * count // 5
    chosen = (generator().choice(count, size, replace=replace) for _ in range(resamples))
    spread = np.std([reference.distance(samples, some) for some in chosen], ddof=1)
    return float(spread) if replace else float(spread) * math.sqrt(size / (count - size))
