"""Solutions of the exercises of chapter 10."""

import math

import numpy as np

import tinygen as tg
from tinygen import functional as F
from tinygen import objectives
from tinygen.models import MLP
from tinygen.optim import Adam, linear_schedule


def interpolate(real, fake):
    a = tg.rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype)
    x = (a * real + (1 - a) * fake).detach()
    x.requires_grad = True
    return x


def _norms(critic, x):
    (gradient,) = tg.grad(critic(x).sum(), x, create_graph=True)
    return tg.sqrt((gradient * gradient).sum(axis=tuple(range(1, x.ndim))) + 1e-12)


def two_sided_penalty(critic, x):
    return ((_norms(critic, x) - 1) ** 2).mean()


def one_sided_penalty(critic, x):
    return (F.relu(_norms(critic, x) - 1) ** 2).mean()


def linear_maxima(distance, weight):
    step = distance / (2 * weight)
    return ([-1 + step] if step < 1 else []) + [1 + step], [1 + step]


def wasserstein_on_a_line(x, y):
    points = np.sort(np.concatenate([x, y]))
    F_x, F_y = (np.searchsorted(np.sort(z), points[:-1], side="right") / len(z) for z in (x, y))
    return float((abs(F_x - F_y) * np.diff(points)).sum())


def wasserstein_by_critic(sample_p, sample_q):
    critic, game, steps = MLP(1, hidden=(32, 32)), objectives.GAMES["wasserstein_lipschitz"], 200
    optimizer = Adam(critic.parameters(), 1e-2, betas=(0.0, 0.9))
    for step in range(steps):
        optimizer.lr = linear_schedule(step, steps, 1e-2)
        optimizer.zero_grad()
        game.critic_loss(critic, tg.tensor(sample_p(256)), tg.tensor(sample_q(256))).backward()
        optimizer.step()
    x, y = tg.tensor(sample_p(10_000)), tg.tensor(sample_q(10_000))
    norms = objectives.gradient_norms(critic, objectives.interpolates(x, y))
    with tg.no_grad():
        gap = (critic(x).mean() - critic(y).mean()).item()
    return gap / norms.max().item(), gap - game.penalty_weight * (F.relu(norms - 1) ** 2).mean().item()


def optimal_clipped_critic(real, fake, c):
    return c * np.sign(real.mean(axis=0) - fake.mean(axis=0))


def lipschitz_bound(widths, c):
    return math.prod(c * math.sqrt(m * n) for m, n in zip(widths[1:], widths[:-1], strict=True))


def moving_averages(values, decay):
    average, averages = 0.0, []
    for t, value in enumerate(values):
        b = min(decay, (1 + t) / (10 + t))
        average = b * average + (1 - b) * value
        averages.append(average)
    return averages


def mixes_examples(critic, x):
    x = x.detach()
    x.requires_grad = True
    # Without mixing, weights w of the scores multiply the gradient of example i by w_i alone.
    weights = tg.tensor(np.random.default_rng(0).uniform(1, 2, len(x)).astype(x.dtype))
    (plain,) = tg.grad(critic(x).sum(), x)
    (weighted,) = tg.grad((weights * critic(x).reshape(-1)).sum(), x)
    expected = weights.reshape(-1, *[1] * (x.ndim - 1)) * plain
    scale = max(abs(plain.numpy()).max(), abs(weighted.numpy()).max())
    return bool(abs((weighted - expected).numpy()).max() > 1e-5 * scale)
