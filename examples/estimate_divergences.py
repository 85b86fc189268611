"""Four distances between two lines, learned from samples and drawn beside the exact ones.

    python examples/estimate_divergences.py             21 pairs of lines, four estimates each
    python examples/estimate_divergences.py --epochs 5  five times as many steps for each

p is (0, Z) and q is (theta, Z), Z ~ U[0, 1], theta from -1 to 1 in steps of 0.1 (IFT6135 (2019), assignment 3,
problem 1.3, after Arjovsky et al. 2017). For each theta a new three-layer network is trained on the Jensen-Shannon
bound, one on the squared Hellinger bound, and two on the Wasserstein dual, with the gradient and with the Lipschitz
penalty.

A hundred steps are few, and three things make them go far. Adam makes the outputs large as fast as its rate allows,
however small the gradient, which plain SGD has to wait for. Its rate falls to 0 on half a cosine, so that the last
network is not a noisy one. And each network begins flat: no step goes into unlearning what chance, or another theta,
had put there.
"""

import argparse

import numpy as np

import tinygen as tg
from tinygen import divergences, plotting
from tinygen.data.samplers import line
from tinygen.training import Reference, Run, conduct, sampler_arguments, say, train

TITLE = "Distances between two lines"
THETAS = np.linspace(-1, 1, 21).round(1).tolist()
STEPS = 100  # an epoch
PENALTY_WEIGHT = 10.0

EXACT = {
    "jensen_shannon": divergences.jensen_shannon_of_lines,
    "squared_hellinger": divergences.squared_hellinger_of_lines,
    "wasserstein_gradient": divergences.wasserstein_of_lines,
    "wasserstein_lipschitz": divergences.wasserstein_of_lines,
}
BOUNDS = {
    "jensen_shannon": 0.01,
    "squared_hellinger": 0.03,
    "wasserstein_gradient": 0.02,
    "wasserstein_lipschitz": 0.02,
}
REFERENCES = [Reference(f"{name}_mean_abs_error", bound, "what the example promises") for name, bound in BOUNDS.items()]


def arguments() -> argparse.Namespace:
    """The common options."""
    return sampler_arguments(
        TITLE,
        data="lines",
        epochs=1,
        out="runs/divergences",
        epochs_help=f"times {STEPS} steps for each estimate",
        limit_help="estimate at the first N values of theta only",
    ).parse_args()


def estimate(theta: float, options: argparse.Namespace) -> dict[str, float]:
    """All four at one theta; of the Wasserstein critics also the raw dual and the penalised objective."""
    p, q = line(0.0), line(theta)
    training = {"steps": STEPS * options.epochs, "batch_size": options.batch_size, "device": options.device}
    found = {
        "jensen_shannon": divergences.estimate_jensen_shannon(p, q, **training)[0],
        "squared_hellinger": divergences.estimate_squared_hellinger(p, q, **training)[0],
    }
    for penalty in ("gradient", "lipschitz"):
        weighed = {"penalty": penalty, "penalty_weight": PENALTY_WEIGHT}
        found[f"wasserstein_{penalty}"], critic = divergences.estimate_wasserstein(p, q, **weighed, **training)
        dual = divergences.measure_wasserstein(critic, p, q, **weighed)
        found |= {f"{penalty}_raw_dual": dual.raw, f"{penalty}_penalised": dual.penalised}
    return found


def main() -> None:
    """The options, and the experiment that they describe."""
    conduct(experiment, arguments(), limit=1, may_change=("device", "limit"))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Samples, estimates, errors, figures."""
    tg.manual_seed(options.seed)
    thetas = THETAS[: options.limit]
    say(f"{TITLE}: {len(thetas)} pairs, four networks each")

    def step(_: int, index: int) -> dict[str, float]:
        return {"theta": thetas[index]} | estimate(thetas[index], options)

    rows = train(run, range(1), step, epochs=len(thetas), parts={})  # one step an epoch: a row for each theta

    errors = {name: [abs(row[name] - exact(row["theta"])) for row in rows] for name, exact in EXACT.items()}
    results = {f"{name}_mean_abs_error": float(np.mean(each)) for name, each in errors.items()}
    results |= {f"{name}_max_abs_error": max(each) for name, each in errors.items()}
    draw(run)
    run.finish(
        TITLE,
        results,
        seed=options.seed,
        device=options.device,
        references=REFERENCES,
        text=__doc__.split("\n\n", 2)[2],
    )
    say("\n theta" + "".join(f"{name:>24}" for name in EXACT))
    for row in rows:
        pairs = (f"{row[name]:.4f} ({exact(row['theta']):.4f})" for name, exact in EXACT.items())
        say(f"{row['theta']:6.1f}" + "".join(f"{pair:>24}" for pair in pairs))


def draw(run: Run) -> None:
    """The estimates beside the exact curves, and what a penalty adds to the dual."""
    rows = run.rows
    thetas = [row["theta"] for row in rows]
    dense = np.linspace(-1, 1, 2001)

    def measured(**names: str) -> dict[str, plotting.Curve]:
        return {label: (thetas, [row[name] for row in rows]) for name, label in names.items()}

    def known(name: str) -> dict[str, plotting.Curve]:
        return {"exact": (dense, [EXACT[name](round(theta, 3)) for theta in dense])}

    def panel(title: str, ylabel: str, names: dict[str, str], exact: dict[str, plotting.Curve]) -> plotting.Panel:
        return plotting.Panel(title, "theta", ylabel, measured(**names), exact)

    path = run.figure("divergences.png", "Only the Wasserstein distance falls as the lines come closer.")
    parts = [
        panel("Jensen-Shannon", "nats", {"jensen_shannon": "estimate"}, known("jensen_shannon")),
        panel("Squared Hellinger", "", {"squared_hellinger": "estimate"}, known("squared_hellinger")),
        panel(
            "Wasserstein-1",
            "units of x",
            {"wasserstein_gradient": "gradient penalty", "wasserstein_lipschitz": "Lipschitz penalty"},
            known("wasserstein_gradient"),
        ),
    ]
    excess = dense**2 / (2 * PENALTY_WEIGHT)
    of_duals: dict[str, plotting.Curve] = {
        label: (thetas, [row[name] - abs(row["theta"]) for row in rows])
        for name, label in {
            "gradient_raw_dual": "raw dual",
            "gradient_penalised": "penalised",
            "wasserstein_gradient": "divided by the slope",
        }.items()
    }
    expected: dict[str, plotting.Curve] = {
        "d\N{SUPERSCRIPT TWO} / 2\N{GREEK SMALL LETTER LAMDA}, d\N{SUPERSCRIPT TWO} / 4\N{GREEK SMALL LETTER LAMDA}": (
            dense,
            excess,
        ),
        "_half": (dense, excess / 2),
    }
    parts.append(plotting.Panel("Wasserstein-1, less |theta|", "theta", "units of x", of_duals, expected))
    plotting.panels(parts, path)


if __name__ == "__main__":
    main()
