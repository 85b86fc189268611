"""Exercises of chapter 3, Linear maps and adjoints (docs/3-linear-maps-and-adjoints.md).

Replace each ``raise NotImplementedError`` by an answer; ``python exercises/grade.py 3`` grades them. All arrays are
NumPy's. An adjoint is graded by its definition, <A x, y> = <x, A* y> for random x and y.
"""

from collections.abc import Callable

import numpy as np


# Exercise 1: sizes (*)
def conv_size(n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """The output size of a convolution of ``n`` pixels along one axis. Section "Convolution and its options"."""
    raise NotImplementedError


def conv_transpose_size(n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """The output size of a transposed convolution of ``n`` pixels along one axis (``output_padding`` 0): the smallest
    size that a convolution with these options maps to ``n``."""
    raise NotImplementedError


def same_padding(kernel: int, dilation: int = 1) -> int:
    """The padding with which a convolution of stride 1 keeps every size; raise ``ValueError`` if there is none."""
    raise NotImplementedError


# Exercise 2: the matrix of a linear map (*)
def matrix_of(A: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The matrix (m, n) of the linear map ``A``, from arrays of ``shape`` with n elements to arrays of m elements of
    any shape; elements are counted in C order. Column i is A of the i-th unit vector."""
    raise NotImplementedError


# Exercise 3: first adjoints (*)
def shift_adjoint(y: np.ndarray, s: int) -> np.ndarray:
    """The adjoint of A x = (0, ..., 0, x_0, ..., x_{n-s-1}), the shift by s >= 0 places to the right, n -> n."""
    raise NotImplementedError


def difference_adjoint(y: np.ndarray) -> np.ndarray:
    """The adjoint of ``np.diff``, (A x)_i = x_{i+1} - x_i, from n to n - 1 elements: y (n - 1,) -> (n,)."""
    raise NotImplementedError


def repeat_adjoint(y: np.ndarray, times: int) -> np.ndarray:
    """The adjoint of ``np.tile(x, times)``, x repeated as a whole: y (times n,) -> (n,)."""
    raise NotImplementedError


# Exercise 4: subsampling and padding (**)
def subsample_adjoint(y: np.ndarray, stride: int, n: int) -> np.ndarray:
    """The adjoint of A x = x[::stride] for x (n,): y (ceil(n / stride),) -> (n,)."""
    raise NotImplementedError


def zero_pad_adjoint(y: np.ndarray, before: int, after: int) -> np.ndarray:
    """The adjoint of ``np.pad(x, (before, after))`` for x (n,): y (before + n + after,) -> (n,)."""
    raise NotImplementedError


def reflect_pad_adjoint(y: np.ndarray, p: int) -> np.ndarray:
    """The adjoint of ``np.pad(x, p, mode="reflect")`` for x (n,), n > p: y (n + 2 p,) -> (n,).

    x = (a, b, c) with p = 2 becomes (c, b, a, b, c, b, a). Hint: each output is one input element; ``np.add.at``.
    """
    raise NotImplementedError


# Exercise 5: circular convolution (**)
def circular(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """y_i = sum_j w_j x_{(i - j) mod n} for x and w (n,), by ``np.fft.fft`` in O(n log n); a real array (n,)."""
    raise NotImplementedError


def circular_adjoint_x(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The adjoint of x -> circular(x, w), by the Fourier transform. Hint: a complex conjugate."""
    raise NotImplementedError


def circular_adjoint_w(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The adjoint of w -> circular(x, w), by the Fourier transform."""
    raise NotImplementedError


# Exercise 6: a convolution in one dimension (**)
def conv1d(x: np.ndarray, w: np.ndarray, stride: int = 1) -> np.ndarray:
    """y[o, r] = sum over c, j of w[o, c, j] x[c, stride r + j]: x (C, L), w (O, C, k) -> (O, (L - k) // stride + 1).

    Loop over the k kernel elements only, not over pixels or channels. Hint: ``np.einsum`` or ``@``.
    """
    raise NotImplementedError


def conv1d_input_grad(g: np.ndarray, w: np.ndarray, length: int, stride: int = 1) -> np.ndarray:
    """The adjoint of x -> conv1d(x, w, stride): g (O, L_out), w (O, C, k) -> (C, length)."""
    raise NotImplementedError


def conv1d_weight_grad(x: np.ndarray, g: np.ndarray, k: int, stride: int = 1) -> np.ndarray:
    """The adjoint of w -> conv1d(x, w, stride): x (C, L), g (O, L_out) -> (O, C, k)."""
    raise NotImplementedError


# Exercise 7: resize-convolution as a transposed convolution (**)
def resize_kernel(w: np.ndarray) -> np.ndarray:
    """The weight v (C, O, 4, 4) with which, for all images x,

        F.conv_transpose2d(x, v, stride=2, padding=1)
        = F.conv2d(F.upsample_nearest2d(x, scale_factor=2), w, padding=1)

    for w (O, C, 3, 3). Hint: begin in one dimension. Pixel r of x is pixels 2 r and 2 r + 1 after upsampling; which
    elements of w take them to output pixel 2 r + i - 1? Section "Transposed convolution, upsampling and checkerboard
    artefacts".
    """
    raise NotImplementedError


# Exercise 8: im2col and col2im (***)
def im2col(x: np.ndarray, kernel: int, stride: int, padding: int) -> np.ndarray:
    """x (N, C, H, W) -> columns (C kernel^2, N H_out W_out), rows in the order (C, i, j), columns in the order (N, r,
    c): element (i, j) of the window of output pixel (r, c) is pixel (stride r + i - padding, stride c + j - padding).

    No loop over pixels: loop over the kernel elements, or use ``sliding_window_view``. Section "im2col".
    """
    raise NotImplementedError


def col2im(columns: np.ndarray, shape: tuple[int, int, int, int], kernel: int, stride: int, padding: int) -> np.ndarray:
    """The adjoint of ``im2col``: columns -> x of ``shape`` (N, C, H, W). Loop over kernel elements, not over pixels."""
    raise NotImplementedError
