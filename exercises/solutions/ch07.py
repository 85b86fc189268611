"""Solutions to the exercises of chapter 7, divergences."""

import math

import numpy as np
from scipy import integrate

import tinygen as tg
from tinygen import nn
from tinygen.objectives import FDivergence


def conjugate(f, t, u):
    return (t[:, None] * u - f(u)).max(axis=1)


def discriminator_value(D, p, q, x):
    return float(integrate.simpson(p * np.log(D) + q * np.log1p(-D), x=x))


def optimal_discriminator(log_p, log_q):
    return 0.5 * (1 + np.tanh((log_p - log_q) / 2))


def wasserstein_1d(x, y):
    count = math.lcm(len(x), len(y))
    x, y = (np.repeat(np.sort(each), count // len(each)) for each in (x, y))
    return float(np.abs(x - y).mean())


def neyman():
    return FDivergence(
        f=lambda u: (1 - u) ** 2 / u,
        activation=lambda v: -tg.expm1(-v),
        conjugate=lambda t: 2 - 2 * tg.sqrt(1 - t),
        conjugate_of_activation=lambda v: -2 * tg.expm1(-v / 2),
        optimal_output=lambda log_ratio: 2 * log_ratio,
    )


def jensen_shannon_gap(v, log_p, log_q, x):
    p, q, log_m = np.exp(log_p), np.exp(log_q), np.logaddexp(log_p, log_q) - math.log(2)
    divergence = integrate.simpson(p * (log_p - log_m) + q * (log_q - log_m), x=x) / 2
    bound = math.log(2) - integrate.simpson(p * np.logaddexp(0, -v) + q * np.logaddexp(0, v), x=x) / 2
    return float(divergence), float(divergence - bound)


def spectral_norm(W, steps=200):
    u = np.random.default_rng(0).normal(size=W.shape[1])
    v = np.zeros(len(W))
    for _ in range(steps):
        v = W @ u
        if not v.any():
            return 0.0
        v /= np.linalg.norm(v)
        u = W.T @ v
        u /= np.linalg.norm(u)
    return float(v @ W @ u)


def lipschitz_bound(network):
    return math.prod(spectral_norm(layer.weight.numpy()) for layer in network.items if isinstance(layer, nn.Linear))


def squared_mmd(x, y, bandwidth):
    def kernel(a, b):
        return np.exp(-np.square(a[:, None] - b).sum(axis=-1) / (2 * bandwidth**2))

    within = [(kernel(a, a).sum() - len(a)) / (len(a) * (len(a) - 1)) for a in (x, y)]
    return float(sum(within) - 2 * kernel(x, y).mean())


def log_density_ratio(x, y):
    def features(a):
        return np.stack([np.ones_like(a), a, a * a], axis=1)

    A, labels, w = features(np.concatenate([x, y])), np.repeat([1.0, 0.0], [len(x), len(y)]), np.zeros(3)
    for _ in range(15):
        D = 0.5 * (1 + np.tanh(A @ w / 2))
        w += np.linalg.solve(A.T * (D * (1 - D)) @ A, A.T @ (labels - D))
    w[0] -= math.log(len(x) / len(y))
    return lambda a: features(a) @ w
