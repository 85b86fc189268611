"""Answers to the exercises of chapter 6."""

import math

import numpy as np
from scipy import special


# Exercise 1: the quantile grid of a logistic prior (*)
def logistic_grid(side: int) -> np.ndarray:
    quantiles = special.logit((np.arange(side) + 0.5) / side)
    return np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)


# Exercise 2: linear and spherical interpolation (*)
def interpolate(z0: np.ndarray, z1: np.ndarray, alpha: float, spherical: bool) -> np.ndarray:
    if not spherical:
        return (1 - alpha) * z0 + alpha * z1
    norms = [np.linalg.norm(z, axis=1, keepdims=True) for z in (z0, z1)]
    omega = np.arccos(((z0 / norms[0]) * (z1 / norms[1])).sum(axis=1, keepdims=True))
    return (np.sin((1 - alpha) * omega) * z0 + np.sin(alpha * omega) * z1) / np.sin(omega)


def root_mean_square_norm(L: int, alpha: float) -> float:
    return math.sqrt(L * ((1 - alpha) ** 2 + alpha**2))


# Exercise 3: active units (*)
def sort_latents(mean: np.ndarray, logvar: np.ndarray, threshold: float = 0.01) -> tuple[np.ndarray, int]:
    kl = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).mean(axis=0)
    return np.argsort(-kl), int((mean.var(axis=0) > threshold).sum())


# Exercise 4: nearest neighbours (**)
def nearest_neighbours(
    features: np.ndarray, labels: np.ndarray, queries: np.ndarray, k: int, classes: int
) -> np.ndarray:
    squares = (queries**2).sum(axis=1)[:, None] - 2 * queries @ features.T + (features**2).sum(axis=1)
    nearest = labels[np.argsort(squares, axis=1, kind="stable")[:, :k]]
    votes = (nearest[:, :, None] == np.arange(classes)).sum(axis=1)
    return votes.argmax(axis=1)


# Exercise 5: information and mismatch (**)
def split_rate(mean: np.ndarray, logvar: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    def log_normal(z: np.ndarray, mu: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
        return -0.5 * ((z - mu) ** 2 / np.exp(log_variance) + log_variance + math.log(2 * math.pi)).sum(axis=-1)

    information, mismatch = [], []
    for each in noise:
        z = mean + np.exp(logvar / 2) * each
        log_aggregate = special.logsumexp(log_normal(z[:, None], mean, logvar), axis=1) - math.log(len(mean))
        information.append(log_normal(z, mean, logvar) - log_aggregate)
        mismatch.append(log_aggregate - log_normal(z, np.zeros_like(z), np.zeros_like(z)))
    return float(np.mean(information)), float(np.mean(mismatch))


# Exercise 6: the bounds of M2 (**)
def m2_bounds(log_likelihood: np.ndarray, kl: np.ndarray, log_q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bounds = log_likelihood - kl - math.log(log_likelihood.shape[1])
    return bounds, (np.exp(log_q) * (bounds - log_q)).sum(axis=1)


def best_log_q(bounds: np.ndarray) -> np.ndarray:
    return bounds - special.logsumexp(bounds, axis=1, keepdims=True)


def logit_gradient(bounds: np.ndarray, logits: np.ndarray) -> np.ndarray:
    q = special.softmax(logits, axis=1)
    gain = bounds - special.log_softmax(logits, axis=1)
    return q * (gain - (q * gain).sum(axis=1, keepdims=True))


# Exercise 7: principal components as a linear VAE (***)
def linear_vae(x: np.ndarray, L: int) -> dict[str, np.ndarray]:
    eigenvalues, vectors = np.linalg.eigh(np.cov(x.T, ddof=0))
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    variance = eigenvalues[L:].mean()
    W = vectors[:, :L] * np.sqrt(np.maximum(eigenvalues[:L] - variance, 0))
    inverse = np.linalg.inv(np.eye(L) + W.T @ W / variance)
    return {"W": W, "b": x.mean(axis=0), "variance": variance, "A": inverse @ W.T / variance, "v": np.diag(inverse)}


# Exercise 8: the rotation of the latents with the smallest gap (**)
def best_rotation(W: np.ndarray) -> np.ndarray:
    return np.linalg.svd(W)[2].T
