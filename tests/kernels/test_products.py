"""The matrix product is NumPy's, however the threads share it out."""

import numpy as np
import pytest

from tinygen.kernels import products
from tinygen.kernels.cpu import parallel
from tinygen.kernels.cpu import products as cpu

SHAPES = [
    ((64, 256), (256, 20)),
    ((3, 500), (500, 70)),
    ((1, 90), (90, 200)),
    ((700, 40), (40, 1)),
    ((4, 30, 20), (4, 20, 50)),
]
SHAPES += [((2, 3, 40, 30), (2, 3, 30, 8)), ((120, 0), (0, 90)), ((0, 40), (40, 300))]


@pytest.mark.parametrize("worth_sharing", [0, 10**9])
@pytest.mark.parametrize(("left", "right"), SHAPES, ids=str)
def test_products_are_numpys_in_one_thread_and_in_several(left, right, worth_sharing, monkeypatch):
    monkeypatch.setattr(cpu, "BLAS_SINGLE_THREAD", 0)
    monkeypatch.setattr(parallel, "PARALLEL_MIN_MULTIPLICATIONS", worth_sharing)
    drawn = np.random.default_rng(0)
    x, y = drawn.standard_normal(left), drawn.standard_normal(right)
    np.testing.assert_allclose(products.matmul(x, y), x @ y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("worth_sharing", [0, 10**9])
def test_operands_may_be_transposed_views_and_views_without_strides(worth_sharing, monkeypatch):
    monkeypatch.setattr(parallel, "PARALLEL_MIN_MULTIPLICATIONS", worth_sharing)
    drawn = np.random.default_rng(0)
    x, y = drawn.standard_normal((80, 60)).T, np.broadcast_to(drawn.standard_normal(80)[:, None], (80, 90))
    np.testing.assert_allclose(products.matmul(x, y), x @ y, rtol=1e-12, atol=1e-12)


def test_the_result_has_the_common_type_of_the_operands():
    x, y = np.ones((2, 3), "float32"), np.ones((3, 2), "float64")
    assert products.matmul(x, y).dtype == "float64"
    assert products.matmul(x, x.T).dtype == "float32"


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_the_blas_has_one_thread_in_parallel_products(threshold, monkeypatch):
    monkeypatch.setattr(parallel, "PARALLEL_MIN_MULTIPLICATIONS", threshold)
    numbers = []

    def work(first, last):
        numbers.extend(library.get_num_threads() for library in parallel._blas())

    parallel.parallel_gemms(work, 4, multiplications=100)
    assert numbers
    assert set(numbers) == {1}


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (64, 300, 200)])
def test_the_affine_map_is_the_product_and_a_bias(shape):
    N, inputs, outputs = shape
    numbers = np.random.default_rng(0)
    x, weight, bias = (
        numbers.normal(size=(N, inputs)),
        numbers.normal(size=(outputs, inputs)),
        numbers.normal(size=outputs),
    )
    np.testing.assert_allclose(products.affine(x, weight, bias), x @ weight.T + bias, rtol=1e-10, atol=1e-10)
    narrow = [array.astype("float32") for array in (x, weight)]
    assert products.affine(*narrow, bias.astype("float32")).dtype == "float32"
    assert products.affine(*narrow, bias).dtype == "float64"
