"""A training step of flow matching with the U-Net (batch 64, 28 x 28: forward, backward, Adam), here and in PyTorch.

With the width of the example, 16 channels at full resolution, and with twice that width. The losses of both sides are
compared over three steps from the same weights, with the same noise, times and labels. The last ratio is the geometric
mean of both widths.
"""

import math
from collections.abc import Callable
from typing import Any

import common
import numpy as np
from common import PEERS, TINYGEN, Peer

import tinygen as tg
from tinygen.flows import flow_matching_loss
from tinygen.models import UNet
from tinygen.optim import Adam

GOAL = 1.10
BATCH = 64
WIDTHS = {f"width {width}": (width, 2 * width, 4 * width) for width in (16, 32)}


def images() -> np.ndarray:
    """A batch of random numbers, since the time does not depend on them."""
    return np.random.default_rng(0).uniform(-1, 1, (BATCH, 1, 28, 28)).astype(np.float32)


def labels() -> np.ndarray:
    """The class of each image; 10 means any class."""
    return np.arange(BATCH) % 11


def network(place: int) -> UNet:
    """The network of the width at ``place``, always with the same weights; those that start at 0 are random, too."""
    tg.manual_seed(0)
    made = UNet(1, list(WIDTHS.values())[place])
    for parameter in made.parameters():
        if not parameter.numpy().any():
            parameter.data = (0.01 * tg.randn_like(parameter)).data
    return made


def tinygen_step(place: int) -> Callable[[], float]:
    """tinygen's training step -> the loss."""
    model, batch, classes = network(place), images(), labels()
    optimizer = Adam(model.parameters(), 1e-3)

    def step() -> float:
        loss = flow_matching_loss(lambda x, t: model(x, t, classes), tg.tensor(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def pytorch_step(place: int, peer: Peer) -> Callable[..., float]:
    """PyTorch's twin of it, from the same weights: ``step(noise=None, t=None)`` -> the loss."""
    twins, batch, classes = common.pytorch_side(), images(), labels()
    twin = twins.exchanged(twins.UNet(1, list(WIDTHS.values())[place]), network(place).state_dict(), peer)
    step = twins.flow_step(twin, peer)
    return lambda *given: step(batch, classes, *given)


def build(name: str, place: int) -> Callable[[], Any]:
    """One contestant's step."""
    return tinygen_step(place) if name == TINYGEN else pytorch_step(place, PEERS[name])


def compare_losses(place: int) -> None:
    """Three steps from the same weights with the same random numbers."""
    step, twin_step = tinygen_step(place), pytorch_step(place, Peer())
    ours, theirs = [], []
    for seed in range(3):
        tg.manual_seed(seed)
        noise, t = tg.randn(BATCH, 1, 28, 28).numpy(), tg.rand(BATCH).numpy()
        tg.manual_seed(seed)
        ours.append(step())
        theirs.append(twin_step(noise, t))
    common.check_agreement(ours, theirs, 1e-3)


def main() -> None:
    """For each width agreement, time and memory; the ratios."""
    common.describe_machine()
    rows, ratios = [], []
    for place, name in enumerate(WIDTHS):
        compare_losses(place)
        times = common.take_turns({side: build(side, place) for side in (TINYGEN, *PEERS)}, seconds=60)
        common.print_times(name, times)
        best = [common.fastest(side, times) for side in (TINYGEN, common.PYTORCH)]
        memory = [common.memory_of(side, place) for side in best]
        ratios.append(common.ratio(times))
        rows.append((f"U-Net, {name}, batch {BATCH}", *(times[side] for side in best), *memory, ratios[-1]))
    print()
    common.print_table(("a training step", "tinygen ms", "PyTorch ms", "tinygen MB", "PyTorch MB", "ratio"), rows)
    common.conclude(math.prod(ratios) ** (1 / len(ratios)), GOAL)


if __name__ == "__main__":
    common.run(main, build)
