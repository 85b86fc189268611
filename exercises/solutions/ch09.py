"""Solutions of the exercises of chapter 9."""

import numpy as np
from scipy.special import expit

import tinygen as tg
from tinygen import functional as F
from tinygen.objectives import Game


def generator_gradient(v, game):
    return -expit(v) if game == "minimax" else -expit(-v)


def step_matrices(rate):
    return np.array([[1, -rate], [rate, 1]]), np.array([[1 - rate**2, -rate], [rate, 1]])


def smoothed_discriminator(p, q, real_label, fake_label):
    return (real_label * p + fake_label * q) / (p + q)


def covered_modes(samples, centres, scale):
    distances = np.linalg.norm(samples[:, None] - centres, axis=2)
    near = distances.min(axis=1) <= 3 * scale
    counts = np.bincount(distances.argmin(axis=1)[near], minlength=len(centres))
    return int((counts >= 0.1 * len(samples) / len(centres)).sum()), float(near.mean())


def hinge_game():
    return Game(real_loss=lambda v: F.relu(1 - v), fake_loss=lambda v: F.relu(1 + v), sample_loss=lambda v: -v)


def r1_loss(game, critic, real, fake, gamma):
    x = real.detach()
    x.requires_grad = True
    (gradient,) = tg.grad(critic(x).sum(), x, create_graph=True)
    squares = (gradient * gradient).sum(axis=tuple(range(1, x.ndim)))
    return game.critic_loss(critic, real, fake) + gamma / 2 * squares.mean()


def spectrally_normalised(weight, u):
    W = weight.numpy()
    v = W.T @ u
    v = v / np.linalg.norm(v)
    u = W @ v
    u = u / np.linalg.norm(u)
    sigma = (tg.tensor(u) @ weight * tg.tensor(v)).sum()
    return weight / sigma, u


def diagnose(history, centres, scale):
    k = len(centres)
    counts, distances = [], np.zeros(0)
    for samples in history:
        apart = np.linalg.norm(samples[:, None] - centres, axis=2)
        counts.append(np.bincount(apart.argmin(axis=1), minlength=k))
        distances = apart.min(axis=1)
    held = (counts[-1] >= 0.1 * len(history[-1]) / k).sum()
    if held >= k / 2:
        return "good" if (distances <= 3 * scale).mean() >= 0.5 else "inaccurate"
    largest = np.array([each.argmax() for each in counts])
    changes = largest[1:] != largest[:-1]
    return "cycling" if len(changes) and changes.mean() >= 0.5 else "collapsed"
