"""Resampling: the interpolation matrices are what their formulas say, and resizing is two matrix products."""

import numpy as np
import pytest

from tinygen.kernels.resampling import interpolation_matrix, resize


def test_aligned_corners_keep_the_first_and_last_pixel():
    matrix = interpolation_matrix(3, 5, "bilinear", True, None, "float64")
    np.testing.assert_allclose(matrix @ [0, 10, 30], [0, 5, 10, 20, 30])


def test_without_aligned_corners_pixels_are_areas():
    matrix = interpolation_matrix(2, 4, "bilinear", False, None, "float64")
    np.testing.assert_allclose(matrix @ [0, 4], [0, 1, 3, 4])


def test_a_scale_factor_sets_the_distance_of_the_pixels():
    by_size = interpolation_matrix(5, 7, "bilinear", False, None, "float64")
    by_scale = interpolation_matrix(5, 7, "bilinear", False, 1.5, "float64")
    np.testing.assert_allclose((by_size @ np.arange(5.0))[1], 1.5 * 5 / 7 - 0.5)
    np.testing.assert_allclose((by_scale @ np.arange(5.0))[1], 1.5 / 1.5 - 0.5)


def test_nearest_repeats_pixels():
    matrix = interpolation_matrix(3, 6, "nearest", False, None, "float64")
    np.testing.assert_array_equal(matrix @ [1, 2, 3], [1, 1, 2, 2, 3, 3])


def test_nearest_rounds_down_when_it_leaves_pixels_out():
    matrix = interpolation_matrix(5, 3, "nearest", False, None, "float64")
    np.testing.assert_array_equal(matrix @ [0, 1, 2, 3, 4], [0, 1, 3])


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("size_in", "size_out"), [(1, 1), (1, 4), (5, 1), (5, 5), (5, 10), (7, 3), (28, 64)])
def test_every_output_pixel_is_a_mean_of_input_pixels(mode, align_corners, size_in, size_out):
    matrix = interpolation_matrix(size_in, size_out, mode, align_corners, None, "float64")
    assert matrix.shape == (size_out, size_in)
    assert matrix.min() >= 0
    np.testing.assert_allclose(matrix.sum(axis=1), 1)


def test_a_matrix_is_made_once_and_cannot_be_changed():
    matrix = interpolation_matrix(4, 8, "bilinear", True, None, "float32")
    assert matrix is interpolation_matrix(4, 8, "bilinear", True, None, "float32")
    assert matrix.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 2


SIZES = [((5, 5), (10, 10)), ((3, 7), (4, 2)), ((1, 1), (3, 5)), ((6, 4), (6, 4))]


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
@pytest.mark.parametrize("shape", [(3, 2), (1, 1), (64, 9)])
@pytest.mark.parametrize("batch_last", [True, False])
def test_resizing_multiplies_each_image_from_both_sides(size_in, size_out, shape, batch_last):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((*shape, *size_in))
    if batch_last:
        x = np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)
    rows, columns = (rng.standard_normal((size_out[a], size_in[a])) for a in (0, 1))
    for kernel in (resize, resize.reference):
        np.testing.assert_allclose(kernel(x, rows, columns), rows @ x @ columns.T, atol=1e-12)


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_resizing_with_transposed_matrices_is_the_adjoint(size_in, size_out):
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((3, 2, *size_in)), rng.standard_normal((3, 2, *size_out))
    rows, columns = (interpolation_matrix(size_in[a], size_out[a], "bilinear", False, None, "float64") for a in (0, 1))
    np.testing.assert_allclose(np.vdot(resize(x, rows, columns), g), np.vdot(x, resize(g, rows.T, columns.T)))


def test_resizing_keeps_single_precision_and_stores_the_batch_innermost():
    x = np.ones((4, 3, 5, 5), "float32")
    matrix = interpolation_matrix(5, 10, "bilinear", True, None, "float32")
    y = resize(x, matrix, matrix)
    assert y.dtype == np.float32
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous


def test_an_empty_batch_is_resized_to_an_empty_batch():
    matrix = interpolation_matrix(5, 10, "bilinear", True, None, "float64")
    assert resize(np.zeros((0, 3, 5, 5)), matrix, matrix).shape == (0, 3, 10, 10)
