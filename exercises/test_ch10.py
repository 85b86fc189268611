"""Tests of the exercises of chapter 10."""

import math

import numpy as np
import pytest
from grade import answers
from scipy import stats

import tinygen as tg
from tinygen import nn, objectives, optim
from tinygen.divergences import wasserstein_of_gaussians
from tinygen.models import MLP

ch10 = answers("ch10")


@pytest.fixture(autouse=True)
def _seeded():
    tg.manual_seed(0)


def test_1_one_coefficient_per_example_from_0_to_1():
    x = ch10.interpolate(tg.ones(2000, 3, 4, 4), tg.zeros(2000, 3, 4, 4)).numpy()
    a = x[:, 0, 0, 0]
    assert np.array_equal(x, np.broadcast_to(a[:, None, None, None], x.shape))
    assert stats.kstest(a, "uniform").pvalue > 1e-3


def test_1_points_lie_on_the_segments_and_are_leaves():
    real, fake = tg.randn(50, 2), tg.randn(50, 2, requires_grad=True)
    x = ch10.interpolate(real, fake * 2)
    assert x.requires_grad
    p, q, z = real.numpy(), 2 * fake.numpy(), x.numpy()
    lengths = [np.linalg.norm(u - v, axis=1) for u, v in ((p, z), (z, q), (p, q))]
    assert np.allclose(lengths[0] + lengths[1], lengths[2], rtol=1e-4)
    (gradient,) = tg.grad((x * x).sum(), x)
    assert np.allclose(gradient.numpy(), 2 * z)
    x.sum().backward()
    assert fake.grad is None


def leaf(*shape, dtype="float64"):
    return tg.randn(*shape, dtype=dtype, requires_grad=True)


def test_2_the_penalty_of_a_linear_critic_and_its_gradient():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    penalty = ch10.two_sided_penalty(critic, leaf(5, 3, 4, dtype="float32"))
    penalty.backward()
    w = critic[1].weight
    norm = np.linalg.norm(w.numpy())
    assert penalty.item() == pytest.approx((norm - 1) ** 2, rel=1e-4)
    assert np.allclose(w.grad.numpy(), 2 * (norm - 1) * w.numpy() / norm, rtol=1e-3)


def test_2_the_penalty_and_its_gradient_in_the_weights_are_right_for_a_nonlinear_critic():
    x, w = leaf(6, 3), leaf(3, 1)
    penalty = ch10.two_sided_penalty(lambda z: tg.tanh(z @ w), x)
    assert penalty.item() == pytest.approx(_by_hand(x.numpy(), w.numpy()), rel=1e-6)
    (gradient,) = tg.grad(penalty, w)
    for row in range(3):
        h = np.zeros((3, 1))
        h[row] = 1e-6
        quotient = (_by_hand(x.numpy(), w.numpy() + h) - _by_hand(x.numpy(), w.numpy() - h)) / 2e-6
        assert gradient.numpy()[row, 0] == pytest.approx(quotient, rel=1e-4, abs=1e-7)


def _by_hand(x, w):
    """The penalty of tanh(x w): the gradient is (1 - tanh^2) w."""
    norms = (1 - np.tanh(x @ w)[:, 0] ** 2) * np.linalg.norm(w)
    return ((norms - 1) ** 2).mean()


def test_2_a_constant_critic_gives_no_nan():
    critic = nn.Linear(2, 1)
    critic.weight.data = np.zeros((1, 2), np.float32)
    ch10.two_sided_penalty(critic, leaf(4, 2, dtype="float32")).backward()
    assert np.isfinite(critic.weight.grad.numpy()).all()


def test_3_only_norms_above_1_are_penalised():
    for scale in (0.3, 1.0, 2.5):
        critic = nn.Linear(1, 1)
        critic.weight.data = np.full((1, 1), scale, np.float32)
        penalty = ch10.one_sided_penalty(critic, leaf(4, 1, dtype="float32"))
        penalty.backward()
        assert penalty.item() == pytest.approx(max(0, scale - 1) ** 2, abs=1e-5)
        assert critic.weight.grad.item() == pytest.approx(2 * max(0, scale - 1), abs=1e-4)


@pytest.mark.parametrize(("distance", "weight"), [(2.0, 10.0), (1.0, 0.1), (3.0, 0.7), (0.5, 5.0)])
def test_3_the_maxima_are_those_of_a_fine_grid(distance, weight):
    s = np.linspace(-12, 12, 240_001)
    two_sided = s * distance - weight * (abs(s) - 1) ** 2
    one_sided = s * distance - weight * np.maximum(0, abs(s) - 1) ** 2
    for found, values in zip(ch10.linear_maxima(distance, weight), (two_sided, one_sided), strict=True):
        peaks = s[1:-1][(values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])]
        assert len(found) == len(peaks)
        assert np.allclose(found, peaks, atol=2e-4)


def test_4_samples_of_equal_size_are_sorted():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=300), 1 + 2 * rng.normal(size=300)
    assert ch10.wasserstein_on_a_line(x, y) == pytest.approx(np.abs(np.sort(x) - np.sort(y)).mean())
    assert ch10.wasserstein_on_a_line(x, x + 3) == pytest.approx(3)
    assert ch10.wasserstein_on_a_line(x, x) == 0


def test_4_samples_of_other_sizes_and_ties():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=70), rng.integers(0, 4, size=110).astype(float)
    assert ch10.wasserstein_on_a_line(x, y) == pytest.approx(stats.wasserstein_distance(x, y))
    assert ch10.wasserstein_on_a_line(np.repeat(x, 3), x) == pytest.approx(0, abs=1e-12)
    assert ch10.wasserstein_on_a_line(np.zeros(2), np.array([1.0])) == pytest.approx(1)


@pytest.mark.parametrize(("mean", "sd"), [(2.0, 1.0), (-1.0, 2.0)])
def test_5_the_estimates_enclose_the_distance_of_gaussians(mean, sd):
    lower, upper = ch10.wasserstein_by_critic(lambda n: _normal(n, mean, sd), lambda n: _normal(n, 0, 1))
    exact = wasserstein_of_gaussians(mean, sd, 0.0, 1.0)
    assert exact - 0.4 < lower < exact + 0.05  # sampling error: 0.02
    assert exact - 0.05 < upper < exact + 0.2


def test_5_the_estimates_enclose_the_distance_of_two_modes_from_one():
    rng = np.random.default_rng(2)

    def modes(n):
        return rng.choice([-1.5, 1.5], (n, 1)).astype(np.float32) + _normal(n, 0, 0.2)

    lower, upper = ch10.wasserstein_by_critic(modes, lambda n: _normal(n, 0, 0.2))
    assert 1.34 - 0.4 < lower < 1.34 + 0.05  # a two-sided penalty fails here
    assert 1.34 - 0.05 < upper < 1.34 + 0.2


def _normal(n, mean, sd):
    return mean + sd * tg.randn(n, 1).numpy()


def test_6_no_other_clipped_critic_has_a_larger_gap():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(50, 6)), rng.normal(size=(50, 6))
    w = ch10.optimal_clipped_critic(real, fake, 0.3)
    assert w.shape == (6,)
    assert abs(w).max() <= 0.3 + 1e-12
    gap = (real @ w).mean() - (fake @ w).mean()
    others = rng.uniform(-0.3, 0.3, (2000, 6))
    assert gap >= ((real @ others.T).mean(axis=0) - (fake @ others.T).mean(axis=0)).max()


def test_6_training_with_clipping_ends_at_these_weights():
    real, fake = 1 + tg.randn(200, 4), tg.randn(200, 4) * 2
    critic = nn.Linear(4, 1, bias=False)
    optimizer = optim.Adam(critic.parameters(), 1e-2)
    game = objectives.GAMES["wasserstein_clip"]
    for _ in range(50):
        optimizer.zero_grad()
        game.critic_loss(critic, real, fake).backward()
        optimizer.step()
        game.constrain(critic)
    w = ch10.optimal_clipped_critic(real.numpy(), fake.numpy(), 0.01)
    assert np.allclose(critic.weight.numpy()[0], w, atol=1e-6)


@pytest.mark.parametrize("widths", [[3, 1], [2, 8, 1], [5, 16, 16, 1]])
def test_6_the_bound_is_attained_and_not_exceeded(widths):
    bound = ch10.lipschitz_bound(widths, 0.1)
    layers = [np.full((m, n), 0.1) for m, n in zip(widths[1:], widths[:-1], strict=True)]
    equal = math.prod(np.linalg.norm(layer, 2) for layer in layers)
    assert bound == pytest.approx(equal)
    critic = MLP(widths[0], 1, tuple(widths[1:-1]), nn.ReLU)
    for parameter in critic.parameters():
        parameter.data = np.clip(parameter.numpy(), -0.1, 0.1)
    assert objectives.gradient_norms(critic, tg.randn(100, widths[0])).numpy().max() <= bound


def test_7_the_average_is_that_of_the_library():
    module = nn.Linear(1, 1, bias=False)
    module.weight.data = np.zeros((1, 1), np.float32)
    average = optim.ExponentialMovingAverage(module, 0.9)
    values = np.random.default_rng(0).normal(size=150).tolist()
    expected = []
    for value in values:
        module.weight.data = np.full((1, 1), value, np.float32)
        average.update()
        with average.applied():
            expected.append(module.weight.item())
    found = ch10.moving_averages(values, 0.9)
    assert np.allclose(found, expected, atol=1e-5)


def test_7_the_initial_value_is_forgotten():
    averages = ch10.moving_averages([5.0] * 40, 0.999)
    assert averages[0] == pytest.approx(4.5)
    assert averages[-1] == pytest.approx(5, abs=0.01)


def test_8_a_critic_without_normalisation_does_not_mix():
    for critic in (MLP(3), nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))):
        x = tg.randn(6, 3) if isinstance(critic, MLP) else tg.randn(6, 2, 3)
        assert ch10.mixes_examples(critic, x) is False
        assert ch10.mixes_examples(critic, 100 * x) is False


def test_8_batch_normalisation_mixes_in_training_mode_alone():
    critic = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    x = tg.randn(6, 3)
    assert ch10.mixes_examples(critic, x) is True
    critic.eval()
    assert ch10.mixes_examples(critic, x) is False


def test_8_a_weak_dependence_on_one_neighbour_is_found():
    def critic(x):  # the score of example 0 depends on the last example
        first = tg.tensor(np.eye(len(x), dtype=np.float32)[:, :1])
        return x.sum(axis=1, keepdims=True) + 0.01 * first * x[-1:].sum()

    assert ch10.mixes_examples(critic, tg.randn(6, 3)) is True
