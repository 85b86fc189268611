"""Dropout: units set to 0 at random, so that a network does not depend on single ones (Srivastava et al. 2014).

The random numbers are drawn on the CPU from the library's generator, so a seed gives the same mask on every device.
"""

import math

import numpy as np

from tinygen import backend, ranks
from tinygen.autograd.operands import real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array
from tinygen.operations.arithmetic import where
from tinygen.validation import number, truth_value


def _drop(name: str, x: Tensor, p: float, training: bool, shape: tuple[int, ...]) -> Tensor:
    p = number(name, "p", p)
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be a probability, got {p}")
    if not truth_value(name, "training", training) or p == 0:
        return x

    def draw(shape: tuple[int, ...]) -> Array:
        return (backend.generator().random(math.prod(shape), dtype=np.float32) >= p).reshape(shape)

    kept = Tensor(backend.to_device(ranks.drawn(draw, shape), x.device))
    return where(kept, x * (1 / (1 - p) if p < 1 else 0.0), 0.0)


@real_operands("x")
def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each element of x (any shape) is set to 0 with probability ``p`` and otherwise divided by ``1 - p``, so that its
    expectation is unchanged; ``x`` itself if not ``training``. Raises ``ValueError`` for a ``p`` outside [0, 1]."""
    return _drop("dropout", x, p, training, x.shape)


@real_operands("x")
def dropout2d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """``dropout`` of whole feature maps: x (N, C, ...), each channel of each image is set to 0 or kept. Raises
    ``ValueError`` for fewer than two axes and for a ``p`` outside [0, 1]."""
    if x.ndim < 2:
        raise ValueError(f"dropout2d: expects images (N, C, H, W), got shape {x.shape}")
    return _drop("dropout2d", x, p, training, (*x.shape[:2], *(1,) * (x.ndim - 2)))
