"""A generative adversarial network: one training step of a generator and a critic.

A training step is ``game.n_critic`` steps of the critic, each on its own part of the batch, then one step of the
generator; a batch therefore holds ``n_critic`` times as many real examples as a critic's step uses. Neither network's
step computes the other's gradient: the samples given to the critic are detached, and during the generator's step the
critic's parameters do not require gradients.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from tinygen import ranks
from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import Tensor
from tinygen.backend import fixed_seed
from tinygen.checks import Count, checked
from tinygen.models.placement import in_batches, placed, placement
from tinygen.nn import Module
from tinygen.objectives import CriticTerms, Game
from tinygen.operations.creation import randn
from tinygen.operations.reductions import mean
from tinygen.operations.shaping import split
from tinygen.optim import ExponentialMovingAverage, Optimizer
from tinygen.training.loop import Stateful, check_owned
from tinygen.validation import shown


class GAN:
    """A generator (N, latent_size) -> (N, ...) and a critic (N, ...) -> (N, 1), each with its own optimiser, and the
    ``game`` of ``objectives.GAMES`` that defines both losses.

    ``average``, if given, is the moving average of the generator's weights, updated after each training step; samples
    are then drawn with the averaged weights. Raises ``ValueError`` where the average or an optimiser belongs to another
    module.
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
        check_owned("GAN", "generator_optimizer", generator_optimizer, generator)
        check_owned("GAN", "critic_optimizer", critic_optimizer, critic)
        if average is not None and average.module is not generator:
            raise ValueError("GAN: average must be the moving average of the generator, it is another module's")
        self.game, self.generator, self.critic, self.latent_size = game, generator, critic, latent_size
        self.generator_optimizer, self.critic_optimizer, self.average = generator_optimizer, critic_optimizer, average

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """The parts with a state, for checkpoints."""
        names = ("generator", "critic", "generator_optimizer", "critic_optimizer", "average")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def latents(self, n: int) -> Tensor:
        """``n`` samples z ~ N(0, I): (n, latent_size), on the generator's device."""
        return randn(n, self.latent_size, **placement(self.generator))

    def train_step(self, real: Any) -> dict[str, float]:
        """One training step on real examples (n_critic B, ...), tensor or array; returns its metrics, those of the
        critic as means over its steps.

        ``critic_loss`` and ``generator_loss``; ``score_gap``, E[T(real)] - E[T(fake)], a Wasserstein critic's estimate
        of the distance; with a gradient penalty ``penalty``, not multiplied by its weight, and ``gradient_norm``, the
        mean ||grad T||. Raises ``ValueError`` where the batch cannot be split into n_critic equal parts.
        """
        n_critic = self.game.n_critic
        real = placed("train_step", "real", real, self.critic)
        if real.ndim < 2 or len(real) % n_critic or len(real) == 0:
            raise ValueError(
                f"train_step: real examples must be (N, ...), N a multiple of n_critic = {n_critic}, got {shown(real)}"
            )
        rows = [self.critic_step(part) for part in split(real, n_critic)]
        metrics = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return metrics | self.generator_step(len(real) // n_critic)

    def critic_step(self, real: Tensor) -> dict[str, float]:
        """One step of the critic on real examples (B, ...); returns its metrics, as ``train_step`` names them."""
        with ranks.shared(len(real)) as own:
            real = real[own]
            with no_grad():
                fake = self.generator(self.latents(len(real)))
            terms = self.game.critic_terms(self.critic, real, fake)
            _optimizer_step(terms.loss, self.critic_optimizer)
            self.game.constrain(self.critic)
            return ranks.means(_critic_metrics(terms))

    def generator_step(self, n: int) -> dict[str, float]:
        """One step of the generator with ``n`` samples; returns its loss, ``generator_loss``."""
        with self.critic.frozen(), ranks.shared(n) as own:
            z = self.latents(len(range(n)[own]))
            loss = self.game.generator_loss(self.critic, self.generator(z))
            _optimizer_step(loss, self.generator_optimizer)
            metrics = ranks.means({"generator_loss": loss.item()})
        if self.average is not None:
            self.average.update()
        return metrics

    @checked
    def generate(self, z: Any, *, averaged: bool = True, batch_size: Count = 500) -> np.ndarray:
        """The generator's samples G(z) for z (N, latent_size), in evaluation mode: a NumPy array (N, ...). With
        ``averaged`` its weights are the averaged ones, if there is an average. Errors are those of ``generate``."""
        with self.averaged() if averaged else nullcontext():
            return generate(self.generator, z, batch_size)

    def averaged(self) -> AbstractContextManager[None]:
        """A context in which the generator has its averaged weights, if there is an average."""
        return nullcontext() if self.average is None else self.average.applied()


@checked
def generate(generator: Module, z: Any, batch_size: Count = 500) -> np.ndarray:
    """Samples G(z) for latents z (N, latent_size), array or tensor, with ``generator`` in evaluation mode: (N, ...), a
    NumPy array.

    Raises ``ValueError`` for latents of another shape, and for no latents.
    """
    z = placed("generate", "z", z, generator)
    if z.ndim != 2 or z.size == 0:
        raise ValueError(f"generate: z must be latents (N, latent_size), not empty, got {shown(z)}")
    return np.concatenate(list(in_batches(lambda some: generator(some).numpy(), generator, batch_size, z)))


@checked
def fixed_latents(n: Count, latent_size: Count, device: str = "cpu") -> Tensor:
    """z ~ N(0, I), (n, latent_size), the same in every run, so that grids of samples can be compared."""
    with fixed_seed(0):
        return randn(n, latent_size, device=device)


def _optimizer_step(loss: Tensor, optimizer: Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _critic_metrics(terms: CriticTerms) -> dict[str, float]:
    metrics = {
        "critic_loss": terms.loss.item(),
        "score_gap": (mean(terms.real_scores) - mean(terms.fake_scores)).item(),
    }
    if terms.penalty is not None and terms.gradient_norms is not None:
        metrics |= {"penalty": terms.penalty.item(), "gradient_norm": mean(terms.gradient_norms).item()}
    return metrics
