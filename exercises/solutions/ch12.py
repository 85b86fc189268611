"""Solutions to the exercises of chapter 12, tighter bounds."""

from itertools import pairwise

import numpy as np
from scipy import optimize, special

import tinygen as tg
from tinygen import likelihoods


def bound_from_weights(log_w, K):
    N, M = log_w.shape
    groups = log_w[:, : M // K * K].reshape(N, M // K, K)
    return (special.logsumexp(groups, axis=2) - np.log(K)).mean(axis=1)


def jackknife(log_w):
    K = log_w.shape[1]
    whole = special.logsumexp(log_w, axis=1) - np.log(K)
    parts = [special.logsumexp(np.delete(log_w, i, axis=1), axis=1) - np.log(K - 1) for i in range(K)]
    return K * whole - (K - 1) * np.mean(parts, axis=0)


def best_variances(eigenvalues):
    eigenvalues = np.asarray(eigenvalues, dtype=float)
    L, largest = len(eigenvalues), eigenvalues.max()

    def derivative(u):
        return L / u - (1 / (2 * u - eigenvalues)).sum()

    return L / (1 / eigenvalues).sum(), optimize.brentq(derivative, largest / 2 * (1 + 1e-12), 2 * L * largest)


def dreg(log_joint, mean, logvar, noise):
    z = tg.expand_dims(mean, 1) + tg.expand_dims(tg.exp(logvar / 2), 1) * noise
    leaf = tg.tensor(z.numpy(), requires_grad=True)
    N, K, L = leaf.shape
    m, v = (tg.broadcast_to(tg.expand_dims(each.detach(), 1), (N, K, L)) for each in (mean, logvar))
    log_q = likelihoods.log_likelihood_normal(*(each.reshape(N * K, L) for each in (m, v, leaf))).reshape(N, K)
    log_w = log_joint(leaf) - log_q
    (slope,) = tg.grad(log_w.sum(), [leaf])
    weights = special.softmax(log_w.numpy(), axis=1) ** 2
    return tg.grad(z, [mean, logvar], slope * tg.tensor(weights[:, :, None]))


def masks(inputs, hidden, order):
    first = np.empty(inputs, int)
    first[list(order)] = np.arange(1, inputs + 1)
    degrees = [first, *(1 + np.arange(width) * (inputs - 1) // width for width in hidden)]
    inner = [(after[:, None] >= before).astype(float) for before, after in pairwise(degrees)]
    return [*inner, (first[:, None] > degrees[-1]).astype(float)]


def completions(model, known, n):
    x = np.zeros((n, model.inputs), "float32")
    x[:, : len(known)] = known
    for bit in range(len(known), model.inputs):
        p = special.expit(model(tg.tensor(x)).numpy()[:, bit])
        x[:, bit] = tg.rand(n).numpy() < p
    return x


def mixture_log_likelihood(models, x):
    each = [model.log_likelihood(x).numpy() for model in models]
    return special.logsumexp(each, axis=0) - np.log(len(models))


def mixture_conditional(models, x, bit):
    of = []
    for value in (0, 1):
        changed = x.copy()
        changed[:, bit] = value
        of.append(mixture_log_likelihood(models, changed))
    return special.expit(of[1] - of[0])


def two_layer_kl(q_1, p_2, q_2, n):
    mean, logvar = q_1
    z_1 = mean + tg.exp(logvar / 2) * tg.randn(n, len(mean), dtype=mean.dtype)
    first = likelihoods.kl_gaussian_standard(tg.expand_dims(mean, 0), tg.expand_dims(logvar, 0))
    return tg.sum(first) + tg.mean(likelihoods.kl_gaussian_gaussian_analytic(*q_2(z_1), *p_2(z_1)))
