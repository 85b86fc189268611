"""Figures of chapter 12, tighter bounds; ``python docs/results/averaged_weights.py`` writes what ``averaged_weights``
draws."""

import json
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import optimize

import tinygen as tg
from drawings.style import BLUE, FAINT, INK, ORANGE, new_figure
from tinygen import likelihoods, models

RESULTS = Path(__file__).parents[1] / "results"
RHO, NARROW, WIDE = 0.9, 0.19, 1.434  # the correlation of the posterior; the variances of q for K = 1 and infinity
PRECISION = np.linalg.inv([[1, RHO], [RHO, 1]])


def weights(u: float, N: int, K: int) -> tuple[tg.Tensor, tg.Tensor, tg.Tensor]:
    """Log-variances (N, 1, 1) of q = N(0, u I), samples (N, K, 2), and log w (N, K) relative to p(x) as a function of
    both."""
    logvar = tg.full((N, 1, 1), math.log(u), dtype="float64", requires_grad=True)
    z = tg.exp(logvar / 2) * tg.randn(N, K, 2, dtype="float64")
    return logvar, z, log_weights(z, logvar)


def log_weights(z: tg.Tensor, logvar: tg.Tensor) -> tg.Tensor:
    log_p = -0.5 * (z @ tg.tensor(PRECISION) * z).sum(axis=2) - 0.5 * math.log(1 - RHO**2)
    return log_p + 0.5 * (z * z * tg.exp(-logvar) + logvar).sum(axis=2)


def ratios(u: float, K: int, N: int = 16_000) -> tuple[float, float]:
    """The signal-to-noise ratios of the plain and of the doubly reparametrised gradient of the log-variance."""
    logvar, z, log_w = weights(u, N, K)
    (plain,) = tg.grad(likelihoods.log_mean_exp(log_w).sum(), [logvar])
    leaf = tg.tensor(z.numpy(), requires_grad=True)
    fixed = log_weights(leaf, logvar.detach())
    (slope,) = tg.grad(fixed.sum(), [leaf])
    v = np.exp(fixed.numpy() - np.logaddexp.reduce(fixed.numpy(), axis=1, keepdims=True))
    (doubly,) = tg.grad(z, [logvar], slope * tg.tensor(v[:, :, None] ** 2))
    return tuple(abs(g.numpy().mean()) / g.numpy().std() for g in (plain, doubly))


def tighter_bounds() -> Figure:
    """The K-sample bound of a narrow and a wide q; the signal-to-noise ratios of two gradients."""
    tg.manual_seed(0)
    figure, (left, right) = new_figure(9.4, 3.7, 2)
    counts = [1, 2, 4, 8, 16, 32, 64, 128]
    for u, colour in ((NARROW, ORANGE), (WIDE, BLUE)):
        with tg.no_grad():
            means = [likelihoods.log_mean_exp(weights(u, 10_000, K)[2]).numpy().mean() for K in counts]
        left.plot(counts, means, "o-", color=colour, markersize=4, label=f"$q = N(0, {u:.2f}\\, I)$")
    left.axhline(0, color=FAINT, linewidth=1, linestyle="--")
    left.text(counts[0], 0.06, r"$\log p(x)$", fontsize=10)
    left.set_xscale("log", base=2)
    left.set(xlabel="$K$", ylabel=r"$L_K - \log p(x)$, nats", ylim=(-2.6, 0.3), xticks=counts, xticklabels=counts)
    left.legend(fontsize=9, loc="lower right")

    found = np.array([ratios(2.0, K) for K in counts])
    for values, colour, label, slope in zip(
        found.T, (ORANGE, BLUE), ("plain gradient", "doubly reparametrised"), (-0.5, 0.5), strict=True
    ):
        right.plot(counts, values, "o-", color=colour, markersize=4, label=label)
        line = values[-3] * (np.array(counts[2:]) / counts[-3]) ** slope
        right.plot(counts[2:], line, color=INK, linewidth=1, linestyle=":")
    right.set_xscale("log", base=2)
    right.set_yscale("log")
    right.set(xlabel="$K$", ylabel="signal-to-noise ratio", xticks=counts, xticklabels=counts)
    right.legend(fontsize=9, loc="upper left")
    return figure


def ellipse(covariance: np.ndarray, radius: float = 2.0) -> np.ndarray:
    """The points (2, n) at ``radius`` standard deviations of N(0, covariance)."""
    angle = np.linspace(0, 2 * np.pi, 200)
    return radius * np.linalg.cholesky(covariance) @ np.stack([np.cos(angle), np.sin(angle)])


def best_variance(K: int, N: int = 2_000_000) -> float:
    """The variance with the highest K-sample bound, from the same N samples of noise for all variances."""

    def gap(u: float) -> float:
        tg.manual_seed(0)
        with tg.no_grad():
            return -likelihoods.log_mean_exp(weights(u, N // K, K)[2]).numpy().mean()

    return float(optimize.minimize_scalar(gap, bounds=(NARROW, WIDE), method="bounded", options={"xatol": 1e-3}).x)


def learned_q() -> Figure:
    """The posterior and the best q for one, four, sixteen and infinitely many samples."""
    figure, panels = new_figure(9.4, 2.7, 4, sharex=True, sharey=True)
    found = {"K = 1": NARROW, **{f"K = {K}": best_variance(K) for K in (4, 16)}, r"K \to \infty": WIDE}
    for axes, (name, u) in zip(panels, found.items(), strict=True):
        for fraction in (1.0, 2.0):
            axes.plot(*ellipse(np.linalg.inv(PRECISION), fraction), color=INK, linewidth=1)
        axes.fill(*ellipse(u * np.eye(2)), color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(*ellipse(u * np.eye(2)), color=BLUE, linewidth=1.5)
        axes.set(aspect="equal", xticks=[-2, 0, 2], yticks=[-2, 0, 2])
        axes.set_title(f"${name}$: $u = {u:.2f}$", fontsize=10)
    return figure


def masks() -> Figure:
    """The masks of a small MADE, and the numbers of paths through them."""
    model = models.MADE(8, (12, 12))
    layers = [layer.mask.numpy() for layer in model.layers if hasattr(layer, "mask")]
    paths = layers[2] @ layers[1] @ layers[0]
    names = ["inputs to hidden 1", "hidden 1 to hidden 2", "hidden 2 to outputs", "paths, inputs to outputs"]
    figure, panels = new_figure(9.4, 2.9, 4)
    for axes, values, name in zip(panels, [*layers, paths], names, strict=True):
        draw_matrix(axes, values)
        axes.set_title(name, fontsize=10)
    return figure


def draw_matrix(axes: Axes, values: np.ndarray) -> None:
    """A matrix of numbers from 0, as squares: 0 empty."""
    shown = np.where(values > 0, 0.35 + 0.65 * values / values.max(), np.nan)
    axes.pcolormesh(shown, cmap="Blues", vmin=0, vmax=1, edgecolors=FAINT, linewidth=0.4)
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.invert_yaxis()


def averaged_weights() -> Figure:
    """The validation ELBO with the last and with averaged weights, at a constant rate and with a cosine schedule."""
    found = json.loads((RESULTS / "averaged-weights.json").read_text())
    figure, panels = new_figure(8.4, 3.2, 2, sharey=True)
    for axes, name in zip(panels, ("constant", "cosine"), strict=True):
        for key, colour, marker in (("last", ORANGE, "s"), ("averaged", BLUE, "o")):
            values = found[name][key]
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, marker=marker, markersize=5, color=colour, label=f"{key} weights")
        axes.set(xlabel="epoch", xticks=epochs)
        axes.set_title({"constant": "constant learning rate", "cosine": "cosine schedule"}[name], fontsize=10)
    panels[0].set_ylabel("validation ELBO, nats")
    panels[0].legend(fontsize=9, loc="lower right")
    return figure


def made_samples() -> Figure:
    """Stored samples of a MADE, forty binary images."""
    bits = np.unpackbits(np.load(RESULTS / "made-samples.npz")["bits"], axis=1)[:, :784]
    rows = bits.reshape(4, 10, 28, 28).transpose(0, 2, 1, 3).reshape(4 * 28, 10 * 28)
    figure, (axes,) = new_figure(7.0, 2.8)
    axes.imshow(rows, cmap="gray", interpolation="nearest")
    axes.axis("off")
    return figure


def ladder_layers() -> Figure:
    """Stored test images, and what is decoded from some of their layers of latents."""
    stored = np.load(RESULTS / "ladder-layers.npz")
    rows = np.concatenate([stored["images"][None], stored["decoded"]])  # (rows, 10, 28, 28)
    figure, (axes,) = new_figure(7.6, 3.8)
    axes.imshow(rows.transpose(0, 2, 1, 3).reshape(28 * len(rows), 280), cmap="gray", interpolation="nearest")
    labels = ["test images", *[f"{known} of 3 layers from q" for known in range(len(rows) - 1)]]
    axes.set_yticks([28 * row + 14 for row in range(len(rows))], labels)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


FIGURES = {
    "tighter-bounds.png": tighter_bounds,
    "learned-q.png": learned_q,
    "averaged-weights.png": averaged_weights,
    "ladder-layers.png": ladder_layers,
    "made-masks.png": masks,
    "made-samples.png": made_samples,
}
