"""The style of all figures: standard terms, a transparent background, and colours that are legible on white and black.

``new_figure`` makes a figure; INK is the colour of text and axes, BLUE, ORANGE and GREEN those of data (Okabe and Ito
2008, distinguishable with any colour vision). Text on a light box is DARK.
"""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

DARK, INK, FAINT, LEAF, OPERATION = "#222222", "#7a7a7a", "#a8a8a8", "#fbe3c0", "#dbe7f5"
BLUE, ORANGE, GREEN, PINK = "#2b86c4", "#d55e00", "#009e73", "#cc79a7"

mpl.rcParams.update(
    {
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    }
)


def new_figure(width: float, height: float, columns: int = 1, **options) -> tuple[Figure, list[Axes]]:
    """A figure of ``width`` x ``height`` inches and its axes, in a row."""
    figure = Figure(figsize=(width, height), dpi=160, layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **options)[0]
    return figure, list(axes)


def bare(axes: Axes, width: float, height: float) -> None:
    """Axes with equal units and no frame."""
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.axis("off")


def arrow(axes: Axes, start: tuple, end: tuple, *, colour: str = INK, bend: float = 0.0, style: str = "-|>") -> None:
    options = {"arrowstyle": style, "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.1}
    axes.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", color=colour, **options))


def box(axes: Axes, x: float, y: float, text: str, colour: str, *, round_: bool, width: float = 1.5) -> None:
    style = f"round,pad=0,rounding_size={0.34 if round_ else 0.04}"
    corner, height = (x - width / 2, y - 0.34), 0.68
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=colour, edgecolor=INK, linewidth=1))
    axes.text(x, y, text, ha="center", va="center", fontsize=10, color=DARK)
