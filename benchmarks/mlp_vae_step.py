"""One training step of each VAE of multilayer perceptrons (forward, backward, Adam), here and in PyTorch.

Each model and batch is that of an example: ``vae_mlp_mnist``, ``vae_manifold`` (and ``why_importance_sampling``) with 2
and with 20 latent variables, and ``semi_supervised_m1``. The losses of both sides are compared over three steps from
the same weights with the same noise. The last ratio is the geometric mean of the models'.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import common
import numpy as np
from common import PEERS_WITHOUT_IMAGES, TINYGEN, Peer

import tinygen as tg
from tinygen import nn
from tinygen.models import MLPVAE
from tinygen.optim import Adam

GOAL = 0.90


class Case(NamedTuple):
    """A model and its batch."""

    latent_size: int
    hidden: tuple[int, ...]
    activation: type[nn.Module]
    batch: int


CASES = {
    "784-300-300-100, ELU": Case(100, (300, 300), nn.ELU, 64),
    "784-500-2, ReLU": Case(2, (500,), nn.ReLU, 128),
    "784-500-20, ReLU": Case(20, (500,), nn.ReLU, 128),
    "784-600-600-50, softplus": Case(50, (600, 600), nn.Softplus, 256),
}


def model(case: Case) -> MLPVAE:
    """tinygen's side of a case."""
    return MLPVAE(case.latent_size, case.hidden, case.activation)


def twin(case: Case, weights: dict[str, np.ndarray]) -> Any:
    """PyTorch's side of a case, with ``weights``."""
    twins = common.pytorch_side()
    vae = twins.MLPVAE(case.latent_size, case.hidden, case.activation.__name__)
    return twins.exchanged(vae, weights, Peer())


def images(case: Case) -> np.ndarray:
    """A batch of 0/1 pixels, as many of them 1 as in binarised MNIST."""
    return (np.random.default_rng(0).random((case.batch, 1, 28, 28)) < 0.13).astype(np.float32)


def vae_step(vae: MLPVAE) -> Callable[[np.ndarray], float]:
    """One training step: ``step(batch)`` -> the loss, the negative ELBO per image."""
    optimizer = Adam(vae.parameters(), lr=3e-4)

    def step(batch: np.ndarray) -> float:
        log_likelihood, kl = vae.elbo_terms(tg.tensor(batch))
        loss = tg.mean(kl - log_likelihood)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def build(name: str, place: int) -> Callable[[], float]:
    """One contestant's step in the case at ``place``, on its own batch."""
    case = list(CASES.values())[place]
    batch, vae = images(case), model(case)
    if name == TINYGEN:
        step = vae_step(vae)
    else:
        step = common.pytorch_side().vae_step(twin(case, vae.state_dict()), PEERS_WITHOUT_IMAGES[name])
    return lambda: step(batch)


def compare_losses(case: Case) -> None:
    """Three steps from the same weights on the same images with the same noise."""
    twins, batch, vae = common.pytorch_side(), images(case), model(case)
    step, twin_step = vae_step(vae), twins.vae_step(twin(case, vae.state_dict()), Peer())
    ours, theirs = [], []
    for seed in range(3):
        tg.manual_seed(seed)
        noise = tg.randn(case.batch, case.latent_size).numpy()
        tg.manual_seed(seed)
        ours.append(step(batch))
        theirs.append(twin_step(batch, noise))
    common.check_agreement(ours, theirs)


def main() -> None:
    """For each model agreement, time and memory; the ratios."""
    common.describe_machine()
    rows, ratios = [], []
    for place, (name, case) in enumerate(CASES.items()):
        compare_losses(case)
        times = common.take_turns({side: build(side, place) for side in (TINYGEN, *PEERS_WITHOUT_IMAGES)}, seconds=12)
        common.print_times(name, times)
        best = [common.fastest(side, times) for side in (TINYGEN, common.PYTORCH)]
        memory = [common.memory_of(side, place) for side in best]
        ratios.append(common.ratio(times))
        rows.append((f"{name}, batch {case.batch}", *(times[side] for side in best), *memory, ratios[-1]))
    print()
    common.print_table(("a step", "tinygen ms", "PyTorch ms", "tinygen MB", "PyTorch MB", "ratio"), rows)
    common.conclude(math.prod(ratios) ** (1 / len(ratios)), GOAL)


if __name__ == "__main__":
    common.run(main, build)
