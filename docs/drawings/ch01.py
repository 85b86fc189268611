"""Figures of chapter 1, computation graphs."""

import math
import re

from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

import tinygen as tg
from drawings.style import BLUE, FAINT, GREEN, INK, LEAF, OPERATION, ORANGE, arrow, bare, box, new_figure


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
        along = 0.3 if start[1] > end[1] and a not in leaves else 0.42
        at = (start[0] + along * (end[0] - start[0]), start[1] + along * (end[1] - start[1]))
        label = f"{passed.get(names, 1.0):.3g}"
        axes.text(*at, label, fontsize=9, color=ORANGE, ha="center", va="center", bbox=PAPER)
    for name, label in labels.items():
        short = label.split(" = ")[0]
        box(axes, *place[name], label, LEAF if name in leaves else OPERATION, round_=name not in leaves)
        value, gradient = values[short].item(), gradients[short].item()
        axes.text(
            place[name][0], place[name][1] - 0.52, f"{value:.4g}", fontsize=9, color=BLUE, ha="right", va="center"
        )
        axes.text(place[name][0] + 0.1, place[name][1] - 0.52, f"{gradient:.3g}", fontsize=9, color=ORANGE, va="center")
    axes.text(0.2, 0.12, "value", fontsize=9, color=BLUE)
    axes.text(0.95, 0.12, "gradient: dL/d(value), and along an arrow its contribution", fontsize=9, color=ORANGE)
    return figure


PAPER = {"facecolor": "none", "edgecolor": "none", "pad": 1.2}


def three_walks() -> Figure:
    """b = a + a, c = b + b, and three orders of traversal from c."""
    figure, panels = new_figure(8.6, 2.5, 3)
    titles = (
        "along every path\nright, but 7 visits (2^61 - 1 for 60 sums)",
        "each once, on first arrival\n3 visits, wrong",
        "each once, in topological order\n3 visits, right",
    )
    gradients = (  # those of b, those of a, and the result
        ("1, then 1", "1, 1, then 1, 1", "4"),
        ("1  (the second 1 is lost)", "1, 1", "2"),
        ("1 + 1 = 2", "2 + 2", "4"),
    )
    for axes, title, (at_b, at_a, slope) in zip(panels, titles, gradients, strict=True):
        bare(axes, 4.6, 3.9)
        axes.set_title(title, fontsize=9.5, color=INK)
        for x, name in zip((0.6, 2.3, 4.0), "abc", strict=True):
            axes.add_patch(Ellipse((x, 3.0), 0.8, 0.8, facecolor=LEAF if name == "a" else OPERATION, edgecolor=INK))
            axes.text(x, 3.0, name, ha="center", va="center", fontsize=11, color=INK)
        for start, end in ((4.0, 2.3), (2.3, 0.6)):
            for bend in (0.45, -0.45):
                is_dropped = slope == "2" and start == 4.0 and bend < 0
                height = 3.0 + math.copysign(0.25, bend)
                colour = FAINT if is_dropped else ORANGE
                arrow(axes, (start - 0.38, height), (end + 0.38, height), colour=colour, bend=bend)
        axes.text(2.3, 1.75, f"gradients of b: {at_b}", ha="center", fontsize=8.5, color=INK)
        axes.text(2.3, 1.15, f"gradients of a: {at_a}", ha="center", fontsize=8.5, color=INK)
        axes.text(2.3, 0.4, f"dc/da = {slope}", ha="center", fontsize=10.5, color=GREEN if slope == "4" else ORANGE)
    return figure


FIGURES = {
    "graph.png": graph,
    "three-walks.png": three_walks,
}
