"""A density from a discriminator: whoever can tell two distributions apart knows the ratio of their densities."""

from collections.abc import Callable

import numpy as np

from tinygen.autograd.recording import no_grad
from tinygen.checks import as_array, checked, described
from tinygen.models.placement import placed
from tinygen.nn import Module


@checked
@no_grad()
def density_from_discriminator(
    discriminator: Module, base_density: Callable[[np.ndarray], np.ndarray], x: np.ndarray
) -> np.ndarray:
    """``f1(x) = f0(x) D(x) / (1 - D(x))`` at points x (n,) or (n, d) -> (n,).

    The best discriminator between p = f1 and q = f0 says D = f1 / (f0 + f1) (Goodfellow et al. 2014, proposition 1), so
    f0, known, and D, trained, give f1. D / (1 - D) is e to the power of the ``discriminator``'s output, a logit, so no
    D is rounded to 1. ``base_density`` is f0, of x as it was given. Raises ``ValueError`` where one of the two does not
    give a number for each point.
    """
    if x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"density_from_discriminator: x must be points (n,) or (n, d), not empty, got {described(x)}")
    with discriminator.evaluating():
        logit = discriminator(placed("density_from_discriminator", "x", x.reshape(len(x), -1), discriminator))
    found = {"discriminator": as_array(logit).astype(np.float64), "base_density": as_array(base_density(x))}
    for name, values in found.items():
        if values.size != len(x) or values.dtype.kind not in "biuf":
            raise ValueError(
                f"density_from_discriminator: {name} must give a number for each of {len(x)} points, got "
                f"{described(values)}"
            )
    return found["base_density"].reshape(len(x)) * np.exp(found["discriminator"].reshape(len(x)))
