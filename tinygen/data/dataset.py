"""Data sets of images, and conversions of images.

The dtype alone determines the range of pixels: ``bool`` images are 0 and 1, ``uint8`` images 0 (black) to 255 (white),
and floating-point images have the range that the function which takes them states. No function infers a range from the
values. Images of other dtypes are refused.
"""

import hashlib
from functools import cache
from typing import Annotated, Any, overload

import numpy as np
from numpy.typing import DTypeLike

from tinygen import backend
from tinygen.checks import PIXELS, Count, Natural, Rule, checked
from tinygen.validation import shown

BLOCK = 1_000  # images whose random numbers are in memory at a time
BLACK_AND_WHITE = {"bool": (0.0, 1.0), "uint8": (0.0, 255.0)}  # by dtype

Labels = Annotated[
    np.ndarray, Rule("whole numbers (N,)", lambda labels: labels.ndim == 1 and labels.dtype.kind in "biu")
]
SQUARES = Rule(
    "uint8 squares (N, C, H, H)", lambda a: a.dtype == np.uint8 and a.ndim == 4 and 0 < a.shape[2] == a.shape[3]
)
Uint8Images = Annotated[np.ndarray, Rule("uint8 from 0 to 255", lambda images: images.dtype == np.uint8)]


class Dataset:
    """Images with their labels: ``images`` (N, C, H, W), ``labels`` (N,) or None, the set's ``name`` and ``split``.

    ``dataset[3]`` is a pair (image, label); a slice, an array of indices or a mask gives a ``Dataset`` of these images.
    Raises ``ValueError`` unless the labels are whole numbers, one per image, and ``IndexError`` for an invalid index.
    """

    @checked
    def __init__(
        self,
        images: Annotated[np.ndarray, Rule("an array (N, C, H, W)", lambda images: images.ndim > 0)],
        labels: Labels | None = None,
        name: str = "",
        split: str = "",
    ) -> None:
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"Dataset: {len(images):,} images have {len(labels):,} labels, expected one each")
        self.images = images
        self.labels: np.ndarray | Any = labels  # or None, which a type checker need not see
        self.name = name
        self.split = split

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray | None]: ...

    @overload
    def __getitem__(self, index: slice | np.ndarray | list[Any]) -> "Dataset": ...

    def __getitem__(self, index: Any) -> Any:
        if index is None or isinstance(index, (bool, np.bool_, str)):
            raise IndexError(
                f"Dataset: an index must be a whole number, a slice, indices or a mask, got {shown(index)}"
            )
        try:
            images, labels = self.images[index], None if self.labels is None else self.labels[index]
        except IndexError as error:
            raise IndexError(f"Dataset: no image {shown(index)} among {len(self):,}: {error}") from None
        if isinstance(index, int | np.integer):
            return images, labels
        return Dataset(images, labels, self.name, self.split)

    def binarized(self) -> "Dataset":
        """The data set with its images binarised by ``binarize``, seed 0."""
        return Dataset(binarize(self.images), self.labels, self.name, self.split)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of images and labels with their dtypes and shapes; equal for equal data."""
        checksum = hashlib.sha256()
        for array in (self.images, self.labels):
            if array is not None:
                checksum.update(f"{array.dtype} {array.shape}".encode())
                checksum.update(np.ascontiguousarray(array).data)
        return checksum.hexdigest()

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self.split!r}, images {self.images.shape} {self.images.dtype})"


@checked
def evenly_spaced(
    images: Annotated[np.ndarray, Rule("an array (N, ...)", lambda a: a.ndim > 0)], count: Count | None
) -> np.ndarray:
    """``count`` of ``images`` (N, ...) at evenly spaced indices (all if None or if there are fewer). Of a set that is
    sorted by its labels, such as the test images of binarised MNIST, these include all classes."""
    if count is None or count >= len(images):
        return images
    return images[np.arange(count) * len(images) // count]


@checked
def binarize(images: Annotated[np.ndarray, PIXELS], seed: Natural = 0) -> np.ndarray:
    """Grey images, uint8 (N, C, H, W), as bool images for a Bernoulli model: each pixel is 1 with probability grey /
    255 (Salakhutdinov and Murray 2008). Bool images are returned as they are.

    The result depends on ``seed`` alone and leaves the library's generator unchanged, so every epoch and every run has
    the same binary images. Raises ``ValueError`` for images of another dtype.
    """
    if images.dtype == bool:
        return images
    if images.dtype != np.uint8:
        raise ValueError(f"binarize: images must be uint8 greys from 0 to 255, or bool, got {shown(images)}")
    binary = np.empty_like(images, bool)
    with backend.fixed_seed(seed):
        for first in range(0, len(images), BLOCK):
            grey = images[first : first + BLOCK]
            # u < grey / 255 for u uniform in [0, 1): never at grey 0, always at grey 255
            binary[first : first + BLOCK] = 255 * backend.generator().random(grey.shape, np.float32) < grey
    return binary


def as_numbers(images: np.ndarray, value_range: tuple[float, float], dtype: DTypeLike) -> np.ndarray:
    """Images (N, ...) as floating-point numbers of ``dtype``: bool and uint8 images mapped to ``value_range`` (black,
    white), floating-point images unchanged."""
    numbers = images.astype(dtype)
    if images.dtype.kind == "f":
        return numbers
    (black, white), (low, high) = BLACK_AND_WHITE[images.dtype.name], value_range
    return low + (high - low) * ((numbers - black) / (white - black))


@checked
def to_tanh_range(images: Uint8Images) -> np.ndarray:
    """``x / 127.5 - 1`` of uint8 ``images``, any shape: float32 in [-1, 1], the range of a tanh.

    Raises ``ValueError`` for images of another dtype.
    """
    return images.astype(np.float32) / np.float32(127.5) - 1


@checked
def as_bytes(
    images: Annotated[np.ndarray, Rule("floating point in [-1, 1]", lambda a: a.dtype.kind == "f")],
) -> np.ndarray:
    """The inverse of ``to_tanh_range``: ``images``, floating-point pixels in [-1, 1], any shape, as the nearest uint8,
    clipped to 0 and 255.

    Raises ``ValueError`` for another dtype, NaN and infinity.
    """
    if not np.isfinite(images).all():
        raise ValueError("as_bytes: images hold NaN or infinity, expected numbers in [-1, 1]")
    return np.rint((images.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


@checked
def resized(images: Annotated[np.ndarray, SQUARES], side: Count) -> np.ndarray:
    """Square images, uint8 (N, C, H, H), resized to (N, C, side, side) by a triangle filter with anti-aliasing.

    Each new pixel is a mean of old ones, with weights that fall linearly with the distance of their centres to 0 at the
    width of the larger of the two pixels: bilinear interpolation for enlargement, an average over all old pixels for
    reduction. The filter is separable, so it is one matrix product per axis.

    Raises ``ValueError`` for images that are not uint8 squares, or a ``side`` below 1.
    """
    weights = _triangle(images.shape[2], side)
    return np.rint(weights @ images.astype(np.float32) @ weights.T).astype(np.uint8)


@cache
def _triangle(before: int, after: int) -> np.ndarray:
    """The (after, before) matrix of the filter; each row sums to 1."""
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale
    distances = np.abs(centres[:, None] - (np.arange(before) + 0.5)) / max(scale, 1.0)
    weights = np.maximum(0, 1 - distances)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
