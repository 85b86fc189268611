"""Divergences estimated: train a network to make a bound large, then read the bound on fresh samples.

Three rules make an estimate honest. It sees samples and nothing else. It is read on samples that no training step saw,
where the network can no longer have fitted their accidents: what remains is a lower bound, but for the noise of a mean.
And it is the last network's, after a number of steps that was fixed beforehand, not the best of many.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import Count, NotNegative, Positive, as_array, checked, described
from tinygen.data.samplers import Sampler
from tinygen.models import MLP
from tinygen.models.placement import placement
from tinygen.nn import Module
from tinygen.objectives import F_DIVERGENCES, GAMES, Game, gradient_norms, interpolates
from tinygen.operations.reductions import mean
from tinygen.optim import Adam, cosine_schedule
from tinygen.training import train

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
    """D_f(p || q), ``name`` being a row of ``objectives.F_DIVERGENCES``, and the network whose bound it is.

    The network is an ``MLP``, or the given one, which goes on from where it is (a warm start). Adam makes the bound
    large in ``steps`` steps on ``batch_size`` new samples of each, its rate falling on half a cosine from
    ``learning_rate`` to 0; the estimate is the bound on ``samples`` more. A divergence that is infinite has no
    estimate: the bound grows for as long as one trains.

    Raises ``ValueError`` for a row that is not there, samplers of different dimension, samples that are not finite,
    and numbers of steps or samples below 1; ``FloatingPointError`` where the bound overflows.
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
    """JSD(p, q) in nats, and its discriminator, which gives the logit of D(x).

    It is trained on ``log 2 + E_p[log D(x)] / 2 + E_q[log(1 - D(y))] / 2``; the options and errors are those of
    ``estimate_f_divergence``.
    """
    return checked(_estimate_f_divergence, "estimate_jensen_shannon")("jensen_shannon", p, q, **options)


def estimate_squared_hellinger(p: Sampler, q: Sampler, **options: Any) -> Estimate:
    """The integral of (sqrt p - sqrt q)^2, from 0 to 2, and its network.

    It is trained on ``2 - E_p[e^-v(x)] - E_q[e^v(y)]``; the options and errors are those of ``estimate_f_divergence``.
    """
    return checked(_estimate_f_divergence, "estimate_squared_hellinger")("squared_hellinger", p, q, **options)


class WassersteinDual(NamedTuple):
    """What a critic says of W_1(p, q), in units of x.

    ``raw`` is E_p[T] - E_q[T], ``penalised`` that less the weighed penalty, ``steepest`` the largest ||grad T|| at
    interpolates, and ``estimate`` is ``raw / steepest``: the dual of T / steepest, which is nowhere steeper than 1
    there, and so a bound from below. (Between the interpolates it might be: the bound is as good as they are many.)
    """

    estimate: float
    raw: float
    penalised: float
    steepest: float


@checked
def estimate_wasserstein(
    p: Sampler,
    q: Sampler,
    *,
    penalty: str = "gradient",
    penalty_weight: NotNegative = 10.0,
    clip: Positive = 0.1,
    network: Module | None = None,
    steps: Count = 200,
    batch_size: Count = 512,
    learning_rate: Positive = 0.01,
    samples: Count = 20_000,
    device: str = "cpu",
) -> Estimate:
    """W_1(p, q) in units of x, and its critic T, trained on ``E_p[T] - E_q[T]`` less the ``penalty``.

    ``penalty``: ``"gradient"`` or ``"lipschitz"`` (``objectives``), times ``penalty_weight``; or ``"clip"``, weights
    within ``clip`` of 0. The critic that is best under a penalty is steeper than 1, by d / (2 penalty_weight) for two
    lines at distance d, so what it was trained on is biased; the estimate is ``WassersteinDual.estimate``, which is
    not. The other options, and errors, are those of ``estimate_f_divergence``; ``ValueError`` also for another penalty
    and a weight below 0.
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
    penalty_weight: NotNegative = 10.0,
    samples: Count = 20_000,
) -> WassersteinDual:
    """What a trained ``critic`` says of W_1(p, q) on ``samples`` fresh samples of each."""
    game = _wasserstein_game("measure_wasserstein", penalty, penalty_weight, 1.0)
    draw = _Pairs("measure_wasserstein", p, q, placement(critic)["device"])
    return _measure(critic, game, draw, samples)


def _measure(critic: Module, game: Game, draw: "_Pairs", samples: int) -> WassersteinDual:
    with critic.evaluating():
        x, y = draw(samples)
        with no_grad():
            raw = (mean(critic(x)) - mean(critic(y))).item()
        slopes = gradient_norms(critic, interpolates(x, y))
        steepest = slopes.numpy().max().item()
        price = game.penalty_weight * mean(game.on_slope(slopes)).item() if game.on_slope else 0.0
    return WassersteinDual(raw / steepest, raw, raw - price, steepest)


def _wasserstein_game(caller: str, penalty: str, penalty_weight: float, clip: float) -> Game:
    if penalty not in PENALTIES:
        raise ValueError(f"{caller}: penalty must be one of {', '.join(PENALTIES)}, got {penalty!r}")
    row = GAMES[PENALTIES[penalty]]
    return replace(row, penalty_weight=penalty_weight, clip=clip if row.clip else None)


# What the estimators share -------------------------------------------------------------------------------------------


class _Pairs:
    """As many new samples of p as of q, as tensors (n, d) on a device, each batch looked over."""

    def __init__(self, caller: str, p: Sampler, q: Sampler, device: str) -> None:
        self.caller, self.samplers, self.device = caller, {"p": p, "q": q}, device

    def network(self, given: Module | None) -> Module:
        """The given network, or a new one for points of this dimension. It begins flat, so that the samples choose the
        way in which it leans: a critic that began steep the wrong way would have to cross slope 0, where the gradient
        penalty is largest, and in one dimension it never would."""
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
        """What a sampler gave, array, tensor or list, as points (n, d) of float32."""
        points = as_array(given)
        if points.ndim != 2 or len(points) != n or points.shape[1] == 0 or points.dtype.kind not in "biuf":
            raise ValueError(f"{self.caller}: {name}({n}) must be points ({n}, d), got {described(points)}")
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
    """Make ``loss(x, y)`` small in so many steps, on new samples each, with Adam down half a cosine."""
    optimizer = Adam(network.parameters(), learning_rate, betas)

    def step(_: int, index: int) -> dict[str, float]:
        optimizer.lr = cosine_schedule(index, steps, learning_rate)
        value = loss(*draw(batch_size))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        constrain(network)
        return {"loss": value.item()}

    train(None, range(steps), step, epochs=1, parts={"network": network, "optimizer": optimizer})
