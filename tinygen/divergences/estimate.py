"""Estimates of divergences: a network is trained to maximise a lower bound, which is then evaluated on new samples.

An estimate uses samples alone. The samples that it is evaluated on took no part in training, so the network cannot have
fitted their noise, and the result is a lower bound up to the standard error of a mean. It is that of the last network,
after a number of steps that is fixed beforehand, not the best of several.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygen import ranks
from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import Count, NonNegative, Positive, as_array, checked
from tinygen.data.samplers import Sampler
from tinygen.models import MLP
from tinygen.models.placement import placed, placement
from tinygen.nn import Module
from tinygen.objectives import F_DIVERGENCES, GAMES, Game, gradient_norms, interpolates
from tinygen.operations.reductions import mean
from tinygen.optim import Adam, cosine_schedule
from tinygen.training import train
from tinygen.validation import shown

PENALTIES = {"gradient": "wasserstein_gradient", "lipschitz": "wasserstein_lipschitz", "clip": "wasserstein_clip"}

Estimate = tuple[float, Module]


def _estimate_f_divergence(
    name: str,
    p: Sampler,
    q: Sampler,
    *,
    network: Module | None = None,
    steps: Count = 200,
    batch_size: Count = 512,
    learning_rate: Positive = 0.01,
    samples: Count = 20_000,
    device: str = "cpu",
) -> Estimate:
    """D_f(p || q) for the row ``name`` of ``objectives.F_DIVERGENCES``, and the network that attains the bound.

    The network is ``network``, trained further (a warm start), by default an ``MLP``. Adam maximises the bound in
    ``steps`` steps on ``batch_size`` new samples of each distribution (n, d), with a learning rate that falls on half a
    cosine from ``learning_rate`` to 0; the estimate is the bound on ``samples`` new samples. Of an infinite divergence
    there is no estimate: the bound grows with the number of steps.

    Raises ``ValueError`` for an unknown row, samplers of different dimension, samples that are not finite, and numbers
    of steps or samples below 1; ``FloatingPointError`` where the bound overflows.
    """
    caller = f"estimate_{name}" if name in F_DIVERGENCES else "estimate_f_divergence"
    if name not in F_DIVERGENCES:
        raise ValueError(f"{caller}: no divergence is called {name!r}, only {', '.join(F_DIVERGENCES)}")
    draw = _Pairs(caller, p, q, device)
    row, network = F_DIVERGENCES[name], draw.network(network)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return -row.bound(network(x), network(y))

    _minimise(loss, draw, network, steps, batch_size, learning_rate, betas=(0.9, 0.99))
    with no_grad(), network.evaluating():
        x, y = draw(samples)
        return row.bound(network(x), network(y)).item(), network


estimate_f_divergence = checked(_estimate_f_divergence, "estimate_f_divergence")


def estimate_jensen_shannon(p: Sampler, q: Sampler, **options: Any) -> Estimate:
    """JSD(p, q) in nats, and its discriminator, whose output is the logit of D(x).

    It maximises ``log 2 + E_p[log D(x)] / 2 + E_q[log(1 - D(y))] / 2``; options and errors are those of
    ``estimate_f_divergence``.
    """
    return checked(_estimate_f_divergence, "estimate_jensen_shannon")("jensen_shannon", p, q, **options)


def estimate_squared_hellinger(p: Sampler, q: Sampler, **options: Any) -> Estimate:
    """The integral of (sqrt p - sqrt q)^2, from 0 to 2, and its network.

    It maximises ``2 - E_p[e^-v(x)] - E_q[e^v(y)]``; options and errors are those of ``estimate_f_divergence``.
    """
    return checked(_estimate_f_divergence, "estimate_squared_hellinger")("squared_hellinger", p, q, **options)


class WassersteinDual(NamedTuple):
    """The dual of W_1(p, q) for a critic T, in units of x.

    ``raw`` is E_p[T] - E_q[T], ``penalised`` is ``raw`` minus the weighted penalty, ``max_gradient_norm`` is the
    largest ||grad T|| at interpolates, and ``estimate`` is ``raw / max_gradient_norm``: the dual of the critic divided
    by that number, whose gradient norm is at most 1 there. It is a lower bound as far as the interpolates represent the
    whole space.
    """

    estimate: float
    raw: float
    penalised: float
    max_gradient_norm: float


@checked
def estimate_wasserstein(
    p: Sampler,
    q: Sampler,
    *,
    penalty: str = "gradient",
    penalty_weight: NonNegative = 10.0,
    clip: Positive = 0.1,
    network: Module | None = None,
    steps: Count = 200,
    batch_size: Count = 512,
    learning_rate: Positive = 0.01,
    samples: Count = 20_000,
    device: str = "cpu",
) -> Estimate:
    """W_1(p, q) in units of x, and its critic T, trained to maximise ``E_p[T] - E_q[T]`` minus the ``penalty``.

    ``penalty``: ``"gradient"`` or ``"lipschitz"`` (``objectives``), with weight ``penalty_weight``; or ``"clip"``, all
    weights within ``clip`` of 0. The optimal critic under a penalty has a gradient norm above 1, by d / (2
    penalty_weight) for two line segments at distance d, so the training objective is biased upwards; the estimate is
    ``WassersteinDual.estimate``, which corrects for it. The other options and errors are those of
    ``estimate_f_divergence``; ``ValueError`` also for another ``penalty`` and a negative weight.
    """
    game = _wasserstein_game("estimate_wasserstein", penalty, penalty_weight, clip)
    draw = _Pairs("estimate_wasserstein", p, q, device)
    critic = draw.network(network)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return game.critic_loss(critic, x, y)

    _minimise(loss, draw, critic, steps, batch_size, learning_rate, betas=(0.5, 0.9), constrain=game.constrain)
    return _measure(critic, game, draw, samples).estimate, critic


@checked
def measure_wasserstein(
    critic: Module,
    p: Sampler,
    q: Sampler,
    *,
    penalty: str = "gradient",
    penalty_weight: NonNegative = 10.0,
    samples: Count = 20_000,
) -> WassersteinDual:
    """The dual of W_1(p, q) for a trained ``critic`` on ``samples`` new samples (n, d) of each distribution.

    Raises ``ValueError`` for an unknown ``penalty`` and as ``estimate_wasserstein`` does for samples.
    """
    game = _wasserstein_game("measure_wasserstein", penalty, penalty_weight, 1.0)
    draw = _Pairs("measure_wasserstein", p, q, placement(critic)["device"])
    return _measure(critic, game, draw, samples)


def _measure(critic: Module, game: Game, draw: "_Pairs", samples: int) -> WassersteinDual:
    with critic.evaluating():
        x, y = draw(samples)
        with no_grad():
            raw = (mean(critic(x)) - mean(critic(y))).item()
        norms = gradient_norms(critic, interpolates(x, y))
        max_gradient_norm = norms.numpy().max().item()
        penalty = game.penalty_weight * mean(game.norm_penalty(norms)).item() if game.norm_penalty else 0.0
    return WassersteinDual(raw / max_gradient_norm, raw, raw - penalty, max_gradient_norm)


def _wasserstein_game(caller: str, penalty: str, penalty_weight: float, clip: float) -> Game:
    if penalty not in PENALTIES:
        raise ValueError(f"{caller}: penalty must be one of {', '.join(PENALTIES)}, got {penalty!r}")
    row = GAMES[PENALTIES[penalty]]
    return replace(row, penalty_weight=penalty_weight, clip=clip if row.clip else None)


# Shared by the estimators --------------------------------------------------------------------------------------------


class _Pairs:
    """Pairs of new samples of p and q, as tensors (n, d) on a device, checked."""

    def __init__(self, caller: str, p: Sampler, q: Sampler, device: str) -> None:
        self.caller, self.samplers, self.device = caller, {"p": p, "q": q}, device

    def network(self, given: Module | None) -> Module:
        """The given network, or a new one for points of this dimension, which is 0 everywhere. A critic whose initial
        derivative has the wrong sign would have to cross 0, where the gradient penalty is largest; in one dimension it
        does not."""
        x, _ = self(1)
        return (given or MLP(x.shape[1], zero_init_last=True)).to(self.device)

    def __call__(self, n: int) -> tuple[Tensor, Tensor]:
        drawn = {name: self._points(name, sampler(n), n) for name, sampler in self.samplers.items()}
        for name, points in drawn.items():
            if not np.isfinite(points).all():
                raise ValueError(f"{self.caller}: {name} gave samples that are NaN or infinite")
        x, y = drawn.values()
        if x.shape != y.shape:
            raise ValueError(f"{self.caller}: p is a distribution of {x.shape[1]} numbers, q of {y.shape[1]}")
        return tensor(x, device=self.device), tensor(y, device=self.device)

    def _points(self, name: str, given: Any, n: int) -> np.ndarray:
        """Samples, an array, tensor or list, as points (n, d) of float32."""
        points = as_array(given)
        if points.ndim != 2 or len(points) != n or points.shape[1] == 0 or points.dtype.kind not in "biuf":
            raise ValueError(f"{self.caller}: {name}({n}) must be points ({n}, d), got {shown(points)}")
        return points.astype(np.float32, copy=False)


def _minimise(
    loss: Callable[[Tensor, Tensor], Tensor],
    draw: _Pairs,
    network: Module,
    steps: int,
    batch_size: int,
    learning_rate: float,
    *,
    betas: tuple[float, float],
    constrain: Callable[[Module], None] = lambda network: None,
) -> None:
    """Minimise ``loss(x, y)`` on new samples in each step, by Adam with a cosine schedule."""
    optimizer = Adam(network.parameters(), learning_rate, betas)

    def step(_: int, index: int) -> dict[str, float]:
        optimizer.lr = cosine_schedule(index, steps, learning_rate)
        x, y = draw(batch_size)
        with ranks.shared(batch_size) as own:
            value = loss(x[own], y[own])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            constrain(network)
            return ranks.means({"loss": value.item()})

    train(None, range(steps), step, epochs=1, parts={"network": network, "optimizer": optimizer})


@checked
@no_grad()
def density_from_discriminator(
    discriminator: Module, base_density: Callable[[np.ndarray], np.ndarray], x: np.ndarray
) -> np.ndarray:
    """``f1(x) = f0(x) D(x) / (1 - D(x))`` at points x (n,) or (n, d) -> (n,).

    The optimal discriminator between p = f1 and q = f0 is D = f1 / (f0 + f1) (Goodfellow et al. 2014, proposition 1).
    The output of ``discriminator`` is the logit of D, and D / (1 - D) its exponential, so D is not rounded to 1.
    ``base_density`` is f0. Raises ``ValueError`` for x of another shape, and where one of the two functions does not
    return one number per point.
    """
    if x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"density_from_discriminator: x must be points (n,) or (n, d), not empty, got {shown(x)}")
    with discriminator.evaluating():
        logit = discriminator(placed("density_from_discriminator", "x", x.reshape(len(x), -1), discriminator))
    found = {"discriminator": as_array(logit).astype(np.float64), "base_density": as_array(base_density(x))}
    for name, values in found.items():
        if values.size != len(x) or values.dtype.kind not in "biuf":
            raise ValueError(
                f"density_from_discriminator: {name} must give a number for each of {len(x)} points, got "
                f"{shown(values)}"
            )
    return found["base_density"].reshape(len(x)) * np.exp(found["discriminator"].reshape(len(x)))
