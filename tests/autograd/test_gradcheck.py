"""The checker checked: it passes what is right, catches what is wrong, and says what it cannot judge."""

import re

import numpy as np
import pytest

import tinygen as tg
import tinygen.functional as F
from tinygen import nn
from tinygen.autograd.operation import operation


def leaf(*shape: int) -> tg.Tensor:
    return tg.tensor(np.random.default_rng(1).normal(size=shape), requires_grad=True)


def at(*values: float) -> tg.Tensor:
    return tg.tensor(np.array(values), requires_grad=True)


def test_a_right_gradient_passes():
    assert tg.gradcheck(lambda x, y: tg.sin(x) @ y, [leaf(2, 3), leaf(3, 2)]) is True
    assert tg.gradgradcheck(lambda x, y: tg.sin(x) @ y, [leaf(2, 3), leaf(3, 2)]) is True


# What is wrong is caught ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [tg.gradcheck, tg.gradgradcheck])
def test_a_softmax_with_zero_gradient_is_caught(check):
    @operation(lambda g, x: g * 0.0)
    def softmax_without_gradient(x):
        e = np.exp(x)
        return e / e.sum(axis=-1, keepdims=True)

    with pytest.raises(tg.GradcheckError):
        check(softmax_without_gradient, leaf(2, 3))


def test_a_product_that_is_right_in_value_but_loses_its_history_is_caught_in_the_second_order():
    @operation(lambda g, x: g * tg.tensor(3 * x.data**2))
    def forgetful_cube(x):
        return x**3

    assert tg.gradcheck(forgetful_cube, leaf(3))
    with pytest.raises(tg.GradcheckError, match=r"input 0, element \(0,\): analytic 0, numeric .* of gradient 0"):
        tg.gradgradcheck(forgetful_cube, leaf(3))


def test_a_vjp_that_omits_the_cotangent_is_detected_at_second_order():
    @operation(lambda g, x: g.detach() * 2 * x)
    def square(x):
        return x * x

    assert tg.gradcheck(square, leaf(3))
    with pytest.raises(tg.GradcheckError, match=r"cotangent 0, element"):
        tg.gradgradcheck(square, leaf(3))


def test_a_product_that_is_not_linear_in_the_cotangent_is_caught():
    @operation(lambda g, x: g * g)
    def identity(x):
        return x.copy()

    with pytest.raises(tg.GradcheckError):
        tg.gradcheck(identity, leaf(2))


def test_an_input_that_no_path_leads_to_is_caught():
    with pytest.raises(tg.GradcheckError, match=r"input 1, element \(0, 0\): analytic 0, numeric"):
        tg.gradcheck(lambda x, y: x * y.detach(), [leaf(2, 2), leaf(2, 2)])
    with pytest.raises(tg.GradcheckError, match=r"input 0.*analytic 0, numeric"):
        tg.gradcheck(lambda x: tg.tensor(x.data * 2), leaf(2))


def test_one_wrong_element_is_named_with_both_values():
    def function(x):
        wrong = np.zeros((2, 3))
        wrong[1, 2] = 1.0
        return x * 2 + (x * tg.tensor(wrong)).detach()

    message = "gradcheck: input 0, element (1, 2): analytic 2, numeric 3, of output 0, element (1, 2)"
    with pytest.raises(tg.GradcheckError, match=re.escape(message)):
        tg.gradcheck(function, leaf(2, 3))


def test_one_wrong_element_of_a_large_input_is_found():
    def function(x):
        wrong = np.zeros((60, 50))
        wrong[41, 7] = 1.0
        return x * 2 + (x * tg.tensor(wrong)).detach()

    with pytest.raises(tg.GradcheckError, match=r"input 0, element \(41, 7\): analytic .*, numeric .*random direction"):
        tg.gradcheck(function, leaf(60, 50))


def test_the_output_is_named_where_there_are_several():
    with pytest.raises(tg.GradcheckError, match=r"of output 1, element \(1,\)"):
        tg.gradcheck(lambda x: (x * 2, (x * tg.tensor([0.0, 1.0])).detach() + x), leaf(2))


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_gradient_that_is_nan_is_caught(poison):
    @operation(lambda g, x: g * tg.tensor(np.array([1.0, poison, 1.0])))
    def poisoned(x):
        return x.copy()

    with pytest.raises(tg.GradcheckError, match=r"input 0, element \(1,\): analytic -?(nan|inf)"):
        tg.gradcheck(poisoned, leaf(3))


def test_small_errors_count_according_to_the_tolerances():
    def nearly(x):
        return x * 2 + (x * 1e-3).detach()

    with pytest.raises(tg.GradcheckError):
        tg.gradcheck(nearly, leaf(2), rtol=1e-5)
    assert tg.gradcheck(nearly, leaf(2), rtol=1e-3)
    assert tg.gradcheck(nearly, leaf(2), rtol=0, atol=2e-3)


def test_large_inputs_are_checked_along_random_directions():
    assert tg.gradgradcheck(lambda x: F.softmax(x), leaf(60, 50))
    with pytest.raises(tg.GradcheckError):
        tg.gradcheck(lambda x: F.softmax(x) + x.detach() * 0.01, leaf(60, 50))


# What cannot be judged is said ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (F.relu, at(0.0, 1.0)),
        (F.relu, at(3e-7, 1.0)),
        (F.relu, at(-9e-7, 1.0)),
        (lambda x: tg.max(x), at(1.0, 1.0, 1.0)),
        (lambda x: tg.maximum(x, 1.0) * 3, at(1.0 + 1e-7)),
        (lambda x: F.max_pool2d(x, 2), tg.tensor(np.ones((1, 1, 2, 2)), requires_grad=True)),
    ],
)
def test_a_kink_or_tie_is_said(function, x):
    with pytest.raises(tg.GradcheckError, match="kink, a tie or a jump"):
        tg.gradcheck(function, x)


def test_a_kink_of_the_function_is_a_jump_of_its_gradient():
    assert tg.gradcheck(tg.abs, at(0.0))  # the mean of both slopes
    with pytest.raises(tg.GradcheckError, match="kink, a tie or a jump"):
        tg.gradgradcheck(tg.abs, at(0.0))


def test_a_wrong_gradient_is_not_taken_for_a_kink():
    for function in (lambda x: (300 * x * x).detach() + x, lambda x: tg.exp(x).detach(), lambda x: tg.sin(x).detach()):
        with pytest.raises(tg.GradcheckError) as caught:
            tg.gradcheck(function, at(0.01, -2.0))
        assert "kink" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_values_that_are_not_finite_are_said():
    with pytest.raises(tg.GradcheckError, match=r"output 0 is not finite"):
        tg.gradcheck(tg.log, at(0.0))
    with pytest.raises(tg.GradcheckError, match=r"input 0 is not finite"):
        tg.gradcheck(tg.exp, at(np.nan))


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero")
def test_the_end_of_a_domain_is_said():
    with pytest.raises(tg.GradcheckError, match=r"not finite within 1e-06 of input 0, element \(1,\)"):
        tg.gradcheck(tg.sqrt, at(1.0, 0.0))


def test_a_function_of_more_than_its_inputs_is_said():
    calls = []

    def function(x):
        calls.append(x)
        return x * float(len(calls))

    with pytest.raises(tg.GradcheckError, match="different values"):
        tg.gradcheck(function, leaf(2))


def test_only_float64_is_checked():
    single = tg.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match=r"input 0 is float32.*float64"):
        tg.gradcheck(lambda x: x * 2, single)
    with pytest.raises(TypeError, match=r"output 0 is float32.*float64"):
        tg.gradcheck(lambda x: x.astype("float32"), leaf(2))
    with pytest.raises(TypeError, match=r"input 0 is float32.*float64"):
        tg.gradgradcheck(lambda x: x * 2, single)


def test_there_has_to_be_something_to_check():
    with pytest.raises(ValueError, match="no input requires gradients"):
        tg.gradcheck(lambda x: x * 2, tg.ones(2, dtype="float64"))
    with pytest.raises(ValueError, match="no floating-point tensor"):
        tg.gradcheck(lambda x: x > 0, leaf(2))


# What it leaves alone ------------------------------------------------------------------------------------------------


def test_inputs_without_requires_grad_are_passed_on_and_not_checked():
    weight, labels = tg.tensor(np.array([2.0, 3.0], "float32")), [0, 1]
    assert tg.gradgradcheck(lambda x, w, k: x[k] * w.astype("float64"), [leaf(2), weight, labels])


def test_several_outputs_and_outputs_without_gradients():
    assert tg.gradgradcheck(lambda x: (x * x, tg.argmax(x), tg.sum(x), tg.ones(2, dtype="float64")), leaf(3))


def test_a_constant_function_has_gradient_zero():
    assert tg.gradgradcheck(lambda x: tg.ones(2, dtype="float64"), leaf(3))


def test_inputs_without_elements_or_axes():
    assert tg.gradgradcheck(lambda x, y: tg.exp(x) * y, [leaf(0, 2), leaf()])


def test_inputs_reached_by_another_way_are_checked_too():
    layer = nn.Linear(3, 2).astype("float64")
    assert tg.gradgradcheck(lambda x, *weights: F.elu(layer(x)), [leaf(2, 3), *layer.parameters()])


def test_inputs_are_as_they_were():
    x = leaf(3)
    data = x.data
    tg.gradgradcheck(tg.sin, x)
    assert x.data is data
    assert x.grad is None
    with pytest.raises(tg.GradcheckError):
        tg.gradcheck(lambda x: x.detach() * 2, x)
    assert x.data is data


def test_the_generator_is_undisturbed_and_chance_is_the_same_in_every_call():
    tg.manual_seed(3)
    state = tg.get_rng_state()
    assert tg.gradgradcheck(lambda x: F.dropout(x * x) * tg.randn(4, dtype="float64"), leaf(4))
    assert tg.get_rng_state() == state


def test_gradients_are_checked_on_a_gpu(fake_gpu):
    x = tg.tensor(leaf(2, 3), device="gpu", requires_grad=True)
    assert tg.gradgradcheck(F.softmax, x)
    with pytest.raises(tg.GradcheckError):
        tg.gradcheck(lambda x: x.detach() * 2, x)
