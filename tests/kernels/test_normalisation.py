"""The kernels of batch normalisation against their formulas in double precision, in every order of memory."""

import itertools

import numpy as np
import pytest

from tinygen.kernels import normalisation as kernels

NUMBERS = np.random.default_rng(0)
SHAPES = [
    (6, 3),
    (1, 3, 5),
    (5, 1, 4, 2),
    (4, 3, 5, 2),
    (90, 8, 20, 21),
]  # the last is worth sharing, but not for its sums


def orders(shape):
    """The same numbers, lying in memory in different orders; and as a view with gaps."""
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
        given = kernels.Statistics(wide.mean(axes).astype("float32"), scale.astype("float32"))
        close = {"rtol": 1e-4, "atol": 2e-5 * (1 + offset)}
        y = kernels.normalise(x, weight, bias, given)
        np.testing.assert_allclose(y, column(weight, x.ndim) * of_x + column(bias, x.ndim), **close)
        level, along = kernels.normalised_sums(g, x, given)
        np.testing.assert_allclose(level, wide_g.sum(axes), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(along, (wide_g * of_x).sum(axes), rtol=1e-3, atol=1e-4 * (1 + offset))
        rest = wide_g - column(wide_g.mean(axes), x.ndim) - of_x * column((wide_g * of_x).mean(axes), x.ndim)
        product = kernels.normalise_product(g, x, weight, given)
        np.testing.assert_allclose(product, column(weight * scale, x.ndim) * rest, **close)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_results_lie_in_memory_as_their_input_does(shape):
    for x in itertools.islice(orders(shape), 3):
        weight, bias, *channels = np.ones((4, shape[1]), "float32")
        y = kernels.normalise(x, weight, bias, kernels.Statistics(*channels))
        assert [s for s, n in zip(y.strides, shape, strict=True) if n > 1] == [
            s for s, n in zip(x.strides, shape, strict=True) if n > 1
        ]


def test_a_mean_that_dwarfs_the_spread_costs_the_variance_no_more_digits_than_the_numbers_have():
    x = (3000 + NUMBERS.normal(size=(2000, 2))).astype("float32")
    _, variance = kernels.moments(x)
    np.testing.assert_allclose(variance, x.astype(float).var(0), rtol=1e-4)


@pytest.mark.parametrize("block", [1, 1000, 3361])
def test_arrays_are_filled_the_same_in_blocks_of_any_size(block, monkeypatch):
    weight, bias, *channels = NUMBERS.normal(size=(4, 8)).astype("float32")
    given = weight, bias, kernels.Statistics(*channels)
    for x in orders(SHAPES[-1]):
        whole = kernels.normalise(x, *given)
        with monkeypatch.context() as patched:
            patched.setattr(kernels, "BLOCK", block)
            np.testing.assert_array_equal(kernels.normalise(x, *given), whole)
            patched.setattr(kernels, "SHORT", 0)  # so that no line is too short to be begun anew
            np.testing.assert_array_equal(kernels.normalise(x, *given), whole)


def test_sums_that_half_precision_cannot_hold_still_have_a_mean():
    x = np.full((64, 3, 40, 40), 2, "float16")
    x[::2] = 4
    mean, variance = kernels.moments(x)
    np.testing.assert_array_equal(mean, [3, 3, 3])
    np.testing.assert_allclose(variance, [1, 1, 1], rtol=0.02)


def test_a_gradients_sums_are_kept_for_that_gradient_in_one_walk_alone():
    x, other, g = NUMBERS.normal(size=(3, 4, 2, 5))
    mean, variance = kernels.moments(x)
    channels, walk = kernels.Statistics(mean, variance**-0.5), object()
    sums = channels.sums(g, x, walk)
    assert channels.sums(g, x, walk) is sums
    g *= 2  # no one may, in a walk; afterwards it is anybody's
    for changed in (channels.sums(g, x, object()), channels.sums(g, x, None), channels.sums(g, x, None)):
        np.testing.assert_allclose(changed, 2 * sums)
    for of_g, of_x in ((g, other), (other, x), (NUMBERS.normal(size=g.shape), x), (g, x)):
        found = channels.sums(of_g, of_x, walk)
        np.testing.assert_allclose(found[0], of_g.sum((0, 2)))
        np.testing.assert_allclose(found[1], (of_g * (of_x - mean[:, None])).sum((0, 2)) * channels.scale)


def test_large_sums_are_shared_out(monkeypatch):
    x, g = NUMBERS.normal(size=(2, *SHAPES[-1])).astype("float32")
    whole = kernels.moments(x)
    sums = kernels.normalised_sums(g, x, kernels.Statistics(*whole))
    monkeypatch.setattr(kernels, "SUMS_WORTH_SHARING", 0)
    np.testing.assert_allclose(kernels.moments(x), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kernels.normalised_sums(g, x, kernels.Statistics(*whole)), sums, rtol=1e-4, atol=1e-3)


def test_channels_of_nothing_are_no_reason_for_a_second_look(monkeypatch):
    x = NUMBERS.normal(size=(4, 3, 5))
    x[:, 1] = 0
    monkeypatch.setattr(kernels, "_lines_of_block", None)  # who looks twice, needs it
    np.testing.assert_allclose(kernels.moments(x)[1], x.var((0, 2)))
