"""Tests of the exercises of chapter 8."""

import numpy as np
import pytest
from grade import answers

import tinygen as tg
import tinygen.functional as F
from tinygen import nn
from tinygen.models import MLP

ch08 = answers("ch08")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def network(inputs, hidden=(5, 4)):
    tg.manual_seed(0)
    return MLP(inputs, hidden=hidden, activation=nn.Tanh).astype("float64")


def quotients(value, parameter, h=1e-6):
    """Central difference quotients of ``value()`` in every element of ``parameter``."""
    kept, found = parameter.data, np.zeros(parameter.shape)
    for index in np.ndindex(parameter.shape):
        for sign in (1, -1):
            moved = kept.copy()
            moved[index] += sign * h
            parameter.data = moved
            found[index] += sign * value().item() / (2 * h)
    parameter.data = kept
    return found


def rosenbrock(x):
    return ((1 - x[:-1]) ** 2).sum() + 10 * ((x[1:] - x[:-1] ** 2) ** 2).sum()


def test_1_it_is_the_product_with_the_hessian(monkeypatch):
    x, v = normal(5), normal(5, seed=1)
    expected = tg.hessian(rosenbrock, tg.tensor(x)).numpy() @ v
    for name in ("hvp", "hessian", "jacobian"):
        monkeypatch.delattr(tg, name)
    assert np.allclose(ch08.hessian_vector_product(rosenbrock, x, v), expected)


def test_1_any_shape_and_a_known_hessian():
    x, v = normal(3, 4), normal(3, 4, seed=1)
    assert np.allclose(ch08.hessian_vector_product(lambda x: (x**3).sum(), x, v), 6 * x * v)


def test_2_a_linear_discriminator_has_a_known_penalty():
    layer = nn.Linear(3, 1).astype("float64")
    penalty, (of_weight, of_bias) = ch08.r1(layer, tg.tensor(normal(7, 3)), 10.0)
    w = layer.weight.numpy()
    assert np.isclose(penalty.item(), 5 * (w**2).sum())
    assert np.allclose(of_weight.numpy(), 10 * w)
    assert of_bias.numpy().tolist() == [0]


def test_2_the_gradients_agree_with_difference_quotients():
    net, real = network(3), tg.tensor(normal(6, 3))
    _, gradients = ch08.r1(net, real, 2.0)
    assert len(gradients) == len(net.parameters())
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        measured = quotients(lambda: ch08.r1(net, real, 2.0)[0], parameter)
        assert np.allclose(gradient.numpy(), measured, atol=1e-8)


def test_3_a_linear_critic_on_images_has_a_known_penalty():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 1)).astype("float64")
    z = tg.tensor(normal(5, 3, 2, 2))
    penalty = ch08.gradient_penalty(critic, z)
    w = critic[1].weight.numpy()
    length = np.linalg.norm(w)
    assert np.isclose(penalty.item(), (length - 1) ** 2)
    assert np.allclose(tg.grad(penalty, critic[1].weight)[0].numpy(), 2 * (length - 1) * w / length)
    assert not z.requires_grad
    assert z.grad is None


def test_3_the_gradient_agrees_with_difference_quotients():
    critic, z = network(3), tg.tensor(normal(6, 3))
    weight = critic.parameters()[0]
    (gradient,) = tg.grad(ch08.gradient_penalty(critic, z), weight)
    assert np.allclose(gradient.numpy(), quotients(lambda: ch08.gradient_penalty(critic, z), weight), atol=1e-8)


def test_3_it_is_finite_where_the_gradient_is_zero():
    critic = MLP(2, hidden=(4,), activation=nn.Tanh, zero_init_last=True)
    penalty = ch08.gradient_penalty(critic, tg.randn(5, 2))
    assert abs(penalty.item() - 1) < 1e-5
    for gradient in tg.grad(penalty, critic.parameters(), allow_unused=True):
        assert gradient is None or np.isfinite(gradient.numpy()).all()


def test_4_the_value_is_that_of_the_angles():
    critic, x, direction = network(3), normal(6, 3), normal(3, seed=1)
    leaf = tg.tensor(x, requires_grad=True)
    gradient = tg.grad(critic(leaf).sum(), leaf)[0].numpy()
    cosine = gradient @ direction / np.linalg.norm(gradient, axis=1) / np.linalg.norm(direction)
    found = ch08.direction_penalty(critic, tg.tensor(x), tg.tensor(direction))
    assert np.isclose(found.item(), (1 - cosine).mean())
    assert found.requires_grad


def test_4_its_gradient_agrees_with_difference_quotients():
    critic, x, direction = network(3), tg.tensor(normal(6, 3)), tg.tensor(normal(3, seed=1))
    for weight in critic.parameters()[:4:2]:
        (gradient,) = tg.grad(ch08.direction_penalty(critic, x, direction), weight)
        measured = quotients(lambda: ch08.direction_penalty(critic, x, direction), weight)
        assert np.allclose(gradient.numpy(), measured, atol=1e-8)


@pytest.mark.parametrize("extreme", [5.0, -7.0])
def test_5_the_eigenvalue_of_a_quadratic_has_its_sign(extreme):
    q, _ = np.linalg.qr(normal(8, 8))
    matrix = tg.tensor(q @ np.diag([extreme, 3, 2, 1, 0, -1, -2, -3]) @ q.T)
    found = ch08.largest_eigenvalue(lambda x: 0.5 * (x * (matrix @ x)).sum(), normal(8))
    assert abs(found - extreme) < 1e-6


def test_5_the_hessian_is_not_formed():
    scales = np.linspace(0, 1, 10_000)
    scales[17] = -2.0
    found = ch08.largest_eigenvalue(lambda x: 0.5 * (x * x * tg.tensor(scales)).sum(), normal(10_000), steps=60)
    assert abs(found + 2) < 1e-6


def test_6_the_penalty_and_its_gradients_are_those_of_double_backprop():
    x, W, v = normal(6, 3), normal(4, 3, seed=1), normal(4, seed=2)
    leaf, *parameters = (tg.tensor(each, requires_grad=True) for each in (x, W, v))
    scores = tg.tanh(leaf @ parameters[0].T) @ parameters[1]
    (gradient,) = tg.grad(scores.sum(), leaf, create_graph=True)
    penalty = 0.5 * (gradient * gradient).sum() / 6
    value, *gradients = ch08.r1_of_two_layers(x, W, v)
    assert np.isclose(value, penalty.item())
    for mine, theirs in zip(gradients, tg.grad(penalty, parameters), strict=True):
        assert np.allclose(mine, theirs.numpy())


def test_7_the_minimum_of_a_badly_conditioned_quadratic():
    q, _ = np.linalg.qr(normal(6, 6))
    hessian, minimum = q @ np.diag(10.0 ** np.arange(-2, 4)) @ q.T, normal(6, seed=1)

    def f(x):
        difference = x - tg.tensor(minimum)
        return 0.5 * (difference * (tg.tensor(hessian) @ difference)).sum()

    found = ch08.newton(f, np.zeros(6), tolerance=1e-8)
    assert np.allclose(found, minimum, atol=1e-5)


def test_7_logistic_regression():
    features, labels = tg.tensor(normal(300, 10)), tg.tensor((normal(300, seed=1) > 0).astype(float))

    def f(w):
        return F.binary_cross_entropy_with_logits(features @ w, labels) + 1e-3 * (w * w).sum()

    leaf = tg.tensor(ch08.newton(f, np.full(10, 3.0)), requires_grad=True)
    assert np.linalg.norm(tg.grad(f(leaf), leaf)[0].numpy()) < 1e-8


def test_7_full_steps_alone_would_diverge():
    def f(x):
        return F.softplus(10 * x).sum() + F.softplus(-10 * x).sum() + 1e-4 * (x * x).sum()

    assert np.allclose(ch08.newton(f, np.full(1000, 1.0)), 0, atol=1e-8)


def test_8_the_objective_of_a_quadratic_energy():
    x, a = normal(50, 3), normal(3, 3, seed=1)
    A = a + a.T
    found = ch08.score_matching(lambda z: 0.5 * ((z @ tg.tensor(A)) * z).sum(axis=1), tg.tensor(x))
    assert np.isclose(found.item(), 0.5 * np.trace(A @ A @ x.T @ x) / 50 - np.trace(A))


def test_8_the_objective_of_a_quartic_energy_and_its_gradient():
    x, c = normal(40, 2), tg.tensor(0.7, dtype="float64", requires_grad=True)
    found = ch08.score_matching(lambda z: c * (z**4).sum(axis=1) / 4, tg.tensor(x))
    of_c = -3 * (x**2).sum() / 40 + 0.7 * (x**6).sum() / 40
    assert np.isclose(found.item(), 0.7 * -3 * (x**2).sum() / 40 + 0.5 * 0.49 * (x**6).sum() / 40)
    assert np.isclose(tg.grad(found, c)[0].item(), of_c)


def test_8_the_precision_matrix_of_correlated_samples():
    x = normal(400, 2) @ np.array([[1.0, 0.5], [0.0, 0.8]])
    x = x - x.mean(axis=0)
    found = ch08.fit_precision(x)
    assert np.allclose(found, found.T)
    expected = np.linalg.inv(x.T @ x / 400)
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)
