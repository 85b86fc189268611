"""The Fréchet distance between two sets of images, through their features: FID (Heusel et al. 2017, eq. 6).

Call the features of each set a Gaussian. Between two Gaussians the 2-Wasserstein distance has a closed form (Dowson and
Landau 1982); its square is

    |mu_p - mu_q|^2 + tr(S_p + S_q - 2 (S_p S_q)^(1/2))

and this square is what everyone calls the distance. What it is worth with N images, and where it goes as N grows, is
said in ``frechet_sampling``.
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

OFFSET = 1e-6  # added to the diagonals where the root is not finite, in parts of their mean
IMAGINARY = 1e-3  # the most of the root's trace, in parts of what it could be, that rounding makes imaginary


@checked
def calculate_fid_score(sample_features: Iterable[Any], test_features: Iterable[Any]) -> float:
    """The Fréchet distance between the Gaussians of two sets' features, in squared units of a feature.

    ``sample_features`` and ``test_features`` yield vectors (D,) or batches (B, D), arrays or tensors, and are read
    once, in bounded memory; an array (N, D) is taken as well. Means and covariances (divided by N - 1) are in float64.

    The score falls as either set grows: compare scores of equal numbers of images alone, and name the network, the test
    set and N beside each. A warning says where a set has no more images than features.

    Raises ``ValueError`` where a set has fewer than two images, the sets' features differ in number, or one is NaN or
    infinite; it is named.
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
    """``|mu_p - mu_q|^2 + tr(cov_p + cov_q - 2 (cov_p cov_q)^(1/2))``: means (D,), covariances (D, D) -> the square of
    the 2-Wasserstein distance between the two Gaussians (Dowson and Landau 1982). Numbers do for D = 1.

    The covariances may be singular. Rounding then gives the root tiny imaginary parts, which are left out; an imaginary
    part that is not tiny is refused, for no pair of covariances has one. Only where the root is not finite a millionth
    is added to the diagonals, with a warning.

    Raises ``ValueError`` for shapes that do not belong together, for NaN and infinity, and for matrices that are no
    covariances.
    """
    mu_p, cov_p = _gaussian("p", mu_p, cov_p)
    mu_q, cov_q = _gaussian("q", mu_q, cov_q)
    if len(mu_p) != len(mu_q):
        raise ValueError(f"frechet_distance: p has {len(mu_p)} features and q {len(mu_q)}, expected as many")
    way, traces = mu_p - mu_q, (float(cov_p.trace()), float(cov_q.trace()))
    scale = math.sqrt(traces[0]) * math.sqrt(traces[1])
    root = scale * _trace_of_root(cov_p / traces[0], cov_q / traces[1]) if scale > 0 else 0.0
    return max(float(way @ way) + sum(traces) - 2 * root, 0.0)  # rounding may leave less than 0


def warn_if_few(argument: str, images: int, features: int) -> None:
    """Warn, where the caller of this function's caller stands, of fewer ``images`` than their ``features`` need."""
    if images <= features:
        warnings.warn(
            f"{argument} has {images} images for {features} features: its covariance is flat in "
            f"{features - images + 1} directions or more, and the score mostly says how few images there were; compare "
            "it with scores of as many images alone",
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
    moves = (cov_p.diagonal() > 0) & (cov_q.diagonal() > 0)
    if not moves.all():  # what never moves in one of the sets has no part in the root
        cov_p, cov_q = (cov[np.ix_(moves, moves)] for cov in (cov_p, cov_q))
    trace = _root(cov_p, cov_q).trace() if moves.any() else 0.0
    if not np.isfinite(trace):
        offsets = [OFFSET * cov.trace() / len(cov) for cov in (cov_p, cov_q)]
        warnings.warn(
            "frechet_distance: the root of the product of the covariances is not finite; taken again with "
            f"{OFFSET:.0e} of its mean added to each diagonal",
            stacklevel=4,
        )
        eye = np.eye(len(cov_p))
        trace = _root(cov_p + offsets[0] * eye, cov_q + offsets[1] * eye).trace()
        if not np.isfinite(trace):
            raise ValueError("frechet_distance: the product of the covariances has no finite root, even with an offset")
    if abs(trace.imag) > IMAGINARY:
        raise ValueError(
            f"frechet_distance: the trace of the covariances' root is {trace:.6g}; its imaginary part is not a matter "
            "of rounding, so one of them is no covariance (it has a negative eigenvalue)"
        )
    return float(trace.real)


def _root(cov_p: np.ndarray, cov_q: np.ndarray) -> np.ndarray:
    """The square root of the product of two matrices, in one thread: SciPy's was seen to hang among too many."""
    # Which libraries are loaded is looked up anew, for SciPy brings a BLAS of its own, perhaps after NumPy's was found.
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)  # a singular product is no reason to worry: see above
        return sqrtm(cov_p @ cov_q)
