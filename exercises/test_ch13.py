"""Tests of the exercises of chapter 13, flow matching and diffusion."""

import math

import numpy as np
import pytest
from grade import answers

import tinygen as tg
from tinygen import flows
from tinygen.flows import COSINE, STRAIGHT

ch13 = answers("ch13")


@pytest.mark.parametrize("t", [0.0, 0.3, 0.8, 1.0])
def test_1_the_velocity_is_the_regression_line(t):
    rng = np.random.default_rng(0)
    data, noise = 1.5 + 0.5 * rng.normal(size=200_000), rng.normal(size=200_000)
    points = t * data + (1 - t) * noise
    slope, value_at_0 = np.polyfit(points, data - noise, 1)
    found = ch13.gaussian_velocity(np.array([0.0, 1.0]), t, 1.5, 0.5)
    assert abs(found[0] - value_at_0) < 0.05
    assert abs(found[1] - found[0] - slope) < 0.05


def test_1_a_point_mass():
    assert np.allclose(ch13.gaussian_velocity(np.array([0.0, 2.0]), 0.75, 2.0, 0.0), [8.0, 0.0])


def test_2_it_is_of_order_two():
    errors = [
        abs(ch13.midpoint(lambda x, t: -2 * t * x, np.ones((1, 1)), steps) - math.exp(-1)).max() for steps in (40, 80)
    ]
    assert abs(math.log2(errors[0] / errors[1]) - 2) < 0.1
    assert errors[1] < 1e-4


def test_2_the_velocity_is_that_of_the_middle():
    x = ch13.midpoint(lambda x, t: np.full_like(x, 2 * t), np.zeros((2, 3)), 4)
    assert np.allclose(x, 1)  # exact for a linear function of t
    times = []
    ch13.midpoint(lambda x, t: times.append(t) or x, np.zeros(1), 2)
    assert np.allclose(times, [0, 0.25, 0.5, 0.75])


def test_3_one_mode_is_a_gaussian():
    x = np.random.default_rng(1).normal(size=(20, 2))
    centre, sd, t = np.array([[1.0, -2.0]]), 0.4, 0.7
    variance, covariance = (t * sd) ** 2 + (1 - t) ** 2, t * sd**2 - (1 - t)
    expected = centre + covariance / variance * (x - t * centre)
    assert np.allclose(ch13.mixture_velocity(x, t, centre, sd), expected)


def test_3_the_mean_of_the_pairs_near_a_point():
    rng = np.random.default_rng(2)
    centres, sd, t, point = np.array([[1.0, 0.0], [-1.0, 0.5], [0.0, -1.0]]), 0.3, 0.6, np.array([0.1, 0.1])
    data = centres[rng.integers(3, size=400_000)] + sd * rng.normal(size=(400_000, 2))
    noise = rng.normal(size=data.shape)
    near = (abs(t * data + (1 - t) * noise - point) < 0.05).all(axis=1)
    expected, error = (data - noise)[near].mean(axis=0), (data - noise)[near].std(axis=0) / math.sqrt(near.sum())
    assert (abs(ch13.mixture_velocity(point[None], t, centres, sd)[0] - expected) < 5 * error).all()


def test_3_far_away_the_nearest_mode_counts():
    centres = np.array([[1.0, 0.0], [-1.0, 0.0]])
    with np.errstate(invalid="raise", divide="raise"):
        found = ch13.mixture_velocity(np.array([[6.0, 0.0], [-6.0, 0.0]]), 1.0, centres, 0.05)
    assert np.allclose(found, [[6.0, 0.0], [-6.0, 0.0]])  # at t = 1, x_t is the data, and the noise has the mean 0


@pytest.mark.parametrize("path", [STRAIGHT, COSINE], ids=["straight", "cosine"])
def test_4_data_and_noise_of_a_single_path(path):
    rng = np.random.default_rng(3)
    data, noise, t = rng.normal(size=(30, 2)), rng.normal(size=(30, 2)), rng.uniform(0.05, 0.95, size=30)
    tensors = [tg.tensor(each) for each in (data, noise, t)]
    x, v = path.at(*tensors).numpy(), path.velocity(*tensors).numpy()
    found = ch13.from_velocity(v, x, t, path)
    sigma = path.coefficients(tensors[2], tensors[0])[1].numpy()
    for each, expected in zip(found, (data, noise, -noise / sigma), strict=True):
        assert np.allclose(each, expected)


def test_4_the_score_of_a_gaussian():
    x, t, sd = np.array([[-1.0], [0.5]]), np.array([0.4, 0.4]), 0.5
    variance = (0.4 * sd) ** 2 + 0.6**2
    v = (0.4 * sd**2 - 0.6) / variance * x
    assert np.allclose(ch13.from_velocity(v, x, t, STRAIGHT)[2], -x / variance)


MATRIX = tg.tensor([[0.5, 2.0, 0.0], [-1.0, 1.0, 0.3], [0.0, 0.7, -3.0]])


def test_5_the_estimate_is_unbiased():
    x, t = tg.zeros(4000, 3, dtype="float64"), tg.zeros(4000, dtype="float64")
    found = ch13.estimated_divergence(lambda x, t: x @ MATRIX, x, t, 1, np.random.default_rng(4)).numpy()
    assert found.shape == (4000,)
    assert found.std() > 0.5  # each point has its own vector
    assert abs(found.mean() + 1.5) < 5 * found.std() / math.sqrt(4000)


def test_5_it_is_exact_for_independent_coordinates_and_its_variance_falls():
    x, t = tg.randn(50, 3, dtype="float64"), tg.zeros(50, dtype="float64")
    found = ch13.estimated_divergence(lambda x, t: x**3, x, t, 1, np.random.default_rng(5))
    assert np.allclose(found.numpy(), 3 * (x.numpy() ** 2).sum(axis=1))
    x, t = tg.zeros(2000, 3, dtype="float64"), tg.zeros(2000, dtype="float64")
    few, many = (
        ch13.estimated_divergence(lambda x, t: x @ MATRIX, x, t, probes, np.random.default_rng(6)).numpy().std()
        for probes in (1, 16)
    )
    assert abs(few / many - 4) < 0.5


MEAN, SD = 0.5, 0.3


def gaussian_noise(x, t):
    """E[noise | x_t] for data N(MEAN, SD^2) on the cosine path."""
    alpha, sigma = COSINE.coefficients(t, x)
    return sigma / (alpha**2 * SD**2 + sigma**2) * (x - alpha * MEAN)


def test_6_equal_steps_are_those_of_the_library():
    x = tg.randn(10, 2, dtype="float64")
    found = ch13.ddim(gaussian_noise, x, [k / 20 for k in range(21)], COSINE)
    assert np.allclose(found.numpy(), flows.denoise(gaussian_noise, x, 20).numpy())


def test_6_encoding_inverts_decoding():
    noise = tg.randn(10, 2, dtype="float64")
    times = [math.sin(math.pi / 2 * k / 400) for k in range(401)]  # shorter steps near the data
    x = ch13.ddim(gaussian_noise, noise, times, COSINE)
    back = ch13.ddim(gaussian_noise, x, times[::-1], COSINE)
    assert np.abs(x.numpy() - MEAN - SD * noise.numpy()).max() < 0.03
    assert np.abs(back.numpy() - noise.numpy()).max() < 0.1
    assert np.abs(x.numpy() - noise.numpy()).max() > 0.3


def sudden(x, t):
    """A velocity that is large within 0.01 of t = 0.7."""
    return np.exp(-0.5 * ((t - 0.7) / 0.01) ** 2) / (0.01 * math.sqrt(2 * math.pi)) * np.ones_like(x) - x


def counting(velocity):
    def call(x, t):
        call.times.append(t)
        return velocity(x, t)

    call.times = []
    return call


def test_7_errors_and_calls_of_a_known_solution():
    exact = math.exp(-1) + math.exp(-0.3) * math.exp(0.5 * 0.01**2)  # the jump, decayed for 0.3
    results = {}
    for tolerance in (1e-2, 1e-4):
        velocity = counting(sudden)
        x, calls = ch13.adaptive(velocity, np.ones((3, 2)), tolerance)
        assert x.shape == (3, 2)
        assert calls == len(velocity.times)
        assert max(velocity.times) == 1.0
        results[tolerance] = abs(x - exact).max(), calls
    assert results[1e-4][0] < 2e-3
    assert results[1e-4][0] < results[1e-2][0]
    assert results[1e-2][1] < results[1e-4][1] < 1000


def test_7_steps_are_short_where_the_velocity_changes():
    velocity = counting(sudden)
    ch13.adaptive(velocity, np.ones((1, 1)), 1e-3)
    times = np.array(velocity.times)
    near, elsewhere = ((abs(times - middle) < 0.05).sum() for middle in (0.7, 0.3))
    assert near > 5 * elsewhere


def test_7_a_rejected_step_costs_one_call():
    velocity = counting(lambda x, t: np.ones_like(x) * (0.0 if t < 0.005 else 100.0))
    ch13.adaptive(velocity, np.zeros((1, 1)), 1e-2)
    assert velocity.times.count(0.0) == 1
