"""The three kernels of convolution: equal to their definition, adjoint to each other, and the same in both tiers."""

import numpy as np
import pytest

from tinygen.kernels.convolution import conv2d, conv2d_input_grad, conv2d_weight_grad
from tinygen.kernels.cpu import im2col, mec, parallel
from tinygen.kernels.windows import Geometry

# name: N, C, O, (H, W), kernel, stride, padding, dilation, groups
CASES = {
    "plain": (2, 3, 4, (7, 9), (3, 3), (1, 1), (0, 0), (1, 1), 1),
    "many channels": (4, 16, 24, (8, 7), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "one image": (1, 12, 12, (6, 11), (3, 5), (1, 1), (2, 1), (1, 1), 1),
    "one input channel": (3, 1, 8, (9, 9), (3, 3), (1, 1), (0, 0), (1, 1), 1),
    "one output channel": (3, 16, 1, (9, 8), (3, 3), (1, 1), (2, 2), (1, 1), 1),
    "one output channel, stride": (3, 16, 1, (9, 8), (3, 3), (2, 2), (1, 1), (1, 1), 1),
    "critic": (2, 12, 16, (8, 8), (4, 4), (2, 2), (1, 1), (1, 1), 1),
    "critic's first layer": (2, 3, 16, (8, 8), (4, 4), (2, 2), (1, 1), (1, 1), 1),
    "generator": (2, 9, 10, (9, 11), (5, 5), (2, 2), (2, 2), (1, 1), 1),
    "unequal everything": (2, 9, 10, (10, 7), (2, 5), (3, 2), (1, 4), (1, 1), 1),
    "stride 3": (2, 10, 9, (11, 10), (3, 3), (3, 3), (1, 1), (1, 1), 1),
    "stride beyond the kernel": (2, 10, 9, (11, 10), (2, 2), (3, 4), (0, 0), (1, 1), 1),
    "padding beyond the kernel": (2, 9, 9, (4, 5), (3, 3), (1, 1), (4, 5), (1, 1), 1),
    "padding beyond the kernel, one output channel": (2, 9, 1, (4, 5), (3, 3), (1, 1), (4, 5), (1, 1), 1),
    "padding beyond the kernel, stride": (2, 9, 9, (4, 5), (3, 3), (2, 2), (4, 5), (1, 1), 1),
    "padding beyond the kernel, one input channel": (2, 1, 9, (4, 5), (3, 3), (1, 2), (7, 5), (1, 1), 1),
    "to many channels": (2, 9, 48, (9, 11), (5, 5), (2, 2), (2, 2), (1, 1), 1),
    "to many channels, unequal everything": (2, 9, 48, (10, 7), (2, 5), (3, 2), (1, 4), (1, 1), 1),
    "to many channels, padding beyond the kernel": (2, 9, 48, (4, 5), (3, 3), (1, 2), (4, 5), (1, 1), 1),
    "to many channels, stride beyond the kernel": (2, 9, 48, (11, 10), (2, 2), (3, 4), (0, 0), (1, 1), 1),
    "from many channels": (2, 48, 9, (9, 11), (5, 5), (2, 2), (2, 2), (1, 1), 1),
    "from many channels, no padding": (2, 48, 9, (7, 8), (3, 4), (1, 1), (0, 0), (1, 1), 1),
    "from many channels, padding beyond the kernel": (2, 48, 9, (4, 5), (3, 3), (1, 2), (4, 5), (1, 1), 1),
    "from many channels, stride beyond the kernel": (2, 48, 9, (11, 10), (2, 2), (3, 4), (0, 0), (1, 1), 1),
    "from few to many channels, stride 1": (2, 3, 48, (6, 7), (3, 2), (1, 1), (1, 1), (1, 1), 1),
    "from many channels, stride 1": (2, 48, 9, (6, 7), (3, 2), (1, 1), (1, 1), (1, 1), 1),
    "between many channels": (2, 48, 50, (6, 7), (3, 5), (2, 1), (1, 2), (1, 1), 1),
    "many channels, stride beyond the image": (2, 48, 50, (6, 3), (3, 3), (2, 5), (1, 1), (1, 1), 1),
    "windows cover padding only": (1, 9, 9, (3, 3), (2, 2), (9, 9), (5, 5), (1, 1), 1),
    "no window covers a column of the image": (1, 9, 9, (4, 1), (1, 1), (1, 3), (0, 1), (1, 1), 1),
    "kernel as large as the image": (3, 8, 12, (5, 4), (5, 4), (1, 1), (0, 0), (1, 1), 1),
    "kernel as large as the padded image": (3, 8, 12, (3, 4), (5, 4), (1, 1), (1, 0), (1, 1), 1),
    "image of one pixel": (3, 12, 8, (1, 1), (5, 5), (1, 1), (4, 4), (1, 1), 1),
    "image of one pixel, kernel not square": (3, 12, 8, (1, 1), (3, 5), (1, 1), (2, 4), (1, 1), 1),
    "kernel of one pixel": (3, 12, 8, (4, 5), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "kernel of one pixel, stride": (3, 12, 8, (4, 5), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    "rows that no window covers": (2, 9, 9, (6, 8), (3, 3), (2, 3), (0, 0), (1, 1), 1),
    "dilation": (2, 9, 10, (9, 10), (3, 2), (1, 1), (2, 1), (2, 3), 1),
    "dilation and stride": (2, 9, 10, (9, 10), (3, 2), (2, 3), (2, 1), (2, 3), 1),
    "groups": (2, 6, 4, (6, 5), (3, 3), (1, 1), (1, 1), (1, 1), 2),
    "depthwise": (2, 5, 10, (6, 5), (3, 3), (2, 1), (1, 1), (1, 1), 5),
    "groups, dilation, stride": (2, 6, 4, (9, 9), (3, 3), (2, 2), (1, 1), (2, 2), 2),
}


def arrays(case: tuple, dtype: str = "float64") -> tuple:
    """x, w, the gradient g of conv2d(x, w), and the geometry of ``case``."""
    N, C, O, size, kernel, stride, padding, dilation, groups = case
    output = [(size[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)]
    rng = np.random.default_rng(0)
    shapes = ((N, C, *size), (O, C // groups, *kernel), (N, O, *output))
    x, w, g = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return x, w, g, Geometry(stride, padding, dilation, groups)


def by_definition(x: np.ndarray, w: np.ndarray, output_shape: tuple, geometry: Geometry) -> np.ndarray:
    """The sum over each window, pixel by pixel."""
    stride, padding, dilation, groups = geometry
    O, C, kh, kw = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    y = np.zeros(output_shape)
    for o in range(O):
        channels = padded[:, o // (O // groups) * C :][:, :C]
        for r in range(output_shape[2]):
            for c in range(output_shape[3]):
                top, left = stride[0] * r, stride[1] * c
                window = channels[
                    :, :, top : top + dilation[0] * kh : dilation[0], left : left + dilation[1] * kw : dilation[1]
                ]
                y[:, o, r, c] = (window[:, :, :kh, :kw] * w[o]).sum(axis=(1, 2, 3))
    return y


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_convolution_is_the_sum_over_each_window(case):
    x, w, g, geometry = arrays(case)
    bias = np.arange(len(w), dtype=float)
    y = by_definition(x, w, g.shape, geometry)
    np.testing.assert_allclose(conv2d(x, w, None, geometry), y, atol=1e-12)
    np.testing.assert_allclose(conv2d(x, w, bias, geometry), y + bias[:, None, None], atol=1e-12)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_three_are_adjoint_to_each_other(case):
    x, w, g, geometry = arrays(case)
    product = np.vdot(conv2d(x, w, None, geometry), g)
    input_grad = conv2d_input_grad(g, w, None, x.shape[2:], geometry)
    weight_grad = conv2d_weight_grad(x, g, w.shape[2:], geometry)
    assert input_grad.shape == x.shape
    assert weight_grad.shape == w.shape
    np.testing.assert_allclose([np.vdot(x, input_grad), np.vdot(w, weight_grad)], product, atol=1e-10)


def assert_equal_to_the_reference(x, w, g, geometry):
    bias, bias_x = (
        np.arange(g.shape[1], dtype=float),
        np.arange(x.shape[1], dtype=float),
    )
    for kernel, arguments in (
        (conv2d, (x, w, bias, geometry)),
        (conv2d_input_grad, (g, w, bias_x, x.shape[2:], geometry)),
        (conv2d_weight_grad, (x, g, w.shape[2:], geometry)),
    ):
        np.testing.assert_allclose(kernel(*arguments), kernel.reference(*arguments), atol=1e-11)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_fast_version_equals_the_reference(case):
    assert_equal_to_the_reference(*arrays(case))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_single_precision_stays_single_and_is_accurate(case):
    x, w, g, geometry = arrays(case, "float32")
    wide_x, wide_w, wide_g = (a.astype("float64") for a in (x, w, g))
    size, kernel_size = x.shape[2:], w.shape[2:]
    triad = [
        (conv2d(x, w, None, geometry), conv2d(wide_x, wide_w, None, geometry)),
        (
            conv2d_input_grad(g, w, None, size, geometry),
            conv2d_input_grad(wide_g, wide_w, None, size, geometry),
        ),
        (
            conv2d_weight_grad(x, g, kernel_size, geometry),
            conv2d_weight_grad(wide_x, wide_g, kernel_size, geometry),
        ),
    ]
    for single, double in triad:
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, atol=1e-5 * max(1, abs(double).max()))


DENSE = {name: case for name, case in CASES.items() if case[-2:] == ((1, 1), 1)}  # those of the fast versions


@pytest.mark.parametrize("case", DENSE.values(), ids=DENSE)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("in_blocks", [True, False], ids=["blocks of two rows", "one block"])
def test_any_number_of_threads_gives_the_same_result(case, threads, in_blocks, monkeypatch):
    x, w, g, geometry = arrays(case)
    monkeypatch.setattr(parallel, "threads", lambda: threads)
    monkeypatch.setattr(parallel, "PARALLEL_MIN_MULTIPLICATIONS", 0)
    monkeypatch.setattr(im2col, "PARALLEL_MIN_ELEMENTS", 0)
    if in_blocks:
        row_size = w.shape[1] * w.shape[3] * g.shape[3] * len(g)
        monkeypatch.setattr(mec, "BLOCK", 2 * geometry.stride[0] * row_size)
        monkeypatch.setattr(im2col, "BLOCK", 2 * w.shape[2] * row_size)
    assert_equal_to_the_reference(x, w, g, geometry)


def test_a_stride_beyond_the_elements_of_a_row():
    geometry = Geometry((2, 1), (0, 0), (1, 1), 1)
    x = conv2d_input_grad(np.ones((1, 1, 5, 1)), np.full((1, 1, 1, 1), 2.0), None, (9, 1), geometry)
    np.testing.assert_array_equal(x.ravel(), [2, 0, 2, 0, 2, 0, 2, 0, 2])


ORDERS = {
    "batch first": lambda a: np.ascontiguousarray(a),
    "batch last": lambda a: np.ascontiguousarray(a.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2),
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "backwards": lambda a: np.ascontiguousarray(a[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize(
    "name",
    [
        "many channels",
        "to many channels",
        "critic",
        "one output channel",
        "one input channel",
        "image of one pixel",
        "kernel as large as the image",
        "generator",
    ],
)
def test_memory_order_does_not_matter(name, order):
    x, w, g, geometry = arrays(CASES[name])
    size, kernel_size = x.shape[2:], w.shape[2:]
    np.testing.assert_allclose(
        conv2d(order(x), order(w), None, geometry), by_definition(x, w, g.shape, geometry), atol=1e-12
    )
    np.testing.assert_allclose(
        conv2d_input_grad(order(g), order(w), None, size, geometry),
        conv2d_input_grad(g, w, None, size, geometry),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        conv2d_weight_grad(order(x), order(g), kernel_size, geometry),
        conv2d_weight_grad(x, g, kernel_size, geometry),
        atol=1e-11,
    )


@pytest.mark.parametrize("name", ["many channels", "critic", "one output channel", "kernel as large as the image"])
def test_a_gradient_broadcast_from_one_number_counts_like_a_full_array(name):
    x, w, g, geometry = arrays(CASES[name])
    ones = np.broadcast_to(1.0, g.shape)
    np.testing.assert_allclose(
        conv2d_input_grad(ones, w, None, x.shape[2:], geometry),
        conv2d_input_grad(ones.copy(), w, None, x.shape[2:], geometry),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        conv2d_weight_grad(x, ones, w.shape[2:], geometry),
        conv2d_weight_grad(x, ones.copy(), w.shape[2:], geometry),
        atol=1e-12,
    )


@pytest.mark.parametrize("name", ["plain", "many channels", "critic", "one output channel", "generator"])
def test_images_are_stored_with_the_batch_innermost(name):
    x, w, g, geometry = arrays(CASES[name])
    y = conv2d(x, w, None, geometry)
    input_grad = conv2d_input_grad(g, w, None, x.shape[2:], geometry)
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous
    assert input_grad.transpose(2, 1, 3, 0).flags.c_contiguous


@pytest.mark.parametrize("name", ["many channels", "critic", "image of one pixel", "groups"])
def test_arrays_of_two_precisions_give_the_wider_one(name):
    x, w, _, geometry = arrays(CASES[name])
    narrow = x.astype("float32")
    y = conv2d(narrow, w, None, geometry)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, conv2d(narrow.astype("float64"), w, None, geometry), atol=1e-12)


@pytest.mark.parametrize("name", ["many channels", "critic", "kernel as large as the image", "one output channel"])
def test_an_empty_batch_gives_empty_images_and_a_zero_kernel(name):
    x, w, g, geometry = arrays(CASES[name])
    x, g = x[:0], g[:0]
    assert conv2d(x, w, None, geometry).shape == g.shape
    assert conv2d_input_grad(g, w, None, x.shape[2:], geometry).shape == x.shape
    np.testing.assert_array_equal(conv2d_weight_grad(x, g, w.shape[2:], geometry), np.zeros(w.shape))


def test_rows_that_no_window_covers_get_no_gradient():
    g, w = np.ones((1, 9, 1, 1)), np.ones((9, 9, 2, 2))
    x = conv2d_input_grad(g, w, None, (4, 3), Geometry((3, 3), (0, 0), (1, 1), 1))
    np.testing.assert_array_equal(x[0, 0], [[9, 9, 0], [9, 9, 0], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("name", ["many channels", "critic", "one output channel", "kernel as large as the image"])
def test_inputs_are_left_unchanged(name):
    x, w, g, geometry = arrays(CASES[name])
    bias = np.ones(len(w))
    copies = [a.copy() for a in (x, w, g, bias)]
    for a in (x, w, g, bias):
        a.setflags(write=False)
    conv2d(x, w, bias, geometry)
    conv2d_input_grad(g, w, None, x.shape[2:], geometry)
    conv2d_weight_grad(x, g, w.shape[2:], geometry)
    for a, b in zip((x, w, g, bias), copies, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_kernel_without_output_channels_adds_up_to_zeros():
    w, geometry = np.zeros((0, 2, 2, 2)), Geometry((2, 1), (1, 0), (1, 2), 1)
    y = conv2d.reference(np.ones((1, 2, 4, 4)), w, None, geometry)
    x = conv2d_input_grad.reference(y, w, None, (4, 4), geometry)
    np.testing.assert_array_equal(x, np.zeros((1, 2, 4, 4)))
