"""Features of images: N vectors of D numbers that a network computes from N images, and their mean and covariance.

The features are read once, in blocks, so they need not fit into memory (Chan, Golub and LeVeque 1983, eq. 2.1). With
``m`` features before a block and ``n`` in it, ``d`` the difference of the two means, and ``S`` the sum of the outer
products of the deviations from the mean,

    S = S_before + S_block + m n / (m + n) d d^T

Deviations are taken from the mean of the block before they are multiplied, so there is no cancellation between the mean
of squares and the square of the mean.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np

from tinygen.autograd.tensor import Tensor
from tinygen.checks import PIXELS, Count, as_array, checked, has_axes
from tinygen.kernels.products import matmul
from tinygen.models.classifier import Classifier
from tinygen.models.placement import in_batches
from tinygen.training.classifier import as_input
from tinygen.validation import shown

BLOCK = 1024  # features processed at a time


class Moments(NamedTuple):
    """The number of ``images`` N, the ``mean`` (D,) of their features and the ``covariance`` (D, D), divided by N - 1;
    float64."""

    images: int
    mean: np.ndarray
    covariance: np.ndarray


def blocks(argument: str, features: Iterable[Any]) -> Iterator[np.ndarray]:
    """Vectors (D,) and batches (B, D), arrays or tensors, as blocks (BLOCK, D) in float64; only the last is smaller.

    The blocks do not depend on the sizes of the batches. All are in the same memory; the caller may overwrite them.
    Raises, naming ``argument``, ``TypeError`` where ``features`` is not iterable, and ``ValueError`` for other shapes,
    values that are not real numbers, NaN and infinity.
    """
    block, filled, seen = np.empty((0, 0)), 0, 0
    whole = isinstance(features, (np.ndarray, Tensor)) and features.ndim == 2
    if not whole and (not isinstance(features, Iterable) or isinstance(features, (str, bytes, Mapping))):
        raise TypeError(f"{argument} expects an iterator of features, got {shown(features)}")
    for given in [features] if whole else features:
        batch = as_array(given)
        if batch.ndim not in (1, 2) or batch.shape[-1] == 0 or batch.dtype.kind not in "fiub":
            raise ValueError(
                f"{argument} expects vectors (D,) or batches (B, D) of real numbers, got {batch.dtype} {batch.shape}"
            )
        batch = batch.reshape(-1, batch.shape[-1])
        if seen == filled == 0:
            block = np.empty((BLOCK, batch.shape[1]))
        if batch.shape[1] != block.shape[1]:
            raise ValueError(f"{argument} expects {block.shape[1]} features per image, as before, got {batch.shape[1]}")
        while len(batch):
            taken = min(len(batch), BLOCK - filled)
            block[filled : filled + taken] = batch[:taken]
            batch, filled = batch[taken:], filled + taken
            if filled == BLOCK:
                yield _finite(argument, block, seen)
                filled, seen = 0, seen + BLOCK
    if filled:
        yield _finite(argument, block[:filled], seen)


def _finite(argument: str, block: np.ndarray, seen: int) -> np.ndarray:
    """``block``, or a ``ValueError`` that names its first NaN or infinity."""
    finite = np.isfinite(block)
    if not finite.all():
        image, feature = np.argwhere(~finite)[0]
        raise ValueError(
            f"{argument} expects finite numbers, got {block[image, feature]} as feature {feature} of image "
            f"{seen + image}"
        )
    return block


def gather(argument: str, features: Iterable[Any], minimum: int = 2) -> np.ndarray:
    """All features in memory, (N, D) in float64; a ``ValueError`` where there are fewer than ``minimum``."""
    every = [block.copy() for block in blocks(argument, features)]
    check_count(argument, sum(map(len, every)), minimum)
    return np.concatenate(every)


def moments(argument: str, features: Iterable[Any]) -> Moments:
    """Number, mean and covariance of ``features`` in one pass, with memory for one block and two matrices (D, D).

    Raises ``ValueError`` for fewer than two, and the errors of ``blocks``.
    """
    count, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for block in blocks(argument, features):
        n, own_mean = len(block), block.mean(axis=0)
        block -= own_mean
        own_scatter = matmul(block.T, block)
        if count == 0:
            mean, scatter = own_mean, own_scatter
        else:
            delta = own_mean - mean
            mean += delta * (n / (count + n))
            own_scatter += np.outer(delta * (count * n / (count + n)), delta)
            scatter += own_scatter
        count += n
    check_count(argument, count, 2)
    scatter /= count - 1
    return Moments(count, mean, scatter)


def check_count(argument: str, count: int, minimum: int) -> None:
    """Raise ``ValueError`` for fewer than ``minimum`` images."""
    if count < minimum:
        raise ValueError(f"{argument} expects the features of {minimum} images or more, got {count}")


def check_same_features(caller: str, sample: int, other: int, name: str = "test_features") -> None:
    """Raise ``ValueError`` where the numbers of features per image differ."""
    if sample != other:
        raise ValueError(
            f"{caller}: sample_features and {name} expect as many features per image, got {sample} and {other}"
        )


@checked
def image_features(
    classifier: Classifier,
    images: Annotated[np.ndarray, has_axes("N, C, H, W", min_length=0), PIXELS],
    batch_size: Count = 500,
) -> Iterator[np.ndarray]:
    """``classifier.features`` of ``images`` (N, C, H, W), in order, as an iterator of arrays (batch_size, D), the last
    perhaps smaller; evaluation mode.

    uint8 and bool images are mapped to the classifier's ``pixel_range``; floating-point images must lie in it. Raises
    ``ValueError`` for images of another dtype, shape or range.
    """

    def features(some: np.ndarray) -> np.ndarray:
        return classifier.features(as_input(some, classifier, "image_features")).numpy()

    return in_batches(features, classifier, batch_size, images)
