"""Figures of chapter 11, evaluation."""

import numpy as np
from matplotlib.figure import Figure

import tinygen as tg
from drawings.style import BLUE, ORANGE, new_figure
from tinygen import evaluation


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


FIGURES = {
    "fid-bias.png": bias,
}
