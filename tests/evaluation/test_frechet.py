"""The Fréchet distance against closed forms, against a nuclear norm that needs no root, and where numbers fail."""

import math
import re
import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import tinygen as tg
from tinygen.evaluation import calculate_fid_score, features, frechet, frechet_distance


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


def correlated(numbers, N, D, scale=1.0, offset=0.0):
    return numbers.normal(size=(N, D)) @ numbers.normal(size=(D, D)) * scale / math.sqrt(D) + offset


def by_nuclear_norm(x, y):
    """The distance of two sets, with tr (S_x S_y)^(1/2) as the sum of the singular values of X Y^T / sqrt((m-1)(n-1)),
    X and Y less their means: no product of covariances is ever formed."""
    a, b = x - x.mean(0), y - y.mean(0)
    a, b = a / math.sqrt(len(a) - 1), b / math.sqrt(len(b) - 1)
    delta = x.mean(0) - y.mean(0)
    return delta @ delta + (a * a).sum() + (b * b).sum() - 2 * np.linalg.norm(a @ b.T, "nuc")


# Closed forms --------------------------------------------------------------------------------------------------------


def test_gaussians_with_diagonal_covariances_are_apart_by_means_and_deviations(numbers):
    mu_p, mu_q = numbers.normal(size=(2, 6))
    sigma_p, sigma_q = numbers.uniform(0.1, 3, (2, 6))
    expected = ((mu_p - mu_q) ** 2).sum() + ((sigma_p - sigma_q) ** 2).sum()
    assert frechet_distance(mu_p, np.diag(sigma_p**2), mu_q, np.diag(sigma_q**2)) == pytest.approx(expected, rel=1e-12)


def test_covariances_with_the_same_axes_are_apart_by_their_deviations(numbers):
    axes, _ = np.linalg.qr(numbers.normal(size=(6, 6)))
    sigma_p, sigma_q = numbers.uniform(0.1, 3, (2, 6))
    cov_p, cov_q = (axes * sigma**2 @ axes.T for sigma in (sigma_p, sigma_q))
    expected = ((sigma_p - sigma_q) ** 2).sum()
    assert frechet_distance(np.zeros(6), cov_p, np.zeros(6), cov_q) == pytest.approx(expected, rel=1e-10)


def test_a_shift_of_all_features_adds_its_square(numbers):
    x, shift = correlated(numbers, 300, 5), np.array([3.0, 0.0, -1.0, 0.5, 0.0])
    assert calculate_fid_score(x, x + shift) == pytest.approx(shift @ shift, rel=1e-9)


def test_a_factor_on_all_features_counts_the_variance_that_it_adds(numbers):
    x = correlated(numbers, 300, 5)
    x -= x.mean(0)
    assert calculate_fid_score(x, 3 * x) == pytest.approx(4 * np.cov(x, rowvar=False).trace(), rel=1e-9)


def test_one_feature_is_a_case_like_any_other(numbers):
    x, y = numbers.normal(1.0, 2.0, 50), numbers.normal(-1.0, 0.5, 70)
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert calculate_fid_score(x[:, None], y[:, None]) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(x.mean(), np.cov(x), y.mean(), np.cov(y)) == pytest.approx(expected, rel=1e-12)


def test_numbers_of_any_kind_do_for_one_feature():
    assert frechet_distance(1, 4, 3.0, 9.0) == pytest.approx(4 + 1)


def test_equal_sets_are_at_distance_nought_and_nothing_is_below(numbers):
    x = correlated(numbers, 300, 20, offset=5.0)
    assert 0 <= calculate_fid_score(x, x) < 1e-9
    assert 0 <= calculate_fid_score(x, x[::-1].copy()) < 1e-9
    few = x[:10]
    with pytest.warns(UserWarning, match="10 images for 20 features"):
        assert 0 <= calculate_fid_score(few, few) < 1e-6


def test_the_distance_is_symmetric(numbers):
    x, y = correlated(numbers, 200, 8), correlated(numbers, 100, 8, 2.0)
    assert calculate_fid_score(x, y) == pytest.approx(calculate_fid_score(y, x), rel=1e-10)


def test_the_distance_has_the_square_of_the_unit_of_the_features(numbers):
    x, y = correlated(numbers, 200, 8), correlated(numbers, 100, 8, 2.0)
    for unit in (1e-6, 1e6):
        assert calculate_fid_score(unit * x, unit * y) == pytest.approx(unit**2 * calculate_fid_score(x, y), rel=1e-9)


# A second route ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("M", "N"), [(200, 300), (40, 300), (300, 40), (20, 30), (2, 2)], ids=str)
def test_the_distance_is_that_by_the_nuclear_norm_with_more_and_with_fewer_images_than_features(numbers, M, N):
    x, y = correlated(numbers, M, 64), correlated(numbers, N, 64, 1.5, offset=1.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = calculate_fid_score(x, y)
    assert found == pytest.approx(by_nuclear_norm(x, y), rel=1e-6)
    assert len(caught) == (M <= 64) + (N <= 64)  # no other warning than that there are few


def test_features_that_never_move_are_no_obstacle(numbers):
    x, y = correlated(numbers, 200, 12), correlated(numbers, 100, 12, 2.0)
    x[:, :4], y[:, 2:6] = 1.0, 0.5  # a network's dead units
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert calculate_fid_score(x, y) == pytest.approx(by_nuclear_norm(x, y), rel=1e-7)
        assert calculate_fid_score(np.ones((9, 3)), np.zeros((9, 3))) == 3


def test_the_bias_of_few_samples_is_that_of_theory(numbers):
    """N samples of N(0, s^2 I) against the truth: D s^2 (1/N + (D + 1) / (4 N)) on average, to leading order."""
    D, N, s, repeats = 10, 1000, 1.5, 200
    scores = []
    for _ in range(repeats):
        x = s * numbers.normal(size=(N, D))
        scores.append(frechet_distance(x.mean(0), np.cov(x, rowvar=False), np.zeros(D), s**2 * np.eye(D)))
    expected = D * s**2 * (1 / N + (D + 1) / (4 * N))
    error = np.std(scores, ddof=1) / math.sqrt(repeats)
    assert abs(np.mean(scores) - expected) < 4 * error + expected * D / N  # the next order has one more D / N
    assert error < 0.03 * expected


# How features come ---------------------------------------------------------------------------------------------------


def test_it_makes_no_difference_how_features_come(numbers):
    x, y = correlated(numbers, 2500, 6), correlated(numbers, 1500, 6, 2.0)
    expected = calculate_fid_score(x, y)
    cuts = [0, 1, 3, 1000, 1024, 1025, 2400, 2500]
    inputs = {
        "vectors": iter(x),
        "batches": (x[first : first + 64] for first in range(0, 2500, 64)),
        "batches of all sizes": (x[a:b] for a, b in pairwise(cuts)),
        "an empty batch among them": [x[:5], x[:0], x[5:]],
        "a list of lists": x.tolist(),
        "tensors": (tg.tensor(x[first : first + 100], requires_grad=True) for first in range(0, 2500, 100)),
        "one tensor": tg.tensor(x),
        "transposed": np.asfortranarray(x),
    }
    for kind, given in inputs.items():
        assert calculate_fid_score(given, y) == expected, kind


def test_moments_in_one_pass_are_those_of_all_features_at_once(numbers):
    x = correlated(numbers, 3 * features.BLOCK + 100, 7, offset=1e6)  # a mean of squares would keep four digits
    found = features.moments("x", (row for row in x))
    assert found.images == len(x)
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=1e-9, atol=1e-9)


def test_features_in_low_precision_are_counted_in_float64(numbers):
    x = (1000 + numbers.normal(size=(5000, 3))).astype("float32")
    y = x + np.float32(0.5)
    assert calculate_fid_score(x, y) == pytest.approx(calculate_fid_score(x.astype("d"), y.astype("d")), rel=1e-12)
    halves = numbers.normal(size=(100, 3)).astype("float16")
    assert calculate_fid_score(halves, 2 * halves) == calculate_fid_score(halves.astype("d"), 2.0 * halves.astype("d"))


def test_the_caller_s_features_stay_as_they_are(numbers):
    x = correlated(numbers, features.BLOCK, 3)
    before = x.copy()
    calculate_fid_score(x, [x])
    np.testing.assert_array_equal(x, before)


def test_memory_does_not_grow_with_the_number_of_images(numbers):
    batch = numbers.normal(size=(500, 32))

    def peak(batches):
        tracemalloc.start()
        try:
            calculate_fid_score((batch + i for i in range(batches)), batch)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(5)
    assert peak(200) < 1.2 * peak(5)


def test_features_may_lie_on_a_gpu(gpu, numbers):
    x, y = numbers.normal(size=(2, 40, 3))
    on_gpu = (tg.tensor(part).to(gpu) for part in (x[:15], x[15:]))
    assert calculate_fid_score(on_gpu, y) == calculate_fid_score(x, y)


# What is refused, and what is warned of ------------------------------------------------------------------------------


def test_fewer_images_than_features_are_warned_of_where_the_user_called(numbers):
    few, many = numbers.normal(size=(8, 8)), numbers.normal(size=(9, 8))
    with pytest.warns(UserWarning, match="test_features has 8 images for 8 features: .* compare it with") as caught:
        calculate_fid_score(many, few)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match="sample_features has 8 images for 8 features"):
        calculate_fid_score(few, many)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_feature_that_is_no_number_is_named(numbers, value):
    good, bad = numbers.normal(size=(2000, 3)), numbers.normal(size=(2000, 3))
    bad[1700, 2] = value
    message = f"calculate_fid_score: test_features expects finite numbers, got {value} as feature 2 of image 1700"
    with pytest.raises(ValueError, match=re.escape(message)):
        calculate_fid_score(good, iter(bad))
    with pytest.raises(ValueError, match="sample_features expects finite numbers"):
        calculate_fid_score([bad], good)


def test_features_of_other_shapes_and_kinds_are_refused(numbers):
    good = numbers.normal(size=(20, 3))
    for bad in ([good[None]], [good.astype(complex)], [["a", "b"]], [1.0, 2.0], [np.zeros((4, 0))]):
        with pytest.raises(ValueError, match=r"sample_features expects vectors \(D,\) or batches \(B, D\) of real"):
            calculate_fid_score(bad, good)
    with pytest.raises(TypeError, match="test_features must be an iterable, got int 3"):
        calculate_fid_score(good, 3)
    with pytest.raises(ValueError, match="sample_features expects 3 features per image, as before, got 4"):
        calculate_fid_score([good, np.zeros(4)], good)
    with pytest.raises(ValueError, match="test_features expect as many features per image, got 3 a"):
        calculate_fid_score(good, np.zeros((20, 4)))
    for count in (0, 1):
        with pytest.raises(ValueError, match=f"sample_features expects the features of 2 images or more, got {count}"):
            calculate_fid_score(good[:count], good)


def test_gaussians_that_are_none_are_refused():
    eye, mu = np.eye(2), np.zeros(2)
    with pytest.raises(ValueError, match=r"expects mu_q \(D,\) and cov_q \(D, D\), got \(2,\) and \(3, 3\)"):
        frechet_distance(mu, eye, mu, np.eye(3))
    with pytest.raises(ValueError, match="p has 2 features and q 3"):
        frechet_distance(mu, eye, np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="cov_p expects finite numbers"):
        frechet_distance(mu, eye * math.nan, mu, eye)
    with pytest.raises(ValueError, match="mu_q expects finite numbers"):
        frechet_distance(mu, eye, mu + math.inf, eye)
    for wrong in ([[1.0, 0.5], [0.0, 1.0]], -eye, [[1.0, 2.0], [2.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]):
        with pytest.raises(ValueError, match="cov_q expects a covariance: symmetric, with no negative variance and no"):
            frechet_distance(mu, eye, mu, np.array(wrong))


def test_an_imaginary_part_larger_than_rounding_errors_is_refused():
    indefinite = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])  # eigenvalues 1.9, 1.9 and -0.8
    with pytest.raises(ValueError, match="imaginary part is larger than rounding errors"):
        frechet_distance(np.zeros(3), indefinite, np.zeros(3), np.eye(3))


def test_an_offset_is_added_only_where_the_root_is_not_finite_and_said(monkeypatch):
    sqrtm, calls = frechet.sqrtm, []

    def fails_at_first(product):
        calls.append(product)
        return np.full_like(product, np.nan) if len(calls) == 1 else sqrtm(product)

    monkeypatch.setattr(frechet, "sqrtm", fails_at_first)
    cov_p, cov_q = np.diag([2.0, 6.0]), np.diag([1.0, 3.0])
    with pytest.warns(UserWarning, match="not finite; computed again with 1e-06 of its mean added") as caught:
        found = frechet_distance(np.zeros(2), cov_p, np.zeros(2), cov_q)
    assert [warning.filename for warning in caught] == [__file__]
    assert len(calls) == 2
    np.testing.assert_allclose(calls[1], (cov_p + 4e-6 * np.eye(2)) @ (cov_q + 2e-6 * np.eye(2)) / (8 * 4))
    assert found == pytest.approx((math.sqrt(2) - 1) ** 2 + (math.sqrt(6) - math.sqrt(3)) ** 2, rel=1e-4)

    monkeypatch.setattr(frechet, "sqrtm", lambda product: np.full_like(product, np.inf))
    with pytest.warns(UserWarning, match="computed again"), pytest.raises(ValueError, match="no finite root"):
        frechet_distance(np.zeros(2), cov_p, np.zeros(2), cov_q)


def test_the_root_is_taken_in_one_thread_and_with_one_argument(monkeypatch, numbers):
    seen = []

    def sqrtm(*arguments, **options):
        seen.append(
            (
                {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"},
                len(arguments),
                options,
            )
        )
        return np.eye(3)

    monkeypatch.setattr(frechet, "sqrtm", sqrtm)
    calculate_fid_score(numbers.normal(size=(10, 3)), numbers.normal(size=(10, 3)))
    assert seen == [({1}, 1, {})]


@pytest.mark.parametrize("scale", [1e-100, 1e-8, 1.0, 1e8, 1e100])
def test_the_distance_scales_with_the_square_of_the_features(scale):
    """Products of covariances below the smallest or above the largest number are never formed."""
    numbers = np.random.default_rng(3).normal(size=(2, 50, 4)) * [[[1.0]], [[2.0]]]
    expected = calculate_fid_score(numbers[0], numbers[1])
    found = calculate_fid_score(numbers[0] * scale, numbers[1] * scale)
    assert found / scale / scale == pytest.approx(expected, rel=1e-9)


def test_the_distance_of_two_tiny_gaussians_is_their_closed_form():
    assert frechet_distance(0.0, 1e-170, 0.0, 4e-170) == pytest.approx(1e-170, rel=1e-9)
