"""The fake device refuses what CuPy refuses, and computes NumPy's values otherwise."""

import copy
import gc
import operator
import weakref

import fake_device as xp
import numpy as np
import pytest

from tinygen import backend

HOST = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
INTEGERS = np.array([2, 0, 1])


@pytest.fixture
def x():
    return xp.asarray(HOST)


def same(array, expected):
    """``array`` is the device's, and holds ``expected``, dtype and shape included."""
    expected = np.asarray(expected)
    assert type(array) is xp.ndarray
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array.get(), expected)
    return True


# What is refused


@pytest.mark.parametrize(
    "mix",
    {
        "operator": lambda x: x + HOST,
        "operator, reflected": lambda x: HOST * x,
        "operator with a 0-d array": lambda x: x * np.array(2.0),
        "operator with a 0-d array, reflected": lambda x: np.array(2.0) - x,
        "matrix product": lambda x: x @ HOST.T,
        "matrix product, reflected": lambda x: HOST.T @ x,
        "comparison": lambda x: x == HOST,
        "comparison, reflected": lambda x: operator.lt(HOST, x),
        "in place": lambda x: x.__iadd__(HOST),
        "in place on the host": lambda x: HOST.copy().__iadd__(x),
        "element-wise function": lambda x: xp.maximum(x, HOST),
        "element-wise function of a list": lambda x: xp.exp([1.0, 2.0]),
        "function": lambda x: xp.concatenate([x, HOST]),
        "function with a 0-d array": lambda x: xp.where(x > 0, x, np.array(0.0)),
        "function of a NumPy array": lambda x: xp.sum(HOST),
        "function of a list": lambda x: xp.mean([1.0, 2.0]),
        "method": lambda x: x.dot(HOST.T),
        "index": lambda x: x[INTEGERS],
        "index, 0-d": lambda x: x[np.array(0)],
        "index in a tuple": lambda x: x[:, INTEGERS],
        "mask": lambda x: x[HOST > 0],
        "assignment": lambda x: x.__setitem__(0, HOST[0]),
        "assignment of a 0-d array": lambda x: x.__setitem__(0, np.array(1.0)),
        "assignment of a list": lambda x: x.__setitem__(0, [1.0, 2.0, 3.0, 4.0]),
        "assignment at a NumPy index": lambda x: x.__setitem__(INTEGERS, 1.0),
        "take": lambda x: xp.take(x, INTEGERS, axis=0),
        "out=": lambda x: xp.exp(x, out=HOST.copy()),
        "out= of a method": lambda x: x.sum(axis=0, out=HOST[0].copy()),
        "new array like a NumPy array": lambda x: xp.zeros_like(HOST),
        "list with a NumPy array": lambda x: xp.asarray([x[0], HOST[0]]),
        "product of a stride trick": lambda x: xp.lib.stride_tricks.sliding_window_view(HOST, 2, axis=1),
        "linear algebra": lambda x: xp.linalg.norm(HOST),
    }.items(),
    ids=lambda case: case[0],
)
def test_numpy_arrays_do_not_mix_with_the_device(x, mix):
    with pytest.raises(TypeError):
        mix[1](x)


@pytest.mark.parametrize(
    "call",
    {
        "asarray": np.asarray,
        "array": lambda x: np.array(x, dtype=np.float64),
        "array of a list": lambda x: np.array([x[0], x[1]]),
        "array of 0-d arrays": lambda x: np.array([x[0, 0], 1.0]),
        "a scalar type": lambda x: np.float32(x[0, 0]),
        "assignment to a NumPy array": lambda x: HOST.copy().__setitem__(slice(None), x),
        "index into a NumPy array": lambda x: HOST[x[0].astype(int)],
        "element-wise function": np.sin,
        "element-wise function of two": lambda x: np.add(HOST, x),
        "scatter": lambda x: np.add.at(HOST.copy(), (0,), x[0]),
        "out=": lambda x: np.exp(HOST, out=x),
        "reduction": np.sum,
        "join": lambda x: np.concatenate([x, x]),
        "shape": np.shape,
        "like": np.zeros_like,
        "matrix product": lambda x: np.matmul(x, HOST.T),
        "linear algebra": np.linalg.norm,
        "random numbers": lambda x: np.random.default_rng(0).normal(x),
        "einsum": lambda x: np.einsum("ij->i", x),
    }.items(),
    ids=lambda case: case[0],
)
def test_numpy_functions_do_not_take_arrays_of_the_device(x, call):
    with pytest.raises(TypeError):
        call[1](x)


@pytest.mark.parametrize("name", ["errstate", "block", "insert", "ndenumerate", "float128", "geomspace", "nditer"])
def test_names_that_cupy_lacks_are_not_there(name):
    assert hasattr(np, name) or name == "float128"
    with pytest.raises(AttributeError, match=name):
        getattr(xp, name)


def test_chance_is_not_drawn_on_the_device():
    with pytest.raises(AttributeError):
        xp.random.default_rng(0)


@pytest.mark.parametrize("name", ["setflags", "resize", "__index__", "__contains__", "__imatmul__", "ctypes", "flat"])
def test_attributes_that_cupy_arrays_lack_are_not_there(x, name):
    assert hasattr(HOST, name)
    assert not hasattr(x, name)


def test_arrays_are_not_numpy_arrays_and_take_no_attributes(x):
    assert not isinstance(x, np.ndarray)
    assert not backend.is_numpy(x)
    with pytest.raises(AttributeError):
        x.note = "mine"


def test_flags_cannot_be_set_and_have_no_attribute_writeable(x):
    with pytest.raises(AttributeError):
        _ = x.flags.writeable
    with pytest.raises(KeyError):
        _ = x.flags["WRITEABLE"]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: xp.sum(x, initial=0.0),
        lambda x: xp.max(x, where=x > 0),
        lambda x: xp.max(x, initial=0.0),
        lambda x: x.sum(where=x > 0),
        lambda x: x.max(initial=0.0),
        lambda x: xp.var(x, mean=0.0),
        lambda x: xp.exp(x, where=x > 0),
        lambda x: xp.add(x, x, order="F"),
        lambda x: xp.take(x, xp.asarray([0]), mode="clip"),
        lambda x: xp.clip(x, min=0.0),
        lambda x: xp.reshape(x, shape=(4, 3)),
        lambda x: xp.einsum("ij->i", x, out=x[:, 0]),
        lambda x: xp.linalg.pinv(x, hermitian=False),
        lambda x: xp.broadcast_to(x, (2, 3, 4), subok=True),
    ],
)
def test_arguments_that_cupy_lacks_are_refused(x, call):
    with pytest.raises(TypeError):
        call(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: xp.maximum.reduce(x),
        lambda x: xp.logaddexp.reduce(x),
        lambda x: xp.maximum.accumulate(x),
        lambda x: xp.multiply.reduceat(x, xp.asarray([0, 1])),
        lambda x: xp.multiply.at(x, xp.asarray([0, 1]), 2.0),
    ],
)
def test_methods_of_element_wise_functions_that_cupy_lacks_are_refused(x, call):
    with pytest.raises(NotImplementedError):
        call(x)


def test_a_device_number_is_no_python_index(x):
    number = x[0, 0].astype(int)
    with pytest.raises(TypeError):
        range(number)
    with pytest.raises(TypeError):
        _ = x[:number]
    with pytest.raises(TypeError):
        _ = [1, 2, 3][number]


def test_arrays_of_the_device_cannot_be_keys(x):
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)


@pytest.mark.parametrize("dtype", [object, str, np.longdouble])
def test_dtypes_that_a_gpu_lacks_are_refused(dtype):
    with pytest.raises(ValueError, match="dtype"):
        xp.asarray(np.ones(2).astype(dtype))


def test_different_values_for_a_repeated_index_are_refused(x):
    with pytest.raises(ValueError, match="repeated"):
        x[xp.asarray([0, 0])] = x[:2]
    x[xp.asarray([0, 0])] = 1.0
    same(x[0], np.ones(4, np.float32))


# What is different from NumPy


@pytest.mark.parametrize(
    "reduction",
    [
        lambda x: x.sum(),
        lambda x: xp.max(x),
        lambda x: x.mean(),
        lambda x: x.argmax(),
        lambda x: xp.allclose(x, x),
        lambda x: xp.array_equal(x, x),
        lambda x: xp.count_nonzero(x),
        lambda x: xp.linalg.norm(x),
        lambda x: xp.dot(x[0], x[0]),
        lambda x: xp.einsum("ij->", x),
        lambda x: x[0, 0],
        lambda x: next(iter(x[0])),
        lambda x: x[0, 0] + 1,
        lambda x: xp.exp(0.5),
    ],
)
def test_results_of_one_element_are_0d_arrays(x, reduction):
    result = reduction(x)
    assert type(result) is xp.ndarray
    assert result.shape == ()


def test_a_0d_part_is_a_view(x):
    x[1][2][...] = 7.0
    assert float(x[1, 2]) == 7.0


@pytest.mark.parametrize(
    "function",
    [
        lambda t: t + 1,
        lambda t: -t,
        lambda t: t * t,
        lambda t: t > 0,
        xp.exp,
        xp.abs,
        lambda t: xp.where(t > 0, t, 0.0),
        lambda t: xp.clip(t, -1.0, 1.0),
        lambda t: t.clip(-1.0, 1.0),
        lambda t: xp.matmul(t, t.T),
        lambda t: t.sum(axis=0, keepdims=True),
        lambda t: t[:, xp.asarray([0, 1])],
        lambda t: xp.flip(t, 0) + 0,
    ],
)
def test_new_arrays_are_in_c_order_whatever_their_sources(x, function):
    assert x.T.flags.f_contiguous
    assert function(x.T).flags.c_contiguous


def test_memory_order_of_a_numpy_array_does_not_travel():
    permuted = np.zeros((2, 3, 4, 5)).transpose(3, 0, 1, 2)
    assert xp.asarray(permuted).flags.c_contiguous
    assert xp.asarray(permuted).get().flags.c_contiguous


def test_views_stay_views(x):
    for view in (x.T, x[1:], x[None], x.reshape(4, 3), xp.broadcast_to(x, (2, 3, 4)), xp.swapaxes(x, 0, 1)):
        assert xp.shares_memory(view, x)


def test_integer_indices_out_of_range_wrap_around(x):
    same(x[xp.asarray([3, -4])], HOST[[0, 2]])
    same(x[:, None, xp.asarray([5])], HOST[:, None, [1]])
    same(x[..., xp.asarray([5])], HOST[..., [1]])
    same(x[xp.asarray([0, 4]), xp.asarray([4, 0])], HOST[[0, 1], [0, 0]])
    same(xp.take(x, xp.asarray([4]), axis=1), HOST[:, [0]])
    same(xp.take_along_axis(x, xp.asarray([[4], [5], [6]]), 1), HOST[[0, 1, 2], [0, 1, 2]][:, None])
    with pytest.raises(IndexError):
        x[3]


def test_there_is_no_in_place_matrix_product(x):
    square = before = x @ x.T
    square @= square
    assert square is not before


# What is the same


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: x + 2,
        lambda m, x: 2 - x,
        lambda m, x: x**2,
        lambda m, x: 1 / (x + 10),
        lambda m, x: x // 2 + x % 3,
        lambda m, x: x @ x.T,
        lambda m, x: (x > 0) & (x < 3) | ~(x > 1),
        lambda m, x: m.exp(x) + m.tanh(x),
        lambda m, x: m.maximum(x, 0.0),
        lambda m, x: m.where(x > 0, x, 0.0),
        lambda m, x: m.concatenate([x, x], axis=1),
        lambda m, x: m.stack((x, x + 1)),
        lambda m, x: m.pad(x, ((1, 1), (0, 2))),
        lambda m, x: m.einsum("ij,kj->ik", x, x),
        lambda m, x: m.tensordot(x, x, axes=((1,), (1,))),
        lambda m, x: m.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
        lambda m, x: m.lib.stride_tricks.as_strided(x, (2, 2), (16, 4)),
        lambda m, x: m.add.reduce(x, axis=1),
        lambda m, x: m.cumsum(x, axis=0),
        lambda m, x: m.linalg.inv(x @ x.T + m.eye(3, dtype=m.float32)),
        lambda m, x: m.full_like(x, 3),
        lambda m, x: m.arange(4, dtype=m.float32),
        lambda m, x: x.sum(axis=(0, 1), keepdims=True),
        lambda m, x: x.var(axis=1, ddof=1),
        lambda m, x: x.argmax(axis=1),
        lambda m, x: x.transpose(1, 0).reshape(-1),
        lambda m, x: x.astype(m.float64).ravel(),
        lambda m, x: x.T.copy(),
        lambda m, x: x[1:, ::-1, None],
        lambda m, x: x[..., -1],
        lambda m, x: x[x > 0],
        lambda m, x: x[m.asarray([0, 2]), 1:],
        lambda m, x: x[[0, 2]],
        lambda m, x: m.argsort(x, axis=1),
        lambda m, x: m.nonzero(x > 0)[1],
        lambda m, x: x.real,
    ],
)
def test_values_and_dtypes_are_numpys(x, function):
    same(function(xp, x), function(np, HOST))


def test_a_numpy_scalar_promotes_and_a_python_scalar_does_not(x):
    assert (x * np.float64(2)).dtype == (np.float64(2) * x).dtype == np.float64
    assert (x * 2.0).dtype == (2.0 * x).dtype == np.float32
    assert (x * xp.asarray(2.0)).dtype == np.float64


def test_assignments_and_in_place_operators_write_into_the_array(x):
    expected = HOST.copy()
    view = x[0]
    x[0] = x[1] + 1
    expected[0] = expected[1] + 1
    x[x > 4] = 0.0
    expected[expected > 4] = 0.0
    x[xp.asarray([0, 2]), 1] = 9
    expected[[0, 2], 1] = 9
    x += 1
    expected += 1
    xp.multiply(x, 2.0, out=x)
    expected *= 2
    same(x, expected)
    same(view, expected[0])


def test_scattered_addition_counts_every_repeat(x):
    expected = HOST.copy()
    np.add.at(expected, [0, 0, 2], 1.0)
    same(copied := x.copy(), HOST)
    xp.add.at(copied, xp.asarray([0, 0, 2]), 1.0)
    same(copied, expected)
    x.scatter_add(xp.asarray([0, 0, 2]), 1.0)
    same(x, expected)


def test_out_is_returned_itself(x):
    out = xp.empty_like(x)
    assert xp.exp(x, out=out) is out
    assert xp.sum(x, axis=0, out=out[0]).shape == (4,)
    assert xp.asarray(x) is x


def test_linear_algebra_returns_arrays_of_the_device_in_numpys_tuples(x):
    result = xp.linalg.slogdet(x @ x.T + 10 * xp.eye(3, dtype=xp.float32))
    assert [type(part) for part in result] == [xp.ndarray, xp.ndarray]
    assert float(result.logabsdet) == pytest.approx(
        np.linalg.slogdet(HOST @ HOST.T + 10 * np.eye(3, dtype=np.float32)).logabsdet
    )


def test_numbers_come_back_explicitly_and_each_wait_is_counted(x):
    xp.host_waits.clear()
    assert float(x[0, 0]) == -5.0
    assert x.sum().item() == HOST.sum()
    assert bool((x < 100).all())
    np.testing.assert_array_equal(x.get(), HOST)
    np.testing.assert_array_equal(xp.asnumpy(x), HOST)
    assert x[x > 0].size == (HOST > 0).sum()
    xp.nonzero(x)
    assert xp.host_waits == {"item": 2, "bool": 1, "get": 2, "mask": 1, "nonzero": 1}


def test_shape_and_memory_are_told_without_waiting(x):
    xp.host_waits.clear()
    assert (x.shape, x.ndim, x.size, len(x)) == ((3, 4), 2, 12, 3)
    assert (x.dtype, x.itemsize, x.nbytes, x.strides) == (np.float32, 4, 48, (16, 4))
    assert x.device.id == 0
    assert x.base is None
    assert not xp.host_waits


def test_copies_are_independent(x):
    for copied in (copy.copy(x), copy.deepcopy(x), x.copy(), xp.array(x), x.get()):
        copied[0] = 100.0
    same(x, HOST)


def test_arrays_can_be_weakly_referenced_and_hold_no_cycle(x):
    gc.disable()
    try:
        reference = weakref.ref(x + 1)
        assert reference() is None
    finally:
        gc.enable()


def test_an_operand_with_the_reflected_operator_gets_the_operation(x):
    class Shell:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "mine"

    assert x + Shell() == "mine"


# How the library sees it


def test_the_library_finds_the_arrays_own_module(x):
    assert backend.array_module(x) is xp
    assert xp.get_array_module(x) is xp
    assert xp.get_array_module(HOST) is np
    assert backend.device_of(x) == "gpu:0"


def test_the_fixture_makes_it_the_gpu(fake_gpu):
    assert backend.gpu_available()
    moved = backend.to_device(HOST, "gpu")
    same(moved, HOST)
    assert backend.to_device(moved, "gpu:0") is moved
    np.testing.assert_array_equal(backend.to_device(moved, "cpu"), HOST)
    with pytest.raises(backend.DeviceError, match="gpu:1"):
        backend.to_device(HOST, "gpu:1")


def test_a_test_that_takes_a_device_runs_on_both(device):
    array = backend.to_device(HOST, device)
    assert backend.is_numpy(array) == (device == "cpu")
