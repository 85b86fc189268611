"""Samplers: shapes and types, the seed, and samples that agree with what is known of their distribution."""

import numpy as np
import pytest
from scipy import integrate, stats

import tinygen as tg
from tinygen.data import samplers

EVERY = {
    "line": (samplers.line(0.3), 2),
    "uniform": (samplers.uniform, 2),
    "standard_gaussian": (samplers.standard_gaussian, 1),
    "distribution4": (samplers.distribution4, 1),
    "ring": (samplers.ring(), 2),
    "grid": (samplers.grid(), 2),
    "two_moons": (samplers.two_moons, 2),
    "spiral": (samplers.spiral, 2),
}


pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("name", EVERY)
def test_a_sampler_gives_as_many_float32_points_as_asked_and_none_where_none_is_asked(name):
    sampler, dimension = EVERY[name]
    for n in (0, 1, 7):
        points = sampler(n)
        assert points.shape == (n, dimension)
        assert points.dtype == np.float32
        assert np.isfinite(points).all()


@pytest.mark.parametrize("name", EVERY)
def test_a_seed_fixes_the_points_and_each_call_draws_new_ones(name):
    sampler, _ = EVERY[name]
    tg.manual_seed(3)
    first, second = sampler(20), sampler(20)
    tg.manual_seed(3)
    np.testing.assert_array_equal(sampler(20), first)
    np.testing.assert_array_equal(sampler(20), second)
    assert (first != second).any()


def test_a_line_stands_at_theta_and_its_heights_are_uniform():
    points = samplers.line(-0.7)(5000)
    assert np.unique(points[:, 0]).tolist() == [np.float32(-0.7)]
    assert stats.kstest(points[:, 1], "uniform").pvalue > 1e-3


def test_the_uniform_and_the_gaussian_are_what_they_are_called():
    points = samplers.uniform(5000)
    assert stats.kstest(points[:, 0], "uniform").pvalue > 1e-3
    assert stats.kstest(points[:, 1], "uniform").pvalue > 1e-3
    assert stats.kstest(samplers.standard_gaussian(5000)[:, 0], "norm").pvalue > 1e-3
    x = np.linspace(-6, 6, 25)
    np.testing.assert_allclose(samplers.standard_gaussian_density(x), stats.norm.pdf(x), rtol=1e-13)


def test_the_density_of_distribution4_is_that_of_its_samples():
    """Kolmogorov and Smirnov's test against the integral of the density, which adds up to 1."""
    y = np.linspace(-8, 8, 20_001)
    cumulative = integrate.cumulative_simpson(samplers.distribution4_density(y), x=y, initial=0)
    assert abs(cumulative[-1] - 1) < 1e-9
    samples = samplers.distribution4(20_000)[:, 0]
    assert stats.kstest(samples, lambda x: np.interp(x, y, cumulative)).pvalue > 1e-3


def test_the_density_of_distribution4_is_exact_where_its_preimage_is_known():
    x = np.array([-3.0, -0.5, 0.0, 2.0])
    slope = 2 / np.cosh(2 * x + 1) ** 2 + 0.75
    found = samplers.distribution4_density(np.tanh(2 * x + 1) + 0.75 * x)
    np.testing.assert_allclose(found, stats.norm.pdf(x) / slope, rtol=1e-12)


@pytest.mark.parametrize(("mixture", "modes"), [(samplers.ring(), 8), (samplers.grid(), 25)], ids=["ring", "grid"])
def test_every_mode_of_a_mixture_is_as_likely_and_as_wide_as_the_others(mixture, modes):
    points = mixture(40_000)
    mode, deviations = mixture.nearest(points)
    assert stats.chisquare(np.bincount(mode, minlength=modes)).pvalue > 1e-3
    # a distance in the plane, in standard deviations, has the density r exp(-r^2 / 2)
    assert stats.kstest(deviations, "rayleigh").pvalue > 1e-3
    assert np.allclose(mixture.centres.mean(axis=0), 0)


def test_the_moons_are_two_half_circles():
    x, y = samplers.two_moons(2000, noise=0.0).T
    upper = np.hypot(x + 0.5, y + 0.25)
    lower = np.hypot(x - 0.5, y - 0.25)
    np.testing.assert_allclose(np.minimum(abs(upper - 1), abs(lower - 1)), 0, atol=1e-6)
    assert 0.45 < (abs(upper - 1) < 1e-6).mean() < 0.55


def test_the_spiral_winds_once_and_a_half_to_radius_1():
    x, y = samplers.spiral(2000, noise=0.0).T
    radius = np.hypot(x, y)
    np.testing.assert_allclose(np.cos(3 * np.pi * radius) * radius, x, atol=1e-6)
    assert 0.99 < radius.max() <= 1
