"""Figures of chapter 1, computation graphs."""

import math
import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

import tinygen as tg
from drawings.style import BLUE, DARK, FAINT, GREEN, INK, LEAF, OPERATION, ORANGE, arrow, bare, box, new_figure


def graph() -> Figure:
    """L = x y + sin x from the text of ``graph_dot``, with the contribution to the gradient along each arrow."""
    x, y = tg.tensor(2.0, requires_grad=True), tg.tensor(3.0, requires_grad=True)
    u, v = x * y, tg.sin(x)
    L = u + v
    text = tg.graph_dot(L, names={"x": x, "y": y, "u": u, "L": L})
    labels = dict(re.findall(r'(n\d+) \[label="([^"\\]*)', text))
    leaves = set(re.findall(r"(n\d+) \[[^\n]*shape=box", text))
    arrows = re.findall(r"(n\d+) -> (n\d+)", text)
    column: dict[str, int] = {}
    for name in labels:  # in the order of the computation
        column[name] = 1 + max((column[a] for a, b in arrows if b == name), default=-1)
    place = {name: (1.2 + 3.4 * column[name], 0.0) for name in labels}
    for position in set(column.values()):
        together = [name for name in labels if column[name] == position]
        for row, name in enumerate(reversed(together)):
            place[name] = (place[name][0], 2.0 + 1.9 * (row - (len(together) - 1) / 2))
    # n0 = x lies above n1 = y; sin above u keeps the arrows from crossing
    upper, lower = (name for name in labels if column[name] == 1)
    place[upper], place[lower] = place[lower], place[upper]
    values = {"x": x, "y": y, "u": u, "L": L, "sin": v}
    gradients = dict(zip("xyuL", tg.grad(L, [x, y, u, L]), strict=True)) | {"sin": tg.grad(L, v)[0]}
    passed = {("x", "u"): y.item(), ("y", "u"): x.item(), ("x", "sin"): math.cos(2)}

    figure, (axes,) = new_figure(7.6, 3.0)
    bare(axes, 9.2, 4.0)
    for a, b in arrows:
        (xa, ya), (xb, yb) = place[a], place[b]
        start, end = (xa + 0.78, ya), (xb - 0.8, yb)
        arrow(axes, start, end)
        names = tuple(labels[name].split(" = ")[0] for name in (a, b))
        at = (start[0] + 0.45 * (end[0] - start[0]), start[1] + 0.45 * (end[1] - start[1]))
        rises = (end[1] - start[1]) / (end[0] - start[0])
        label, aside = f"{passed.get(names, 1.0):.3g}", 0.1 if abs(rises) > 0.1 else 0.0
        at = (at[0] + math.copysign(aside, -rises), at[1] + 0.1)  # beside the arrow
        side = "center" if not aside else "left" if rises < 0 else "right"
        axes.text(*at, label, fontsize=9, color=ORANGE, ha=side, va="bottom")
    for name, label in labels.items():
        short = label.split(" = ")[0]
        box(axes, *place[name], label, LEAF if name in leaves else OPERATION, round_=name not in leaves)
        value, gradient = values[short].item(), gradients[short].item()
        axes.text(
            place[name][0], place[name][1] - 0.52, f"{value:.4g}", fontsize=9, color=BLUE, ha="right", va="center"
        )
        axes.text(place[name][0] + 0.1, place[name][1] - 0.52, f"{gradient:.3g}", fontsize=9, color=ORANGE, va="center")
    axes.text(0.2, 0.12, "value", fontsize=9, color=BLUE)
    axes.text(0.98, 0.12, "gradient $dL/d$(value), and along each arrow its contribution", fontsize=9, color=ORANGE)
    return figure


def three_walks() -> Figure:
    """b = a + a, c = b + b, and three orders of traversal from c."""
    figure, panels = new_figure(8.6, 2.5, 3)
    titles = (
        "along every path\ncorrect, but 7 visits ($2^{61} - 1$ for 60 sums)",
        "each once, on first arrival\n3 visits, wrong",
        "each once, in reverse topological order\n3 visits, correct",
    )
    gradients = (  # those of b, those of a, and the result
        ("1, then 1", "1, 1, then 1, 1", "4"),
        ("1  (the second 1 is lost)", "1, 1", "2"),
        ("1 + 1 = 2", "2 + 2", "4"),
    )
    for axes, title, (at_b, at_a, gradient) in zip(panels, titles, gradients, strict=True):
        bare(axes, 4.6, 3.9)
        axes.set_title(title, fontsize=9.5, color=INK)
        for x, name in zip((0.6, 2.3, 4.0), "abc", strict=True):
            axes.add_patch(Ellipse((x, 3.0), 0.8, 0.8, facecolor=LEAF if name == "a" else OPERATION, edgecolor=INK))
            axes.text(x, 3.0, name, ha="center", va="center", fontsize=11, color=DARK)
        for start, end in ((4.0, 2.3), (2.3, 0.6)):
            for bend in (0.45, -0.45):
                is_dropped = gradient == "2" and start == 4.0 and bend < 0
                height = 3.0 + math.copysign(0.25, bend)
                colour = FAINT if is_dropped else ORANGE
                arrow(axes, (start - 0.38, height), (end + 0.38, height), colour=colour, bend=bend)
        axes.text(2.3, 1.75, f"gradients of b: {at_b}", ha="center", fontsize=8.5, color=INK)
        axes.text(2.3, 1.15, f"gradients of a: {at_a}", ha="center", fontsize=8.5, color=INK)
        colour = GREEN if gradient == "4" else ORANGE
        axes.text(2.3, 0.4, f"$dc/da = {gradient}$", ha="center", fontsize=10.5, color=colour)
    return figure


def gradient_cost() -> Figure:
    """Operations for the product of n numbers with its gradient, by three methods (counted in the text)."""
    n = np.array([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
    figure, (axes,) = new_figure(6.2, 3.4)
    for label, colour, operations in (
        ("forward mode, $n$ passes", BLUE, 4 * n * (n - 1)),
        ("central differences, $2n$ values", GREEN, 2 * n * (n + 1)),
        ("reverse mode", ORANGE, 3 * (n - 1)),
        ("the value alone", FAINT, n - 1),
    ):
        axes.loglog(n, operations, color=colour, marker="o", markersize=3.5, label=label)
    axes.set(xlabel="number of inputs $n$", ylabel="operations")
    axes.legend(loc="upper left", fontsize=9)
    return figure


FIGURES = {
    "gradient-cost.png": gradient_cost,
    "graph.png": graph,
    "three-walks.png": three_walks,
}
