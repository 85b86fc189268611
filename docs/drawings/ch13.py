"""Figures of chapter 13, flow matching and diffusion.

Those of the ring are drawn from the files that docs/results/ring_flow.py writes.
"""

import json
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

import tinygen as tg
import tinygen.functional as F
from drawings.style import BLUE, FAINT, GREEN, INK, ORANGE, new_figure
from tinygen import flows
from tinygen.flows import COSINE, STRAIGHT

RESULTS = Path(__file__).parents[1] / "results"
EXTENT = 1.5  # half the side of the squares of the ring
MOMENTS = (0.0, 0.4, 0.7, 0.85, 0.95, 1.0)
SD = 0.3  # of the modes at -1 and 1 in one dimension
CENTRES = tg.tensor([[-1.0, 1.0]], dtype="float64")


def means(x: tg.Tensor, t: tg.Tensor, path: flows.Path) -> tuple[tg.Tensor, tg.Tensor]:
    """E[data | x_t] and E[noise | x_t] of the mixture in one dimension, as in the chapter."""
    alpha, sigma = path.coefficients(t, x)
    variance = alpha**2 * SD**2 + sigma**2
    deviation = x - alpha * CENTRES
    weights = F.softmax(-(deviation**2) / (2 * variance), axis=1)
    data = (weights * (CENTRES + alpha * SD**2 / variance * deviation)).sum(axis=1, keepdims=True)
    return data, (weights * (sigma / variance * deviation)).sum(axis=1, keepdims=True)


def velocity(x: tg.Tensor, t: tg.Tensor) -> tg.Tensor:
    """The marginal velocity of the straight path."""
    data, noise = means(x, t, STRAIGHT)
    return data - noise


def noise_network(x: tg.Tensor, t: tg.Tensor) -> tg.Tensor:
    """E[noise | x_t] on the cosine path."""
    return means(x, t, COSINE)[1]


def column(x: np.ndarray) -> tg.Tensor:
    """Numbers (N,) as points (N, 1)."""
    return tg.tensor(np.reshape(x, (-1, 1)), dtype="float64")


def shades(axes: Axes, path: flows.Path, reach: float = 2.6) -> None:
    """p_t(x) as shades over t and x: dark where it is large, relative to its largest value at that time."""
    t, x = np.linspace(0, 1, 200), np.linspace(-reach, reach, 300)
    alpha, sigma = (each.numpy()[:, 0] for each in path.coefficients(tg.tensor(t), column(t)))
    scale = np.hypot(alpha * SD, sigma)
    density = sum(stats.norm.pdf(x[:, None], alpha * c, scale) for c in (-1, 1))
    colours = np.zeros((300, 200, 4))
    colours[..., :3] = 0.48
    colours[..., 3] = 0.5 * density / density.max(axis=0)
    axes.imshow(colours, extent=(0, 1, -reach, reach), origin="lower", aspect="auto", interpolation="bilinear")
    axes.set(xlim=(0, 1), ylim=(-reach, reach), xlabel="$t$")


def recorded(network: flows.Network, sampler, noise: np.ndarray) -> np.ndarray:
    """The points (steps + 1, N) of ``sampler(network, x)`` at the calls of the network, and the last one."""
    points = []

    def recording(x: tg.Tensor, t: tg.Tensor) -> tg.Tensor:
        points.append(x.numpy()[:, 0])
        return network(x, t)

    end = sampler(recording, column(noise)).numpy()[:, 0]
    return np.stack([*points, end])


def flow_paths() -> Figure:
    """Straight paths of independent pairs, and the solutions of the marginal velocity."""
    rng = np.random.default_rng(4)
    noise, data = rng.normal(size=30), rng.choice([-1, 1], size=30) + SD * rng.normal(size=30)
    figure, (left, right) = new_figure(9.0, 3.2, 2)
    left.plot([0, 1], [noise, data], color=ORANGE, linewidth=0.9)
    points = recorded(velocity, lambda network, x: flows.integrate(network, x, 400, "euler"), noise)
    right.plot(np.linspace(0, 1, 401), points, color=BLUE, linewidth=0.9)
    for axes, label in ((left, "paths of single pairs"), (right, "solutions of $dx/dt = v(x, t)$")):
        shades(axes, STRAIGHT)
        axes.set_title(label, fontsize=10, loc="left")
    left.set_ylabel("$x_t$")
    return figure


def flow_diffusion() -> Figure:
    """DDIM and ancestral sampling from the same noise."""
    tg.manual_seed(2)
    noise = np.random.default_rng(4).normal(size=10)
    figure, panels = new_figure(9.0, 3.2, 2)
    for axes, eta, colour, label in zip(panels, (0, 1), (BLUE, ORANGE), ("DDIM", "ancestral sampling"), strict=True):
        points = recorded(noise_network, lambda network, x, eta=eta: flows.denoise(network, x, 200, eta=eta), noise)
        axes.plot(np.linspace(0, 1, 201), points, color=colour, linewidth=0.8)
        shades(axes, COSINE)
        axes.set_title(label, fontsize=10, loc="left")
    panels[0].set_ylabel("$x_t$")
    return figure


def flow_order() -> Figure:
    """The largest error of three samplers against the calls of the network."""
    z, x = np.linspace(-3, 3, 101), np.linspace(-4, 4, 400_001)
    exact = np.interp(stats.norm.cdf(z), np.mean([stats.norm.cdf(x, c, SD) for c in (-1, 1)], axis=0), x)
    of_noise = flows.velocity_from_noise(noise_network)
    runs = {
        "Euler, straight path": (1, ORANGE, "o-", lambda n: flows.integrate(velocity, column(z), n, "euler")),
        "DDIM, cosine path": (1, GREEN, "s-", lambda n: flows.denoise(noise_network, column(z), n)),
        "Heun, straight path": (2, BLUE, "o-", lambda n: flows.integrate(velocity, column(z), n)),
        "Heun, cosine path": (2, INK, "s-", lambda n: flows.integrate(of_noise, column(z), n)),
    }
    figure, (axes,) = new_figure(6.2, 3.6)
    for label, (calls, colour, style, solve) in runs.items():
        steps = np.array([10, 20, 40, 80, 160, 320]) // calls
        errors = [np.abs(solve(int(n)).numpy()[:, 0] - exact).max() for n in steps]
        axes.plot(calls * steps, errors, style, color=colour, markersize=4, linewidth=1.4, label=label)
    axes.set(xscale="log", yscale="log", xlabel="calls of the network", ylabel="largest error at $t = 1$")
    axes.set_xticks([10, 20, 40, 80, 160, 320], labels=["10", "20", "40", "80", "160", "320"])
    axes.minorticks_off()
    axes.legend(fontsize=8.5)
    return figure


def square(axes: Axes, title: str, extent: float = EXTENT) -> None:
    """A square of the plane without ticks."""
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(FAINT)
    axes.set_title(title, fontsize=9, loc="left", pad=3)


def flow_ring() -> Figure:
    """The samples of the flow at six times, with some trajectories up to then."""
    stored = np.load(RESULTS / "toy-flow.npz")
    positions = stored["positions"].astype(float)  # (frames, points, 2)
    figure = Figure(figsize=(9.0, 1.85), dpi=160, layout="constrained")
    for axes, t in zip(figure.subplots(1, len(MOMENTS)), MOMENTS, strict=True):
        now = round(t * (len(positions) - 1))
        axes.plot(*positions[: now + 1, :40].transpose(2, 0, 1), color=BLUE, linewidth=0.6, alpha=0.7)
        axes.plot(*positions[now].T, "o", color=ORANGE, markersize=1.8, markeredgewidth=0)
        square(axes, f"t = {t:g}", 2.2)
    return figure


def flow_density() -> Figure:
    """The exact log density of the samples of the flow and that of the data."""
    stored = np.load(RESULTS / "toy-flow.npz")
    maps = {"flow: log q(x)": stored["log_q"].astype(float), "data: log p(x)": stored["log_p"].astype(float)}
    peak = maps["data: log p(x)"].max()
    figure, panels = new_figure(7.6, 3.4, 2)
    for axes, (title, values) in zip(panels, maps.items(), strict=True):
        box = (-EXTENT, EXTENT, -EXTENT, EXTENT)
        shown = axes.imshow(
            values, cmap="viridis", vmin=peak - 10, vmax=peak, extent=box, origin="lower", interpolation="bilinear"
        )
        square(axes, title)
    figure.colorbar(shown, ax=panels, label="nats", shrink=0.8)
    return figure


def flow_learning() -> Figure:
    """The fraction of samples near a mode against training steps: flows beside GANs."""
    flow, gans = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("toy-flow", "toy-gan"))
    figure, (left, right) = new_figure(9.0, 3.2, 2)
    named = (("straight", BLUE, "flow matching"), ("diffusion", GREEN, "diffusion"))
    for name, colour, label in named:
        left.plot(flow["steps"], flow["curves"][name]["loss"], "o-", color=colour, markersize=3, label=label)
        share = flow["curves"][name]["share_within_3_sd"]
        right.plot(flow["steps"], share, "o-", color=colour, markersize=3, label=label)
    for name, colour, label in (
        ("non_saturating", ORANGE, "non-saturating GAN"),
        ("wasserstein_gradient", INK, "WGAN-GP"),
    ):
        right.plot(gans["steps"], gans["curves"][name]["share_within_3_sd"], color=colour, linewidth=1.2, label=label)
    right.axhline(1 - math.exp(-4.5), color=FAINT, linewidth=1, linestyle="--")
    left.set(ylabel="loss", ylim=(0, None))
    right.set(ylabel="samples within 3 standard deviations", ylim=(0.3, 1.02))
    for axes in (left, right):
        axes.set(xlabel="training steps", xlim=(0, None))
    right.legend(fontsize=8.5, loc="lower right")
    return figure


FIGURES = {
    "flow-ring.png": flow_ring,
    "flow-paths.png": flow_paths,
    "flow-order.png": flow_order,
    "flow-diffusion.png": flow_diffusion,
    "flow-density.png": flow_density,
    "flow-learning.png": flow_learning,
}
