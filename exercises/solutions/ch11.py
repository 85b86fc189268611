"""Solutions to the exercises of chapter 11, evaluation."""

import math

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from tinygen import evaluation


def frechet(mu_p, cov_p, mu_q, cov_q):
    values, vectors = np.linalg.eigh(cov_q)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    trace = np.sqrt(np.linalg.eigvalsh(root @ cov_p @ root).clip(0)).sum()
    return float(np.square(mu_p - mu_q).sum() + np.trace(cov_p) + np.trace(cov_q) - 2 * trace)


def kid(x, y):
    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    within = [(kernel(a, a).sum() - kernel(a, a).trace()) / (len(a) * (len(a) - 1)) for a in (x, y)]
    return float(sum(within) - 2 * kernel(x, y).mean())


def bootstrap_error(statistic, x, resamples, rng):
    return float(np.std([statistic(x[rng.integers(len(x), size=len(x))]) for _ in range(resamples)], ddof=1))


def density_and_coverage(samples, data, k=5):
    radii = np.sort(cdist(data, data), axis=1)[:, k]
    inside = cdist(samples, data) <= radii
    N, i = len(data), np.arange(1, k + 1)
    expected = 1 - np.prod((N - i) / (len(samples) + N - i))
    return float(inside.sum() / (k * len(samples))), float(inside.any(axis=0).mean()), float(expected)


def extrapolated_fid(x, test, sizes, repeats, rng):
    scores = [
        np.mean([evaluation.calculate_fid_score(rng.permutation(x)[:size], test) for _ in range(repeats)])
        for size in sizes
    ]
    slope, intercept = np.polyfit(1 / np.asarray(sizes), scores, 1)
    return float(intercept), float(slope)


def moment_matched(test, count, rng):
    z = rng.normal(size=(count, test.shape[1]))
    z -= z.mean(axis=0)
    own, target = (np.linalg.cholesky(np.cov(each, rowvar=False)) for each in (z, test))
    return np.linalg.solve(own, z.T).T @ target.T + test.mean(axis=0)


def memorisation_score(samples, train, held_out):
    M, N = len(samples), len(held_out)
    ranks = rankdata(np.concatenate([evaluation.nearest(images, train)[1] for images in (samples, held_out)]))
    pairs = ranks[M:].sum() - N * (N + 1) / 2  # less the ranks of the held-out images among themselves
    score = float(pairs / (M * N))
    return score, (score - 0.5) / math.sqrt((M + N + 1) / (12 * M * N))


def precision_and_recall(data, samples, k=3):
    def share(points, centres):
        parts = [centres[first : first + 200] for first in range(0, len(centres), 200)]
        radii = np.concatenate([np.partition(cdist(part, centres), k, axis=1)[:, k].copy() for part in parts])
        R = radii.max()
        height = np.sqrt(R**2 - radii**2)
        extended = np.column_stack([centres, height])[..., None, None]
        queries = np.column_stack([points, np.zeros(len(points))])[..., None, None]
        _, distance = evaluation.nearest(queries, extended)
        return float((distance * np.sqrt(queries.shape[1]) <= R).mean())

    return share(samples, data), share(data, samples)
