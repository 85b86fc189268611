"""One form for the options of image operations: a number or a pair becomes a pair (vertical, horizontal)."""

import operator
from typing import Any

from tinygen.autograd.tensor import Tensor
from tinygen.operations.shaping import expand_dims, squeeze
from tinygen.validation import described

Pair = tuple[int, int]


def pair(function: str, name: str, value: Any, *, minimum: int) -> Pair:
    """``value`` as (vertical, horizontal), each a whole number from ``minimum``; else a ``ValueError``."""
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


def plane(x: Tensor) -> Pair:
    """Height and width of images (N, C, H, W)."""
    return x.shape[2], x.shape[3]


def as_batch(function: str, x: Tensor) -> tuple[Tensor, bool]:
    """``x`` as a batch of images (N, C, H, W), and whether it was one image (C, H, W) without the batch axis."""
    if x.ndim not in (3, 4):
        raise ValueError(f"{function}: expects images (N, C, H, W) or one image (C, H, W), got shape {x.shape}")
    return (expand_dims(x, 0), True) if x.ndim == 3 else (x, False)


def as_given(y: Tensor, single: bool) -> Tensor:
    """``y`` without its batch axis, if the input had none."""
    return squeeze(y, 0) if single else y
