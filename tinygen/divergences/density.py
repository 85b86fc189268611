"""A density from a discriminator: whoever can tell two distributions apart knows the ratio of their densities."""

from collections.abc import Callable

import numpy as np

from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import tensor
from tinygen.nn import Module


@no_grad()
def density_from_discriminator(
    discriminator: Module, base_density: Callable[[np.ndarray], np.ndarray], x: np.ndarray
) -> np.ndarray:
    """``f1(x) = f0(x) D(x) / (1 - D(x))`` at points x (n,) or (n, d) -> (n,).

    The best discriminator between p = f1 and q = f0 says D = f1 / (f0 + f1) (Goodfellow et al. 2014, proposition 1), so
    f0, known, and D, trained, give f1. D / (1 - D) is e to the power of the ``discriminator``'s output, a logit, so no
    D is rounded to 1. ``base_density`` is f0, of x as it was given.
    """
    weight = discriminator.parameters()[0]
    points = tensor(x.reshape(len(x), -1).astype(weight.dtype), device=weight.device)
    with discriminator.evaluating():
        logit = discriminator(points).numpy().reshape(len(x)).astype(np.float64)
    return base_density(x).reshape(len(x)) * np.exp(logit)
