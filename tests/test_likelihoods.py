"""Likelihoods against SciPy's densities and closed forms, and where logarithms and exponentials leave the range."""

import math

import numpy as np
import pytest
from scipy import special, stats

import tinygen as tg
from tinygen.likelihoods import (
    kl_gaussian_gaussian_analytic,
    kl_gaussian_gaussian_mc,
    kl_gaussian_standard,
    log_likelihood_bernoulli,
    log_likelihood_bernoulli_logits,
    log_likelihood_normal,
    log_mean_exp,
)

SHAPES = [(3, 4), (1, 5), (4,), (2, 3, 2), (1, 1, 3, 2)]
ACCURACY = {"float32": 2e-6, "float64": 1e-13}

both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])
all_shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


def asking(*arrays, dtype="float64"):
    return [tg.tensor(np.asarray(array), dtype=dtype, requires_grad=True) for array in arrays]


def per_example(values):
    return values.reshape(len(values), -1).sum(axis=1)


def assert_is(found, expected, dtype):
    assert found.shape == (len(expected),)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=ACCURACY[dtype], atol=4 * ACCURACY[dtype])


def derivatives(function, *inputs):
    """The value's first gradients, and the gradients of their weighted sum."""
    first = tg.grad(tg.sum(function(*inputs)), inputs, create_graph=True)
    mixed = sum((tg.sum(g * (k + 0.5)) for k, g in enumerate(first)), tg.tensor(0.0))
    second = tg.grad(mixed, inputs, allow_unused=True) if mixed.requires_grad else ()
    return [g.numpy() for g in first], [g.numpy() for g in second if g is not None]


# Against densities that are known ------------------------------------------------------------------------------------


@both_types
@all_shapes
def test_bernoulli_is_scipys_log_pmf_summed_over_all_axes_but_the_first(numbers, shape, dtype):
    mu, target = numbers.uniform(0.01, 0.99, shape).astype(dtype), numbers.integers(0, 2, shape).astype(dtype)
    found = log_likelihood_bernoulli(tg.tensor(mu), tg.tensor(target))
    assert_is(found, per_example(stats.bernoulli.logpmf(target, mu.astype("float64"))), dtype)


@both_types
@all_shapes
def test_bernoulli_of_logits_is_bernoulli_of_their_sigmoid(numbers, shape, dtype):
    logits, target = numbers.normal(0, 3, shape).astype(dtype), numbers.integers(0, 2, shape).astype(dtype)
    found = log_likelihood_bernoulli_logits(tg.tensor(logits), tg.tensor(target))
    expected = per_example(stats.bernoulli.logpmf(target, special.expit(logits.astype("float64"))))
    assert_is(found, expected, dtype)


@both_types
def test_bernoulli_takes_targets_between_0_and_1(numbers, dtype):
    mu, target = numbers.uniform(0.1, 0.9, (2, 3, 4)).astype(dtype)
    expected = per_example(special.xlogy(target, mu) + special.xlog1py(1 - target, -mu))
    assert_is(log_likelihood_bernoulli(tg.tensor(mu), tg.tensor(target)), expected, dtype)
    logits = special.logit(mu)
    assert_is(log_likelihood_bernoulli_logits(tg.tensor(logits), tg.tensor(target)), expected, dtype)


@both_types
@all_shapes
def test_normal_is_scipys_log_pdf(numbers, shape, dtype):
    mu, logvar, z = numbers.normal(size=(3, *shape)).astype(dtype)
    found = log_likelihood_normal(tg.tensor(mu), tg.tensor(logvar), tg.tensor(z))
    wide = [a.astype("float64") for a in (z, mu, logvar)]
    assert_is(found, per_example(stats.norm.logpdf(wide[0], wide[1], np.exp(wide[2] / 2))), dtype)


@both_types
def test_log_mean_exp_is_the_logarithm_of_the_mean(numbers, dtype):
    y = numbers.normal(0, 2, (5, 7)).astype(dtype)
    assert_is(log_mean_exp(tg.tensor(y)), np.log(np.exp(y.astype("float64")).mean(axis=1)), dtype)


@both_types
def test_log_mean_exp_of_one_sample_is_the_sample(dtype):
    y = np.array([[-1e4], [0.0], [1e4]], dtype)
    np.testing.assert_array_equal(log_mean_exp(tg.tensor(y)).numpy(), y[:, 0])


@both_types
def test_log_mean_exp_is_exact_where_every_exponential_underflows_or_overflows(dtype):
    y = np.array([[-1000.0, -1001.0, -2000.0], [-5e4, -5e4, -5e4], [1000.0, 1000.0, 999.0]], dtype)
    top = y.astype("float64").max(axis=1, keepdims=True)
    expected = top[:, 0] + np.log(np.exp(y - top).mean(axis=1))
    assert_is(log_mean_exp(tg.tensor(y)), expected, dtype)


@both_types
@all_shapes
def test_kl_is_the_integral_of_the_log_ratio(numbers, shape, dtype):
    mu_q, logvar_q, mu_p, logvar_p = numbers.normal(size=(4, *shape)).astype(dtype)
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)  # exact for polynomials, and the log-ratio is one
    wide = [a.astype("float64")[..., None] for a in (mu_q, logvar_q, mu_p, logvar_p)]
    z = wide[0] + np.exp(wide[1] / 2) * nodes
    ratio = stats.norm.logpdf(z, wide[0], np.exp(wide[1] / 2)) - stats.norm.logpdf(z, wide[2], np.exp(wide[3] / 2))
    expected = per_example((ratio * weights).sum(axis=-1) / weights.sum())
    found = kl_gaussian_gaussian_analytic(*(tg.tensor(a) for a in (mu_q, logvar_q, mu_p, logvar_p)))
    assert found.shape == (shape[0],)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=20 * ACCURACY[dtype])


@both_types
@all_shapes
def test_kl_from_the_standard_normal_is_the_general_one_with_a_standard_normal(numbers, shape, dtype):
    mu, logvar = (tg.tensor(a) for a in numbers.normal(size=(2, *shape)).astype(dtype))
    origin = tg.zeros_like(mu)
    found, expected = kl_gaussian_standard(mu, logvar), kl_gaussian_gaussian_analytic(mu, logvar, origin, origin)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=20 * ACCURACY[dtype])


def test_kl_of_distant_gaussians_keeps_its_digits():
    mu_q, logvar_q = tg.tensor([[1000.0]], dtype="float64"), tg.tensor([[math.log(0.25)]], dtype="float64")
    origin = tg.zeros(1, 1, dtype="float64")
    exact = (0.25 + 1000**2 - 1 - math.log(0.25)) / 2
    assert exact == pytest.approx(500000.3181471806, abs=1e-9)
    assert kl_gaussian_gaussian_analytic(mu_q, logvar_q, origin, origin).item() == pytest.approx(exact, rel=1e-15)
    drawn = kl_gaussian_gaussian_mc(mu_q, logvar_q, origin, origin, num_samples=2000).item()
    assert drawn == pytest.approx(exact, abs=5 * 500 / math.sqrt(2000))  # log p(z) deviates by 1000 times q's 1/2


def test_which_number_a_quarter_gives_depends_on_what_it_is():
    """N(1000, 1/4) from N(0, 1): 500000.318 where 1/4 is the variance, 500000.918 where it is the deviation."""
    mu_q, origin = tg.tensor([[1000.0]], dtype="float64"), tg.zeros(1, 1, dtype="float64")
    for variance, expected in ((1 / 4, 500000.318), (1 / 16, 500000.918)):
        logvar_q = tg.tensor([[math.log(variance)]], dtype="float64")
        assert round(kl_gaussian_gaussian_analytic(mu_q, logvar_q, origin, origin).item(), 3) == expected


@both_types
def test_kl_of_a_distribution_with_itself_is_0(numbers, dtype):
    mu, logvar = (tg.tensor(a) for a in numbers.normal(0, 3, (2, 4, 5)).astype(dtype))
    np.testing.assert_array_equal(kl_gaussian_gaussian_analytic(mu, logvar, mu, logvar).numpy(), np.zeros(4))
    drawn = kl_gaussian_gaussian_mc(mu, logvar, mu, logvar, num_samples=7).numpy()
    np.testing.assert_allclose(drawn, np.zeros(4), atol=200 * ACCURACY[dtype])


@both_types
def test_kl_of_nearly_equal_gaussians_does_not_cancel(dtype):
    nearly = tg.tensor(np.full((1, 1), 1e-3), dtype=dtype)
    zero = tg.zeros(1, 1, dtype=dtype)
    found = kl_gaussian_gaussian_analytic(zero, nearly, zero, zero).item()
    value = nearly.item()
    assert found == pytest.approx((value**2 / 2 + value**3 / 6) / 2, rel=1e-3 if dtype == "float32" else 1e-6)


def test_drawn_kl_agrees_with_the_analytic_one_within_its_standard_error(numbers):
    four = [tg.tensor(a) for a in numbers.normal(0, 0.7, (4, 6, 3))]
    tg.manual_seed(0)
    draws = np.stack([kl_gaussian_gaussian_mc(*four).numpy() for _ in range(2000)])
    error = draws.std(axis=0, ddof=1) / math.sqrt(len(draws))
    exact = kl_gaussian_gaussian_analytic(*four).numpy()
    assert (np.abs(draws.mean(axis=0) - exact) < 4.5 * error).all()
    many = kl_gaussian_gaussian_mc(*four, num_samples=4000).numpy()
    assert (np.abs(many - exact) < 4.5 * error).all()
    assert (np.abs(many - exact) > 1e-6).any()  # it was drawn


def test_gradients_of_the_drawn_kl_are_those_of_the_analytic_one_on_average(numbers):
    four = asking(*numbers.normal(0, 0.5, (4, 1, 2)))
    tg.manual_seed(1)
    drawn = tg.grad(tg.sum(kl_gaussian_gaussian_mc(*four, num_samples=200_000)), four)
    exact = tg.grad(tg.sum(kl_gaussian_gaussian_analytic(*four)), four)
    for found, expected in zip(drawn, exact, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=0.03)


def test_drawn_kl_is_a_function_of_the_seed(numbers):
    four = [tg.tensor(a) for a in numbers.normal(size=(4, 2, 3))]

    def drawn(seed):
        tg.manual_seed(seed)
        return kl_gaussian_gaussian_mc(*four, num_samples=2).numpy()

    np.testing.assert_array_equal(drawn(3), drawn(3))
    assert (drawn(3) != drawn(4)).all()


# Gradients, and the points where a formula breaks --------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 2), (2, 1, 2), (1, 2, 1, 2)], ids=str)
def test_gradients_of_all_arguments_are_right_to_second_order(numbers, shape):
    mu, target = asking(*numbers.uniform(0.1, 0.9, (2, *shape)))
    four = asking(*numbers.normal(size=(4, *shape)))
    assert tg.gradgradcheck(log_likelihood_bernoulli, [mu, target])
    assert tg.gradgradcheck(log_likelihood_bernoulli_logits, [four[0], target])
    assert tg.gradgradcheck(log_likelihood_normal, four[:3])
    assert tg.gradgradcheck(kl_gaussian_gaussian_analytic, four)
    assert tg.gradgradcheck(lambda *q_p: kl_gaussian_gaussian_mc(*q_p, num_samples=2), four)


def test_gradients_of_log_mean_exp_are_right_far_below_zero(numbers):
    y = numbers.normal(size=(2, 3))
    for shift in (0.0, -1000.0, 1000.0):
        assert tg.gradgradcheck(log_mean_exp, asking(y + shift))
    far = asking(y.astype("float32") - np.float32(5000), dtype="float32")
    (gradient,) = tg.grad(tg.sum(log_mean_exp(*far)), far)
    np.testing.assert_allclose(gradient.numpy().sum(axis=1), 1, rtol=5e-4)  # float32 at 5000 has steps of 5e-4


@both_types
def test_a_certain_coin_that_shows_what_it_must_costs_nothing_and_has_finite_derivatives(dtype):
    mu = tg.tensor([[0.0, 1.0, 0.0, 1.0]], dtype=dtype, requires_grad=True)
    target = tg.tensor([[0.0, 1.0, 0.0, 1.0]], dtype=dtype)
    value = log_likelihood_bernoulli(mu, target)
    np.testing.assert_array_equal(value.numpy(), [0.0])
    (first,), (second,) = derivatives(lambda x: log_likelihood_bernoulli(x, target), mu)
    np.testing.assert_array_equal(first, [[-1, 1, -1, 1]])  # t / mu - (1 - t) / (1 - mu)
    np.testing.assert_array_equal(second, np.full((1, 4), -0.5))  # minus its square, times derivatives()' weight


@both_types
def test_an_impossible_observation_has_log_likelihood_minus_infinity(dtype):
    with np.errstate(divide="ignore"):
        value = log_likelihood_bernoulli(tg.tensor([[0.0], [1.0]], dtype=dtype), tg.tensor([[1.0], [0.0]], dtype=dtype))
    np.testing.assert_array_equal(value.numpy(), [-np.inf, -np.inf])


def test_the_gradient_in_the_target_is_the_log_odds_at_0_and_1_too(numbers):
    mu = numbers.uniform(0.1, 0.9, (1, 4))
    (target,) = asking([[0.0, 1.0, 0.3, 0.0]])
    (found,) = tg.grad(tg.sum(log_likelihood_bernoulli(tg.tensor(mu), target)), target)
    np.testing.assert_allclose(found.numpy(), special.logit(mu), rtol=1e-12)


@both_types
def test_logits_of_a_thousand_have_exact_values_and_finite_derivatives(dtype):
    logits = [[1000.0, -1000.0, 1000.0, -1000.0, 0.0]]
    (x,) = asking(logits, dtype=dtype)
    target = tg.tensor([[1.0, 0.0, 0.0, 1.0, 1.0]], dtype=dtype)
    value = log_likelihood_bernoulli_logits(x, target).item()
    assert value == pytest.approx(-2000 - math.log(2), rel=1e-6)
    (first,), (second,) = derivatives(lambda a: log_likelihood_bernoulli_logits(a, target), x)
    np.testing.assert_array_equal(first, [[0, 0, -1, 1, 0.5]])  # t - sigmoid(l)
    np.testing.assert_array_equal(second, [[0, 0, 0, 0, -0.125]])


@both_types
def test_derivatives_at_extreme_variances_are_finite(dtype):
    mu, z = asking([[0.5, -3.0]], [[0.5, 2.0]], dtype=dtype)
    (logvar,) = asking([[-40.0, 60.0]], dtype=dtype)
    origin = tg.zeros(1, 2, dtype=dtype)
    for function, inputs in (
        (log_likelihood_normal, (mu, logvar, z)),
        (lambda m, v: kl_gaussian_gaussian_analytic(m, v, origin, origin), (mu, logvar)),
        (lambda m, v: kl_gaussian_gaussian_mc(m, v, origin, origin), (mu, logvar)),
    ):
        first, second = derivatives(function, *inputs)
        assert all(np.isfinite(g).all() for g in first + second)


# What is given -------------------------------------------------------------------------------------------------------


def test_targets_may_be_arrays_of_any_type_and_do_not_change_the_floating_point_type(numbers):
    logits = tg.tensor(numbers.normal(size=(2, 3)), dtype="float32", requires_grad=True)
    mu = tg.tensor(numbers.uniform(0.1, 0.9, (2, 3)), dtype="float32", requires_grad=True)
    coins = numbers.integers(0, 2, (2, 3))
    for function, x in ((log_likelihood_bernoulli_logits, logits), (log_likelihood_bernoulli, mu)):
        expected = function(x, tg.tensor(coins, dtype="float32"))
        for dtype in ("uint8", "int64", "bool"):
            for target in (coins.astype(dtype), tg.tensor(coins.astype(dtype))):
                found = function(x, target)
                assert found.dtype == "float32"
                np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (log_likelihood_bernoulli, ["mu", "target"]),
        (log_likelihood_bernoulli_logits, ["logits", "target"]),
        (log_likelihood_normal, ["mu", "logvar", "z"]),
        (kl_gaussian_gaussian_analytic, ["mu_q", "logvar_q", "mu_p", "logvar_p"]),
        (kl_gaussian_gaussian_mc, ["mu_q", "logvar_q", "mu_p", "logvar_p"]),
        (kl_gaussian_standard, ["mu", "logvar"]),
    ],
)
def test_shapes_that_differ_are_refused_by_name(function, names):
    for odd in range(len(names)):
        shapes = [(2, 3)] * len(names)
        shapes[odd] = (2, 1)  # would broadcast, and count twice
        with pytest.raises(ValueError, match=rf"^{function.__name__}: .*'{names[odd]}': \(2, 1\)"):
            function(*(tg.full(shape, 0.5) for shape in shapes))
    with pytest.raises(ValueError, match=function.__name__):
        function(*(tg.tensor(0.5) for _ in names))


@pytest.mark.parametrize("shape", [(3,), (2, 3, 1), (), (2, 0)])
def test_log_mean_exp_requires_two_axes(shape):
    with pytest.raises(ValueError, match=r"^log_mean_exp: expects \(batch, samples\)"):
        log_mean_exp(tg.zeros(*shape))


def test_the_drawn_kl_needs_a_draw():
    x = tg.zeros(1, 2)
    with pytest.raises(ValueError, match="kl_gaussian_gaussian_mc: num_samples must be at least 1, got 0"):
        kl_gaussian_gaussian_mc(x, x, x, x, num_samples=0)


def test_an_empty_batch_has_no_likelihoods():
    x = tg.zeros(0, 3)
    assert log_likelihood_bernoulli_logits(x, x).shape == (0,)
    assert log_likelihood_normal(x, x, x).shape == (0,)
    assert kl_gaussian_standard(x, x).shape == (0,)
    assert kl_gaussian_gaussian_mc(x, x, x, x).shape == (0,)


@pytest.mark.parametrize("bad", [np.array([[0, 200]], "uint8"), np.array([[-0.1, 1.0]]), np.array([[0.5, 1.1]])])
def test_bernoulli_targets_and_means_outside_the_unit_interval_are_refused(bad):
    logits = tg.zeros(1, 2, dtype="float64")
    with pytest.raises(ValueError, match=r"target must have values in \[0, 1\], got "):
        log_likelihood_bernoulli_logits(logits, bad)
    with pytest.raises(ValueError, match=r"target must have values in \[0, 1\], got "):
        log_likelihood_bernoulli(logits + 0.5, bad)
    with pytest.raises(ValueError, match=r"mu must have values in \[0, 1\], got "):
        log_likelihood_bernoulli(bad, np.zeros((1, 2)))
