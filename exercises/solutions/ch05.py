"""Answers to the exercises of chapter 5."""

import math
from collections.abc import Callable

import numpy as np

import tinygen as tg
from tinygen import likelihoods, models


# Exercise 1: the KL divergence of two Gaussians (*)
def gaussian_kl(mean_q: np.ndarray, cov_q: np.ndarray, mean_p: np.ndarray, cov_p: np.ndarray) -> float:
    precision, deviation = np.linalg.inv(cov_p), mean_q - mean_p
    log_ratio = np.linalg.slogdet(cov_p)[1] - np.linalg.slogdet(cov_q)[1]
    return 0.5 * float(np.trace(precision @ cov_q) + deviation @ precision @ deviation - len(mean_q) + log_ratio)


# Exercise 2: a reparametrised sample with a full covariance (*)
def reparametrised_sample(mean: tg.Tensor, factor: tg.Tensor, noise: tg.Tensor) -> tg.Tensor:
    return mean + noise @ factor.T


# Exercise 3: the ELBO of the linear-Gaussian model (**)
def linear_gaussian_elbo(
    x: np.ndarray, W: np.ndarray, b: np.ndarray, s: float, mean: np.ndarray, cov: np.ndarray
) -> float:
    D, L = W.shape
    squares = ((x - b - W @ mean) ** 2).sum() + np.trace(W @ cov @ W.T)
    reconstruction = -0.5 * (squares / s**2 + D * math.log(2 * math.pi * s**2))
    return float(reconstruction) - gaussian_kl(mean, cov, np.zeros(L), np.eye(L))


# Exercise 4: the effective sample size (*)
def effective_sample_size(log_weights: np.ndarray) -> np.ndarray:
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1)


# Exercise 5: the K-sample bound as an objective (**)
def k_sample_bound(model: models.VAE, x: tg.Tensor, K: int) -> tg.Tensor:
    log_weights = []
    mean, logvar = model.encode(x)
    for _ in range(K):
        z = model.sample_latent(mean, logvar)
        origin = tg.zeros_like(z)
        log_joint = model.log_likelihood(model.decode(z), x) + likelihoods.log_likelihood_normal(origin, origin, z)
        log_weights.append(log_joint - likelihoods.log_likelihood_normal(mean, logvar, z))
    return likelihoods.log_mean_exp(tg.stack(log_weights, axis=1))


# Exercise 6: the score-function gradient with a baseline (**)
def score_function_gradient(f: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, noise: np.ndarray) -> np.ndarray:
    values = f(mean + noise)
    baselines = (values.sum() - values) / (len(values) - 1)
    return ((values - baselines)[:, None] * noise).mean(axis=0)


# Exercise 7: the optimal linear beta-VAE (***)
def linear_beta_vae(covariance: np.ndarray, s: float, beta: float, L: int) -> tuple[np.ndarray, float, float]:
    eigenvalues, vectors = np.linalg.eigh(covariance)
    largest, directions = eigenvalues[::-1][:L], vectors[:, ::-1][:, :L]
    noise = beta * s**2
    W = directions * np.sqrt(np.maximum(largest - noise, 0))
    rate = 0.5 * np.log(np.maximum(largest / noise, 1)).sum()
    distortion = np.minimum(largest, noise).sum() + eigenvalues[::-1][L:].sum()
    return W, float(rate), float(distortion)


# Exercise 8: a defensive mixture as proposal (***)
def defensive_estimate(
    log_joint: Callable[[np.ndarray], np.ndarray], mean: float, std: float, from_q: np.ndarray, from_prior: np.ndarray
) -> float:
    def log_normal(z: np.ndarray, mu: float, sigma: float) -> np.ndarray:
        return -0.5 * ((z - mu) / sigma) ** 2 - math.log(sigma) - 0.5 * math.log(2 * math.pi)

    z = np.concatenate([mean + std * from_q, from_prior])
    log_mixture = np.logaddexp(log_normal(z, mean, std), log_normal(z, 0.0, 1.0)) - math.log(2)
    return likelihoods.log_mean_exp(tg.tensor((log_joint(z) - log_mixture)[None])).item()
