"""The kernels of batch normalisation against their formulas in double precision, in every order of memory."""

import itertools

import numpy as np
import pytest

from tinygen.kernels import normalisation as kernels
from tinygen.kernels.cpu import normalisation as cpu

NUMBERS = np.random.default_rng(0)
SHAPES = [
    (6, 3),
    (1, 3, 5),
    (5, 1, 4, 2),
    (4, 3, 5, 2),
    (90, 8, 20, 21),
]  # the last is large enough for all threads, but not for sums


def orders(shape):
    """The same numbers in different memory orders, and as a view with gaps."""
    x = NUMBERS.normal(size=shape).astype("float32")
    for order in itertools.islice(itertools.permutations(range(x.ndim)), 0, None, 5 if x.ndim == 4 else 1):
        yield np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    yield np.repeat(x, 2, axis=0)[::2]


def column(statistic, ndim):
    return statistic.reshape(1, -1, *(1,) * (ndim - 2))


@pytest.mark.parametrize("offset", [0.0, 1.0, 300.0], ids=["around 0", "beside 0", "far from 0"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_kernel_computes_its_formula_in_every_order_of_memory(shape, offset):
    axes = (0, *range(2, len(shape)))
    weight, bias = NUMBERS.normal(size=(2, shape[1])).astype("float32")
    for x in orders(shape):
        x = x + np.float32(offset)
        g = NUMBERS.normal(size=shape).astype("float32")
        wide, wide_g = x.astype(float), g.astype(float)
        mean, variance = kernels.moments(x)
        assert mean.dtype == variance.dtype == np.float32
        np.testing.assert_allclose(mean, wide.mean(axes), atol=1e-6, rtol=1e-6)
        np.testing.assert_allclose(variance, wide.var(axes), rtol=1e-5 if offset < 100 else 1e-4)
        scale = 1 / np.sqrt(wide.var(axes) + 1e-5)
        of_x = (wide - column(wide.mean(axes), x.ndim)) * column(scale, x.ndim)
        given = wide.mean(axes).astype("float32"), scale.astype("float32")
        close = {"rtol": 1e-4, "atol": 2e-5 * (1 + offset)}
        y = kernels.normalise(x, weight, bias, *given)
        np.testing.assert_allclose(y, column(weight, x.ndim) * of_x + column(bias, x.ndim), **close)
        sums = kernels.channel_sums(g, x, *given)
        np.testing.assert_allclose(sums[0], wide_g.sum(axes), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(sums[1], (wide_g * of_x).sum(axes), rtol=1e-3, atol=1e-4 * (1 + offset))
        rest = wide_g - column(wide_g.mean(axes), x.ndim) - of_x * column((wide_g * of_x).mean(axes), x.ndim)
        gradient = kernels.normalise_grad(g, x, weight, *given, sums)
        np.testing.assert_allclose(gradient, column(weight * scale, x.ndim) * rest, **close)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_results_have_the_memory_order_of_their_input(shape):
    for x in itertools.islice(orders(shape), 3):
        weight, bias, *channels = np.ones((4, shape[1]), "float32")
        y = kernels.normalise(x, weight, bias, *channels)
        assert [s for s, n in zip(y.strides, shape, strict=True) if n > 1] == [
            s for s, n in zip(x.strides, shape, strict=True) if n > 1
        ]


def test_the_variance_of_numbers_far_from_zero_keeps_their_digits():
    x = (3000 + NUMBERS.normal(size=(2000, 2))).astype("float32")
    _, variance = kernels.moments(x)
    np.testing.assert_allclose(variance, x.astype(float).var(0), rtol=1e-4)


@pytest.mark.parametrize("block", [1, 1000, 3361])
def test_arrays_are_filled_the_same_in_blocks_of_any_size(block, monkeypatch):
    weight, bias, *channels = NUMBERS.normal(size=(4, 8)).astype("float32")
    given = weight, bias, *channels
    for x in orders(SHAPES[-1]):
        whole = kernels.normalise(x, *given)
        with monkeypatch.context() as patched:
            patched.setattr(cpu, "BLOCK", block)
            np.testing.assert_array_equal(kernels.normalise(x, *given), whole)
            patched.setattr(cpu, "SHORT_ROW", 0)
            np.testing.assert_array_equal(kernels.normalise(x, *given), whole)


def test_sums_that_half_precision_cannot_hold_still_have_a_mean():
    x = np.full((64, 3, 40, 40), 2, "float16")
    x[::2] = 4
    mean, variance = kernels.moments(x)
    np.testing.assert_array_equal(mean, [3, 3, 3])
    np.testing.assert_allclose(variance, [1, 1, 1], rtol=0.02)


def test_large_sums_use_all_threads(monkeypatch):
    x, g = NUMBERS.normal(size=(2, *SHAPES[-1])).astype("float32")
    whole = kernels.moments(x)
    sums = kernels.channel_sums(g, x, *whole)
    monkeypatch.setattr(cpu, "PARALLEL_MIN_SUMS", 0)
    np.testing.assert_allclose(kernels.moments(x), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kernels.channel_sums(g, x, *whole), sums, rtol=1e-4, atol=1e-3)


def test_a_channel_of_zeros_does_not_cost_a_second_pass(monkeypatch):
    x = NUMBERS.normal(size=(4, 3, 5))
    x[:, 1] = 0
    monkeypatch.setattr(cpu, "PARALLEL_MIN_CHEAP", None)  # the second pass compares sizes with it
    np.testing.assert_allclose(kernels.moments(x)[1], x.var((0, 2)))


@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_fast_kernels_compute_what_the_reference_computes(shape, offset):
    x, g = NUMBERS.normal(size=(2, *shape)) + np.array([offset, 0]).reshape(2, *(1,) * len(shape))
    weight, bias, scale = NUMBERS.normal(size=(3, shape[1]))
    mean = x.mean((0, *range(2, x.ndim)))
    sums = kernels.channel_sums(g, x, mean, scale)
    calls = {
        kernels.moments: (x,),
        kernels.normalise: (x, weight, bias, mean, scale),
        kernels.channel_sums: (g, x, mean, scale),
        kernels.normalise_grad: (g, x, weight, mean, scale, sums),
    }
    for kernel, arguments in calls.items():
        np.testing.assert_allclose(kernel.fast(*arguments), kernel.reference(*arguments), rtol=1e-8, atol=1e-8)
