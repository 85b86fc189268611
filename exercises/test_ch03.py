"""The tests of exercises/ch03.py."""

import sys
import time

import numpy as np
import pytest
from grade import answers

import tinygen as tg
import tinygen.functional as F

ch03 = answers("ch03")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def assert_adjoint(A, adjoint, shape):
    """<A x, y> = <x, A* y> for three pairs of random x and y."""
    for seed in range(3):
        x = normal(*shape, seed=seed)
        Ax = A(x)
        y = normal(*Ax.shape, seed=10 + seed)
        back = adjoint(y)
        assert back.shape == x.shape
        assert np.isclose((Ax * y).sum(), (x * back).sum(), rtol=1e-9, atol=1e-9)


OPTIONS = [(3, 1, 0, 1), (3, 1, 1, 1), (4, 2, 1, 1), (3, 2, 1, 1), (3, 2, 2, 2), (5, 3, 2, 1), (2, 3, 0, 1)]


@pytest.mark.parametrize("options", OPTIONS)
def test_1_sizes_are_those_of_the_library(options):
    kernel, stride, padding, dilation = options
    more = {"stride": stride, "padding": padding, "dilation": dilation}
    for n in range(6, 13):
        y = F.conv2d(tg.ones(1, 1, n, n), tg.ones(1, 1, kernel, kernel), **more)
        assert ch03.conv_size(n, *options) == y.shape[2]
        x = F.conv_transpose2d(tg.ones(1, 1, n, n), tg.ones(1, 1, kernel, kernel), **more)
        assert ch03.conv_transpose_size(n, *options) == x.shape[2]


def test_1_same_padding():
    for kernel in range(1, 8):
        for dilation in (1, 2, 3):
            if dilation * (kernel - 1) % 2:
                with pytest.raises(ValueError):  # noqa: PT011
                    ch03.same_padding(kernel, dilation)
            else:
                p = ch03.same_padding(kernel, dilation)
                assert 20 + 2 * p - dilation * (kernel - 1) == 20


def test_2_matrices():
    factor = normal(4, 6)
    assert np.allclose(ch03.matrix_of(lambda x: factor @ x, (6,)), factor)
    assert np.array_equal(ch03.matrix_of(np.cumsum, (4,)), np.tril(np.ones((4, 4))))
    transpose = ch03.matrix_of(lambda x: x.T, (2, 3))
    x = normal(2, 3)
    assert np.array_equal(transpose @ x.ravel(), x.T.ravel())
    assert np.array_equal(transpose.T @ transpose, np.eye(6))  # a permutation


def test_3_shift():
    for s in (0, 1, 3):
        assert_adjoint(
            lambda x, s=s: np.concatenate([np.zeros(s), x[: len(x) - s]]), lambda y, s=s: ch03.shift_adjoint(y, s), (7,)
        )


def test_3_difference():
    assert_adjoint(np.diff, ch03.difference_adjoint, (7,))
    assert np.allclose(ch03.difference_adjoint(np.ones(4)), [-1, 0, 0, 0, 1])


def test_3_repetition():
    assert_adjoint(lambda x: np.tile(x, 3), lambda y: ch03.repeat_adjoint(y, 3), (4,))


@pytest.mark.parametrize(("n", "stride"), [(7, 1), (7, 2), (8, 2), (8, 3), (9, 4)])
def test_4_subsampling(n, stride):
    assert_adjoint(lambda x: x[::stride], lambda y: ch03.subsample_adjoint(y, stride, n), (n,))


@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 3), (1, 2)])
def test_4_zero_padding(before, after):
    assert_adjoint(lambda x: np.pad(x, (before, after)), lambda y: ch03.zero_pad_adjoint(y, before, after), (5,))


@pytest.mark.parametrize("p", [0, 1, 3])
def test_4_reflection_padding(p):
    assert_adjoint(lambda x: np.pad(x, p, mode="reflect"), lambda y: ch03.reflect_pad_adjoint(y, p), (5,))


def test_5_the_value():
    x, w = normal(6), normal(6, seed=1)
    expected = [sum(w[j] * x[(i - j) % 6] for j in range(6)) for i in range(6)]
    y = ch03.circular(x, w)
    assert y.dtype == np.float64
    assert np.allclose(y, expected)


def test_5_both_adjoints():
    fixed = normal(9, seed=5)
    assert_adjoint(lambda x: ch03.circular(x, fixed), lambda g: ch03.circular_adjoint_x(g, fixed), (9,))
    assert_adjoint(lambda w: ch03.circular(fixed, w), lambda g: ch03.circular_adjoint_w(g, fixed), (9,))
    assert np.linalg.norm(ch03.circular_adjoint_x(np.eye(9)[0], fixed)) > 0.1


def test_5_it_is_fast():
    x, w = normal(2**17), normal(2**17, seed=1)
    start = time.perf_counter()
    ch03.circular(x, w)
    assert time.perf_counter() - start < 5  # sums over pairs would take minutes or 100 GB


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_6_the_value_is_the_librarys(stride):
    x, w = normal(3, 11), normal(4, 3, 5, seed=1)
    images, kernels = tg.tensor(x[None, :, None, :].copy()), tg.tensor(w[:, :, None, :].copy())
    expected = F.conv2d(images, kernels, stride=(1, stride)).numpy()[0, :, 0]
    assert np.allclose(ch03.conv1d(x, w, stride), expected)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_6_both_adjoints(stride):
    x, w = normal(3, 11), normal(4, 3, 5, seed=1)
    assert_adjoint(lambda x: ch03.conv1d(x, w, stride), lambda g: ch03.conv1d_input_grad(g, w, 11, stride), x.shape)
    assert_adjoint(lambda w: ch03.conv1d(x, w, stride), lambda g: ch03.conv1d_weight_grad(x, g, 5, stride), w.shape)


def test_7_the_two_layers_agree_for_every_image():
    w = normal(3, 2, 3, 3)
    v = ch03.resize_kernel(w)
    assert v.shape == (2, 3, 4, 4)
    for seed in range(3):
        x = tg.tensor(normal(2, 2, 5, 4, seed=seed))
        resized = F.conv2d(F.upsample_nearest2d(x, scale_factor=2), tg.tensor(w), padding=1)
        assert np.allclose(F.conv_transpose2d(x, tg.tensor(v), stride=2, padding=1).numpy(), resized.numpy())


def test_7_every_phase_has_the_same_sum():
    v = ch03.resize_kernel(normal(1, 1, 3, 3))[0, 0]
    sums = [v[i::2, j::2].sum() for i in (0, 1) for j in (0, 1)]
    assert np.allclose(sums, sums[0])  # so constant images stay constant
    assert abs(sums[0]) > 1e-3


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 0), (3, 1, 1), (2, 2, 0), (4, 2, 1), (3, 2, 2)])
def test_8_the_product_is_the_convolution(kernel, stride, padding):
    x, w = normal(2, 3, 7, 6), normal(5, 3, kernel, kernel, seed=1)
    expected = F.conv2d(tg.tensor(x), tg.tensor(w), stride=stride, padding=padding).numpy()
    columns = ch03.im2col(x, kernel, stride, padding)
    y = (w.reshape(5, -1) @ columns).reshape(5, 2, *expected.shape[2:]).swapaxes(0, 1)
    assert np.allclose(y, expected)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 0), (3, 1, 1), (2, 2, 0), (4, 2, 1), (3, 2, 2)])
def test_8_col2im_is_the_adjoint(kernel, stride, padding):
    shape = (2, 3, 7, 6)
    assert_adjoint(
        lambda x: ch03.im2col(x, kernel, stride, padding),
        lambda columns: ch03.col2im(columns, shape, kernel, stride, padding),
        shape,
    )


def python_steps(function, *arguments):
    """The number of bytecode instructions that Python executes in ``function(*arguments)``, and the result."""
    steps = 0

    def trace(frame, event, _):
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = function(*arguments)
    finally:
        sys.settrace(before)
    return steps, result


def test_8_no_loop_over_pixels():
    x = normal(2, 2, 64, 64)
    steps, columns = python_steps(ch03.im2col, x, 3, 1, 1)
    assert steps < 30_000  # a loop over 4,096 pixels takes more than 60,000
    steps, _ = python_steps(ch03.col2im, columns, x.shape, 3, 1, 1)
    assert steps < 30_000
