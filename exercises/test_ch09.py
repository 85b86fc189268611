"""Tests of the exercises of chapter 9."""

from dataclasses import replace

import numpy as np
import pytest
from grade import answers

import tinygen as tg
from tinygen import evaluation, nn
from tinygen.data import samplers
from tinygen.objectives import GAMES
from tinygen.optim import SGD
from tinygen.training import GAN

ch09 = answers("ch09")


@pytest.mark.parametrize("game", ["minimax", "non_saturating"])
def test_1_the_gradient_is_that_of_the_loss(game):
    v = tg.tensor(np.linspace(-8, 8, 33).reshape(3, 11), requires_grad=True)
    (expected,) = tg.grad(GAMES[game].sample_loss(v).sum(), v)
    found = ch09.generator_gradient(v.numpy(), game)
    assert found.shape == (3, 11)
    assert np.allclose(found, expected.numpy(), rtol=1e-10)


def test_1_the_gradient_is_stable_and_only_one_of_them_saturates():
    with np.errstate(over="raise", invalid="raise"):
        minimax, other = (ch09.generator_gradient(np.array([-100.0, 100.0]), g) for g in ("minimax", "non_saturating"))
    assert np.allclose(minimax, [-np.exp(-100), -1], rtol=1e-12, atol=0)
    assert np.allclose(other, [-1, -np.exp(-100)], rtol=1e-12, atol=0)


def test_2_the_matrices_are_those_of_the_updates():
    theta, psi, rate = 0.7, -0.4, 0.3
    simultaneous, alternating = ch09.step_matrices(rate)
    assert np.allclose(simultaneous @ [theta, psi], [theta - rate * psi, psi + rate * theta])
    after = psi + rate * theta
    assert np.allclose(alternating @ [theta, psi], [theta - rate * after, after])


def test_2_one_diverges_and_one_cycles():
    for rate in (0.01, 0.1, 1.0):
        simultaneous, alternating = ch09.step_matrices(rate)
        assert np.allclose(abs(np.linalg.eigvals(simultaneous)), np.sqrt(1 + rate**2))
        assert np.allclose(abs(np.linalg.eigvals(alternating)), 1)
    _, too_fast = ch09.step_matrices(2.5)  # alternating steps diverge too, for rates above 2
    assert abs(np.linalg.eigvals(too_fast)).max() > 1.1


def test_3_no_other_discriminator_has_a_smaller_cross_entropy():
    rng = np.random.default_rng(0)
    p, q = rng.uniform(0.1, 2, (2, 50))

    def loss(D, y, z):
        real, fake = (-label * np.log(D) - (1 - label) * np.log(1 - D) for label in (y, z))
        return p * real + q * fake

    for y, z in ((1.0, 0.0), (0.9, 0.0), (0.9, 0.1)):
        D = ch09.smoothed_discriminator(p, q, y, z)
        assert D.shape == p.shape
        for other in (D + 0.01, D - 0.01):
            inside = (other > 0) & (other < 1)
            assert (loss(D, y, z) < loss(other, y, z))[inside].all()


def test_3_the_labels_are_attained_where_one_density_vanishes():
    D = ch09.smoothed_discriminator(np.array([1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]), 0.9, 0.0)
    assert np.allclose(D, [0.9, 0.0, 0.45])


def test_4_counts_agree_with_the_library_for_good_bad_and_missing_samples():
    tg.manual_seed(0)
    for mixture in (samplers.ring(), samplers.grid()):
        centres, scale = mixture.centres, mixture.scale
        every = mixture(1000)
        part = every[mixture.nearest(every)[0] < len(centres) // 2]
        for samples in (every, part, 3 * every, every + 0.1):
            modes, fraction = ch09.covered_modes(samples, centres, scale)
            coverage = evaluation.mode_coverage(samples, mixture)
            assert modes == coverage.modes
            assert fraction == pytest.approx(coverage.share)


def test_4_a_single_sample_covers_no_mode():
    centres = np.array([[0.0, 0.0], [10.0, 0.0]])
    samples = np.concatenate([np.zeros((99, 2)), centres[1:]])
    assert ch09.covered_modes(samples, centres, 1.0) == (1, 1.0)


def test_5_the_losses_are_those_of_the_equations():
    game = ch09.hinge_game()
    v, w = tg.tensor([[-2.0], [0.5], [3.0]]), tg.tensor([[-3.0], [-0.5], [2.0]])
    assert game.critic_loss(lambda x: x, v, w).item() == pytest.approx((3 + 0.5 + 0 + 0 + 0.5 + 3) / 3)
    assert game.generator_loss(lambda x: x, v).item() == pytest.approx(-0.5)
    assert game.clip is None
    assert game.norm_penalty is None


def test_5_scores_beyond_the_margin_have_no_gradient():
    game = ch09.hinge_game()
    v = tg.tensor([[-2.0], [-0.5], [0.5], [2.0]], requires_grad=True)
    (of_real,) = tg.grad(game.critic_loss(lambda x: x, v, tg.full((4, 1), -5.0)), v)
    (of_fake,) = tg.grad(game.critic_loss(lambda x: x, tg.full((4, 1), 5.0), v), v)
    assert np.allclose(of_real.numpy().ravel(), [-0.25, -0.25, -0.25, 0])
    assert np.allclose(of_fake.numpy().ravel(), [0, 0.25, 0.25, 0.25])


def test_5_the_one_parameter_gan_cycles_as_a_wasserstein_gan_within_the_margin():
    first, second = (one_parameter_gan(game) for game in (ch09.hinge_game(), unconstrained()))
    assert np.allclose(first, second, atol=1e-4)


def unconstrained():
    return replace(GAMES["wasserstein_gradient"], penalty_weight=0.0, n_critic=1)


def one_parameter_gan(game, steps=60):
    """theta of the generator G(z) = theta against the critic psi x, on data that are 0."""
    generator, critic = nn.Linear(1, 1), nn.Linear(1, 1, bias=False)
    generator.weight.data, critic.weight.data = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    generator.bias.data = np.full(1, 0.5, np.float32)
    gan = GAN(game, generator, critic, 1, SGD([generator.bias], 0.1), SGD(critic.parameters(), 0.1))
    thetas = []
    for _ in range(steps):
        gan.train_step(tg.zeros(2, 1))
        thetas.append(generator.bias.item())
    return np.array(thetas)


def test_6_a_linear_critic_has_the_squared_norm_of_its_weights_as_penalty():
    tg.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    real, fake = tg.randn(7, 3, 4), tg.randn(7, 3, 4)
    game = GAMES["non_saturating"]
    loss = ch09.r1_loss(game, critic, real, fake, 3.0)
    w = critic[1].weight
    bare = game.critic_loss(critic, real, fake)
    assert loss.item() - bare.item() == pytest.approx(1.5 * (w.numpy() ** 2).sum(), rel=1e-4)
    (gradient,), (of_bare,) = tg.grad(loss, [w]), tg.grad(bare, [w])
    assert np.allclose((gradient - of_bare).numpy(), 3 * w.numpy(), atol=1e-5)


def test_6_the_penalty_is_evaluated_on_real_examples_alone():
    def critic(x):
        return (x * x).sum(axis=1, keepdims=True) / 2  # its gradient is x

    real, fake = tg.tensor([[3.0, 4.0], [0.0, 1.0]]), tg.full((2, 2), 100.0)
    game = unconstrained()
    found = ch09.r1_loss(game, critic, real, fake, 1.0).item() - game.critic_loss(critic, real, fake).item()
    assert found == pytest.approx((25 + 1) / 2 / 2, abs=1e-2)


def test_6_the_one_parameter_gan_converges():
    theta, critic = 0.5, nn.Linear(1, 1, bias=False)
    critic.weight.data = np.zeros((1, 1), np.float32)
    optimizer = SGD(critic.parameters(), 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        ch09.r1_loss(unconstrained(), critic, tg.zeros(2, 1), tg.full((2, 1), theta), 1.0).backward()
        optimizer.step()
        theta += 0.1 * critic.weight.item()  # the generator's loss is -psi theta
    assert abs(theta) < 0.01
    assert abs(critic.weight.item()) < 0.01


def test_7_repeated_steps_find_the_largest_singular_value():
    rng = np.random.default_rng(0)
    W, u = rng.normal(size=(6, 4)), rng.normal(size=6)
    weight = tg.tensor(W)
    for _ in range(100):
        normalised, u = ch09.spectrally_normalised(weight, u)
    assert np.linalg.norm(u) == pytest.approx(1)
    assert np.allclose(normalised.numpy(), W / np.linalg.norm(W, 2), rtol=1e-6)


def test_7_the_gradient_passes_through_the_norm():
    rng = np.random.default_rng(1)
    W, u = rng.normal(size=(3, 3)), rng.normal(size=3)
    for _ in range(200):
        _, u = ch09.spectrally_normalised(tg.tensor(W), u)
    weight = tg.tensor(W, requires_grad=True)
    direction = rng.normal(size=(3, 3))
    (gradient,) = tg.grad((ch09.spectrally_normalised(weight, u)[0] * tg.tensor(direction)).sum(), weight)
    # the normalised matrix does not depend on the scale of W, so the gradient is orthogonal to W
    assert (gradient.numpy() * W).sum() == pytest.approx(0, abs=1e-8)

    def value(matrix):
        return (matrix / np.linalg.norm(matrix, 2) * direction).sum()

    step = 1e-6 * rng.normal(size=(3, 3))
    assert (gradient.numpy() * step).sum() == pytest.approx((value(W + step) - value(W - step)) / 2, rel=1e-4)


RING = samplers.ring()


def cluster(mode, n=400, distance=1.0):
    return distance * RING.centres[mode] + RING.scale * tg.randn(n, 2).numpy()


def test_8_all_modes_and_accurate_samples_are_good():
    tg.manual_seed(0)
    assert ch09.diagnose([RING(400) for _ in range(4)], RING.centres, RING.scale) == "good"
    assert ch09.diagnose([cluster(0), cluster(3), RING(400)], RING.centres, RING.scale) == "good"  # the end counts


def test_8_one_mode_is_a_collapse_at_any_distance():
    tg.manual_seed(0)
    for distance in (1.0, 0.7, 1.5):
        history = [RING(400)] + [cluster(2, distance=distance) for _ in range(4)]
        assert ch09.diagnose(history, RING.centres, RING.scale) == "collapsed"


def test_8_a_collapse_that_moves_is_cycling():
    tg.manual_seed(0)
    history = [cluster(mode, distance=0.8) for mode in (0, 1, 2, 2, 5, 6)]
    assert ch09.diagnose(history, RING.centres, RING.scale) == "cycling"


def test_8_samples_around_all_modes_that_are_far_from_them_are_inaccurate():
    tg.manual_seed(0)
    assert ch09.diagnose([0.7 * RING(400)] * 2, RING.centres, RING.scale) == "inaccurate"
    assert ch09.diagnose([RING(400) + 0.4 * tg.randn(400, 2).numpy()], RING.centres, RING.scale) == "inaccurate"
