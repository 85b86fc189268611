"""What convolution, pooling and resampling share: how images and kernels lie in memory, and what a window meets.

On a CPU images lie as (H, C, W, N), the batch innermost, under their usual shape (N, C, H, W): whatever is done to a
pixel is then done to as many numbers side by side as there are images, and rows that follow one another lie one behind
the other. Kernels lie as (O, kw, kh, C), under their usual shape (O, C, kh, kw): all that an output pixel sees, column
by column, is then one row of a matrix.
"""

from collections.abc import Sequence

import numpy as np

Pair = tuple[int, int]  # (vertical, horizontal)

PAGE = 4096  # bytes
AT_ONCE = 8  # images
REMEMBERED = 256  # shapes for which is kept what was thought out: for small arrays, thinking takes as long as doing


def lay(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) in any order -> contiguous (H, C, W, N); a view if it lies so already.

    Where images begin a multiple of a page from each other, the same pixel of all of them competes for the same few
    places in the cache, so they are copied a few at a time, in a third of the time.
    """
    seen = x.transpose(2, 1, 3, 0)
    apart = seen.strides[3]  # 0 if there is one image under all their names
    if seen.flags.c_contiguous or not apart or apart % PAGE:
        return np.ascontiguousarray(seen)
    y = np.empty(seen.shape, x.dtype)
    for first in range(0, len(x), AT_ONCE):
        y[..., first : first + AT_ONCE] = seen[..., first : first + AT_ONCE]
    return y


def images(y: np.ndarray) -> np.ndarray:
    """(H, C, W, N) -> (N, C, H, W), a view."""
    return y.transpose(3, 1, 0, 2)


def laid_like(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """x, if ``like`` are images of its shape that lie as here and x does not, then a copy of it that does."""
    if x.ndim != 4 or x.shape != like.shape or x.strides == like.strides:
        return x
    return images(lay(x)) if like.transpose(2, 1, 3, 0).flags.c_contiguous else x


def lay_kernel(w: np.ndarray) -> np.ndarray:
    """(O, C, kh, kw) in any order -> contiguous (O, kw, kh, C); a view if it lies so already."""
    return np.ascontiguousarray(w.transpose(0, 3, 2, 1))


def as_kernel(w: np.ndarray) -> np.ndarray:
    """(O, kw, kh, C) -> (O, C, kh, kw), a view."""
    return w.transpose(0, 3, 2, 1)


def empty_kernel(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Room for a kernel of ``shape`` (O, C, kh, kw), in its order in memory; not a view, so that what it will hold, a
    gradient, need not be copied to be kept."""
    O, C, kh, kw = shape
    return np.empty_like(as_kernel(np.empty((O, kw, kh, C), dtype)))


def output_size(
    size: Sequence[int], kernel_size: Sequence[int], stride: Pair, padding: Pair, dilation: Pair = (1, 1)
) -> Pair:
    """How many windows fit the padded image, vertically and horizontally."""
    height, width = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation, strict=True)
    )
    return height, width


def taps(
    size: int, output_size: int, kernel_size: int, stride: int, padding: int, dilation: int = 1
) -> list[tuple[slice, slice]]:
    """For each of a window's taps along one direction: the output pixels it serves, and in step with them the input
    pixels it sees. Both are empty for a tap that sees nothing but padding."""
    pairs = []
    for tap in range(kernel_size):
        offset = dilation * tap - padding
        first = max(0, -(offset // stride))  # the first output pixel whose input pixel is not left of the image
        last = max(first, min(output_size, (size - 1 - offset) // stride + 1))
        start = first * stride + offset
        pairs.append((slice(first, last), slice(start, max(start, start + (last - first - 1) * stride + 1), stride)))
    return pairs
