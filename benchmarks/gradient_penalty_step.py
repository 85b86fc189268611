"""One step of a WGAN-GP critic, with its double backprop, here and in PyTorch.

    L = E[D(fake)] - E[D(real)] + 10 E[(||dD/dx (a real + (1 - a) fake)|| - 1)^2],   a ~ U[0, 1), one per image

(Gulrajani et al. 2017). The penalty is made of a gradient, so the step differentiates a derivative. 64 real and 64
fake images of 3 x 32 x 32; real and fake may go through the critic together or each by themselves, and on either side
the faster form counts.
"""

from collections.abc import Callable

import common
import numpy as np
from common import PEERS, TINYGEN, Peer

import tinygen as tg
from tinygen import nn, optim

GOAL = 1.00
BATCH = 64
FORMS = {" (one pass)": True, " (two passes)": False}  # real and fake images together, or each by themselves


def batches() -> tuple[np.ndarray, np.ndarray]:
    """Real and fake images: random numbers, since the time does not depend on them."""
    rng = np.random.default_rng(0)
    return tuple(rng.uniform(-1, 1, (BATCH, 3, 32, 32)).astype(np.float32) for _ in range(2))  # type: ignore


def critic() -> nn.Sequential:
    """Images (N, 3, 32, 32) -> scores (N, 1)."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 256, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(4096, 1),
    )


def critic_step(critic: nn.Module, *, together: bool, device: str = "cpu") -> Callable[[np.ndarray, np.ndarray], float]:
    """One step of the critic: ``step(real, fake)`` -> the loss."""
    optimizer = optim.Adam(critic.parameters(), lr=1e-4, betas=(0.5, 0.9))

    def step(real: np.ndarray, fake: np.ndarray) -> float:
        x, y = (tg.tensor(each, device=device) for each in (real, fake))
        scores = tg.split(critic(tg.cat([x, y])), 2) if together else (critic(x), critic(y))
        a = tg.rand(len(x), 1, 1, 1, device=device)
        between = a * x + (1 - a) * y
        between.requires_grad = True
        (slope,) = tg.grad(critic(between).sum(), between, create_graph=True)
        norm = tg.sqrt((slope * slope).sum(axis=(1, 2, 3)) + 1e-12)
        loss = scores[1].mean() - scores[0].mean() + 10 * ((norm - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def build(name: str) -> Callable[[], float]:
    """One contestant's step, on its own batches."""
    real, fake = batches()
    side = name.partition(" (")[0]
    together = FORMS[name.removeprefix(side)]
    if side == TINYGEN:
        step = critic_step(critic(), together=together)
    else:
        twins = common.pytorch_side()
        twin = twins.exchanged(twins.critic(), critic().state_dict(), PEERS[side])
        step = twins.critic_step(twin, PEERS[side], together=together)
    return lambda: step(real, fake)


def compare_losses() -> None:
    """Three steps from the same weights on the same images and interpolates."""
    twins, (real, fake), network = common.pytorch_side(), batches(), critic()
    twin = twins.exchanged(twins.critic(), network.state_dict(), Peer())
    step, twin_step = critic_step(network, together=True), twins.critic_step(twin, Peer(), together=False)
    ours, theirs = [], []
    for seed in range(3):
        tg.manual_seed(seed)
        a = tg.rand(BATCH, 1, 1, 1).numpy()
        tg.manual_seed(seed)
        ours.append(step(real, fake))
        theirs.append(twin_step(real, fake, a))
    common.check_agreement(ours, theirs)


def main() -> None:
    """Agreement, time and memory, the ratio."""
    common.describe_machine()
    compare_losses()
    contestants = [side + form for side in (TINYGEN, *PEERS) for form in FORMS]
    times = common.take_turns({name: build(name) for name in contestants}, seconds=60)
    common.print_table(
        ("a step, batch 64", "ms", "peak MB"), [(name, times[name], common.memory_of(name)) for name in times]
    )
    common.conclude(common.ratio(times), GOAL)


if __name__ == "__main__":
    common.run(main, build)
