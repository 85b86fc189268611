"""Figures of README.md."""

import numpy as np
from matplotlib.figure import Figure

from tinygen import data


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


FIGURES = {
    "street.png": street,
}
