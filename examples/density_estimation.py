"""Density estimation with a discriminator.

    python examples/density_estimation.py

A network is trained to distinguish samples of distribution 4 from those of a standard Gaussian (IFT6135 (2019),
assignment 3, problem 1.4). The optimal discriminator is D(x) = f1(x) / (f0(x) + f1(x)), and f0 is known, so f1(x) =
f0(x) D(x) / (1 - D(x)) estimates the other density from samples alone. It is compared with the exact density on
[-5, 5]: the L1 distance, and the integral, which should be 1.

The objective is the Jensen-Shannon bound, on new samples at every step. The accuracy of the density ratio is limited
by the noise of the last steps, so the learning rate falls to 0.
"""

import argparse
from typing import Any

import numpy as np
from scipy import integrate

import tinygen as tg
from tinygen import divergences, objectives, plotting
from tinygen.data import samplers
from tinygen.models import MLP
from tinygen.optim import Adam, cosine_schedule
from tinygen.training import Reference, Run, common_arguments, conduct, train

TITLE = "A density from a discriminator"
STEPS = 100  # per epoch
LEARNING_RATE = 0.01
LOW, HIGH = -5.0, 5.0
EXACT = divergences.jensen_shannon_by_quadrature(
    samplers.distribution4_density, samplers.standard_gaussian_density, -9, 9
)
REFERENCES = [
    Reference("density_l1_distance", 0.05, "upper bound set by this example"),
    Reference("density_integral", 1.0, "exact"),
    Reference("jensen_shannon", EXACT, "exact, by quadrature"),
]


def arguments() -> argparse.Namespace:
    """The common options."""
    return common_arguments(
        TITLE,
        data="distribution4",
        datasets=("distribution4",),
        epochs=15,
        batch_size=512,
        out="runs/density",
        epochs_help=f"times {STEPS} training steps",
        batch_help="samples of each distribution per training step",
        limit_help="train for the first N steps of each epoch only",
    ).parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    conduct(experiment, arguments(), limit=1)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Samples, discriminator, density, figures."""
    discriminator = MLP(1, zero_init_last=True).to(options.device)
    optimizer = Adam(discriminator.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    steps = min(STEPS, options.limit or STEPS)

    def bound(n: int) -> tg.Tensor:
        """The Jensen-Shannon bound on n new samples of each distribution."""
        x, y = (tg.tensor(p(n), device=options.device) for p in (samplers.distribution4, samplers.standard_gaussian))
        return objectives.F_DIVERGENCES["jensen_shannon"].bound(discriminator(x), discriminator(y))

    def step(_: int, index: int) -> dict[str, float]:
        optimizer.lr = cosine_schedule(index, options.epochs * steps, LEARNING_RATE)
        loss = -bound(options.batch_size)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"train_jensen_shannon": -loss.item()}

    def evaluate() -> dict[str, float]:
        with tg.no_grad():
            return {"jensen_shannon": bound(20_000).item()}

    parts: dict[str, Any] = {"discriminator": discriminator, "optimizer": optimizer}
    train(run, range(steps), step, epochs=options.epochs, parts=parts, evaluate=evaluate)

    x = np.linspace(LOW, HIGH, 4001)
    exact = samplers.distribution4_density(x)
    estimate = divergences.density_from_discriminator(discriminator, samplers.standard_gaussian_density, x)
    results = {
        "density_l1_distance": float(integrate.simpson(abs(estimate - exact), x=x)),
        "density_integral": float(integrate.simpson(estimate, x=x)),
        "jensen_shannon": run.rows[-1]["jensen_shannon"],
    }
    draw(run, x, exact, estimate)
    run.finish(TITLE, results, references=REFERENCES, text=__doc__)


def draw(run: Run, x: np.ndarray, exact: np.ndarray, estimate: np.ndarray) -> None:
    """The discriminator's output, and the estimated and the exact density."""
    base = samplers.standard_gaussian_density(x)
    trained, optimal = {"trained": (x, estimate / (base + estimate))}, {"optimal": (x, exact / (base + exact))}
    densities = {"estimated": (x, estimate), "standard Gaussian": (x, base)}
    panels = [
        plotting.Panel("The discriminator", "x", "D(x)", trained, optimal, markers=False),
        plotting.Panel("The density", "x", "density", densities, {"exact": (x, exact)}, markers=False),
    ]
    plotting.panels(panels, run.figure("density.png", "The discriminator, and the density computed from it."))
    path = run.figure("curves.png", "The Jensen-Shannon bound on new samples, epoch by epoch.")
    plotting.curves(run.rows, path, names={"jensen_shannon": "bound"}, ylabel="nats", references={"exact": EXACT})


if __name__ == "__main__":
    main()
