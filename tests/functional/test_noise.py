"""Dropout: its rate, its mean, its seed, and where it does nothing."""

import numpy as np
import pytest

import tinygen as tg
import tinygen.functional as F


@pytest.fixture(autouse=True)
def seed():
    tg.manual_seed(0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(p):
    y = F.dropout(tg.ones(200, 500), p).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - p))}
    deviation = np.sqrt(p * (1 - p) / y.size)
    assert abs((y == 0).mean() - p) < 5 * deviation
    assert abs(y.mean() - 1) < 5 * deviation / (1 - p)


def test_dropout2d_drops_whole_feature_maps():
    y = F.dropout2d(tg.ones(50, 40, 3, 2), 0.4).numpy()
    maps = y.reshape(50, 40, 6)
    assert (maps == maps[..., :1]).all()
    assert abs((maps[..., 0] == 0).mean() - 0.4) < 5 * np.sqrt(0.4 * 0.6 / 2000)


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_nothing_happens_in_evaluation_or_with_a_rate_of_zero(function):
    x = tg.randn(3, 4, 2, 2)
    state = tg.get_rng_state()
    np.testing.assert_array_equal(function(x, 0.5, training=False).numpy(), x.numpy())
    np.testing.assert_array_equal(function(x, 0.0).numpy(), x.numpy())
    assert tg.get_rng_state() == state


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_a_rate_of_one_leaves_zeros_not_nan(function):
    np.testing.assert_array_equal(function(tg.ones(3, 4, 2), 1.0).numpy(), np.zeros((3, 4, 2)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (4,), (0, 3)])
def test_shape_and_dtype_stay(shape, dtype):
    y = F.dropout(tg.ones(shape, dtype=dtype), 0.5)
    assert (y.shape, y.dtype) == (shape, np.dtype(dtype))


def test_the_gradient_passes_where_the_value_did():
    x = tg.ones(30, requires_grad=True)
    y = F.dropout(x, 0.5)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


def test_a_seed_drops_the_same_elements_again_on_any_device(fake_gpu):
    first = F.dropout(tg.ones(50), 0.5).numpy()
    tg.manual_seed(0)
    np.testing.assert_array_equal(F.dropout(tg.ones(50).to("gpu"), 0.5).numpy(), first)


@pytest.mark.parametrize("p", [-0.1, 1.1])
@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_a_rate_that_is_no_probability_is_refused(function, p):
    with pytest.raises(ValueError, match=f"{function.__name__}: p must be a probability, got {p}"):
        function(tg.ones(2, 3), p)


def test_dropout2d_needs_feature_maps():
    with pytest.raises(ValueError, match="dropout2d: expects images"):
        F.dropout2d(tg.ones(3))
