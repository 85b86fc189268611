"""Figures of chapter 5, variational autoencoders."""

import json
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, FancyBboxPatch

import tinygen as tg
from drawings.style import BLUE, DARK, FAINT, GREEN, INK, LEAF, OPERATION, ORANGE, PINK, arrow, bare, box, new_figure
from tinygen import likelihoods

RESULTS = Path(__file__).parents[1] / "results"
BETAS = ("0.1", "0.3", "1", "3", "10", "30")


def tiles(axes: Axes, images: np.ndarray, labels: list[str] | None = None, gap: int = 2) -> None:
    """Rows of grey images (R, S, H, W), 0 to 255, NaN transparent; ``labels``: one per row, at the left."""
    rows, columns, height, width = images.shape
    framed = np.full((rows, height + gap, columns, width + gap), np.nan)
    framed[:, :height, :, :width] = images.transpose(0, 2, 1, 3)
    board = framed.reshape(rows * (height + gap), columns * (width + gap))[:-gap, :-gap]
    axes.imshow(board, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.axis("off")
    for row, label in enumerate(labels or []):
        axes.text(-6, (row + 0.5) * (height + gap) - 1, label, ha="right", va="center", fontsize=9)


def training() -> Figure:
    """The negative ELBO and its terms, epoch by epoch; reconstructions; samples before, during and after training."""
    found = np.load(RESULTS / "vae-strokes.npz")
    figure, (left, right) = new_figure(10.0, 3.6, 2, width_ratios=(1, 1.25))
    distortion, rate = found["valid_terms"].T
    epochs = np.arange(1, len(rate) + 1)
    left.plot(epochs, -found["train_elbo"], "o-", color=BLUE, markersize=4, label="negative ELBO, training")
    left.plot(epochs, distortion + rate, "o-", color=ORANGE, markersize=4, label="negative ELBO, validation")
    left.plot(epochs, distortion, "s--", color=GREEN, markersize=4, label=r"$-E_q\,\log p(x|z)$, validation")
    left.plot(epochs, rate, "^--", color=PINK, markersize=4, label=r"$\mathrm{KL}(q\,\Vert\,p(z))$, validation")
    left.set(xlabel="epoch", ylabel="nats per image", ylim=(0, None), xticks=epochs)
    left.legend(fontsize=8.5, loc="upper right", bbox_to_anchor=(1.0, 0.49))
    names = ["originals", "reconstructions", "samples_epoch_0", "samples_epoch_1", f"samples_epoch_{epochs[-1]}"]
    labels = ["test images", "reconstructions", "samples, untrained", "after 1 epoch", f"after {epochs[-1]} epochs"]
    tiles(right, np.stack([found[name][:10] for name in names]), labels)
    return figure


def model() -> Figure:
    """The graphical model in plate notation, and the computation of a training step."""
    figure, (left, right) = new_figure(9.6, 2.7, 2, width_ratios=(1, 3.1))
    bare(left, 3.2, 4.4)
    left.add_patch(
        FancyBboxPatch((0.5, 0.25), 2.2, 3.9, boxstyle="round,pad=0,rounding_size=0.2", fill=False, edgecolor=INK)
    )
    for y, name, colour in ((3.3, "$z$", "white"), (1.3, "$x$", FAINT)):
        left.add_patch(Circle((1.5, y), 0.48, facecolor=colour, edgecolor=INK))
        left.text(1.5, y, name, ha="center", va="center", fontsize=12, color=DARK)
    arrow(left, (1.62, 2.83), (1.62, 1.77), bend=-0.25)
    left.text(1.86, 2.3, "$p(x|z)$", fontsize=9, va="center")
    arrow(left, (1.38, 1.77), (1.38, 2.83), bend=-0.25, colour=BLUE)
    left.patches[-1].set_linestyle("--")
    left.text(1.14, 2.3, "$q(z|x)$", fontsize=9, va="center", ha="right", color=BLUE)
    left.text(2.58, 0.4, "$N$", ha="right", fontsize=10)

    bare(right, 13.4, 4.4)
    y = 2.2
    for x, text, colour, rounded, width in (
        (0.7, "$x$", LEAF, True, 1.0),
        (2.7, "encoder", OPERATION, False, 1.7),
        (5.3, r"$\mu,\ \log\sigma^2$", LEAF, True, 1.9),
        (7.9, r"$z = \mu + \sigma\varepsilon$", OPERATION, False, 2.1),
        (10.3, "decoder", OPERATION, False, 1.7),
        (12.6, "$p(x|z)$", LEAF, True, 1.4),
    ):
        box(right, x, y, text, colour, round_=rounded, width=width)
    for start, end in ((1.2, 1.85), (3.55, 4.35), (6.25, 6.85), (8.95, 9.45), (11.15, 11.9)):
        arrow(right, (start, y), (end, y))
    box(right, 7.9, 3.9, r"$\varepsilon \sim N(0, I)$", LEAF, round_=True, width=2.0)
    arrow(right, (7.9, 3.56), (7.9, 2.54))
    arrow(right, (5.3, 1.86), (5.3, 0.95))
    right.text(5.3, 0.5, r"$\mathrm{KL}(q\,\Vert\,N(0, I))$", ha="center", va="center", fontsize=10)
    arrow(right, (12.6, 1.86), (12.6, 0.95))
    right.text(12.6, 0.5, r"$\log p(x|z)$", ha="center", va="center", fontsize=10)
    return figure


def gradient_variance() -> Figure:
    """Standard deviations of three estimators of the derivative of E|z|^2 with respect to mu_1."""
    figure, (axes,) = new_figure(6.4, 3.4)
    tg.manual_seed(0)
    dimensions = np.array([1, 2, 5, 10, 20, 50, 100])
    line = np.geomspace(1, 100, 50)
    measured = []
    for d in dimensions:
        noise = tg.randn(20_000, int(d), dtype="float64").numpy()
        value, score = ((1 + noise) ** 2).sum(axis=1), noise[:, 0]
        measured.append([(value * score).std(), ((value - 2 * d) * score).std(), (2 + 2 * score).std()])
    for dots, exact, label, colour in zip(
        np.transpose(measured),
        (np.sqrt(4 * line**2 + 14 * line + 12), np.sqrt(6 * line + 12), np.full_like(line, 2.0)),
        ("score function", r"score function, baseline $E\,f$", "reparametrisation"),
        (ORANGE, BLUE, GREEN),
        strict=True,
    ):
        axes.loglog(line, exact, color=colour, linewidth=1.1)
        axes.loglog(dimensions, dots, "o", color=colour, markersize=4.5, label=label)
    axes.set(xlabel="number of latents $d$", ylabel="standard deviation of one estimate")
    axes.legend(fontsize=9, loc="upper left")
    return figure


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
    left.plot([], [], color=BLUE, label="posterior $p(z|x)$")
    left.plot([], [], color=ORANGE, linestyle="--", label="best $q$, independent components")
    left.set(xlim=(-1.5, 1.5), ylim=(-1.25, 1.85), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    left.legend(fontsize=8.5, loc="upper right")

    # log p(x, z) - log q(z) - log p(x), which is the same at every x: posterior over q
    tg.manual_seed(0)
    samples = np.unique(np.logspace(0, 3, 10).round().astype(int))
    means, spreads = [], []
    for K in samples:
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
    right.fill_between(samples, low, high, color=BLUE, alpha=0.2, linewidth=0)
    right.semilogx(samples, means, "o-", color=BLUE, markersize=4, label="mean of the estimate (band: 80 % of them)")
    right.set(xlabel="samples $K$ per image", ylabel=r"estimate minus $\log p(x)$, nats", ylim=(-0.68, 0.45))
    right.legend(fontsize=8.5, loc="lower right")
    return figure


def importance_sampling() -> Figure:
    """Estimates of log p(x) of two VAEs against K for three proposals, and the effective sample sizes."""
    found = json.loads((RESULTS / "importance-sampling.json").read_text(encoding="utf-8"))
    figure, panels = new_figure(10.5, 3.5, 3)
    proposals = {"encoder": (BLUE, "encoder $q(z|x)$"), "prior": (ORANGE, "prior"), "both": (GREEN, "half from each")}
    limits = {"2": (-156.5, -146.8), "20": (-162, -86)}
    K = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000])
    for axes, size in zip(panels, ("2", "20"), strict=False):
        for name, (colour, label) in proposals.items():
            style = "--" if name == "both" else "-"
            first = 1 if name == "both" else 0  # half from each needs two samples
            means = found["estimate"][size][name][first:]
            axes.semilogx(K[first:], means, style, color=colour, linewidth=1.6, label=label)
        axes.axhline(found["elbo"][size], color=INK, linewidth=1, linestyle=":")
        axes.set(title=f"{size} latents", xlabel="samples $K$", ylim=limits[size])
    left, middle, right = panels
    left.set_ylabel(r"estimate of $\log p(x)$, nats per image")
    left.axhline(found["quadrature"], color=INK, linewidth=1)
    left.text(1, found["quadrature"] + 0.12, "exact (quadrature)", fontsize=8.5)
    left.text(10_000, found["elbo"]["2"] - 0.5, "ELBO", fontsize=8.5, ha="right")
    middle.text(10_000, found["elbo"]["20"] - 3.8, "ELBO", fontsize=8.5, ha="right")
    left.legend(fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 0.27))
    for size, style in (("2", "-"), ("20", "--")):
        for name in ("encoder", "prior"):
            colour = proposals[name][0]
            sizes = found["effective_sample_size"][size][name]
            right.loglog(K, sizes, style, color=colour, linewidth=1.6, label=f"{name}, {size} latents")
    right.loglog(K, K, color=INK, linewidth=1, linestyle=":")
    right.text(120, 350, "$K$", fontsize=9)
    right.set(title="effective sample size", xlabel="samples $K$")
    right.legend(fontsize=8.5, loc="upper left", bbox_to_anchor=(0, 1.0))
    right.set_ylim(0.8, 2e4)
    return figure


def rate_distortion() -> Figure:
    """The rate-distortion function of the linear-Gaussian example; rate and distortion of VAEs of digits."""
    figure, (left, right) = new_figure(9.6, 3.8, 2)
    W, s = np.array([[1.0, 0.7], [0.0, 1.0]]), 0.5
    eigenvalues = np.linalg.eigvalsh(W @ W.T + s**2 * np.eye(2))
    noise = np.geomspace(0.02, eigenvalues.max(), 200)[:, None]
    distortion = np.minimum(eigenvalues, noise).sum(axis=1)
    rate = 0.5 * np.log(np.maximum(eigenvalues / noise, 1)).sum(axis=1)
    left.plot(rate, distortion, color=BLUE, label="rate-distortion function")
    for beta in (0.2, 0.5, 1, 2, 4, 12):
        d = np.minimum(eigenvalues, beta * s**2)
        r, D = 0.5 * np.log(eigenvalues / d).sum(), d.sum()
        active = int((eigenvalues > beta * s**2).sum())
        left.plot(r, D, "o", color=(INK, ORANGE, GREEN)[active])
        left.annotate(rf"$\beta = {beta}$", (r, D), (7, 3), textcoords="offset points", fontsize=8.5)
    for active, colour in ((2, GREEN), (1, ORANGE), (0, INK)):
        left.plot([], [], "o", color=colour, label=f"optimum, {active} active latents")
    left.set(xlabel=r"rate $\mathrm{KL}(q\,\Vert\,p(z))$, nats", ylabel=r"squared error $E\,\Vert x - Wz \Vert^2$")
    left.set(title="linear-Gaussian example", xlim=(-0.1, 3.9), ylim=(0, 3.4))
    left.legend(fontsize=8.5)

    found = np.load(RESULTS / "vae-strokes.npz")
    points = np.array([found[f"beta_{beta}"] for beta in BETAS])
    right.plot(points[:, 1], points[:, 2], "o-", color=BLUE, linewidth=1)
    for beta, rate_, distortion_, units in points:
        label = rf"$\beta = {beta:g}$" + f"\n{units:.0f} active"
        right.annotate(label, (rate_, distortion_), (6, 5), textcoords="offset points", fontsize=8.5)
    _, r, D, _ = points[BETAS.index("1")]
    line = np.array([0.0, 75.0])
    right.plot(line, r + D - line, "--", color=INK, linewidth=1, label=f"negative ELBO {r + D:.0f} nats")
    right.legend(fontsize=8.5, loc="upper right")
    right.set(xlabel=r"rate $\mathrm{KL}(q\,\Vert\,p(z))$, nats per image", xlim=(-2, 72), ylim=(0, 235))
    right.set(ylabel=r"distortion $-E_q\,\log p(x|z)$, nats per image", title="digits, 20 latents")
    return figure


def beta_samples() -> Figure:
    """Reconstructions and samples of the VAEs of digits, a pair of rows for each beta."""
    found = np.load(RESULTS / "vae-strokes.npz")
    figure, axes = new_figure(10.0, 3.2, 2)
    for panel, name, title in zip(axes, ("reconstructions", "samples"), ("reconstructions", "samples"), strict=True):
        rows = [found[f"{name}_beta_{beta}"] for beta in BETAS]
        labels = [rf"$\beta = {beta}$" for beta in BETAS]
        if name == "reconstructions":
            rows, labels = [found["originals"], *rows], ["test images", *labels]
        else:
            rows, labels = [np.full(rows[0].shape, np.nan), *rows], ["", *labels]
        tiles(panel, np.stack(rows), labels)
        panel.set_title(title, fontsize=10)
    return figure


FIGURES = {
    "vae-training.png": training,
    "vae-model.png": model,
    "gradient-variance.png": gradient_variance,
    "bounds.png": bounds,
    "importance-sampling.png": importance_sampling,
    "rate-distortion.png": rate_distortion,
    "beta-samples.png": beta_samples,
}
