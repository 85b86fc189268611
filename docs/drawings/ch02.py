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
    axes.loglog(steps[steps > 3e-4], 0.02 * steps[steps > 3e-4] ** 2, color=FAINT, zorder=0)
    axes.text(0.03, 1e-6, "$h^2$", color=INK, fontsize=10)
    axes.loglog(steps[steps < 1e-5], 2.2e-16 / steps[steps < 1e-5], color=FAINT, zorder=0)
    axes.text(1e-11, 1e-4, r"$\epsilon\,/\,h$", color=INK, fontsize=10, va="bottom")
    axes.axvline(1e-6, color=GREEN, linewidth=1, linestyle="--", zorder=0)
    axes.text(1.25e-6, 0.3, "gradcheck's step", color=GREEN, fontsize=9)
    axes.set(xlabel="step $h$", ylabel="relative error of the derivative", ylim=(1e-13, 10))
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


FIGURES = {
    "difference-quotients.png": difference_quotients,
}
