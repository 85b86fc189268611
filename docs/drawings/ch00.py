"""Figures of chapter 0, what a generative model is."""

import math

import numpy as np
from matplotlib.figure import Figure

import tinygen as tg
from drawings.style import BLUE, INK, ORANGE, new_figure
from tinygen import optim
from tinygen.backend import fixed_seed
from tinygen.data.samplers import two_moons


def first_model() -> Figure:
    """Points of two moons, the density of a mixture of 16 normal distributions fitted to them, and its samples."""
    components, steps = 16, 200
    with fixed_seed(0):
        points = tg.tensor(two_moons(1000), dtype="float32")
        means = tg.tensor(points.numpy()[:components].copy(), requires_grad=True)
        log_sigma = tg.full((components,), -1.0, requires_grad=True)
        logits = tg.zeros(components, requires_grad=True)

        def log_density(x: tg.Tensor) -> tg.Tensor:
            squares = ((x.reshape(-1, 1, 2) - means) ** 2).sum(axis=2)
            log_normal = -squares / (2 * tg.exp(2 * log_sigma)) - 2 * log_sigma - math.log(2 * math.pi)
            return tg.logsumexp(logits - tg.logsumexp(logits) + log_normal, axis=1)

        optimizer = optim.Adam([means, log_sigma, logits], lr=0.05)
        for _ in range(steps):
            optimizer.zero_grad()
            (-log_density(points).mean()).backward()
            optimizer.step()
        weights = np.exp(logits.numpy() - logits.numpy().max())
        z = np.random.default_rng(0).choice(components, 1000, p=weights / weights.sum())
        samples = means.numpy()[z] + np.exp(log_sigma.numpy()[z])[:, None] * tg.randn(1000, 2).numpy()
    across, down = np.linspace(-2, 2, 160), np.linspace(-1.15, 1.15, 100)
    cells = np.stack(np.meshgrid(across, down), axis=2).reshape(-1, 2)
    with tg.no_grad():
        density = np.exp(log_density(tg.tensor(cells, dtype="float32")).numpy()).reshape(len(down), len(across))

    figure, panels = new_figure(9.6, 2.5, 3, sharex=True, sharey=True)
    panels[0].plot(*points.numpy().T, ".", color=BLUE, markersize=2)
    panels[1].contourf(across, down, density, levels=np.linspace(0.03, density.max(), 9), cmap="YlGnBu")
    panels[2].plot(*samples.T, ".", color=ORANGE, markersize=2)
    titles = ("data $x_i$", r"density $p_\theta(x)$", r"samples of $p_\theta$")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=10, color=INK)
        axes.set(xticks=[], yticks=[], aspect="equal", xlim=(across[0], across[-1]), ylim=(down[0], down[-1]))
    return figure


FIGURES = {
    "first-model.png": first_model,
}
