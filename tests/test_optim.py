"""Each optimiser's update, step for step, against its definition in plain NumPy and against numbers of PyTorch's."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import optim

START = [1.0, -2.0, 3.0]


def slopes(step: int) -> np.ndarray:
    """The gradients that every optimiser is given."""
    return np.array([0.5, -1.0, 0.01]) * (-0.7) ** step


def run(make, steps: int = 6) -> list[np.ndarray]:
    """The parameter after each step."""
    parameter = tg.tensor(np.array(START), requires_grad=True)
    optimizer, path = make([parameter]), []
    for step in range(steps):
        optimizer.zero_grad()
        assert parameter.grad is None
        (parameter * tg.tensor(slopes(step))).sum().backward()
        optimizer.step()
        path.append(parameter.numpy())
    return path


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.1), (0.9, 0.1)])
def test_sgd_adds_up_a_velocity_that_begins_as_the_first_gradient(momentum, decay):
    p, v = np.array(START), 0.0
    for step, found in enumerate(run(lambda params: optim.SGD(params, 0.1, momentum, decay))):
        v = momentum * v + slopes(step) + decay * p
        p = p - 0.1 * v
        np.testing.assert_allclose(found, p, rtol=1e-12)


def test_rmsprop_divides_by_the_root_of_the_averaged_square_plus_eps():
    p, s = np.array(START), 0.0
    for step, found in enumerate(run(lambda params: optim.RMSprop(params, 0.05, alpha=0.9, eps=1e-3))):
        s = 0.9 * s + 0.1 * slopes(step) ** 2
        p = p - 0.05 * slopes(step) / (np.sqrt(s) + 1e-3)
        np.testing.assert_allclose(found, p, rtol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_corrects_both_averages_for_their_beginning(decay):
    p, m, v = np.array(START), 0.0, 0.0
    for step, found in enumerate(run(lambda params: optim.Adam(params, 0.05, (0.8, 0.95), 1e-3, decay)), 1):
        g = slopes(step - 1) + decay * p
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
        p = p - 0.05 * (m / (1 - 0.8**step)) / (np.sqrt(v / (1 - 0.95**step)) + 1e-3)
        np.testing.assert_allclose(found, p, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda p: optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
            [0.8400890187941494, -1.6801780375882989, 2.9438467179129293],
        ),
        (lambda p: optim.RMSprop(p), [0.9402058433073962, -1.9402058366679567, 2.9402064939654915]),
        (lambda p: optim.Adam(p, weight_decay=0.01), [0.9980167891647576, -1.9980167165764493, 2.9941606123470614]),
    ],
    ids=["SGD", "RMSprop", "Adam"],
)
def test_after_six_steps_the_parameters_are_pytorchs(make, expected):
    np.testing.assert_allclose(run(make)[-1], expected, rtol=1e-12)


def test_a_parameter_without_a_gradient_stays_as_it_is():
    used, unused = tg.ones(2, requires_grad=True), tg.ones(2, requires_grad=True)
    optimizer = optim.Adam([used, unused])
    used.sum().backward()
    optimizer.step()
    assert (used.numpy() != 1).all()
    assert (unused.numpy() == 1).all()


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.1, 0.9), optim.RMSprop, optim.Adam])
def test_a_state_goes_on_bit_for_bit(make):
    whole = run(make, 6)[-1]
    parameter = tg.tensor(np.array(START), requires_grad=True)
    optimizer = make([parameter])
    for step in range(6):
        if step == 3:
            state, optimizer = optimizer.state_dict(), make([parameter])
            optimizer.load_state_dict(state)
        parameter.grad = tg.tensor(slopes(step))
        optimizer.step()
    np.testing.assert_array_equal(parameter.numpy(), whole)


def test_parameters_keep_their_type():
    for make in (lambda p: optim.SGD(p, 0.1, 0.9, 0.1), optim.RMSprop, optim.Adam):
        parameter = tg.ones(3, requires_grad=True)
        optimizer = make([parameter])
        for _ in range(2):
            parameter.grad = tg.ones(3)
            optimizer.step()
        assert parameter.dtype == np.float32
        assert {array.dtype for array in optimizer.state[0].values()} <= {np.dtype("float32")}


def test_what_makes_no_sense_is_refused_by_name():
    parameter = tg.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="SGD: there are no parameters"):
        optim.SGD([], 0.1)
    with pytest.raises(ValueError, match="RMSprop: lr must be a number from 0, got -1"):
        optim.RMSprop([parameter], -1)
    with pytest.raises(ValueError, match=r"Adam: betas must lie in \[0, 1\), got \(0.9, 1.0\)"):
        optim.Adam([parameter], betas=(0.9, 1.0))


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.1), lambda p: optim.RMSprop(p, 0.1), optim.Adam])
def test_a_number_stays_a_tensor_of_its_device_and_no_parameter_is_given_twice(make, gpu):
    here, there = tg.tensor(2.0, requires_grad=True), tg.tensor([1.0, 2.0], device=gpu, requires_grad=True)
    optimizer = make([here, there])
    for _ in range(2):
        optimizer.zero_grad()
        (here * here).backward()
        (there * there).sum().backward()
        optimizer.step()
    assert (here.device, there.device) == ("cpu", "gpu:0")
    assert here.shape == ()
    assert here.item() < 2
    with pytest.raises(ValueError, match="a parameter is given twice"):
        make([here, there, here])
