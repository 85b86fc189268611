"""Element-wise kernels and Adam: accurate, without warnings, the same in any memory order and as the reference."""

import math
import warnings

import numpy as np
import pytest

from tinygen.kernels import elementwise
from tinygen.kernels.adam import adam_update
from tinygen.kernels.cpu import parallel
from tinygen.kernels.cpu.blocked import BLOCK, blocked

LARGE = 12 * BLOCK + 7  # enough blocks for two threads, and one that is not full


def pair(kernel, *options):
    """A kernel with its fast CPU version, and its reference."""
    return lambda *arrays: kernel(*arrays, *options), lambda *arrays: kernel.reference(*arrays, *options)


FUNCTIONS = {
    "elu": pair(elementwise.elu, 1.0),
    "elu 0.5": pair(elementwise.elu, 0.5),
    "elu 2": pair(elementwise.elu, 2.0),
    "sigmoid": pair(elementwise.sigmoid),
    "silu": pair(elementwise.silu),
    "softplus": pair(elementwise.softplus),
    "tanh": pair(elementwise.tanh),
    "leaky_relu": pair(elementwise.leaky_relu, 0.2),
    "leaky_relu 0": pair(elementwise.leaky_relu, 0.0),
    "leaky_relu 3": pair(elementwise.leaky_relu, 3.0),
}
DERIVATIVES = {
    "elu": pair(elementwise.elu_derivative, 1.0),
    "elu 0.5": pair(elementwise.elu_derivative, 0.5),
    "leaky_relu": pair(elementwise.leaky_relu_derivative, 0.2),
    "relu": pair(elementwise.leaky_relu_derivative, 0.0),
}


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fast_function_computes_what_the_reference_computes(name, dtype):
    fast, reference = FUNCTIONS[name]
    x = numbers(LARGE, dtype=dtype)
    y = fast(x)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, reference(x), rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_accurate_to_the_rounding_of_single_precision(name):
    fast, reference = FUNCTIONS[name]
    x = np.concatenate([numbers(1000), np.logspace(-30, 1.9, 1000), -np.logspace(-30, 1.9, 1000)]).astype("float32")
    np.testing.assert_allclose(fast(x), reference(x.astype("float64")), rtol=5e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_does_not_warn_at_the_extremes_and_keeps_nan(name):
    fast, reference = FUNCTIONS[name]
    x = np.array([-1000, -100, -0.0, 0.0, 100, 1000, np.nan, np.inf, -1e38], "float32")
    if name == "leaky_relu 3":
        x = x[:-1]  # 3e38 and more is infinite in single precision, and rightly warns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(fast(x[:-2]), reference(x[:-2]))
        y = fast(x)
    assert np.isnan(y[6])


def test_softplus_is_linear_far_to_the_right_and_exponential_far_to_the_left():
    np.testing.assert_array_equal(elementwise.softplus(np.float32([1000, 88])), [1000, 88])
    np.testing.assert_allclose(elementwise.softplus(np.array([-50.0])), math.exp(-50))


def test_sigmoid_keeps_its_relative_accuracy_far_to_the_left():
    np.testing.assert_allclose(elementwise.sigmoid(np.float32([-20, -80])), np.exp([-20.0, -80.0]), rtol=1e-6)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_fast_derivative_computes_what_the_reference_computes(name):
    fast, reference = DERIVATIVES[name]
    g, y = numbers(LARGE), np.maximum(numbers(LARGE, seed=1), -0.5)
    y[:2] = 0, np.nan
    np.testing.assert_allclose(fast(g, y), reference(g, y), rtol=1e-6)


def test_masked_numbers_are_zero_also_where_they_are_not_finite():
    x = numbers(LARGE)
    x[:3] = np.nan, np.inf, -np.inf
    condition = numbers(LARGE, seed=1) > 0
    condition[:3] = False
    np.testing.assert_array_equal(elementwise.masked(condition, x), np.where(condition, x, 0))
    np.testing.assert_array_equal(elementwise.masked.reference(condition, x), np.where(condition, x, 0))


def batch_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_keeps_the_memory_order(name):
    x = numbers(8, 6, 64, 64)
    y = FUNCTIONS[name][0](batch_last(x))
    assert y.strides == batch_last(x).strides
    np.testing.assert_array_equal(y, FUNCTIONS[name][0](x))


@pytest.mark.parametrize("name", DERIVATIVES)
def test_operands_may_have_different_memory_orders_or_be_broadcast(name):
    fast, reference = DERIVATIVES[name]
    g, y = numbers(8, 6, 40, 40), numbers(8, 6, 40, 40, seed=1)
    for other in (batch_last(g), np.broadcast_to(np.float32(2), g.shape), g[::-1]):
        np.testing.assert_allclose(fast(other, y), reference(other, y), rtol=1e-6)
        np.testing.assert_allclose(fast(other, batch_last(y)), reference(other, y), rtol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (1, 3, 1)])
def test_a_function_takes_arrays_of_any_shape(name, shape):
    y = FUNCTIONS[name][0](np.ones(shape, "float32"))
    assert y.shape == shape
    assert y.dtype == np.float32


def test_all_arrays_are_cut_into_the_same_blocks():
    x, y = np.arange(2 * BLOCK + 5.0), np.ones(2 * BLOCK + 5)
    sizes = []

    @blocked()
    def add_scaled(out: np.ndarray, x: np.ndarray, y: np.ndarray, factor: float) -> None:
        sizes.append(out.size)
        np.multiply(y, factor, out=out)
        out += x

    np.testing.assert_array_equal(add_scaled(x, y, 3.0), x + 3)
    assert sum(sizes) == x.size
    assert max(sizes) <= BLOCK
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


@pytest.mark.parametrize("update", [adam_update.fast, adam_update.reference], ids=["fast", "reference"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("transposed", [False, True])
def test_adam_follows_its_formula_and_does_not_change_parameter_and_gradient(update, weight_decay, transposed):
    parameter = numbers(500, 401, dtype="float64")
    gradients = [numbers(500, 401, dtype="float64", seed=seed) for seed in (1, 2, 3)]
    expected = adam_by_its_formula(parameter, gradients, 0.1, (0.9, 0.99), 1e-8, weight_decay)
    mean, square = np.zeros_like(parameter), np.zeros_like(parameter)
    for step, gradient in enumerate(gradients, 1):
        given = np.asfortranarray(gradient) if transposed else gradient
        parameter.setflags(write=False)
        given.setflags(write=False)
        correction = math.sqrt(1 - 0.99**step)
        rates = [(0.1 * correction / (1 - 0.9**step), 1e-8 * correction)]
        (parameter,) = update([(parameter, given, mean, square)], rates, (0.9, 0.99), weight_decay)
    np.testing.assert_allclose(parameter, expected, rtol=1e-9)


@pytest.mark.parametrize("order", ["C", "F"])
def test_adam_changes_many_parameters_as_it_changes_each(order):
    """For parameters split among the threads or not, with both moments in one memory order or not."""
    shapes = [(BLOCK + 5,), (7,), (), (300, 500), (1, 3)]

    def arrays(first_seed: int, order: str) -> list[np.ndarray]:
        return [np.array(numbers(*s, seed=first_seed + t), order=order) for t, s in enumerate(shapes)]

    def arguments() -> list[tuple]:
        squares = [np.asarray(x * x) for x in arrays(30, order)]
        return list(zip(arrays(0, "F"), arrays(10, "C"), arrays(20, "F"), squares, strict=True))

    together, alone = arguments(), arguments()
    rates = [(0.1 + t, 1e-8) for t in range(len(shapes))]
    found = adam_update(together, rates, (0.9, 0.99), 0.0)
    for new, (*_, mean, square), one, rate in zip(found, together, alone, rates, strict=True):
        np.testing.assert_array_equal(new, adam_update([one], [rate], (0.9, 0.99), 0.0)[0])
        np.testing.assert_array_equal(mean, one[2])
        np.testing.assert_array_equal(square, one[3])


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool"])
def test_integers_and_truth_values_are_numbers(kind):
    x = np.array([0, 1, 1], kind)
    np.testing.assert_allclose(elementwise.sigmoid(x), 1 / (1 + np.exp(-x.astype(float))))
    np.testing.assert_allclose(elementwise.softplus(x), np.log1p(np.exp(x.astype(float))))
