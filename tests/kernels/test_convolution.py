"""Convolution's three kernels: right by definition, adjoint to each other, and the same on every array module."""

import math

import numpy as np
import pytest

from tinygen.kernels import convolution, convolution_patches
from tinygen.kernels.cpu import parallel

# N, C, O, (H, W), kernel, stride, padding, dilation, groups
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
    "padding beyond the kernel, thin": (2, 9, 1, (4, 5), (3, 3), (1, 1), (4, 5), (1, 1), 1),
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
    "no window meets the image": (1, 9, 9, (3, 3), (2, 2), (9, 9), (5, 5), (1, 1), 1),
    "no window meets a column of the image": (1, 9, 9, (4, 1), (1, 1), (1, 3), (0, 1), (1, 1), 1),
    "sees the whole image": (3, 8, 12, (5, 4), (5, 4), (1, 1), (0, 0), (1, 1), 1),
    "sees the whole padded image": (3, 8, 12, (3, 4), (5, 4), (1, 1), (1, 0), (1, 1), 1),
    "sees one pixel": (3, 12, 8, (1, 1), (5, 5), (1, 1), (4, 4), (1, 1), 1),
    "sees one pixel, kernel not square": (3, 12, 8, (1, 1), (3, 5), (1, 1), (2, 4), (1, 1), 1),
    "kernel of one pixel": (3, 12, 8, (4, 5), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "kernel of one pixel, stride": (3, 12, 8, (4, 5), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    "rows that no window meets": (2, 9, 9, (6, 8), (3, 3), (2, 3), (0, 0), (1, 1), 1),
    "dilation": (2, 9, 10, (9, 10), (3, 2), (1, 1), (2, 1), (2, 3), 1),
    "dilation and stride": (2, 9, 10, (9, 10), (3, 2), (2, 3), (2, 1), (2, 3), 1),
    "groups": (2, 6, 4, (6, 5), (3, 3), (1, 1), (1, 1), (1, 1), 2),
    "depthwise": (2, 5, 10, (6, 5), (3, 3), (2, 1), (1, 1), (1, 1), 5),
    "groups, dilation, stride": (2, 6, 4, (9, 9), (3, 3), (2, 2), (1, 1), (2, 2), 2),
}


def arrays(case: tuple, dtype: str = "float64") -> tuple:
    N, C, O, size, kernel, stride, padding, dilation, groups = case
    output = [(size[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)]
    rng = np.random.default_rng(0)
    shapes = ((N, C, *size), (O, C // groups, *kernel), (N, O, *output))
    x, w, g = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return x, w, g, (stride, padding, dilation, groups)


def by_definition(x: np.ndarray, w: np.ndarray, output_shape: tuple, options: tuple) -> np.ndarray:
    """The sum, pixel by pixel."""
    stride, padding, dilation, groups = options
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
    x, w, g, options = arrays(case)
    bias = np.arange(len(w), dtype=float)
    y = by_definition(x, w, g.shape, options)
    np.testing.assert_allclose(convolution.conv2d(x, w, None, *options), y, atol=1e-12)
    np.testing.assert_allclose(convolution.conv2d(x, w, bias, *options), y + bias[:, None, None], atol=1e-12)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_three_are_adjoint_to_each_other(case):
    x, w, g, options = arrays(case)
    product = np.vdot(convolution.conv2d(x, w, None, *options), g)
    adjoint_x = convolution.conv2d_adjoint_x(g, w, x.shape[2:], *options)
    adjoint_w = convolution.conv2d_adjoint_w(x, g, w.shape[2:], *options)
    assert adjoint_x.shape == x.shape
    assert adjoint_w.shape == w.shape
    np.testing.assert_allclose([np.vdot(x, adjoint_x), np.vdot(w, adjoint_w)], product, atol=1e-10)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_version_for_any_array_module_gives_the_same(case):
    x, w, g, options = arrays(case)
    bias, bias_x = np.arange(g.shape[1], dtype=float), np.arange(x.shape[1], dtype=float)
    size, kernel = x.shape[2:], w.shape[2:]
    pairs = [
        (convolution.conv2d(x, w, bias, *options), convolution.conv2d_plain(x, w, bias, *options)),
        (
            convolution.conv2d_adjoint_x(g, w, size, *options, bias_x),
            convolution.conv2d_adjoint_x_plain(g, w, size, *options, bias_x),
        ),
        (
            convolution.conv2d_adjoint_w(x, g, kernel, *options),
            convolution.conv2d_adjoint_w_plain(x, g, kernel, *options),
        ),
    ]
    for fast, plain in pairs:
        np.testing.assert_allclose(fast, plain, atol=1e-11)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_single_precision_stays_single_and_is_accurate(case):
    x, w, g, options = arrays(case, "float32")
    wide_x, wide_w, wide_g = (a.astype("float64") for a in (x, w, g))
    triad = [
        (convolution.conv2d(x, w, None, *options), convolution.conv2d(wide_x, wide_w, None, *options)),
        (
            convolution.conv2d_adjoint_x(g, w, x.shape[2:], *options),
            convolution.conv2d_adjoint_x(wide_g, wide_w, x.shape[2:], *options),
        ),
        (
            convolution.conv2d_adjoint_w(x, g, w.shape[2:], *options),
            convolution.conv2d_adjoint_w(wide_x, wide_g, w.shape[2:], *options),
        ),
    ]
    for single, double in triad:
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, atol=1e-5 * max(1, abs(double).max()))


SHARED = {name: case for name, case in CASES.items() if case[-2:] == ((1, 1), 1)}  # those of the CPU's own kernels


@pytest.mark.parametrize("case", SHARED.values(), ids=SHARED)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("worth_sharing", [0, math.inf], ids=["many patches", "few patches"])
def test_the_threads_share_the_work_and_the_result_is_the_same(case, threads, worth_sharing, monkeypatch):
    x, w, g, options = arrays(case)
    bias, bias_x = np.arange(g.shape[1], dtype=float), np.arange(x.shape[1], dtype=float)
    monkeypatch.setattr(parallel, "PARALLEL_MIN_MULTIPLICATIONS", 0)
    monkeypatch.setattr(parallel, "threads", lambda: threads)
    monkeypatch.setattr(convolution_patches, "WORTH_SHARING", worth_sharing)
    monkeypatch.setattr(convolution_patches, "IN_CACHE", 2 * g.shape[3] * len(g) * math.prod(w.shape[1:]))  # two rows
    size, kernel = x.shape[2:], w.shape[2:]
    y = convolution.conv2d(x, w, bias, *options)
    np.testing.assert_allclose(y, convolution.conv2d_plain(x, w, bias, *options), atol=1e-11)
    back = convolution.conv2d_adjoint_x(g, w, size, *options, bias_x)
    np.testing.assert_allclose(back, convolution.conv2d_adjoint_x_plain(g, w, size, *options, bias_x), atol=1e-11)
    to_w = convolution.conv2d_adjoint_w(x, g, kernel, *options)
    np.testing.assert_allclose(to_w, convolution.conv2d_adjoint_w_plain(x, g, kernel, *options), atol=1e-11)


def test_a_stride_beyond_all_numbers_of_a_row_of_patches_is_no_trouble(monkeypatch):
    monkeypatch.setattr(convolution_patches, "WORTH_SHARING", 0)
    x = convolution.conv2d_adjoint_x(
        np.ones((1, 1, 5, 1)), np.full((1, 1, 1, 1), 2.0), (9, 1), (2, 1), (0, 0), (1, 1), 1
    )
    np.testing.assert_array_equal(x.ravel(), [2, 0, 2, 0, 2, 0, 2, 0, 2])


ORDERS = {
    "batch first": lambda a: np.ascontiguousarray(a),
    "batch last": lambda a: np.ascontiguousarray(a.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2),
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "backwards": lambda a: np.ascontiguousarray(a[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize(
    "name", ["many channels", "critic", "one output channel", "one input channel", "sees one pixel", "generator"]
)
def test_memory_order_does_not_matter(name, order):
    x, w, g, options = arrays(CASES[name])
    np.testing.assert_allclose(
        convolution.conv2d(order(x), order(w), None, *options), by_definition(x, w, g.shape, options), atol=1e-12
    )
    np.testing.assert_allclose(
        convolution.conv2d_adjoint_x(order(g), order(w), x.shape[2:], *options),
        convolution.conv2d_adjoint_x(g, w, x.shape[2:], *options),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        convolution.conv2d_adjoint_w(order(x), order(g), w.shape[2:], *options),
        convolution.conv2d_adjoint_w(x, g, w.shape[2:], *options),
        atol=1e-11,
    )


@pytest.mark.parametrize("name", ["many channels", "critic", "one output channel", "sees the whole image"])
def test_a_gradient_broadcast_from_one_number_counts_like_a_full_array(name):
    x, w, g, options = arrays(CASES[name])
    ones = np.broadcast_to(1.0, g.shape)
    np.testing.assert_allclose(
        convolution.conv2d_adjoint_x(ones, w, x.shape[2:], *options),
        convolution.conv2d_adjoint_x(ones.copy(), w, x.shape[2:], *options),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        convolution.conv2d_adjoint_w(x, ones, w.shape[2:], *options),
        convolution.conv2d_adjoint_w(x, ones.copy(), w.shape[2:], *options),
        atol=1e-12,
    )


@pytest.mark.parametrize("name", ["plain", "many channels", "critic", "one output channel", "generator"])
def test_images_lie_in_memory_with_the_batch_innermost(name):
    x, w, g, options = arrays(CASES[name])
    y = convolution.conv2d(x, w, None, *options)
    back = convolution.conv2d_adjoint_x(g, w, x.shape[2:], *options)
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous
    assert back.transpose(2, 1, 3, 0).flags.c_contiguous


@pytest.mark.parametrize("name", ["many channels", "critic", "sees one pixel", "groups"])
def test_arrays_of_two_precisions_give_the_wider_one(name):
    x, w, _, options = arrays(CASES[name])
    narrow = x.astype("float32")
    y = convolution.conv2d(narrow, w, None, *options)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, convolution.conv2d(narrow.astype("float64"), w, None, *options), atol=1e-12)


@pytest.mark.parametrize("name", ["many channels", "critic", "sees the whole image", "one output channel"])
def test_an_empty_batch_gives_empty_images_and_a_zero_kernel(name):
    x, w, g, options = arrays(CASES[name])
    x, g = x[:0], g[:0]
    assert convolution.conv2d(x, w, None, *options).shape == g.shape
    assert convolution.conv2d_adjoint_x(g, w, x.shape[2:], *options).shape == x.shape
    np.testing.assert_array_equal(convolution.conv2d_adjoint_w(x, g, w.shape[2:], *options), np.zeros(w.shape))


def test_rows_that_no_window_meets_get_no_gradient():
    g, w = np.ones((1, 9, 1, 1)), np.ones((9, 9, 2, 2))
    x = convolution.conv2d_adjoint_x(g, w, (4, 3), (3, 3), (0, 0), (1, 1), 1)
    np.testing.assert_array_equal(x[0, 0], [[9, 9, 0], [9, 9, 0], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("name", ["many channels", "critic", "one output channel", "sees the whole image"])
def test_inputs_are_left_as_they_are(name):
    x, w, g, options = arrays(CASES[name])
    bias = np.ones(len(w))
    kept = [a.copy() for a in (x, w, g, bias)]
    for a in (x, w, g, bias):
        a.setflags(write=False)
    convolution.conv2d(x, w, bias, *options)
    convolution.conv2d_adjoint_x(g, w, x.shape[2:], *options)
    convolution.conv2d_adjoint_w(x, g, w.shape[2:], *options)
    for a, b in zip((x, w, g, bias), kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_kernel_without_output_channels_adds_up_to_zeros():
    w, options = np.zeros((0, 2, 2, 2)), ((2, 1), (1, 0), (1, 2), 1)
    y = convolution.conv2d_plain(np.ones((1, 2, 4, 4)), w, None, *options)
    back = convolution.conv2d_adjoint_x_plain(y, w, (4, 4), *options)
    np.testing.assert_array_equal(back, np.zeros((1, 2, 4, 4)))
