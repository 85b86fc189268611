"""The standard error of a distance against the spread of many, and the line to infinitely many samples."""

import math
import warnings

import numpy as np
import pytest

import tinygen as tg
from tinygen.evaluation import calculate_fid_score, fid_infinity, fid_standard_error, frechet_distance

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


SIGMA = np.linspace(0.5, 1.5, 6)  # of the test set; the samples are wider and have moved
SHIFT, SCALE = 0.2, 1.3


def samples(numbers, N):
    return SHIFT + SCALE * SIGMA * numbers.normal(size=(N, 6))


@pytest.fixture
def test_set(numbers):
    """Features whose mean is 0 and whose covariance is diag(SIGMA^2), exactly."""
    white = numbers.normal(size=(2000, 6))
    white -= white.mean(0)
    root = np.linalg.cholesky(np.cov(white, rowvar=False))
    return SIGMA * np.linalg.solve(root, white.T).T


TRUTH = 6 * SHIFT**2 + ((SCALE - 1) ** 2 * SIGMA**2).sum()


def test_the_standard_error_is_the_spread_of_scores_over_new_samples(numbers, test_set):
    draws = [samples(numbers, 150) for _ in range(200)]
    spread = np.std([calculate_fid_score(x, test_set) for x in draws], ddof=1)
    for replace in (False, True):
        found = np.mean([fid_standard_error(x, test_set, resamples=60, replace=replace) for x in draws[:40]])
        assert found == pytest.approx(spread, rel=0.3), replace  # 5 % of sampling error in either


def test_the_usual_bootstrap_is_too_wide_for_as_many_images_as_features(numbers):
    test = numbers.normal(size=(500, 24))
    draws = [1.2 * numbers.normal(size=(25, 24)) for _ in range(100)]
    spread = np.std([calculate_fid_score(x, test) for x in draws], ddof=1)
    without, usual = (
        np.mean([fid_standard_error(x, test, resamples=40, replace=replace) for x in draws[:20]])
        for replace in (False, True)
    )
    assert without == pytest.approx(spread, rel=0.4)
    assert usual > 2 * spread


def test_the_line_leads_closer_to_the_truth_than_the_score_of_all_samples(numbers, test_set):
    fits, scores = [], []
    for _ in range(40):
        x = samples(numbers, 200)
        fits.append(fid_infinity(x, test_set, resamples=20))
        scores.append(calculate_fid_score(x, test_set))
    estimates = [fit.estimate for fit in fits]
    error = np.std(estimates, ddof=1) / math.sqrt(40)
    bias = np.mean([fit.slope for fit in fits]) / 200
    assert abs(np.mean(estimates) - TRUTH) < 3 * error + 0.1 * bias
    assert np.mean(scores) - TRUTH > bias / 2 > 2 * error
    assert np.mean([fit.standard_error for fit in fits]) == pytest.approx(np.std(estimates, ddof=1), rel=0.4)


def test_the_slope_is_that_of_the_bias(numbers):
    """For samples of an isotropic Gaussian against the truth: tr(S) (1 + (D + 1) / 4)."""
    D = 6
    white = numbers.normal(size=(3000, D))
    white -= white.mean(0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(white, rowvar=False)), white.T).T
    slopes = [fid_infinity(numbers.normal(size=(1000, D)), white, shuffles=2, resamples=2).slope for _ in range(30)]
    error = np.std(slopes, ddof=1) / math.sqrt(30)
    assert np.mean(slopes) == pytest.approx(D * (1 + (D + 1) / 4), abs=4 * error)


def test_a_fit_holds_what_its_line_is_drawn_from(numbers, test_set):
    x = samples(numbers, 300)
    fit = fid_infinity(x, test_set, sizes=8, smallest=60, shuffles=3, resamples=5)
    np.testing.assert_array_equal(fit.sizes, [60, 94, 129, 163, 197, 231, 266, 300])
    slope, intercept = np.polyfit(1 / fit.sizes, fit.scores, 1)
    assert (fit.estimate, fit.slope) == pytest.approx((intercept, slope), rel=1e-9)
    assert fit.scores[-1] == pytest.approx(calculate_fid_score(x, test_set), rel=1e-9)  # all of them, by the other form
    assert fit.scores[0] > fit.scores[-1]


def test_the_symmetric_form_is_the_distance_with_fewer_images_than_features_too(numbers):
    x, y = numbers.normal(size=(40, 60)), 2 * numbers.normal(size=(50, 60))
    with pytest.warns(UserWarning, match="fid_infinity: the smallest subset has 20 images for 60 features"):
        fit = fid_infinity(x, y, sizes=2, shuffles=2, resamples=2)
    moments = [part for each in (x, y) for part in (each.mean(0), np.cov(each, rowvar=False))]
    assert fit.scores[-1] == pytest.approx(frechet_distance(*moments), rel=1e-6)


def test_unless_told_no_subset_has_fewer_than_twice_as_many_images_as_features(numbers, test_set):
    for count, smallest in ((300, 30), (60, 12), (20, 10)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit = fid_infinity(samples(numbers, count), test_set, shuffles=2, resamples=2)
        assert (fit.sizes[0], fit.sizes[-1], len(fit.sizes)) == (smallest, count, 15)


def test_equal_seeds_give_equal_numbers_and_others_differ(numbers, test_set):
    x = samples(numbers, 100)

    def found(seed):
        tg.manual_seed(seed)
        fit = fid_infinity(iter(x), iter(test_set), shuffles=2, resamples=3)
        return fit.estimate, fit.standard_error, fid_standard_error(iter(x), iter(test_set), resamples=3)

    assert found(1) == found(1)
    assert not set(found(1)) & set(found(2))


def test_what_can_not_be_drawn_is_refused(numbers, test_set):
    x = samples(numbers, 50)
    with pytest.raises(ValueError, match="fid_standard_error: resamples must be a whole number from 2, got 1"):
        fid_standard_error(x, test_set, resamples=1)
    with pytest.raises(ValueError, match="sample_features expects the features of 5 images or more, got 4"):
        fid_standard_error(x[:4], test_set)
    with pytest.raises(ValueError, match=r"^fid_infinity: smallest must be below the number of samples, got 50 of 50$"):
        fid_infinity(x, test_set, smallest=50)
    for wrong in ("smallest", "sizes", "shuffles", "resamples"):
        with pytest.raises(ValueError, match=f"^fid_infinity: {wrong} must be a whole number from 2.*, got 1$"):
            fid_infinity(x, test_set, **{wrong: 1})
    with pytest.raises(ValueError, match="fid_infinity: sample_features and test_features expect as many features"):
        fid_infinity(x, test_set[:, 1:])
