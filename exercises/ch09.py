"""Exercises of chapter 9, generative adversarial networks.

Fill the gaps in and grade them with ``python exercises/grade.py 9``. Scores v are outputs of a critic; D = sigmoid(v)
where the critic is a discriminator. "Stable" means: no overflow and no loss of accuracy for scores from -100 to 100.
"""

from collections.abc import Callable

import numpy as np

import tinygen as tg
from tinygen.objectives import Game


# Exercise 1: the generator's gradient (*)
def generator_gradient(v: np.ndarray, game: str) -> np.ndarray:
    """The derivative of the generator's loss with respect to its scores ``v`` (any shape), an array of the same shape.

    ``game`` is "minimax", whose loss is log(1 - D), or "non_saturating", whose loss is -log D. The result must be
    stable: its relative error at v = -100 and v = 100 must be small too. Do not use automatic differentiation; derive
    the derivatives. Hint: both are minus a sigmoid, and ``scipy.special.expit`` is a stable sigmoid. Section "The
    non-saturating objective".
    """
    raise NotImplementedError


# Exercise 2: steps of the bilinear example (*)
def step_matrices(rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The matrices A (2, 2) with (theta, psi) <- A (theta, psi) of one step of gradient descent in theta and ascent in
    psi on f = theta psi: first that of simultaneous updates, then that of alternating ones, where psi is updated first
    and theta uses the new psi. Section "Convergence of two coupled gradient descents".
    """
    raise NotImplementedError


# Exercise 3: the optimal discriminator under label smoothing (*)
def smoothed_discriminator(p: np.ndarray, q: np.ndarray, real_label: float, fake_label: float) -> np.ndarray:
    """The D (n,) that minimises the expected cross entropy where the densities of real and generated examples are p
    (n,) and q (n,), their labels are ``real_label`` and ``fake_label``, and both kinds are equally frequent.

    Hint: at each point, minimise p CE(real_label, D) + q CE(fake_label, D), CE(y, D) = -y log D - (1 - y) log(1 - D).
    With ``fake_label`` > 0 the result depends on p / q also where q dominates: why is smoothing one-sided in practice?
    Section "Regularisation of the discriminator".
    """
    raise NotImplementedError


# Exercise 4: mode coverage (*)
def covered_modes(samples: np.ndarray, centres: np.ndarray, scale: float) -> tuple[int, float]:
    """How many modes ``samples`` (n, d) cover, and the fraction of samples that are near a mode.

    The modes are Gaussians of standard deviation ``scale`` around ``centres`` (k, d). A sample belongs to its nearest
    centre and is near it if their distance is at most 3 ``scale``. A mode is covered if at least a tenth of n / k
    samples, its expected number, are near it. Do not call ``evaluation.mode_coverage``. Section "Mode collapse".
    """
    raise NotImplementedError


# Exercise 5: the hinge loss (**)
def hinge_game() -> Game:
    """The hinge loss as a row of ``objectives.GAMES``: the critic's losses are max(0, 1 - v) on real and max(0, 1 + v)
    on generated examples, the generator's is -v; no penalty, no clipping, no labels, one step of the critic.

    Hint: ``tinygen.functional.relu``. Section "Regularisation of the discriminator".
    """
    raise NotImplementedError


# Exercise 6: the R1 penalty (**)
def r1_loss(game: Game, critic: Callable[[tg.Tensor], tg.Tensor], real: tg.Tensor, fake: tg.Tensor, gamma: float):
    """The critic's loss of ``game`` on real and fake (N, ...) plus gamma / 2 times the mean over the *real* examples of
    the squared norm of the gradient of the score with respect to the example: one number, a tensor, differentiable in
    the weights of the critic.

    The scores are (N, 1). Spell the gradient out with ``tg.grad(..., create_graph=True)``; the norm is over all axes
    but the first, and squared, so no square root is needed. Section "Regularisation of the discriminator".
    """
    raise NotImplementedError


# Exercise 7: spectral normalisation (**)
def spectrally_normalised(weight: tg.Tensor, u: np.ndarray) -> tuple[tg.Tensor, np.ndarray]:
    """``weight`` (m, n) divided by an estimate of its largest singular value, and the new u (m,).

    One step of power iteration from ``u`` (m,): v = normalised(W^T u), new u = normalised(W v), sigma = u^T W v with
    the new u. As Miyato et al. do, take u and v as constants, but differentiate through W in sigma = u^T W v. Hint:
    power iteration on ``weight.numpy()``, then sigma as an operation on the tensor. Section "Regularisation of the
    discriminator".
    """
    raise NotImplementedError


# Exercise 8: detecting mode collapse (***)
def diagnose(history: list[np.ndarray], centres: np.ndarray, scale: float) -> str:
    """What happened in a training run of which ``history`` (a list of arrays (n, d)) are samples at several moments.

    Return "collapsed" if at the last moment fewer than half of the modes hold samples, "inaccurate" if at least half of
    them do but less than half of the samples are within 3 ``scale`` of a centre, and "good" otherwise; and "cycling" in
    place of "collapsed" if the samples have moved: if the mode with most samples changes between at least half of the
    pairs of consecutive moments of ``history``.

    A mode *holds samples* if at least a tenth of its expected number n / k are nearer to it than to the other centres,
    at any distance; the samples of a collapsed generator may lie away from every centre. Section "Mode collapse".
    """
    raise NotImplementedError
