"""Answers to the exercises of chapter 3."""

import numpy as np


# Exercise 1: sizes (*)
def conv_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def conv_transpose_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1


def same_padding(kernel, dilation=1):
    if dilation * (kernel - 1) % 2:
        raise ValueError(f"no padding keeps the size for kernel {kernel} and dilation {dilation}")
    return dilation * (kernel - 1) // 2


# Exercise 2: the matrix of a linear map (*)
def matrix_of(A, shape):
    return np.stack([A(unit.reshape(shape)).ravel() for unit in np.eye(int(np.prod(shape)))], axis=1)


# Exercise 3: first adjoints (*)
def shift_adjoint(y, s):
    return np.concatenate([y[s:], np.zeros(min(s, len(y)))])


def difference_adjoint(y):
    return np.concatenate([[0], y]) - np.concatenate([y, [0]])


def repeat_adjoint(y, times):
    return y.reshape(times, -1).sum(axis=0)


# Exercise 4: subsampling and padding (**)
def subsample_adjoint(y, stride, n):
    x = np.zeros(n)
    x[::stride] = y
    return x


def zero_pad_adjoint(y, before, after):
    return y[before : len(y) - after]


def reflect_pad_adjoint(y, p):
    n = len(y) - 2 * p
    x = np.zeros(n)
    np.add.at(x, np.pad(np.arange(n), p, mode="reflect"), y)
    return x


# Exercise 5: circular convolution (**)
def circular(x, w):
    return np.fft.ifft(np.fft.fft(x) * np.fft.fft(w)).real


def circular_adjoint_x(g, w):
    return np.fft.ifft(np.fft.fft(g) * np.fft.fft(w).conj()).real


def circular_adjoint_w(g, x):
    return circular_adjoint_x(g, x)


# Exercise 6: a convolution in one dimension (**)
def _slices(k, stride, outputs):
    return [slice(j, j + stride * (outputs - 1) + 1, stride) for j in range(k)]


def conv1d(x, w, stride=1):
    k = w.shape[2]
    outputs = (x.shape[1] - k) // stride + 1
    return sum(w[:, :, j] @ x[:, at] for j, at in enumerate(_slices(k, stride, outputs)))


def conv1d_input_grad(g, w, length, stride=1):
    x = np.zeros((w.shape[1], length))
    for j, at in enumerate(_slices(w.shape[2], stride, g.shape[1])):
        x[:, at] += w[:, :, j].T @ g
    return x


def conv1d_weight_grad(x, g, k, stride=1):
    return np.stack([g @ x[:, at].T for at in _slices(k, stride, g.shape[1])], axis=2)


# Exercise 7: resize-convolution as a transposed convolution (**)
def resize_kernel(w):
    # Along one axis v_i = sum over t in {0, 1} of w_{t + 2 - i}: v = R w with this matrix (4, 3).
    R = np.array([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return np.einsum("ia,jb,ocab->coij", R, R, w)


# Exercise 8: im2col and col2im (***)
def _windows(padded, kernel, stride):
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3), writeable=True)
    return windows[:, :, ::stride, ::stride]  # (N, C, H_out, W_out, kernel, kernel)


def im2col(x, kernel, stride, padding):
    p = (padding, padding)
    windows = _windows(np.pad(x, ((0, 0), (0, 0), p, p)), kernel, stride)
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * kernel**2, -1)


def col2im(columns, shape, kernel, stride, padding):
    N, C, H, W = shape
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    windows = _windows(padded, kernel, stride)
    values = columns.reshape(C, kernel, kernel, N, *windows.shape[2:4]).transpose(3, 0, 4, 5, 1, 2)
    for i, j in np.ndindex(kernel, kernel):
        windows[..., i, j] += values[..., i, j]
    return padded[:, :, padding : padding + H, padding : padding + W]
