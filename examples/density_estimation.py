"""A density that nobody wrote down, read off a discriminator.

    python examples/density_estimation.py

A network learns to tell samples of distribution 4 from those of a standard Gaussian (IFT6135 (2019), assignment 3,
problem 1.4). The best such network says D(x) = f1(x) / (f0(x) + f1(x)), and f0 is known, so f1(x) = f0(x) D(x) /
(1 - D(x)) is an estimate of the other density, made of samples alone. It is compared with the exact one on [-5, 5]:
the L1 distance, and whether it integrates to 1.

The training is the Jensen-Shannon bound, on fresh samples at every step. How exact the ratio becomes is decided by the
noise of the last steps, so their rate falls to 0.
"""

import argparse

import numpy as np
from scipy import integrate

import tinygen as tg
from tinygen import divergences, objectives, plotting
from tinygen.data import samplers
from tinygen.models import MLP
from tinygen.optim import Adam, cosine_schedule
from tinygen.training import Reference, Run, conduct, sampler_arguments, train

TITLE = "A density from a discriminator"
STEPS = 100  # an epoch
LEARNING_RATE = 0.01
LOW, HIGH = -5.0, 5.0
REFERENCES = [
    Reference("density_l1_distance", 0.05, "what the example promises"),
    Reference("density_integral", 1.0, "exact"),
    Reference(
        "jensen_shannon",
        divergences.jensen_shannon_by_quadrature(
            samplers.distribution4_density, samplers.standard_gaussian_density, -9, 9
        ),
        "exact, by quadrature",
    ),
]


def arguments() -> argparse.Namespace:
    """The common options."""
    return sampler_arguments(
        TITLE,
        data="distribution4",
        epochs=15,
        out="runs/density",
        epochs_help=f"times {STEPS} training steps",
        limit_help="train for the first N steps of each epoch only",
    ).parse_args()


def main() -> None:
    """The options, and the experiment that they describe."""
    conduct(experiment, arguments(), limit=1)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Samples, discriminator, density, figures."""
    tg.manual_seed(options.seed)
    discriminator = MLP(1, zero_init_last=True).to(options.device)
    optimizer = Adam(discriminator.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    steps = min(STEPS, options.limit or STEPS)

    def bound(n: int) -> tg.Tensor:
        """The Jensen-Shannon bound on n new samples of each."""
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

    parts = {"discriminator": discriminator, "optimizer": optimizer}
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
    run.finish(
        TITLE,
        results,
        seed=options.seed,
        device=options.device,
        references=REFERENCES,
        text=__doc__.split("\n\n", 2)[2],
    )


def draw(run: Run, x: np.ndarray, exact: np.ndarray, estimate: np.ndarray) -> None:
    """The discriminator's output, and the estimated beside the true density."""
    base = samplers.standard_gaussian_density(x)
    path = run.figure("density.png", "What the discriminator says, and the density that follows from it.")
    parts = [
        plotting.Panel(
            "The discriminator",
            "x",
            "D(x)",
            {"trained": (x, estimate / (base + estimate))},
            {"best possible": (x, exact / (base + exact))},
            markers=False,
        ),
        plotting.Panel(
            "The density",
            "x",
            "density",
            {"estimated": (x, estimate), "standard Gaussian": (x, base)},
            {"exact": (x, exact)},
            markers=False,
        ),
    ]
    plotting.panels(parts, path)
    path = run.figure("curves.png", "The Jensen-Shannon bound on fresh samples, epoch by epoch.")
    plotting.curves(
        run.rows, path, names={"jensen_shannon": "bound"}, ylabel="nats", references={"exact": REFERENCES[2].value}
    )


if __name__ == "__main__":
    main()
