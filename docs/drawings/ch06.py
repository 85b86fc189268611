"""Figures of chapter 6, latent spaces; the results come from ``docs/results/latent_space.py`` and
``docs/results/m2_analogies.py``, and from ``docs/results/examples``."""

import json
import math
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy.special import logsumexp

from drawings.style import BLUE, GREEN, INK, ORANGE, new_figure

RESULTS = Path(__file__).parents[1] / "results" / "latent-space.npz"
NAMES = ("m1", "m2")
EXTENT = 4.6  # of the latent plane that is shown, in both directions


def board(images: np.ndarray, gap: int = 0) -> np.ndarray:
    """Rows of images (R, S, H, W) as one picture, with ``gap`` transparent pixels between rows."""
    rows, columns, height, width = images.shape
    framed = np.full((rows, height + gap, columns * width), np.nan)
    framed[:, :height] = images.transpose(0, 2, 1, 3).reshape(rows, height, columns * width)
    return framed.reshape(rows * (height + gap), columns * width)[: rows * (height + gap) - gap]


def manifold() -> Figure:
    """The decoder's means on a grid of the prior's quantiles."""
    grid = np.load(RESULTS)["grid"].reshape(20, 20, 28, 28)
    figure, (axes,) = new_figure(5.2, 5.2)
    axes.imshow(board(grid), cmap="gray", interpolation="nearest", extent=(0, 1, 0, 1))
    axes.set(xlabel=r"$\Phi(z_1)$", ylabel=r"$\Phi(z_2)$", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    return figure


def plane() -> Figure:
    """Posterior means coloured by digit, with circles of the prior; the density of the aggregate posterior."""
    found = np.load(RESULTS)
    mean, logvar, labels = (found[name].astype(float) for name in ("mean", "logvar", "labels"))
    figure, (left, right) = new_figure(10.0, 4.7, 2)
    for digit in range(10):
        colour = colormaps["tab10"](digit)
        left.plot(*mean[labels == digit].T, ".", color=colour, markersize=3, label=str(digit))
    left.legend(fontsize=8.5, markerscale=3, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0)

    line = np.linspace(-EXTENT, EXTENT, 151)
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    parts = []
    for each in np.array_split(points, 60):
        squares = (each[:, None] - mean) ** 2 / np.exp(logvar) + logvar + math.log(2 * math.pi)
        parts.append(logsumexp(-0.5 * squares.sum(axis=2), axis=1) - math.log(len(mean)))
    density = np.exp(np.concatenate(parts)).reshape(151, 151)
    picture = right.imshow(
        density, origin="lower", extent=(-EXTENT, EXTENT, -EXTENT, EXTENT), cmap="magma", norm=Normalize(0, 0.25)
    )
    bar = figure.colorbar(picture, ax=right, shrink=0.8, label="$q(z)$", extend="max")
    bar.outline.set_edgecolor(INK)
    for axes in (left, right):
        for probability in (0.5, 0.95):
            radius = math.sqrt(-2 * math.log(1 - probability))  # |z|^2 / 2 is exponentially distributed
            axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=INK, linewidth=1.2, linestyle="--"))
        limits = (-EXTENT, EXTENT)
        axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    return figure


def interpolation() -> Figure:
    """Interpolations of latents above interpolations of images."""
    found = np.load(RESULTS)
    figure, (axes,) = new_figure(6.6, 4.6)
    strips = [(name, found[name][row]) for row in range(3) for name in ("interpolations", "blends")]
    axes.imshow(board(np.stack([strip for _, strip in strips]), gap=4), cmap="gray", interpolation="nearest")
    for row, (name, _) in enumerate(strips):
        label = "latents" if name == "interpolations" else "images"
        axes.text(-6, 32 * row + 14, label, ha="right", va="center", fontsize=9)
    axes.text(14, -5, r"$\alpha = 0$", ha="center", fontsize=9)
    axes.text(28 * 8 + 14, -5, r"$\alpha = 1$", ha="center", fontsize=9)
    axes.axis("off")
    return figure


def active_units() -> Figure:
    """KL and variance of the mean of 50 latents, sorted; traversals of three active latents and of an inactive one."""
    found = np.load(RESULTS)
    order = np.argsort(-found["kl"])
    kl, variance = found["kl"][order], found["variance_of_mean"][order]
    figure, (left, right) = new_figure(9.6, 3.3, 2, width_ratios=(1, 1.25))
    place = np.arange(1, len(kl) + 1)
    left.semilogy(place, kl, "o", color=BLUE, markersize=4, label="mean KL from the prior, nats")
    left.semilogy(place, variance, "^", color=ORANGE, markersize=4, label=r"$\mathrm{Var}_x(E[z_i|x])$")
    left.axhline(0.01, color=INK, linewidth=1, linestyle="--")
    left.text(1, 0.0105, f"threshold 0.01: {(variance > 0.01).sum()} active", fontsize=9, va="bottom")
    left.set(xlabel="latent, in order of its KL", ylim=(1e-3, 3))
    left.legend(fontsize=9, loc="upper right", bbox_to_anchor=(1.0, 1.08))
    right.imshow(board(found["traversals"], gap=4), cmap="gray", interpolation="nearest")
    for row, value in enumerate((*kl[:3], kl[-1])):
        right.text(-6, 32 * row + 14, f"KL {value:.2f}", ha="right", va="center", fontsize=9)
    steps = found["traversals"].shape[1]
    for column, value in ((0, -2.5), (steps // 2, 0), (steps - 1, 2.5)):
        right.text(28 * column + 14, -5, f"$z_i = {value:g}$", ha="center", fontsize=9)
    right.axis("off")
    return figure


def analogies() -> Figure:
    """A test image of each digit, and the images with its z and each of the ten labels."""
    tiles = np.load(RESULTS.with_name("m2-analogies.npz"))["tiles"]  # (10, 11, 14, 14)
    figure, (left, right) = new_figure(5.6, 5.4, 2, width_ratios=(1, 10))
    for axes, columns in ((left, tiles[:, :1]), (right, tiles[:, 1:])):
        axes.imshow(board(columns.astype(float)), cmap="gray", interpolation="nearest", vmin=0, vmax=255)
        axes.axis("off")
    left.text(7, -4, "$x$", ha="center", fontsize=10)
    for label in range(10):
        right.text(14 * label + 7, -4, f"{label}", ha="center", fontsize=10)
    return figure


def few_labels() -> Figure:
    """The accuracy on Fashion-MNIST against the number of labels: M1, M2, and SVMs on pixels."""
    m1, m2 = (json.loads((RESULTS.parent / "examples" / f"semi_supervised_{name}.json").read_text()) for name in NAMES)
    rows = [
        ("M2, 14 x 14 pixels", m2["tables"][0], 1, BLUE, "o-"),
        ("SVM on the same 14 x 14 pixels", m2["tables"][0], 2, GREEN, "s:"),
        ("SVM on 28 x 28 pixels", m1["tables"][0], 5, INK, "s--"),
        ("SVM on the means of the latents (M1)", m1["tables"][0], 2, ORANGE, "^-"),
    ]
    figure, (axes,) = new_figure(6.2, 3.6)
    for name, table, row, colour, style in rows:
        labels = [int(count.replace(",", "")) for count in table[0][1:]]
        means, errors = np.array([cell.split(" ± ") for cell in table[row][1:]], float).T
        axes.errorbar(labels, means, errors, fmt=style, color=colour, markersize=4, capsize=2, label=name)
    axes.set(xscale="log", xlabel="labelled images", ylabel="accuracy on the test images, %", xticks=labels)
    axes.set_xticks([], minor=True)
    axes.set_xticklabels([f"{count:,}" for count in labels])
    axes.legend(loc="lower right")
    return figure


FIGURES = {
    "manifold.png": manifold,
    "plane.png": plane,
    "interpolation.png": interpolation,
    "active-units.png": active_units,
    "analogies.png": analogies,
    "few-labels.png": few_labels,
}
