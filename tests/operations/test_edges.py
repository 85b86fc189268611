"""Operations at their edges: nothing to reduce, a number with an axis, zeros where a formula divides by them."""

import numpy as np
import pytest

import tinygen as tg

REDUCTIONS = [tg.sum, tg.mean, tg.max, tg.min, tg.prod, tg.logsumexp, tg.norm]


def second_order(function, array):
    """Value, gradient and the gradient of its sum, of ``function(x).sum()``."""
    x = tg.tensor(np.asarray(array, float), requires_grad=True)
    y = function(x).sum()
    (first,) = tg.grad(y, x, create_graph=True)
    (second,) = tg.grad(first.sum(), x, allow_unused=True)
    return y.item(), first.numpy(), np.zeros_like(array, float) if second is None else second.numpy()


@pytest.mark.parametrize("function", REDUCTIONS)
@pytest.mark.parametrize("axis", [0, -1, ()])
def test_a_number_passes_as_its_own_only_axis(function, axis):
    assert function(tg.tensor(3.0), axis=axis).shape == ()
    np.testing.assert_allclose(function(tg.tensor(3.0), axis=axis).item(), 3)


@pytest.mark.parametrize("function", [*REDUCTIONS, tg.cumsum])
def test_an_axis_that_is_not_there_is_refused(function):
    with pytest.raises(ValueError, match="axis 1 is not among the axes"):
        function(tg.tensor([1.0, 2.0]), axis=1)


@pytest.mark.parametrize("function", [tg.mean, tg.var, tg.max, tg.min])
def test_statistics_of_nothing_are_refused_by_name(function):
    with pytest.raises(ValueError, match=f"{function.__name__}: there is nothing to reduce over axes"):
        function(tg.zeros(2, 0), axis=1)


def test_sums_and_products_of_nothing_are_neutral():
    nothing = tg.zeros(2, 0)
    np.testing.assert_array_equal(nothing.sum(axis=1).numpy(), [0, 0])
    np.testing.assert_array_equal(nothing.prod(axis=1).numpy(), [1, 1])
    np.testing.assert_array_equal(tg.logsumexp(nothing, axis=1).numpy(), [-np.inf, -np.inf])


def test_matmul_of_matrices_without_elements_is_zero():
    np.testing.assert_array_equal((tg.zeros(5, 4, 0) @ tg.zeros(0, 3)).numpy(), np.zeros((5, 4, 3)))
    assert (tg.zeros(0, 4, 2) @ tg.zeros(2, 3)).shape == (0, 4, 3)


def test_matmul_names_the_shapes_that_it_was_given():
    with pytest.raises(ValueError, match=r"matmul: x has 9 columns, y 3 rows \(x \(9,\), y \(3,\)\)"):
        tg.zeros(9) @ tg.zeros(3)


@pytest.mark.parametrize("order", [0.5, 1, 1.5, 2, 3, np.inf, -1, -2, -np.inf])
def test_norms_are_those_of_numpy_and_finite_to_second_order_with_a_zero_among_the_elements(order):
    x = np.array([3.0, 0.0, -4.0])
    value, first, second = second_order(lambda x: tg.norm(x, order), x)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(value, np.linalg.norm(x, order))
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()


@pytest.mark.parametrize("order", [0.5, 1, 1.5, 2, 3, np.inf])
def test_the_slope_of_a_norm_at_the_origin_is_zero(order):
    value, first, second = second_order(lambda x: tg.norm(x, order), np.zeros(3))
    assert value == 0
    np.testing.assert_array_equal([first, second], np.zeros((2, 3)))


def test_one_over_infinity_has_derivatives_of_zero():
    value, first, second = second_order(lambda x: 1 / x, np.array([np.inf]))
    assert value == first.item() == second.item() == 0


def test_a_number_modulo_a_tensor():
    np.testing.assert_allclose((7 % tg.tensor([2.0, 4.0, -5.0])).numpy(), 7 % np.array([2.0, 4.0, -5.0]))


def test_a_remainder_is_exact_however_often_the_divisor_goes_into_it():
    x, y = np.array([1e18, -1e18, -1e-20, 5.0, -5.0]), np.array([3.0, 7.0, 1.0, np.inf, -np.inf])
    np.testing.assert_array_equal((tg.tensor(x) % tg.tensor(y)).numpy(), x % y)


def test_a_number_is_squeezed_along_its_own_only_axis():
    assert tg.squeeze(tg.tensor(3.0), 0).shape == tg.squeeze(tg.tensor(3.0), -1).shape == ()
    with pytest.raises(ValueError, match="squeeze: axis 1 is not one of"):
        tg.squeeze(tg.tensor(3.0), 1)


@pytest.mark.parametrize("order", [None, 1, np.inf])
@pytest.mark.parametrize(("axis", "shape"), [(0, (3,)), ((0, 1), ())])
def test_the_norm_of_nothing_is_zero(order, axis, shape):
    np.testing.assert_array_equal(tg.norm(tg.zeros(0, 3), order, axis).numpy(), np.zeros(shape))
    assert tg.norm(tg.zeros(0, 3), order, axis).shape == shape


def test_bytes_have_the_extremes_products_and_norms_of_the_numbers_that_they_stand_for():
    x = np.array([[200, 0, 100], [16, 16, 1]], np.uint8)
    found = tg.tensor(x)
    for name in ("min", "max", "prod"):
        np.testing.assert_array_equal(getattr(tg, name)(found, axis=1).numpy(), getattr(np, name)(x, axis=1))
    np.testing.assert_allclose(tg.norm(found, axis=1).numpy(), np.linalg.norm(x, axis=1))
    np.testing.assert_allclose(tg.logsumexp(found, axis=1).numpy(), tg.logsumexp(tg.tensor(x.astype(float)), 1).numpy())
    assert not tg.min(tg.tensor([True, False])).item()


def test_numpys_whole_numbers_name_axes_and_lengths_as_pythons_do():
    x, axis = tg.ones(2, 1, 3), np.int64(1)
    assert tg.sum(x, axis=axis).shape == tg.max(x, axis=axis).shape == tg.squeeze(x, axis).shape == (2, 3)
    assert tg.expand_dims(x, axis).shape == (2, 1, 1, 3)
    assert tg.stack([x, x], axis).shape == (2, 2, 1, 3)
    assert tg.cumsum(x, axis).shape == tg.reshape(x, np.int64(2), 1, 3).shape == (2, 1, 3)
    assert tg.zeros(np.int64(2)).shape == (2,)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: tg.tensor(np.array([2])) ** -1, "power: Integers to negative integer powers are not allowed"),
        (lambda: tg.tensor(np.array([1], np.uint8)) + 300, "add: Python integer 300 out of bounds for uint8"),
        (lambda: -tg.tensor([True]), "negative: The numpy boolean negative"),
        (lambda: tg.tensor([True]) - tg.tensor([True]), "subtract: numpy boolean subtract"),
        (lambda: tg.einsum("1", tg.ones(1)), "einsum: invalid subscript '1'"),
    ],
)
def test_what_numpy_refuses_is_refused_in_the_name_of_the_operation(function, message):
    with pytest.raises((TypeError, ValueError, OverflowError), match=f"^{message}"):
        function()
