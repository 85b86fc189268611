"""Figures of chapter 11, evaluation.

``cd docs && python -m drawings.ch11`` measures what ``distortions`` draws, in about four minutes on one core: it trains
the library's digit classifier on ``strokes`` and writes ``results/distortions.json``.
"""

import json
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.ndimage import gaussian_filter

import tinygen as tg
import tinygen.functional as F
from drawings.style import BLUE, DARK, FAINT, GREEN, INK, ORANGE, PINK, new_figure
from tinygen import data, evaluation, optim
from tinygen.models import DigitClassifier
from tinygen.training.classifier import accuracy

RESULTS = Path(__file__).parents[1] / "results" / "distortions.json"
CHANGES = RESULTS.with_name("metric-changes.json")  # of results/metric_changes.py
STRENGTHS = [3, 10, 30]  # standard deviations from which a cell has a colour, a stronger and the strongest
IMAGES = 5_000  # in a set
LEVELS = {
    "blur": [0.0, 0.3, 0.6, 0.9, 1.2],
    "shift": [0, 1, 2, 3, 4],
    "noise": [0.0, 0.1, 0.2, 0.3, 0.4],
    "dropped classes": [0, 2, 4, 6, 8],
}
UNITS = {
    "blur": "standard deviation, pixels",
    "shift": "pixels to the right",
    "noise": "standard deviation, white = 1",
    "dropped classes": "number of classes of ten",
}


def distort(name: str, level: float, images: np.ndarray, labels: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The first of ``images`` (N, 1, 28, 28), grey values from 0 to 255, distorted: as many as ``noise`` has."""
    count = len(noise)
    if name == "dropped classes":
        return images[labels < 10 - level][:count].astype(float)
    some = images[:count].astype(float)
    if name == "blur":
        return gaussian_filter(some, (0, 0, level, level))
    if name == "shift":
        moved = np.zeros_like(some)
        moved[..., int(level) :] = some[..., : 28 - int(level)]
        return moved
    return (some + 255 * level * noise).clip(0, 255)


def trained_classifier(train_set: data.Dataset) -> DigitClassifier:
    """The library's digit classifier after two epochs of ``train_set``, in evaluation mode."""
    classifier = DigitClassifier()
    optimizer = optim.Adam(classifier.parameters(), lr=2e-3)
    for _ in range(2):
        for images, labels in data.DataLoader(train_set, 128, shuffle=True):
            loss = F.cross_entropy(classifier(tg.tensor(images, dtype="float32") / 255), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    classifier.eval()
    return classifier


def features_of(classifier: DigitClassifier, images: np.ndarray) -> np.ndarray:
    """The features (N, 128) of ``images`` (N, 1, 28, 28), grey values from 0 to 255."""
    return np.concatenate(list(evaluation.image_features(classifier, (images / 255).astype("float32"))))


def measure() -> None:
    """Train the classifier, and measure every distortion at every level."""
    tg.manual_seed(0)
    train_set, test_set = data.load("strokes", "train"), data.load("strokes", "test")
    classifier = trained_classifier(train_set)

    def inception_score(x: np.ndarray) -> float:
        with tg.no_grad():
            log_p = F.log_softmax(classifier.layers.items[-1](tg.tensor(x)), axis=1).numpy().astype(float)
        marginal = np.exp(log_p).mean(axis=0)
        return float(np.exp((np.exp(log_p) * (log_p - np.log(marginal))).sum(axis=1).mean()))

    noise = tg.randn(IMAGES, 1, 28, 28).numpy()
    reference = features_of(classifier, test_set.images)
    rows = []
    for name, levels in LEVELS.items():
        for level in levels:
            x = features_of(classifier, distort(name, level, train_set.images, train_set.labels, noise))
            kid, error = evaluation.calculate_kid_score(x, reference[:IMAGES])
            precision, recall = evaluation.precision_recall(x, reference[:IMAGES])
            row = {"fid": evaluation.calculate_fid_score(x, reference), "kid": kid, "kid_standard_error": error}
            row |= {"precision": precision, "recall": recall, "inception_score": inception_score(x)}
            rows.append({"distortion": name, "level": level} | {key: float(f"{each:.4g}") for key, each in row.items()})
            print(rows[-1], flush=True)
    settings = {
        "command": "cd docs && python -m drawings.ch11",
        "classifier": "DigitClassifier, 2 epochs of strokes, 128 features",
        "classifier_accuracy": accuracy(classifier, test_set),
        "images": IMAGES,
        "reference": "strokes, test, 10,000 images for FID and the first 5,000 for the rest; k = 3",
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"settings": settings, "rows": rows}, indent=1) + "\n")


def bias() -> Figure:
    """FID against 1/N of a perfect generator and of one that is too narrow, with the lines to 1/N = 0 and theory's."""
    tg.manual_seed(0)
    D, N = 32, 4000
    test = tg.randn(10_000, D, dtype="float64").numpy()
    test -= test.mean(axis=0)
    test = np.linalg.solve(np.linalg.cholesky(np.cov(test, rowvar=False)), test.T).T  # mean 0, covariance I, exactly
    figure, (axes,) = new_figure(7.2, 3.9)
    for s, label, colour in ((1.0, "perfect", BLUE), (0.9, "10 % too narrow", ORANGE)):
        samples = s * tg.randn(N, D, dtype="float64").numpy()
        fit = evaluation.fid_infinity(samples, test, resamples=20)
        ends = np.array([0, 1 / fit.sizes[0]])
        axes.plot(1 / fit.sizes, fit.scores, "o", color=colour, markersize=4, label=f"{label}: random subsets")
        line = f"least squares, {fit.estimate:.3f} at 0"
        axes.plot(ends, fit.estimate + fit.slope * ends, color=colour, linewidth=1.1, label=line)
        truth, slope = D * (1 - s) ** 2, D * s**2 + s * D * (D + 1) / 4
        theory = f"theory to leading order, {truth:.3f} at 0"
        axes.plot(ends, truth + slope * ends, color=colour, linewidth=1.1, linestyle=":", label=theory)
    axes.set(xlabel="$1/N$", ylabel="FID of $N$ samples", xlim=(-2e-5, None), ylim=(-0.05, None))
    axes.legend(frameon=False, fontsize=8.5, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def distortions() -> Figure:
    """Images at five levels of four distortions; the measured FID and KID, precision and recall."""
    rows = json.loads(RESULTS.read_text())["rows"]
    train_set = data.load("strokes", "train", limit=200)
    images, labels = train_set.images, train_set.labels
    noise = np.random.default_rng(0).standard_normal((12, 1, 28, 28))
    figure = Figure(figsize=(11.0, 6.2), dpi=160, layout="constrained")
    panels = figure.subplots(3, 4, height_ratios=(1.0, 1.0, 0.8), sharey="row", squeeze=False)
    for column, (name, levels) in zip(panels.T, LEVELS.items(), strict=True):
        of = [row for row in rows if row["distortion"] == name]
        values = {key: np.array([row[key] for row in of]) for key in of[0] if key != "distortion"}
        strip = [distort(name, level, images, labels, noise)[:4, 0].reshape(-1, 28) for level in levels]
        column[0].imshow(np.hstack(strip), cmap="gray", vmin=0, vmax=255)
        column[0].axis("off")
        column[0].set_title(name, fontsize=11)
        twin = column[1]
        twin.plot(levels, values["fid"], "o-", color=BLUE, markersize=4, label="FID")
        error = {"markersize": 4, "capsize": 2, "linewidth": 1.3}
        twin.errorbar(levels, values["kid"], values["kid_standard_error"], fmt="s-", color=ORANGE, label="KID", **error)
        twin.set_yscale("symlog", linthresh=10, linscale=0.5)
        twin.set(yticks=[0, 10, 100, 1000])
        twin.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
        column[2].plot(levels, values["precision"], "o-", color=GREEN, markersize=4, label="precision")
        column[2].plot(levels, values["recall"], "s-", color=PINK, markersize=4, label="recall")
        column[2].set(ylim=(0, 1.05), yticks=[0, 0.5, 1], xlabel=UNITS[name])
        for axes in column[1:]:
            axes.set_xticks(levels)
    panels[1, 0].set_ylabel("distance")
    panels[2, 0].set_ylabel("share")
    panels[1, 0].legend(fontsize=9, loc="upper left")
    panels[2, 0].legend(fontsize=9, loc="lower left")
    return figure


def detections() -> Figure:
    """The value of each metric for each generator, in colour where it deviates from that of a perfect generator."""
    stored = json.loads(CHANGES.read_text())
    figure = Figure(figsize=(11.0, 3.5 * len(stored)), dpi=160, layout="constrained")
    for axes, (name, found) in zip(figure.subplots(len(stored), squeeze=False)[:, 0], stored.items(), strict=True):
        rows = found["rows"]
        for column, (generator, values) in enumerate(rows.items()):
            for row, (metric, (mean, deviation)) in enumerate(values.items()):
                perfect, its_deviation = rows["perfect"][metric]
                unit = np.hypot(deviation, its_deviation) / np.sqrt(2)
                text = f"{mean:.1f}" if abs(mean) >= 10 else f"{mean:.2f}"
                draw_cell(axes, column, row, text, None if generator == "perfect" else (mean - perfect) / unit)
        axes.set_xticks(range(len(rows)), [fill(generator, 15) for generator in rows])
        axes.set_yticks(range(len(values)), list(values))
        axes.set(xlim=(-0.5, len(rows) - 0.5), ylim=(len(values) - 0.5, -0.5))
        axes.set_title(name, fontsize=11, loc="left")
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.spines[:].set_visible(False)
    return figure


def draw_cell(axes: Axes, column: int, row: int, text: str, deviations: float | None) -> None:
    """A cell of ``detections``: ``text``, and the difference from a perfect generator in standard deviations."""
    colour = INK
    if deviations is not None:
        deviations = round(deviations, 1) if abs(deviations) < 10 else round(deviations)
        text += f"  ({deviations:+g})"
        strength = np.searchsorted(STRENGTHS, abs(deviations), "right")
        if strength:
            colour = DARK
            face = [1 - 0.28 * strength * (1 - each) for each in to_rgb(ORANGE if deviations > 0 else BLUE)]
            axes.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, facecolor=face))
    text = text.replace("-", "\N{MINUS SIGN}")
    axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=colour)


FIGURES = {
    "detections.png": detections,
    "distortions.png": distortions,
    "fid-bias.png": bias,
}

if __name__ == "__main__":
    measure()
