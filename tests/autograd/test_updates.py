"""Updates in place: they change the tensor where nothing has to be remembered, and say what to write where it has."""

import operator

import numpy as np
import pytest

import tinygen as tg
import tinygen.functional as F
from tinygen import backend, nn, optim

UPDATES = {
    "+": operator.iadd,
    "-": operator.isub,
    "*": operator.imul,
    "/": operator.itruediv,
    "//": operator.ifloordiv,
    "%": operator.imod,
    "**": operator.ipow,
    "@": operator.imatmul,
}
each_update = pytest.mark.parametrize("symbol", UPDATES)


def square() -> np.ndarray:
    return np.array([[1.5, 2.0], [3.0, 0.5]], "float32")


@each_update
def test_an_update_changes_the_tensor_itself_as_numpy_changes_an_array(symbol, device):
    array, other = square(), np.array([[2.0, 1.0], [0.5, 3.0]], "float32")
    x = same = tg.tensor(array, device=device)
    before = x.data
    x = UPDATES[symbol](x, tg.tensor(other, device=device))
    assert x is same
    assert x.data is not before
    np.testing.assert_array_equal(tg.Tensor(before).numpy(), array)  # nobody else's array was written to
    expected = array.copy()
    np.testing.assert_allclose(x.numpy(), UPDATES[symbol](expected, other), rtol=1e-6)
    assert (x.dtype, x.device) == (np.float32, tg.Tensor(before).device)


@each_update
def test_an_update_that_would_have_to_be_recorded_shows_what_to_write(symbol):
    update = UPDATES[symbol]
    leaf, plain = tg.tensor(square(), requires_grad=True), tg.tensor(square())
    made, write = leaf * 1.0, f"x = x {symbol} y".replace("*", r"\*").replace("+", r"\+")
    with pytest.raises(RuntimeError, match=rf"with tg\.no_grad\(\): .* or {write}"):
        update(leaf, plain)
    with pytest.raises(RuntimeError, match=f"y requires gradients.*{write}"):
        update(plain, leaf)
    for y in (plain, 2.0 if symbol != "@" else plain):
        with pytest.raises(RuntimeError, match=f"made by a recorded operation; write {write}"):
            update(made, y)
        with tg.no_grad(), pytest.raises(RuntimeError, match=f"made by a recorded operation; write {write}"):
            update(made, y)
    np.testing.assert_array_equal(leaf.numpy(), square())
    np.testing.assert_array_equal(plain.numpy(), square())


def test_truth_values_are_updated_too():
    x = same = tg.tensor([True, True, False])
    x &= tg.tensor([True, False, False])
    x |= tg.tensor([False, False, True])
    assert same.numpy().tolist() == [True, False, True]


def losses_of_training(step) -> list[float]:
    """Twenty steps of a small network, each taken by ``step(model)``."""
    with backend.fixed_seed(0):
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        x = tg.randn(16, 3)
    losses, target = [], x.sum(axis=1, keepdims=True)
    for _ in range(20):
        loss = F.mse_loss(model(x), target)
        model.zero_grad()
        loss.backward()
        step(model)
        losses.append(loss.item())
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}
    assert all(p.requires_grad and p.node is None for p in model.parameters())
    return losses


def test_an_explicit_training_step_equals_the_optimisers():
    def by_hand(model):
        with tg.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad

    losses = losses_of_training(by_hand)
    assert losses[-1] < 0.2 * losses[0]
    np.testing.assert_allclose(losses, losses_of_training(lambda m: optim.SGD(m.parameters(), 0.1).step()), rtol=1e-5)


def test_the_update_is_visible_in_the_module_and_under_every_other_name():
    layer = nn.Linear(2, 2)
    alias, before = layer.weight, layer.weight.numpy()
    with tg.no_grad():
        layer.weight *= 2
    assert layer.weight is alias is layer.parameters()[0]
    np.testing.assert_array_equal(layer.state_dict()["weight"], 2 * before)


def test_weights_can_be_clipped_in_place():
    layer = nn.Linear(20, 20)
    for p in layer.parameters():
        p.data = p.data.clip(-0.01, 0.01)
    assert np.abs(layer.weight.data).max() == np.float32(0.01)
    for p in layer.parameters():
        p.data = p.clip(-0.005, 0.005)  # of a tensor its array is taken
    assert np.abs(layer.weight.data).max() == np.float32(0.005)
    assert layer.weight.requires_grad
    assert layer.weight.node is None


def test_an_average_of_weights_can_be_written_in_place():
    model, mean = nn.Linear(2, 2), nn.Linear(2, 2)
    expected = 0.9 * mean.weight.numpy() + 0.1 * model.weight.numpy()
    with tg.no_grad():
        for average, p in zip(mean.parameters(), model.parameters(), strict=True):
            average *= 0.9
            average += 0.1 * p
    np.testing.assert_allclose(mean.weight.numpy(), expected, rtol=1e-6)


def test_buffers_are_updated_while_operations_are_recorded():
    norm = nn.BatchNorm1d(2)
    norm.running_mean += 1
    norm.running_mean *= np.float64(0.5)
    assert norm.state_dict()["running_mean"].tolist() == [0.5, 0.5]
    assert norm.running_mean.dtype == np.float32
    with pytest.raises(RuntimeError, match="y requires gradients"):
        norm.running_mean += norm.weight


@pytest.mark.parametrize("walk", [lambda y, x: y.backward(), lambda y, x: tg.grad(y, x, create_graph=True)])
def test_a_graph_detects_that_its_leaf_was_updated(walk):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with tg.no_grad():
        x += 1
    with pytest.raises(RuntimeError, match="multiply: the data of argument 'x' was replaced"):
        walk(y, x)
    (x * x).sum().backward()
    assert x.grad.numpy().tolist() == [4.0, 6.0]


def test_a_graph_detects_that_one_of_its_constants_was_updated():
    x, c = tg.tensor([1.0, 2.0], requires_grad=True), tg.tensor([3.0, 4.0])
    y = (x * c).sum()
    c += 1
    with pytest.raises(RuntimeError, match="multiply: the data of argument 'y' was replaced"):
        y.backward()


def test_second_derivatives_after_an_update_are_those_of_the_new_value():
    x = tg.tensor([1.0, 2.0], dtype="float64", requires_grad=True)
    with tg.no_grad():
        x *= 3
    assert tg.gradgradcheck(lambda x: x**3, x)
    (first,) = tg.grad((x**3).sum(), x, create_graph=True)
    np.testing.assert_allclose(tg.grad(first.sum(), x)[0].numpy(), 6 * x.numpy())


def test_shape_and_kind_of_numbers_stay():
    x, whole = tg.ones(2), tg.tensor([1, 2], dtype="int64")
    with pytest.raises(ValueError, match=r"x \+= y: the result has shape \(3, 2\), x \(2,\); write x = x \+ y"):
        x += tg.ones(3, 2)
    with pytest.raises(TypeError, match=r"x /= y: the result is float64, x int64; write x = x / y"):
        whole /= 2
    with pytest.raises(ValueError, match=r"add: shapes \(2,\) and \(3,\) do not broadcast"):
        x += tg.ones(3)
    x += tg.tensor(np.array([1.0, 2.0]))
    assert x.dtype == np.float32
    whole *= 3
    assert (whole.dtype, whole.numpy().tolist()) == (np.int64, [3, 6])


def test_a_kernel_keeps_its_order_in_memory():
    weight = nn.Conv2d(3, 8, 5).weight
    strides = weight.data.strides
    with tg.no_grad():
        weight -= tg.ones(*weight.shape)
    assert weight.data.strides == strides
