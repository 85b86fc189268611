"""Figures of chapter 8, double backprop."""

import re
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

import tinygen as tg
import tinygen.functional as F
from drawings.style import BLUE, FAINT, GREEN, INK, LEAF, OPERATION, ORANGE, arrow, bare, box, new_figure
from tinygen import data

BACKWARD, OUTER = "#d9efe6", "#f3dcea"
NODES = {  # of the graph of P, in the order of graph_dot: label, place, colour
    "n0": (r"$1$", (11.2, 1.9), LEAF),
    "n1": (r"$v$", (11.2, 3.3), LEAF),
    "n2": (r"$1 \cdot v$", (8.7, 1.9), BACKWARD),
    "n3": (r"$w$", (1.2, 3.3), LEAF),
    "n4": (r"$x$", (1.2, 4.7), LEAF),
    "n5": (r"$a = w x$", (3.7, 4.7), OPERATION),
    "n6": (r"$y = \tanh a$", (6.2, 4.7), OPERATION),
    "n7": (r"$y \cdot y$", (6.2, 3.3), BACKWARD),
    "n8": (r"$1 - y^2$", (6.2, 1.9), BACKWARD),
    "n9": (r"$v (1 - y^2)$", (6.2, 0.5), BACKWARD),
    "n10": (r"$g = dT/dx$", (3.7, 0.5), BACKWARD),
    "n11": (r"$g - 1$", (1.2, 0.5), OUTER),
    "n12": (r"$P$", (1.2, -0.9), OUTER),
}
OPERATIONS = "multiply multiply tanh multiply subtract multiply multiply subtract power"


def gradient_graph() -> Figure:
    """The graph of P = (dT/dx - 1)^2 with T = v tanh(w x): the forward pass, its backward pass, and the penalty."""
    x, w, v = (tg.tensor(number, requires_grad=True) for number in (0.5, 2.0, 1.5))
    T = v * tg.tanh(w * x)
    (g,) = tg.grad(T, x, create_graph=True)
    text = tg.graph_dot((g - 1) ** 2, names={"x": x, "w": w, "v": v})
    found = re.findall(r'label="(?:\w+ = )?(\w+)\\n\(\)", shape=ellipse', text)
    assert " ".join(found) == OPERATIONS, found  # the places below are those of this graph

    figure, (axes,) = new_figure(8.4, 4.9)
    bare(axes, 12.4, 7.4)
    axes.set(ylim=(-1.6, 5.8))
    for start, end in dict.fromkeys(re.findall(r"(n\d+) -> (n\d+)", text)):
        (xa, ya), (xb, yb) = NODES[start][1], NODES[end][1]
        is_lost = (start, end) == ("n6", "n7")
        dx, dy = np.sign(xb - xa), np.sign(yb - ya)
        if ya != yb and xa != xb:  # w -> a, v -> 1 v, w -> g: from side to side
            ends = (xa + 0.96 * dx, ya), (xb - 0.96 * dx, yb)
        else:
            ends = (xa + 0.96 * dx, ya + 0.36 * dy), (xb - 0.96 * dx, yb - 0.36 * dy)
        arrow(axes, *ends, colour=ORANGE if is_lost else INK)
    arrow(axes, (7.16, 4.7), (7.74, 4.7), colour=FAINT)
    arrow(axes, (10.5, 3.6), (9.6, 4.4), colour=FAINT)
    box(axes, 8.7, 4.7, r"$T = v y$", OPERATION, round_=True, width=1.9)
    for label, place, colour in NODES.values():
        box(axes, *place, label, colour, round_=colour != LEAF, width=1.9)
    axes.text(6.45, 4.0, "lost if the backward pass\ncomputes on arrays", fontsize=8.5, color=ORANGE, va="center")
    for label, place, colour in (
        ("forward pass", (3.7, 5.5), OPERATION),
        ("backward pass", (6.2, -0.2), BACKWARD),
        ("function of the gradient", (3.9, -0.9), OUTER),
    ):
        axes.text(*place, label, fontsize=9, ha="center", va="center", color="#222222", bbox=patch(colour))
    return figure


def patch(colour: str) -> dict:
    return {"facecolor": colour, "edgecolor": "none", "pad": 2.5}


def threes_and_eights(count: int = 4000) -> tuple[tg.Tensor, tg.Tensor]:
    """Images of 3 and 8, halved to 14 x 14 pixels and centred, with a constant feature: (N, 197), and labels 0, 1."""
    digits = data.load("strokes", "train", limit=count)
    digits = digits[(digits.labels == 3) | (digits.labels == 8)]
    pixels = digits.images.reshape(len(digits), 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(digits), -1) / 255
    features = np.concatenate([pixels - pixels.mean(axis=0), np.ones((len(digits), 1))], axis=1)
    return tg.tensor(features), tg.tensor((digits.labels == 8).astype(float))


def newton_cg() -> Figure:
    """Logistic regression on images: the gradient norm of gradient descent and of Newton's method with conjugate
    gradients, against the number of backward passes."""
    features, labels = threes_and_eights()
    passes = 0

    def loss(w: tg.Tensor) -> tg.Tensor:
        return F.binary_cross_entropy_with_logits(features @ w, labels) + 5e-4 * (w * w).sum()

    def gradient(w: np.ndarray) -> np.ndarray:
        nonlocal passes
        passes += 1
        leaf = tg.tensor(w, requires_grad=True)
        return tg.grad(loss(leaf), leaf)[0].numpy()

    def product(w: np.ndarray, direction: np.ndarray) -> np.ndarray:
        nonlocal passes
        passes += 2
        return tg.hvp(loss, tg.tensor(w), tg.tensor(direction)).numpy()

    start = np.zeros(features.shape[1])
    largest = start + 1.0  # the largest eigenvalue of the Hessian, by power iteration
    for _ in range(30):
        largest = product(start, largest / np.linalg.norm(largest))
    rate, passes = 1 / np.linalg.norm(largest), 0

    def descent(momentum: float, count: int) -> list[tuple[int, float]]:
        nonlocal passes
        passes, w, v, found = 0, start, 0 * start, []
        for _ in range(count):
            g = gradient(w)
            found.append((passes, float(np.linalg.norm(g))))
            v = momentum * v + g
            w = w - rate * v
        return found

    curves = {"gradient descent": (descent(0.0, 600), ORANGE), "momentum 0.9": (descent(0.9, 600), BLUE)}
    passes, w, newton = 0, start, []
    for _ in range(12):
        g = gradient(w)
        newton.append((passes, float(np.linalg.norm(g))))
        if newton[-1][1] < 1e-11:
            break
        w = w - conjugate_gradients(lambda d, w=w: product(w, d), g, 1e-2 * min(1.0, newton[-1][1]) * newton[-1][1])
    curves["Newton, conjugate gradients"] = (newton, GREEN)

    figure, (axes,) = new_figure(6.2, 3.2)
    for label, (found, colour) in curves.items():
        style = "o-" if colour == GREEN else "-"
        axes.semilogy(*zip(*found, strict=True), style, color=colour, markersize=4, label=label)
    axes.set(xlabel="backward passes", ylabel="gradient norm", ylim=(1e-12, 2), xlim=(0, 600))
    axes.legend(fontsize=8.5, loc="center right")
    return figure


def conjugate_gradients(product: Callable, b: np.ndarray, tolerance: float) -> np.ndarray:
    """The solution of A x = b, where ``product(v)`` is A v for a symmetric positive definite A."""
    x, residual = np.zeros_like(b), b
    direction, squared = residual, residual @ residual
    while squared > tolerance**2:
        image = product(direction)
        step = squared / (direction @ image)
        x, residual = x + step * direction, residual - step * image
        squared, before = residual @ residual, squared
        direction = residual + squared / before * direction
    return x


FIGURES = {
    "gradient-graph.png": gradient_graph,
    "newton-cg.png": newton_cg,
}
