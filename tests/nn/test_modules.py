"""Modules: names, shapes and initial weights are PyTorch's, states go out and come in whole, modes are kept."""

import math

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.nn.initialisation import normal_weights
from tinygen.optim import Adam, ExponentialMovingAverage


def network() -> nn.Sequential:
    """Every kind of layer that has a state."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2),
        nn.BatchNorm2d(4),
        nn.ConvTranspose2d(4, 3, (2, 3), bias=False),
        nn.Flatten(),
        nn.Linear(6, 5),
        nn.BatchNorm1d(5, affine=False),
        nn.GroupNorm(1, 5),
    )


PYTORCHS = {  # of the same network, without the num_batches_tracked
    "0.weight": (4, 1, 3, 3),
    "0.bias": (4,),
    "1.weight": (4,),
    "1.bias": (4,),
    "1.running_mean": (4,),
    "1.running_var": (4,),
    "2.weight": (4, 3, 2, 3),
    "4.weight": (5, 6),
    "4.bias": (5,),
    "5.running_mean": (5,),
    "5.running_var": (5,),
    "6.weight": (5,),
    "6.bias": (5,),
}


def test_names_shapes_and_order_are_pytorchs():
    state = network().state_dict()
    assert {name: array.shape for name, array in state.items()} == PYTORCHS
    assert list(state) == list(PYTORCHS)
    assert {array.dtype for array in state.values()} == {np.dtype("float32")}
    trained = [name for name in PYTORCHS if "running" not in name]
    assert [name for name, _ in network().named_parameters()] == trained


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda: nn.Linear(400, 300), 400),
        (lambda: nn.Conv2d(32, 64, (3, 5)), 32 * 15),
        (lambda: nn.Conv2d(32, 64, 5, groups=4), 8 * 25),
        (lambda: nn.ConvTranspose2d(64, 32, 4), 32 * 16),
        (lambda: nn.ConvTranspose2d(64, 32, 4, groups=2), 16 * 16),
    ],
)
def test_weights_and_biases_begin_uniform_within_one_over_the_root_of_fan_in(make, fan_in):
    tg.manual_seed(0)
    layer, bound = make(), 1 / math.sqrt(fan_in)
    for array in (layer.weight.data, np.concatenate([make().bias.data for _ in range(30)])):
        assert np.abs(array).max() <= bound
        assert np.abs(array).max() > 0.98 * bound
        assert array.mean() == pytest.approx(0, abs=5 * bound / math.sqrt(3 * array.size))
        assert array.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_a_seed_fixes_the_weights():
    tg.manual_seed(5)
    first = network().state_dict()
    tg.manual_seed(5)
    assert all(np.array_equal(first[name], array) for name, array in network().state_dict().items())


def test_a_state_goes_from_one_module_to_another_and_is_a_copy():
    one, other = network(), network()
    state = one.state_dict() | {"1.num_batches_tracked": np.array(7), "5.num_batches_tracked": np.array(7)}
    other.load_state_dict(state)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    state["4.weight"][:] = 0
    assert other[4].weight.data.any()
    assert one[4].weight.data.any()
    x = tg.randn(4, 2, 3, 3)
    np.testing.assert_array_equal(one[0](x).numpy(), other[0](x).numpy())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda state: state.pop("0.bias"), KeyError, r"missing \['0.bias'\], unknown \[\]"),
        (lambda state: state.update(extra=np.ones(1)), KeyError, r"missing \[\], unknown \['extra'\]"),
        (
            lambda state: state.update({"4.bias": np.ones(6)}),
            ValueError,
            r"4.bias has shape \(6,\), the module's \(5,\)",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_name_and_changes_nothing(change, error, message):
    module, state = network(), network().state_dict()
    before = module.state_dict()
    change(state)
    with pytest.raises(error, match=f"load_state_dict: {message}"):
        module.load_state_dict(state)
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_parameter_that_two_modules_share_is_trained_once():
    layer = nn.Linear(2, 2)
    assert len(nn.Sequential(layer, nn.ELU(), layer).parameters()) == 2


def test_modes_reach_every_module_and_come_back_after_an_error():
    module = nn.Sequential(nn.Dropout(), nn.ModuleList([nn.BatchNorm1d(2), nn.Dropout()]))
    module[1][0].eval()

    def fail() -> None:
        with module.evaluating():
            assert not any(each.training for each in module.modules())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [each.training for each in module.modules()] == [True, True, True, False, True]
    assert not any(each.training for each in module.eval().modules())
    assert all(each.training for each in module.train().modules())


def test_types_change_and_gradients_are_cleared():
    module = nn.Linear(2, 1).astype("float64")
    module(tg.ones(1, 2, dtype="float64")).sum().backward()
    assert {parameter.grad.dtype for parameter in module.parameters()} == {np.dtype("float64")}
    module.zero_grad()
    assert [parameter.grad for parameter in module.parameters()] == [None, None]


def test_a_kernel_keeps_the_memory_order_of_the_convolution():
    module = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.ConvTranspose2d(8, 2, 4, stride=2))
    optimizer, average = Adam(module.parameters()), ExponentialMovingAverage(module)

    def orders() -> set[tuple[int, ...]]:
        arrays = [module[0].weight.data, module[1].weight.data]
        arrays += [array for state in optimizer.state for array in state.values() if array.ndim == 4]
        return {tuple(sorted(range(4), key=lambda axis: -array.strides[axis])) for array in arrays}

    def plain(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:  # as it comes from a file
        return {name: np.ascontiguousarray(array) for name, array in state.items()}

    wanted = {(0, 2, 3, 1)}
    assert orders() == wanted
    module(tg.ones(2, 3, 8, 8)).sum().backward()
    assert [layer.weight.grad.data.strides == layer.weight.data.strides for layer in module] == [True, True]
    optimizer.step()
    assert len(optimizer.state[0]) == 2
    assert orders() == wanted
    module.load_state_dict(plain(module.state_dict()))
    kept = optimizer.state_dict()
    optimizer.load_state_dict(kept | {"state": [plain(state) for state in kept["state"]]})
    assert orders() == wanted
    kept = average.state_dict()
    average.load_state_dict(kept | {"average": [np.ascontiguousarray(array) for array in kept["average"]]})
    with average.applied():
        assert orders() == wanted
    normal_weights(module, 0.02)
    assert orders() == wanted
    module.astype("float64")
    assert orders() == wanted


def test_the_structure_is_what_a_module_shows():
    module = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Sequential(nn.ELU()))
    lines = repr(module).splitlines()
    assert lines[0] == "Sequential("
    assert lines[1].startswith("  (0): Conv2d(in_channels=1, out_channels=2, kernel_size=(3, 3)")
    assert "bias=False" in lines[1]
    assert lines[2:] == ["  (1): Sequential(", "    (0): ELU(alpha=1.0)", "  )", ")"]


def test_only_modules_go_into_lists_and_groups_divide_the_channels():
    with pytest.raises(TypeError, match="Sequential: expects modules, got function"):
        nn.Sequential(lambda x: x)
    with pytest.raises(ValueError, match=r"Conv2d: groups \(2\) must divide in_channels \(3\)"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match=r"BatchNorm2d: expects 4 axes and 3 channels, got shape \(2, 3\)"):
        nn.BatchNorm2d(3)(tg.zeros(2, 3))
    with pytest.raises(ValueError, match=r"GroupNorm: num_groups \(2\) must divide num_channels \(3\)"):
        nn.GroupNorm(2, 3)
    with pytest.raises(ValueError, match=r"GroupNorm: expects 4 channels \(N, C, ...\), got shape \(2, 3\)"):
        nn.GroupNorm(2, 4)(tg.zeros(2, 3))
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


# What a parameter is made of ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.Parameter, nn.Buffer, tg.tensor])
def test_the_callers_array_is_copied_and_stays_writable(kind):
    base = np.ones((2, 3), "float32")
    x = kind(base[0])
    w = tg.ones(3, requires_grad=True)
    (x * w).sum().backward()
    base[0, 0] = 5
    assert x.numpy().tolist() == [1, 1, 1]


def test_a_state_is_copied_and_stays_writable():
    layer = nn.Linear(2, 2, bias=False)
    weight = np.ones((2, 2), "float32")
    layer.load_state_dict({"weight": weight})
    layer(tg.ones(1, 2)).sum().backward()
    weight[:] = 5
    assert layer.weight.numpy().max() == 1


def test_parameters_are_made_of_tensors_lists_and_numbers():
    drawn = tg.randn(3)
    for data, expected in ((drawn, drawn.numpy()), ([1, 2], np.array([1.0, 2.0])), (2.0, np.array(2.0))):
        parameter = nn.Parameter(data)
        np.testing.assert_array_equal(parameter.numpy(), expected)
        assert (parameter.dtype, parameter.requires_grad, parameter.node) == (np.float32, True, None)
    assert "weight" in dict(nn.Sequential(nn.Linear(2, 2))[0].named_parameters())
    with pytest.raises(TypeError, match="only floating-point tensors have gradients, this one is int64"):
        nn.Parameter(np.arange(3))


def test_a_state_may_hold_tensors(device):
    layer = nn.Linear(2, 2)
    layer.load_state_dict({name: tg.tensor(p.numpy() + 1, device=device) for name, p in layer.named_parameters()})
    assert layer.weight.device == "cpu"


@pytest.mark.parametrize("two", [np.int64(2), np.uint8(2), np.array(2), tg.tensor(2, dtype="int64")])
def test_sizes_of_layers_are_any_whole_numbers(two):
    x, image = tg.ones(4, 2), tg.ones(1, 2, 6, 6)
    assert nn.Linear(two, two)(x).shape == (4, 2)
    assert nn.Conv2d(two, two, two, stride=two, padding=two)(image).shape == (1, 2, 5, 5)
    assert nn.ConvTranspose2d(two, two, two)(image).shape == (1, 2, 7, 7)
    assert nn.BatchNorm1d(two, eps=np.float64(1e-5))(x).dtype == np.float32
    assert nn.GroupNorm(two, two)(image).shape == image.shape
    assert nn.Unflatten(1, [two, 1])(x).shape == (4, 2, 1)
    assert nn.MaxPool2d(two)(image).shape == (1, 2, 3, 3)
    assert nn.ELU(np.float64(1.0))(x).dtype == np.float32


def test_no_assignment_removes_a_parameter_from_the_state_without_an_error():
    """Each would leave weights that are neither trained nor saved."""
    linear, norm = nn.Linear(2, 3), nn.BatchNorm1d(3)
    names = set(linear.state_dict())
    with tg.no_grad(), pytest.raises(TypeError, match="Linear: weight is a Parameter and can be replaced by another"):
        linear.weight = linear.weight - 1
    with pytest.raises(TypeError, match="BatchNorm1d: running_mean is a Buffer and can be replaced by another"):
        norm.running_mean = np.zeros(3)
    for layers in ([nn.ReLU()], (nn.ReLU(), nn.Linear(1, 1)), {"first": nn.Parameter([1.0])}):
        with pytest.raises(TypeError, match=r"Linear: layers is a .* neither trained nor saved; use nn.ModuleList"):
            linear.layers = layers
    with pytest.raises(ValueError, match=r"must not contain a dot, got 'a\.weight'"):
        setattr(linear, "a.weight", nn.Parameter([1.0]))
    assert set(linear.state_dict()) == names

    linear.weight = nn.Parameter(np.zeros((3, 2)))
    linear.bias = None
    assert set(linear.state_dict()) == {"weight"}


def test_buffers_of_whole_numbers_keep_their_dtype_and_take_no_fractions():
    class Counting(nn.Module):
        def __init__(self):
            self.steps = nn.Buffer(np.array([2**24 + 1]))
            self.weight = nn.Parameter([1.0])

    module = Counting().astype("float64")
    assert module.state_dict()["steps"].tolist() == [2**24 + 1]
    assert (module.steps.dtype, module.weight.dtype) == (np.int64, np.float64)
    with pytest.raises(ValueError, match="load_state_dict: steps is int64, which cannot hold the numbers given"):
        module.load_state_dict({"steps": np.array([1.5]), "weight": np.array([2.0])})
    assert module.weight.numpy().tolist() == [1.0]
