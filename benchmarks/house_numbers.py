"""The training steps of the two models of house numbers, here and in PyTorch: the VAE's, the critic's, the generator's.

Images of 3 x 32 x 32, batch 64. The VAE's step is forward, backward and Adam on the negative ELBO of N(x; g(z), I); the
critic's that of WGAN-GP on given samples, with its double backprop; the generator's backward pass goes through the
critic, but does not compute the gradients of its weights.
"""

from collections.abc import Callable
from typing import Any

import common
import numpy as np
from common import PEERS, TINYGEN, Peer

import tinygen as tg
from tinygen import nn, optim
from tinygen.models import ColourVAE, Critic, Generator
from tinygen.objectives import GAMES

GOALS = {"VAE": 0.90, "critic": 1.00, "generator": 1.00}
BATCH, LATENT = 64, 100
GAME = GAMES["wasserstein_gradient"]


def batches() -> tuple[np.ndarray, np.ndarray]:
    """Real and fake images: random numbers, since the time does not depend on them."""
    rng = np.random.default_rng(0)
    return tuple(rng.uniform(-1, 1, (BATCH, 3, 32, 32)).astype(np.float32) for _ in range(2))  # type: ignore


def networks_by_name() -> dict[str, nn.Module]:
    """The networks that a benchmark needs, always with the same weights."""
    tg.manual_seed(0)
    return {"VAE": ColourVAE(LATENT), "critic": Critic(), "generator": Generator(LATENT)}


def optimise(loss: tg.Tensor, optimizer: optim.Optimizer) -> float:
    """One step of the optimiser; returns the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def tinygen_step(what: str) -> Callable[[], float]:
    """tinygen's step of one of ``GOALS``, as the examples make it."""
    (real, fake), networks = batches(), networks_by_name()
    optimizer = optim.Adam(networks[what].parameters(), lr=1e-4, betas=(0.0, 0.9))

    def step() -> float:
        if what == "VAE":
            log_likelihood, kl = networks["VAE"].elbo_terms(tg.tensor(real))
            return optimise((kl - log_likelihood).mean(), optimizer)
        if what == "critic":
            return optimise(GAME.critic_loss(networks["critic"], tg.tensor(real), tg.tensor(fake)), optimizer)
        with networks["critic"].frozen():
            made = networks["generator"](tg.randn(BATCH, LATENT))
            return optimise(GAME.generator_loss(networks["critic"], made), optimizer)

    return step


def pytorch_step(what: str, peer: Peer) -> Callable[..., float]:
    """PyTorch's twin of it, from the same weights; ``given``: the random numbers of tinygen's step."""
    twins, (real, fake), networks = common.pytorch_side(), batches(), networks_by_name()
    twin: Any = {
        name: twins.exchanged(make(), networks[name].state_dict(), peer)
        for name, make in (("VAE", twins.ColourVAE), ("critic", twins.Critic), ("generator", twins.Generator))
    }
    if what == "VAE":
        step = twins.vae_step(twin["VAE"], peer, 1e-4, (0.0, 0.9))
        return lambda given=None: step(real, given)
    if what == "critic":
        step = twins.critic_step(twin["critic"], peer, together=False, betas=(0.0, 0.9))
        return lambda given=None: step(real, fake, given)
    return twins.generator_step(twin["generator"], twin["critic"], BATCH, LATENT, peer)


def build(name: str, what: str) -> Callable[[], float]:
    """One contestant's step."""
    return tinygen_step(what) if name == TINYGEN else pytorch_step(what, PEERS[name])


def compare_losses(what: str) -> None:
    """Three steps from the same weights with the same random numbers."""
    shape = (BATCH, 1, 1, 1) if what == "critic" else (BATCH, LATENT)
    step, twin_step = tinygen_step(what), pytorch_step(what, Peer())
    ours, theirs = [], []
    for seed in range(3):
        tg.manual_seed(seed)
        given = (tg.rand(*shape) if what == "critic" else tg.randn(*shape)).numpy()
        tg.manual_seed(seed)
        ours.append(step())
        theirs.append(twin_step(given))
    common.check_agreement(ours, theirs)


def main() -> None:
    """For each step agreement, time and memory, the ratio."""
    common.describe_machine()
    for what, goal in GOALS.items():
        compare_losses(what)
        times = common.take_turns({name: build(name, what) for name in (TINYGEN, *PEERS)}, seconds=25)
        rows = [(name, times[name], common.memory_of(name, list(GOALS).index(what))) for name in times]
        common.print_table((f"{what}, batch {BATCH}", "ms", "peak MB"), rows)
        common.conclude(common.ratio(times), goal)


if __name__ == "__main__":
    common.run(main, lambda name, number: build(name, list(GOALS)[number]))
