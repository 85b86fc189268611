"""Tests of the exercises of chapter 11, evaluation."""

import math
import tracemalloc

import numpy as np
import pytest
from grade import answers
from scipy.spatial.distance import cdist

import tinygen as tg
from tinygen import evaluation
from tinygen.data import samplers

ch11 = answers("ch11")


def covariance(rng, D, rank=None):
    factor = rng.normal(size=(D, rank or D))
    return factor @ factor.T


def test_1_diagonal_covariances():
    s, t, mu = np.array([1.0, 2.0, 0.5]), np.array([1.5, 2.0, 0.1]), np.array([0.0, 1.0, 3.0])
    found = ch11.frechet(np.zeros(3), np.diag(s**2), mu, np.diag(t**2))
    assert np.isclose(found, (mu**2).sum() + ((s - t) ** 2).sum())


def test_1_symmetry_rotation_and_scale():
    rng = np.random.default_rng(0)
    p, q = ((rng.normal(size=5), covariance(rng, 5)) for _ in range(2))
    found = ch11.frechet(*p, *q)
    assert np.isclose(found, ch11.frechet(*q, *p))
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    (mu_p, cov_p), (mu_q, cov_q) = ((turn @ mu, turn @ S @ turn.T) for mu, S in (p, q))
    assert np.isclose(found, ch11.frechet(mu_p, cov_p, mu_q, cov_q))
    assert np.isclose(9 * found, ch11.frechet(3 * p[0], 9 * p[1], 3 * q[0], 9 * q[1]))
    assert abs(ch11.frechet(*p, *p)) < 1e-6


def test_1_singular_covariances():
    rng = np.random.default_rng(1)
    mu, S, T = np.zeros(6), covariance(rng, 6, 2), covariance(rng, 6, 3)
    with np.errstate(invalid="raise"):
        found = ch11.frechet(mu, S, mu, T)
    assert np.isclose(found, evaluation.frechet_distance(mu, S, mu, T), rtol=1e-6)


def test_2_double_loop():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(7, 3)) + 0.5

    def mean(pairs):
        return np.mean([(a @ b / 3 + 1) ** 3 for a, b in pairs])

    within = [mean([(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (x, y)]
    assert np.isclose(ch11.kid(x, y), sum(within) - 2 * mean([(a, b) for a in x for b in y]))


def test_2_unbiased_and_sensitive_to_third_moments():
    rng = np.random.default_rng(3)
    found = [ch11.kid(rng.normal(size=(6, 2)), rng.normal(size=(9, 2))) for _ in range(1500)]
    assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(len(found))
    skewed, normal = rng.exponential(size=(1500, 2)) - 1, rng.normal(size=(1500, 2))
    assert ch11.kid(skewed, normal) > 0.3
    signs = rng.choice([-1.0, 1.0], size=(1500, 2))
    assert abs(ch11.kid(signs, normal)) < 0.3


def test_3_standard_error_of_a_mean():
    rng = np.random.default_rng(4)
    x = rng.exponential(size=400)
    found = ch11.bootstrap_error(np.mean, x, 2000, rng)
    assert abs(found / (x.std() / math.sqrt(400)) - 1) < 0.1


def test_3_rows_stay_whole():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(50, 1)) * np.ones(3)  # equal columns
    assert ch11.bootstrap_error(lambda rows: float(np.ptp(rows, axis=1).max()), x, 20, rng) == 0
    sizes = []
    ch11.bootstrap_error(lambda rows: sizes.append(rows.shape) or float(len(np.unique(rows))), x, 50, rng)
    assert set(sizes) == {(50, 3)}


def test_4_points_on_a_line():
    data, samples = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.5], [3.5]])  # radii for k = 1: 1, 1, 2, 4
    density, coverage, _ = ch11.density_and_coverage(samples, data, k=1)
    assert density == 2  # 0.5 is in the balls of 0 and 1; 3.5 in those of 3 and 7
    assert coverage == 1
    density, coverage, _ = ch11.density_and_coverage(samples[:1], data, k=2)  # radii 3, 2, 3, 6
    assert np.isclose(density, 3 / 2)
    assert coverage == 3 / 4


@pytest.mark.parametrize(("M", "N", "k"), [(1, 10, 3), (30, 20, 1), (25, 40, 5)])
def test_4_expectations_of_equal_distributions(M, N, k):
    rng = np.random.default_rng(6)
    found = [ch11.density_and_coverage(rng.normal(size=(M, 3)), rng.normal(size=(N, 3)), k) for _ in range(400)]
    density, coverage, expected = np.transpose(found)
    assert abs(density.mean() - 1) < 4 * density.std() / math.sqrt(400)
    assert abs(coverage.mean() - expected[0]) < 4 * coverage.std() / math.sqrt(400)
    if k == 1:
        assert np.isclose(expected[0], M / (M + N - 1))
    if M == 1:
        assert np.isclose(expected[0], k / N)


def test_4_the_library_agrees():
    rng = np.random.default_rng(14)
    samples, data = 0.7 * rng.normal(size=(80, 4)), rng.normal(size=(120, 4))
    assert np.allclose(ch11.density_and_coverage(samples, data)[:2], evaluation.density_coverage(samples, data))


def test_5_theory_of_isotropic_gaussians():
    rng, D, s = np.random.default_rng(7), 10, 0.8
    x, test = s * rng.normal(size=(3000, D)), rng.normal(size=(30_000, D))
    estimate, slope = ch11.extrapolated_fid(x, test, [200, 300, 500, 1000, 3000], 8, rng)
    assert abs(estimate - D * (1 - s) ** 2) < 0.08
    assert abs(slope / (D * s**2 + s * D * (D + 1) / 4) - 1) < 0.35
    assert evaluation.calculate_fid_score(x[:200], test) > estimate


def test_5_one_size_twice_is_a_line_through_means():
    rng = np.random.default_rng(8)
    x, test = rng.normal(size=(40, 2)) + 1, rng.normal(size=(500, 2))
    estimate, slope = ch11.extrapolated_fid(x, test, [20, 40], 40, rng)
    assert np.isclose(estimate + slope / 40, evaluation.calculate_fid_score(x, test))  # all 40: every subset is x


def test_6_moments_are_equal_and_the_distribution_is_not():
    tg.manual_seed(0)
    test = samplers.ring(8, 1.0, 0.05)(3000).astype(float)
    found = ch11.moment_matched(test, 1000, np.random.default_rng(9))
    assert found.shape == (1000, 2)
    assert np.allclose(found.mean(axis=0), test.mean(axis=0))
    assert np.allclose(np.cov(found, rowvar=False), np.cov(test, rowvar=False))
    assert evaluation.calculate_fid_score(found, test) < 1e-8
    assert evaluation.calculate_fid_score(samplers.ring(8, 1.0, 0.05)(1000), test) > 1e-5  # right, and scored worse
    assert evaluation.mode_coverage(found, samplers.ring(8, 1.0, 0.05)).share < 0.3


def test_6_samples_are_random_and_gaussian():
    test = np.random.default_rng(10).exponential(size=(500, 3))
    first, second = (ch11.moment_matched(test, 4000, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.allclose(first, second)
    z = (first - first.mean(axis=0)) / first.std(axis=0)
    assert np.abs((z**3).mean(axis=0)).max() < 0.2  # those of the test set are near 2
    assert np.abs((z**4).mean(axis=0) - 3).max() < 0.5


def test_7_copies_are_found_that_fid_prefers():
    rng = np.random.default_rng(11)
    train, held_out = rng.normal(size=(2, 600, 1, 2, 3))
    wide = 1.2 * rng.normal(size=(600, 1, 2, 3))
    copies = train[rng.permutation(600)] + 0.05 * rng.normal(size=train.shape)
    flat = [x.reshape(len(x), -1) for x in (copies, wide, held_out)]
    assert evaluation.calculate_fid_score(flat[0], flat[2]) < evaluation.calculate_fid_score(flat[1], flat[2])
    score, deviations = ch11.memorisation_score(copies, train, held_out)
    assert score > 0.95
    assert deviations > 20
    assert ch11.memorisation_score(wide, train, held_out)[1] < -3  # farther than new images


def test_7_half_for_the_distribution_of_the_data():
    rng = np.random.default_rng(16)
    train = rng.normal(size=(50, 1, 1, 2))
    new = [
        ch11.memorisation_score(rng.normal(size=(30, 1, 1, 2)), train, rng.normal(size=(40, 1, 1, 2)))
        for _ in range(300)
    ]
    score, deviations = np.transpose(new)
    assert abs(score.mean() - 0.5) < 4 * score.std() / math.sqrt(300)
    assert abs(deviations.std() - 1) < 0.2


def test_7_ties_count_half():
    train = np.array([0.0, 10.0]).reshape(2, 1, 1, 1)
    samples, held_out = np.array([0.0, 1.0]).reshape(2, 1, 1, 1), np.array([1.0, 12.0, 9.0]).reshape(3, 1, 1, 1)
    score, deviations = ch11.memorisation_score(samples, train, held_out)  # distances 0, 1 and 1, 2, 1
    assert np.isclose(score, (3 + 0.5 + 1 + 0.5) / 6)
    assert np.isclose(deviations, (score - 0.5) / math.sqrt(6 / 72))
    assert np.isclose(ch11.memorisation_score(held_out, train, held_out)[0], 0.5)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_8_definition(k):
    rng = np.random.default_rng(12)
    data, samples = rng.normal(size=(300, 4)), 1.5 * rng.normal(size=(250, 4)) + 0.5

    def share(points, centres):
        radii = np.sort(cdist(centres, centres), axis=1)[:, k]
        return (cdist(points, centres) <= radii).any(axis=1).mean()

    assert np.allclose(ch11.precision_and_recall(data, samples, k), (share(samples, data), share(data, samples)))


def test_8_dropped_modes_and_blur():
    tg.manual_seed(0)
    ring, rng = samplers.ring(8), np.random.default_rng(13)
    data = ring(1600).astype(float)
    dropped = ring.centres[np.arange(1600) % 4] + ring.scale * rng.normal(size=(1600, 2))  # the first four modes
    precision, recall = ch11.precision_and_recall(data, dropped)
    assert precision > 0.9
    assert abs(recall - 0.5) < 0.1
    precision, _ = ch11.precision_and_recall(data, data + 0.3 * rng.normal(size=data.shape))
    assert precision < 0.6


def test_8_memory_is_bounded():
    rng = np.random.default_rng(15)
    data, samples = rng.normal(size=(8000, 3)), rng.normal(size=(500, 3))
    tracemalloc.start()
    precision, recall = ch11.precision_and_recall(data, samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert min(precision, recall) > 0.8
    assert peak < 200e6  # 8000 x 8000 numbers are 512 MB
