"""Initial weights.

PyTorch draws weights and biases from U(-b, b) with b = 1 / sqrt(fan_in), fan_in the number of inputs that an output
sums up. It keeps sums of order 1 whatever the width, and it is what published results of such models started from.
"""

import math

import numpy as np

from tinygen import backend
from tinygen.nn.module import Parameter


def uniform(shape: tuple[int, ...], fan_in: int) -> Parameter:
    """Weights from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
    return Parameter(backend.generator().uniform(-bound, bound, shape).astype(np.float32))
