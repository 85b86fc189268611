"""Figures of chapter 5, variational autoencoders."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

import tinygen as tg
from drawings.style import BLUE, GREEN, ORANGE, new_figure
from tinygen import likelihoods


def bounds() -> Figure:
    """The linear-Gaussian example: a posterior and the best q; the estimate of log p(x) against K."""
    W, s = np.array([[1.0, 0.7], [0.0, 1.0]]), 0.5
    P = np.eye(2) + W.T @ W / s**2
    covariance, variance = np.linalg.inv(P), 1 / np.diag(P)
    gap = 0.5 * (np.log(np.diag(P)).sum() - np.linalg.slogdet(P)[1])
    figure, (left, right) = new_figure(9.0, 3.5, 2, width_ratios=(1, 1.45))

    eigenvalues, directions = np.linalg.eigh(covariance)
    angle = math.degrees(math.atan2(directions[1, 1], directions[0, 1]))
    for radius in (1, 2):
        tilted = Ellipse((0, 0), *(2 * radius * np.sqrt(eigenvalues[::-1])), angle=angle, fill=False, edgecolor=BLUE)
        upright = Ellipse((0, 0), *(2 * radius * np.sqrt(variance)), fill=False, edgecolor=ORANGE, linestyle="--")
        left.add_patch(tilted)
        left.add_patch(upright)
    left.plot([], [], color=BLUE, label="posterior p(z|x)")
    left.plot([], [], color=ORANGE, linestyle="--", label="best q, independent")
    left.set(xlim=(-1.5, 1.5), ylim=(-1.25, 1.85), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    left.legend(frameon=False, fontsize=8.5, loc="upper right")
    left.spines[["top", "right"]].set_visible(False)

    # log p(x, z) - log q(z) - log p(x), which is the same at every x: posterior over q
    tg.manual_seed(0)
    draws = np.unique(np.logspace(0, 3, 10).round().astype(int))
    means, spreads = [], []
    for K in draws:
        noise = tg.randn(max(1000, 100_000 // int(K)), int(K), 2, dtype="float64").numpy()
        z = noise * np.sqrt(variance)
        from_posterior = -0.5 * ((z @ P * z).sum(-1) + np.linalg.slogdet(2 * np.pi * covariance)[1])
        from_q = -0.5 * ((noise**2).sum(-1) + np.log(2 * np.pi * variance).sum())
        estimates = likelihoods.log_mean_exp(tg.tensor(from_posterior - from_q)).numpy()
        means.append(estimates.mean())
        spreads.append(np.quantile(estimates, (0.1, 0.9)))
    low, high = np.array(spreads).T
    right.axhline(0, color=GREEN, linewidth=1.2)
    right.text(1000, 0.015, r"$\log p(x)$", color=GREEN, fontsize=9.5, ha="right")
    right.axhline(-gap, color=ORANGE, linewidth=1.2, linestyle="--")
    right.text(1000, -gap - 0.045, "ELBO", color=ORANGE, fontsize=9.5, ha="right")
    right.fill_between(draws, low, high, color=BLUE, alpha=0.13, linewidth=0)
    right.semilogx(draws, means, "o-", color=BLUE, markersize=4, label="mean of the estimate (band: 80 % of them)")
    right.set(xlabel="samples $K$ per image", ylabel=r"nats from $\log p(x)$", ylim=(-0.68, 0.45))
    right.legend(frameon=False, fontsize=8.5, loc="lower right")
    right.spines[["top", "right"]].set_visible(False)
    return figure


FIGURES = {
    "bounds.png": bounds,
}
