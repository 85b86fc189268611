"""Appendix: memory order of images and convolution kernels on a CPU.

Images of shape (N, C, H, W) are stored as (H, C, W, N), the batch innermost: element-wise work on a pixel runs over N
adjacent numbers, and any range of image rows is a matrix without a copy. Kernels of shape (O, C, kh, kw) are stored as
(O, kh, kw, C): all weights of an output channel are one row of a matrix, and those of some kernel rows a part of it.
The shapes that callers see are always (N, C, H, W) and (O, C, kh, kw); only the strides differ.
"""

from collections.abc import Sequence

import numpy as np

Array = np.ndarray  # the kernels of this folder take NumPy's arrays only
PAGE = 4096  # bytes: the stride at which the pixels of different images fall into the same cache sets
BATCH_TILE = 8  # images copied together at such a stride: a third of the time of one copy of the batch


def to_hcwn(x: Array) -> Array:
    """x (N, C, H, W) in any memory order -> contiguous (H, C, W, N); a view if x is stored so already."""
    y = x.transpose(2, 1, 3, 0)
    image_stride = y.strides[3]  # 0 for a broadcast batch
    if y.flags.c_contiguous or not image_stride or image_stride % PAGE:
        return np.ascontiguousarray(y)
    copy = np.empty(y.shape, x.dtype)
    for first in range(0, len(x), BATCH_TILE):
        copy[..., first : first + BATCH_TILE] = y[..., first : first + BATCH_TILE]
    return copy


def as_nchw(x: Array) -> Array:
    """x (H, C, W, N) -> (N, C, H, W), a view."""
    return x.transpose(3, 1, 0, 2)


def empty_images(shape: Sequence[int], dtype: np.dtype) -> Array:
    """Uninitialised images of ``shape`` (N, C, H, W) stored as (H, C, W, N)."""
    N, C, H, W = shape
    return as_nchw(np.empty((H, C, W, N), dtype))


def match_layout(x: Array, like: Array) -> Array:
    """A copy of x stored as (H, C, W, N) if ``like`` has the shape of x and is stored so and x is not; else x."""
    if x.ndim != 4 or x.shape != like.shape or x.strides == like.strides:
        return x
    return as_nchw(to_hcwn(x)) if like.transpose(2, 1, 3, 0).flags.c_contiguous else x


def to_gemm_kernel(w: Array) -> Array:
    """w (O, C, kh, kw) in any memory order -> contiguous (O, kh, kw, C); a view if w is stored so already."""
    return np.ascontiguousarray(w.transpose(0, 2, 3, 1))


def as_oihw(w: Array) -> Array:
    """w (O, kh, kw, C) -> (O, C, kh, kw), a view."""
    return w.transpose(0, 3, 1, 2)


def empty_gemm_kernel(shape: Sequence[int], dtype: np.dtype) -> Array:
    """An uninitialised kernel of ``shape`` (O, C, kh, kw) stored as (O, kh, kw, C). It owns its memory, so a gradient
    stored in it can be kept without a copy."""
    O, C, kh, kw = shape
    return np.empty_like(as_oihw(np.empty((O, kh, kw, C), dtype)))


def store_parameter(w: np.ndarray) -> np.ndarray:
    """w in the memory order in which the fast kernels read parameters: ``to_gemm_kernel`` for (O, C, kh, kw)."""
    return as_oihw(to_gemm_kernel(w)) if w.ndim == 4 else w
