"""Activations against their formulas in plain NumPy, at ordinary and at extreme inputs."""

import numpy as np
import pytest
from scipy import special

import tinygen as tg
import tinygen.functional as F

X = np.random.default_rng(0).normal(scale=3, size=(3, 5))
EXTREMES = np.array([-1000.0, -100.0, -1.0, 0.0, 1.0, 100.0, 1000.0])

FORMULAS = {
    "relu": (F.relu, lambda x: np.maximum(x, 0)),
    "leaky_relu": (F.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    "leaky_relu, slope 0.2": (lambda x: F.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    "leaky_relu, slope -0.5": (lambda x: F.leaky_relu(x, -0.5), lambda x: np.where(x > 0, x, -0.5 * x)),
    "elu": (F.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "elu, alpha 0.3": (lambda x: F.elu(x, 0.3), lambda x: np.where(x > 0, x, 0.3 * np.expm1(np.minimum(x, 0)))),
    "elu, alpha -1": (lambda x: F.elu(x, alpha=-1), lambda x: np.where(x > 0, x, -np.expm1(np.minimum(x, 0)))),
    "sigmoid": (F.sigmoid, special.expit),
    "silu": (F.silu, lambda x: x * special.expit(x)),
    "tanh": (F.tanh, np.tanh),
    "softplus": (F.softplus, lambda x: np.logaddexp(0, x)),
    "softplus, beta 3": (lambda x: F.softplus(x, beta=3), lambda x: np.logaddexp(0, 3 * x) / 3),
    "softplus, threshold 1": (lambda x: F.softplus(x, 1, 1), lambda x: np.where(x > 1, x, np.logaddexp(0, x))),
    "log_sigmoid": (F.log_sigmoid, special.log_expit),
    "softmax": (F.softmax, lambda x: special.softmax(x, -1)),
    "softmax, axis 0": (lambda x: F.softmax(x, axis=0), lambda x: special.softmax(x, 0)),
    "log_softmax": (F.log_softmax, lambda x: special.log_softmax(x, -1)),
    "log_softmax, axis 0": (lambda x: F.log_softmax(x, axis=0), lambda x: special.log_softmax(x, 0)),
}


@pytest.mark.parametrize(("function", "formula"), FORMULAS.values(), ids=FORMULAS)
@pytest.mark.parametrize("x", [X, EXTREMES[None]], ids=["ordinary", "extreme"])
def test_value_is_that_of_the_formula_in_both_precisions(function, formula, x):
    np.testing.assert_allclose(function(tg.tensor(x)).numpy(), formula(x), rtol=1e-12, atol=1e-15)
    single = function(tg.tensor(x, dtype="float32"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single.numpy(), formula(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [function for function, _ in FORMULAS.values()], ids=FORMULAS)
def test_no_input_however_extreme_makes_a_derivative_nan(function):
    x = tg.tensor(EXTREMES[None], dtype="float32", requires_grad=True)
    y = function(x)
    (first,) = tg.grad(y, x, tg.full(y.shape, 0.7), create_graph=True)
    (second,) = tg.grad(first, x, tg.full(x.shape, 1.3), allow_unused=True)
    assert np.isfinite(first.numpy()).all()
    assert second is None or np.isfinite(second.numpy()).all()


@pytest.mark.parametrize(
    ("function", "slope"),
    [(F.relu, 0.0), (F.leaky_relu, 0.01), (lambda x: F.elu(x, 0.5), 0.5)],
    ids=["relu", "leaky_relu", "elu"],
)
def test_the_slope_at_the_kink_is_that_of_the_left(function, slope):
    x = tg.tensor([0.0], requires_grad=True)
    function(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [slope])


def test_a_common_offset_costs_log_softmax_no_digits():
    x = np.array([[0.0, -0.5, -3.0]])
    shifted = F.log_softmax(tg.tensor(x + 4096, dtype="float32"))
    np.testing.assert_allclose(shifted.numpy(), special.log_softmax(x, -1), rtol=1e-6)


def test_softmax_sums_to_one_and_takes_minus_infinity_for_a_probability_of_zero():
    p = F.softmax(tg.tensor([[1.0, -np.inf, 3.0]])).numpy()
    assert p[0, 1] == 0
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-6)


def test_softmax_of_nothing_is_nothing_and_of_one_number_is_one():
    assert F.softmax(tg.zeros(5, 0)).shape == (5, 0)
    assert F.log_softmax(tg.zeros(5, 0, 0), axis=1).shape == (5, 0, 0)
    assert F.softmax(tg.tensor(3.0)).item() == 1


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_an_axis_that_is_not_there_is_named(function):
    with pytest.raises(ValueError, match="axis 2 is not among the axes"):
        function(tg.zeros(2, 3), axis=2)
