"""The tests of exercises/ch02.py."""

import math

import numpy as np
import pytest
from grade import answers

import tinygen as tg
from tinygen.autograd.operation import operation

ch02 = answers("ch02")


def tensor(values):
    return tg.tensor(values, dtype="float64", requires_grad=True)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("name", ["soft_plus", "arc_tangent"])
def test_1_values_and_derivatives_to_second_order(name):
    function, x = getattr(ch02, name), tensor([-2.0, -0.1, 0.0, 0.7, 3.0])
    y = function(x)
    expected = {"soft_plus": np.log1p(np.exp(x.numpy())), "arc_tangent": np.arctan(x.numpy())}[name]
    assert np.allclose(y.numpy(), expected, rtol=1e-12)
    assert y.node is not None
    assert y.node.inputs == (x,)
    assert tg.gradgradcheck(function, x)


def test_1_softplus_does_not_overflow():
    x = tensor([-1000.0, 1000.0])
    with np.errstate(over="raise", invalid="raise"):
        y = ch02.soft_plus(x)
        (gradient,) = tg.grad(y.sum(), x)
    assert y.numpy().tolist() == [0, 1000]
    assert np.allclose(gradient.numpy(), [0, 1])


def test_2_rounding_passes_gradients_on():
    x = tensor([0.4, 0.6, -1.7])
    y = ch02.round_straight_through(x)
    assert y.numpy().tolist() == [0, 1, -2]
    g = tg.tensor([1.0, -2.0, 5.0], dtype="float64")
    (gradient,) = tg.grad(y, x, g)
    assert gradient.numpy().tolist() == [1, -2, 5]
    (gradient,) = tg.grad((y * y).sum(), x)  # 2 y, at the rounded values
    assert gradient.numpy().tolist() == [0, 2, -4]


def test_3_softmax():
    x, g = normal(4, 5), normal(4, 5, seed=1)
    p = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
    found = ch02.softmax_vjp(g, p)
    for row in range(4):
        jacobian = np.diag(p[row]) - np.outer(p[row], p[row])
        assert np.allclose(found[row], g[row] @ jacobian)
    assert np.allclose(found.sum(axis=-1), 0)  # softmax does not change if all x grow equally


def test_3_a_linear_layer():
    x, weight, bias, g = normal(6, 3), normal(4, 3, seed=1), normal(4, seed=2), normal(6, 4, seed=3)
    tensors = [tensor(x), tensor(weight), tensor(bias)]
    expected = tg.grad(tensors[0] @ tensors[1].T + tensors[2], tensors, tg.tensor(g))
    for found, wanted in zip(ch02.linear_vjps(g, x, weight, bias), expected, strict=True):
        assert found.shape == wanted.shape
        assert np.allclose(found, wanted.numpy())


def test_3_a_unit_vector():
    x, g = normal(5), normal(5, seed=1)
    found = ch02.unit_vector_vjp(g, x)
    point = tensor(x)
    (expected,) = tg.grad(point / tg.norm(point), point, tg.tensor(g))
    assert np.allclose(found, expected.numpy())
    assert abs(found @ x) < 1e-12
    assert np.allclose(ch02.unit_vector_vjp(g, 10 * x), found / 10)


def test_4_value_broadcasting_and_second_derivatives():
    x, y = tensor(normal(3, 4)), tensor(normal(4, seed=1))
    z = ch02.hypotenuse(x, y)
    assert np.allclose(z.numpy(), np.sqrt(x.numpy() ** 2 + y.numpy() ** 2))
    assert z.node.operation.name == "hypotenuse"
    assert tg.gradgradcheck(ch02.hypotenuse, [x, y])


def test_4_the_gradient_at_the_origin_is_zero():
    x, y = tensor([0.0, 3.0]), tensor([0.0, 4.0])
    by_x, by_y = tg.grad(ch02.hypotenuse(x, y).sum(), [x, y])
    assert np.allclose(by_x.numpy(), [0, 0.6])
    assert np.allclose(by_y.numpy(), [0, 0.8])


@operation(lambda g, y, x: g * 0.0, keeps_output=True)
def exercise_zero_gradient_softmax(x):
    """A softmax with the gradient 0."""
    weights = np.exp(x - x.max())
    return weights / weights.sum()


@operation(lambda g, x: g * x)
def exercise_half_gradient_square(x):
    """A square with half of its gradient."""
    return x * x


def test_5_right_gradients_have_small_errors():
    x = tensor(normal(2, 3))
    before = x.numpy().copy()
    for f in (tg.sin, lambda x: x.sum(axis=0) * x, lambda x: tg.logsumexp(x, axis=1), lambda x: tg.ones(2)):
        assert ch02.gradient_error(f, x) < 1e-7
    assert np.array_equal(x.numpy(), before)


def test_5_wrong_gradients_are_found():
    assert ch02.gradient_error(exercise_half_gradient_square, tensor([1.0, 2.0])) > 0.01
    assert ch02.gradient_error(exercise_zero_gradient_softmax, tensor([0.0, 1.0, 3.0])) > 1e-4
    assert ch02.gradient_error(lambda x: (x * 2).detach() + x, tensor([0.5, 1.5])) > 0.01


def test_6_a_diagonal_hessian_needs_one_sample():
    x = tensor([0.5, -1.0, 2.0])
    trace = ch02.hessian_trace(lambda x: (x**4).sum(), x, 1)
    assert math.isclose(trace, 12 * (x.numpy() ** 2).sum(), rel_tol=1e-9)


def test_6_the_mean_is_the_trace():
    tg.manual_seed(0)
    matrix = normal(4, 4)
    hessian = matrix @ matrix.T
    A, samples = tg.tensor(hessian), 400
    trace = ch02.hessian_trace(lambda x: (x * (A @ x)).sum() / 2, tensor(normal(4)), samples)
    off_diagonal = hessian - np.diag(np.diag(hessian))
    deviation = math.sqrt(2 * (off_diagonal**2).sum() / samples)  # the variance of v^T H v is 2 sum_{i != j} H_ij^2
    assert abs(trace - np.trace(hessian)) < 4 * deviation
    one = ch02.hessian_trace(lambda x: (x * (A @ x)).sum() / 2, tensor(normal(4)), 1)
    assert abs(one - trace) > 1e-6  # random vectors, not the trace itself


def test_7_inverse():
    x = tensor(normal(3, 3) + 3 * np.eye(3))
    y = ch02.inverse(x)
    assert np.allclose(y.numpy() @ x.numpy(), np.eye(3))
    assert y.node.inputs == (x,)
    assert tg.gradgradcheck(ch02.inverse, x)


def test_7_log_determinant():
    x = tensor(normal(3, 3))
    y = ch02.log_abs_det(x)
    assert y.shape == ()
    assert math.isclose(y.item(), math.log(abs(np.linalg.det(x.numpy()))))
    (gradient,) = tg.grad(y, x)
    assert np.allclose(gradient.numpy(), np.linalg.inv(x.numpy()).T)
    assert tg.gradgradcheck(ch02.log_abs_det, x)
