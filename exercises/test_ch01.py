"""The tests of exercises/ch01.py."""

import math
import signal
import weakref
from itertools import pairwise

import numpy as np
import pytest
from grade import answers

import tinygen as tg

ch01 = answers("ch01")


@pytest.fixture
def time_limit():
    """Ends a test after ten seconds with an error, where the system has alarms."""

    def stop(*_):
        raise TimeoutError("more than ten seconds: a traversal along every path?")

    if hasattr(signal, "SIGALRM"):
        before = signal.signal(signal.SIGALRM, stop)
        signal.alarm(10)
        yield
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    else:
        yield


def test_1_central_differences_agree_with_a_closed_form():
    matrix = np.arange(6.0).reshape(2, 3) / 7
    before = matrix.copy()
    gradient = ch01.numerical_gradient(lambda x: float((np.sin(x) * x).sum()), matrix)
    assert gradient.shape == (2, 3)
    assert np.allclose(gradient, np.cos(matrix) * matrix + np.sin(matrix), atol=1e-8)
    assert np.array_equal(matrix, before)


def test_1_the_error_is_of_second_order_in_the_step():
    errors = [abs(ch01.numerical_gradient(lambda x: float(np.exp(x)), np.array(0.0), h) - 1) for h in (1e-2, 1e-3)]
    assert 80 < errors[0] / errors[1] < 120  # h^2: a hundredth for a tenth of the step; one-sided differences: a tenth


def test_2_all_derivatives_of_a_product():
    found = ch01.derivatives(lambda x: x**3 * tg.exp(2 * x), 0.5, 3)
    x, e = 0.5, math.exp(1.0)
    expected = [
        x**3 * e,
        (2 * x**3 + 3 * x**2) * e,
        (4 * x**3 + 12 * x**2 + 6 * x) * e,
        (8 * x**3 + 36 * x**2 + 36 * x + 6) * e,
    ]
    assert np.allclose(found, expected, rtol=1e-12)


def test_2_polynomials_have_derivatives_of_zero():
    assert np.allclose(ch01.derivatives(lambda x: 3 * x, 2.0, 3), [6, 3, 0, 0])
    assert np.allclose(ch01.derivatives(lambda x: x * x, 2.0, 4), [4, 4, 2, 0, 0])


def test_3_dual_numbers_follow_the_rules_of_differentiation():
    def f(x, y, exp):
        return (2 * x * y - y / x + (x - 1) * 3) / (1 - y) + 1 / (x + 2) + exp(-x * y) + (5 - x) - 1

    point, h = (1.5, 0.4), 1e-6
    for chosen in (0, 1):
        result = f(*(ch01.Dual(v, float(i == chosen)) for i, v in enumerate(point)), lambda v: v.exp())
        up, down = (f(*(v + s * h * (i == chosen) for i, v in enumerate(point)), math.exp) for s in (1, -1))
        assert math.isclose(result.value, f(*point, math.exp), rel_tol=1e-12)
        assert math.isclose(result.derivative, (up - down) / (2 * h), rel_tol=1e-7)


def test_4_each_node_once_and_after_its_inputs():
    x = tg.tensor(0.3, requires_grad=True)
    u = tg.sin(x)
    v = u * u + x
    y = v * u + tg.exp(v) * 2 + v
    order = ch01.topological_order(y)
    place = {id(node): i for i, node in enumerate(order)}
    assert len(place) == len(order) == 8
    assert order[-1] is y.node
    for node in order:
        for operand in node.inputs:
            if isinstance(operand, tg.Tensor) and operand.node is not None:
                assert place[id(operand.node)] < place[id(node)]


def test_4_deep_and_wide_graphs(time_limit):
    x = tg.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(5_000):
        y = y + 1.0
    assert len(ch01.topological_order(y)) == 5_000
    y = x
    for _ in range(60):
        y = y + y
    assert len(ch01.topological_order(y)) == 60


def test_5_gradients_of_a_shared_value():
    x, y = ch01.Value(0.5), ch01.Value(-1.5)
    u = x * y + 2 * x
    L = u * u + u.exp() + 1
    L.backward()
    value = 0.5 * -1.5 + 1.0
    by_u = 2 * value + math.exp(value)
    assert math.isclose(L.data, value**2 + math.exp(value) + 1)
    assert math.isclose(x.grad, by_u * (-1.5 + 2))
    assert math.isclose(y.grad, by_u * 0.5)


def test_5_sixty_doublings_are_sixty_visits(time_limit):
    a = ch01.Value(1.0)
    x = a
    for _ in range(60):
        x = x + x
    x.backward()
    assert x.data == a.grad == 2.0**60


def test_5_a_chain_deeper_than_the_recursion_limit():
    a = ch01.Value(2.0)
    x = a
    for _ in range(5_000):
        x = x + 1
    (x * x).backward()
    assert a.grad == 2 * 5_002


def test_6_newton_converges_quadratically():
    # f' = sinh x - 1 vanishes at asinh 1
    def f(x):
        return (tg.exp(x) + tg.exp(-x)) / 2 - x

    errors = [abs(ch01.newton(f, 1.0, steps) - math.asinh(1)) for steps in range(5)]
    assert errors[1] < 0.02
    assert all(after < before**2 for before, after in pairwise(errors) if before > 1e-7)
    assert errors[4] < 1e-14


def test_6_one_step_minimises_a_parabola():
    assert math.isclose(ch01.newton(lambda x: 3 * (x - 2) ** 2 + 1, -5.0, 1), 2.0)


class Watched:
    """A function of tensors that counts its calls and the results that are alive."""

    def __init__(self):
        self.alive, self.most, self.calls = 0, 0, 0

    def __call__(self, x):
        y = tg.sin(x) + 1.0
        self.calls += 1
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(y, self.died)
        return y

    def died(self):
        self.alive -= 1


@pytest.mark.parametrize("n", [1, 10, 400])
def test_7_derivative_memory_and_calls(n):
    expected, x = 1.0, 0.3
    for _ in range(n):
        expected, x = expected * math.cos(x), math.sin(x) + 1
    f = Watched()
    value, derivative = ch01.chain_derivative(f, 0.3, n)
    assert math.isclose(value, x, rel_tol=1e-12)
    assert math.isclose(derivative, expected, rel_tol=1e-9)
    assert f.calls <= 2 * n
    assert f.most <= 3 * math.sqrt(n) + 5
