"""Two players at one game: rounds of critic's steps and a generator's step, for the one training loop to count.

A round is ``game.n_critic`` steps of the critic, each on its own share of a batch, then one step of the generator:
so a batch holds ``n_critic`` times as many real examples as a step sees. Neither player's step spends anything on the
other's gradient: the critic is shown samples that have forgotten how they were made, and while the generator learns
through the critic, the critic's parameters ask for nothing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import Tensor
from tinygen.checks import Count, checked
from tinygen.models.placement import in_batches, placed, placement
from tinygen.nn import Module
from tinygen.objectives import CriticTerms, Game
from tinygen.operations.creation import randn
from tinygen.operations.reductions import mean
from tinygen.operations.shaping import split
from tinygen.optim import ExponentialMovingAverage, Optimizer
from tinygen.training.loop import Stateful
from tinygen.validation import shown


class Players:
    """A generator (N, latent_size) -> (N, ...) and a critic (N, ...) -> (N, 1) at a ``game`` of ``objectives.GAMES``,
    each with the optimiser of its own parameters.

    ``average``, if given, is the average of the generator's weights: it takes in each round's, and samples are its.
    """

    @checked
    def __init__(
        self,
        game: Game,
        generator: Module,
        critic: Module,
        latent_size: Count,
        generator_optimizer: Optimizer,
        critic_optimizer: Optimizer,
        average: ExponentialMovingAverage | None = None,
    ) -> None:
        self.game, self.generator, self.critic, self.latent_size = game, generator, critic, latent_size
        self.generator_optimizer, self.critic_optimizer, self.average = generator_optimizer, critic_optimizer, average

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What has a state, for checkpoints."""
        names = ("generator", "critic", "generator_optimizer", "critic_optimizer", "average")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def latents(self, n: int) -> Tensor:
        """``n`` draws of z ~ N(0, I): (n, latent_size), on the generator's device."""
        return randn(n, self.latent_size, **placement(self.generator))

    def round(self, real: Any) -> dict[str, float]:
        """One round, on real examples (n_critic B, ...), tensor or array; returns what to watch, the critic's as means
        over its steps.

        ``critic_loss`` and ``generator_loss``; ``score_gap``, E[T(real)] - E[T(fake)], which is a Wasserstein critic's
        estimate of the distance; where slopes are paid for, ``penalty`` without its weight and ``slope``, the mean
        ||grad T||. Raises ``ValueError`` for a batch that has not n_critic equal shares.
        """
        n_critic = self.game.n_critic
        real = placed("round", "real", real, self.critic)
        if real.ndim < 2 or len(real) % n_critic or len(real) == 0:
            raise ValueError(
                f"round: real examples must be (N, ...), N a multiple of n_critic = {n_critic}, got {shown(real)}"
            )
        rows = [_numbers(self._critic_step(share)) for share in split(real, n_critic)]
        told = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return told | {"generator_loss": self._generator_step(len(real) // n_critic).item()}

    @checked
    def generate(self, z: Any, *, averaged: bool = True, batch_size: Count = 500) -> np.ndarray:
        """What the generator makes of z (N, latent_size), in evaluation mode: (N, ...) in NumPy. With ``averaged`` its
        weights are the average's, if there is one."""
        if averaged and self.average is not None:
            with self.average.applied():
                return generate(self.generator, z, batch_size)
        return generate(self.generator, z, batch_size)

    def _critic_step(self, real: Tensor) -> CriticTerms:
        with no_grad():
            fake = self.generator(self.latents(len(real)))
        terms = self.game.critic_terms(self.critic, real, fake)
        _descend(terms.loss, self.critic_optimizer)
        self.game.constrain(self.critic)
        return terms

    def _generator_step(self, n: int) -> Tensor:
        with self.critic.frozen():
            loss = self.game.generator_loss(self.critic, self.generator(self.latents(n)))
            _descend(loss, self.generator_optimizer)
        if self.average is not None:
            self.average.update()
        return loss


@checked
def generate(generator: Module, z: Any, batch_size: Count = 500) -> np.ndarray:
    """What ``generator`` makes of latents z (N, latent_size), array or tensor, in evaluation mode: (N, ...), NumPy.

    Raises ``ValueError`` for latents of another shape, and for none.
    """
    z = placed("generate", "z", z, generator)
    if z.ndim != 2 or z.size == 0:
        raise ValueError(f"generate: z must be latents (N, latent_size), not empty, got {shown(z)}")
    return np.concatenate(list(in_batches(lambda some: generator(some).numpy(), generator, batch_size, z)))


def _descend(loss: Tensor, optimizer: Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _numbers(terms: CriticTerms) -> dict[str, float]:
    """What to watch of the critic's step."""
    told = {"critic_loss": terms.loss.item(), "score_gap": (mean(terms.on_real) - mean(terms.on_fake)).item()}
    if terms.penalty is not None and terms.slopes is not None:
        told |= {"penalty": terms.penalty.item(), "slope": mean(terms.slopes).item()}
    return told
