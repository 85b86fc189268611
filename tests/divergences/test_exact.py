"""Closed forms against quadrature, and at their limits."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from tinygen import divergences as div

PAIRS = [(0.0, 1.0, 0.0, 1.0), (0.5, 1.0, -0.2, 1.3), (-1.0, 0.7, 1.0, 0.7), (0.0, 1.2, 0.3, 0.9)]
X = np.linspace(-20, 20, 40_001)

every_pair = pytest.mark.parametrize("pair", PAIRS, ids=str)


def densities(pair):
    mu_p, sigma_p, mu_q, sigma_q = pair
    return stats.norm.pdf(X, mu_p, sigma_p), stats.norm.pdf(X, mu_q, sigma_q)


@every_pair
def test_kullback_leibler_of_gaussians(pair):
    p, q = densities(pair)
    assert div.kullback_leibler_of_gaussians(*pair) == pytest.approx(
        integrate.simpson(special.rel_entr(p, q), x=X), abs=1e-9
    )


@every_pair
def test_squared_hellinger_of_gaussians(pair):
    p, q = densities(pair)
    expected = integrate.simpson((np.sqrt(p) - np.sqrt(q)) ** 2, x=X)
    assert div.squared_hellinger_of_gaussians(*pair) == pytest.approx(expected, abs=1e-9)


@every_pair
def test_pearson_of_gaussians(pair):
    p, q = densities(pair)
    assert div.pearson_of_gaussians(*pair) == pytest.approx(integrate.simpson((p - q) ** 2 / q, x=X), abs=1e-6)


def test_pearson_is_infinite_where_the_tails_of_q_are_too_thin():
    assert div.pearson_of_gaussians(0.0, math.sqrt(2), 0.0, 1.0) == math.inf
    assert div.pearson_of_gaussians(0.0, 1.4, 0.0, 1.0) < math.inf


@every_pair
def test_wasserstein_of_gaussians_is_the_area_between_the_cumulative_distributions(pair):
    mu_p, sigma_p, mu_q, sigma_q = pair
    area = integrate.simpson(abs(stats.norm.cdf(X, mu_p, sigma_p) - stats.norm.cdf(X, mu_q, sigma_q)), x=X)
    assert div.wasserstein_of_gaussians(*pair) == pytest.approx(area, abs=1e-5)


def test_jensen_shannon_by_quadrature_at_its_limits():
    def at(mean):
        return lambda x: stats.norm.pdf(x, mean)

    assert div.jensen_shannon_by_quadrature(at(0.0), at(0.0), -9, 9) == 0
    assert div.jensen_shannon_by_quadrature(at(-20.0), at(20.0), -30, 30) == pytest.approx(math.log(2), abs=1e-9)
    there, back = (div.jensen_shannon_by_quadrature(at(a), at(b), -9, 10) for a, b in ((0, 1), (1, 0)))
    assert there == pytest.approx(back, abs=1e-12)
    # small shifts: an eighth of the Fisher information times the square of the shift
    assert div.jensen_shannon_by_quadrature(at(0.0), at(0.02), -9, 9) == pytest.approx(0.02**2 / 8, rel=1e-3)


@pytest.mark.parametrize("theta", [-1.0, -0.1, 0.0, 1e-9, 0.5])
def test_between_two_lines_only_the_wasserstein_distance_depends_on_theta(theta):
    apart = theta != 0
    assert div.jensen_shannon_of_lines(theta) == (math.log(2) if apart else 0)
    assert div.squared_hellinger_of_lines(theta) == (2 if apart else 0)
    assert div.wasserstein_of_lines(theta) == abs(theta)


@pytest.mark.parametrize(
    ("p", "low", "high", "points"),
    [
        (lambda x: 2 * stats.norm.pdf(x), -9, 9, 20_001),
        (stats.norm.pdf, 0, 9, 20_001),
        (stats.norm.pdf, -9, 9, 3),
    ],
)
def test_quadrature_refuses_what_does_not_integrate_to_1(p, low, high, points):
    with pytest.raises(ValueError, match=r"jensen_shannon_by_quadrature: [pq] must integrate to 1 over \["):
        div.jensen_shannon_by_quadrature(p, stats.norm.pdf, low, high, points)
