"""The Bernoulli log-likelihood with few logarithms equals the reference, for any number of variables and threads."""

import numpy as np
import pytest

from tinygen.kernels import likelihoods
from tinygen.kernels.cpu.likelihoods import PARALLEL_MIN_LOGITS


def bernoulli_variables(count: int, pixels: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Logits, many of them far from 0, and samples."""
    rng = np.random.default_rng(0)
    return rng.normal(0, 6, (count, pixels)).astype(dtype), rng.integers(0, 2, (count, pixels)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pixels", [0, 1, 2, 3, 8, 784, 1001])
def test_the_fast_version_computes_what_the_reference_computes(pixels, dtype):
    logits, target = bernoulli_variables(5, pixels, dtype)
    found = likelihoods.bernoulli(logits, target)
    assert found.dtype == dtype
    expected = likelihoods.bernoulli.reference(logits.astype(float), target.astype(float))
    np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(dtype).eps)


def test_the_result_does_not_depend_on_the_threads():
    logits, target = bernoulli_variables(PARALLEL_MIN_LOGITS // 784 + 1, 784, "float32")
    one = [likelihoods.bernoulli(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))]
    np.testing.assert_array_equal(likelihoods.bernoulli(logits, target), np.concatenate(one))


def test_the_tail_of_nearly_certain_variables_is_accurate():
    logits = np.full((1, 8), -40.0, "float32")
    found = likelihoods.bernoulli(logits, np.zeros_like(logits))
    np.testing.assert_allclose(found, -8 * np.exp(-40.0), rtol=1e-6)


def test_transposed_logits_soft_targets_and_nan():
    logits, target = bernoulli_variables(64, 784, "float32")
    target = np.random.default_rng(1).random(target.shape).astype("float32")
    expected = likelihoods.bernoulli(logits, target)
    np.testing.assert_allclose(likelihoods.bernoulli(np.asfortranarray(logits), target), expected, rtol=1e-6)
    logits[3, 5] = np.nan
    found = likelihoods.bernoulli(logits, target)
    assert np.isnan(found[3])
    np.testing.assert_array_equal(found[4:], expected[4:])
    assert likelihoods.bernoulli(logits[:0], target[:0]).shape == (0,)
