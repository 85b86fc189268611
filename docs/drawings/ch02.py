"""Figures of chapter 2, vector-Jacobian products."""

import math

import numpy as np
from matplotlib.figure import Figure

import tinygen as tg
from drawings.style import BLUE, FAINT, GREEN, INK, ORANGE, new_figure


def difference_quotients() -> Figure:
    """The error of the central difference of log-sum-exp against its step, in float32 and float64."""
    point, direction = np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.0, 1.0])
    exact = math.exp(3) / (1 + math.e + math.exp(3))
    steps = np.logspace(-12, 0, 73)
    figure, (axes,) = new_figure(6.2, 3.4)
    for dtype, colour in (("float32", ORANGE), ("float64", BLUE)):

        def value(h: float, dtype: str = dtype) -> float:
            return tg.logsumexp(tg.tensor(point + h * direction, dtype=dtype)).item()

        errors = [abs((value(h) - value(-h)) / (2 * h) - exact) / exact for h in steps]
        axes.loglog(steps, np.maximum(errors, 1e-13), ".", color=colour, markersize=5, label=dtype)
    axes.loglog(steps[steps > 1e-5], 0.02 * steps[steps > 1e-5] ** 2, color=FAINT, zorder=0)
    axes.text(1.5e-3, 3e-9, "truncation $h^2$", color=INK, fontsize=9)
    for dtype, start, end in ((np.float32, 1e-7, 1e-1), (np.float64, 1e-12, 1e-4)):
        h = np.array([start, end])
        axes.loglog(h, np.finfo(dtype).eps / h, color=FAINT, zorder=0)
    axes.text(1.5e-11, 5e-5, r"rounding $\epsilon_{64}/h$", color=INK, fontsize=9, va="bottom")
    axes.text(2e-4, 2e-3, r"rounding $\epsilon_{32}/h$", color=INK, fontsize=9, va="bottom")
    axes.axvline(1e-6, color=GREEN, linewidth=1, linestyle="--", zorder=0)
    axes.text(1.25e-6, 0.3, "gradcheck's step", color=GREEN, fontsize=9)
    axes.set(xlabel="step $h$", ylabel="relative error of the derivative", ylim=(1e-13, 10))
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def jacobians() -> Figure:
    """The Jacobians of five operations of a vector with 6 elements."""
    point = tg.tensor([0.3, -0.5, 0.9, 0.1, -1.0, 0.6], dtype="float64", requires_grad=True)
    operations = (
        ("exp", tg.exp),
        ("cumulative sum", lambda x: tg.cumsum(x, axis=0)),
        ("sum", lambda x: x.sum().reshape(1)),
        ("broadcast", lambda x: tg.broadcast_to(x, (2, 6)).reshape(12)),
        ("softmax", lambda x: tg.exp(x - tg.logsumexp(x))),
    )
    figure, panels = new_figure(9.6, 2.7, len(operations))
    for axes, (title, operation) in zip(panels, operations, strict=True):
        matrix = tg.jacobian(operation, point).numpy()
        limit = 1.6 * abs(matrix).max()
        shown = np.where(matrix == 0, np.nan, matrix)
        axes.set_facecolor("#8a8a8a60")
        axes.imshow(shown, cmap="PuOr", vmin=-limit, vmax=limit)
        axes.set_title(title, fontsize=10, color=INK)
        rows, columns = matrix.shape
        axes.set(xticks=[], yticks=[], xlabel=f"{rows} x {columns}")
    panels[0].set_ylabel("outputs $k$", color=INK)
    return figure


FIGURES = {
    "jacobians.png": jacobians,
    "difference-quotients.png": difference_quotients,
}
