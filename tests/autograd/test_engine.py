"""The backward pass: right to any order, over graphs of any depth and shape, and never more work than is asked for."""

import sys
import threading
import weakref
from collections import Counter

import numpy as np
import pytest

import tinygen as tg
from tinygen.autograd.operation import operation
from tinygen.operations.elementwise import leaky_relu_vjp


def leaf(*values: float, dtype: str = "float64") -> tg.Tensor:
    return tg.tensor(np.array(values, dtype), requires_grad=True)


@pytest.fixture
def tracked():
    """A product x y whose vector-Jacobian products count in ``tracked.calls`` how often they are called."""
    calls: Counter[str] = Counter()

    def count(name, product):
        calls[name] += 1
        return product

    @operation(lambda g, x, y: count("x", g * y), lambda g, x, y: count("y", g * x))
    def times(x, y):
        return x * y

    times.calls = calls
    return times


# Derivatives ---------------------------------------------------------------------------------------------------------


def test_derivatives_of_any_order():
    x = leaf(0.3)
    derivative = tg.sin(x)
    for order in range(1, 8):
        (derivative,) = tg.grad(derivative, x, create_graph=True)
        assert derivative.item() == pytest.approx(np.sin(0.3 + order * np.pi / 2))


def test_backward_leaves_gradients_on_leaves_alone():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    product = x * y
    product.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 4.0])
    np.testing.assert_array_equal(y.grad.numpy(), [1.0, 2.0])
    assert product.grad is None


def test_gradients_accumulate_over_backward_calls():
    x = leaf(1.0, 2.0)
    for times in (1, 2, 3):
        (x * x).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), [2.0 * times, 4.0 * times])


def test_backward_begins_with_the_gradient_it_is_given():
    x = leaf(1.0, 2.0)
    (x * x).backward(tg.tensor([10.0, 100.0], dtype="float64"))
    np.testing.assert_array_equal(x.grad.numpy(), [20.0, 400.0])


def test_backward_from_a_leaf_is_one():
    x = leaf(5.0)
    x.backward()
    assert x.grad.numpy() == [1.0]


def test_gradients_left_on_leaves_have_no_past():
    x = leaf(2.0)
    (x**3).backward()
    assert not x.grad.requires_grad
    assert x.grad.node is None


def test_leaves_do_not_share_the_memory_of_their_gradients():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    assert not np.shares_memory(x.grad.data, y.grad.data)
    assert x.grad.data.flags.writeable


def test_leaves_do_not_share_the_memory_of_the_gradient_to_begin_with():
    x, start = leaf(1.0, 2.0), tg.ones(2, dtype="float64")
    (x + 0.0).backward(start)
    assert not np.shares_memory(x.grad.data, start.data)


def test_a_tensor_used_many_times_gets_the_sum_of_its_gradients():
    x = leaf(2.0)
    total = x
    for _ in range(99):
        total = total + x
    total.backward()
    assert x.grad.item() == 100


def test_both_uses_in_one_operation_count():
    x = leaf(3.0)
    (first,) = tg.grad(x * x, x, create_graph=True)
    assert first.item() == 6
    assert tg.grad(first, x)[0].item() == 2


def test_grad_leaves_nothing_on_leaves_and_keeps_the_graph():
    x = leaf(3.0)
    y = x * x
    assert [tg.grad(y, x)[0].item() for _ in range(3)] == [6, 6, 6]
    assert x.grad is None


def test_grad_without_create_graph_has_no_past():
    x = leaf(3.0)
    (first,) = tg.grad(x * x, x)
    assert not first.requires_grad


def test_grad_of_several_outputs_is_the_sum_weighted_by_grad_outputs():
    x = leaf(1.0, 2.0)
    v = tg.tensor([1.0, 10.0], dtype="float64")
    (g,) = tg.grad([x * x, (3 * x).sum()], x, [v, None])
    np.testing.assert_array_equal(g.numpy(), [2.0 + 3.0, 40.0 + 3.0])


def test_grad_of_a_tensor_in_the_middle_and_of_what_is_behind_it():
    x = leaf(2.0)
    middle = x * x
    g_middle, g_x, again = tg.grad(middle * middle * x, [middle, x, x])
    assert g_middle.item() == 2 * 4 * 2
    assert g_x.item() == again.item() == 5 * 2**4


def test_grad_of_a_tensor_in_itself_is_one():
    x = leaf(2.0)
    assert tg.grad(x, x)[0].item() == 1
    y = x * x
    assert tg.grad(y, y)[0].item() == 1


def test_grad_where_one_output_is_made_of_another():
    x = leaf(2.0)
    y = x * x
    assert tg.grad([y, y * y], x)[0].item() == 2 * 2 + 4 * 2**3


def test_an_unused_input_is_an_error_or_none():
    x, unused = leaf(1.0), leaf(1.0)
    with pytest.raises(ValueError, match=r"do not depend on inputs\[1\].*allow_unused"):
        tg.grad(x * 2, [x, unused])
    assert tg.grad(x * 2, [x, unused], allow_unused=True)[1] is None
    assert tg.grad(unused.detach() * 2, unused, allow_unused=True) == (None,)


def test_tensors_without_axes_have_gradients_without_axes():
    x = tg.tensor(np.array(3.0), requires_grad=True)
    (x * x).backward()
    assert x.grad.shape == ()
    assert x.grad.item() == 6
    (second,) = tg.grad(tg.grad(x**3, x, create_graph=True)[0], x)
    assert second.shape == ()
    assert second.item() == 18


def test_detach_cuts_the_path():
    x = leaf(3.0)
    assert tg.grad(x * x.detach(), x)[0].item() == 3


def test_operands_of_different_shapes_get_gradients_of_their_own_shapes():
    x, y, z = leaf(1.0, 2.0, 3.0), tg.ones(2, 1, dtype="float64", requires_grad=True), leaf(2.0)
    (x * y * z).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4.0, 4.0, 4.0])
    np.testing.assert_array_equal(y.grad.numpy(), [[12.0], [12.0]])
    np.testing.assert_array_equal(z.grad.numpy(), [12.0])


def test_tensors_without_elements_have_gradients_without_elements():
    x = tg.zeros(0, 3, requires_grad=True)
    (tg.exp(x) * 2).sum().backward()
    assert x.grad.shape == (0, 3)


# Types ---------------------------------------------------------------------------------------------------------------


def test_mixed_precision_promotes_and_each_gradient_has_the_type_of_its_tensor():
    x, y = leaf(1.0, 2.0, dtype="float32"), leaf(3.0, 4.0)
    product = x * y
    assert product.dtype == np.float64
    product.sum().backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_second_derivatives_of_mixed_precision_keep_the_types_too():
    x, y = leaf(1.0, 2.0, dtype="float32"), leaf(3.0, 4.0)
    first = tg.grad((x * x * y * y).sum(), [x, y], create_graph=True)
    second = tg.grad((first[0] * first[1]).sum(), [x, y])
    assert [g.dtype for g in (*first, *second)] == [np.float32, np.float64] * 2


def test_a_gradient_to_begin_with_takes_the_type_of_what_it_begins_at():
    x, start = leaf(1.0, 2.0, dtype="float32"), tg.ones(2, dtype="float64")
    assert tg.grad(x, x, start)[0].dtype == np.float32
    x.backward(start)
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 1,
        lambda x: 1 - x,
        lambda x: x * 2.5,
        lambda x: 2 / x,
        lambda x: x**2,
        lambda x: x**0.5,
        lambda x: 2**x,
        lambda x: x % 2,
        lambda x: x // 2,
        lambda x: tg.maximum(x, 1.5),
        lambda x: tg.where(x > 1, x, 0.0),
        lambda x: tg.clip(x, 0.5, 1.5),
    ],
)
def test_python_numbers_never_promote_float32(function):
    x = leaf(1.0, 2.0, dtype="float32")
    y = function(x)
    assert y.dtype == np.float32
    if y.requires_grad:
        y.sum().backward()
        assert x.grad.dtype == np.float32


# Only what is asked for ----------------------------------------------------------------------------------------------


def test_a_product_that_nobody_needs_is_not_computed(tracked):
    x, constant = leaf(2.0), tg.tensor([3.0], dtype="float64")
    tracked(x, constant).backward()
    assert tracked.calls == {"x": 1}


def test_paths_that_lead_to_no_wanted_input_are_not_visited(tracked):
    x, y, z = leaf(2.0), leaf(3.0), leaf(4.0)
    tg.grad(tracked(x, tracked(y, z)), x)
    assert tracked.calls == {"x": 1}


def test_what_lies_behind_a_wanted_tensor_is_not_visited(tracked):
    x = leaf(2.0)
    middle = tracked(x, x)
    tg.grad(middle * 3, middle)
    assert not tracked.calls


def test_a_derivative_that_is_zero_by_its_nature_is_zeros_and_costs_nothing(tracked):
    g, x = leaf(1.0, 2.0), leaf(3.0, -4.0)
    y = leaky_relu_vjp(g, tracked(x, x), slope=0.5).sum()
    of_g, of_x = tg.grad(y, [g, x])
    np.testing.assert_array_equal(of_g.numpy(), [1.0, 1.0])
    np.testing.assert_array_equal(of_x.numpy(), [0.0, 0.0])
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.0])
    (leaky_relu_vjp(g, x, slope=0.5) + 3.0 * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 3.0])
    assert not tracked.calls


def test_nothing_is_recorded_without_requires_grad():
    assert (tg.ones(2) * 3).node is None


def test_nothing_is_recorded_under_no_grad():
    x = leaf(1.0)
    with tg.no_grad():
        y = x * 2
    assert not y.requires_grad
    assert y.node is None
    assert (x * 2).requires_grad


def test_no_grad_is_a_decorator_too():
    x = leaf(1.0)

    @tg.no_grad()
    def double(x):
        return x * 2

    assert not double(x).requires_grad
    assert not double(x).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_nests_and_is_restored_after_an_error():
    x = leaf(1.0)
    with tg.no_grad():
        with pytest.raises(ZeroDivisionError), tg.no_grad():
            1 / 0  # noqa: B018
        assert not (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        1 / 0  # noqa: B018
    assert (x * 2).requires_grad


def test_no_grad_holds_for_its_own_thread_alone():
    x = leaf(1.0)
    inside, outside, found = threading.Event(), threading.Event(), []

    def other():
        found.append((x * 2).requires_grad)
        with tg.no_grad():
            inside.set()
            outside.wait(10)
            found.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    with tg.no_grad():
        thread.start()
        inside.wait(10)
        here = (x * 2).requires_grad
    there = (x * 2).requires_grad  # while the other thread still records nothing
    outside.set()
    thread.join()
    assert (here, there, found) == (False, True, [True, False])


def test_grad_with_create_graph_records_under_no_grad_only_inside_itself():
    x = leaf(2.0)
    y = x**3
    with tg.no_grad():
        (first,) = tg.grad(y, x, create_graph=True)
        assert not (x * 2).requires_grad
    assert tg.grad(first, x)[0].item() == 12


# Graphs of any depth and shape ---------------------------------------------------------------------------------------


def chain(x: tg.Tensor, length: int) -> tg.Tensor:
    for _ in range(length):
        x = x * 1.0001
    return x


def test_ten_thousand_chained_operations():
    x = leaf(1.0)
    chain(x, 10_000).backward()
    assert x.grad.item() == pytest.approx(1.0001**10_000)


def test_ten_thousand_chained_operations_differentiated_twice():
    x = leaf(1.0)
    (first,) = tg.grad(chain(x, 10_000) * x, x, create_graph=True)
    assert tg.grad(first, x)[0].item() == pytest.approx(2 * 1.0001**10_000)


def test_a_deep_graph_is_freed_without_a_backward_and_without_recursion():
    x = leaf(1.0)
    deep = chain(x, 100_000)
    node = weakref.ref(deep.node)
    del deep
    assert node() is None


def test_a_diamond_repeated_sixty_times_is_visited_once(tracked):
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = tracked(y + y, tg.ones(1, dtype="float64"))
    y.backward()
    assert x.grad.item() == 2.0**60
    assert tracked.calls == {"x": 60}


def calls_of_a_backward_pass(length: int) -> int:
    """How many functions are called in the backward pass of a graph of ``length`` diamonds."""
    x = leaf(1.0)
    y = x
    for _ in range(length):
        y = tg.sin(y) * y
    count = 0

    def tick(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(tick)
    try:
        y.backward()
    finally:
        sys.setprofile(None)
    return count


def test_ten_times_the_graph_is_ten_times_the_work():
    assert calls_of_a_backward_pass(1000) < 11 * calls_of_a_backward_pass(100)


# Memory is freed during the backward pass -----------------------------------------------------------------------------


def test_backward_frees_intermediate_values_while_the_loss_is_held():
    x = leaf(1.0, 2.0)
    middle = tg.exp(x)
    loss = (tg.exp(middle) * middle).sum()
    array = weakref.ref(middle.data)
    del middle
    assert array() is not None
    loss.backward()
    assert array() is None


def test_intermediate_values_are_freed_during_the_backward_pass():
    alive = []

    @operation(lambda g, x: (alive.append(late() is not None), g)[1])
    def early(x):
        return x.copy()

    x = leaf(1.0, 2.0)
    value = tg.exp(early(x)) * 2
    late = weakref.ref(value.data)
    loss = tg.exp(value).sum()
    del value
    assert late() is not None
    loss.backward()
    assert alive == [False]


def test_backward_frees_the_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        y.backward()


def test_gradients_are_dropped_as_they_are_consumed():
    seen = []

    @operation(lambda g, x: (seen.append(weakref.ref(g.data)), g * 1.0)[1])
    def passed(x):
        return x.copy()

    @operation(lambda g, x: (seen.append(seen[0]() is None), g)[1])
    def first(x):
        return x.copy()

    x = leaf(1.0, 2.0)
    tg.sin(passed(tg.sin(tg.sin(first(x))))).sum().backward()
    assert seen[1] is True


# Changes in between --------------------------------------------------------------------------------------------------


def test_writing_into_an_array_that_a_gradient_needs_fails_at_once():
    x = leaf(1.0, 2.0)
    y = x * x
    with pytest.raises(ValueError, match="read-only"):
        x.data[0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        y.data += 1.0


def test_writing_through_the_array_behind_a_view_fails_too():
    array = np.arange(4.0)
    x = tg.Tensor(array[1:], requires_grad=True)
    _ = x * x
    with pytest.raises(ValueError, match="read-only"):
        array[1] = 7.0


def test_arrays_that_no_gradient_needs_stay_writable():
    x = tg.tensor([1.0, 2.0])
    _ = x * x
    x.data[0] = 5.0
    assert x.numpy().tolist() == [5.0, 2.0]
    with tg.no_grad():
        y = leaf(1.0)
        _ = y * y
        y.data[0] = 5.0
    assert y.item() == 5.0


@pytest.mark.parametrize("differentiate", [lambda y, x: y.backward(), lambda y, x: tg.grad(y, x)])
def test_replaced_data_is_an_error(differentiate):
    x = leaf(1.0, 2.0)
    y = tg.sum(tg.exp(x) * x)
    x.data = x.data + 1
    with pytest.raises(RuntimeError, match=r"multiply: the data of argument 'y' was replaced"):
        differentiate(y, x)


@pytest.mark.parametrize("index", [np.array([0, 2]), np.array([True, False, True]), tg.tensor(np.array([0, 2]))])
def test_an_index_that_is_written_to_afterwards_changes_no_gradient(index):
    x = leaf(1.0, 2.0, 3.0)
    y = x[index].sum()
    (index.data if isinstance(index, tg.Tensor) else index)[:] = 1
    np.testing.assert_array_equal(tg.grad(y, x)[0].numpy(), [1.0, 0.0, 1.0])


def test_item_assignment_shows_the_rewrite():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match=r"tg\.where\(mask, value, x\).*tg\.cat\(\[value, x\[k:\]\]\)"):
        x[0] = 3.0


# Errors --------------------------------------------------------------------------------------------------------------


def test_a_product_of_the_wrong_shape_is_refused_by_name():
    @operation(lambda g, x, y: g, lambda g, x, y: g.sum())
    def broken(x, y):
        return x + y

    with pytest.raises(ValueError, match=r"broken: the gradient of .*y.* has shape \(\).* \(2,\)"):
        broken(leaf(1.0, 2.0), leaf(1.0, 2.0)).sum().backward()


def test_only_one_number_begins_without_a_gradient():
    with pytest.raises(ValueError, match=r"shape \(2,\).*initial gradient"):
        (leaf(1.0, 2.0) * 2).backward()


def test_a_beginning_gradient_of_the_wrong_shape_or_kind_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"\(2,\), got Tensor of shape \(3,\)"):
        (x * 2).backward(tg.ones(3))
    with pytest.raises(ValueError, match="got float"):
        (x * 2).backward(1.0)
    with pytest.raises(ValueError, match=r"grad: an output of shape \(2,\) requires .*got None"):
        tg.grad(x * 2, x)
    with pytest.raises(TypeError, match=r"grad: grad_outputs must be .*float"):
        tg.grad(x * 2, x, 1.0)
    with pytest.raises(ValueError, match="2, got 1"):
        tg.grad([x * 2, x * 3], x, [tg.ones(2)])


def test_backward_without_requires_grad_is_an_error():
    with pytest.raises(RuntimeError, match="requires_grad"):
        tg.ones(1).backward()


def test_grad_of_an_input_without_requires_grad_is_an_error():
    x = leaf(1.0)
    with pytest.raises(ValueError, match=r"inputs\[0\] does not require gradients"):
        tg.grad(x * 2, tg.ones(1))
    with pytest.raises(TypeError, match=r"inputs must be .*float"):
        tg.grad(x * 2, [1.0])
    with pytest.raises(TypeError, match=r"inputs must be .*float"):
        tg.grad(x * 2, 1.0)


def test_arguments_that_do_not_fit_are_an_error_that_names_the_operation():
    with pytest.raises(TypeError, match="exp: missing a required argument: 'x'"):
        tg.exp()
    with pytest.raises(TypeError, match="exp: too many positional arguments"):
        tg.exp(tg.ones(2), 3)


def test_whole_numbers_have_no_gradient():
    with pytest.raises(TypeError, match="int64"):
        tg.tensor(np.arange(3), requires_grad=True)


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"multiply: shapes \(2,\) and \(3,\) do not broadcast"):
        tg.ones(2) * tg.ones(3)


def test_a_view_made_without_a_graph_cannot_change_what_a_graph_holds():
    x = tg.ones(2, requires_grad=True)
    with tg.no_grad():
        view = x.reshape(2, 1)
    constant = tg.ones(2)
    other = constant.reshape(2, 1)
    y = (x * x * constant).sum()
    for tensor in (view, other):
        with pytest.raises(ValueError, match="read-only"):
            tensor.data[:] = 7
    assert tg.grad(y, x)[0].numpy().tolist() == [2.0, 2.0]


def test_no_grad_can_be_used_again_and_within_itself():
    x, off = tg.ones(2, requires_grad=True), tg.no_grad()
    for _ in range(2):
        with off, off:
            assert not (x * 2).requires_grad
        assert (x * 2).requires_grad

    @tg.no_grad()
    def double(depth: int) -> tg.Tensor:
        return x * 2 if depth == 0 else double(depth - 1)

    assert not double(3).requires_grad
    assert (x * 2).requires_grad

    with pytest.raises(TypeError, match="no_grad: cannot decorate a generator function"):

        @tg.no_grad()
        def doubles():
            yield x * 2


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (np.ones(2), TypeError, "grad: must be a Tensor or None, got ndarray"),
        ("a", TypeError, "grad: must be a Tensor or None, got str 'a'"),
        (tg.ones(3), ValueError, r"grad: must have the shape of the tensor, \(2,\), got \(3,\)"),
        (tg.ones(1), ValueError, r"grad: must have the shape of the tensor, \(2,\), got \(1,\)"),
    ],
)
def test_a_gradient_is_a_tensor_of_the_same_shape(gradient, error, message):
    x = tg.zeros(2, requires_grad=True)
    x.grad = tg.ones(2)
    with pytest.raises(error, match=message):
        x.grad = gradient
    assert x.grad.numpy().tolist() == [1.0, 1.0]
    x.grad = None
