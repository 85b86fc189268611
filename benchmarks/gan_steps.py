"""A training step of each GAN on grey images, a step of the critic and one of the generator, here and in PyTorch.

The networks for 28 x 28, batch 32: the non-saturating GAN, both networks with batch normalisation, and the WGAN-GP,
whose critic has none (with clipped weights the steps are those of the first, except for the clipping), with the width
of the example and twice that width; and the DCGAN for 64 x 64 with the width of the example and noisy labels, batch 64.
The last ratio is the geometric mean of all.

The losses of both sides are compared from the same weights with the same random numbers: over three steps in double
precision, where those of the non-saturating GAN agree to 1e-14, and in the first step in single precision, in which the
steps are timed. After that single precision does not suffice: Adam's first step is lr whatever the size of a gradient,
so a weight whose gradient is smaller than its rounding error may move by lr in opposite directions. (One weight in 200
of the wider generator does: differences of a few 1e-6 in the images put two of the critic's rectifiers on different
sides of 0, and in the second step the generator's losses differ by 0.003.)
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import common
import numpy as np
from common import PEERS, TINYGEN, Peer

import tinygen as tg
from tinygen.models import DCGANCritic, DCGANGenerator, GreyCritic, GreyGenerator
from tinygen.nn import Module
from tinygen.objectives import GAMES, Game, NoisyLabels
from tinygen.optim import Adam
from tinygen.training import GAN

GOAL = 1.00


class Case(NamedTuple):
    """A game, its networks, which have the same names on both sides, with their options, and the batch."""

    game: Game
    generator: tuple[type[Module], dict[str, Any]]
    critic: tuple[type[Module], dict[str, Any]]
    latent_size: int
    batch: int
    side: int


CASES = {
    f"{name}, 28 x 28, width {width}": Case(
        game, (GreyGenerator, {"width": width}), (GreyCritic, {"width": width, "normalised": normalised}), 128, 32, 28
    )
    for name, game, normalised in (
        ("non-saturating", GAMES["non_saturating"], True),
        ("WGAN-GP", replace(GAMES["wasserstein_gradient"], n_critic=1), False),
    )
    for width in (32, 64)
}
CASES["DCGAN, 64 x 64, width 16"] = Case(
    replace(GAMES["non_saturating"], labels=NoisyLabels()),
    (DCGANGenerator, {"width": 16}),
    (DCGANCritic, {"width": 16}),
    latent_size=100,
    batch=64,
    side=64,
)


def images(case: Case, dtype: str) -> np.ndarray:
    """Real images: random numbers, since the time does not depend on them."""
    shape = (case.batch, 1, case.side, case.side)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(dtype)


def networks(case: Case, dtype: str) -> list[Module]:
    """The generator and the critic, always with the same weights."""
    tg.manual_seed(0)
    return [make(**options).astype(dtype) for make, options in (case.generator, case.critic)]


def tinygen_step(case: Case, dtype: str = "float32") -> Callable[[], float]:
    """tinygen's training step, as in the examples -> the sum of both losses."""
    generator, critic = networks(case, dtype)
    optimizers = (Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (generator, critic))
    gan, real = GAN(case.game, generator, critic, case.latent_size, *optimizers), images(case, dtype)

    def step() -> float:
        metrics = gan.train_step(tg.tensor(real))
        return metrics["critic_loss"] + metrics["generator_loss"]

    return step


def pytorch_step(case: Case, peer: Peer, dtype: str = "float32") -> Callable[..., float]:
    """PyTorch's twin of it, from the same weights."""
    twins, real = common.pytorch_side(), images(case, dtype)
    pair = [
        twins.exchanged(getattr(twins, make.__name__)(**options), network.state_dict(), peer)
        for (make, options), network in zip((case.generator, case.critic), networks(case, dtype), strict=True)
    ]
    labels = None if not case.game.has_labels else twins.noisy_labels if case.game.labels else twins.ones
    step = twins.gan_step(*pair, case.latent_size, peer, labels)
    return lambda given=None: step(real, given)


def random_numbers(case: Case, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Those of tinygen's next step: the critic's latents, labels or interpolation weights, the generator's latents."""
    z, scores = tg.randn(case.batch, case.latent_size, dtype=dtype), tg.ones(case.batch, 1, dtype=dtype)
    if case.game.labels:
        given = case.game.labels.draw(scores)
    else:
        given = scores if case.game.has_labels else tg.rand(case.batch, 1, 1, 1, dtype=dtype)
    return z.numpy(), given.numpy(), tg.randn(case.batch, case.latent_size, dtype=dtype).numpy()


def build(name: str, place: int) -> Callable[[], float]:
    """One contestant's step in the case at ``place``."""
    case = list(CASES.values())[place]
    return tinygen_step(case) if name == TINYGEN else pytorch_step(case, PEERS[name])


def compare_losses(case: Case, dtype: str, steps: int, bound: float) -> None:
    """The first steps from the same weights with the same random numbers."""
    step, twin_step = tinygen_step(case, dtype), pytorch_step(case, Peer(), dtype)
    ours, theirs = [], []
    for seed in range(steps):
        tg.manual_seed(seed)
        drawn = random_numbers(case, dtype)
        tg.manual_seed(seed)
        ours.append(step())
        theirs.append(twin_step(drawn))
    common.check_agreement(ours, theirs, bound)


def main() -> None:
    """For each game agreement, time and memory; the ratios."""
    common.describe_machine()
    rows, ratios = [], []
    for place, (name, case) in enumerate(CASES.items()):
        compare_losses(case, "float64", steps=3, bound=1e-9)
        compare_losses(case, "float32", steps=1, bound=1e-4)
        times = common.take_turns({side: build(side, place) for side in (TINYGEN, *PEERS)}, seconds=25)
        common.print_times(name, times)
        best = [common.fastest(side, times) for side in (TINYGEN, common.PYTORCH)]
        memory = [common.memory_of(side, place) for side in best]
        ratios.append(common.ratio(times))
        rows.append((f"{name}, batch {case.batch}", *(times[side] for side in best), *memory, ratios[-1]))
    print()
    common.print_table(("a training step", "tinygen ms", "PyTorch ms", "tinygen MB", "PyTorch MB", "ratio"), rows)
    common.conclude(math.prod(ratios) ** (1 / len(ratios)), GOAL)


if __name__ == "__main__":
    common.run(main, build)
