"""Figures of chapter 7, divergences.

``cd docs && python -m drawings.ch07`` estimates the divergences that ``divergences_of_lines`` draws, in about two
minutes on one core, and writes ``results/divergences.json``.
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

import tinygen as tg
from drawings.style import BLUE, FAINT, GREEN, INK, ORANGE, PINK, new_figure
from tinygen import divergences
from tinygen.data import samplers

RESULTS = Path(__file__).parents[1] / "results" / "divergences.json"
THETAS = np.linspace(-1, 1, 21).round(1).tolist()
STEPS, PENALTY_WEIGHT = 100, 10.0


def measure() -> None:
    """Estimate the divergences between two lines for every theta."""
    tg.manual_seed(0)
    rows = []
    for theta in THETAS:
        p, q = samplers.line(0.0), samplers.line(theta)
        _, critic = divergences.estimate_wasserstein(p, q, steps=STEPS, penalty_weight=PENALTY_WEIGHT)
        dual = divergences.measure_wasserstein(critic, p, q, penalty_weight=PENALTY_WEIGHT)
        row = {
            "jensen_shannon": divergences.estimate_jensen_shannon(p, q, steps=STEPS)[0],
            "squared_hellinger": divergences.estimate_squared_hellinger(p, q, steps=STEPS)[0],
            "wasserstein": dual.estimate,
            "raw_dual": dual.raw,
            "penalised": dual.penalised,
        }
        rows.append({"theta": theta} | {name: round(value, 5) for name, value in row.items()})
        print(rows[-1], flush=True)
    settings = {"command": "cd docs && python -m drawings.ch07", "steps": STEPS, "penalty_weight": PENALTY_WEIGHT}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"settings": settings, "rows": rows}, indent=1) + "\n")


def two_modes(x: np.ndarray) -> np.ndarray:
    """The density of a mixture with modes at -2 and 2."""
    return 0.5 * stats.norm.pdf(x, -2, 0.6) + 0.5 * stats.norm.pdf(x, 2, 0.6)


def asymmetry() -> Figure:
    """A mixture and the Gaussians that minimise the two Kullback-Leibler divergences."""
    x = np.linspace(-6, 6, 600)
    figure, panels = new_figure(8.6, 2.7, 2, sharey=True)
    covering = stats.norm.pdf(x, 0, np.sqrt(4 + 0.6**2))
    seeking = stats.norm.pdf(x, 2, 0.6)
    titles = (r"minimal $\mathrm{KL}(p\,\Vert\,q)$: mode covering", r"minimal $\mathrm{KL}(q\,\Vert\,p)$: mode seeking")
    for axes, q, title in zip(panels, (covering, seeking), titles, strict=True):
        axes.fill_between(x, two_modes(x), color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(x, two_modes(x), color=BLUE, linewidth=1.3, label="$p$, two modes")
        axes.plot(x, q, color=ORANGE, linewidth=1.6, label="$q$, a Gaussian")
        axes.set_title(title, fontsize=10.5)
        axes.set(xlabel="$x$", ylim=(0, 0.72))
    panels[0].set_ylabel("density")
    panels[0].legend(fontsize=9, loc="upper left")
    return figure


def conjugate() -> Figure:
    """f(u) = u log u: its tangent of gradient t and f*(t); f as the maximum of its tangents."""
    u = np.linspace(1e-6, 3, 400)
    f = u * np.log(u)
    figure, (left, right) = new_figure(8.6, 3.3, 2)
    t = 1.45
    touch = np.exp(t - 1)
    left.plot(u, f, color=BLUE, linewidth=1.6, label=r"$f(u) = u\,\log\,u$")
    left.plot(u, u * t - np.exp(t - 1), color=ORANGE, linewidth=1.4, label=r"tangent $u t - f^*(t)$")
    left.plot(touch, touch * np.log(touch), "o", color=ORANGE, markersize=5)
    left.plot([0, 3], [0, 3 * t], color=FAINT, linewidth=1.2, linestyle="--", label="$u t$")
    left.annotate(
        "", (touch, touch * np.log(touch)), (touch, touch * t), arrowprops={"arrowstyle": "<->", "color": INK}
    )
    left.text(touch + 0.07, 1.35, "$f^*(t)$", fontsize=11)
    left.set(xlabel="$u$", ylim=(-1.75, 3.4), xlim=(0, 3))
    left.legend(fontsize=9, loc="upper left")
    for gradient in (-0.6, 0.0, 0.5, 1.0, 1.5, 2.0):
        right.plot(u, u * gradient - np.exp(gradient - 1), color=ORANGE, linewidth=0.9)
    right.plot([], [], color=ORANGE, linewidth=0.9, label="tangents, six values of $t$")
    right.plot(u, f, color=BLUE, linewidth=1.8, label=r"$f(u) = \max_t\; u t - f^*(t)$")
    right.set(xlabel="$u$", ylim=(-1.75, 3.4), xlim=(0, 3))
    right.legend(fontsize=9, loc="upper left")
    return figure


def discriminator() -> Figure:
    """Two densities, the trained and the optimal discriminator, and the density computed from the trained one."""
    tg.manual_seed(0)
    p, q = samplers.distribution4, samplers.standard_gaussian
    _, network = divergences.estimate_jensen_shannon(p, q, steps=300)
    x = np.linspace(-4, 4, 400)
    exact, base = samplers.distribution4_density(x), samplers.standard_gaussian_density(x)
    estimate = divergences.density_from_discriminator(network, samplers.standard_gaussian_density, x)
    figure, (left, middle, right) = new_figure(10.0, 3.1, 3)
    left.plot(x, exact, color=BLUE, linewidth=1.6, label="$p$")
    left.plot(x, base, color=ORANGE, linewidth=1.6, label="$q = N(0, 1)$")
    left.set(xlabel="$x$", title="Densities", ylim=(0, 0.52))
    middle.plot(x, estimate / (estimate + base), color=PINK, linewidth=1.8, label="trained")
    middle.plot(x, exact / (exact + base), color=INK, linewidth=1.3, linestyle="--", label="$p / (p + q)$")
    middle.set(xlabel="$x$", title="Discriminator $D(x)$", ylim=(0, 1.35), yticks=[0, 0.5, 1])
    right.plot(x, estimate, color=PINK, linewidth=1.8, label=r"$q\,D / (1 - D)$, trained")
    right.plot(x, exact, color=BLUE, linewidth=1.3, linestyle="--", label="$p$")
    right.set(xlabel="$x$", title="Density from the discriminator", ylim=(0, 0.52))
    for axes in (left, middle, right):
        axes.title.set_size(10.5)
        axes.legend(fontsize=9, loc="upper left")
    return figure


def couplings() -> Figure:
    """The independent and the optimal coupling of two distributions; the area between their quantile functions."""
    x = np.arange(12)
    p = stats.norm.pdf(x, 5.0, 1.5)
    q = 0.4 * stats.norm.pdf(x, 2.5, 0.9) + 0.6 * stats.norm.pdf(x, 8.0, 1.0)
    p, q = p / p.sum(), q / q.sum()
    from_p, from_q = (np.append(0, np.cumsum(each)) for each in (p, q))
    low = np.maximum(from_p[:-1, None], from_q[None, :-1])
    optimal = np.clip(
        np.minimum(from_p[1:, None], from_q[None, 1:]) - low, 0, None
    )  # overlap of intervals of quantiles
    figure, (left, middle, right) = new_figure(10.0, 3.4, 3, width_ratios=(1, 1, 1.15))
    distance = np.abs(x[:, None] - x)
    for axes, coupling, name in ((left, np.outer(p, q), "independent"), (middle, optimal, "optimal")):
        rows, columns = np.nonzero(coupling > 1e-4)
        axes.scatter(rows, columns, s=900 * coupling[rows, columns], color=BLUE, linewidth=0)
        axes.plot([0, 11], [0, 11], color=FAINT, linewidth=1, linestyle="--")
        axes.bar(x, 5 * p, bottom=-3.2, color=ORANGE, width=0.8)
        axes.barh(x, 5 * q, left=-3.2, color=GREEN, height=0.8)
        cost = (coupling * distance).sum()
        axes.set_title(rf"{name}: $E\,|x - y| = {cost:.2f}$", fontsize=10.5)
        axes.set(xlim=(-3.4, 11.5), ylim=(-3.4, 11.5), aspect="equal", xticks=[0, 5, 10], yticks=[0, 5, 10])
        axes.set_xlabel("$x$, distributed as $p$", color=ORANGE)
        axes.set_ylabel("$y$, distributed as $q$", color=GREEN)
    level = np.append(from_p, from_q)
    level = np.unique(level.round(12))
    at = (level[1:] + level[:-1]) / 2
    of_p, of_q = (np.searchsorted(each, at) - 1 for each in (from_p, from_q))
    right.fill_between(
        level, np.append(of_p, of_p[-1]), np.append(of_q, of_q[-1]), step="post", color=FAINT, alpha=0.35, linewidth=0
    )
    right.stairs(of_p, level, baseline=None, color=ORANGE, linewidth=1.7, label="$F_p^{-1}(u)$")
    right.stairs(of_q, level, baseline=None, color=GREEN, linewidth=1.7, label="$F_q^{-1}(u)$")
    area = (np.abs(of_p - of_q) * np.diff(level)).sum()
    right.set_title(rf"quantile functions: area $W_1 = {area:.2f}$", fontsize=10.5)
    right.set(xlabel="$u$", xlim=(0, 1), ylim=(-0.3, 13.8), yticks=[0, 5, 10])
    right.legend(fontsize=9, loc="upper left", ncols=2)
    return figure


def divergences_of_lines() -> Figure:
    """Estimates and exact values of three divergences against theta; the excess of the penalised Wasserstein dual."""
    rows = json.loads(RESULTS.read_text())["rows"]
    theta = np.array([row["theta"] for row in rows])
    measured = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    figure, panels = new_figure(11.0, 3.1, 4)
    apart = np.array([-1, -0.04, np.nan, 0.04, 1])
    exact = (
        ("jensen_shannon", "Jensen-Shannon, nats", np.full(5, np.log(2)), 0.8),
        ("squared_hellinger", "squared Hellinger", np.full(5, 2.0), 2.3),
        ("wasserstein", "Wasserstein-1", np.array([1.0, 0, 0, 0, 1]), 1.15),
    )
    for axes, (name, title, values, top) in zip(panels, exact, strict=False):
        axes.plot(apart if name != "wasserstein" else [-1, 0, 0, 0, 1], values, color=INK, linewidth=1.3, label="exact")
        if name != "wasserstein":
            axes.plot(0, 0, "o", color=INK, markersize=6, markerfacecolor="none")
        axes.plot(theta, measured[name], "o", color=BLUE, markersize=3.5, label="estimate")
        axes.set(ylim=(-0.05 * top, top))
        axes.set_title(title, fontsize=10.5)
    panels[0].legend(fontsize=9, loc="center right", bbox_to_anchor=(1.0, 0.4))
    fine = np.linspace(-1, 1, 101)
    series = (
        ("raw_dual", "raw dual", ORANGE, "s", 2 * PENALTY_WEIGHT),
        ("penalised", "objective", GREEN, "^", 4 * PENALTY_WEIGHT),
        ("wasserstein", "estimate", BLUE, "o", None),
    )
    for name, label, colour, marker, divisor in series:
        panels[3].plot(theta, measured[name] - np.abs(theta), marker, color=colour, markersize=3.5, label=label)
        expected = fine**2 / divisor if divisor else 0 * fine
        panels[3].plot(fine, expected, color=colour, linewidth=1)
    panels[3].set_title(r"Wasserstein-1, excess over $|\theta|$", fontsize=10.5)
    panels[3].set(ylim=(-0.03, 0.1))
    panels[3].legend(fontsize=9, loc="upper center", handletextpad=0.1)
    for axes in panels:
        axes.set(xlabel=r"$\theta$", xticks=[-1, 0, 1])
    return figure


FIGURES = {
    "kl-asymmetry.png": asymmetry,
    "conjugate.png": conjugate,
    "optimal-discriminator.png": discriminator,
    "couplings.png": couplings,
    "divergences.png": divergences_of_lines,
}

if __name__ == "__main__":
    measure()
