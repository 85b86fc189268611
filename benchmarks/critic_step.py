"""One step of a critic of points in the plane, with gradient penalty, here and in PyTorch.

    L = E[T(y)] - E[T(x)] + 10 E[(||grad T(a x + (1 - a) y)|| - 1)^2],   a ~ U[0, 1), one per point

on 512 points of each, by a wide network (2-512-512-512-1), where matrix products take the time, and by a narrow one
(2-64-64-64-1), where the computation graph does. It is the step of ``estimate_wasserstein``. In PyTorch x and y go
through the critic together or each by themselves, and the faster form counts.
"""

from collections.abc import Callable
from functools import partial

import common
import numpy as np
from common import PEERS_WITHOUT_IMAGES, TINYGEN, Peer

import tinygen as tg
from tinygen import nn, optim
from tinygen.models import MLP
from tinygen.objectives import GAMES

BATCH = 512
GOALS = {512: 1.00, 64: 1.50}  # width -> tinygen's time over PyTorch's
FORMS = {" (one pass)": True, " (two passes)": False}


def batches() -> tuple[np.ndarray, np.ndarray]:
    """Points of two distributions: random numbers, since the time does not depend on them."""
    rng = np.random.default_rng(0)
    return tuple(rng.uniform(-1, 1, (BATCH, 2)).astype(np.float32) for _ in range(2))  # type: ignore


def critic(width: int) -> nn.Module:
    """Points (N, 2) -> scores (N, 1)."""
    return MLP(2, hidden=(width,) * 3, activation=partial(nn.LeakyReLU, 0.2)).layers


def critic_step(critic: nn.Module) -> Callable[[np.ndarray, np.ndarray], float]:
    """One step of the critic: ``step(x, y)`` -> the loss."""
    optimizer, game = optim.Adam(critic.parameters(), lr=1e-4, betas=(0.5, 0.9)), GAMES["wasserstein_gradient"]

    def step(x: np.ndarray, y: np.ndarray) -> float:
        loss = game.critic_loss(critic, tg.tensor(x), tg.tensor(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def build(name: str, width: int) -> Callable[[], float]:
    """One contestant's step, on its own batches."""
    x, y = batches()
    if name == TINYGEN:
        step = critic_step(critic(width))
    else:
        twins, (side, form) = common.pytorch_side(), name.split(" (")
        twin = twins.exchanged(twins.critic_of_points(width), critic(width).state_dict(), Peer())
        step = twins.critic_step(twin, PEERS_WITHOUT_IMAGES[side], together=FORMS[f" ({form}"])
    return lambda: step(x, y)


def compare_losses(width: int) -> None:
    """Three steps from the same weights on the same points and interpolates."""
    twins, (x, y), network = common.pytorch_side(), batches(), critic(width)
    twin = twins.exchanged(twins.critic_of_points(width), network.state_dict(), Peer())
    step, twin_step = critic_step(network), twins.critic_step(twin, Peer(), together=False)
    ours, theirs = [], []
    for seed in range(3):
        tg.manual_seed(seed)
        a = tg.rand(BATCH, 1).numpy()
        tg.manual_seed(seed)
        ours.append(step(x, y))
        theirs.append(twin_step(x, y, a))
    common.check_agreement(ours, theirs)


def main() -> None:
    """For each width agreement, time and memory, the ratio; the narrow network's first."""
    common.describe_machine()
    for width, goal in sorted(GOALS.items()):
        compare_losses(width)
        names = [TINYGEN, *(side + form for side in PEERS_WITHOUT_IMAGES for form in FORMS)]
        times = common.take_turns({name: build(name, width) for name in names}, seconds=30)
        rows = [(name, times[name], common.memory_of(name, width)) for name in names]
        common.print_table((f"a step, 2-{width}-{width}-{width}-1, batch {BATCH}", "ms", "peak MB"), rows)
        common.conclude(common.ratio(times), goal)


if __name__ == "__main__":
    common.run(main, build)
