"""Exercises of chapter 5, Variational autoencoders (docs/5-variational-autoencoders.md).

Gaussians in closed form, estimators of the bound and of its gradient, the beta-VAE. Replace each ``raise
NotImplementedError`` by an answer; ``python exercises/grade.py 5`` grades them. Arrays are NumPy arrays unless a task
speaks of tensors; logarithms are natural, so all divergences and likelihoods are in nats.
"""

from collections.abc import Callable

import numpy as np

import tinygen as tg
from tinygen import models


# Exercise 1: the KL divergence of two Gaussians (*)
def gaussian_kl(mean_q: np.ndarray, cov_q: np.ndarray, mean_p: np.ndarray, cov_p: np.ndarray) -> float:
    """KL(q || p) of N(mean_q, cov_q) and N(mean_p, cov_p), means (L,) and full covariance matrices (L, L).

    Hint: repeat the derivation of "The evidence lower bound" with E_q[(z - m)^T A (z - m)] = trace(A cov_q) +
    (mean_q - m)^T A (mean_q - m). ``np.linalg.slogdet`` gives log-determinants.
    """
    raise NotImplementedError


# Exercise 2: a reparametrised sample with a full covariance (*)
def reparametrised_sample(mean: tg.Tensor, factor: tg.Tensor, noise: tg.Tensor) -> tg.Tensor:
    """Samples of N(mean, factor factor^T), differentiable in ``mean`` (L,) and in the Cholesky ``factor`` (L, L).

    ``noise`` (N, L) holds samples of N(0, I); returns a tensor (N, L). Hint: what is the covariance of A noise, for a
    matrix A? (Section "Reparametrisation".)
    """
    raise NotImplementedError


# Exercise 3: the ELBO of the linear-Gaussian model (**)
def linear_gaussian_elbo(
    x: np.ndarray, W: np.ndarray, b: np.ndarray, s: float, mean: np.ndarray, cov: np.ndarray
) -> float:
    """The ELBO of one point x (D,) under z ~ N(0, I), x = W z + b + s noise, for q = N(mean, cov): exact, no samples.

    W (D, L), b (D,), mean (L,), cov (L, L). Hint: E_q |x - b - W z|^2 is the value at the mean plus trace(W cov W^T);
    the KL is that of exercise 1.
    """
    raise NotImplementedError


# Exercise 4: the effective sample size (*)
def effective_sample_size(log_weights: np.ndarray) -> np.ndarray:
    """(sum_k w_k)^2 / sum_k w_k^2 of weights given by their logarithms (M, K) -> (M,).

    The logarithms may be -1000 or 1000: the result must be right even where every weight underflows or overflows.
    Hint: the quotient does not change if all weights of a row are multiplied by the same number.
    """
    raise NotImplementedError


# Exercise 5: the K-sample bound as an objective (**)
def k_sample_bound(model: models.VAE, x: tg.Tensor, K: int) -> tg.Tensor:
    """log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x) for images x (N, C, H, W), with K samples z_k of q(z|x) per image -> a
    tensor (N,), differentiable in the parameters of encoder and decoder: the objective of the IWAE.

    Of the model use ``encode``, ``sample_latent``, ``decode`` and ``log_likelihood``; not functions of ``evaluation``,
    which record no graph. Hint: ``likelihoods.log_likelihood_normal`` and ``likelihoods.log_mean_exp``. (Section
    "Importance sampling".)
    """
    raise NotImplementedError


# Exercise 6: the score-function gradient with a baseline (**)
def score_function_gradient(f: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """An unbiased estimate of the gradient of E f(z), z ~ N(mean, I), with respect to ``mean`` (L,) -> (L,).

    ``f`` maps samples (N, L) to values (N,) and has no gradient; ``noise`` (N, L) holds samples of N(0, I). From the
    value of each sample subtract the mean of the values of the *other* N - 1 samples (leave-one-out baseline), which
    keeps the estimate unbiased. (Section "Reparametrisation".)
    """
    raise NotImplementedError


# Exercise 7: the optimal linear beta-VAE (***)
def linear_beta_vae(covariance: np.ndarray, s: float, beta: float, L: int) -> tuple[np.ndarray, float, float]:
    """The optimum of the linear beta-VAE with L <= D latents and decoder noise s, for data of a ``covariance`` (D, D).

    Returns the decoder W (D, L) with orthogonal columns, of decreasing norm; the rate, i.e. the mean KL in nats; and
    the distortion, here the mean of |x - b - W z|^2 over data and q (without 1 / (2 s^2) and constants). Directions of
    variance below beta s^2 get a column of zeros; those beyond the first L are lost entirely. (Section "Rate,
    distortion and posterior collapse".)
    """
    raise NotImplementedError


# Exercise 8: a defensive mixture as proposal (***)
def defensive_estimate(
    log_joint: Callable[[np.ndarray], np.ndarray], mean: float, std: float, from_q: np.ndarray, from_prior: np.ndarray
) -> float:
    """An estimate of log p(x) with one latent by importance sampling, half of the samples from q = N(mean, std^2) and
    half from the prior N(0, 1).

    ``log_joint`` maps z (K,) to log p(x|z) + log p(z), (K,); ``from_q`` and ``from_prior`` (K / 2,) each hold samples
    of N(0, 1), of which the first have to be scaled and shifted. Every sample, wherever it comes from, has the weight
    of the mixture q/2 + p/2. (Section "Why samples of the prior do not suffice".)
    """
    raise NotImplementedError
