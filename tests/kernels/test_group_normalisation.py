"""The kernels of group normalisation against their references, in every order of memory and with all threads."""

import itertools

import numpy as np
import pytest

from tinygen.kernels import group_normalisation as kernels
from tinygen.kernels.cpu import group_normalisation as cpu

NUMBERS = np.random.default_rng(0)


def orders(shape):
    """The same numbers in different memory orders."""
    x = NUMBERS.normal(size=shape).astype("float32")
    for order in itertools.islice(itertools.permutations(range(4)), 0, None, 5):
        yield np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))


@pytest.mark.parametrize("shape", [(1, 3, 5, 2), (4, 1, 2, 3), (6, 4, 9, 8)], ids=str)
def test_the_fast_kernels_compute_what_the_references_compute(shape, monkeypatch):
    g = NUMBERS.normal(size=shape).astype("float32")
    scale, shift, factor = NUMBERS.normal(size=(3, *shape[:2])).astype("float32")
    for min_size in (cpu.PARALLEL_MIN_CHEAP, 0):
        monkeypatch.setattr(cpu, "PARALLEL_MIN_CHEAP", min_size)
        for x in orders(shape):
            for given in ((x, scale, shift), (x, scale, shift, g, factor)):
                found, expected = kernels.pixel_affine(*given), kernels.pixel_affine.reference(*given)
                assert found.dtype == np.float32
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
            found = kernels.pixel_sums(g, x)
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, kernels.pixel_sums.reference(g, x), rtol=1e-4, atol=1e-5)


def test_sums_of_many_pixels_keep_their_digits():
    x = np.ones((2, 1, 1000, 1001), "float32")
    np.testing.assert_allclose(kernels.pixel_sums(x, x), 1_001_000, rtol=1e-6)
