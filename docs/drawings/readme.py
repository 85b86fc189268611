"""Figures of README.md and of the results."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinygen import data

from .style import BLUE, INK, ORANGE, new_figure

sys.path.insert(0, str(Path(__file__).parents[1]))

import results


def street() -> Figure:
    """Synthetic house numbers: one column per digit."""
    rows, gap = 5, 2
    numbers = data.load("street", "train", limit=100 * rows)
    columns = [numbers.images[numbers.labels == digit][:rows] for digit in range(10)]
    pictures = np.stack(columns, axis=1).transpose(0, 1, 3, 4, 2)  # 10 x (5, C, H, W) -> (5, 10, H, W, C)
    framed = np.pad(pictures, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255)
    down, across = (side + gap for side in pictures.shape[2:4])
    board = framed.swapaxes(1, 2).reshape(rows * down, 10 * across, 3)[:-gap, :-gap]
    figure = Figure(figsize=(board.shape[1] / 40, board.shape[0] / 40), dpi=160, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(board, interpolation="nearest")
    axes.axis("off")
    return figure


def speed() -> Figure:
    """The time of training steps over PyTorch's: bars from 1, on a logarithmic axis."""
    steps = [("CPU: " + step.name, step.ratio) for step in results.steps(results.ON_CPU)]
    steps += [("GPU: " + step.name, step.ratio) for step in results.steps(results.ON_GPU)]
    names, ratios = zip(*reversed(steps), strict=True)
    figure, (axes,) = new_figure(8, 0.8 + 0.24 * len(ratios))
    places = np.arange(len(ratios))
    axes.barh(places, np.array(ratios) - 1, left=1, color=[BLUE if ratio <= 1 else ORANGE for ratio in ratios])
    for place, ratio in enumerate(ratios):
        inside = {"ha": "right", "x": ratio / 1.015} if ratio < 1 else {"ha": "left", "x": ratio * 1.015}
        axes.text(y=place, s=f"{ratio:.2f}", va="center", fontsize=8, **inside)
    axes.axvline(1, color=INK, linewidth=1)
    low, high = min(0.5, *ratios) / 1.2, 1.2 * max(3, *ratios)
    ticks = [tick for tick in (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5) if low <= tick <= high]
    axes.set(xscale="log", xlim=(low, high), xlabel="time of a training step: tinygen / PyTorch")
    axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(places, labels=names, fontsize=8)
    axes.margins(y=0.02)
    return figure


FIGURES = {
    "street.png": street,
    "speed.png": speed,
}
