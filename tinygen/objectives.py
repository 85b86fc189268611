"""Objectives for divergence estimation and for GANs: a table of f-divergences, and a table of adversarial games.

Two divergences between distributions p and q as maxima over functions T of a sample:

    D_f(p || q) = max_T  E_p[T(x)] - E_q[f*(T(y))]             (Nowozin et al. 2016, eq. 4)
    W_1(p, q)   = max_T  E_p[T(x)] - E_q[T(y)],  T 1-Lipschitz                  (Kantorovich and Rubinstein)

where f*(t) = max_u u t - f(u) is the convex conjugate of f. For every function T the expression after max_T is at most
the divergence, and the largest equals it.

To estimate a divergence, train T, the critic. To learn a distribution p, train the critic and a generator, whose
samples have the distribution q, against each other: a game.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

from numpy import ndarray

from tinygen.autograd.engine import grad
from tinygen.autograd.recording import grad_mode
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import Count, Fraction, NonNegative, Positive, Rule, checked_fields, require
from tinygen.functional import log_sigmoid, relu, softplus
from tinygen.nn import Module
from tinygen.operations.arithmetic import clip
from tinygen.operations.comparison import less
from tinygen.operations.creation import rand, rand_like
from tinygen.operations.elementwise import exp, expm1, log, sqrt
from tinygen.operations.reductions import mean, sum
from tinygen.operations.shaping import cat, split
from tinygen.validation import shown

Elementwise = Callable[[Tensor], Tensor]
Critic = Callable[[Tensor], Tensor]  # examples (N, ...) -> scores (N, 1) or (N,)

LOG_2 = math.log(2)


# The f-divergences ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FDivergence:
    """One row of the table: ``D_f(p || q) = E_q[f(p / q)]``, f convex with f(1) = 0.

    The output v of the network may be any number. The ``activation`` g maps it into the domain of the ``conjugate``
    ``f*(t) = max_u u t - f(u)``; ``conjugate_of_activation`` is f*(g(v)) in a form without cancellation or overflow.
    ``optimal_output`` is the optimal v as a function of log p(x) / q(x): there g(v) = f'(p / q), and the bound is
    tight. All are functions of tensors of any shape, element by element.
    """

    f: Elementwise
    activation: Elementwise
    conjugate: Elementwise
    conjugate_of_activation: Elementwise
    optimal_output: Elementwise

    def bound(self, on_p: Tensor, on_q: Tensor) -> Tensor:
        """``E_p[g(v)] - E_q[f*(g(v))]`` from the outputs v (N, 1) on samples of p and of q: one number, in
        expectation at most D_f(p || q), in nats where the divergence has a logarithm."""
        return mean(self.activation(on_p)) - mean(self.conjugate_of_activation(on_q))


#: The f-divergences by name: a dictionary of ``FDivergence``.
F_DIVERGENCES = {  # Nowozin et al. 2016, tables 1, 2 and 5
    # the integral of p log p / q
    "kullback_leibler": FDivergence(
        f=lambda u: u * log(u),
        activation=lambda v: v,
        conjugate=lambda t: exp(t - 1),
        conjugate_of_activation=lambda v: exp(v - 1),
        optimal_output=lambda log_ratio: log_ratio + 1,
    ),
    # the integral of q log q / p
    "reverse_kullback_leibler": FDivergence(
        f=lambda u: -log(u),
        activation=lambda v: -exp(-v),
        conjugate=lambda t: -1 - log(-t),
        conjugate_of_activation=lambda v: v - 1,
        optimal_output=lambda log_ratio: log_ratio,
    ),
    # the integral of (p - q)^2 / q
    "pearson": FDivergence(
        f=lambda u: (u - 1) ** 2,
        activation=lambda v: v,
        conjugate=lambda t: t * t / 4 + t,
        conjugate_of_activation=lambda v: v * v / 4 + v,
        optimal_output=lambda log_ratio: 2 * expm1(log_ratio),
    ),
    # the integral of (sqrt p - sqrt q)^2: the bound is 2 - E_p[e^-v] - E_q[e^v]
    "squared_hellinger": FDivergence(
        f=lambda u: (sqrt(u) - 1) ** 2,
        activation=lambda v: -expm1(-v),
        conjugate=lambda t: t / (1 - t),
        conjugate_of_activation=expm1,
        optimal_output=lambda log_ratio: log_ratio / 2,
    ),
    # (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2 (half of the paper's row): the bound is
    # log 2 + E_p[log D] / 2 + E_q[log(1 - D)] / 2 of the discriminator D = sigmoid(v)
    "jensen_shannon": FDivergence(
        f=lambda u: (u * log(u) - (u + 1) * log((u + 1) / 2)) / 2,
        activation=lambda v: (LOG_2 + log_sigmoid(v)) / 2,
        conjugate=lambda t: -log(2 - exp(2 * t)) / 2,
        conjugate_of_activation=lambda v: (softplus(v) - LOG_2) / 2,
        optimal_output=lambda log_ratio: log_ratio,
    ),
}


# Gradient penalties ---------------------------------------------------------------------------------------------------


def interpolates(real: Tensor, fake: Tensor) -> Tensor:
    """``a real + (1 - a) fake`` with one a ~ U[0, 1) per example; real and fake (N, ...). The result is detached from
    the graph of both.

    Raises ``ValueError`` for different shapes and for no examples.
    """
    real, fake = _examples("interpolates", "real", real), _examples("interpolates", "fake", fake)
    if real.shape != fake.shape or real.ndim < 2 or len(real) == 0:
        raise ValueError(
            f"interpolates: real and fake must have one shape (N, ...) with N > 0, got {real.shape} and {fake.shape}"
        )
    a = rand(len(real), *(1,) * (real.ndim - 1), dtype=real.dtype, device=real.device)
    return (a * real + (1 - a) * fake).detach()


def _examples(function: str, argument: str, x: Any) -> Tensor:
    """``x``, a tensor or an array of numbers, as a floating-point tensor."""
    examples = x if isinstance(x, Tensor) else tensor(require(function, argument, x, ndarray))
    return examples if examples.dtype.kind == "f" else examples.astype("float32")


def gradient_norms(critic: Critic, x: Tensor, *, create_graph: bool = False) -> Tensor:
    """``sqrt(||dT(x) / dx||^2 + 1e-12)`` per example: x (N, ...) -> (N,), the norm taken over all axes but the first.

    The constant makes the root differentiable where the gradient is 0. With ``create_graph`` the norm is differentiable
    in the critic's weights; x is detached first. The score of an example must depend only on that example: no batch
    normalisation. The gradient is computed under ``no_grad`` too.

    Raises ``TypeError`` or ``ValueError`` where the critic does not return one score per example.
    """
    x = _examples("gradient_norms", "x", x).detach()
    x.requires_grad = True
    with grad_mode(True):
        total = sum(_scores("gradient_norms", critic, x))
    gradient: Any
    (gradient,) = grad(total, x, create_graph=create_graph)
    return sqrt(sum(gradient * gradient, axis=tuple(range(1, x.ndim))) + 1e-12)


def _scores(function: str, critic: Critic, x: Tensor) -> Tensor:
    """The critic's scores of x (N, ...), one per example: a loss would average any other shape without an error."""
    scores = critic(x) if callable(critic) else critic
    if not isinstance(scores, Tensor):
        raise TypeError(f"{function}: critic must be a function from tensors to tensors, got {shown(scores)}")
    if scores.shape[:1] != x.shape[:1] or scores.size != len(x):
        raise ValueError(
            f"{function}: critic must give one score for each of {len(x)} examples, shape ({len(x)}, 1) or "
            f"({len(x)},), got {scores.shape}"
        )
    return scores


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """``E_z[(||grad T(z)|| - 1)^2]`` at interpolates z of real and fake (N, ...): two-sided, towards norm 1 (Gulrajani
    et al. 2017, eq. 3). The mean over the batch, not multiplied by the penalty weight; errors are those of
    ``interpolates``."""
    return mean(_two_sided(gradient_norms(critic, interpolates(real, fake), create_graph=True)))


def lipschitz_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """``E_z[max(0, ||grad T(z)|| - 1)^2]`` at interpolates z of real and fake (N, ...): one-sided, only norms above 1
    are penalised (Petzka et al. 2018, eq. 8). The mean over the batch, not multiplied by the penalty weight; errors
    are those of ``interpolates``."""
    return mean(_one_sided(gradient_norms(critic, interpolates(real, fake), create_graph=True)))


def _two_sided(norms: Tensor) -> Tensor:
    return (norms - 1) ** 2


def _one_sided(norms: Tensor) -> Tensor:
    return relu(norms - 1) ** 2


# The games -----------------------------------------------------------------------------------------------------------

Interval = Annotated[
    tuple[float, float],
    Rule("two finite numbers (low, high) with low <= high", lambda r: -math.inf < r[0] <= r[1] < math.inf),
]


class CriticTerms(NamedTuple):
    """The critic's ``loss``, one number, and its terms: the scores of the examples (N, 1), the ``penalty``, one number
    (not multiplied by its weight), and the ``gradient_norms`` (N,) from which it is computed. The last two are None in
    a game without a penalty."""

    loss: Tensor
    real_scores: Tensor
    fake_scores: Tensor
    penalty: Tensor | None = None
    gradient_norms: Tensor | None = None


@checked_fields
@dataclass(frozen=True)
class NoisyLabels:
    """Random labels y of real examples: y ~ U[``usual``), or with probability ``share_flipped`` y ~ U[``flipped``),
    close to the label 0 of fake examples.

    Labels of real examples below 1 are one-sided label smoothing (Salimans et al. 2016, section 3.4):
    ``NoisyLabels(usual=(0.9, 0.9), share_flipped=0.0)``. The loss of a score whose label is above 1 has no minimum, so
    the ``mean`` of all labels must be below 1; where q(x) = 0 the optimal D is this mean.

    Raises ``ValueError`` for an interval whose ends are not finite or not in order, a ``share_flipped`` outside [0, 1],
    and a mean outside (0, 1).
    """

    usual: Interval = (0.7, 1.2)
    flipped: Interval = (0.0, 0.3)
    share_flipped: Fraction = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.mean < 1:
            raise ValueError(f"NoisyLabels: the mean of all labels must lie between 0 and 1, it is {self.mean:.4g}")

    @property
    def mean(self) -> float:
        """The mean of all labels."""
        usual, flipped = (low + (high - low) / 2 for low, high in (self.usual, self.flipped))
        return usual + self.share_flipped * (flipped - usual)

    def draw(self, scores: Tensor) -> Tensor:
        """A label per score: a tensor of the shape, dtype and device of ``scores`` (any shape)."""
        usual, flipped = (low + (high - low) * rand_like(scores) for low, high in (self.usual, self.flipped))
        is_flipped = less(rand_like(scores), self.share_flipped).astype(scores.dtype)
        return usual + is_flipped * (flipped - usual)


@checked_fields
@dataclass(frozen=True)
class Game:
    """One row of the table of games: the losses of critic and generator, and the constraint on the critic.

    ``real_loss`` and ``fake_loss`` are the critic's loss as functions of the score of a real and of a fake example,
    ``sample_loss`` is the generator's loss as a function of the score of its sample, element by element. Constraints:
    ``norm_penalty``, a function of the gradient norms (N,) at interpolates, is added to the critic's loss with weight
    ``penalty_weight``; ``clip`` bounds the weights after each step. ``n_critic`` is the number of critic steps per
    generator step. ``labels`` are the labels y of real examples (default: all 1), whose loss is the cross entropy
    ``y real_loss + (1 - y) fake_loss``.

    Raises ``ValueError`` for a negative weight, a clip that is not positive, n_critic below 1, and labels given to a
    game that has none, such as a Wasserstein game.
    """

    real_loss: Elementwise
    fake_loss: Elementwise
    sample_loss: Elementwise
    norm_penalty: Elementwise | None = None
    penalty_weight: NonNegative = 10.0
    clip: Positive | None = None
    n_critic: Count = 1
    has_labels: bool = False
    labels: NoisyLabels | None = None

    def __post_init__(self) -> None:
        if self.labels and not self.has_labels:
            raise ValueError("Game: only a game with labels can have random ones, a Wasserstein critic has none")

    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss with its penalty, one number; real and fake (N, ...)."""
        return self.critic_terms(critic, real, fake).loss

    def critic_terms(self, critic: Critic, real: Tensor, fake: Tensor) -> CriticTerms:
        """The critic's loss and its terms; real and fake (N, ...)."""
        real, fake = _examples("critic_loss", "real", real), _examples("critic_loss", "fake", fake)
        if self.norm_penalty is None:
            real_scores, fake_scores = (_scores("critic_loss", critic, each) for each in (real, fake))
        else:  # this critic has no batch normalisation, so one call serves both
            real_scores, fake_scores = split(_scores("critic_loss", critic, cat([real, fake])), [len(real)])
        loss = mean(self._loss_of_real(real_scores)) + mean(self.fake_loss(fake_scores))
        if self.norm_penalty is None or not self.penalty_weight:
            return CriticTerms(loss, real_scores, fake_scores)
        norms = gradient_norms(critic, interpolates(real, fake), create_graph=True)
        penalty = mean(self.norm_penalty(norms))
        return CriticTerms(loss + self.penalty_weight * penalty, real_scores, fake_scores, penalty, norms)

    def generator_loss(self, critic: Critic, fake: Tensor) -> Tensor:
        """The generator's loss, one number; fake (N, ...) is part of the generator's graph."""
        return mean(self.sample_loss(_scores("generator_loss", critic, _examples("generator_loss", "fake", fake))))

    def constrain(self, critic: Module) -> None:
        """Clip the critic's weights if ``clip`` is set; to be called after each step of the critic."""
        if self.clip is not None:
            for parameter in critic.parameters():
                parameter.data = clip(parameter.detach(), -self.clip, self.clip).data

    def _loss_of_real(self, scores: Tensor) -> Tensor:
        if self.labels is None:
            return self.real_loss(scores)
        y = self.labels.draw(scores)
        return y * self.real_loss(scores) + (1 - y) * self.fake_loss(scores)


def _negative(v: Tensor) -> Tensor:
    return -v


def _identity(v: Tensor) -> Tensor:
    return v


def _nll_real(v: Tensor) -> Tensor:
    """``-log D = log(1 + e^-v)`` with D = sigmoid(v)."""
    return softplus(-v)


def _log_one_minus_d(v: Tensor) -> Tensor:
    """``log(1 - D) = -log(1 + e^v)``."""
    return -softplus(v)


_MINIMAX = Game(real_loss=_nll_real, fake_loss=softplus, sample_loss=_log_one_minus_d, has_labels=True)
_WASSERSTEIN = Game(real_loss=_negative, fake_loss=_identity, sample_loss=_negative, n_critic=5)

#: The objectives of GANs by name: a dictionary of ``Game``.
GAMES = {
    # The generator minimises log(1 - D), whose gradient vanishes where D is near 0 (Goodfellow et al. 2014, eq. 1)
    "minimax": _MINIMAX,
    # It minimises -log D, whose gradient does not (the same paper, section 3)
    "non_saturating": replace(_MINIMAX, sample_loss=_nll_real),
    # The dual of the Wasserstein distance, and three constraints on the critic: weights clipped to an interval
    # (Arjovsky et al. 2017), gradient norm 1 (Gulrajani et al. 2017), gradient norm at most 1 (Petzka et al. 2018)
    "wasserstein_clip": replace(_WASSERSTEIN, clip=0.01),
    "wasserstein_gradient": replace(_WASSERSTEIN, norm_penalty=_two_sided),
    "wasserstein_lipschitz": replace(_WASSERSTEIN, norm_penalty=_one_sided),
}
