"""Exercises of chapter 10, WGAN-GP.

Fill the gaps in and grade them with ``python exercises/grade.py 10``. A critic is a function from examples (N, ...) to
scores (N, 1).
"""

from collections.abc import Callable

import numpy as np

import tinygen as tg

Critic = Callable[[tg.Tensor], tg.Tensor]


# Exercise 1: interpolation (*)
def interpolate(real: tg.Tensor, fake: tg.Tensor) -> tg.Tensor:
    """a real + (1 - a) fake, (N, ...), with one a ~ U[0, 1] per example; a leaf that requires a gradient.

    Do not call ``objectives.interpolates``. The result must not be connected to the graph of ``fake``. Hint:
    ``tg.rand`` with a shape that broadcasts for any number of axes, then ``detach`` and ``requires_grad = True``.
    Section "One interpolation coefficient per example".
    """
    raise NotImplementedError


# Exercise 2: the gradient penalty (**)
def two_sided_penalty(critic: Critic, x: tg.Tensor) -> tg.Tensor:
    """The mean over the examples of (||grad T(x)|| - 1)^2, one number, at the points x (N, ...): a leaf that requires a
    gradient. It must be differentiable in the critic's weights, also where the gradient of T is 0.

    Do not call the functions of ``tinygen.objectives``. The norm is over all axes but the first. Hint: ``tg.grad`` of
    the sum of the scores with ``create_graph=True``; 1e-12 under the root. Section "The objective".
    """
    raise NotImplementedError


# Exercise 3: the one-sided penalty (**)
def one_sided_penalty(critic: Critic, x: tg.Tensor) -> tg.Tensor:
    """The mean over the examples of max(0, ||grad T(x)|| - 1)^2, as ``two_sided_penalty``."""
    raise NotImplementedError


def linear_maxima(distance: float, weight: float) -> tuple[list[float], list[float]]:
    """The s of all local maxima of the penalised objective of a linear critic T(x) = s x, in increasing order: of
    s distance - weight (|s| - 1)^2 (two-sided), and of s distance - weight max(0, |s| - 1)^2 (one-sided).

    ``distance`` > 0, ``weight`` > 0. Note that the second maximum of the two-sided objective does not always exist.
    Section "The one-sided penalty".
    """
    raise NotImplementedError


# Exercise 4: the Wasserstein distance on a line (*)
def wasserstein_on_a_line(x: np.ndarray, y: np.ndarray) -> float:
    """The exact Wasserstein-1 distance between two samples x (n,) and y (m,) on a line, for n = m and for any n and m.

    Hint: for n = m, the mean distance of sorted samples. Else the integral of |F_x(t) - F_y(t)|, where F is the
    empirical distribution function, is the same; it is constant between two neighbouring points of both samples
    together. Do not call ``scipy.stats``. Section "A second route".
    """
    raise NotImplementedError


# Exercise 5: the distance by a critic (**)
def wasserstein_by_critic(
    sample_p: Callable[[int], np.ndarray], sample_q: Callable[[int], np.ndarray]
) -> tuple[float, float]:
    """A lower and an upper estimate of the Wasserstein-1 distance between two distributions on a line, by a critic that
    is trained with a penalty. ``sample_p(n)`` and ``sample_q(n)`` give samples (n, 1), float32.

    Train for a few hundred steps with ``objectives.GAMES["wasserstein_lipschitz"]`` (a small MLP, Adam with betas (0,
    0.9), a learning rate that falls to 0). On about 10,000 new samples of each distribution compute
    the score gap divided by the largest gradient norm at interpolates: that of a 1-Lipschitz critic, a lower bound;
    the score gap minus the penalty with its weight, 10: the objective, whose maximum is at least the distance (why?).
    Five seconds suffice. Section "A second route".
    """
    raise NotImplementedError


# Exercise 6: clipped weights (**)
def optimal_clipped_critic(real: np.ndarray, fake: np.ndarray, c: float) -> np.ndarray:
    """The weights w (d,) in [-c, c]^d that maximise the score gap of the linear critic T(x) = w . x between ``real``
    and ``fake`` (n, d). Section "Clipped weights".
    """
    raise NotImplementedError


def lipschitz_bound(widths: list[int], c: float) -> float:
    """The largest Lipschitz constant, in the Euclidean norm, of an MLP with these widths (inputs, hidden ..., outputs),
    weights in [-c, c], no biases and ReLU activations.

    Hint: the largest singular value of a matrix (m, n) with entries in [-c, c] is at most c sqrt(m n); with all
    entries equal it is attained, and positive inputs pass all ReLUs.
    """
    raise NotImplementedError


# Exercise 7: exponential moving average (*)
def moving_averages(values: list[float], decay: float) -> list[float]:
    """The exponential moving average after each of ``values``. Before the first it is 0; update number t = 0, 1, 2, ...
    is average <- b average + (1 - b) value with b = min(decay, (1 + t) / (10 + t)), as in
    ``optim.ExponentialMovingAverage``. Section "Exponential moving average of the weights".
    """
    raise NotImplementedError


# Exercise 8: does a critic mix its examples? (***)
def mixes_examples(critic: Critic, x: tg.Tensor) -> bool:
    """Whether the score of any example of x (N, ...) depends on another example, as with batch normalisation, so that a
    gradient penalty is not per example.

    Find out by gradients: the derivative of score i with respect to example j must be 0 for i != j. N backward passes
    suffice. Can you do it with fewer: two, with random weights? Do not change the critic's mode. A derivative that is
    at most 1e-5 of the largest one counts as 0. Section "No batch normalisation in the critic".
    """
    raise NotImplementedError
