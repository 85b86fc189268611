"""Tests of the exercises of chapter 7, divergences."""

import math

import numpy as np
import pytest
from grade import answers
from scipy import integrate, stats

import tinygen as tg
from tinygen import nn
from tinygen.objectives import F_DIVERGENCES

ch07 = answers("ch07")

X = np.linspace(-25, 25, 10_001)
P, Q = stats.norm(0.5, 1.0), stats.norm(-0.2, 1.3)


def jensen_shannon(p, q):
    m = (p.pdf(X) + q.pdf(X)) / 2
    terms = [np.where(d.pdf(X) > 0, d.pdf(X) * (d.logpdf(X) - np.log(np.maximum(m, 1e-320))), 0) for d in (p, q)]
    return integrate.simpson(sum(terms), x=X) / 2


def test_1_conjugates_of_the_table():
    u, t = np.linspace(1e-6, 40, 200_001), np.array([-1.5, -0.4, 0.1])
    for row in F_DIVERGENCES.values():
        inside = row.activation(tg.tensor(t)).numpy()
        found = ch07.conjugate(lambda u, row=row: row.f(tg.tensor(u)).numpy(), inside, u)
        assert found.shape == t.shape
        assert np.allclose(found, row.conjugate(tg.tensor(inside)).numpy(), atol=1e-4)


def test_1_conjugate_of_the_conjugate_is_the_function():
    t, u = np.linspace(-8, 8, 4001), np.array([0.3, 1.0, 2.5])
    assert np.allclose(ch07.conjugate(lambda t: np.exp(t - 1), u, t), u * np.log(u), atol=1e-4)


def test_2_value_at_the_optimum():
    p, q = P.pdf(X), Q.pdf(X)
    best = ch07.optimal_discriminator(P.logpdf(X), Q.logpdf(X))
    inside = np.abs(X) < 8
    assert np.allclose(best[inside], p[inside] / (p[inside] + q[inside]))
    x, p, q, best = X[inside], p[inside], q[inside], best[inside]
    top = ch07.discriminator_value(best, p, q, x)
    assert np.isclose(top, 2 * jensen_shannon(P, Q) - math.log(4), atol=1e-6)
    for change in (np.sin(x), np.cos(3 * x)):
        for sign in (-0.2, 0.2):
            assert ch07.discriminator_value(best + sign * best * (1 - best) * change, p, q, x) < top
    assert np.isclose(ch07.discriminator_value(np.full_like(x, 0.5), p, p, x), -math.log(4), atol=1e-6)


def test_2_no_overflow():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = ch07.optimal_discriminator(np.array([-5000.0, -10.0, -9000.0]), np.array([-5001.0, -2000.0, -10.0]))
    assert np.allclose(found, [1 / (1 + math.exp(-1)), 1, 0])


@pytest.mark.parametrize(("n", "m"), [(50, 50), (1, 7), (12, 30), (8, 1)])
def test_3_linear_programme_of_scipy(n, m):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n), 2 * rng.normal(size=m) + 1
    assert np.isclose(ch07.wasserstein_1d(x, y), stats.wasserstein_distance(x, y))


def test_3_shift_and_symmetry():
    x = np.random.default_rng(0).normal(size=40)
    before = x.copy()
    assert np.isclose(ch07.wasserstein_1d(x, x[::-1] + 0.7), 0.7)
    assert np.isclose(ch07.wasserstein_1d(x[:15], x), ch07.wasserstein_1d(x, x[:15]))
    assert np.array_equal(x, before)


def test_4_conjugate_activation_and_optimum():
    row = ch07.neyman()
    v = tg.tensor(np.linspace(-1.5, 2, 9))
    t = row.activation(v).numpy()
    assert np.allclose(t, 1 - np.exp(-v.numpy()))
    u = np.linspace(1e-4, 30, 300_001)
    on_grid = (u * t[:, None] - (1 - u) ** 2 / u).max(axis=1)
    assert np.allclose(row.f(tg.tensor(u)).numpy(), (1 - u) ** 2 / u)
    assert np.allclose(row.conjugate(tg.tensor(t)).numpy(), on_grid, atol=1e-5)
    assert np.allclose(row.conjugate_of_activation(v).numpy(), on_grid, atol=1e-5)
    ratio = tg.tensor(np.array([0.4, 1.0, 3.0]), requires_grad=True)
    (gradient,) = tg.grad(row.f(ratio).sum(), ratio)
    assert np.allclose(row.activation(row.optimal_output(tg.log(ratio.detach()))).numpy(), gradient.numpy())


def test_4_bound_is_tight_at_the_optimum_only():
    row = ch07.neyman()
    inside = np.abs(X) < 8
    x, p, q = X[inside], P.pdf(X[inside]), Q.pdf(X[inside])
    p, q = q, p  # the second has the lighter tails, so the divergence is finite
    v = row.optimal_output(tg.tensor(np.log(p / q)))

    def bound(v):
        on_p, on_q = row.activation(v).numpy(), row.conjugate_of_activation(v).numpy()
        return integrate.simpson(p * on_p - q * on_q, x=x)

    exact = integrate.simpson((p - q) ** 2 / p, x=x)
    assert np.isclose(bound(v), exact, rtol=1e-5)
    assert bound(v * 0.8) < exact - 1e-3
    assert bound(v + 0.2) < exact - 1e-3


def test_5_gap_is_a_divergence():
    log_p, log_q = P.logpdf(X), Q.logpdf(X)
    best = log_p - log_q
    divergence, gap = ch07.jensen_shannon_gap(best, log_p, log_q, X)
    assert np.isclose(divergence, jensen_shannon(P, Q), atol=1e-8)
    assert abs(gap) < 1e-8
    for v in (0 * X, 0.5 * best, best + np.sin(X), -best):
        assert ch07.jensen_shannon_gap(v, log_p, log_q, X)[1] > 1e-3
    assert np.isclose(ch07.jensen_shannon_gap(0 * X, log_p, log_q, X)[1], divergence)  # D = 1/2: the bound is 0


def test_5_bound_of_the_table_and_no_overflow():
    log_p, log_q, v = P.logpdf(X), Q.logpdf(X), np.tanh(X)
    divergence, gap = ch07.jensen_shannon_gap(v, log_p, log_q, X)
    row = F_DIVERGENCES["jensen_shannon"]
    on_p, on_q = row.activation(tg.tensor(v)).numpy(), row.conjugate_of_activation(tg.tensor(v)).numpy()
    assert np.isclose(divergence - gap, integrate.simpson(P.pdf(X) * on_p - Q.pdf(X) * on_q, x=X))
    with np.errstate(over="raise", invalid="raise"):
        _, gap = ch07.jensen_shannon_gap(1000 * np.sign(X), log_p, log_q, X)
    assert 100 < gap < 1000


def test_6_singular_values():
    rng = np.random.default_rng(1)
    for shape in ((5, 5), (3, 12), (12, 3), (1, 4)):
        W = rng.normal(size=shape)
        assert np.isclose(ch07.spectral_norm(W), np.linalg.svd(W, compute_uv=False)[0], rtol=1e-3)
    assert ch07.spectral_norm(np.zeros((3, 2))) == 0


def test_6_bound_exceeds_every_difference_quotient():
    tg.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    bound = ch07.lipschitz_bound(network)
    norms = [np.linalg.norm(layer.weight.numpy(), 2) for layer in network.items if isinstance(layer, nn.Linear)]
    assert np.isclose(bound, np.prod(norms), rtol=1e-2)
    x, y = tg.randn(2000, 2).numpy(), tg.randn(2000, 2).numpy()
    with tg.no_grad():
        change = np.abs(network(tg.tensor(x)).numpy() - network(tg.tensor(y)).numpy())[:, 0]
    assert (change <= bound * np.linalg.norm(x - y, axis=1)).all()


def test_7_double_loop():
    rng = np.random.default_rng(2)
    x, y, h = rng.normal(size=(6, 2)), rng.normal(size=(4, 2)) + 1, 0.8

    def mean(pairs):
        return np.mean([math.exp(-((a - b) ** 2).sum() / (2 * h * h)) for a, b in pairs])

    within = [mean([(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (x, y)]
    assert np.isclose(ch07.squared_mmd(x, y, h), sum(within) - 2 * mean([(a, b) for a in x for b in y]))


def test_7_unbiased_for_few_samples():
    rng = np.random.default_rng(3)
    for shift in (0.0, 1.0):
        found = [ch07.squared_mmd(rng.normal(size=(8, 1)), rng.normal(shift, 1, size=(6, 1)), 1.0) for _ in range(3000)]
        # E k(a, b) of a - b ~ N(mu, 2) with bandwidth 1 is exp(-mu^2 / 6) / sqrt(3)
        exact = 2 * (1 - math.exp(-(shift**2) / 6)) / math.sqrt(3)
        assert abs(np.mean(found) - exact) < 4 * np.std(found) / math.sqrt(len(found))
        assert shift or min(found) < 0  # an unbiased estimate of 0


@pytest.mark.parametrize(("n", "m"), [(20_000, 20_000), (30_000, 5_000), (4_000, 40_000)])
def test_8_log_ratio_of_gaussians(n, m):
    rng = np.random.default_rng(n + m)
    ratio = ch07.log_density_ratio(rng.normal(0.5, 1.0, n), rng.normal(-0.2, 1.3, m))
    at = np.linspace(-1.5, 2, 8)
    assert np.allclose(ratio(at), P.logpdf(at) - Q.logpdf(at), atol=0.12)


def test_8_equal_distributions():
    rng = np.random.default_rng(4)
    ratio = ch07.log_density_ratio(rng.normal(size=20_000), rng.normal(size=5_000))
    assert np.abs(ratio(np.linspace(-1, 1, 5))).max() < 0.12
