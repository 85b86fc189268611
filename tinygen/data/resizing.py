"""Images of another size, without patterns that were not in them."""

from functools import cache
from typing import Annotated

import numpy as np

from tinygen.checks import Count, Rule, checked

SQUARES = Rule(
    "uint8 squares (N, C, H, H)", lambda a: a.dtype == np.uint8 and a.ndim == 4 and 0 < a.shape[2] == a.shape[3]
)


@checked
def resized(images: Annotated[np.ndarray, SQUARES], side: Count) -> np.ndarray:
    """Square greys or colours, uint8 (N, C, H, H), as (N, C, side, side): a triangle filter with anti-aliasing.

    Each new pixel is a mean over the old ones, weighed by how near their centres are. The triangle reaches as far as
    the larger of the two pixels is wide: where images grow that is bilinear interpolation, where they shrink every old
    pixel counts. Along either axis alike, so it is one product with a matrix from both sides.

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
