"""Each optimiser's update, step for step, against its definition in plain NumPy and against numbers of PyTorch's."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim
from tinygen.nn.initialisation import normal_weights

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


# What is given as parameters and options --------------------------------------------------------------------------

TAKERS = {
    "SGD": lambda params: optim.SGD(params, 0.1),
    "RMSprop": optim.RMSprop,
    "Adam": optim.Adam,
    "clip_grad_norm": lambda params: optim.clip_grad_norm(params, 1.0),
}


@pytest.mark.parametrize("name", TAKERS)
def test_parameters_are_several_leaves(name):
    layer = nn.Linear(2, 2)
    expected = f"{name}: params must be a list of leaf tensors, such as model.parameters\\(\\)"
    for given, what in {
        "a tensor": (layer.weight, r", got Parameter of shape \(2, 2\)"),
        "a module": (layer, ", got Linear"),
        "a dict": (dict(layer.named_parameters()), ", got dict"),
        "a text": ("weights", ", got str 'weights'"),
        "an array": (layer.weight.data, r"; params\[0\] is ndarray of shape \(2,\)"),
        "pairs": (layer.named_parameters(), r"; params\[0\] is tuple"),
        "nothing": (None, ", got None"),
        "a made tensor": (
            [layer.bias, layer.weight * 2],
            r"; params\[1\], of shape .* made by an operation",
        ),
    }.values():
        with pytest.raises(TypeError, match=expected + what):
            TAKERS[name](given)
    TAKERS[name](parameter for parameter in layer.parameters())


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam"])
def test_some_parameters_may_be_frozen_but_not_all(name):
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad = False
    TAKERS[name](layer.parameters())
    layer.bias.requires_grad = False
    with pytest.raises(TypeError, match=f"{name}: none of the parameters requires gradients"):
        TAKERS[name](layer.parameters())


@pytest.mark.parametrize("take", [optim.ExponentialMovingAverage, lambda m: normal_weights(m, 0.1)])
def test_modules_are_modules(take):
    with pytest.raises(TypeError, match="module must be a Module, got list"):
        take(nn.Linear(2, 2).parameters())


NUMBERS = {np.float64: 0.1, np.float32: 0.5, np.longdouble: 0.25, np.int64: 1, np.array: 0.1, tg.tensor: 0.5}


@pytest.mark.parametrize("make", NUMBERS)
def test_no_number_changes_the_dtype_of_weights_or_state(make):
    number = make(NUMBERS[make])
    share = make(NUMBERS[make]) if make is not np.int64 else np.int64(0)
    for create in (
        lambda p: optim.SGD(p, number, momentum=number, weight_decay=number),
        lambda p: optim.RMSprop(p, number, share, number),
        lambda p: optim.Adam(p, number, (share, share), number, number),
    ):
        parameter = tg.ones(3, requires_grad=True)
        optimizer = create([parameter])
        for _ in range(2):
            optimizer.lr = number
            parameter.grad = tg.ones(3)
            optimizer.step()
            average = optim.ExponentialMovingAverage(nn.Linear(1, 1), share)
            average.update()
            assert optim.clip_grad_norm([parameter], number) > 0
        assert type(optimizer.lr) in (int, float)
        assert optimizer.lr == pytest.approx(NUMBERS[make])
        assert parameter.dtype == parameter.grad.dtype == np.float32
        assert {array.dtype for array in optimizer.state[0].values()} <= {np.dtype("float32")}
        assert {array.dtype for array in average.average} == {np.dtype("float32")}
    assert type(optim.cosine_schedule(np.int64(1), np.int64(4), number)) is float


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_numbers_out_of_range_are_refused_when_they_are_set(value):
    parameter = [tg.ones(2, requires_grad=True)]
    for option in ("lr", "momentum", "weight_decay"):
        with pytest.raises(ValueError, match=f"SGD: {option} must be a number from 0, got {value}"):
            optim.SGD(parameter, **({"lr": 0.1} | {option: value}))
    optimizer = optim.RMSprop(parameter)
    for option, bounds in {
        "lr": "be a number from 0",
        "eps": "be a number from 0",
        "alpha": r"lie in \[0, 1\)",
    }.items():
        with pytest.raises(ValueError, match=f"RMSprop: {option} must {bounds}, got {value}"):
            setattr(optimizer, option, value)
    assert optimizer.lr == 1e-2
    with pytest.raises(ValueError, match="Adam: betas must lie in"):
        optim.Adam(parameter, betas=(0.9, value))
    with pytest.raises(ValueError, match="cosine_schedule: step must be a number from 0"):
        optim.cosine_schedule(value, 5, 1.0)


def test_a_state_that_is_refused_changes_nothing():
    parameter = tg.ones(2, requires_grad=True)
    optimizer = optim.Adam([parameter], 0.5)
    state = optimizer.state_dict()
    for change in ({"lr": -1.0}, {"steps": [1.5]}, {"state": [{"first_moment": [1.0], "second_moment": [1.0]}]}):
        with pytest.raises((TypeError, ValueError)):
            optimizer.load_state_dict({**state, "lr": 0.25, **change})
        assert (optimizer.lr, optimizer.steps) == (0.5, [0])


@pytest.mark.parametrize("make", [optim.SGD, optim.RMSprop, optim.Adam])
@pytest.mark.parametrize("shape", [(1,), (5, 3), ()])
def test_a_gradient_that_would_broadcast_is_refused_and_no_parameter_changes(make, shape):
    """Such as one that was computed before the parameter's data took another shape."""
    first, second = nn.Parameter(np.ones(3)), nn.Parameter(np.ones(shape))
    optimizer = make([first, second], lr=0.1)
    first.grad, second.grad = tg.ones(3), tg.ones(shape)
    second.data = np.ones(3)
    with pytest.raises(ValueError, match=r"step: the gradient of a parameter of shape \(3,\) has shape \("):
        optimizer.step()
    assert optimizer.steps == [0, 0]
    np.testing.assert_array_equal([first.numpy(), second.numpy()], np.ones((2, 3)))


def test_a_state_of_another_shape_than_its_parameter_is_refused():
    parameter = nn.Parameter(np.ones(3))
    optimizer = optim.RMSprop([parameter])
    parameter.grad = tg.ones(3)
    optimizer.step()
    parameter.data, parameter.grad = np.ones(1), tg.ones(1)
    with pytest.raises(ValueError, match=r"step: the mean_square of a parameter of shape \(1,\) has shape \(3,\)"):
        optimizer.step()


def test_an_average_refuses_a_weight_that_would_broadcast():
    layer = nn.Linear(3, 2)
    average = optim.ExponentialMovingAverage(layer)
    layer.bias.data = np.ones(1, "float32")
    with pytest.raises(ValueError, match=r"update: the average of a parameter of shape \(1,\) has shape \(2,\)"):
        average.update()
    assert average.updates == 0


@pytest.mark.parametrize("make", [optim.Adam, lambda params: optim.SGD(params, lr=0.1), optim.RMSprop])
def test_half_precision_is_refused(make):
    with pytest.raises(TypeError, match="must be float32 or float64, got float16"):
        make([tg.zeros(2, dtype="float16", requires_grad=True)])


def test_a_state_without_the_moments_of_its_steps_is_refused():
    """Adam's bias correction would count steps that its moments have not seen."""
    w = tg.zeros(1, requires_grad=True)
    w.grad = tg.ones(1)
    plain = optim.SGD([w], lr=0.1)
    plain.step()
    adam = optim.Adam([w])
    with pytest.raises(ValueError, match=r"state of \[\], Adam expects \['first_moment', 'second_moment'\]"):
        adam.load_state_dict(plain.state_dict())
    adam.load_state_dict(optim.Adam([w]).state_dict())
