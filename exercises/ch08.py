"""Exercises of chapter 8, double backprop (docs/8-double-backprop.md).

Fill in the gaps; ``python exercises/grade.py 8`` grades them.
"""

from collections.abc import Callable

import numpy as np

import tinygen as tg
from tinygen import nn


# Exercise 1: a Hessian-vector product (*)
def hessian_vector_product(f: Callable[[tg.Tensor], tg.Tensor], x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """H v with the Hessian H of the scalar function ``f`` of a tensor at ``x``; x, v and the result have one shape.

    Use ``tg.grad`` twice, and neither ``tg.hvp`` nor ``tg.hessian``. ``f`` is nonlinear. Hint: the gradient of the
    scalar v . grad f, for constant v. See "Hessian-vector products".
    """
    raise NotImplementedError


# Exercise 2: R1 and its gradient (*)
def r1(discriminator: nn.Module, real: tg.Tensor, gamma: float) -> tuple[tg.Tensor, list[tg.Tensor]]:
    """The penalty gamma / 2 times the mean over the examples of the squared gradient norm of the discriminator at
    ``real`` (N, ...), and its gradients with respect to ``discriminator.parameters()``.

    The discriminator maps (N, ...) to scores (N, 1), each of which depends on one example. A parameter on which the
    penalty does not depend, such as the bias of the last layer, has a gradient of zeros. Hint: ``allow_unused``. See
    "R1 and other penalties".
    """
    raise NotImplementedError


# Exercise 3: the gradient penalty (**)
def gradient_penalty(critic: Callable[[tg.Tensor], tg.Tensor], z: tg.Tensor) -> tg.Tensor:
    """The mean over the examples of (|dT/dz| - 1)^2 at the points ``z`` (N, ...), such as images (N, C, H, W): a scalar
    that can be differentiated with respect to the critic's weights.

    |.| is the Euclidean norm over all axes but the first. Where the gradient is 0 the penalty is 1 (up to 1e-5), and
    its gradient with respect to the weights is finite. ``z`` itself remains unchanged, and need not require gradients.
    Use ``tg.grad``, not ``tinygen.objectives``. See "A penalty on a gradient" and "The square root at zero".
    """
    raise NotImplementedError


# Exercise 4: a function that is detached from the graph (**)
def direction_penalty(critic: Callable[[tg.Tensor], tg.Tensor], x: tg.Tensor, direction: tg.Tensor) -> tg.Tensor:
    """The mean over the examples of 1 - cos(angle), with the angle between the critic's gradient at x (N, D) and
    ``direction`` (D,).

    The value is right, but in two places the computation leaves the graph, so that the gradient with respect to the
    critic's weights is wrong or does not exist. Repair both. The gradient is nowhere 0. See "A defect without an
    error".
    """
    x = x.detach()
    x.requires_grad = True
    (gradient,) = tg.grad(critic(x).sum(), x)
    length = tg.tensor(np.sqrt((gradient.numpy() ** 2).sum(axis=1)))
    cosine = (gradient * direction).sum(axis=1) / (length * tg.sqrt((direction * direction).sum()))
    return (1 - cosine).mean()


# Exercise 5: the largest eigenvalue of a Hessian (**)
def largest_eigenvalue(f: Callable[[tg.Tensor], tg.Tensor], x: np.ndarray, steps: int = 200) -> float:
    """The eigenvalue of largest modulus of the Hessian of the scalar function ``f`` at ``x`` (n,), with its sign, by
    power iteration: v <- H v / |H v| from a random v; the eigenvalue is then v . H v.

    n may be 10,000, so the Hessian must not be formed. Hint: ``tg.hvp``. See "Hessian-vector products".
    """
    raise NotImplementedError


# Exercise 6: the gradient of R1 by hand (***)
def r1_of_two_layers(x: np.ndarray, W: np.ndarray, v: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """For T(x) = v . tanh(W x), with x (N, D), W (H, D) and v (H,): the penalty R = 1/2 mean |grad T|^2, and its
    gradients with respect to W and v, in NumPy alone.

    Hint: grad T = W^T (v (1 - y^2)) with y = tanh(W x); W occurs as a factor and in y. See the figure of the chapter
    and "A defect without an error".
    """
    raise NotImplementedError


# Exercise 7: Newton's method with conjugate gradients (***)
def newton(f: Callable[[tg.Tensor], tg.Tensor], x: np.ndarray, tolerance: float = 1e-9) -> np.ndarray:
    """The minimum of the smooth, strictly convex scalar function ``f`` from the start ``x`` (n,): a point where the
    gradient norm is at most ``tolerance``.

    Newton's steps -H^-1 g, each by conjugate gradients with ``tg.hvp``, without the Hessian. Where a full step does not
    reduce f, halve it until it does, as far as rounding permits. Stop after 100 steps at the latest, so that a mistake
    does not run forever. n may be 1,000. See "Hessian-vector products".
    """
    raise NotImplementedError


# Exercise 8: score matching (***)
def score_matching(energy: Callable[[tg.Tensor], tg.Tensor], x: tg.Tensor) -> tg.Tensor:
    """The mean over the examples of tr(ds/dx) + |s|^2 / 2 with the score s = -dE/dx: a scalar that can be
    differentiated with respect to the parameters of the energy.

    ``energy`` maps x (N, D) to (N,), each energy depending on one example. Hint: the trace is a sum of D terms, each of
    which takes one call of ``tg.grad``. See "Score matching".
    """
    raise NotImplementedError


def fit_precision(x: np.ndarray) -> np.ndarray:
    """The symmetric matrix A (D, D) that minimises the objective of score matching on the samples ``x`` (N, D), for the
    energies x^T A x / 2, to a relative error of 1e-3: found by an optimiser of ``tinygen.optim``, of your choice and
    with your number of steps, from the gradient of ``score_matching``. The samples have mean 0 and variances near 1.
    """
    raise NotImplementedError
