"""Objectives of two players: the f-divergences as one table, the adversarial games as another.

A network T looks at samples of two distributions p and q. Whatever T is, the difference of what it says on them is a
lower bound of a distance between p and q, and the best T makes it tight:

    D_f(p || q) = max_T  E_p[T(x)] - E_q[f*(T(y))]             (Nowozin et al. 2016, eq. 4)
    W_1(p, q)   = max_T  E_p[T(x)] - E_q[T(y)],  T nowhere steeper than 1       (Kantorovich and Rubinstein)

To estimate a distance, train T. To learn a distribution, train T against a generator whose samples are q: a game.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

from numpy import ndarray

from tinygen.autograd.engine import grad
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import Count, NotNegative, Positive, Rule, described, require
from tinygen.functional import log_sigmoid, relu, softplus
from tinygen.nn import Module
from tinygen.operations.arithmetic import clip
from tinygen.operations.comparison import less
from tinygen.operations.creation import rand, rand_like
from tinygen.operations.elementwise import exp, expm1, log, sqrt
from tinygen.operations.reductions import mean, sum
from tinygen.operations.shaping import cat, split

Map = Callable[[Tensor], Tensor]  # element by element
Critic = Callable[[Tensor], Tensor]  # examples (N, ...) -> scores (N, 1) or (N,)

LOG_2 = math.log(2)


# The f-divergences ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FDivergence:
    """One row of the table: ``D_f(p || q) = E_q[f(p / q)]``, f convex with f(1) = 0.

    The network's raw output v may be any number. The ``activation`` g takes it to where the ``conjugate``
    ``f*(t) = max_u u t - f(u)`` is defined, and ``conjugate_of_activation`` is f*(g(v)), written so that nothing is
    lost or overflows on the way. ``optimum`` tells the best v from log p(x) / q(x): there g(v) = f'(p / q), and the
    bound is tight. All take and return tensors, element by element.
    """

    generator: Map
    activation: Map
    conjugate: Map
    conjugate_of_activation: Map
    optimum: Map

    def bound(self, on_p: Tensor, on_q: Tensor) -> Tensor:
        """``E_p[g(v)] - E_q[f*(g(v))]`` from raw outputs on samples of p and of q: at most D_f(p || q), in nats where
        the divergence has a logarithm."""
        return mean(self.activation(on_p)) - mean(self.conjugate_of_activation(on_q))


F_DIVERGENCES = {  # Nowozin et al. 2016, tables 1, 2 and 5
    # the integral of p log p / q
    "kullback_leibler": FDivergence(
        generator=lambda u: u * log(u),
        activation=lambda v: v,
        conjugate=lambda t: exp(t - 1),
        conjugate_of_activation=lambda v: exp(v - 1),
        optimum=lambda log_ratio: log_ratio + 1,
    ),
    # the integral of q log q / p
    "reverse_kullback_leibler": FDivergence(
        generator=lambda u: -log(u),
        activation=lambda v: -exp(-v),
        conjugate=lambda t: -1 - log(-t),
        conjugate_of_activation=lambda v: v - 1,
        optimum=lambda log_ratio: log_ratio,
    ),
    # the integral of (p - q)^2 / q
    "pearson": FDivergence(
        generator=lambda u: (u - 1) ** 2,
        activation=lambda v: v,
        conjugate=lambda t: t * t / 4 + t,
        conjugate_of_activation=lambda v: v * v / 4 + v,
        optimum=lambda log_ratio: 2 * expm1(log_ratio),
    ),
    # the integral of (sqrt p - sqrt q)^2: the bound is 2 - E_p[e^-v] - E_q[e^v]
    "squared_hellinger": FDivergence(
        generator=lambda u: (sqrt(u) - 1) ** 2,
        activation=lambda v: -expm1(-v),
        conjugate=lambda t: t / (1 - t),
        conjugate_of_activation=expm1,
        optimum=lambda log_ratio: log_ratio / 2,
    ),
    # half KL(p || m) + KL(q || m), m = (p + q) / 2 (half of the paper's row): the bound is
    # log 2 + E_p[log D] / 2 + E_q[log(1 - D)] / 2 of the discriminator D = sigmoid(v)
    "jensen_shannon": FDivergence(
        generator=lambda u: (u * log(u) - (u + 1) * log((u + 1) / 2)) / 2,
        activation=lambda v: (LOG_2 + log_sigmoid(v)) / 2,
        conjugate=lambda t: -log(2 - exp(2 * t)) / 2,
        conjugate_of_activation=lambda v: (softplus(v) - LOG_2) / 2,
        optimum=lambda log_ratio: log_ratio,
    ),
}


# How steep a critic is -----------------------------------------------------------------------------------------------


def interpolates(real: Tensor, fake: Tensor) -> Tensor:
    """``a real + (1 - a) fake`` with one a ~ U[0, 1) an example (N, ...), cut off from what made the two."""
    real, fake = _examples("interpolates", "real", real), _examples("interpolates", "fake", fake)
    if real.shape != fake.shape or real.ndim < 2 or len(real) == 0:
        raise ValueError(
            f"interpolates: real and fake must have one shape (N, ...) with N > 0, got {real.shape} and {fake.shape}"
        )
    a = rand(len(real), *(1,) * (real.ndim - 1), dtype=real.dtype, device=real.device)
    return (a * real + (1 - a) * fake).detach()


def _examples(function: str, argument: str, x: Any) -> Tensor:
    """``x`` as a floating-point tensor: arrays, and what becomes one, are taken as well."""
    examples = x if isinstance(x, Tensor) else tensor(require(function, argument, x, ndarray))
    return examples if examples.dtype.kind == "f" else examples.astype("float32")


def gradient_norms(critic: Critic, x: Tensor, *, create_graph: bool = False) -> Tensor:
    """``||dT(x) / dx||_2`` of each example: x (N, ...) -> (N,), over all axes but the first.

    With ``create_graph`` the norm can be differentiated again, in the critic's weights. The root is that of
    ``||g||^2 + 1e-12``: at g = 0 the bare norm has no gradient, and its formula says 0 / 0. The critic must treat the
    examples of a batch each by itself: no batch normalisation.
    """
    x = _examples("gradient_norms", "x", x).detach()
    x.requires_grad = True
    slope: Any
    (slope,) = grad(sum(_scores("gradient_norms", critic, x)), x, create_graph=create_graph)
    return sqrt(sum(slope * slope, axis=tuple(range(1, x.ndim))) + 1e-12)


def _scores(function: str, critic: Critic, x: Tensor) -> Tensor:
    """The critic's scores of x (N, ...), one for each example: another shape would be averaged in silence."""
    scores = critic(x) if callable(critic) else critic
    if not isinstance(scores, Tensor):
        raise TypeError(f"{function}: critic must be a function from tensors to tensors, got {described(scores)}")
    if scores.shape[:1] != x.shape[:1] or scores.size != len(x):
        raise ValueError(
            f"{function}: critic must give one score for each of {len(x)} examples, shape ({len(x)}, 1) or "
            f"({len(x)},), got {scores.shape}"
        )
    return scores


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """``E_z[(||grad T(z)|| - 1)^2]`` at interpolates z: slope 1, neither more nor less (Gulrajani et al. 2017, eq. 3).

    The mean over the batch, without the weight; real and fake (N, ...) of one shape.
    """
    return mean(_not_one(gradient_norms(critic, interpolates(real, fake), create_graph=True)))


def lipschitz_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """``E_z[max(0, ||grad T(z)|| - 1)^2]`` at interpolates z: only what is steeper than 1 pays (Petzka et al. 2018,
    eq. 8).

    The mean over the batch, without the weight; real and fake (N, ...) of one shape.
    """
    return mean(_above_one(gradient_norms(critic, interpolates(real, fake), create_graph=True)))


def _not_one(slopes: Tensor) -> Tensor:
    """What each slope is from 1, squared."""
    return (slopes - 1) ** 2


def _above_one(slopes: Tensor) -> Tensor:
    """What each slope is above 1, squared."""
    return relu(slopes - 1) ** 2


Share = Annotated[float, Rule("a number in [0, 1]", lambda x: 0 <= x <= 1)]
ProperShare = Annotated[float, Rule("a number in [0, 1)", lambda x: 0 <= x < 1)]
OneOrder = Annotated[
    tuple[float, float],
    Rule("two finite numbers (low, high) with low <= high", lambda r: -math.inf < r[0] <= r[1] < math.inf),
]


def _hold(row: Any, **annotations: Any) -> None:
    """Check and convert fields of a frozen dataclass, as ``checks.checked`` does arguments."""
    for name, annotation in annotations.items():
        object.__setattr__(row, name, require(type(row).__name__, name, getattr(row, name), annotation))


# The games -----------------------------------------------------------------------------------------------------------


class CriticTerms(NamedTuple):
    """The critic's ``loss``, one number, and what it is made of: the scores of the examples (N, 1), the ``penalty``
    without its weight, one number, and the ``slopes`` (N,) that it is of. The last two are None in a game without."""

    loss: Tensor
    on_real: Tensor
    on_fake: Tensor
    penalty: Tensor | None = None
    slopes: Tensor | None = None


@dataclass(frozen=True)
class NoisyLabels:
    """Labels y of real examples, drawn one by one: from U[``usual``), and for a ``share_flipped`` of them from
    U[``flipped``), near the label of a fake one.

    To label real examples below 1 is one-sided label smoothing (Salimans et al. 2016, section 3.4); noise keeps the
    critic from being sure of any. A score whose label is above 1 pays the less the higher it is, without an end; so
    the ``mean`` of all labels must be below 1, for there to be a best score: D = mean where no fake example is.

    Raises ``ValueError`` for a range whose ends are not finite or not in order, a share outside [0, 1], or a mean
    outside (0, 1).
    """

    usual: tuple[float, float] = (0.7, 1.2)
    flipped: tuple[float, float] = (0.0, 0.3)
    share_flipped: float = 0.05

    def __post_init__(self) -> None:
        _hold(self, usual=OneOrder, flipped=OneOrder, share_flipped=Share)
        if not 0 < self.mean < 1:
            raise ValueError(f"NoisyLabels: the mean of all labels must lie between 0 and 1, it is {self.mean:.4g}")

    @property
    def mean(self) -> float:
        """The mean of all labels."""
        usual, flipped = (low + (high - low) / 2 for low, high in (self.usual, self.flipped))
        return usual + self.share_flipped * (flipped - usual)

    def draw(self, scores: Tensor) -> Tensor:
        """A label for each of ``scores``: a tensor of their shape, type and device."""
        usual, flipped = (low + (high - low) * rand_like(scores) for low, high in (self.usual, self.flipped))
        turned = less(rand_like(scores), self.share_flipped).astype(scores.dtype)
        return usual + turned * (flipped - usual)


@dataclass(frozen=True)
class Game:
    """One row of the table of games: what the critic pays for its score of an example, what the generator pays, and
    what keeps the critic in bounds.

    ``on_real`` and ``on_fake`` are the critic's loss at a score v, element by element, ``generator`` is that of the
    generator at its samples' scores. Constraints: ``on_slope``, what the critic pays for a slope ||grad T(z)|| at
    interpolates z, joins its loss, weighed by ``penalty_weight``; ``clip`` bounds its weights after each step.
    Options, to be set with ``dataclasses.replace``: ``n_critic``, the critic's steps for each of the generator's;
    ``soft``, how much of a real example's label is taken from it (one-sided label smoothing, Salimans et al. 2016);
    ``flipped``, the share of examples whose label is turned round; or, in place of both, ``labels``, from which that of
    each real example is drawn. A score whose label is y, between 0 for fake and 1 for real, pays
    ``y on_real + (1 - y) on_fake``: the cross entropy of y.

    Raises ``ValueError`` for a negative weight, a clip that is not positive, n_critic below 1, ``soft`` or ``flipped``
    outside [0, 1), either beside ``labels``, and where a game without labels is to soften, flip or draw them.
    """

    on_real: Map
    on_fake: Map
    generator: Map
    on_slope: Map | None = None
    penalty_weight: float = 10.0
    clip: float | None = None
    n_critic: int = 1
    has_labels: bool = False
    soft: float = 0.0
    flipped: float = 0.0
    labels: NoisyLabels | None = None

    def __post_init__(self) -> None:
        _hold(self, on_real=Callable, on_fake=Callable, generator=Callable, on_slope=Callable | None)
        _hold(self, penalty_weight=NotNegative, clip=Positive | None, n_critic=Count, labels=NoisyLabels | None)
        _hold(self, has_labels=bool, soft=ProperShare, flipped=ProperShare)
        if self.labels and (self.soft or self.flipped):
            raise ValueError(f"Game: beside labels soft and flipped must be 0, got {self.soft} and {self.flipped}")
        if not self.has_labels and (self.soft or self.flipped or self.labels):
            raise ValueError("Game: only a game with labels can soften or draw them, a Wasserstein critic has none")

    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """What the critic is to make small, one number, its penalty included; real and fake (N, ...)."""
        return self.critic_terms(critic, real, fake).loss

    def critic_terms(self, critic: Critic, real: Tensor, fake: Tensor) -> CriticTerms:
        """The critic's loss and what it is made of, for those who watch; real and fake (N, ...)."""
        real, fake = _examples("critic_terms", "real", real), _examples("critic_terms", "fake", fake)
        if self.on_slope is None:
            on_real, on_fake = (_scores("critic_loss", critic, each) for each in (real, fake))
        else:  # this critic treats each example by itself, so both may go through it together
            on_real, on_fake = split(_scores("critic_loss", critic, cat([real, fake])), [len(real)])
        loss = mean(self._real(on_real)) + mean(self._labelled(on_fake, self.on_fake, self.on_real, 0.0))
        if self.on_slope is None or not self.penalty_weight:
            return CriticTerms(loss, on_real, on_fake)
        slopes = gradient_norms(critic, interpolates(real, fake), create_graph=True)
        penalty = mean(self.on_slope(slopes))
        return CriticTerms(loss + self.penalty_weight * penalty, on_real, on_fake, penalty, slopes)

    def generator_loss(self, critic: Critic, fake: Tensor) -> Tensor:
        """What the generator is to make small, one number; fake (N, ...) remembers how it was made."""
        return mean(self.generator(_scores("generator_loss", critic, _examples("generator_loss", "fake", fake))))

    def constrain(self, critic: Module) -> None:
        """Clip the critic's weights, where this game does: to be called after each of its steps."""
        if self.clip is not None:
            for parameter in critic.parameters():
                parameter.data = clip(parameter.detach(), -self.clip, self.clip).data

    def _real(self, scores: Tensor) -> Tensor:
        """The loss of real examples' scores (N, 1) by their labels."""
        if self.labels is None:
            return self._labelled(scores, self.on_real, self.on_fake, self.soft)
        y = self.labels.draw(scores)
        return y * self.on_real(scores) + (1 - y) * self.on_fake(scores)

    def _labelled(self, scores: Tensor, right: Map, wrong: Map, soft: float) -> Tensor:
        """The loss of scores (N, 1) whose label is right but for ``soft`` of it, and for the share that is flipped."""
        if not self.flipped:
            return right(scores) if not soft else (1 - soft) * right(scores) + soft * wrong(scores)
        turned = less(rand_like(scores), self.flipped).astype(scores.dtype)
        share = soft + (1 - 2 * soft) * turned
        return (1 - share) * right(scores) + share * wrong(scores)


def _minus(v: Tensor) -> Tensor:
    return -v


def _itself(v: Tensor) -> Tensor:
    return v


def _surprise_at_real(v: Tensor) -> Tensor:
    """-log D = log(1 + e^-v), D = sigmoid(v)."""
    return softplus(-v)


def _surprise_at_fake(v: Tensor) -> Tensor:
    """-log(1 - D) = log(1 + e^v)."""
    return softplus(v)


_MINIMAX = Game(_surprise_at_real, _surprise_at_fake, generator=lambda v: -softplus(v), has_labels=True)
_WASSERSTEIN = Game(_minus, _itself, generator=_minus, n_critic=5)

GAMES = {
    # The generator makes log(1 - D) small: flat where the critic is sure (Goodfellow et al. 2014, eq. 1)
    "minimax": _MINIMAX,
    # It makes -log D small: steep where the critic is sure (the same paper, section 3)
    "non_saturating": replace(_MINIMAX, generator=_surprise_at_real),
    # The dual of the Wasserstein distance, and three ways to keep the critic from being steep:
    # weights in a box (Arjovsky et al. 2017), slope 1 (Gulrajani et al. 2017), slope 1 at most (Petzka et al. 2018)
    "wasserstein_clip": replace(_WASSERSTEIN, clip=0.01),
    "wasserstein_gradient": replace(_WASSERSTEIN, on_slope=_not_one),
    "wasserstein_lipschitz": replace(_WASSERSTEIN, on_slope=_above_one),
}
