"""Divergences in closed form, with which estimates are compared.

Two line segments: p is (0, Z) and q is (theta, Z), Z ~ U[0, 1] (Arjovsky et al. 2017, example 1). Their supports are
disjoint unless theta is 0, so every f-divergence has the same value for all other theta; only the Wasserstein distance
decreases with |theta|. Two Gaussians in one dimension: p = N(mu_p, sigma_p^2) and q = N(mu_q, sigma_q^2).
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import integrate, special

from tinygen.checks import AtLeastTwo, Finite, Positive, as_array, checked
from tinygen.validation import shown

MASS_TOLERANCE = 1e-3  # of a density's integral; Simpson's rule with 20,001 points is off by 1e-4 at a jump

# Two line segments ---------------------------------------------------------------------------------------------------


@checked
def jensen_shannon_of_lines(theta: Finite) -> float:
    """JSD(p, q) in nats: log 2 unless theta is 0."""
    return math.log(2) if theta else 0.0


@checked
def squared_hellinger_of_lines(theta: Finite) -> float:
    """The integral of (sqrt p - sqrt q)^2: 2 unless theta is 0."""
    return 2.0 if theta else 0.0


@checked
def wasserstein_of_lines(theta: Finite) -> float:
    """W_1(p, q) in units of x: ``|theta|``, the distance that each point is moved."""
    return abs(theta)


# Two Gaussians -------------------------------------------------------------------------------------------------------


@checked
def kullback_leibler_of_gaussians(mu_p: Finite, sigma_p: Positive, mu_q: Finite, sigma_q: Positive) -> float:
    """``log(sigma_q / sigma_p) + (sigma_p^2 + (mu_p - mu_q)^2) / (2 sigma_q^2) - 1/2``, nats."""
    return math.log(sigma_q / sigma_p) + (sigma_p**2 + (mu_p - mu_q) ** 2) / (2 * sigma_q**2) - 0.5


@checked
def pearson_of_gaussians(mu_p: Finite, sigma_p: Positive, mu_q: Finite, sigma_q: Positive) -> float:
    """The integral of (p - q)^2 / q: ``sigma_q^2 / (sigma_p s) exp((mu_p - mu_q)^2 / s^2) - 1`` with
    ``s^2 = 2 sigma_q^2 - sigma_p^2``, infinite where that is not positive."""
    square = 2 * sigma_q**2 - sigma_p**2
    if square <= 0:
        return math.inf
    return sigma_q**2 / (sigma_p * math.sqrt(square)) * math.exp((mu_p - mu_q) ** 2 / square) - 1


@checked
def squared_hellinger_of_gaussians(mu_p: Finite, sigma_p: Positive, mu_q: Finite, sigma_q: Positive) -> float:
    """``2 - 2 sqrt(2 sigma_p sigma_q / S) exp(-(mu_p - mu_q)^2 / (4 S))`` with ``S = sigma_p^2 + sigma_q^2``."""
    squares = sigma_p**2 + sigma_q**2
    return 2 - 2 * math.sqrt(2 * sigma_p * sigma_q / squares) * math.exp(-((mu_p - mu_q) ** 2) / (4 * squares))


@checked
def wasserstein_of_gaussians(mu_p: Finite, sigma_p: Positive, mu_q: Finite, sigma_q: Positive) -> float:
    """W_1(p, q) in units of x. In one dimension the optimal transport maps quantiles to quantiles, mu + sigma Z of both
    with the same Z ~ N(0, 1); so the distance is E|m + s Z|, m and s the differences of means and deviations."""
    m, s = abs(mu_p - mu_q), abs(sigma_p - sigma_q)
    if s == 0:
        return m
    return s * math.sqrt(2 / math.pi) * math.exp(-(m**2) / (2 * s**2)) + m * math.erf(m / (s * math.sqrt(2)))


# Any two densities in one dimension ----------------------------------------------------------------------------------

Density = Callable[[np.ndarray], np.ndarray]


@checked
def jensen_shannon_by_quadrature(
    p: Density, q: Density, low: Finite, high: Finite, points: AtLeastTwo = 20_001
) -> float:
    """JSD(p, q) in nats of two densities (n,) -> (n,) that vanish outside [low, high], by Simpson's rule.

    Raises ``ValueError`` unless low < high, each density returns a nonnegative number per point, and its integral over
    [low, high] differs from 1 by at most ``MASS_TOLERANCE``.
    """
    if low >= high:
        raise ValueError(f"jensen_shannon_by_quadrature: low must be below high, got {low} and {high}")
    x = np.linspace(low, high, points)
    p_x, q_x = as_array(p(x)), as_array(q(x))
    for name, values in (("p", p_x), ("q", q_x)):
        if values.shape != x.shape or values.dtype.kind not in "biuf" or not (values >= 0).all():
            raise ValueError(
                f"jensen_shannon_by_quadrature: {name} must give a density for each of {points} points, none negative, "
                f"got {shown(values)}"
            )
        mass = integrate.simpson(values, x=x)
        if abs(mass - 1) > MASS_TOLERANCE:
            raise ValueError(
                f"jensen_shannon_by_quadrature: {name} must integrate to 1 over [{low:g}, {high:g}], got {mass:.6g} "
                f"with {points} points"
            )
    # KL(p || (p + q) / 2) as the integral of p log(p / (p + q)) + p log 2: (p + q) / 2 underflows for a p that is the
    # smallest subnormal number.
    total = p_x + q_x
    terms = special.rel_entr(p_x, total) + special.rel_entr(q_x, total) + math.log(2) * total
    return float(integrate.simpson(terms, x=x) / 2)
