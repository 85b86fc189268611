"""The number of training steps that an estimate of a distance takes, and what reduces it.

    python benchmarks/estimator_steps.py

The networks of ``examples/estimate_divergences.py``, trained in variants: with plain gradient descent instead of
Adam, at a constant learning rate instead of half a cosine, from PyTorch's initial weights instead of zeros in the
last layer, and from the network of the pair before. A row for each, with mean absolute errors over a few pairs of
lines and over seeds: of the Jensen-Shannon divergence (nats) and of the Wasserstein distance (units of x), and the
largest of them.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from common import print_table

import tinygen as tg
from tinygen import divergences, nn
from tinygen.data.samplers import line
from tinygen.models import MLP
from tinygen.objectives import F_DIVERGENCES, GAMES
from tinygen.optim import SGD, Adam, Optimizer, cosine_schedule

THETAS = (1.0, 0.1)  # each after its neighbour, for the warm start
SEEDS = (0,)
BATCH, SAMPLES = 128, 10_000

Loss = Callable[[nn.Module, tg.Tensor, tg.Tensor], tg.Tensor]


class Variant(NamedTuple):
    """A variant of the training, with the name of its row."""

    name: str
    steps: int = 100
    optimizer: str = "Adam"
    zero_last: bool = True
    cosine: bool = True
    warm: bool = False


VARIANTS = [
    *(Variant("as in the example", steps) for steps in (30, 100, 300)),
    Variant("constant learning rate", cosine=False),
    Variant("default initialisation of the last layer", zero_last=False),
    Variant("warm start from the previous pair", warm=True),
    *(Variant("plain gradient descent", steps, "SGD") for steps in (30, 100, 300, 1000)),
]


def jensen_shannon(network: nn.Module, x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
    return -F_DIVERGENCES["jensen_shannon"].bound(network(x), network(y))


def wasserstein(network: nn.Module, x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
    return GAMES["wasserstein_gradient"].critic_loss(network, x, y)


def new_optimizer(network: nn.Module, loss: Loss, variant: Variant) -> Optimizer:
    """Adam as in the estimators, or gradient descent at learning rates slightly below those at which it diverges."""
    if variant.optimizer == "SGD":
        return SGD(network.parameters(), 0.3 if loss is jensen_shannon else 0.01)
    return Adam(network.parameters(), 0.01, (0.9, 0.99) if loss is jensen_shannon else (0.5, 0.9))


def trained(network: nn.Module, loss: Loss, theta: float, variant: Variant) -> nn.Module:
    """``network`` after the steps of ``variant`` on the lines at 0 and ``theta``."""
    optimizer = new_optimizer(network, loss, variant)
    peak = optimizer.lr
    for step in range(variant.steps):
        if variant.cosine:
            optimizer.lr = cosine_schedule(step, variant.steps, peak)
        value = loss(network, tg.tensor(line(0.0)(BATCH)), tg.tensor(line(theta)(BATCH)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return network


def errors(loss: Loss, variant: Variant) -> list[float]:
    """The absolute error of the estimate for every seed and theta."""
    found = []
    for seed in SEEDS:
        tg.manual_seed(seed)
        network = MLP(2, zero_init_last=variant.zero_last)
        for theta in THETAS:
            if not variant.warm:
                network = MLP(2, zero_init_last=variant.zero_last)
            network = trained(network, loss, theta, variant)
            if loss is wasserstein:
                estimate = divergences.measure_wasserstein(network, line(0.0), line(theta), samples=SAMPLES).estimate
                found.append(abs(estimate - theta))
            else:
                with tg.no_grad():
                    lines = tg.tensor(line(0.0)(SAMPLES)), tg.tensor(line(theta)(SAMPLES))
                    found.append(abs(-loss(network, *lines).item() - math.log(2)))
    return found


def row(variant: Variant) -> Sequence[str]:
    """The name, the steps, the mean and the largest error of both distances."""
    both = [errors(loss, variant) for loss in (jensen_shannon, wasserstein)]
    numbers = [f"{number:.4f}" for found in both for number in (np.mean(found), max(found))]
    return (variant.name, str(variant.steps), *numbers)


def main() -> None:
    """The table."""
    header = ("networks trained", "steps", "JSD: mean error", "largest", "W: mean error", "largest")
    print_table(header, [row(variant) for variant in VARIANTS])


if __name__ == "__main__":
    main()
