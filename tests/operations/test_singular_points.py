"""Where formulas divide by zero, overflow or tie: values and gradients are what the mathematics says, never NaN."""

import numpy as np
import pytest

import tinygen as tg
import tinygen.functional as F
from tinygen import likelihoods

HUGE = [-1000.0, -100.0, -1.0, 0.0, 1.0, 100.0, 1000.0]


def derivatives(function, *inputs, dtype="float64", orders=2):
    """Value, first and second derivatives along ones, for every input, as arrays."""
    tensors = [tg.tensor(np.array(x), dtype=dtype, requires_grad=True) for x in inputs]
    value = function(*tensors)
    levels, outputs = [[value.numpy()]], [value]
    for _ in range(orders):
        seeds = [tg.ones_like(y) for y in outputs]
        found = tg.grad(outputs, tensors, seeds, create_graph=True, allow_unused=True)
        outputs = [tg.zeros_like(x) if g is None else g for g, x in zip(found, tensors, strict=True)]
        levels.append([y.numpy() for y in outputs])
    return levels


NEVER_NAN = {
    "sigmoid": (F.sigmoid, HUGE),
    "log_sigmoid": (F.log_sigmoid, HUGE),
    "softplus": (F.softplus, HUGE),
    "softplus, beta": (lambda x: F.softplus(x, beta=3.0), HUGE),
    "silu": (F.silu, HUGE),
    "tanh": (tg.tanh, HUGE),
    "elu": (F.elu, HUGE),
    "elu, negative alpha": (lambda x: F.elu(x, -1.0), HUGE),
    "softmax": (F.softmax, [HUGE, HUGE[::-1]]),
    "log_softmax": (F.log_softmax, [HUGE, HUGE[::-1]]),
    "logsumexp": (tg.logsumexp, [-1000.0, -1001.0, -5000.0]),
    "logsumexp of large": (tg.logsumexp, [1000.0, 1001.0, 5000.0]),
    "log_mean_exp": (likelihoods.log_mean_exp, [[-2000.0, -2001.0], [-1e5, -1e5]]),
    "cross_entropy": (lambda x: F.cross_entropy(x, [0, 0]), [[1000.0, -1000.0], [-1000.0, 1000.0]]),
    "cross_entropy, smoothed": (
        lambda x: F.cross_entropy(x, [0, 1], label_smoothing=0.1),
        [[1000.0, -1000.0], [-1000.0, 1000.0]],
    ),
    "binary cross entropy": (
        lambda x: F.binary_cross_entropy_with_logits(x, tg.tensor([0.0, 1, 0.5, 0, 1, 0, 1], dtype=x.dtype)),
        HUGE,
    ),
    "x**0": (lambda x: x**0, [-1.0, 0.0, 2.0]),
    "x**1": (lambda x: x**1, [-1.0, 0.0, 2.0]),
    "x**2": (lambda x: x**2, [-1.0, 0.0, 2.0]),
    "x**3": (lambda x: x**3, [-1.0, 0.0, 2.0]),
    "x**2.5": (lambda x: x**2.5, [0.0, 2.0]),
    "0.0**p": (lambda p: 0.0**p, [0.0, 1.0, 2.0, 0.5]),
    "norm": (tg.norm, [0.0, 0.0, 0.0]),
    "norm over an axis": (lambda x: tg.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]),
    "norm, order 1": (lambda x: tg.norm(x, 1), [0.0, 0.0, 0.0]),
    "norm, order 3": (lambda x: tg.norm(x, 3), [0.0, 0.0, 0.0]),
    "norm, order 3, one zero": (lambda x: tg.norm(x, 3), [0.0, 1.0, -2.0]),
    "norm, order inf": (lambda x: tg.norm(x, np.inf), [0.0, 0.0, 0.0]),
    "std": (tg.std, [2.0, 2.0, 2.0]),
    "std over an axis": (lambda x: tg.std(x, axis=1), [[1.0, 1.0], [3.0, 4.0]]),
    "std of one number": (tg.std, 5.0),
    "var": (tg.var, [2.0, 2.0, 2.0]),
    "prod": (tg.prod, [0.0, 0.0, 3.0]),
    "abs": (tg.abs, [0.0, -1.0]),
    "relu": (F.relu, [0.0, -1.0]),
    "clip": (lambda x: tg.clip(x, 0.0, 1.0), [0.0, 1.0, -1.0, 2.0]),
    "expm1": (tg.expm1, [-1000.0, 0.0]),
    "log1p": (tg.log1p, [0.0, 1e-300]),
    "certain coins": (lambda mu: likelihoods.log_likelihood_bernoulli(mu, tg.tensor([[0.0, 1.0]])), [[0.0, 1.0]]),
    "coins of large logits": (
        lambda x: likelihoods.log_likelihood_bernoulli_logits(x, tg.tensor([[0.0, 1.0]])),
        [[-1000.0, 1000.0]],
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NEVER_NAN)
def test_value_and_derivatives_to_second_order_are_finite(name, dtype):
    function, x = NEVER_NAN[name]
    for level in derivatives(function, x, dtype=dtype):
        assert all(np.isfinite(array).all() for array in level), level


def test_log_sigmoid_and_softplus_of_huge_numbers():
    value, (first,), (second,) = derivatives(F.log_sigmoid, [-1000.0, 0.0, 1000.0])
    np.testing.assert_allclose(value[0], [-1000.0, -np.log(2), 0.0], atol=1e-300)
    np.testing.assert_allclose(first, [1.0, 0.5, 0.0])
    np.testing.assert_allclose(second, [0.0, -0.25, 0.0])
    value, (first,), (second,) = derivatives(F.softplus, [-1000.0, 0.0, 1000.0])
    np.testing.assert_allclose(value[0], [0.0, np.log(2), 1000.0])
    np.testing.assert_allclose(first, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(second, [0.0, 0.25, 0.0])


def test_cross_entropy_of_huge_logits():
    value, (first,), _ = derivatives(lambda x: F.cross_entropy(x, [1], reduction="sum"), [[1000.0, -1000.0]])
    assert value[0] == 2000
    np.testing.assert_array_equal(first, [[1.0, -1.0]])


def test_binary_cross_entropy_of_huge_logits():
    loss = lambda x: F.binary_cross_entropy_with_logits(x, tg.tensor([0.0, 0.0, 1.0, 1.0]), reduction="none")  # noqa: E731
    value, (first,), _ = derivatives(loss, [1000.0, -1000.0, 1000.0, -1000.0])
    np.testing.assert_array_equal(value[0], [1000.0, 0.0, 0.0, 1000.0])
    np.testing.assert_array_equal(first, [1.0, 0.0, 0.0, -1.0])


def test_logsumexp_of_numbers_whose_exponentials_vanish():
    value, (first,), (second,) = derivatives(tg.logsumexp, [-2000.0, -2000.0])
    assert value[0] == pytest.approx(-2000 + np.log(2))
    np.testing.assert_allclose(first, [0.5, 0.5])
    np.testing.assert_allclose(second, [0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("function", [lambda x: tg.sum(tg.logsumexp(x, axis=1)), likelihoods.log_mean_exp])
def test_the_slopes_of_log_sum_exp_keep_their_digits_far_from_zero(function):
    x = np.random.default_rng(0).normal(-5000, 3, (4, 200)).astype("float32")
    single, double = (derivatives(function, x, dtype=dtype) for dtype in ("float32", "float64"))
    np.testing.assert_allclose(single[1][0], double[1][0], rtol=3e-6)
    np.testing.assert_allclose(single[1][0].sum(1), np.ones(4), rtol=1e-6)


def test_logsumexp_of_nothing_but_minus_infinity_has_gradient_zero():
    value, (first,), (second,) = derivatives(tg.logsumexp, [-np.inf, -np.inf])
    assert value[0] == -np.inf
    np.testing.assert_array_equal(first, [0.0, 0.0])
    np.testing.assert_array_equal(second, [0.0, 0.0])


def test_softmax_of_a_masked_class_has_gradient_zero_there():
    x = tg.tensor(np.array([0.0, -np.inf, 1.0]), requires_grad=True)
    p = F.softmax(x)
    assert p.numpy()[1] == 0
    (first,) = tg.grad(p[0], x, create_graph=True)
    assert first.numpy()[1] == 0
    assert np.isfinite(first.numpy()).all()
    assert np.isfinite(tg.grad(first[0], x)[0].numpy()).all()


def test_powers_at_zero():
    for exponent, expected in [(0, (1, 0, 0)), (1, (0, 1, 0)), (2, (0, 0, 2)), (3, (0, 0, 0))]:
        for power in (exponent, tg.tensor(np.array([float(exponent)]))):
            value, first, second = derivatives(lambda x, p=power: x**p, [0.0])
            assert (value[0].item(), first[0].item(), second[0].item()) == expected


def test_powers_of_zero_with_a_tensor_as_exponent():
    for exponent in (1.0, 2.0, 3.0):
        for level in derivatives(lambda x, p: x**p, [0.0], [exponent]):
            assert all(np.isfinite(array).all() for array in level)
    _, (in_x, in_p), _ = derivatives(lambda x, p: x**p, [0.0], [2.0])
    assert in_x.item() == in_p.item() == 0
    _, (in_x, in_p), _ = derivatives(lambda x, p: x**p, [0.0], [0.0])
    assert in_x.item() == in_p.item() == 0


def test_the_slope_in_the_exponent_is_zero_where_a_whole_power_of_a_negative_number_stands_alone():
    value, (in_x, in_p), second = derivatives(lambda x, p: x**p, [-2.0, -2.0], [2.0, 3.0])
    np.testing.assert_array_equal(value[0], [4.0, -8.0])
    np.testing.assert_array_equal(in_x, [-4.0, 12.0])
    np.testing.assert_array_equal(in_p, [0.0, 0.0])
    assert np.isfinite(second).all()


def test_one_over_zero_falls_without_bound_as_the_exponent_grows():
    with np.errstate(divide="ignore"):
        value, (in_p,) = derivatives(lambda p: 0.0**p, [-1.0], orders=1)
    assert value[0] == np.inf
    assert in_p == -np.inf


def test_relu_of_minus_infinity_is_zero():
    for level in derivatives(F.relu, [-np.inf, -1.0]):
        np.testing.assert_array_equal(level[0], [0.0, 0.0])


def test_negative_numbers_to_whole_powers():
    power = tg.tensor(np.array([2.0, 3.0]))
    value, (first,), (second,) = derivatives(lambda x: x**power, [-2.0, -2.0])
    np.testing.assert_array_equal(value[0], [4.0, -8.0])
    np.testing.assert_array_equal(first, [-4.0, 12.0])
    np.testing.assert_array_equal(second, [2.0, -12.0])


def test_the_slope_of_a_norm_and_of_a_deviation_is_zero_where_they_vanish():
    for function in (tg.norm, tg.std):
        for level in derivatives(function, [1.0 * (function is tg.std)] * 3)[1:]:
            np.testing.assert_array_equal(level[0], np.zeros(3))


def test_a_penalty_on_the_norm_of_a_vanishing_gradient_can_be_trained():
    x, weight = tg.zeros(2, 3, requires_grad=True), tg.zeros(3, requires_grad=True)
    (slope,) = tg.grad(tg.sum(x @ weight), x, create_graph=True)
    tg.mean((tg.norm(slope, axis=1) - 1) ** 2).backward()
    np.testing.assert_array_equal(weight.grad.numpy(), np.zeros(3))


@pytest.mark.parametrize(
    ("function", "x", "gradient"),
    [
        (tg.max, [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
        (tg.min, [1.0, 1.0, 1.0], [1 / 3, 1 / 3, 1 / 3]),
        (lambda x: tg.sum(tg.maximum(x, 1.0)), [1.0, 2.0], [0.5, 1.0]),
        (lambda x: tg.sum(tg.minimum(1.0, x)), [1.0, 0.0], [0.5, 1.0]),
        (lambda x: tg.sum(tg.max(x, axis=0)), [[1.0, 2.0], [1.0, 5.0]], [[0.5, 0.0], [0.5, 1.0]]),
        (lambda x: tg.sum(tg.abs(x)), [0.0, -2.0], [0.0, -1.0]),
        (lambda x: tg.sum(F.relu(x)), [0.0, 2.0], [0.0, 1.0]),
        (lambda x: tg.sum(F.leaky_relu(x, 0.2)), [0.0, 2.0], [0.2, 1.0]),
        (lambda x: tg.sum(tg.clip(x, 0.0, 1.0)), [0.0, 1.0, 1.5], [1.0, 1.0, 0.0]),
        (lambda x: tg.sum(F.max_pool2d(tg.reshape(x, 1, 1, 2, 2), 2)), [0.0, 7.0, 7.0, 7.0], [0.0, 1.0, 0.0, 0.0]),
    ],
)
def test_ties_and_kinks_have_the_gradient_that_is_promised(function, x, gradient):
    np.testing.assert_allclose(derivatives(function, x, orders=1)[1][0], gradient)


def test_maximum_and_minimum_share_a_tie_between_both():
    for function in (tg.maximum, tg.minimum):
        _, (first, second) = derivatives(function, [1.0], [1.0], orders=1)
        assert first == second == 0.5


def test_a_product_with_zeros_has_the_products_of_the_others():
    _, (first,) = derivatives(tg.prod, [0.0, 2.0, 3.0], orders=1)
    np.testing.assert_array_equal(first, [6.0, 0.0, 0.0])
    H = tg.hessian(tg.prod, tg.tensor([0.0, 0.0, 3.0]))
    np.testing.assert_array_equal(H.numpy(), [[0, 3, 0], [3, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("root", [tg.sqrt, lambda x: x**0.5, lambda x: x ** tg.tensor([0.5])])
def test_the_infinite_derivative_of_a_root_at_zero_gives_no_nan_where_the_result_does_not_depend_on_it(root):
    with np.errstate(divide="ignore"):
        levels = derivatives(lambda x: tg.where(x > 0, root(x), 0.0), [0.0, 4.0])
    np.testing.assert_allclose([level[0] for level in levels], [[0, 2], [0, 1 / 4], [0, -1 / 32]])


def test_the_slope_of_a_power_in_base_and_exponent_is_symmetric_where_the_exponent_is_zero():
    _, _, (in_x, in_p) = derivatives(lambda x, p: x**p, [2.0], [0.0])
    np.testing.assert_allclose(in_x, [1 / 2])  # d/dx (p x^(p - 1) + x^p log x) at p = 0
    np.testing.assert_allclose(in_p, [1 / 2 + np.log(2) ** 2])  # d/dp of the same


def test_the_root_has_an_infinite_derivative_at_zero():
    with np.errstate(divide="ignore"):
        _, (first,) = derivatives(tg.sqrt, [0.0], orders=1)
    assert first == np.inf
