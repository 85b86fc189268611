"""Figures of chapter 10, WGAN-GP.

Those of longer runs are drawn from docs/results/. The curves of Fashion-MNIST are made by

    python examples/gan_fashion_mnist.py --game wasserstein-gp --steps 6000 --width 16
    cd docs && python -m drawings.ch10 ../runs/gan_fashion_mnist

The samples and curves of house numbers are those of ``python examples/wgan_gp_svhn.py`` and ``vae_svhn.py``; the curves
were read from the figure of that run, with an error of at most 0.01 in a score gap.
"""

import csv
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import tinygen as tg
from drawings.style import BLUE, DARK, FAINT, GREEN, INK, ORANGE, PINK, new_figure
from tinygen import data, objectives
from tinygen.models import MLP
from tinygen.objectives import GAMES
from tinygen.optim import Adam, linear_schedule

RESULTS = Path(__file__).parents[1] / "results"
BANDS = (0, 2, 4, 8, 12, 16, 24, 46)  # ends of the bands of frequencies, in half waves per side of the image


def house_numbers() -> Figure:
    """Real images, samples of a WGAN-GP, and samples of a VAE with the same generator."""
    stored = np.load(RESULTS / "street-samples.npz")
    real = data.load("street", "train", limit=36).images
    figure, panels = new_figure(9.0, 3.3, 3)
    titles = ("data", "WGAN-GP", "VAE (means)")
    for axes, images, title in zip(panels, (real, stored["wgan_gp"], stored["vae"]), titles, strict=True):
        _tiles(axes, images)
        axes.set_title(title, fontsize=10)
    return figure


def _tiles(axes: Axes, images: np.ndarray, columns: int = 6) -> None:
    """Images (n, 3, 32, 32) side by side, with transparent gaps."""
    n, _, side, _ = images.shape
    opaque = np.full((n, 1, side, side), 255, np.uint8)
    padded = np.pad(np.concatenate([images, opaque], axis=1), ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows = padded.transpose(0, 2, 3, 1).reshape(n // columns, columns, side + 2, side + 2, 4)
    axes.imshow(
        rows.swapaxes(1, 2).reshape(n // columns * (side + 2), columns * (side + 2), 4), interpolation="nearest"
    )
    axes.axis("off")


def pairs() -> Figure:
    """Two rings: segments between optimally coupled points and between independent ones, and where they meet a disc."""
    rng = np.random.default_rng(0)
    real, fake = (
        r * np.stack([np.cos(a), np.sin(a)], 1) for r, a in zip((2, 1), rng.uniform(0, 6.3, (2, 40)), strict=True)
    )
    matched = fake[linear_sum_assignment(cdist(real, fake))[1]]
    figure, panels = new_figure(8.0, 3.9, 2)
    angles = np.linspace(0, 2 * np.pi, 200)
    for axes, ends, title in zip(panels, (matched, fake), ("optimal coupling", "independent batches"), strict=True):
        axes.fill(np.cos(angles), np.sin(angles), color=ORANGE, alpha=0.18, linewidth=0)
        for x, y in zip(real, ends, strict=True):
            axes.plot(*zip(x, y, strict=True), color=FAINT, linewidth=0.8)
        axes.plot(*real.T, "o", color=BLUE, markersize=4, label="real")
        axes.plot(*fake.T, "o", color=ORANGE, markersize=4, label="generated")
        light = {"boxstyle": "round,pad=0.3", "facecolor": "#ffffff", "edgecolor": FAINT, "linewidth": 0.8}
        label = axes.text(0, 0, r"$\|\nabla T\| = 0$", color=DARK, fontsize=10, ha="center", va="center", bbox=light)
        label.set_zorder(5)
        axes.set(aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), xticks=[], yticks=[])
        axes.set_title(title, fontsize=10)
        axes.spines[:].set_visible(False)
    panels[0].legend(fontsize=8.5, loc="lower left", bbox_to_anchor=(-0.08, -0.05))
    return figure


def train_critic(game: objectives.Game, real: np.ndarray, fake: np.ndarray, steps: int = 600) -> MLP:
    """A critic of points on a line, for fixed samples (n, 1)."""
    tg.manual_seed(0)
    critic = MLP(1, 1, (64, 64))
    optimizer = Adam(critic.parameters(), 5e-3, betas=(0.0, 0.9))
    for step in range(steps):
        optimizer.lr = linear_schedule(step, steps, 5e-3)
        optimizer.zero_grad()
        x, y = (tg.tensor(each[np.random.default_rng(step).integers(len(each), size=128)]) for each in (real, fake))
        game.critic_loss(critic, x, y).backward()
        optimizer.step()
        game.constrain(critic)
    return critic


def critics() -> Figure:
    """Critics of a mixture on a line against a Gaussian between its modes, for each constraint."""
    rng = np.random.default_rng(0)
    n = 5000
    real = (rng.choice([-1.5, 1.5], n) + 0.2 * rng.normal(size=n)).astype(np.float32)[:, None]
    fake = (0.2 * rng.normal(size=n)).astype(np.float32)[:, None]
    one_sided, two_sided = GAMES["wasserstein_lipschitz"], GAMES["wasserstein_gradient"]
    rows = {
        "clipped weights, $c = 0.01$": (GAMES["wasserstein_clip"], ORANGE, "-"),
        r"penalty $(\|\nabla T\| - 1)^2$": (two_sided, GREEN, "-"),
        r"penalty $\max(0, \|\nabla T\| - 1)^2$": (one_sided, PINK, "--"),
    }
    figure, (left, right) = new_figure(9.0, 3.4, 2)
    x = np.linspace(-2.5, 2.5, 301, dtype=np.float32)[:, None]
    for label, (game, colour, style) in rows.items():
        critic = train_critic(game, real, fake)
        with tg.no_grad():
            scores = critic(tg.tensor(x)).numpy()[:, 0]
        norms = objectives.gradient_norms(critic, tg.tensor(x)).numpy()
        left.plot(x, scores - scores[150], color=colour, linestyle=style, linewidth=1.6, label=label)
        right.plot(x, norms, color=colour, linestyle=style, linewidth=1.6)
    left.plot(x, abs(x), color=INK, linewidth=1, linestyle=":", label=r"$|x|$, an optimal critic")
    for axes in (left, right):
        axes.fill_between([-1.9, -1.1], 0, 1, color=BLUE, alpha=0.12, linewidth=0, transform=axes.get_xaxis_transform())
        axes.fill_between([1.1, 1.9], 0, 1, color=BLUE, alpha=0.12, linewidth=0, transform=axes.get_xaxis_transform())
        axes.fill_between(
            [-0.4, 0.4], 0, 1, color=ORANGE, alpha=0.12, linewidth=0, transform=axes.get_xaxis_transform()
        )
        axes.set(xlabel="$x$", xlim=(-2.5, 2.5))
    left.set(ylabel="$T(x) - T(0)$", ylim=(-0.2, 3.9))
    right.set(ylabel=r"$|T'(x)|$", ylim=(-0.05, 1.35))
    left.legend(fontsize=8.5, loc="upper center", ncols=2, columnspacing=1.0)
    return figure


def clothes_curves() -> Figure:
    """A WGAN-GP on Fashion-MNIST whose score gap falls."""
    stored = json.loads((RESULTS / "clothes-wgan-gp.json").read_text())
    figure, panels = new_figure(9.0, 2.9, 3)
    steps = stored["steps"]
    curves = {
        "score gap": "score_gap",
        "penalty (without its weight)": "penalty",
        "mean gradient norm": "gradient_norm",
    }
    for axes, (title, name) in zip(panels, curves.items(), strict=True):
        axes.plot(steps, stored[name], color=BLUE, linewidth=1.5)
        axes.set(xlabel="training steps", xlim=(0, None))
        axes.set_title(title, fontsize=9.5, loc="left")
    panels[0].set_ylim(0, None)
    panels[1].set_ylim(0, None)
    panels[2].axhline(1, color=FAINT, linewidth=1, linestyle="--", zorder=0)
    for step in np.load(RESULTS / "clothes-wgan-gp.npz")["steps"]:
        panels[0].axvline(step, color=FAINT, linewidth=1, linestyle=":", zorder=0)
    return figure


def clothes_progress() -> Figure:
    """Samples of ten latents at three moments of the run of ``clothes_curves``."""
    stored = np.load(RESULTS / "clothes-wgan-gp.npz")
    figure = Figure(figsize=(9.0, 3.0), dpi=140, layout="constrained")
    rows = figure.subplots(len(stored["steps"]), 1)
    for axes, step, images in zip(rows, stored["steps"], stored["images"], strict=True):
        grey = np.repeat(images[:, None], 3, axis=1)
        _tiles(axes, grey, columns=10)
        axes.axis("on")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_ylabel(f"step {step:,}", fontsize=9, rotation=0, ha="right", va="center")
    return figure


def street_curves() -> Figure:
    """A WGAN-GP on house numbers whose score gap does not fall after the first epoch."""
    stored = json.loads((RESULTS / "street-wgan-gp.json").read_text())
    figure, panels = new_figure(9.0, 2.9, 3)
    epochs = stored["epoch"]
    panels[0].plot(
        epochs, stored["score_gap"], "o-", color=BLUE, markersize=4, linewidth=1.2, label="training, mean of epoch"
    )
    validation = "validation, end of epoch"
    panels[0].plot(epochs, stored["valid_score_gap"], "s-", color=ORANGE, markersize=4, linewidth=1.2, label=validation)
    panels[0].legend(fontsize=8.5, loc="upper right")
    for axes, name in zip(panels[1:], ("penalty", "gradient_norm"), strict=True):
        axes.plot(epochs, stored[name], "o-", color=BLUE, markersize=4, linewidth=1.2)
    for axes, title in zip(panels, ("score gap", "penalty (without its weight)", "mean gradient norm"), strict=True):
        axes.set(xlabel="epoch", xlim=(0.5, 10.5))
        axes.set_title(title, fontsize=9.5, loc="left")
    panels[0].set_ylim(0, None)
    panels[1].set_ylim(0, None)
    panels[2].axhline(1, color=FAINT, linewidth=1, linestyle="--", zorder=0)
    return figure


def band_norms(images: np.ndarray) -> np.ndarray:
    """The norm of each image's part in each band of frequencies: bytes (n, 3, 32, 32) -> (n, bands)."""
    k = np.arange(32)
    basis = np.sqrt(np.minimum(k + 1, 2) / 32)[:, None] * np.cos(np.pi / 32 * np.outer(k, k + 0.5))
    spectrum = basis @ (images / 127.5 - 1) @ basis.T
    frequency = np.hypot(*np.meshgrid(k, k))
    parts = [(frequency >= low) & (frequency < high) for low, high in pairwise(BANDS)]
    return np.stack([np.sqrt((spectrum**2 * part).sum((1, 2, 3))) for part in parts], axis=1)


def frequencies() -> Figure:
    """Mean norms of the parts of images in bands of frequencies: data, WGAN-GP, VAE."""
    stored = np.load(RESULTS / "street-samples.npz")
    norms = {"data": band_norms(data.load("street", "train", limit=1000).images)}
    norms |= {"WGAN-GP": stored["wgan_gp_norms"], "VAE": stored["vae_norms"]}
    figure, (axes,) = new_figure(6.6, 3.2)
    places = np.arange(len(BANDS) - 1)
    for shift, (label, values), colour in zip((-0.27, 0, 0.27), norms.items(), (INK, BLUE, ORANGE), strict=True):
        errors = values.std(axis=0) / np.sqrt(len(values))
        axes.bar(places + shift, values.mean(axis=0), 0.25, color=colour, label=label)
        axes.errorbar(places + shift, values.mean(axis=0), 2 * errors, fmt="none", color=FAINT, linewidth=1)
    axes.set_yscale("log")
    axes.set_xticks(places, [f"{low} to {high}" for low, high in pairwise(BANDS)])
    axes.set(xlabel="frequency, half waves per side", ylabel="mean norm of the part of an image")
    axes.legend(fontsize=9)
    return figure


def store(clothes: Path) -> None:
    """The small results of a run in docs/results: its curves, and samples of ten latents from its ``progress``."""
    folder, shown, images = clothes / "wasserstein-gp", (9, 21, 40), []
    for row in shown:
        grid = np.asarray(Image.open(folder / "progress" / f"row-{row:03}.png").convert("L"))
        images.append([grid[6:118:4, 6 + 118 * column : 118 + 118 * column : 4] for column in range(10)])
    np.savez_compressed(RESULTS / "clothes-wgan-gp.npz", steps=np.array([120 * row for row in shown]), images=images)
    with (folder / "metrics.csv").open() as file:
        rows = [{name: float(x) for name, x in row.items()} for row in csv.DictReader(file)]
    stored: dict = {"command": "python examples/gan_fashion_mnist.py --game wasserstein-gp --steps 6000 --width 16"}
    stored |= {"seed": 0, "note": "the first 4,800 steps"}
    stored |= {"steps": [row["generator_steps"] for row in rows[:40]]}
    stored |= {name: [round(row[name], 4) for row in rows[:40]] for name in ("score_gap", "penalty", "gradient_norm")}
    (RESULTS / "clothes-wgan-gp.json").write_text(json.dumps(stored) + "\n")


FIGURES = {
    "house-numbers.png": house_numbers,
    "interpolation-pairs.png": pairs,
    "critics.png": critics,
    "wgan-gp-curves.png": clothes_curves,
    "wgan-gp-progress.png": clothes_progress,
    "street-wgan-gp-curves.png": street_curves,
    "frequencies.png": frequencies,
}

if __name__ == "__main__":
    store(Path(sys.argv[1]))
