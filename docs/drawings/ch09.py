"""Figures of chapter 9, GANs.

Those of longer runs are drawn from docs/results/, which is made, with the animation figures/ring.gif, by

    python examples/toy_gan.py --thorough
    python examples/gan_fashion_mnist.py --game non-saturating --steps 1500
    cd docs && python -m drawings.ch09 ../runs/toy_gan ../runs/gan_fashion_mnist
"""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import tinygen as tg
from drawings.style import BLUE, DARK, FAINT, GREEN, INK, ORANGE, PINK, new_figure
from tinygen import nn
from tinygen.data import samplers
from tinygen.models import MLP
from tinygen.objectives import GAMES
from tinygen.optim import SGD, Adam
from tinygen.training import GAN

DOCS = Path(__file__).parents[1]
RESULTS = DOCS / "results"
COLOURS = dict(zip(GAMES, (ORANGE, BLUE, INK, GREEN, PINK), strict=False))  # the first five games are drawn
LABELS = {name: name.replace("_", " ").replace("wasserstein", "Wasserstein,") for name in COLOURS}
LABELS |= {"wasserstein_clip": "Wasserstein, clipped weights", "wasserstein_gradient": "Wasserstein, gradient norm 1"}
LABELS |= {"wasserstein_lipschitz": "Wasserstein, gradient norm at most 1", "non_saturating": "non-saturating"}
EXTENT = 1.5  # half the side of the squares


def generator_losses() -> Figure:
    """The generator's losses and their derivatives against the score of a sample."""
    figure, panels = new_figure(9.0, 3.2, 2)
    v = tg.tensor(np.linspace(-6, 6, 241), requires_grad=True)
    for name in ("minimax", "non_saturating", "wasserstein_clip"):
        loss = GAMES[name].sample_loss(v)
        (derivative,) = tg.grad(loss.sum(), v)
        label = "Wasserstein" if name == "wasserstein_clip" else LABELS[name]
        for axes, values in zip(panels, (loss, derivative), strict=True):
            axes.plot(v.numpy(), values.numpy(), color=COLOURS[name], linewidth=1.6, label=label)
    for axes, label in zip(panels, ("generator's loss", "its derivative with respect to $v$"), strict=True):
        axes.set(xlabel="score $v$ of a sample", ylabel=label)
        axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    panels[0].legend(fontsize=8.5)
    return figure


def small_games() -> Figure:
    """The bilinear example with simultaneous and alternating updates; theta in the five GANs."""
    figure, (left, right) = new_figure(9.0, 3.6, 2, width_ratios=(1, 1.7))
    for alternating, colour, label in ((False, ORANGE, "simultaneous"), (True, BLUE, "alternating")):
        theta, psi = 1.0, 0.0
        iterates = [(theta, psi)]
        for _ in range(100):
            next_psi = psi + 0.1 * theta
            theta -= 0.1 * (next_psi if alternating else psi)
            psi = next_psi
            iterates.append((theta, psi))
        left.plot(*zip(*iterates, strict=True), color=colour, linewidth=1.1, label=label)
    left.plot(0, 0, "o", color=INK, markersize=4)
    left.set(aspect="equal", xlabel=r"$\theta$", ylabel=r"$\psi$", xlim=(-2, 2), ylim=(-2, 2))
    left.legend(fontsize=8.5, loc="lower right")

    for name in COLOURS:
        generator, critic = nn.Linear(1, 1), nn.Linear(1, 1, bias=False)
        generator.weight.data, critic.weight.data = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
        generator.bias.data = np.ones(1, np.float32)
        optimizers = SGD([generator.bias], 0.1), SGD(critic.parameters(), 0.1)
        gan = GAN(replace(GAMES[name], n_critic=1), generator, critic, 1, *optimizers)
        thetas = [1.0]
        for _ in range(200):
            gan.train_step(tg.zeros(1, 1))
            thetas.append(generator.bias.item())
        right.plot(thetas, color=COLOURS[name], linewidth=1.2, label=LABELS[name])
    right.axhline(0, color=FAINT, linewidth=1, zorder=0)
    right.set(xlabel="training steps", ylabel=r"$\theta$", xlim=(0, 200), ylim=(-2.1, 1.2))
    right.legend(fontsize=8, loc="lower center", ncols=2, columnspacing=1.2, handlelength=1.5)
    return figure


def _field(axes: Axes, values: np.ndarray, samples: np.ndarray, data: np.ndarray, low: float, high: float) -> None:
    """A critic's values as colours (blue: real), the data in yellow and the samples in black."""
    square = (-EXTENT, EXTENT, -EXTENT, EXTENT)
    axes.imshow(
        values,
        cmap="RdBu",
        vmin=low,
        vmax=high,
        extent=square,
        origin="lower",
        interpolation="bilinear",
        aspect="auto",
    )
    for points, colour, size in ((data, "#e69f00", 1.5), (samples, DARK, 1.8)):
        axes.plot(*points.T, linestyle="none", marker="o", markersize=size, markeredgewidth=0, color=colour, alpha=0.8)
    axes.set(xlim=square[:2], ylim=square[2:], xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _values(name: str, scores: np.ndarray) -> tuple[np.ndarray, float, float]:
    """D where the critic is a discriminator, else the score minus its mean; the ends of the scale of colours."""
    if GAMES[name].has_labels:
        return 1 / (1 + np.exp(-scores)), 0.0, 1.0
    values = scores - scores.mean()
    return values, -abs(values).max(), abs(values).max()


def toy_gan() -> Figure:
    """The critic and the samples of five GANs at five moments."""
    stored = np.load(RESULTS / "toy-gan.npz")
    steps, data = stored["steps"], stored["data"].astype(float)
    figure = Figure(figsize=(9.0, 9.5), dpi=130, layout="constrained")
    grid = figure.subplots(len(COLOURS), len(steps))
    for row, name in zip(grid, COLOURS, strict=True):
        frames = zip(stored[f"{name}_scores"].astype(float), stored[f"{name}_samples"].astype(float), strict=True)
        for column, (axes, step, (scores, samples)) in enumerate(zip(row, steps, frames, strict=True)):
            values, low, high = _values(name, scores)
            _field(axes, values, samples, data, low, high)
            axes.set_title(f"step {step}", fontsize=8, loc="left", pad=3)
            if column == 0:
                axes.set_ylabel(LABELS[name].replace("Wasserstein, ", ""), fontsize=9)
    return figure


def toy_learning() -> Figure:
    """Losses, good samples, and short and longer estimates of three divergences, against the steps."""
    stored = json.loads((RESULTS / "toy-gan.json").read_text())
    curves, steps = stored["curves"], stored["steps"]
    figure = Figure(figsize=(9.0, 7.6), dpi=140, layout="constrained")
    panels = figure.subplots(3, 2).ravel()
    for name in COLOURS:
        losses = panels[0 if GAMES[name].has_labels else 1]  # that with clipped weights is 0 to within 0.0001
        losses.plot(steps, curves[name]["critic_loss"], color=COLOURS[name], linewidth=1.4)
        panels[2].plot(steps, curves[name]["share_within_3_sd"], color=COLOURS[name], linewidth=1.4, label=LABELS[name])
        for axes, metric in zip(panels[3:], ("jensen_shannon", "kullback_leibler", "wasserstein"), strict=True):
            axes.plot(steps, curves[name][metric], color=COLOURS[name], linewidth=1.1, linestyle=":")
            axes.plot(steps, curves[name][f"{metric}_thorough"], color=COLOURS[name], linewidth=1.4)
    panels[0].axhline(np.log(4), color=FAINT, linewidth=1, linestyle="--")
    panels[0].text(200, np.log(4) + 0.001, r"$\log 4$", fontsize=8.5, va="bottom")
    panels[1].axhline(0, color=FAINT, linewidth=1, linestyle="--")
    panels[2].axhline(1 - np.exp(-4.5), color=FAINT, linewidth=1, linestyle="--")
    panels[3].axhline(np.log(2), color=FAINT, linewidth=1, linestyle="--")
    panels[3].text(1600, np.log(2) + 0.008, r"$\log 2$", fontsize=8.5, ha="right", va="bottom")
    titles = (
        "discriminator's loss",
        "Wasserstein critic's loss",
        "fraction of samples within 3 standard deviations of a mode",
        "JSD, nats",
        "KL(data || samples), nats",
        "Wasserstein-1 distance",
    )
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=9.5, loc="left")
        axes.set(xlim=(150, 1650))
    panels[0].set_ylim(1.34, 1.395)
    panels[2].set_ylim(0, 1.03)
    panels[3].set_ylim(-0.02, 0.76)
    panels[5].set_ylim(-0.01, None)
    for axes in panels[4:]:
        axes.set_xlabel("training steps")
    handles, labels = panels[2].get_legend_handles_labels()
    kinds = [panels[3].plot([], [], color=INK, linestyle=style, linewidth=1.3)[0] for style in ("-", ":")]
    kind_labels = ["longer estimate (400 steps)", "short estimate (100 steps)"]
    figure.legend(handles + kinds, labels + kind_labels, loc="outside lower center", ncols=3, fontsize=8.5)
    return figure


def discriminator_losses() -> Figure:
    """The discriminator's loss in the plane and on images; D on real and generated examples at such losses."""
    plane = json.loads((RESULTS / "toy-gan.json").read_text())
    images = json.loads((RESULTS / "clothes-non-saturating.json").read_text())
    figure, (left, right) = new_figure(9.0, 3.3, 2)
    curve = plane["curves"]["non_saturating"]
    plane_label, images_label = "ring of Gaussians", "Fashion-MNIST"
    left.plot(plane["steps"], curve["critic_loss"], "o-", color=BLUE, markersize=3, linewidth=1.4, label=plane_label)
    left.plot(images["steps"], images["critic_loss"], color=ORANGE, linewidth=1.4, label=images_label)
    left.axhline(np.log(4), color=FAINT, linewidth=1, linestyle="--")
    left.text(1600, np.log(4) + 0.02, r"$\log 4$", fontsize=9, ha="right", va="bottom")
    left.set(ylabel="discriminator's loss", ylim=(0, 1.6))
    left.legend(fontsize=8.5, loc="center right")
    right.plot(plane["steps"], curve["generator_loss"], "o-", color=BLUE, markersize=3, linewidth=1.4)
    right.plot(images["steps"], images["generator_loss"], color=ORANGE, linewidth=1.4)
    right.axhline(np.log(2), color=FAINT, linewidth=1, linestyle="--")
    right.text(1600, np.log(2) - 0.08, r"$\log 2$", fontsize=9, ha="right", va="top")
    right.set(ylabel=r"generator's loss, $E[-\log D]$", ylim=(0, None))
    for axes in (left, right):
        axes.set(xlabel="training steps", xlim=(0, 1650))
    return figure


COLLAPSE = {"critic too slow": (1e-3, 1e-4), "critic faster": (5e-4, 2e-3)}  # rates of generator and critic


def train_small_gan(generator_rate: float, critic_rate: float, moments: list[int]) -> dict[str, Any]:
    """A non-saturating GAN on the ring: samples at the ``moments``, and the modes covered every 100 steps."""
    tg.manual_seed(0)
    data = samplers.ring()
    generator, critic = MLP(2, 2, (64, 64), nn.ReLU), MLP(2, 1, (128, 128), lambda: nn.LeakyReLU(0.2))
    rates = (generator, generator_rate), (critic, critic_rate)
    optimizers = [Adam(network.parameters(), rate, betas=(0.5, 0.999)) for network, rate in rates]
    gan = GAN(GAMES["non_saturating"], generator, critic, 2, *optimizers)
    z = gan.latents(300)
    samples = []
    for step in range(1, max(moments) + 1):
        gan.train_step(tg.tensor(data(128)))
        if step in moments:
            samples.append(gan.generate(z).astype(float).round(2).tolist())
    return {"samples": samples}


def mode_collapse() -> Figure:
    """Samples of two GANs that differ in their learning rates alone."""
    stored = json.loads((RESULTS / "mode-collapse.json").read_text())
    figure = Figure(figsize=(9.0, 3.4), dpi=140, layout="constrained")
    rows = figure.subplots(2, len(stored["moments"]))
    tg.manual_seed(0)
    data = samplers.ring()(400)
    for row, (label, run), colour in zip(rows, stored["runs"].items(), (ORANGE, BLUE), strict=True):
        for axes, step, samples in zip(row, stored["moments"], run["samples"], strict=True):
            axes.plot(*data.T, "o", color=FAINT, markersize=2, markeredgewidth=0, alpha=0.6)
            axes.plot(*np.array(samples).T, "o", color=colour, markersize=2.2, markeredgewidth=0)
            axes.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal", xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
            axes.set_title(f"step {step}", fontsize=8.5, pad=3)
        row[0].set_ylabel(label, fontsize=9)
    return figure


def ring_animation(frames: list[dict[str, Any]], steps: list[int], data: np.ndarray, path: Path) -> None:
    """Non-saturating beside gradient penalty as a GIF file 400 pixels wide; the fields cover all of it, so it looks
    the same on any page."""
    images = []
    for frame, step in zip(frames, steps, strict=True):
        figure = Figure(figsize=(4.0, 2.0), dpi=100, facecolor="#888888")
        for column, name in enumerate(("non_saturating", "wasserstein_gradient")):
            axes = figure.add_axes((0.5 * column + 0.005 * column, 0, 0.495, 1))
            _field(axes, *_swap(_values(name, frame[name]["scores"]), frame[name]["samples"], data))
            text = ("non-saturating GAN", "WGAN-GP")[column] + f", step {step}"
            axes.text(0.03, 0.97, text, transform=axes.transAxes, fontsize=7.5, color="black", va="top", bbox=LABEL)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    palette = Image.fromarray(np.concatenate([np.asarray(image)[::2, ::2] for image in images])).quantize(128)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    durations = [140] * len(others) + [1800]
    first.save(path, format="GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1.5}


def _swap(field: tuple[np.ndarray, float, float], samples: np.ndarray, data: np.ndarray) -> tuple:
    values, low, high = field
    return values, samples, data, low, high


def _rows(path: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.csv."""
    with path.open() as file:
        return [{name: float(x) for name, x in row.items() if x} for row in csv.DictReader(file)]


def store(toy: Path, clothes: Path) -> None:
    """The small results in docs/results and the animation, from the folders of two runs; and the run that collapses."""
    rows = _rows(toy / "metrics.csv")
    curves = {
        name: {
            key.removeprefix(f"{name}_"): [round(row[key], 5) for row in rows]
            for key in rows[0]
            if key.startswith(name)
        }
        for name in COLOURS
    }
    command = "python examples/toy_gan.py --thorough"
    stored = {"command": command, "seed": 0, "steps": [200 * int(row["epoch"]) for row in rows], "curves": curves}
    (RESULTS / "toy-gan.json").write_text(json.dumps(stored) + "\n")

    film = tg.load(toy / "checkpoint.h5")["parts"]["film"]
    steps, frames = film["steps"], film["frames"]
    last = len(steps) - 1
    shown = sorted({round(fraction * last) for fraction in (0.05, 0.15, 0.35, 0.6, 1)})
    tg.manual_seed(0)
    data = samplers.ring()(400)
    arrays: dict[str, np.ndarray] = {"steps": np.array([steps[i] for i in shown]), "data": data.astype(np.float16)}
    for name in COLOURS:
        for part in ("scores", "samples"):
            arrays[f"{name}_{part}"] = np.array([frames[i][name][part] for i in shown])[
                (..., *[slice(None, None, 2)] * 2) if part == "scores" else ...
            ].astype(np.float16)
    np.savez_compressed(RESULTS / "toy-gan.npz", **arrays)
    ring_animation(frames, steps, data, DOCS / "figures" / "ring.gif")

    rows = _rows(clothes / "non-saturating" / "metrics.csv")
    stored = {"command": "python examples/gan_fashion_mnist.py --game non-saturating --steps 1500", "seed": 0}
    stored["steps"] = [row["generator_steps"] for row in rows]
    stored |= {key: [round(row[key], 4) for row in rows] for key in ("critic_loss", "generator_loss")}
    (RESULTS / "clothes-non-saturating.json").write_text(json.dumps(stored) + "\n")

    moments = [200, 600, 1000, 1200, 1600, 2000]
    made = "train_small_gan of docs/drawings/ch09.py, seed 0"
    runs = {label: train_small_gan(*rates, moments) for label, rates in COLLAPSE.items()}
    stored = {"command": made, "rates of generator and critic": COLLAPSE, "moments": moments, "runs": runs}
    (RESULTS / "mode-collapse.json").write_text(json.dumps(stored) + "\n")


FIGURES = {
    "generator-losses.png": generator_losses,
    "small-games.png": small_games,
    "mode-collapse.png": mode_collapse,
    "toy-gan.png": toy_gan,
    "toy-learning.png": toy_learning,
    "discriminator-losses.png": discriminator_losses,
}

if __name__ == "__main__":
    store(*map(Path, sys.argv[1:3]))
