"""Grades the exercises of chapter 6."""

import math

import numpy as np
import pytest
from grade import answers
from scipy import special, stats

ch06 = answers("ch06")


def test_1_every_point_is_the_median_of_a_cell_of_equal_probability():
    grid = ch06.logistic_grid(10)
    assert grid.shape == (100, 2)
    assert stats.logistic.cdf(np.unique(grid[:, 0].round(9))) == pytest.approx((np.arange(10) + 0.5) / 10)


def test_1_the_points_are_in_the_order_of_a_picture():
    grid = ch06.logistic_grid(4).reshape(4, 4, 2)
    assert (np.diff(grid[..., 0], axis=1) > 0).all()
    assert (np.diff(grid[..., 1], axis=0) < 0).all()
    assert np.ptp(grid[..., 1], axis=1) == pytest.approx(0)
    assert grid == pytest.approx(-grid[::-1, ::-1])


def latents(count=3000, L=64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, L)), rng.normal(size=(count, L))


def test_2_the_interpolations_begin_and_end_at_the_two_latents():
    z0, z1 = latents(5)
    for spherical in (False, True):
        assert ch06.interpolate(z0, z1, 0.0, spherical) == pytest.approx(z0)
        assert ch06.interpolate(z0, z1, 1.0, spherical) == pytest.approx(z1)


def test_2_the_linear_one_is_straight_and_the_spherical_one_an_arc():
    z0, z1 = latents(5)
    assert ch06.interpolate(z0, z1, 0.3, False) == pytest.approx(0.7 * z0 + 0.3 * z1)
    unit0, unit1 = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (z0, z1))
    for alpha in (0.25, 0.5):
        z = ch06.interpolate(unit0, unit1, alpha, True)
        assert np.linalg.norm(z, axis=1) == pytest.approx(1)
        angles = [np.arccos((unit0 * other).sum(axis=1)) for other in (z, unit1)]
        assert angles[0] == pytest.approx(alpha * angles[1])


def test_2_the_norm_of_the_linear_one_is_that_of_samples():
    z0, z1 = latents()
    for alpha in (0.0, 0.2, 0.5):
        squares = (ch06.interpolate(z0, z1, alpha, False) ** 2).sum(axis=1)
        assert ch06.root_mean_square_norm(64, alpha) == pytest.approx(math.sqrt(squares.mean()), rel=0.02)
    assert ch06.root_mean_square_norm(50, 0.5) == pytest.approx(5)


def posteriors():
    rng = np.random.default_rng(1)
    scales = np.array([0.0, 1.2, 0.05, 0.5])
    return scales * rng.normal(size=(4000, 4)), np.log(np.array([1.0, 0.1, 0.2, 0.6])) * np.ones((4000, 1))


def test_3_latents_are_sorted_by_the_kl_and_counted_by_the_variance_of_the_mean():
    order, count = ch06.sort_latents(*posteriors())
    assert list(order) == [1, 2, 3, 0]  # the third has a large KL although its mean hardly varies
    assert count == 2
    assert ch06.sort_latents(*posteriors(), threshold=0.001)[1] == 3
    assert ch06.sort_latents(*posteriors(), threshold=0.5)[1] == 1


def test_3_a_constant_mean_is_not_active():
    mean, logvar = posteriors()
    order, count = ch06.sort_latents(mean + np.array([3.0, 0, 0, 0]), logvar)
    assert order[0] == 0
    assert count == 2


def test_4_one_neighbour_finds_the_points_themselves():
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(100, 5)), rng.integers(0, 7, 100)
    assert (ch06.nearest_neighbours(features, labels, features, 1, 7) == labels).all()


def test_4_more_neighbours_outvote_an_outlier_and_ties_go_to_the_smallest_class():
    features = np.array([[0.0], [0.3], [-0.4], [0.1], [9.0]])
    labels = np.array([2, 2, 2, 0, 1])
    queries = np.array([[0.11], [10.0]])
    assert list(ch06.nearest_neighbours(features, labels, queries, 1, 3)) == [0, 1]
    assert list(ch06.nearest_neighbours(features, labels, queries, 3, 3)) == [2, 0]  # 1, 2 and 0 have a vote each
    assert list(ch06.nearest_neighbours(features, labels, queries[:1], 2, 3)) == [0]


def test_4_it_classifies_clusters():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 600)
    features = 3.0 * np.eye(4)[labels] + rng.normal(size=(600, 4))
    found = ch06.nearest_neighbours(features[:500], labels[:500], features[500:], 15, 4)
    assert (found == labels[500:]).mean() > 0.85


def noise(N, L, S=200):
    return np.random.default_rng(4).normal(size=(S, N, L))


def test_5_a_collapsed_posterior_has_neither_information_nor_mismatch():
    zeros = np.zeros((6, 3))
    assert ch06.split_rate(zeros, zeros, noise(6, 3)) == pytest.approx((0, 0), abs=1e-9)


def test_5_posteriors_far_apart_tell_the_image():
    mean, logvar = np.array([[-30.0], [0.0], [30.0], [60.0]]), np.zeros((4, 1))
    information, mismatch = ch06.split_rate(mean, logvar, noise(4, 1))
    assert information == pytest.approx(math.log(4), abs=1e-6)
    assert information + mismatch == pytest.approx(0.5 * (mean**2).mean(), rel=0.02)


def test_5_equal_posteriors_hold_no_information_and_the_sum_is_the_rate():
    rng = np.random.default_rng(5)
    mean, logvar = np.full((5, 2), 1.5), np.full((5, 2), -1.0)
    assert ch06.split_rate(mean, logvar, noise(5, 2))[0] == pytest.approx(0, abs=1e-9)
    mean, logvar = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) - 1
    information, mismatch = ch06.split_rate(mean, logvar, noise(20, 2))
    rate = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).sum(axis=1).mean()
    assert information + mismatch == pytest.approx(rate, abs=0.1)
    assert 0 < information < math.log(20)


def m2_terms(N=5, K=4):
    rng = np.random.default_rng(6)
    log_likelihood, kl = -5 * rng.random((N, K)), 3 * rng.random((N, K))
    return log_likelihood, kl, special.log_softmax(rng.normal(size=(N, K)), axis=1)


def test_6_the_bounds_are_those_of_the_joint_model():
    """A model without z, of which both likelihoods are known: the gaps are 0 and KL(q(y|x) || p(y|x))."""
    log_p_x_given_y, _, log_q = m2_terms()
    bounds, marginal = ch06.m2_bounds(log_p_x_given_y, np.zeros((5, 4)), log_q)
    log_p_xy = log_p_x_given_y - math.log(4)
    assert bounds == pytest.approx(log_p_xy)
    log_p_x = special.logsumexp(log_p_xy, axis=1)
    gap = (np.exp(log_q) * (log_q - (log_p_xy - log_p_x[:, None]))).sum(axis=1)
    assert marginal == pytest.approx(log_p_x - gap)


def test_6_a_divergence_of_z_lowers_both_bounds():
    log_likelihood, kl, log_q = m2_terms()
    without, with_kl = (ch06.m2_bounds(log_likelihood, each, log_q) for each in (0 * kl, kl))
    assert without[0] - with_kl[0] == pytest.approx(kl)
    assert without[1] - with_kl[1] == pytest.approx((np.exp(log_q) * kl).sum(axis=1))


def test_6_no_other_classifier_has_a_larger_bound():
    log_likelihood, kl, log_q = m2_terms()
    bounds, marginal = ch06.m2_bounds(log_likelihood, kl, log_q)
    best = ch06.best_log_q(bounds)
    assert np.exp(best).sum(axis=1) == pytest.approx(1)
    largest = ch06.m2_bounds(log_likelihood, kl, best)[1]
    assert largest == pytest.approx(special.logsumexp(bounds, axis=1))
    assert (marginal < largest).all()
    assert np.isfinite(ch06.best_log_q(1000 * (bounds - 3))).all()


def test_6_the_gradient_by_the_logits_is_that_of_finite_differences():
    log_likelihood, kl, logits = m2_terms()
    logits = logits + 0.7
    bounds, _ = ch06.m2_bounds(log_likelihood, kl, logits)
    found = ch06.logit_gradient(bounds, logits)
    for k in range(4):
        step = 1e-5 * np.eye(4)[k]
        ends = [
            ch06.m2_bounds(log_likelihood, kl, special.log_softmax(logits + sign * step, axis=1))[1] for sign in (1, -1)
        ]
        assert found[:, k] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)
    assert ch06.logit_gradient(bounds, ch06.best_log_q(bounds)) == pytest.approx(0, abs=1e-9)


def data(N=500, D=6):
    rng = np.random.default_rng(7)
    return rng.normal(size=(N, 3)) @ rng.normal(size=(3, D)) + 0.3 * rng.normal(size=(N, D)) + rng.normal(size=D)


def mean_log_density(x, W, b, variance):
    return stats.multivariate_normal(b, W @ W.T + variance * np.eye(len(b))).logpdf(x).mean()


@pytest.mark.parametrize("L", [1, 3])
def test_7_the_model_is_the_maximum_of_the_likelihood(L):
    x = data()
    found = ch06.linear_vae(x, L)
    W, b, variance = found["W"], found["b"], float(found["variance"])
    assert W.shape == (6, L)
    best = mean_log_density(x, W, b, variance)
    rng = np.random.default_rng(8)
    for _ in range(20):
        assert mean_log_density(x, W + 0.05 * rng.normal(size=W.shape), b, variance) < best
        assert mean_log_density(x, W, b + 0.05 * rng.normal(size=6), variance) < best
    assert max(mean_log_density(x, W, b, factor * variance) for factor in (0.9, 1.1)) < best


def test_7_the_columns_are_principal_components_and_q_is_the_posterior():
    x, L = data(), 3
    found = ch06.linear_vae(x, L)
    W, product = found["W"], found["W"].T @ found["W"]
    assert product == pytest.approx(np.diag(np.diag(product)), abs=1e-9)
    assert (np.diff(np.diag(product)) < 0).all()
    components = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:L]
    cosines = np.abs((W / np.linalg.norm(W, axis=0)).T @ components.T)
    assert cosines == pytest.approx(np.eye(L), abs=1e-6)
    variance = float(found["variance"])
    precision = np.eye(L) + W.T @ W / variance
    assert np.diag(found["v"]) == pytest.approx(np.linalg.inv(precision), abs=1e-9)
    assert precision @ found["A"] == pytest.approx(W.T / variance)


def test_7_the_elbo_is_the_likelihood():
    x = data()
    found = ch06.linear_vae(x, 3)
    W, b, variance, v = found["W"], found["b"], float(found["variance"]), found["v"]
    mean = (x - b) @ found["A"].T
    squares = ((x - b - mean @ W.T) ** 2).sum(axis=1) + (W**2 @ v).sum()
    kl = 0.5 * (mean**2 + v - 1 - np.log(v)).sum(axis=1)
    elbo = -0.5 * (squares / variance + 6 * math.log(2 * math.pi * variance)) - kl
    assert elbo.mean() == pytest.approx(mean_log_density(x, W, b, variance))


@pytest.mark.parametrize("shape", [(2, 2), (7, 4), (5, 5)])
def test_8_the_rotated_posterior_has_independent_components(shape):
    W = np.random.default_rng(9).normal(size=shape)
    R = ch06.best_rotation(W)
    L = shape[1]
    product, precision = R.T @ R, np.eye(L) + (W @ R).T @ (W @ R) / 0.25
    assert product == pytest.approx(np.eye(L), abs=1e-9)
    assert precision == pytest.approx(np.diag(np.diag(precision)), abs=1e-9)


def test_8_the_gap_is_smaller_than_before_and_zero():
    W = np.array([[1.0, 0.7], [0.0, 1.0]])

    def gap(V):
        P = np.eye(2) + V.T @ V / 0.25
        return 0.5 * (np.log(np.diag(P)).sum() - np.linalg.slogdet(P)[1])

    assert gap(W) > 0.1
    assert gap(W @ ch06.best_rotation(W)) == pytest.approx(0, abs=1e-9)
