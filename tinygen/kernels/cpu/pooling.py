"""Pooling on a CPU: the threads share the channels of images stored as (H, C, W, N)."""

from collections.abc import Callable, Sequence

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu.layout import as_nchw, to_hcwn
from tinygen.kernels.cpu.parallel import parallel

PARALLEL_MIN_PIXELS = 100_000  # elements above which two threads were measured to be faster than one


def empty_images(shape: Sequence[int], like: Array) -> Array:
    """Uninitialised images of ``shape`` (N, C, H, W), with the array module and dtype of ``like``."""
    if not is_numpy(like):
        return array_module(like).empty(shape, like.dtype)
    N, C, H, W = shape
    return as_nchw(np.empty((H, C, W, N), like.dtype))


def for_channels(work: Callable[[int, int], None], x: Array) -> None:
    """Call ``work(first, last)`` on ranges of channels of x (N, C, H, W), on a CPU in all threads."""
    parallel(work, x.shape[1], when=is_numpy(x) and x.size >= PARALLEL_MIN_PIXELS)


def gather2d(x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """One look-up in memory, where pixel (h, w) of channel c of image n is at ((h C + c) W + w) N + n."""
    N, C, _, W = x.shape
    pixels = np.maximum(indices.transpose(2, 1, 3, 0), 0)
    rows_above = pixels // W * (C - 1) + np.arange(C)[:, None, None]
    return as_nchw(to_hcwn(x).reshape(-1)[(pixels + rows_above * W) * N + np.arange(N)])
