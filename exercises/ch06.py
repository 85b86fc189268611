"""Exercises of chapter 6, Latent spaces (docs/6-latent-spaces.md).

Maps of a latent space, active units, latents as features, the bounds of M2, the linear VAE. Replace each ``raise
NotImplementedError`` by an answer; ``python exercises/grade.py 6`` grades them. Arrays are NumPy arrays; N images, L
latents.
"""

import numpy as np


# Exercise 1: the quantile grid of a logistic prior (*)
def logistic_grid(side: int) -> np.ndarray:
    """A grid of side^2 points of a latent plane whose two coordinates have independent logistic distributions, with
    the cumulative distribution function 1 / (1 + e^-z).

    Each coordinate is a median of one of ``side`` intervals of equal probability. Returns (side^2, 2), row by row: the
    first row has the largest z_2, and in each row z_1 increases, as in ``evaluation.manifold``. (Section "The latent
    plane".)
    """
    raise NotImplementedError


# Exercise 2: linear and spherical interpolation (*)
def interpolate(z0: np.ndarray, z1: np.ndarray, alpha: float, spherical: bool) -> np.ndarray:
    """The linear or the spherical interpolation at ``alpha`` in [0, 1] of z0 and z1, (N, L), row by row -> (N, L).

    Do not use ``evaluation.slerp``. No two rows are parallel. (Section "Interpolation".)
    """
    raise NotImplementedError


def root_mean_square_norm(L: int, alpha: float) -> float:
    """The square root of E |z|^2 for the *linear* interpolation z at ``alpha`` of two independent samples of N(0, I)
    in L dimensions."""
    raise NotImplementedError


# Exercise 3: active units (*)
def sort_latents(mean: np.ndarray, logvar: np.ndarray, threshold: float = 0.01) -> tuple[np.ndarray, int]:
    """The indices (L,) of the latents in order of decreasing mean KL from the prior, and the number of active units.

    ``mean`` and ``logvar`` (N, L) are those of q(z|x) for N images; a latent is active if the variance of its mean over
    the images (divisor N) exceeds ``threshold``. (Section "Active units".)
    """
    raise NotImplementedError


# Exercise 4: nearest neighbours (**)
def nearest_neighbours(
    features: np.ndarray, labels: np.ndarray, queries: np.ndarray, k: int, classes: int
) -> np.ndarray:
    """The class (M,) of each of the ``queries`` (M, F): the most frequent label among the ``k`` nearest of the
    labelled ``features`` (N, F) in Euclidean distance.

    ``labels`` (N,) are integers 0 ... classes - 1; of classes with equally many votes take the smallest. No loop over
    queries: compute all squared distances at once as |q|^2 - 2 q . f + |f|^2. (Section "Latents as features
    for few labels".)
    """
    raise NotImplementedError


# Exercise 5: information and mismatch (**)
def split_rate(mean: np.ndarray, logvar: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """The information I(n; z) and the mismatch KL(q(z) || p(z)) of the aggregate posterior, in nats, as means over
    samples.

    ``mean`` and ``logvar`` (N, L) are those of q(z|x_n), ``noise`` (S, N, L) holds samples of N(0, I): the s-th sample
    of q(z|x_n) is mean + e^(logvar/2) noise[s]. Hint: ``scipy.special.logsumexp``. (Section "The aggregate
    posterior".)
    """
    raise NotImplementedError


# Exercise 6: the bounds of M2 (**)
def m2_bounds(log_likelihood: np.ndarray, kl: np.ndarray, log_q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-L(x, y) (N, K), the bound of log p(x, y) of each of K classes, and -U(x) (N,), that of log p(x).

    ``log_likelihood`` and ``kl`` (N, K) are E_q(z|x,y)[log p(x|y, z)] and KL(q(z|x, y) || p(z)), ``log_q`` (N, K) is
    log q(y|x); p(y) is uniform. (Section "Labels as latent variables".)
    """
    raise NotImplementedError


def best_log_q(bounds: np.ndarray) -> np.ndarray:
    """log q(y|x) (N, K) of the classifier for which -U(x) is largest, for given ``bounds`` -L(x, y) (N, K), some of
    which are below -1000."""
    raise NotImplementedError


def logit_gradient(bounds: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The gradient of -U(x) by the ``logits`` (N, K) of q(y|x) = softmax(logits), for ``bounds`` -L(x, y) (N, K): (N,
    K), by a formula, without automatic differentiation."""
    raise NotImplementedError


# Exercise 7: principal components as a linear VAE (***)
def linear_vae(x: np.ndarray, L: int) -> dict[str, np.ndarray]:
    """The linear VAE with L latents that maximises the mean ELBO of the points ``x`` (N, D), L < D, where the noise's
    variance is learned too (probabilistic principal component analysis).

    Returns "W" (D, L), with orthogonal columns of decreasing norm, "b" (D,) and "variance", those of p(x|z) =
    N(W z + b, variance I); "A" (L, D) and "v" (L,), those of q(z|x) = N(A (x - b), diag(v)). With the eigenvalues
    l_1 >= l_2 >= ... of the data's covariance (divisor N) the optimal variance is the mean of l_(L+1), ..., l_D, and
    the squared norms of W's columns are l_i - variance. Hint: q is the posterior, in closed form in chapter 5.
    """
    raise NotImplementedError


# Exercise 8: the rotation of the latents with the smallest gap (**)
def best_rotation(W: np.ndarray) -> np.ndarray:
    """An orthogonal matrix R (L, L) such that in the linear-Gaussian model with the decoder W R, W (D, L), the best q
    with independent components is the posterior, so that the gap of the ELBO is 0.

    Hint: the posterior's precision is I + (W R)^T (W R) / s^2; it has to be diagonal. (Section "Disentanglement".)
    """
    raise NotImplementedError
