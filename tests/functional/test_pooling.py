"""Pooling against windows written out as loops, and what it refuses."""

import itertools
import math

import numpy as np
import pytest

import tinygen as tg
import tinygen.functional as F

NUMBERS = np.random.default_rng(0)


def windows(x, kernel_size, stride, padding, dilation=(1, 1), ceil_mode=False):
    """Yield each output position with the pixels of its window that lie in the image, and its extent (first, last)."""
    sizes = []
    for n, k, s, p, d in zip(x.shape[2:], kernel_size, stride, padding, dilation, strict=True):
        count = (n + 2 * p - d * (k - 1) - 1) / s + 1
        count = math.ceil(count) if ceil_mode else math.floor(count)
        sizes.append(count - 1 if ceil_mode and (count - 1) * s >= n + p else count)
    for r, c in itertools.product(*map(range, sizes)):
        rows, columns = (
            [s * at - p + d * tap for tap in range(k)]
            for at, k, s, p, d in zip((r, c), kernel_size, stride, padding, dilation, strict=True)
        )
        inside = [row for row in rows if 0 <= row < x.shape[2]], [col for col in columns if 0 <= col < x.shape[3]]
        yield (r, c), x[:, :, inside[0]][..., inside[1]], (rows, columns), sizes


CASES = [
    ((2, 3, 4, 6), (2, 2), (2, 2), (0, 0)),
    ((1, 1, 5, 7), (3, 2), (2, 3), (1, 1)),
    ((1, 2, 7, 4), (3, 4), (1, 2), (1, 2)),
    ((2, 1, 3, 3), (3, 3), (3, 3), (0, 1)),
    ((1, 1, 5, 4), (1, 2), (3, 3), (0, 1)),
]


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize(("shape", "kernel_size", "stride", "padding"), CASES)
def test_avg_pool2d_is_the_mean_of_each_window(shape, kernel_size, stride, padding, count_include_pad, ceil_mode):
    x = NUMBERS.normal(size=shape)
    y = F.avg_pool2d(tg.tensor(x), kernel_size, stride, padding, ceil_mode, count_include_pad).numpy()
    for (r, c), pixels, extent, sizes in windows(x, kernel_size, stride, padding, ceil_mode=ceil_mode):
        assert y.shape[2:] == tuple(sizes)
        counted = [
            sum(-p * count_include_pad <= at < n + p * count_include_pad for at in taps)
            for taps, n, p in zip(extent, shape[2:], padding, strict=True)
        ]
        expected = pixels.sum(axis=(2, 3)) / math.prod(counted)
        np.testing.assert_allclose(y[:, :, r, c], expected, atol=1e-12)


def test_divisor_override_divides_the_sum_of_each_window():
    x = tg.tensor(NUMBERS.normal(size=(1, 2, 4, 4)))
    whole = F.avg_pool2d(x, 2).numpy() * 4
    np.testing.assert_allclose(F.avg_pool2d(x, 2, divisor_override=-3).numpy(), whole / -3)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize(("shape", "kernel_size", "stride", "padding"), CASES[1:3])
def test_max_pool2d_is_the_largest_of_each_window(shape, kernel_size, stride, padding, dilation, ceil_mode):
    x = NUMBERS.normal(size=(*shape[:2], shape[2] + 5, shape[3] + 7))
    y = F.max_pool2d(tg.tensor(x), kernel_size, stride, padding, dilation, ceil_mode).numpy()
    for (r, c), pixels, _, sizes in windows(x, kernel_size, stride, padding, dilation, ceil_mode):
        assert y.shape[2:] == tuple(sizes)
        np.testing.assert_array_equal(y[:, :, r, c], pixels.max(axis=(2, 3), initial=-np.inf))


def test_padding_never_wins_over_negative_pixels():
    x = tg.tensor(-1 - NUMBERS.random((1, 1, 4, 4)))
    assert F.max_pool2d(x, 3, 1, 1).numpy().max() < 0


def test_a_dilated_window_of_padding_only_is_minus_infinity_and_has_no_gradient():
    x = tg.tensor(np.ones((1, 1, 1, 2)), requires_grad=True)
    y = F.max_pool2d(x, kernel_size=2, stride=1, padding=1, dilation=2)
    assert y.shape == (1, 1, 1, 2)
    np.testing.assert_array_equal(y.numpy(), np.full((1, 1, 1, 2), -np.inf))
    (gradient,) = tg.grad(y, x, tg.ones_like(y))
    np.testing.assert_array_equal(gradient.numpy(), np.zeros((1, 1, 1, 2)))


def test_of_equal_pixels_the_first_gets_the_gradient():
    x = tg.tensor(np.zeros((1, 1, 2, 4)), requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], [[1, 0, 1, 0], [0, 0, 0, 0]])


def test_overlapping_windows_add_up_their_gradients():
    x = tg.tensor([[[[0.0, 5.0, 1.0]]]], requires_grad=True)
    F.max_pool2d(x, (1, 2), 1).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy()[0, 0, 0], [0, 2, 0])


def test_nan_is_the_largest():
    x = tg.tensor([[[[1.0, float("nan"), 3.0, 4.0]]]])
    np.testing.assert_array_equal(F.max_pool2d(x, (1, 2)).numpy()[0, 0, 0], [np.nan, 4])


@pytest.mark.parametrize("function", [F.avg_pool2d, F.max_pool2d])
def test_the_stride_is_the_window_unless_given_and_one_image_is_a_batch_of_one(function):
    x = tg.tensor(NUMBERS.normal(size=(2, 6, 6)))
    assert function(x, (2, 3)).shape == (2, 3, 2)
    assert function(x, (2, 3), 1).shape == (2, 5, 4)
    np.testing.assert_array_equal(function(x, 2).numpy(), function(x[None], 2).numpy()[0])


@pytest.mark.parametrize("function", [F.avg_pool2d, F.max_pool2d])
@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((1, 1, 4, 4), {"kernel_size": 0}, "kernel_size must be a whole number from 1"),
        ((1, 1, 4, 4), {"kernel_size": 2, "stride": 0}, "stride must be a whole number from 1"),
        ((1, 1, 4, 4), {"kernel_size": 2, "padding": -1}, "padding must be a whole number from 0"),
        ((1, 1, 4, 4), {"kernel_size": 3, "padding": 2}, "padding .* must be at most half of kernel_size"),
        ((1, 1, 4, 4), {"kernel_size": 5}, "the window is larger than the padded image"),
        ((4, 4), {"kernel_size": 2}, "expects images"),
    ],
)
def test_pooling_errors_name_what_does_not_fit(function, shape, options, message):
    with pytest.raises(ValueError, match=f"{function.__name__}: {message}"):
        function(tg.zeros(shape), **options)


def test_avg_pool2d_refuses_to_divide_by_zero():
    with pytest.raises(ValueError, match="avg_pool2d: divisor_override must not be 0"):
        F.avg_pool2d(tg.zeros(1, 1, 4, 4), 2, divisor_override=0)
