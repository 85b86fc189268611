"""How an operation is declared: its name, its vector-Jacobian products, and what these share."""

import traceback

import numpy as np
import pytest

import tinygen as tg
from tinygen.autograd.operation import operation


def leaf(*values: float) -> tg.Tensor:
    return tg.tensor(np.array(values), requires_grad=True)


def test_two_operations_of_one_name_are_an_error():
    def define():
        @operation(lambda g, x: g)
        def same(x):
            return x + 1

    define()
    with pytest.raises(ValueError, match=r"operation: 'same' exists already, in .*test_operation"):
        define()


def test_a_traceback_names_the_operation_and_the_input_whose_gradient_fails():
    @operation(lambda g, x, y: g, lambda g, x, y: g.no_such_method())
    def failing(x, y):
        return x + y

    with pytest.raises(AttributeError) as caught:
        failing(tg.ones(2), leaf(1.0, 2.0)).sum().backward()
    functions = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert functions[-1] == "vjp_of_failing_in_y"
    assert "<lambda>" not in functions


@pytest.fixture
def scaled_sum():
    """a x + b y, and the list of the gradients for which its vector-Jacobian products computed what they share."""
    calls = []

    def shared(g, x, y, a, b):
        calls.append(g.data.copy())
        return a * g.data, b * g.data

    @operation(
        lambda g, x, y, a, b, shared: tg.Tensor(shared[0]),
        lambda g, x, y, a, b, shared: tg.Tensor(shared[1]),
        shared=shared,
    )
    def scaled_sum(x, y, a, b):
        return a * x + b * y

    scaled_sum.calls = calls
    return scaled_sum


def test_what_products_share_is_computed_once_per_node_and_backward_pass(scaled_sum):
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    z = scaled_sum(x, y, a=2.0, b=3.0)
    for seed in ([1.0, 1.0], [5.0, 6.0]):
        of_x, of_y = tg.grad(z, [x, y], tg.tensor(np.array(seed)))
        np.testing.assert_array_equal(of_x.numpy(), 2 * np.array(seed))
        np.testing.assert_array_equal(of_y.numpy(), 3 * np.array(seed))
    np.testing.assert_array_equal(scaled_sum.calls, [[1.0, 1.0], [5.0, 6.0]])


def test_nothing_is_shared_for_a_gradient_of_zeros(scaled_sum):
    @operation(None)
    def step(x):
        return np.sign(x)

    x = leaf(1.0, 2.0)
    (gradient,) = tg.grad(step(scaled_sum(x, x, a=2.0, b=3.0)).sum(), x)
    np.testing.assert_array_equal(gradient.numpy(), [0, 0])
    assert scaled_sum.calls == []
