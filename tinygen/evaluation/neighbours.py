"""Does a model make images, or remember them? Each sample beside what it is nearest to among the training images."""

import numpy as np

from tinygen.data import centred

BLOCK = 2_000  # training images that are looked at together


def nearest(samples: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of ``samples`` (N, C, H, W) the nearest of ``images`` (M, C, H, W): its index and the distance to it.

    The distance is the root of the mean square of the pixels' differences, in their unit: (N,) and (N,). Samples in
    [-1, 1] may be compared with uint8 images as they lie in memory; those are then brought into [-1, 1] block by block.

    Raises ``ValueError`` where there is no image, or images and samples are not of one shape.
    """
    if samples.shape[1:] != images.shape[1:] or len(images) == 0:
        raise ValueError(
            f"nearest: samples {samples.shape} and images {images.shape} must be of one shape (C, H, W), with at least "
            "one image"
        )
    flat = samples.reshape(len(samples), -1).astype(np.float32)
    lengths = np.square(flat).sum(axis=1)
    best, least = np.zeros(len(samples), np.intp), np.full(len(samples), np.inf, np.float32)
    for first in range(0, len(images), BLOCK):
        block = images[first : first + BLOCK].reshape(-1, flat.shape[1])
        block = centred(block) if block.dtype == np.uint8 else block.astype(np.float32)
        squares = lengths[:, None] - 2 * flat @ block.T + np.square(block).sum(axis=1)
        index = squares.argmin(axis=1)
        found = squares[np.arange(len(samples)), index]
        best = np.where(found < least, first + index, best)
        least = np.minimum(found, least)
    return best, np.sqrt(least.clip(0) / flat.shape[1])
