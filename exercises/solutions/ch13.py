"""Solutions to the exercises of chapter 13, flow matching and diffusion."""

import math
from itertools import pairwise

import numpy as np

import tinygen as tg


def gaussian_velocity(x, t, mean, sd):
    variance, covariance = t**2 * sd**2 + (1 - t) ** 2, t * sd**2 - (1 - t)
    return mean + covariance / variance * (x - t * mean)


def midpoint(velocity, x, steps):
    h = 1 / steps
    for k in range(steps):
        half = x + h / 2 * velocity(x, k * h)
        x = x + h * velocity(half, (k + 0.5) * h)
    return x


def mixture_velocity(x, t, centres, sd):
    variance, covariance = t**2 * sd**2 + (1 - t) ** 2, t * sd**2 - (1 - t)
    deviation = x[:, None] - t * centres  # (N, K, d)
    exponents = -(deviation**2).sum(axis=2) / (2 * variance)
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return (weights[:, :, None] * (centres + covariance / variance * deviation)).sum(axis=1)


def from_velocity(v, x, t, path):
    t = tg.tensor(np.reshape(t, (-1, 1)))
    coefficients = (path.alpha, path.sigma, path.alpha_derivative, path.sigma_derivative)
    alpha, sigma, alpha_rate, sigma_rate = (coefficient(t).numpy() for coefficient in coefficients)
    determinant = alpha * sigma_rate - sigma * alpha_rate
    data = (sigma_rate * x - sigma * v) / determinant
    noise = (alpha * v - alpha_rate * x) / determinant
    return data, noise, -noise / sigma


def estimated_divergence(velocity, x, t, probes, rng):
    x = tg.tensor(x.numpy(), requires_grad=True)
    v, total = velocity(x, t), 0
    for _ in range(probes):
        r = tg.tensor(rng.choice([-1.0, 1.0], size=x.shape).astype(x.numpy().dtype))
        (product,) = tg.grad(v, x, r)
        total = total + (product * r).sum(axis=1)
    return total / probes


def ddim(noise_network, x, times, path):
    def at(time):
        return tg.full((len(x),), time, dtype=x.dtype)

    for t, s in pairwise(times):
        (alpha_t, sigma_t), (alpha_s, sigma_s) = (path.coefficients(at(time), x) for time in (t, s))
        noise = noise_network(x, at(t))
        x = alpha_s * (x - sigma_t * noise) / alpha_t + sigma_s * noise
    return x


def adaptive(velocity, x, tolerance):
    t, h, first, calls = 0.0, 0.01, velocity(x, 0.0), 1
    while t < 1:
        end = 1.0 if t + h >= 1 else t + h
        h = end - t
        euler = x + h * first
        heun = x + h / 2 * (first + velocity(euler, end))
        calls += 1
        error = np.abs(heun - euler).max()
        if error <= tolerance:
            x, t = heun, end
            if t < 1:
                first, calls = velocity(x, t), calls + 1
        h *= 5 if error == 0 else min(5, max(0.2, 0.9 * math.sqrt(tolerance / error)))
    return x, calls
