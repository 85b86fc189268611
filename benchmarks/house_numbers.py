"""The training steps of the two models of house numbers, here and in PyTorch: the VAE's, the critic's, the generator's.

Images of 3 x 32 x 32, batch 64. The VAE's step is forward, backward and Adam on the negative ELBO of N(x; g(z), I); the
critic's that of WGAN-GP on given samples, with its double backprop; the generator's goes through the critic, of whose
weights nobody asks a gradient.
"""

from collections.abc import Callable
from typing import Any

import common
import numpy as np
from common import FORMATS, TINYGEN

import tinygen as tg
from tinygen import nn, optim
from tinygen.models import ColourVAE, Critic, Generator
from tinygen.objectives import GAMES

GOALS = {"VAE": 0.90, "critic": 1.00, "generator": 1.00}
BATCH, LATENT = 64, 100
GAME = GAMES["wasserstein_gradient"]


def batches() -> tuple[np.ndarray, np.ndarray]:
    """Real and fake images: chance will do, the time does not depend on it."""
    chance = np.random.default_rng(0)
    return tuple(chance.uniform(-1, 1, (BATCH, 3, 32, 32)).astype(np.float32) for _ in range(2))  # type: ignore


def players() -> dict[str, nn.Module]:
    """The networks that a benchmark needs, always with the same weights."""
    tg.manual_seed(0)
    return {"VAE": ColourVAE(LATENT), "critic": Critic(), "generator": Generator(LATENT)}


def descend(loss: tg.Tensor, optimizer: optim.Optimizer) -> float:
    """One step down the loss, which is returned."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def tinygen_step(what: str) -> Callable[[], float]:
    """tinygen's step of one of ``GOALS``, as the examples make it."""
    (real, fake), networks = batches(), players()
    optimizer = optim.Adam(networks[what].parameters(), lr=1e-4, betas=(0.0, 0.9))

    def step() -> float:
        if what == "VAE":
            log_likelihood, kl = networks["VAE"].elbo_terms(tg.tensor(real))
            return descend((kl - log_likelihood).mean(), optimizer)
        if what == "critic":
            return descend(GAME.critic_loss(networks["critic"], tg.tensor(real), tg.tensor(fake)), optimizer)
        with networks["critic"].frozen():
            made = networks["generator"](tg.randn(BATCH, LATENT))
            return descend(GAME.generator_loss(networks["critic"], made), optimizer)

    return step


def pytorch_step(what: str, memory_format: str) -> Callable[..., float]:
    """PyTorch's twin of it, from the same weights; ``chance``, if given, is what tinygen's step draws."""
    twins, (real, fake), networks = common.pytorch_side(), batches(), players()
    twin: Any = {
        name: twins.exchanged(make(), networks[name].state_dict(), memory_format)
        for name, make in (("VAE", twins.ColourVAE), ("critic", twins.Critic), ("generator", twins.Generator))
    }
    if what == "VAE":
        return twins.house_number_vae_step(twin["VAE"], real, memory_format)
    if what == "critic":
        step = twins.critic_step(twin["critic"], memory_format, together=False, betas=(0.0, 0.9))
        return lambda chance=None: step(real, fake, chance)
    return twins.generator_step(twin["generator"], twin["critic"], BATCH, LATENT)


def build(name: str, what: str) -> Callable[[], float]:
    """One contestant's step."""
    return tinygen_step(what) if name == TINYGEN else pytorch_step(what, FORMATS[name])


def compare_losses(what: str) -> None:
    """Three steps from the same weights with the same chance."""
    shape = (BATCH, 1, 1, 1) if what == "critic" else (BATCH, LATENT)
    step, twin_step = tinygen_step(what), pytorch_step(what, "contiguous_format")
    ours, theirs = [], []
    for seed in range(3):
        tg.manual_seed(seed)
        chance = (tg.rand(*shape) if what == "critic" else tg.randn(*shape)).numpy()
        tg.manual_seed(seed)
        ours.append(step())
        theirs.append(twin_step(chance))
    common.check_agreement(ours, theirs)


def main() -> None:
    """For each step agreement, time and memory, the ratio."""
    common.describe_machine()
    for what, goal in GOALS.items():
        compare_losses(what)
        times = common.take_turns({name: build(name, what) for name in (TINYGEN, *FORMATS)}, seconds=25)
        rows = [(name, times[name], common.memory_of(name, list(GOALS).index(what))) for name in times]
        common.print_table((f"{what}, batch {BATCH}", "ms", "peak MB"), rows)
        common.conclude(common.ratio(times), goal)


if __name__ == "__main__":
    common.run(main, lambda name, number: build(name, list(GOALS)[number]))
