"""An infinite or undefined number stays where a linear map takes it: y_o is lost if, and only if, it depends on x_i.

The reference is the map's own Jacobian: with all else positive, the response to a single 1 is not 0 exactly where an
output depends on that element. It says nothing of the numbers that an algorithm adds up besides, such as the zeros of a
padded kernel or of an interpolation matrix; those must not meet the data.
"""

import numpy as np
import pytest
from kernels.test_convolution import CASES, arrays
from operations.test_registry import linear_nodes

import tinygen as tg
import tinygen.functional as F
from tinygen.autograd.operation import REGISTRY
from tinygen.autograd.tensor import Tensor
from tinygen.kernels import convolution as kernels
from tinygen.kernels import resampling

LOST = [np.nan, np.inf]
PLACES = 4  # elements of each input that are tried


def places(shape):
    """The indices of some elements: the first, the last, and two drawn."""
    size = int(np.prod(shape))
    flat = {0, size - 1, *np.random.default_rng(size).integers(size, size=PLACES - 2)} if size else set()
    return [np.unravel_index(place, shape) for place in sorted(flat)]


def assert_stays_in_place(function, shape, dtype="float64"):
    """``function``, linear in an array of ``shape``, loses those outputs that depend on the lost element."""
    with np.errstate(all="ignore"):
        nothing = np.asarray(function(np.zeros(shape, dtype)))
        for index in places(shape):
            single, given = np.zeros(shape, dtype), np.ones(shape, dtype)
            single[index] = 1
            depends = np.abs(np.asarray(function(single)) - nothing) > 1e-9
            for lost in LOST:
                given[index] = lost
                found = ~np.isfinite(np.asarray(function(given)))
                np.testing.assert_array_equal(found, depends, err_msg=f"{lost} at {index}")


def positive(given):
    """The other factors without zeros, which would be the user's own; conditions as they are."""
    return given if given is None or np.asarray(given).dtype.kind == "b" else np.abs(given) + 1


@pytest.mark.parametrize("name", [name for name, made in REGISTRY.items() if made.linear])
def test_in_every_linear_operation(name):
    for node in linear_nodes()[name]:
        arrays = [positive(array) for array in node.arrays]
        for index, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x.requires_grad:

                def value(array, node=node, arrays=arrays, index=index):
                    return node.operation.forward(*arrays[:index], array, *arrays[index + 1 :], **node.options)

                assert_stays_in_place(value, x.shape)


RESIZED = [((4, 4), (8, 8)), ((3, 7), (5, 2)), ((5, 4), (5, 9)), ((6, 6), (3, 2)), ((1, 2), (4, 6))]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("mode", "align_corners"), [("nearest", False), ("bilinear", True), ("bilinear", False)])
@pytest.mark.parametrize(("size_in", "size_out"), RESIZED)
def test_in_resampling_and_its_adjoint(size_in, size_out, mode, align_corners, plain):
    resize = resampling.resize.reference if plain else resampling.resize
    pairs = zip(size_in, size_out, strict=True)
    rows, columns = (resampling.interpolation_matrix(*pair, mode, align_corners, None, "float64") for pair in pairs)
    assert_stays_in_place(lambda x: resize(x, rows, columns), (2, 2, *size_in))
    assert_stays_in_place(lambda g: resize(g, rows.T, columns.T), (2, 2, *size_out))


def test_one_lost_pixel_of_an_enlarged_image_is_four_lost_pixels(device):
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 1, 2] = np.nan
    y = F.upsample_nearest2d(tg.tensor(x, device=device), size=(8, 8)).numpy()
    np.testing.assert_array_equal(np.argwhere(np.isnan(y[0, 0])), [[2, 4], [2, 5], [3, 4], [3, 5]])


@pytest.mark.parametrize("subscripts", ["ii->i", "ii", "iij,j->i", "jii->ij", "iii->", "iijj->ij", "ii,ij->j"])
def test_in_einsum_of_a_diagonal_and_its_gradient(subscripts):
    inputs = subscripts.split("->")[0].split(",")
    shapes = [(3,) * len(names) for names in inputs]

    def value(x):
        return tg.einsum(subscripts, tg.tensor(x), *(tg.ones(*shape, dtype="float64") for shape in shapes[1:])).numpy()

    def gradient(g):
        x = tg.ones(*shapes[0], dtype="float64", requires_grad=True)
        y = tg.einsum(subscripts, x, *(tg.ones(*shape, dtype="float64") for shape in shapes[1:]))
        return tg.grad(y, x, tg.tensor(g))[0].numpy()

    assert_stays_in_place(value, shapes[0])
    assert_stays_in_place(gradient, value(np.ones(shapes[0])).shape)


@pytest.mark.parametrize("version", ["kernel", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_in_every_algorithm_of_convolution_and_its_adjoints(name, version):
    x, w, g, geometry = arrays(CASES[name])
    conv2d, input_grad, weight_grad = (
        function if version == "kernel" else function.reference
        for function in (kernels.conv2d, kernels.conv2d_input_grad, kernels.conv2d_weight_grad)
    )
    x, w, g = positive(x), positive(w), positive(g)
    size, kernel_size = x.shape[2:], w.shape[2:]
    assert_stays_in_place(lambda x: conv2d(x, w, None, geometry), x.shape)
    assert_stays_in_place(lambda g: input_grad(g, w, None, size, geometry), g.shape)
    assert_stays_in_place(lambda w: input_grad(g, w, None, size, geometry), w.shape)
    assert_stays_in_place(lambda x: weight_grad(x, g, kernel_size, geometry), x.shape)
    if version == "kernel":
        assert_stays_in_place(lambda w: conv2d(x, w, None, geometry), w.shape)
        assert_stays_in_place(lambda g: weight_grad(x, g, kernel_size, geometry), g.shape)
