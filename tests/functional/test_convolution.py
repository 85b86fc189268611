"""Convolution and transposed convolution against sums written out as loops, and what they refuse."""

import itertools

import numpy as np
import pytest

import tinygen as tg
import tinygen.functional as F

NUMBERS = np.random.default_rng(0)


def convolved(x, w, bias, stride, padding, dilation, groups):
    """y[n, o, r, c] = b[o] + sum of w[o, k, i, j] x[n, k, s r + d i - p, s c + d j - p], as it stands."""
    (N, C, H, W), (O, _, kh, kw) = x.shape, w.shape
    H_out = (H + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    W_out = (W + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((N, O, H_out, W_out))
    for o, r, c, i, j in itertools.product(range(O), range(H_out), range(W_out), range(kh), range(kw)):
        row, column = stride[0] * r + dilation[0] * i - padding[0], stride[1] * c + dilation[1] * j - padding[1]
        if 0 <= row < H and 0 <= column < W:
            first = o // (O // groups) * (C // groups)
            y[:, o, r, c] += x[:, first : first + C // groups, row, column] @ w[o, :, i, j]
    return y + bias[:, None, None]


def stamped(x, w, bias, stride, padding, output_padding, dilation, groups):
    """Every pixel of x stamps the kernel onto the result, ``stride`` apart; a border of ``padding`` is cut off."""
    (N, C, H, W), (_, O, kh, kw) = x.shape, w.shape
    height = (H - 1) * stride[0] + dilation[0] * (kh - 1) + 1 + output_padding[0]
    width = (W - 1) * stride[1] + dilation[1] * (kw - 1) + 1 + output_padding[1]
    y = np.zeros((N, O * groups, height, width))
    for c, r, s, i, j in itertools.product(range(C), range(H), range(W), range(kh), range(kw)):
        group = c // (C // groups)
        place = (slice(group * O, (group + 1) * O), stride[0] * r + dilation[0] * i, stride[1] * s + dilation[1] * j)
        y[(slice(None), *place)] += x[:, c, r, s][:, None] * w[c, :, i, j]
    y = y[:, :, padding[0] : height - padding[0], padding[1] : width - padding[1]]
    return y + bias[:, None, None]


CONVOLUTIONS = [
    # x, weight, stride, padding, dilation, groups
    ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 3, 5, 4), (4, 3, 3, 2), (1, 1), (0, 0), (1, 1), 1),
    ((1, 2, 7, 5), (3, 2, 3, 3), (2, 1), (1, 0), (1, 1), 1),
    ((2, 2, 5, 6), (2, 2, 2, 4), (1, 1), (2, 4), (1, 1), 1),
    ((3, 1, 8, 7), (2, 1, 3, 2), (3, 3), (1, 1), (1, 1), 1),
    ((2, 4, 6, 6), (6, 2, 2, 2), (1, 2), (1, 0), (2, 3), 2),
    ((1, 3, 4, 4), (6, 1, 3, 3), (1, 1), (1, 1), (1, 1), 3),
]


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_conv2d_is_the_sum_in_its_definition(x_shape, w_shape, stride, padding, dilation, groups):
    x, w, bias = (NUMBERS.normal(size=shape) for shape in (x_shape, w_shape, w_shape[:1]))
    y = F.conv2d(*map(tg.tensor, (x, w, bias)), stride, padding, dilation, groups)
    np.testing.assert_allclose(y.numpy(), convolved(x, w, bias, stride, padding, dilation, groups), atol=1e-12)


TRANSPOSED = [
    # x, weight, stride, padding, output_padding, dilation, groups
    ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), (0, 0), (0, 0), (1, 1), 1),
    ((2, 3, 3, 4), (3, 2, 3, 2), (2, 2), (0, 0), (0, 0), (1, 1), 1),
    ((1, 2, 3, 2), (2, 3, 4, 4), (2, 3), (1, 2), (1, 0), (1, 1), 1),
    ((2, 4, 2, 3), (4, 3, 2, 2), (1, 2), (1, 0), (0, 1), (3, 1), 2),
    ((1, 2, 3, 3), (2, 1, 3, 3), (1, 1), (3, 2), (0, 0), (2, 2), 1),
]


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "stride", "padding", "output_padding", "dilation", "groups"), TRANSPOSED
)
def test_conv_transpose2d_stamps_the_kernel(x_shape, w_shape, stride, padding, output_padding, dilation, groups):
    x, w, bias = (NUMBERS.normal(size=shape) for shape in (x_shape, w_shape, (w_shape[1] * groups,)))
    y = F.conv_transpose2d(*map(tg.tensor, (x, w, bias)), stride, padding, output_padding, groups, dilation)
    expected = stamped(x, w, bias, stride, padding, output_padding, dilation, groups)
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)


def test_output_padding_beyond_the_stride_has_its_gradients_too():
    x, w, bias = (NUMBERS.normal(size=shape) for shape in ((2, 2, 4, 4), (2, 2, 3, 2), (4,)))
    options = {"stride": (3, 2), "padding": (1, 2), "output_padding": (2, 3), "groups": 2, "dilation": 4}
    y = F.conv_transpose2d(*map(tg.tensor, (x, w, bias)), **options)
    np.testing.assert_allclose(y.numpy(), stamped(x, w, bias, (3, 2), (1, 2), (2, 3), (4, 4), 2), atol=1e-12)
    inputs = [tg.tensor(array, requires_grad=True) for array in (x, w, bias)]
    assert tg.gradgradcheck(lambda x, w, bias: F.conv_transpose2d(x, w, bias, **options), inputs)


def test_same_padding_keeps_the_size_and_puts_the_odd_pixel_behind():
    x, w = NUMBERS.normal(size=(1, 1, 5, 6)), NUMBERS.normal(size=(1, 1, 3, 4))
    y = F.conv2d(tg.tensor(x), tg.tensor(w), padding="same", dilation=(2, 1))
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 2)))
    np.testing.assert_allclose(y.numpy(), convolved(padded, w, np.zeros(1), (1, 1), (0, 0), (2, 1), 1), atol=1e-12)


def test_valid_padding_is_none():
    x, w = tg.tensor(NUMBERS.normal(size=(1, 1, 5, 5))), tg.tensor(NUMBERS.normal(size=(1, 1, 3, 3)))
    np.testing.assert_array_equal(F.conv2d(x, w, padding="valid").numpy(), F.conv2d(x, w, padding=0).numpy())


@pytest.mark.parametrize("function", [F.conv2d, F.conv_transpose2d])
def test_one_image_is_a_batch_of_one(function):
    x, w = tg.tensor(NUMBERS.normal(size=(2, 5, 5))), tg.tensor(NUMBERS.normal(size=(2, 2, 3, 3)))
    np.testing.assert_array_equal(function(x, w).numpy(), function(x[None], w).numpy()[0])


@pytest.mark.parametrize("function", [F.conv2d, F.conv_transpose2d])
def test_float32_stays_float32(function):
    x, w = tg.tensor(np.ones((1, 2, 5, 5), "float32")), tg.tensor(np.ones((2, 2, 3, 3), "float32"))
    assert function(x, w).dtype == np.float32


REFUSED = [
    ((64, 1, 28, 28), (8, 3, 3, 3), {}, "weight expects 3 input channels, x has 1"),
    ((1, 3, 8, 8), (8, 3, 3), {}, "weight must have 4 axes"),
    ((3, 8), (8, 3, 3, 3), {}, "expects images"),
    ((1, 4, 8, 8), (3, 2, 3, 3), {"groups": 2}, "groups must divide"),
    ((1, 3, 8, 8), (3, 3, 3, 3), {"groups": 0}, "groups must divide"),
    ((1, 3, 8, 8), (8, 3, 3, 3), {"stride": -1}, "stride must be a whole number from 1"),
    ((1, 3, 8, 8), (8, 3, 3, 3), {"stride": (1, 0)}, "stride must be a whole number from 1"),
    ((1, 3, 8, 8), (8, 3, 3, 3), {"padding": -1}, "padding must be a whole number from 0"),
    ((1, 3, 8, 8), (8, 3, 3, 3), {"padding": 0.5}, "padding must be a whole number from 0"),
    ((1, 3, 8, 8), (8, 3, 3, 3), {"padding": (1, 1, 1)}, "padding must be a whole number from 0, or a pair"),
    ((1, 3, 8, 8), (8, 3, 3, 3), {"dilation": 0}, "dilation must be a whole number from 1"),
    ((1, 3, 8, 8), (8, 3, 3, 3), {"padding": "reflect"}, "padding must be numbers, 'valid' or 'same'"),
    ((1, 3, 8, 8), (8, 3, 3, 3), {"padding": "same", "stride": 2}, "padding 'same' goes with stride 1"),
    ((1, 3, 2, 8), (8, 3, 3, 3), {}, "the kernel reaches over 3 pixels, the padded image has 2"),
]


@pytest.mark.parametrize(("x_shape", "w_shape", "options", "message"), REFUSED)
def test_conv2d_errors_name_what_does_not_fit(x_shape, w_shape, options, message):
    with pytest.raises(ValueError, match=f"conv2d: {message}"):
        F.conv2d(tg.zeros(x_shape), tg.zeros(w_shape), **options)


def test_conv2d_refuses_a_bias_of_another_length():
    with pytest.raises(ValueError, match=r"conv2d: bias must have shape \(8,\), got \(3,\)"):
        F.conv2d(tg.zeros(1, 3, 8, 8), tg.zeros(8, 3, 3, 3), tg.zeros(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_padding": 2, "stride": 2}, "output_padding .* must be smaller than stride"),
        ({"padding": 4}, "the result would have size"),
        ({"groups": 2}, "groups must divide"),
        ({"padding": "same"}, "padding must be a whole number"),
    ],
)
def test_conv_transpose2d_errors_name_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=f"conv_transpose2d: {message}"):
        F.conv_transpose2d(tg.zeros(1, 3, 4, 4), tg.zeros(3, 2, 3, 3), **options)
