"""Element-wise chains: accurate, silent at the extremes, and the same in any memory order and on any array module."""

import math
import warnings

import numpy as np
import pytest

from tinygen.kernels import adam, elementwise
from tinygen.kernels.cpu import parallel

LARGE = 12 * elementwise.BLOCK + 7  # enough blocks for two threads, and one that is not full
FUNCTIONS = {
    "elu": (lambda x: elementwise.elu(x, 1.0), lambda x: elementwise.elu_plain(x, 1.0)),
    "elu 0.5": (lambda x: elementwise.elu(x, 0.5), lambda x: elementwise.elu_plain(x, 0.5)),
    "elu 2": (lambda x: elementwise.elu(x, 2.0), lambda x: elementwise.elu_plain(x, 2.0)),
    "sigmoid": (elementwise.sigmoid, elementwise.sigmoid_plain),
    "softplus": (elementwise.softplus, elementwise.softplus_plain),
    "leaky_relu": (lambda x: elementwise.leaky_relu(x, 0.2), lambda x: elementwise.leaky_relu_plain(x, 0.2)),
    "leaky_relu 0": (lambda x: elementwise.leaky_relu(x, 0.0), lambda x: elementwise.leaky_relu_plain(x, 0.0)),
    "leaky_relu 3": (lambda x: elementwise.leaky_relu(x, 3.0), lambda x: elementwise.leaky_relu_plain(x, 3.0)),
}
DERIVATIVES = {
    "elu": (
        lambda g, y: elementwise.elu_derivative(g, y, 1.0),
        lambda g, y: elementwise.elu_derivative_plain(g, y, 1.0),
    ),
    "elu 0.5": (
        lambda g, y: elementwise.elu_derivative(g, y, 0.5),
        lambda g, y: elementwise.elu_derivative_plain(g, y, 0.5),
    ),
    "leaky_relu": (
        lambda g, x: elementwise.leaky_relu_derivative(g, x, 0.2),
        lambda g, x: elementwise.leaky_relu_derivative_plain(g, x, 0.2),
    ),
    "relu": (
        lambda g, x: elementwise.leaky_relu_derivative(g, x, 0.0),
        lambda g, x: elementwise.leaky_relu_derivative_plain(g, x, 0.0),
    ),
}


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_function_is_the_same_on_any_array_module(name, dtype):
    fast, plain = FUNCTIONS[name]
    x = numbers(LARGE, dtype=dtype)
    y = fast(x)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, plain(x), rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_accurate_to_the_rounding_of_single_precision(name):
    fast, plain = FUNCTIONS[name]
    x = np.concatenate([numbers(1000), np.logspace(-30, 1.9, 1000), -np.logspace(-30, 1.9, 1000)]).astype("float32")
    np.testing.assert_allclose(fast(x), plain(x.astype("float64")), rtol=5e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_nothing_at_the_extremes_and_keeps_nan(name):
    fast, plain = FUNCTIONS[name]
    x = np.array([-1000, -100, -0.0, 0.0, 100, 1000, np.nan, np.inf, -1e38], "float32")
    if name == "leaky_relu 3":
        x = x[:-1]  # 3e38 and more is infinite in single precision, and rightly warns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(fast(x[:-2]), plain(x[:-2]))
        y = fast(x)
    assert np.isnan(y[6])


def test_softplus_is_linear_far_to_the_right_and_exponential_far_to_the_left():
    np.testing.assert_array_equal(elementwise.softplus(np.float32([1000, 88])), [1000, 88])
    np.testing.assert_allclose(elementwise.softplus(np.array([-50.0])), math.exp(-50))


def test_sigmoid_keeps_its_relative_accuracy_far_to_the_left():
    np.testing.assert_allclose(elementwise.sigmoid(np.float32([-20, -80])), np.exp([-20.0, -80.0]), rtol=1e-6)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_derivative_is_the_same_on_any_array_module(name):
    fast, plain = DERIVATIVES[name]
    g, y = numbers(LARGE), np.maximum(numbers(LARGE, seed=1), -0.5)
    y[:2] = 0, np.nan
    np.testing.assert_allclose(fast(g, y), plain(g, y), rtol=1e-6)


def batch_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_keeps_the_order_in_memory(name):
    x = numbers(8, 6, 64, 64)
    y = FUNCTIONS[name][0](batch_last(x))
    assert y.strides == batch_last(x).strides
    np.testing.assert_array_equal(y, FUNCTIONS[name][0](x))


@pytest.mark.parametrize("name", DERIVATIVES)
def test_operands_may_lie_in_different_orders_or_be_broadcast(name):
    fast, plain = DERIVATIVES[name]
    g, y = numbers(8, 6, 40, 40), numbers(8, 6, 40, 40, seed=1)
    for other in (batch_last(g), np.broadcast_to(np.float32(2), g.shape), g[::-1]):
        np.testing.assert_allclose(fast(other, y), plain(other, y), rtol=1e-6)
        np.testing.assert_allclose(fast(other, batch_last(y)), plain(other, y), rtol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (1, 3, 1)])
def test_a_function_takes_arrays_of_any_shape(name, shape):
    y = FUNCTIONS[name][0](np.ones(shape, "float32"))
    assert y.shape == shape
    assert y.dtype == np.float32


def test_blocked_calls_with_blocks_of_all_arrays_in_step():
    x, y = np.arange(2 * elementwise.BLOCK + 5.0), np.ones(2 * elementwise.BLOCK + 5)
    sizes = []

    def add(out: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        sizes.append(out.size)
        np.add(x, y, out=out)

    np.testing.assert_array_equal(elementwise.blocked(add, np.empty_like(x), x, y), x + 1)
    assert sum(sizes) == x.size
    assert max(sizes) <= elementwise.BLOCK
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) % parallel.threads() == 0


def adam_by_its_formula(parameter, gradients, lr, betas, eps, weight_decay):
    mean, square = np.zeros_like(parameter), np.zeros_like(parameter)
    for t, gradient in enumerate(gradients, 1):
        gradient = gradient + weight_decay * parameter
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        corrected = mean / (1 - betas[0] ** t), square / (1 - betas[1] ** t)
        parameter = parameter - lr * corrected[0] / (np.sqrt(corrected[1]) + eps)
    return parameter


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("transposed", [False, True])
def test_adam_follows_its_formula_and_leaves_parameter_and_gradient_alone(weight_decay, transposed):
    parameter = numbers(500, 401, dtype="float64")
    gradients = [numbers(500, 401, dtype="float64", seed=seed) for seed in (1, 2, 3)]
    expected = adam_by_its_formula(parameter, gradients, 0.1, (0.9, 0.99), 1e-8, weight_decay)
    mean, square = np.zeros_like(parameter), np.zeros_like(parameter)
    for step, gradient in enumerate(gradients, 1):
        given = np.asfortranarray(gradient) if transposed else gradient
        parameter.setflags(write=False)
        given.setflags(write=False)
        moves = [(parameter, given, mean, square, step)]
        (parameter,) = adam.adam_update(moves, 0.1, (0.9, 0.99), 1e-8, weight_decay)
    np.testing.assert_allclose(parameter, expected, rtol=1e-9)


def test_adam_changes_many_parameters_as_it_changes_each():
    """Cut among the threads or not, dense in memory or not, in different orders and at different times."""
    shapes = [(elementwise.BLOCK + 5,), (7,), (), (300, 500), (1, 3)]

    def moves() -> list:
        made = []
        for t, shape in enumerate(shapes, 1):
            parameter, gradient, mean = (np.asarray(numbers(*shape, seed=10 * t + i)) for i in range(3))
            turned, square = np.array(parameter, order="F"), np.array(numbers(*shape, seed=t) ** 2)
            made.append((turned, gradient, np.array(mean, order="F"), square, t))
        return made

    together, alone = moves(), moves()
    found = adam.adam_update(together, 0.1, (0.9, 0.99), 1e-8, 0.0)
    for new, move, by_itself in zip(found, together, alone, strict=True):
        np.testing.assert_array_equal(new, adam.adam_update([by_itself], 0.1, (0.9, 0.99), 1e-8, 0.0)[0])
        np.testing.assert_array_equal(move[2], by_itself[2])
        np.testing.assert_array_equal(move[3], by_itself[3])


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool"])
def test_whole_numbers_and_truth_values_count_as_numbers(kind):
    x = np.array([0, 1, 1], kind)
    np.testing.assert_allclose(elementwise.sigmoid(x), 1 / (1 + np.exp(-x.astype(float))))
    np.testing.assert_allclose(elementwise.softplus(x), np.log1p(np.exp(x.astype(float))))
