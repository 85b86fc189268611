"""Precision, recall, density, coverage and memorisation against their definitions, closed forms and extremes."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import tinygen as tg
from tinygen.evaluation import density_coverage, memorisation, neighbours, precision_recall


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


def four_metrics(samples, test, k):
    return (*precision_recall(samples, test, k), *density_coverage(samples, test, k))


def by_definition(samples, test, k):
    """Precision, recall, density and coverage from full matrices of distances."""
    sample_radii, test_radii = (np.sort(cdist(x, x), axis=1)[:, k] for x in (samples, test))
    inside, around = cdist(samples, test) <= test_radii, cdist(test, samples) <= sample_radii
    return inside.any(axis=1).mean(), around.any(axis=1).mean(), inside.sum() / (k * len(samples)), inside.any(0).mean()


def expected_coverage(M, N, k):
    return 1 - math.prod((N - i) / (M + N - i) for i in range(1, k + 1))


# Definitions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [1, 50, neighbours.TILE])
@pytest.mark.parametrize(
    ("M", "N", "D", "k"), [(30, 40, 3, 3), (41, 17, 1, 5), (4, 60, 2, 3), (50, 2, 7, 1), (6, 6, 4, 5)]
)
def test_the_four_metrics_are_their_definitions(numbers, M, N, D, k, tile, monkeypatch):
    monkeypatch.setattr(neighbours, "TILE", tile)
    samples, test = numbers.normal(0.5, 1.3, (M, D)), numbers.normal(size=(N, D))
    np.testing.assert_allclose(four_metrics(samples, test, k), by_definition(samples, test, k), rtol=1e-12)


@pytest.mark.parametrize("tile", [1, 50, neighbours.TILE])
@pytest.mark.parametrize(("M", "N", "T", "D"), [(30, 20, 40, 3), (1, 1, 1, 1), (7, 90, 2, 5)])
def test_memorisation_counts_pairs_of_a_sample_and_a_test_image(numbers, M, N, T, D, tile, monkeypatch):
    monkeypatch.setattr(neighbours, "TILE", tile)
    samples, test, training = (numbers.normal(size=(n, D)) for n in (M, N, T))
    of_samples, of_test = (cdist(x, training).min(axis=1) for x in (samples, test))
    found, error = memorisation(samples, test, training)
    assert found == pytest.approx(np.mean(of_samples[:, None] < of_test), rel=1e-12)
    assert error == pytest.approx(math.sqrt((M + N + 1) / (12 * M * N)), rel=1e-12)


def test_features_are_iterators_of_batches_or_tensors_too(numbers):
    x, y, t = numbers.normal(size=(3, 50, 4))

    def batches(features):
        return (tg.tensor(features[i : i + 7]) for i in range(0, 50, 7))

    assert precision_recall(batches(x), iter(y)) == precision_recall(x, y)
    assert density_coverage(batches(x), iter(y)) == density_coverage(x, y)
    assert memorisation(batches(x), iter(y), batches(t)) == memorisation(x, y, t)


# Closed forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("M", "N", "D", "k"), [(25, 40, 3, 5), (40, 25, 2, 1), (9, 6, 5, 5)])
def test_equal_distributions_have_density_1_and_the_expected_coverage(numbers, M, N, D, k):
    found = [density_coverage(numbers.normal(size=(M, D)), numbers.normal(size=(N, D)), k) for _ in range(600)]
    standard_errors = np.std(found, axis=0, ddof=1) / math.sqrt(len(found))
    deviations = (np.mean(found, axis=0) - (1, expected_coverage(M, N, k))) / standard_errors
    assert np.abs(deviations).max() < 4
    assert standard_errors.max() < 0.03


@pytest.mark.parametrize("training", [1, 200])
def test_equal_distributions_have_memorisation_one_half_with_the_standard_error(numbers, training):
    one_training_set = numbers.normal(size=(training, 3))
    scores, errors = np.transpose(
        [memorisation(*numbers.normal(size=(2, 40, 3)), one_training_set) for _ in range(500)]
    )
    assert abs(scores.mean() - 0.5) < 4 * errors[0] / math.sqrt(500)
    assert scores.std(ddof=1) == pytest.approx(errors[0], rel=4 / math.sqrt(2 * 500))


@pytest.mark.parametrize("s", [0.3, 1.0, 2.0])
def test_memorisation_of_gaussians_around_one_training_image(numbers, s):
    """For standard normal x and y, P(s |x| < |y|) is the part of a quarter of a circle with tan(angle) < 1 / s."""
    found, error = memorisation(s * numbers.normal(size=(4000, 1)), numbers.normal(size=(4000, 1)), np.zeros((1, 1)))
    assert found == pytest.approx(2 / math.pi * math.atan(1 / s), abs=4 * error)


def test_half_of_an_interval_covers_half_of_it(numbers):
    """M samples on the left half and N test points on both halves, M = N: a point on the left is not covered if its
    first k neighbours are test points, one of three points there; recall is 1/2 but for a ball at the border."""
    M, k = 3000, 3
    samples, test = numbers.uniform(0, 0.5, (M, 1)), numbers.uniform(0, 1, (M, 1))
    _, coverage = density_coverage(samples, test, k)
    precision, recall = precision_recall(samples, test, k)
    expected = (1 - 3.0**-k) / 2
    assert coverage == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / M))
    assert recall == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / M))
    assert precision > 0.9


# Extremes ------------------------------------------------------------------------------------------------------------


def test_disjoint_sets_score_0(numbers):
    samples, test, training = numbers.normal(size=(3, 40, 3)) + np.array([100, 0, 0])[:, None, None]
    assert four_metrics(samples, test, 3) == (0, 0, 0, 0)
    assert memorisation(samples, test, training)[0] == 0


def test_copies_of_training_images_are_found_by_memorisation_alone(numbers):
    training, test = numbers.normal(size=(400, 3)), numbers.normal(size=(300, 3))
    copies = training[:300]
    assert memorisation(copies, test, training)[0] == 1
    assert memorisation(copies + 1e-5 * numbers.normal(size=copies.shape), test, training)[0] > 0.99
    new = [four_metrics(numbers.normal(size=(300, 3)), test, 5) for _ in range(60)]
    deviations = (np.array(four_metrics(copies, test, 5)) - np.mean(new, axis=0)) / np.std(new, axis=0)
    assert np.abs(deviations).max() < 4


def test_half_of_copies_is_half_of_the_deviation(numbers):
    training, test, new = numbers.normal(size=(3, 1000, 2))
    found, error = memorisation(np.concatenate([training[:500], new[:500]]), test, training)
    assert found == pytest.approx(0.75, abs=4 * error)


def test_a_leaked_test_set_ties_with_copies(numbers):
    """Distances are 0 in both sets, although |x|^2 - 2 x.y + |y|^2 rounds differently for each."""
    training = 1e3 * numbers.normal(size=(50, 30)) + 1e4
    assert memorisation(training[:20], training[20:], training)[0] == 0.5


def test_the_set_itself_is_precise_and_recalled(numbers):
    test = numbers.normal(size=(60, 5))
    precision, recall, density, coverage = four_metrics(test, test.copy(), 4)
    assert (precision, recall, coverage) == (1, 1, 1)
    assert density == pytest.approx(5 / 4, abs=1 / 4 + 1e-9)  # the image itself and its 4 neighbours, one at the radius


def test_a_ball_of_duplicates_contains_copies_only(numbers):
    test = np.repeat(numbers.normal(size=(8, 4)) * 1e3 + 1e5, 4, axis=0)  # each four times: radii of 0 for k = 3
    copies, others = test[::4], test[::4] + 0.1
    assert four_metrics(copies.repeat(4, axis=0), test, 3) == (1, 1, 4 / 3, 1)
    assert density_coverage(others, test, 3) == (0, 0)


def test_an_outlier_raises_precision_more_than_density(numbers):
    """The ball of one test image far away contains samples between; one ball of k = 5 counts a fifth in the density."""
    test = np.concatenate([numbers.normal(size=(200, 2)), [[100.0, 0.0]]])
    samples = numbers.normal(size=(200, 2)) + (50, 0)
    assert precision_recall(samples, test, 5)[0] == 1
    assert density_coverage(samples, test, 5) == (pytest.approx(1 / 5), pytest.approx(1 / 201))


def test_metrics_are_invariant_to_rotation_shift_and_scale(numbers):
    samples, test, training = numbers.normal(size=(3, 80, 6))
    rotation, _ = np.linalg.qr(numbers.normal(size=(6, 6)))
    moved = [1e-3 * x @ rotation + 1e2 for x in (samples, test, training)]
    assert four_metrics(*moved[:2], 3) == pytest.approx(four_metrics(samples, test, 3))
    assert memorisation(*moved) == pytest.approx(memorisation(samples, test, training))


def test_memory_does_not_grow_with_the_matrix_of_distances(numbers):
    x = numbers.normal(size=(9000, 3))
    tracemalloc.start()
    precision_recall(x[:2000], x)
    memorisation(x[:100], x[100:200], x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 8 * neighbours.TILE  # 9000 x 9000 distances are 648 MB


# Errors --------------------------------------------------------------------------------------------------------------


def test_k_needs_more_images_than_k(numbers):
    x, y = numbers.normal(size=(3, 2)), numbers.normal(size=(9, 2))
    with pytest.raises(ValueError, match="precision_recall: sample_features expects the features of 4 images or more"):
        precision_recall(x, y)
    with pytest.raises(ValueError, match="density_coverage: test_features expects the features of 6 images or more"):
        density_coverage(y, x)
    for metric in (precision_recall, density_coverage):
        with pytest.raises(ValueError, match="k must be a whole number from 1, got 0"):
            metric(y, y, 0)
    assert density_coverage(y[:1], y)[0] >= 1 / 5  # one sample, in its own ball


def test_sets_that_have_no_distance_are_refused(numbers):
    x, y = numbers.normal(size=(20, 3)), numbers.normal(size=(20, 2))
    for metric in (precision_recall, density_coverage):
        with pytest.raises(ValueError, match="sample_features and test_features expect as many features per image"):
            metric(x, y)
    with pytest.raises(ValueError, match=r"sample_features and training_features expect as many .*, got 3 and 2"):
        memorisation(x, x, y)
    with pytest.raises(ValueError, match="memorisation: training_features expects the features of 1 images or more"):
        memorisation(x, x, x[:0])
    y = x.copy()
    y[4, 1] = math.nan
    with pytest.raises(ValueError, match="test_features expects finite numbers, got nan as feature 1 of image 4"):
        density_coverage(x, y)


def test_squared_distances_that_overflow_are_refused(numbers):
    x = numbers.normal(size=(20, 3))
    with np.errstate(all="ignore"):
        for metric in (precision_recall, density_coverage):
            with pytest.raises(ValueError, match=rf"^{metric.__name__}: squared distances overflow"):
                metric(x, 1e200 * x)
        with pytest.raises(ValueError, match=r"^memorisation: squared distances overflow"):
            memorisation(1e200 * x, x, x)
