"""Divergences between two parallel lines, estimated from samples and compared with their exact values.

    python examples/estimate_divergences.py             21 pairs of lines, four estimates each
    python examples/estimate_divergences.py --epochs 5  five times as many steps for each

p is (0, Z) and q is (theta, Z), Z ~ U[0, 1], theta from -1 to 1 in steps of 0.1 (IFT6135 (2019), assignment 3,
problem 1.3, after Arjovsky et al. 2017). For each theta a new three-layer network is trained on the Jensen-Shannon
bound, one on the squared Hellinger bound, and two on the Wasserstein dual, with the gradient and with the Lipschitz
penalty.

A hundred steps suffice for three reasons. Adam's steps do not shrink with the gradient, so the outputs grow as fast as
its learning rate allows. The learning rate falls to 0 on half a cosine, so the noise of the last network is small. And
the last layer of each network is initialised with zeros, so no steps are spent on undoing a random initial function.
"""

import argparse
from typing import Any

import numpy as np

from tinygen import divergences, plotting
from tinygen.data.samplers import line
from tinygen.training import Reference, Run, common_arguments, conduct, print_table, say, train

TITLE = "Distances between two lines"
THETAS = np.linspace(-1, 1, 21).round(1).tolist()
STEPS = 100  # per epoch
PENALTY_WEIGHT = 10.0

EXACT = {
    "jensen_shannon": divergences.jensen_shannon_of_lines,
    "squared_hellinger": divergences.squared_hellinger_of_lines,
    "wasserstein_gradient": divergences.wasserstein_of_lines,
    "wasserstein_lipschitz": divergences.wasserstein_of_lines,
}
BOUNDS = dict(zip(EXACT, (0.01, 0.03, 0.02, 0.02), strict=True))
REFERENCES = [
    Reference(f"{name}_mean_abs_error", bound, "upper bound set by this example") for name, bound in BOUNDS.items()
]


def arguments() -> argparse.Namespace:
    """The common options."""
    return common_arguments(
        TITLE,
        data="lines",
        datasets=("lines",),
        epochs=1,
        batch_size=512,
        out="runs/divergences",
        epochs_help=f"times {STEPS} steps for each estimate",
        batch_help="samples of each distribution per training step",
        limit_help="estimate at the first N values of theta only",
    ).parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    conduct(experiment, arguments(), limit=1, may_change=("device", "limit"))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Samples, estimates, errors, figures."""
    thetas = THETAS[: options.limit]
    say(f"{TITLE}: {len(thetas)} pairs, four networks each")

    def step(_: int, index: int) -> dict[str, float]:
        return {"theta": thetas[index]} | estimate(thetas[index], options)

    rows = train(run, range(1), step, epochs=len(thetas), parts={})  # one step per epoch: a row for each theta

    errors = {name: [abs(row[name] - exact(row["theta"])) for row in rows] for name, exact in EXACT.items()}
    results = {f"{name}_mean_abs_error": float(np.mean(each)) for name, each in errors.items()}
    results |= {f"{name}_max_abs_error": max(each) for name, each in errors.items()}
    draw(run)
    run.finish(TITLE, results, references=REFERENCES, text=__doc__)
    say()
    pairs = [[f"{row[name]:.4f} ({exact(row['theta']):.4f})" for name, exact in EXACT.items()] for row in rows]
    print_table([["theta", *EXACT], *([f"{row['theta']:.1f}", *each] for row, each in zip(rows, pairs, strict=True))])


def estimate(theta: float, options: argparse.Namespace) -> dict[str, float]:
    """All four estimates at one theta; of the Wasserstein critics also the raw dual and the penalised objective."""
    p, q = line(0.0), line(theta)
    training: dict[str, Any] = {
        "steps": STEPS * options.epochs,
        "batch_size": options.batch_size,
        "device": options.device,
    }
    estimates = {
        "jensen_shannon": divergences.estimate_jensen_shannon(p, q, **training)[0],
        "squared_hellinger": divergences.estimate_squared_hellinger(p, q, **training)[0],
    }
    for penalty in ("gradient", "lipschitz"):
        weighted: dict[str, Any] = {"penalty": penalty, "penalty_weight": PENALTY_WEIGHT}
        estimates[f"wasserstein_{penalty}"], critic = divergences.estimate_wasserstein(p, q, **weighted, **training)
        dual = divergences.measure_wasserstein(critic, p, q, **weighted)
        estimates |= {f"{penalty}_raw_dual": dual.raw, f"{penalty}_penalised": dual.penalised}
    return estimates


def draw(run: Run) -> None:
    """The estimates beside the exact curves, and the excess of the Wasserstein estimates."""
    dense = np.linspace(-1, 1, 2001)

    def panel(title: str, ylabel: str, estimates: dict[str, str]) -> plotting.Panel:
        curves = {label: run.curve(name, "theta") for name, label in estimates.items()}
        exact = EXACT[next(iter(estimates))]
        return plotting.Panel(title, "theta", ylabel, curves, {"exact": (dense, [exact(round(x, 3)) for x in dense])})

    wasserstein = {"wasserstein_gradient": "gradient penalty", "wasserstein_lipschitz": "Lipschitz penalty"}
    panels = [
        panel("Jensen-Shannon", "nats", {"jensen_shannon": "estimate"}),
        panel("Squared Hellinger", "", {"squared_hellinger": "estimate"}),
        panel("Wasserstein-1", "units of x", wasserstein),
        excess(run, dense),
    ]
    caption = "Only the Wasserstein distance decreases as the lines approach each other."
    plotting.panels(panels, run.figure("divergences.png", caption))


def excess(run: Run, thetas: np.ndarray) -> plotting.Panel:
    """The excess of the Wasserstein estimates with the gradient penalty over |theta|: measured and expected."""
    labels = {
        "gradient_raw_dual": "raw dual",
        "gradient_penalised": "penalised",
        "wasserstein_gradient": "divided by its norm",
    }
    measured: dict[str, plotting.Curve] = {}
    for name, label in labels.items():
        x, y = run.curve(name, "theta")
        measured[label] = (x, np.array(y) - np.abs(x))
    raw = thetas**2 / (2 * PENALTY_WEIGHT)
    expected: dict[str, plotting.Curve] = {"d² / 2λ, d² / 4λ": (thetas, raw), "_half": (thetas, raw / 2)}
    return plotting.Panel("Wasserstein-1, minus |theta|", "theta", "units of x", measured, expected)


if __name__ == "__main__":
    main()
