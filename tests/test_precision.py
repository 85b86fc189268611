"""Whole numbers, truth values and float16: every function of real numbers gives what float64 gives, within the
precision of its result; sums have NumPy's dtype over any axis."""

from collections.abc import Callable

import numpy as np
import pytest
from operations.test_registry import public_callables

import tinygen as tg
import tinygen.functional as F
from tinygen import likelihoods
from tinygen.autograd.tensor import Tensor

KINDS = ["bool", "uint8", "int8", "int64", "float16"]
LARGE = np.array([[0, 10, 100, 120], [127, 1, 2, 90]])
OTHER = np.array([[127, 0, 125, 3], [0, 3, 1, 126]])
SMALL = np.array([[0, 3, 1, 2], [2, 1, 0, 5]])
IMAGES = np.arange(2 * 2 * 4 * 4).reshape(2, 2, 4, 4) * 37 % 101
KERNELS = np.arange(2 * 2 * 3 * 3).reshape(2, 2, 3, 3) * 11 % 29
BITS = np.array([[0, 1, 1, 0], [1, 0, 1, 1]])
KEPT = {"F.max_pool2d", "F.upsample_nearest2d"}  # only choose and copy pixels
DRAWN_IN_ITS_TYPE = {"likelihoods.kl_gaussian_gaussian_mc"}  # other random numbers in float64

CASES: dict[str, tuple[Callable[..., Tensor], tuple[np.ndarray, ...]]] = {
    "F.elu": (F.elu, (SMALL,)),
    "F.leaky_relu": (F.leaky_relu, (LARGE,)),
    "F.log_sigmoid": (F.log_sigmoid, (SMALL,)),
    "F.log_softmax": (F.log_softmax, (LARGE,)),
    "F.relu": (F.relu, (LARGE,)),
    "F.sigmoid": (F.sigmoid, (SMALL,)),
    "F.softmax": (F.softmax, (SMALL,)),
    "F.softplus": (lambda x: F.softplus(x, beta=2), (LARGE,)),
    "F.silu": (F.silu, (SMALL,)),
    "F.tanh": (F.tanh, (SMALL,)),
    "F.conv2d": (lambda x, w, b: F.conv2d(x, w, b, padding=1), (IMAGES, KERNELS, SMALL[0, 2:])),
    "F.conv_transpose2d": (lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2), (IMAGES, KERNELS, SMALL[0, 2:])),
    "F.linear": (F.linear, (LARGE, OTHER[:1], SMALL[0, :1])),
    "F.binary_cross_entropy_with_logits": (
        lambda x, t, w, p: F.binary_cross_entropy_with_logits(x, t, w, pos_weight=p),
        (LARGE, BITS, SMALL[0], SMALL[1]),
    ),
    "F.cross_entropy": (lambda x, w: F.cross_entropy(x, [0, 1], w), (LARGE, SMALL[0] + 1)),
    "F.mse_loss": (F.mse_loss, (LARGE, OTHER)),
    "F.dropout": (lambda x: F.dropout(x, 0.4), (LARGE,)),
    "F.dropout2d": (lambda x: F.dropout2d(x, 0.4), (IMAGES,)),
    "F.batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b), (IMAGES, SMALL[0, :2], SMALL[0, 2:])),
    "F.group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), (IMAGES, SMALL[0, :2], SMALL[0, 2:])),
    "F.avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 1, 1), (IMAGES,)),
    "F.max_pool2d": (lambda x: F.max_pool2d(x, 3, 1, 1), (IMAGES,)),
    "F.upsample_bilinear2d": (lambda x: F.upsample_bilinear2d(x, 7), (IMAGES,)),
    "F.upsample_nearest2d": (lambda x: F.upsample_nearest2d(x, 7), (IMAGES,)),
    "likelihoods.log_likelihood_bernoulli": (likelihoods.log_likelihood_bernoulli, (BITS, BITS)),
    "likelihoods.log_likelihood_bernoulli_logits": (likelihoods.log_likelihood_bernoulli_logits, (LARGE, BITS)),
    "likelihoods.log_likelihood_normal": (likelihoods.log_likelihood_normal, (LARGE, SMALL, OTHER)),
    "likelihoods.log_mean_exp": (likelihoods.log_mean_exp, (LARGE,)),
    "likelihoods.kl_gaussian_gaussian_analytic": (
        likelihoods.kl_gaussian_gaussian_analytic,
        (LARGE, SMALL, OTHER, SMALL[::-1]),
    ),
    "likelihoods.kl_gaussian_standard": (likelihoods.kl_gaussian_standard, (LARGE, SMALL)),
    "likelihoods.kl_gaussian_gaussian_mc": (likelihoods.kl_gaussian_gaussian_mc, (SMALL, BITS, BITS, SMALL)),
}
ELEMENTWISE = ["exp", "expm1", "log1p", "sqrt", "sin", "cos", "tanh"]
CASES |= {f"tg.{name}": (getattr(tg, name), (SMALL,)) for name in ELEMENTWISE}
CASES["tg.log"] = (tg.log, (SMALL % 2 * 4 + 1,))


def test_every_function_of_functional_and_likelihoods_has_a_case():
    named = {name for name in public_callables() if name.startswith(("F.", "likelihoods."))}
    assert named <= CASES.keys()


def evaluated(name, arrays):
    tg.manual_seed(0)
    return CASES[name][0](*arrays)


def assert_within_precision(found, expected, ulps=4):
    """Whether ``found``, a tensor, is ``expected`` but for a few roundings in its own dtype."""
    dtype = found.dtype if found.dtype.kind == "f" else np.dtype("float32")
    eps = np.finfo(dtype).eps * ulps
    with np.errstate(over="ignore"):
        expected = expected.astype(dtype).astype("float64")  # beyond the range: infinite
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    np.testing.assert_allclose(found.numpy().astype("float64"), expected, rtol=eps, atol=eps * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_any_dtype_gives_what_double_precision_gives(name, kind):
    arrays = [array.astype(kind) for array in CASES[name][1]]
    found = evaluated(name, [tg.tensor(array) for array in arrays])
    exact = "float32" if name in DRAWN_IN_ITS_TYPE else "float64"
    expected = evaluated(name, [tg.tensor(array.astype(exact)) for array in arrays])
    half_or_kept = kind == "float16" or name in KEPT
    assert found.dtype == (kind if half_or_kept else "float32")
    assert_within_precision(found, expected.numpy())


@pytest.mark.parametrize("name", CASES)
def test_arrays_and_lists_are_taken_as_tensors_are(name):
    arrays = [array.astype("float32") for array in CASES[name][1]]
    expected = evaluated(name, [tg.tensor(array) for array in arrays])
    for given in (arrays, [array.tolist() for array in arrays]):
        found = evaluated(name, given)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("name", CASES)
def test_whole_numbers_take_the_dtype_of_the_floating_point_operands(name):
    if len(CASES[name][1]) < 2:
        return
    first, *others = CASES[name][1]
    for kind in ("float32", "float64"):
        assert evaluated(name, [tg.tensor(first.astype(kind)), *map(tg.tensor, others)]).dtype == kind
        assert evaluated(name, [tg.tensor(first), *(tg.tensor(other.astype(kind)) for other in others)]).dtype == kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(KEPT))
def test_pixels_that_are_chosen_or_copied_keep_their_dtype_on_any_device(name, kind, device):
    x = IMAGES.astype(kind)
    found = evaluated(name, [tg.tensor(x, device=device)])
    assert found.dtype == kind
    np.testing.assert_array_equal(found.numpy(), evaluated(name, [tg.tensor(x.astype(float))]).numpy())


def test_bytes_are_subtracted_as_numbers():
    x = np.array([[0, 10, 200], [255, 1, 2]], np.uint8)
    target = np.array([[255, 0, 250], [0, 3, 1]], np.uint8)
    np.testing.assert_allclose(F.mse_loss(tg.tensor(x), tg.tensor(target)).item(), 22109.1667, rtol=1e-7)


def test_numbers_beside_arrays_promote_nothing():
    x = tg.tensor(np.float32(2.0).reshape(()))
    assert F.mse_loss(x, np.float64(1.0)).dtype == np.float32


# Half precision ------------------------------------------------------------------------------------------------------

STATISTICS = {
    "sum": lambda x: tg.sum(x, 0),
    "mean": lambda x: tg.mean(x, 0),
    "mean of all": tg.mean,
    "var": lambda x: tg.var(x, 0),
    "std": lambda x: tg.std(x, 0),
    "norm": lambda x: tg.norm(x, axis=0),
    "norm of order 3": lambda x: tg.norm(x, 3, axis=0),
    "prod": lambda x: tg.prod(x[:20], 0),
    "cumsum": lambda x: tg.cumsum(x, 0),
    "logsumexp": lambda x: tg.logsumexp(x, 0),
    "max": lambda x: tg.max(x, 0),
    "mse_loss": lambda x: F.mse_loss(x, tg.zeros_like(x)),
    "batch_norm": lambda x: F.batch_norm(x, None, None),
    "group_norm": lambda x: F.group_norm(x.T, 1),
    "broadcasting": lambda x: (x * tg.ones(3, 1, 1, dtype=x.dtype, device=x.device)).sum(0),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_the_mean_of_many_half_precision_numbers():
    assert tg.tensor(np.full(70000, 0.5, "e")).mean().item() == 0.5
    assert tg.norm(tg.tensor(np.full(4, 300, "e"))).item() == 600  # whose squares overflow
    assert tg.var(tg.tensor(np.array([-300, 300], "e"))).item() == np.inf
    x = tg.tensor(np.array([300, 0, 0, 0], "e"))
    assert F.mse_loss(x, tg.zeros_like(x)).item() == np.float16(22500)


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_half_precision_adds_up_in_single(name, device):
    x = np.random.default_rng(0).normal(0.5, 1, (4000, 3)).astype("float16")
    halves = tg.tensor(x, device=device, requires_grad=True)
    doubles = tg.tensor(x.astype("float64"), requires_grad=True)
    found, expected = STATISTICS[name](halves), STATISTICS[name](doubles)
    assert found.dtype == np.float16
    assert_within_precision(found, expected.numpy(), ulps=2)
    (slope,), (exact,) = tg.grad(found.sum(), halves), tg.grad(expected.sum(), doubles)
    assert slope.dtype == np.float16
    if name not in ("batch_norm", "group_norm"):  # whose slopes cancel
        assert_within_precision(slope, exact.numpy())


def test_a_bias_receives_the_sum_of_many_small_gradients(device):
    bias = tg.zeros(1, dtype="float16", device=device, requires_grad=True)
    rows = tg.tensor(np.full((60000, 1), 0.01, "e"), device=device)
    (slope,) = tg.grad(((bias + rows) * rows).sum(), bias)
    np.testing.assert_allclose(slope.numpy(), 60000 * float(np.float16(0.01)), rtol=1e-3)


# Sums of whole numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bool", "uint8", "int8", "int16", "uint32", "int64", "float16", "float32"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (1, 3), (2, 1), (0, 2)])
@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "mean"])
def test_reductions_have_the_dtype_of_numpy_over_any_axis(name, shape, kind, device):
    x = np.ones(shape, kind)
    axes = [None, *range(len(shape))] + ([()] if name != "cumsum" else [])
    for axis in axes:
        if name == "mean" and 0 in ([shape[axis]] if isinstance(axis, int) else shape if axis is None else ()):
            continue
        expected = getattr(np, name)(x, axis=axis)
        found = getattr(tg, name)(tg.tensor(x, device=device), axis=axis)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy().reshape(-1), np.reshape(expected, -1))


def test_sums_of_truth_values_over_one_row_add_up():
    t = tg.tensor(np.array([[True, False, True]]))
    np.testing.assert_array_equal((t.sum(0) + t.sum(0)).numpy(), [2, 0, 2])


def test_the_mean_of_large_whole_numbers_does_not_wrap():
    assert tg.mean(tg.tensor(np.array([2**62, 2**62]))).item() == 2.0**62
