"""The coins' log-likelihood with few logarithms: the same as by its formula, however many coins and whoever counts."""

import numpy as np
import pytest

from tinygen.kernels import likelihoods


def coins(count: int, pixels: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Logits, many of them far from 0, and what the coins showed."""
    chance = np.random.default_rng(0)
    return chance.normal(0, 6, (count, pixels)).astype(dtype), chance.integers(0, 2, (count, pixels)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pixels", [0, 1, 2, 3, 8, 784, 1001])
def test_the_fast_version_is_the_plain_one(pixels, dtype):
    logits, target = coins(5, pixels, dtype)
    found = likelihoods.bernoulli(logits, target)
    assert found.dtype == dtype
    expected = likelihoods.bernoulli_plain(logits.astype(float), target.astype(float))
    np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(dtype).eps)


def test_the_threads_count_the_same_as_one():
    logits, target = coins(likelihoods.WORTH_SHARING // 784 + 1, 784, "float32")
    one = [likelihoods.bernoulli(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))]
    np.testing.assert_array_equal(likelihoods.bernoulli(logits, target), np.concatenate(one))


def test_certain_coins_cost_what_their_tail_is_to_the_last_digit():
    logits = np.full((1, 8), -40.0, "float32")
    found = likelihoods.bernoulli(logits, np.zeros_like(logits))
    np.testing.assert_allclose(found, -8 * np.exp(-40.0), rtol=1e-6)


def test_logits_as_a_decoder_leaves_them_soft_targets_and_what_is_no_number():
    logits, target = coins(64, 784, "float32")
    target = np.random.default_rng(1).random(target.shape).astype("float32")
    expected = likelihoods.bernoulli(logits, target)
    np.testing.assert_allclose(likelihoods.bernoulli(np.asfortranarray(logits), target), expected, rtol=1e-6)
    logits[3, 5] = np.nan
    found = likelihoods.bernoulli(logits, target)
    assert np.isnan(found[3])
    np.testing.assert_array_equal(found[4:], expected[4:])
    assert likelihoods.bernoulli(logits[:0], target[:0]).shape == (0,)
