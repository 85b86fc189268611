"""The kernel distance against its definition, one pair at a time, without bias, with the right standard error."""

import math

import numpy as np
import pytest

import tinygen as tg
from tinygen import evaluation
from tinygen.evaluation import calculate_kid_score, kid

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


def kernel(x, y):
    return (x @ y / len(x) + 1) ** 3


def test_an_estimate_is_its_definition_pair_by_pair(numbers, monkeypatch):
    x, y = numbers.normal(size=(7, 3)), numbers.normal(0.5, 2.0, size=(5, 3))
    within = [[kernel(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j] for s in (x, y)]
    expected = np.mean(within[0]) + np.mean(within[1]) - 2 * np.mean([kernel(a, b) for a in x for b in y])
    assert kid._squared_discrepancy(x, y) == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(kid, "BLOCK", 3)
    assert kid._squared_discrepancy(x, y) == pytest.approx(expected, rel=1e-12)


def test_the_expectation_of_one_feature_has_a_closed_form(numbers):
    """(x y + 1)^3 = 1 + 3 x y + 3 x^2 y^2 + x^3 y^3, so the discrepancy is the sum of the squared differences of the
    first three moments, three times for the first two: for N(m, s^2) these are m, m^2 + s^2, m^3 + 3 m s^2."""
    m, s = 0.3, 1.4
    expected = 3 * m**2 + 3 * (m**2 + s**2 - 1) ** 2 + (m**3 + 3 * m * s**2) ** 2
    found, error = calculate_kid_score(numbers.normal(m, s, (20_000, 1)), numbers.normal(size=(20_000, 1)), blocks=20)
    assert found == pytest.approx(expected, abs=4 * error)
    assert error < 0.1 * expected


def test_equal_distributions_score_nought_on_average_and_below_it_often(numbers):
    scores, errors = zip(
        *(calculate_kid_score(*numbers.normal(size=(2, 60, 8)), blocks=4) for _ in range(300)), strict=True
    )
    spread = np.std(scores, ddof=1)
    assert abs(np.mean(scores)) < 4 * spread / math.sqrt(300)
    assert 60 < (np.array(scores) < 0).sum() < 240
    assert math.sqrt(np.mean(np.square(errors))) == pytest.approx(spread, rel=0.25)


def test_the_standard_error_is_the_spread_of_scores_over_new_samples(numbers):
    found = [
        calculate_kid_score(1.3 * numbers.normal(size=(100, 4)) + 0.2, numbers.normal(size=(80, 4)), blocks=5)
        for _ in range(200)
    ]
    scores, errors = np.array(found).T
    assert math.sqrt(np.mean(errors**2)) == pytest.approx(scores.std(ddof=1), rel=0.25)


def test_it_makes_no_difference_how_features_come(numbers):
    x, y = numbers.normal(size=(2, 50, 3))

    def found(x, y):
        tg.manual_seed(0)
        return calculate_kid_score(x, y, blocks=5)

    assert found(iter(x), (tg.tensor(y[i : i + 7]) for i in range(0, 50, 7))) == found(x, y)
    assert found(x[:, ::-1], y[:, ::-1]) == pytest.approx(found(x, y))


def test_an_outlier_moves_one_block_and_shows_in_the_error(numbers):
    x, y = numbers.normal(size=(2, 100, 3))
    _, before = calculate_kid_score(x, y, blocks=5)
    x[17] = 30.0
    found, error = calculate_kid_score(x, y, blocks=5)
    assert error > 100 * before
    assert found < 3 * error


def test_what_can_not_be_cut_is_refused(numbers):
    x, y = numbers.normal(size=(2, 19, 3))
    with pytest.raises(ValueError, match="calculate_kid_score: blocks must be a whole number from 2, got 1"):
        calculate_kid_score(x, y, blocks=1)
    with pytest.raises(ValueError, match="sample_features expects the features of 20 images or more, got 19"):
        calculate_kid_score(x, y)
    with pytest.raises(ValueError, match="expect as many features per image, got 3 and 2"):
        calculate_kid_score(x, y[:, :2], blocks=3)
    y[4, 1] = math.nan
    with pytest.raises(ValueError, match="test_features expects finite numbers, got nan as feature 1 of image 4"):
        calculate_kid_score(x, y, blocks=3)


def test_how_many_blocks_there_are_is_known_before_the_images_are():
    assert [evaluation.kid_blocks(n, m) for n, m in ((4, 9), (7, 100), (100, 7), (20, 20), (10_000, 26_032))] == [
        2,
        3,
        3,
        10,
        10,
    ]
    for few in ((3, 100), (100, 3), (0, 0)):
        with pytest.raises(
            ValueError, match=r"^kid_blocks: the kernel distance needs 4 samples and 4 test images, got"
        ):
            evaluation.kid_blocks(*few)


def test_features_whose_kernel_overflows_are_refused():
    features = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ValueError, match="the cubic kernel of these features overflows"), np.errstate(all="ignore"):
        calculate_kid_score(features * 1e60, features)
