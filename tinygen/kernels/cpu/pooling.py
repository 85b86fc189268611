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
    """One look-up in the stored order."""
    return as_nchw(to_hcwn(x).reshape(-1)[_stored_positions(indices, x.shape[3])])


def scatter_add2d(g: np.ndarray, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One weighted histogram of the stored positions."""
    (N, C), (H, W) = g.shape[:2], size
    sums = np.bincount(_stored_positions(indices, W).reshape(-1), to_hcwn(g).reshape(-1), N * C * H * W)
    return as_nchw(sums.astype(g.dtype).reshape(H, C, W, N))


def _stored_positions(indices: np.ndarray, W: int) -> np.ndarray:
    """h W + w, (N, C, H_out, W_out) -> the positions of those pixels in (H, C, W, N) memory, (H_out, C, W_out, N)."""
    N, C = indices.shape[:2]
    indices = np.maximum(indices.transpose(2, 1, 3, 0), 0)
    rows_above = indices // W * (C - 1) + np.arange(C)[:, None, None]
    return (indices + rows_above * W) * N + np.arange(N)
