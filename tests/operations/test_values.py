"""Values against NumPy's and SciPy's functions of the same name and meaning, on random arrays."""

import math

import numpy as np
import pytest
import scipy.special

import tinygen as tg
import tinygen.functional as F

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(2, 3, 4))
POSITIVE = np.abs(X) + 0.1

SAME_NAME = {
    "elementwise": [(name, X, {}) for name in ("exp", "expm1", "sin", "cos", "tanh", "abs")],
    "of positive numbers": [(name, POSITIVE, {}) for name in ("log", "log1p", "sqrt")],
    "reductions": [
        (name, X, options)
        for name in ("sum", "prod", "mean", "var", "std", "max", "min")
        for options in (
            {},
            {"axis": 1},
            {"axis": -1, "keepdims": True},
            {"axis": (0, -1)},
            {"axis": (2, 0), "keepdims": True},
            {"axis": ()},
        )
    ],
    "degrees of freedom": [(name, X, {"axis": 0, "ddof": 1}) for name in ("var", "std")],
    "positions": [
        (name, X, options)
        for name in ("argmax", "argmin")
        for options in ({}, {"axis": -2}, {"axis": 1, "keepdims": True})
    ],
    "running sums": [("cumsum", X, {}), ("cumsum", X, {"axis": 1}), ("cumsum", X, {"axis": -1})],
    "shapes": [
        ("reshape", X, {"shape": (4, -1)}),
        ("transpose", X, {}),
        ("transpose", X, {"axes": (1, 0, 2)}),
        ("transpose", X, {"axes": (-1, 0, -2)}),
        ("swapaxes", X, {"axis1": 0, "axis2": -1}),
        ("squeeze", X[:1, :, :1], {}),
        ("squeeze", X[:1, :, :1], {"axis": -1}),
        ("expand_dims", X, {"axis": (0, -1)}),
        ("broadcast_to", X, {"shape": (5, 2, 3, 4)}),
        ("pad", X, {"pad_width": 2}),
        ("pad", X, {"pad_width": (1, 0)}),
        ("pad", X, {"pad_width": ((0, 1), (2, 0), (1, 1))}),
        ("clip", X, {"min": -0.5, "max": 0.5}),
    ],
}
ROWS = [row for rows in SAME_NAME.values() for row in rows]
SHAPES = {"reshape", "transpose", "swapaxes"}  # whose options go by position


@pytest.mark.parametrize(
    ("name", "x", "options"), ROWS, ids=lambda value: "x" if isinstance(value, np.ndarray) else None
)
def test_functions_have_numpys_meaning(name, x, options):
    if name in SHAPES:
        expected, found = getattr(np, name)(x, *options.values()), getattr(tg, name)(tg.tensor(x), *options.values())
    elif name == "clip":
        expected, found = np.clip(x, options["min"], options["max"]), tg.clip(tg.tensor(x), **options)
    else:
        expected, found = getattr(np, name)(x, **options), getattr(tg, name)(tg.tensor(x), **options)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)


METHODS = ["sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "cumsum", "squeeze", "transpose"]


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_the_functions_of_their_name(name):
    np.testing.assert_allclose(getattr(tg.tensor(X), name)().numpy(), getattr(X, name)(), rtol=1e-13)


BINARY = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "**": lambda x, y: abs(x) ** y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "and, or, not": lambda x, y: (x > 0) & (y > 0) | ~(x < y),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    ("x", "y"),
    [(X, X[::-1]), (X, X[0, 0]), (X[:, :1], X[0]), (X, 0.5), (0.5, X), (np.array(0.5), X), (X[:0], X[0])],
    ids=["same", "row", "both operands", "number", "number first", "no axes", "empty"],
)
def test_operators_have_numpys_meaning(name, x, y):
    tensors = [tg.tensor(operand) if isinstance(operand, np.ndarray) else operand for operand in (x, y)]
    if name == "and, or, not" and not all(isinstance(operand, tg.Tensor) for operand in tensors):
        return
    found, expected = BINARY[name](*tensors), BINARY[name](x, y)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, strict=True)


@pytest.mark.parametrize("name", ["+", "-", "*", "/", "//", "%", "**", "<", "=="])
def test_arrays_beside_tensors_become_tensors_on_either_side(name):
    for left, right in ((X, tg.tensor(X[0])), (tg.tensor(X), X[0])):
        found = BINARY[name](left, right)
        assert isinstance(found, tg.Tensor)
        np.testing.assert_allclose(found.numpy(), BINARY[name](X, X[0]), rtol=1e-13)


def test_numpy_does_not_swallow_tensors():
    with pytest.raises(TypeError):
        np.sin(tg.tensor(X))
    with pytest.raises(TypeError, match=r"tensor\.numpy\(\)"):
        np.asarray(tg.tensor(X))


INDICES = [
    0,
    -1,
    slice(1, None),
    slice(None, None, -1),
    (slice(None), 1),
    (..., 2),
    (None, 0, slice(None), None),
    (slice(None), slice(2, 0, -1), slice(None, None, 2)),
    np.array([1, 0, 1]),
    [1, 0, 1],
    (np.array([0, 1, 1]), np.array([2, 0, 2])),
    (slice(None), np.array([[0, 2], [1, 1]])),
    (0, slice(None), np.array([0, 3, 3])),
    (np.array([1, 0]), slice(None), np.array([1, 2])),
    np.array([True, False]),
    X > 0,
    (slice(None), np.array([True, False, True])),
    (np.array([0, 1]), slice(0, 0)),
    np.array([], int),
    (1, 2, 3),
    np.int64(1),
]


@pytest.mark.parametrize("index", INDICES, ids=range(len(INDICES)))
def test_indexing_has_numpys_meaning(index):
    np.testing.assert_array_equal(tg.tensor(X)[index].numpy(), X[index], strict=True)


def test_tensors_index_tensors():
    x = tg.tensor(X)
    np.testing.assert_array_equal(x[x > 0].numpy(), X[X > 0])
    np.testing.assert_array_equal(x[tg.argmax(x[:, 0, 0])].numpy(), X[X[:, 0, 0].argmax()])


def test_iterating_goes_over_the_first_axis():
    rows = list(tg.tensor(X))
    assert len(rows) == len(tg.tensor(X)) == 2
    np.testing.assert_array_equal(rows[1].numpy(), X[1])


MATRICES = [((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 1))]
MATRICES += [((4, 1, 2, 3), (5, 3, 2)), ((2, 3), (5, 3, 2)), ((3,), (5, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3))]


@pytest.mark.parametrize(("left", "right"), MATRICES)
def test_matrix_products_have_numpys_meaning(left, right):
    x, y = RANDOM.normal(size=left), RANDOM.normal(size=right)
    np.testing.assert_allclose((tg.tensor(x) @ tg.tensor(y)).numpy(), x @ y, rtol=1e-12, strict=True)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
        ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iij->j", [(3, 3, 2)]),
        ("ij->", [(2, 3)]),
        ("ji", [(2, 3)]),
        ("i,j->ji", [(2,), (3,)]),
        ("...ij,...j->...i", [(2, 3, 4), (4,)]),
        ("...ij,...jk", [(5, 1, 2, 3), (4, 3, 2)]),
        (" i j , j -> i ", [(2, 3), (3,)]),
        ("i,i,i", [(3,), (3,), (3,)]),
    ],
)
def test_einsum_has_numpys_meaning(subscripts, shapes):
    arrays = [RANDOM.normal(size=shape) for shape in shapes]
    found = tg.einsum(subscripts, *map(tg.tensor, arrays))
    np.testing.assert_allclose(found.numpy(), np.einsum(subscripts, *arrays), rtol=1e-12, strict=True)


@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}])
def test_logsumexp_and_the_softmaxes_have_scipys_meaning(options):
    for scale in (1.0, 500.0):
        expected = scipy.special.logsumexp(scale * X, **options)
        np.testing.assert_allclose(tg.logsumexp(tg.tensor(scale * X), **options).numpy(), expected, rtol=1e-13)
        axis = options.get("axis", -1)
        if isinstance(axis, int):
            x = tg.tensor(scale * X)
            np.testing.assert_allclose(F.softmax(x, axis).numpy(), scipy.special.softmax(scale * X, axis), rtol=1e-11)
            expected = scipy.special.log_softmax(scale * X, axis)
            np.testing.assert_allclose(F.log_softmax(x, axis).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_sigmoids_have_scipys_meaning():
    x = np.linspace(-50, 50, 101)
    np.testing.assert_allclose(F.sigmoid(tg.tensor(x)).numpy(), scipy.special.expit(x), rtol=1e-9, atol=1e-16)
    np.testing.assert_allclose(F.log_sigmoid(tg.tensor(x)).numpy(), scipy.special.log_expit(x), rtol=1e-12)
    np.testing.assert_allclose(F.softplus(tg.tensor(x)).numpy(), np.logaddexp(0, x), rtol=1e-8)


ORDERS = [None, 1, 2, 3, 0.5, 0, -1, -2, np.inf, -np.inf]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_norms_of_vectors_have_numpys_meaning(order, keepdims):
    for axis in (0, -1):
        expected = np.linalg.norm(X, order, axis, keepdims)
        np.testing.assert_allclose(tg.norm(tg.tensor(X), order, axis, keepdims).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("order", [None, "fro", 1, -1, np.inf, -np.inf])
def test_norms_of_matrices_have_numpys_meaning(order):
    for axis in ((0, 1), (2, 0), (-1, 1)):
        expected = np.linalg.norm(X, order, axis)
        np.testing.assert_allclose(tg.norm(tg.tensor(X), order, axis).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(tg.norm(tg.tensor(X[0]), order).item(), np.linalg.norm(X[0], order), rtol=1e-12)


def test_joining_and_splitting_have_numpys_meaning():
    x, y = tg.tensor(X), tg.tensor(2 * X)
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(tg.cat([x, y], axis).numpy(), np.concatenate([X, 2 * X], axis))
        np.testing.assert_array_equal(tg.stack([x, y], axis).numpy(), np.stack([X, 2 * X], axis))
        pieces = zip(tg.split(x, [1, 2], axis), np.split(X, [1, 2], axis), strict=True)
        assert all(np.array_equal(piece.numpy(), expected) for piece, expected in pieces)
    pieces = zip(tg.split(x, 2, -1), np.split(X, 2, -1), strict=True)
    assert all(np.array_equal(piece.numpy(), expected) for piece, expected in pieces)


def test_an_empty_vector_joins_tensors_of_any_shape_and_keeps_its_gradient():
    nothing, x = tg.tensor(np.zeros(0), requires_grad=True), tg.tensor(X)
    for axis in (0, 1, -1):
        joined = tg.cat([nothing, x, nothing], axis)
        np.testing.assert_array_equal(joined.numpy(), X, strict=True)
        assert tg.grad(tg.sum(joined), nothing)[0].shape == (0,)
    assert tg.cat([nothing, nothing]).shape == (0,)


def test_a_bound_that_is_not_a_number_leaves_none():
    bounds = np.array([np.nan, 0.0, np.nan])
    for options in ({"min": bounds}, {"max": bounds}, {"min": bounds, "max": 1.0}):
        expected = np.clip(np.array([1.0, np.nan, -1.0]), options.get("min"), options.get("max"))
        np.testing.assert_array_equal(tg.clip(tg.tensor(np.array([1.0, np.nan, -1.0])), **options).numpy(), expected)


def test_where_maximum_and_minimum_have_numpys_meaning():
    x, y = tg.tensor(X), tg.tensor(X[0])
    np.testing.assert_array_equal(tg.where(x > 0.5, x, y).numpy(), np.where(X > 0.5, X, X[0]))
    np.testing.assert_array_equal(tg.where(x > 0.5, 1.0, x).numpy(), np.where(X > 0.5, 1.0, X))
    np.testing.assert_array_equal(tg.maximum(x, y).numpy(), np.maximum(X, X[0]))
    np.testing.assert_array_equal(tg.minimum(0.1, x).numpy(), np.minimum(0.1, X))


def test_mean_squared_error_and_linear_are_their_formulas():
    x, y = RANDOM.normal(size=(2, 4, 3))
    assert F.mse_loss(tg.tensor(x), tg.tensor(y)).item() == pytest.approx(((x - y) ** 2).mean())
    W, b = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=5)
    np.testing.assert_allclose(F.linear(*map(tg.tensor, (x, W, b))).numpy(), x @ W.T + b, rtol=1e-13)


def test_cross_entropies_are_their_formulas():
    logits, labels, weight = RANDOM.normal(size=(4, 3)), np.array([2, 0, 1, 2]), np.array([1.0, 2.0, 0.5])
    log_p = scipy.special.log_softmax(logits, 1)
    found = F.cross_entropy(tg.tensor(logits), tg.tensor(labels), tg.tensor(weight))
    expected = -(weight[labels] * log_p[range(4), labels]).sum() / weight[labels].sum()
    assert found.item() == pytest.approx(expected)
    target = RANDOM.uniform(size=(4, 3))
    p = scipy.special.expit(logits)
    found = F.binary_cross_entropy_with_logits(tg.tensor(logits), tg.tensor(target), pos_weight=tg.tensor(weight))
    expected = -(weight * target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    assert found.item() == pytest.approx(expected)


# Numbers as NumPy has them ------------------------------------------------------------------------------------------

TWOS = [np.int64(2), np.uint8(2), np.array(2), tg.tensor(2, dtype="int64")]


@pytest.mark.parametrize("two", TWOS, ids=lambda two: type(two).__name__)
def test_a_whole_number_is_whatever_pythons_index_takes(two):
    x = tg.ones(2, 3, 4)
    one = two - 1
    assert tg.randn(2, 3).reshape(np.prod((2, 3))).shape == (6,)
    assert x.reshape(two, -1).shape == x.reshape((two, -1)).shape == x.reshape(np.array([2, 12])).shape == (2, 12)
    assert x.sum((one, two)).shape == (2,)
    assert x.sum(axis=two).shape == x.mean(two).shape == x.max(two).shape == x.argmax(two).shape == (2, 3)
    assert x.var(two, ddof=one).shape == x.cumsum(two).sum(two).shape == (2, 3)
    assert x.transpose(two, 0, one).shape == x.swapaxes(two, 0).swapaxes(one, two).shape == (4, 2, 3)
    assert tg.expand_dims(x, two).shape == (2, 3, 1, 4)
    assert tg.expand_dims(x, two).squeeze(two).shape == (2, 3, 4)
    assert x.flatten(one).shape == (2, 12)
    assert tg.pad(x, two).shape == (6, 7, 8)
    assert [part.shape for part in tg.split(x, two)] == [(1, 3, 4)] * 2
    assert [part.shape[2] for part in tg.split(x, [one, two], axis=two)] == [1, 1, 2]
    assert tg.cat([x, x], two).shape == (2, 3, 8)
    assert tg.stack([x, x], two).shape == (2, 3, 2, 4)
    assert tg.eye(two).shape == tg.zeros(two, two).shape == tg.full((two, two), np.float64(1)).shape == (2, 2)
    assert tg.linspace(0, 1, two).shape == tg.arange(two).shape == tg.rand(two).shape == (2,)
    assert tg.broadcast_to(tg.ones(1), two).shape == (2,)
    assert x[:, two].shape == (2, 4)


NUMBERS = [np.float64(2), np.float32(2), np.float16(2), np.longdouble(2), np.int64(2), np.uint8(2), np.bool_(True)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.dtype.name)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_numpy_scalar_promotes_no_tensor(number, dtype):
    x = tg.tensor(np.array([1.0, 2.0], dtype), requires_grad=True)
    results = [x * number, number * x, x + number, x - number, number - x, x / number, number / x, x**number, number**x]
    results += [x % number, tg.maximum(x, number), tg.where(x > number, x, number), tg.clip(x, number, number + 1)]
    results += [x // number]
    assert {y.dtype for y in results} == {np.dtype(dtype)}
    tg.sum(results[0] * results[7]).backward()
    assert x.grad.dtype == dtype
    with tg.no_grad():
        x -= number
    assert x.dtype == dtype


def test_one_number_is_formatted_and_rounded():
    loss = (tg.ones(1, requires_grad=True) * 2.5678).sum()
    assert f"{loss:.3f}" == "2.568"
    assert f"{loss}" == str(loss)
    assert (round(loss), round(loss, 2)) == (3, pytest.approx(2.57))
    assert (math.floor(loss), math.ceil(loss), math.trunc(loss), int(loss)) == (2, 3, 2, 2)
    assert [0, 1, 2][tg.tensor(2, dtype="int64")] == 2
    for name, convert in {"format": lambda x: f"{x:.2f}", "round": round, "float": float, "int": int}.items():
        with pytest.raises(ValueError, match=rf"{name}: expects a tensor of one element, this one has shape \(2,\)"):
            convert(tg.ones(2))
    with pytest.raises(TypeError, match="index: expects a tensor of whole numbers, this one is float32"):
        [0, 1][tg.tensor(1)]


def test_data_takes_arrays_alone():
    x = tg.ones(2, requires_grad=True)
    for wrong in ([1.0, 2.0], 3.0, None, "no"):
        with pytest.raises(TypeError, match="data: expects an array, got"):
            x.data = wrong
    with pytest.raises(TypeError, match=r"data: a tensor that requires gradients holds floating-point .* int64"):
        x.data = np.arange(2)
    x.data = tg.zeros(2)
    assert x.numpy().tolist() == [0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: tg.tensor([300, -1], dtype="uint8"),
        lambda: tg.tensor(np.array([70_000]), dtype="int16"),
        lambda: tg.tensor([math.nan], dtype="int64"),
        lambda: tg.tensor([2.0**63], dtype="int64"),
        lambda: tg.full(2, 300, dtype="uint8"),
        lambda: tg.full_like(tg.zeros(2, dtype="uint8"), -1),
        lambda: tg.arange(300, dtype="uint8"),
    ],
)
def test_numbers_beyond_the_range_of_an_integer_dtype_are_refused(make):
    with pytest.raises(ValueError, match=r"numbers of u?int\d+ lie in \[-?\d+, \d+\], got "):
        make()


def test_the_whole_range_of_an_integer_dtype_is_taken():
    for kind in ("uint8", "int8", "int64", "uint64"):
        limits = np.iinfo(kind)
        array = np.array([limits.min, limits.max], kind)
        np.testing.assert_array_equal(tg.tensor(array, dtype=kind).numpy(), array, strict=True)
    assert tg.tensor([-0.5, 255.9], dtype="uint8").numpy().tolist() == [0, 255]


def test_random_numbers_are_floating_point_and_uniform_ones_stay_below_1():
    for make in (tg.rand, tg.randn):
        with pytest.raises(TypeError, match="dtype must be one of floating-point numbers, got int64"):
            make(3, dtype="int64")
    half = tg.rand(200_000, dtype="float16").numpy()
    assert half.dtype == np.float16
    assert half.min() >= 0
    assert half.max() < 1
    assert abs(half.astype("float64").mean() - 0.5) < 5 / math.sqrt(12 * half.size) + 2.0**-12


def test_a_masked_array_is_refused():
    with pytest.raises(TypeError, match="tensor: expects an array without a mask"):
        tg.tensor(np.ma.array([1.0, 2.0], mask=[False, True]))


def test_a_list_beside_a_tensor_takes_its_floating_point_dtype():
    x = tg.tensor(np.array([1.0]))
    for found, expected in ((x + [0.1], 1.1), (tg.maximum(x, [0.1]) * 0.1, 0.1), (tg.cat([[0.1], x])[0], 0.1)):
        assert found.dtype == np.float64
        assert found.item() == pytest.approx(expected, rel=1e-15)
    assert (tg.tensor(np.array([1, 2])) + [0.5, 0.5]).dtype == np.float64
    assert tg.where([True], x, 0.0).dtype == np.float64


def test_numpys_truth_values_are_truth_values():
    whole = tg.tensor(np.array([2**53 + 1]))
    np.testing.assert_array_equal((whole * np.True_).numpy(), [2**53 + 1], strict=True)
    assert (tg.tensor([True]) & np.False_).numpy().tolist() == [False]


def test_where_refuses_a_number_that_the_other_choice_cannot_hold():
    small = tg.tensor(np.array([1, 2], "uint8"))
    for number in (-1, 300, np.int64(1000)):
        with pytest.raises(OverflowError, match=r"^where: Python integer -?[0-9]+ out of bounds for uint8"):
            tg.where([True, False], small, number)
    found = tg.where([False, True], small, 7)
    assert (found.dtype, found.numpy().tolist()) == (np.uint8, [7, 2])


@pytest.mark.parametrize("kind", ["bool", "int64", "uint8"])
def test_a_result_that_is_not_floating_point_has_no_gradient(kind):
    x = tg.tensor([1.0, 1.7], requires_grad=True)
    rounded = x.astype(kind)
    assert not rounded.requires_grad
    (gradient,) = tg.grad((rounded * x).sum(), x)
    assert gradient.numpy().tolist() == [1.0, 1.0]
