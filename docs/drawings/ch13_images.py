"""Figures of chapter 13, the section on images, from ``results/flow-images.npz``."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from drawings.style import FAINT, INK, LEAF, OPERATION, arrow, bare, box, new_figure

RESULTS = Path(__file__).parents[1] / "results" / "flow-images.npz"
GAP = 2  # pixels between images


def unet() -> Figure:
    """The levels of the U-Net, their sides and channels, and the skip connections."""
    figure, (axes,) = new_figure(7.2, 3.4)
    bare(axes, 14.4, 6.8)
    left, right = [1.6, 3.4, 5.2], [12.8, 11.0, 9.2]
    heights, widths = [5.2, 3.6, 2.0], ["28 x 28\n16", "14 x 14\n32", "7 x 7\n64"]
    for x, mirrored, y, text in zip(left, right, heights, widths, strict=True):
        box(axes, x, y, text, OPERATION, round_=False, width=1.7)
        box(axes, mirrored, y, text, OPERATION, round_=False, width=1.7)
        arrow(axes, (x + 0.85, y), (mirrored - 0.85, y), colour=FAINT, style="-|>")
    box(axes, 7.2, 0.8, "7 x 7\n64", OPERATION, round_=False, width=1.7)
    for k in range(2):
        arrow(axes, (left[k] + 0.3, heights[k] - 0.4), (left[k + 1] - 0.4, heights[k + 1] + 0.4))
        arrow(axes, (right[k + 1] + 0.4, heights[k + 1] + 0.4), (right[k] - 0.3, heights[k] - 0.4))
    arrow(axes, (left[2] + 0.3, heights[2] - 0.4), (7.2 - 0.9, 0.95))
    arrow(axes, (7.2 + 0.9, 0.95), (right[2] - 0.3, heights[2] - 0.4))
    box(axes, 1.6, 6.4, r"$x_t$", LEAF, round_=True, width=1.2)
    box(axes, 12.8, 6.4, "v", LEAF, round_=True, width=1.2)
    arrow(axes, (1.6, 6.05), (1.6, 5.55))
    arrow(axes, (12.8, 5.55), (12.8, 6.05))
    box(axes, 7.2, 6.4, "t, class", LEAF, round_=True, width=1.8)
    axes.text(8.3, 6.4, "added in every block", color=INK, fontsize=9, va="center")
    axes.text(7.2, 5.3, "skip connections", color=INK, fontsize=9, ha="center", va="bottom")
    return figure


def tiles(images: np.ndarray) -> np.ndarray:
    """Images (R, C, side, side) with a transparent gap between them, as RGBA."""
    R, C, side, _ = images.shape
    canvas = np.zeros((R * (side + GAP) - GAP, C * (side + GAP) - GAP, 4))
    for row, column in np.ndindex(R, C):
        y, x = row * (side + GAP), column * (side + GAP)
        canvas[y : y + side, x : x + side, :3] = images[row, column, :, :, None] / 255
        canvas[y : y + side, x : x + side, 3] = 1
    return canvas


def paths() -> Figure:
    """A sample of each class on its path from noise."""
    stored = np.load(RESULTS)
    figure, (axes,) = new_figure(6.4, 5.2)
    axes.imshow(tiles(stored["paths"]), interpolation="nearest")
    side = stored["paths"].shape[-1]
    axes.set(xticks=[], yticks=[row * (side + GAP) + side / 2 for row in range(len(stored["times"]))])
    axes.set_yticklabels([f"t = {t:.1f}" for t in stored["times"]], fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def guidance() -> Figure:
    """Samples from the same noise with growing weights of guidance."""
    stored = np.load(RESULTS)
    figure, panels = new_figure(9.6, 1.65, 3)
    for axes, weight, images in zip(panels, stored["weights"], stored["guided"], strict=True):
        axes.imshow(tiles(images), interpolation="nearest")
        axes.set_title(f"w = {weight:g}", fontsize=10)
        axes.axis("off")
    return figure


FIGURES = {"flow-unet.png": unet, "flow-images.png": paths, "flow-guidance.png": guidance}
