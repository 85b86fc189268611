"""Tests of the exercises of chapter 4."""

from itertools import pairwise

import numpy as np
import pytest
from grade import answers

import tinygen as tg
import tinygen.functional as F
from tinygen import nn, optim

ch04 = answers("ch04")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def quotient(f, array, index, h=1e-6):
    """The central difference quotient of ``f()`` in one element of ``array``."""
    kept = array[index]
    values = []
    for sign in (1, -1):
        array[index] = kept + sign * h
        values.append(f())
    array[index] = kept
    return (values[0] - values[1]) / (2 * h)


def test_1_the_loss_is_the_negative_log_probability_of_the_labels():
    assert np.isclose(ch04.cross_entropy(np.zeros((4, 10)), np.arange(4))[0], np.log(10))
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    assert np.isclose(ch04.cross_entropy(np.log(p) + 3, np.array([2, 0]))[0], -np.log(0.7 * 0.5) / 2)


def test_1_the_gradient_agrees_with_difference_quotients():
    logits, labels = normal(3, 4), np.array([1, 3, 0])
    gradient = ch04.cross_entropy(logits, labels)[1]
    assert np.allclose(gradient.sum(axis=1), 0)
    for index in np.ndindex(3, 4):
        measured = quotient(lambda: ch04.cross_entropy(logits, labels)[0], logits, index)
        assert np.isclose(gradient[index], measured, atol=1e-8)


def test_1_large_logits_are_finite():
    loss, gradient = ch04.cross_entropy(np.array([[1e4, 0.0, -1e4]]), np.array([1]))
    assert np.isclose(loss, 1e4)
    assert np.allclose(gradient, [[1, -1, 0]])


def test_2_the_schedule_rises_to_the_peak_and_falls_to_the_final_rate():
    rates = [ch04.cosine_schedule(step, 110, 0.5, 0.1, 10) for step in range(130)]
    assert np.allclose(rates[:10], np.arange(1, 11) * 0.05)
    assert np.isclose(rates[10], 0.5)
    assert np.isclose(rates[60], 0.3)
    assert np.allclose(rates[110:], 0.1)
    assert np.all(np.diff(rates[10:111]) < 0)


def test_2_the_decay_is_a_cosine():
    rates = np.array([ch04.cosine_schedule(step, 80, 1.0, 0.0, 0) for step in range(81)])
    curvature = rates[2:] - 2 * rates[1:-1] + rates[:-2]
    assert np.allclose(curvature, 2 * (np.cos(np.pi / 80) - 1) * (rates[1:-1] - 0.5))  # x'' = -c^2 x of a cosine


def test_3_without_decay_it_is_adam():
    target = normal(5)
    theirs, parameter = tg.tensor(normal(5, seed=1), requires_grad=True), normal(5, seed=1)
    optimizer = optim.Adam([theirs], lr=0.1, betas=(0.8, 0.9), eps=1e-3)
    m = v = np.zeros(5)
    for t in range(1, 8):
        optimizer.zero_grad()
        ((theirs - tg.tensor(target)) ** 4).sum().backward()
        optimizer.step()
        gradient = 4 * (parameter - target) ** 3
        parameter, m, v = ch04.adam_step(parameter, gradient, m, v, t, 0.1, (0.8, 0.9), 1e-3)
        assert np.allclose(parameter, theirs.numpy())


def test_3_the_decay_is_decoupled_and_nothing_is_changed_in_place():
    given = [normal(4), np.zeros(4), np.zeros(4), np.zeros(4)]
    copies = [each.copy() for each in given]
    new, *_ = ch04.adam_step(*given, 1, lr=0.1, decay=0.5)
    assert np.allclose(new, 0.95 * given[0])  # without a gradient a step shrinks all elements by the same factor
    assert all(np.array_equal(*pair) for pair in zip(given, copies, strict=True))
    small, *_ = ch04.adam_step(np.ones(2), np.array([1e-3, 1e3]), np.zeros(2), np.zeros(2), 1, lr=0.1, decay=0.5)
    assert np.allclose(small, 1 - 0.1 - 0.05, atol=1e-5)


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_4_the_variance_of_pre_activations_is_the_same_in_all_layers(slope):
    tg.manual_seed(0)
    widths = [64, *[512] * 12, 64]
    layers = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(slope)]
    net = nn.Sequential(*layers[:-1])
    ch04.initialise(net, slope)
    x, deviations = tg.randn(400, 64), []
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            assert not layer.bias.numpy().any()
            assert layer.weight.dtype == np.float32
            deviations.append(x.numpy().std())
    relative = np.array(deviations[1:]) / deviations[1]
    assert np.all(abs(np.log(relative)) < 4 * 0.5 * np.sqrt(12 * 5 / 512))


def test_4_the_weights_are_new_random_numbers():
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 30), nn.LeakyReLU(0.1), nn.Linear(30, 5))
    ch04.initialise(net, 0.1)
    first = net.state_dict()
    ch04.initialise(net, 0.1)
    assert not np.allclose(first["0.weight"], net[0].weight.numpy())
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_5_the_gradients_are_those_of_the_library():
    x, g, gamma = normal(5, 3, 4, 2) * 2 + 1, normal(5, 3, 4, 2, seed=1), normal(3, seed=2)
    inputs = [tg.tensor(each, requires_grad=True) for each in (x, gamma, np.zeros(3))]
    y = F.batch_norm(inputs[0], None, None, *inputs[1:], training=True, eps=0.1)
    theirs = tg.grad(y, inputs, tg.tensor(g))
    for mine, expected in zip(ch04.batch_norm_backward(g, x, gamma, 0.1), theirs, strict=True):
        assert mine.shape == expected.shape
        assert np.allclose(mine, expected.numpy())


def test_5_the_gradient_is_orthogonal_to_shifts_and_scalings():
    x, g = normal(6, 2, 3, 3) * 3 - 1, normal(6, 2, 3, 3, seed=1)
    of_x, _, _ = ch04.batch_norm_backward(g, x, np.array([1.0, -2.0]), eps=0.0)
    assert np.allclose(of_x.sum(axis=(0, 2, 3)), 0)
    assert np.allclose((of_x * x).sum(axis=(0, 2, 3)), 0)


def test_6_training_stops_after_the_patience_is_exhausted():
    stopping = ch04.EarlyStopping(nn.Linear(1, 1), patience=3)
    errors = [5.0, 4.0, 4.5, 4.0, 3.0, 3.5, 3.2, 3.1, 2.0]
    assert [stopping.step(error) for error in errors] == [False] * 7 + [True, False]
    assert stopping.best == 2.0
    level = ch04.EarlyStopping(nn.Linear(1, 1), patience=2)
    assert [level.step(4.0) for _ in range(3)] == [False, False, True]  # an equal error is no improvement


def test_6_the_best_state_is_restored_with_its_buffers():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    stopping = ch04.EarlyStopping(net, patience=2)
    states = []
    for error in (3.0, 1.0, 2.0):
        for parameter in net.parameters():
            parameter.data = parameter.data + 1
        net(tg.randn(8, 2))
        stopping.step(error)
        states.append(net.state_dict())
    stopping.restore()
    for name, array in net.state_dict().items():
        assert np.array_equal(array, states[1][name])
        assert not np.array_equal(array, states[2][name])


def test_7_loss_and_gradients_agree_with_difference_quotients():
    x, target = normal(6, 3), normal(6, 2, seed=1)
    parameters = [normal(*shape, seed=2) for shape in ((4, 3), (4,), (2, 4), (2,))]

    def loss():
        return ch04.two_layer_gradients(x, target, *parameters)[0]

    gradients = ch04.two_layer_gradients(x, target, *parameters)[1]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert gradient.shape == parameter.shape
        measured = [quotient(loss, parameter, index) for index in np.ndindex(parameter.shape)]
        assert np.allclose(gradient.ravel(), measured, atol=1e-7)


def test_7_the_loss_is_the_mean_squared_norm_of_the_residual():
    zero = np.zeros
    loss, (_, _, _, of_b2) = ch04.two_layer_gradients(
        normal(5, 2), np.tile([3.0, 4.0], (5, 1)), zero((3, 2)), zero(3), zero((2, 3)), zero(2)
    )
    assert np.isclose(loss, 25)
    assert np.allclose(of_b2, [-6, -8])


def test_8_every_example_is_normalised_on_its_own():
    layer = ch04.LayerNorm(6, eps=1e-8)
    x = tg.tensor(3 + 5 * normal(4, 7, 6).astype(np.float32))
    y = layer(x).numpy()
    assert np.allclose(y.mean(axis=-1), 0, atol=1e-5)
    assert np.allclose(y.std(axis=-1), 1, atol=1e-4)
    assert np.allclose(layer(x[:1]).numpy(), y[:1], atol=1e-6)


def test_8_its_parameters_are_trained_and_saved():
    layer = ch04.LayerNorm(5)
    assert isinstance(layer, nn.Module)
    state = layer.state_dict()
    assert {name: array.tolist() for name, array in state.items()} == {"weight": [1.0] * 5, "bias": [0.0] * 5}
    layer.load_state_dict({"weight": np.arange(5.0), "bias": np.ones(5)})
    assert np.allclose(layer(tg.randn(3, 5)).numpy()[:, 0], 1)


def test_8_its_derivatives_are_right_to_second_order():
    layer = ch04.LayerNorm(4, eps=1e-2).astype("float64")
    x = tg.tensor(normal(2, 4), requires_grad=True)
    weight = tg.tensor(normal(4, seed=1), requires_grad=True)

    def scaled(x, weight):
        return layer(x) * weight

    assert tg.gradcheck(scaled, [x, weight])
    assert tg.gradgradcheck(scaled, [x, weight])
