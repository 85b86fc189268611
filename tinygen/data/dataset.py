"""What a data set is to the rest of the library: images, labels where there are any, and where they are from."""

import hashlib
from typing import overload

import numpy as np

from tinygen import backend

BLOCK = 1_000  # images whose random numbers are in memory at a time


class Dataset:
    """Images with their labels: ``images`` (N, C, H, W), ``labels`` (N,) or None, the set's ``name`` and ``split``.

    ``dataset[3]`` is a pair (image, label); a slice, an array of indices or a mask gives a smaller ``Dataset``.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray | None = None, name: str = "", split: str = "") -> None:
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"Dataset: {len(images):,} images have {len(labels):,} labels, expected one each")
        self.images = images
        self.labels = labels
        self.name = name
        self.split = split

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray | None]: ...

    @overload
    def __getitem__(self, index: slice | np.ndarray | list) -> "Dataset": ...

    def __getitem__(self, index):
        images, labels = self.images[index], None if self.labels is None else self.labels[index]
        if isinstance(index, int | np.integer):
            return images, labels
        return Dataset(images, labels, self.name, self.split)

    def binarized(self) -> "Dataset":
        """The same with the images as ``binarize`` draws them from its own seed: 0/1 images stay what they are."""
        return Dataset(binarize(self.images), self.labels, self.name, self.split)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of images and labels, with their types and shapes: equal data have the same."""
        checksum = hashlib.sha256()
        for array in (self.images, self.labels):
            if array is not None:
                checksum.update(f"{array.dtype} {array.shape}".encode())
                checksum.update(np.ascontiguousarray(array).data)
        return checksum.hexdigest()

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self.split!r}, images {self.images.shape} {self.images.dtype})"


def spread(images: np.ndarray, count: int | None) -> np.ndarray:
    """``count`` of ``images`` at equal distances (all where None, or where there are no more): of a set that comes
    sorted by its labels, as the binarised MNIST's test images do, some of each kind."""
    if count is None or count >= len(images):
        return images
    return images[np.arange(count) * len(images) // count]


def binarize(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Grey images as 0/1 images for a Bernoulli model: each pixel is 1 with probability grey / 255.

    Drawn once, from ``seed`` alone (the library's generator goes on as if nothing had been drawn), so that every epoch
    and every run sees the same binary images (Salakhutdinov and Murray 2008). Images that hold only 0 and 1 are
    returned as they are.

    Args:
        images: (N, C, H, W), uint8 greys from 0 to 255, or of any type with only 0 and 1 in it.

    Returns:
        uint8 (N, C, H, W) of 0 and 1.

    Raises:
        ValueError: images that are neither.
    """
    if ((images == 0) | (images == 1)).all():
        return images
    if images.dtype != np.uint8:
        raise ValueError(f"binarize: images are {images.dtype} greys, expected uint8 from 0 to 255")
    binary = np.empty_like(images)
    with backend.fixed_seed(seed):
        for first in range(0, len(images), BLOCK):
            grey = images[first : first + BLOCK]
            # u < grey / 255 for u uniform in [0, 1): never at grey 0, always at grey 255
            binary[first : first + BLOCK] = 255 * backend.generator().random(grey.shape, np.float32) < grey
    return binary


def centred(images: np.ndarray) -> np.ndarray:
    """uint8 greys and colours from 0 to 255 as float32 numbers in [-1, 1], which a tanh can reach: x / 127.5 - 1.

    Raises ``ValueError`` for images of another type.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"centred: images are {images.dtype}, expected uint8 from 0 to 255")
    return images.astype(np.float32) / np.float32(127.5) - 1


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Numbers in [-1, 1] as the nearest of the 256 greys that ``centred`` makes of uint8; beyond, black or white.

    Raises ``ValueError`` where one is NaN or infinite.
    """
    if not np.isfinite(images).all():
        raise ValueError("as_bytes: images hold NaN or infinity, expected numbers in [-1, 1]")
    return np.rint((images.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
