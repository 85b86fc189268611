"""The Fréchet distance between two sets of images, through their features: FID (Heusel et al. 2017, eq. 6).

The features of each set are modelled as a Gaussian. The square of the 2-Wasserstein distance between two Gaussians has
a closed form (Dowson and Landau 1982),

    |mu_p - mu_q|^2 + tr(S_p + S_q - 2 (S_p S_q)^(1/2))

and this square is called the Fréchet distance. ``frechet_sampling`` treats its dependence on the number of images.
"""

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.linalg import LinAlgWarning, sqrtm
from threadpoolctl import threadpool_limits

from tinygen.checks import checked
from tinygen.evaluation.features import check_same_features, moments

OFFSET = 1e-6  # added to the diagonals if the root is not finite, relative to their mean
IMAGINARY = 1e-3  # largest imaginary part of the trace of the root due to rounding, relative to its bound


@checked
def calculate_fid_score(sample_features: Iterable[Any], test_features: Iterable[Any]) -> float:
    """The Fréchet distance between the Gaussians of two sets' features, in squared units of a feature.

    ``sample_features`` and ``test_features`` are iterators of vectors (D,) or batches (B, D), arrays or tensors, which
    are read once, in bounded memory, or arrays (N, D). Means and covariances (divided by N - 1) are float64.

    The score falls as either set grows: compare only scores of equal numbers of images, and state the network, the test
    set and N with each. A set with no more images than features causes a warning.

    Raises ``ValueError`` for a set of fewer than two images, for different numbers of features, and for NaN and
    infinity.
    """
    caller = "calculate_fid_score"
    sample = moments(f"{caller}: sample_features", sample_features)
    test = moments(f"{caller}: test_features", test_features)
    check_same_features(caller, len(sample.mean), len(test.mean))
    warn_if_few(f"{caller}: sample_features", sample.images, len(sample.mean))
    warn_if_few(f"{caller}: test_features", test.images, len(test.mean))
    return frechet_distance(sample.mean, sample.covariance, test.mean, test.covariance)


@checked
def frechet_distance(mu_p: np.ndarray, cov_p: np.ndarray, mu_q: np.ndarray, cov_q: np.ndarray) -> float:
    """``|mu_p - mu_q|^2 + tr(cov_p + cov_q - 2 (cov_p cov_q)^(1/2))``: means ``mu_p`` and ``mu_q`` (D,), covariances
    ``cov_p`` and ``cov_q`` (D, D) -> the square of
    the 2-Wasserstein distance between the two Gaussians (Dowson and Landau 1982). For D = 1 numbers suffice.

    The covariances may be singular. Rounding then gives the root small imaginary parts, which are dropped; a large
    imaginary part, which no pair of covariances has, is refused. If the root is not finite, it is computed again with a
    millionth of their mean added to the diagonals, with a warning.

    Raises ``ValueError`` for inconsistent shapes, NaN and infinity, and matrices that are not covariances.
    """
    mu_p, cov_p = _gaussian("p", mu_p, cov_p)
    mu_q, cov_q = _gaussian("q", mu_q, cov_q)
    if len(mu_p) != len(mu_q):
        raise ValueError(f"frechet_distance: p has {len(mu_p)} features and q {len(mu_q)}, expected as many")
    delta, traces = mu_p - mu_q, (float(cov_p.trace()), float(cov_q.trace()))
    scale = math.sqrt(traces[0]) * math.sqrt(traces[1])
    root = scale * _trace_of_root(cov_p / traces[0], cov_q / traces[1]) if scale > 0 else 0.0
    return max(float(delta @ delta) + sum(traces) - 2 * root, 0.0)  # rounding may make it negative


def warn_if_few(argument: str, images: int, features: int) -> None:
    """Warn, at the line of the caller's caller, of no more ``images`` than ``features``."""
    if images <= features:
        warnings.warn(
            f"{argument} has {images} images for {features} features: its covariance has at "
            f"least {features - images + 1} eigenvalues of 0, and the score depends mostly on the number of images; "
            "compare it with scores of the same number of images only",
            stacklevel=4,
        )


def _gaussian(name: str, mu: np.ndarray, cov: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D) in float64, checked."""
    mu, cov = np.atleast_1d(mu.astype(np.float64)), np.atleast_2d(cov.astype(np.float64))
    if mu.ndim != 1 or cov.shape != (len(mu), len(mu)) or len(mu) == 0:
        raise ValueError(
            f"frechet_distance: expects mu_{name} (D,) and cov_{name} (D, D), got {mu.shape} and {cov.shape}"
        )
    for argument, array in (("mu", mu), ("cov", cov)):
        if not np.isfinite(array).all():
            raise ValueError(f"frechet_distance: {argument}_{name} expects finite numbers, it holds NaN or infinity")
    deviations = np.sqrt(cov.diagonal().clip(0))
    symmetric = np.allclose(cov, cov.T, rtol=1e-6, atol=1e-9 * np.abs(cov).max())
    if not symmetric or (np.abs(cov) > 1.001 * np.outer(deviations, deviations)).any():
        raise ValueError(
            f"frechet_distance: cov_{name} expects a covariance: symmetric, with no negative variance and no "
            "correlation above 1"
        )
    return mu, cov


def _trace_of_root(cov_p: np.ndarray, cov_q: np.ndarray) -> float:
    """``tr (cov_p cov_q)^(1/2)`` of covariances of trace 1; at most 1."""
    nonconstant = (cov_p.diagonal() > 0) & (cov_q.diagonal() > 0)
    if not nonconstant.all():  # a feature that is constant in one of the sets contributes nothing to the root
        cov_p, cov_q = (cov[np.ix_(nonconstant, nonconstant)] for cov in (cov_p, cov_q))
    trace = _root(cov_p, cov_q).trace() if nonconstant.any() else 0.0
    if not np.isfinite(trace):
        offsets = [OFFSET * cov.trace() / len(cov) for cov in (cov_p, cov_q)]
        warnings.warn(
            "frechet_distance: the root of the product of the covariances is not finite; computed again with "
            f"{OFFSET:.0e} of its mean added to each diagonal",
            stacklevel=4,
        )
        eye = np.eye(len(cov_p))
        trace = _root(cov_p + offsets[0] * eye, cov_q + offsets[1] * eye).trace()
        if not np.isfinite(trace):
            raise ValueError("frechet_distance: the product of the covariances has no finite root, even with an offset")
    if abs(trace.imag) > IMAGINARY:
        raise ValueError(
            f"frechet_distance: the trace of the covariances' root is {trace:.6g}; its imaginary part is larger "
            "than rounding errors, so one of them is no covariance (it has a negative eigenvalue)"
        )
    return float(trace.real)


def _root(cov_p: np.ndarray, cov_q: np.ndarray) -> np.ndarray:
    """The square root of the product of two matrices, in one thread: SciPy's has been observed to hang with many."""
    # The loaded libraries are looked up again: SciPy has a BLAS of its own, perhaps loaded later than NumPy's.
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)  # a singular product is allowed
        return sqrtm(cov_p @ cov_q)
