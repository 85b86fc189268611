"""Jacobians, Hessians and their products: against calculus, against each other, and differentiated again."""

import numpy as np
import pytest

import tinygen as tg


def point(*shape: int, requires_grad: bool = False) -> tg.Tensor:
    return tg.tensor(np.random.default_rng(2).normal(size=shape), requires_grad=requires_grad)


def rosenbrock(x: tg.Tensor) -> tg.Tensor:
    return tg.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_the_jacobian_of_a_linear_map_is_its_matrix():
    A = point(2, 3)
    np.testing.assert_array_equal(tg.jacobian(lambda x: A @ x, point(3)).numpy(), A.numpy())


def test_the_jacobian_has_the_shape_of_the_value_and_then_of_the_input():
    x = point(2, 3)
    J = tg.jacobian(lambda x: tg.sin(tg.transpose(x)), x)
    assert J.shape == (3, 2, 2, 3)
    for i, j, k, m in np.ndindex(J.shape):
        expected = np.cos(x.numpy()[k, m]) if (i, j) == (m, k) else 0.0
        assert J.numpy()[i, j, k, m] == pytest.approx(expected)


def test_the_jacobian_of_a_number_is_its_gradient():
    x = point(3)
    np.testing.assert_allclose(tg.jacobian(lambda x: tg.sum(x**3), x).numpy(), 3 * x.numpy() ** 2)


def test_the_hessian_of_a_quadratic_form_is_its_symmetric_part_twice():
    A = point(3, 3)
    H = tg.hessian(lambda x: x @ A @ x, point(3))
    np.testing.assert_allclose(H.numpy(), A.numpy() + A.numpy().T, atol=1e-14)


def test_the_hessian_has_the_shape_of_the_input_twice():
    x = point(2, 2)
    H = tg.hessian(lambda x: tg.prod(x), x).numpy()
    assert H.shape == (2, 2, 2, 2)
    assert H[0, 0, 0, 0] == 0
    assert H[0, 0, 1, 1] == pytest.approx(x.numpy()[0, 1] * x.numpy()[1, 0])


def test_seven_routes_to_one_hessian_agree():
    x = point(4)
    asking = tg.tensor(x, requires_grad=True)

    def gradient(x):
        return tg.grad(rosenbrock(x), x, create_graph=True)[0]

    def by_differences(h=1e-5):
        steps = np.eye(4) * h
        slopes = [[gradient(tg.tensor(x.numpy() + s * step, requires_grad=True)) for s in (1, -1)] for step in steps]
        return np.stack([(right.numpy() - left.numpy()) / (2 * h) for right, left in slopes])

    units = [tg.tensor(row) for row in np.eye(4)]
    slope = gradient(asking)
    routes = [
        tg.hessian(rosenbrock, x).numpy(),
        tg.hessian(rosenbrock, asking).numpy(),
        tg.jacobian(gradient, asking).numpy(),
        tg.jacobian(lambda x: tg.jacobian(rosenbrock, x), asking).numpy(),
        np.stack([tg.hvp(rosenbrock, x, unit).numpy() for unit in units]),
        np.stack([tg.grad(slope, asking, unit)[0].numpy() for unit in units]),
        np.stack([tg.grad(slope[i], asking)[0].numpy() for i in range(4)]),
    ]
    for route in routes:
        np.testing.assert_allclose(route, routes[0], rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(by_differences(), routes[0], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(routes[0], routes[0].T, rtol=1e-12)


def test_what_does_not_depend_on_the_input_has_derivative_zero():
    x = point(2)
    constant = tg.ones(3, dtype="float64")
    np.testing.assert_array_equal(tg.jacobian(lambda x: constant, x).numpy(), np.zeros((3, 2)))
    np.testing.assert_array_equal(tg.hessian(lambda x: tg.sum(x * 2), x).numpy(), np.zeros((2, 2)))
    np.testing.assert_array_equal(tg.hvp(lambda x: tg.sum(x * 2), x, point(2)).numpy(), np.zeros(2))
    np.testing.assert_array_equal(tg.hvp(lambda x: tg.sum(constant), x, point(2)).numpy(), np.zeros(2))


def test_values_and_inputs_without_elements_or_axes():
    assert tg.jacobian(lambda x: x * 2, tg.zeros(0, 2)).shape == (0, 2, 0, 2)
    assert tg.jacobian(lambda x: x[:0], point(3)).shape == (0, 3)
    assert tg.hessian(lambda x: x**3, tg.tensor(2.0)).item() == 12
    assert tg.hvp(lambda x: x**3, tg.tensor(2.0), tg.tensor(2.0)).item() == 24


def test_the_result_has_a_node_only_if_an_input_requires_gradients():
    v = point(2)
    for requires_grad in (False, True):
        x = point(2, requires_grad=requires_grad)
        results = tg.jacobian(tg.exp, x), tg.hessian(lambda x: tg.sum(tg.exp(x)), x)
        results += (tg.hvp(lambda x: tg.sum(tg.exp(x)), x, v),)
        assert [y.requires_grad for y in results] == [requires_grad] * 3
        assert x.grad is None


def test_a_penalty_on_the_jacobian_can_be_trained():
    weight = point(2, 2, requires_grad=True)
    x = point(2, requires_grad=True)
    tg.sum(tg.jacobian(lambda x: tg.tanh(weight @ x), x) ** 2).backward()
    assert tg.gradcheck(lambda w, x: tg.sum(tg.jacobian(lambda x: tg.tanh(w @ x), x) ** 2), [weight, x])
    assert weight.grad.shape == (2, 2)


def test_float32_stays_float32():
    x = tg.ones(2)
    assert tg.jacobian(lambda x: x * x, x).dtype == np.float32
    assert tg.hessian(lambda x: tg.sum(x**3), x).dtype == np.float32
    assert tg.hvp(lambda x: tg.sum(x**3), x, tg.ones(2)).dtype == np.float32


def test_derivatives_are_there_under_no_grad():
    with tg.no_grad():
        np.testing.assert_array_equal(tg.jacobian(lambda x: x * x, tg.ones(2)).numpy(), [[2, 0], [0, 2]])
        np.testing.assert_array_equal(tg.hvp(lambda x: tg.sum(x**3), tg.ones(2), tg.ones(2)).numpy(), [6, 6])


@pytest.mark.parametrize("derivative", [tg.hessian, lambda f, x: tg.hvp(f, x, x)])
def test_a_hessian_is_that_of_a_function_to_one_number(derivative):
    with pytest.raises(ValueError, match=r"(hessian|hvp): the function must return one number, .* \(2,\)"):
        derivative(lambda x: x * x, tg.ones(2))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"hvp: v must be .* \(2,\), got shape \(3,\)"):
        tg.hvp(lambda x: tg.sum(x), tg.ones(2), tg.ones(3))
    with pytest.raises(TypeError, match="jacobian: the function must return a tensor, it returned float"):
        tg.jacobian(lambda x: 1.0, tg.ones(2))
    with pytest.raises(TypeError, match="int64"):
        tg.jacobian(lambda x: x, tg.tensor(np.arange(3)))
