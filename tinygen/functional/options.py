"""Options of image operations: pairs (vertical, horizontal), and images with or without a batch axis."""

import operator
from typing import Any

from tinygen.autograd.tensor import Tensor
from tinygen.operations.shaping import expand_dims, squeeze
from tinygen.validation import described

Pair = tuple[int, int]


def pair(function: str, name: str, value: Any, *, minimum: int) -> Pair:
    """``value``, an integer or a pair, as (vertical, horizontal). Raises ``ValueError`` for anything else, and for
    numbers below ``minimum``."""
    if type(value) is int and value >= minimum:
        return value, value
    both = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    try:
        numbers = tuple([operator.index(number) for number in both])
    except TypeError:
        numbers = ()
    if len(numbers) not in (1, 2) or min(numbers) < minimum:
        given = value if isinstance(value, (tuple, list)) else described(value)
        raise ValueError(f"{function}: {name} must be a whole number from {minimum}, or a pair of them, got {given}")
    return numbers[0], numbers[-1]


def spatial_size(x: Tensor) -> Pair:
    """Height and width of images (N, C, H, W)."""
    return x.shape[2], x.shape[3]


def as_batch(function: str, x: Tensor) -> tuple[Tensor, bool]:
    """``x`` as a batch (N, C, H, W), and whether it was a single image (C, H, W); ``ValueError`` for other shapes."""
    if x.ndim not in (3, 4):
        raise ValueError(f"{function}: expects images (N, C, H, W) or one image (C, H, W), got shape {x.shape}")
    return (expand_dims(x, 0), True) if x.ndim == 3 else (x, False)


def unbatch(y: Tensor, single: bool) -> Tensor:
    """``y`` without its batch axis, if the input was a single image."""
    return squeeze(y, 0) if single else y
