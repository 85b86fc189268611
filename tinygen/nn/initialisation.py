"""Initial weights.

PyTorch draws weights and biases from U(-b, b) with b = 1 / sqrt(fan_in), fan_in the number of inputs that an output
sums up. It keeps sums of order 1 whatever the width, and it is what published results of such models started from.
DCGAN began at one narrow normal for all weights, and left the scale of the sums to the normalisation.
"""

import math

import numpy as np

from tinygen import backend
from tinygen.nn.module import Module, Parameter, required_module
from tinygen.validation import number_from


def uniform(shape: tuple[int, ...], fan_in: int) -> Parameter:
    """Weights from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
    return Parameter(backend.generator().uniform(-bound, bound, shape).astype(np.float32))


def normal_weights(module: Module, standard_deviation: float) -> None:
    """Draw all weights of ``module`` that are matrices or kernels anew, from N(0, standard_deviation^2); biases, and
    the scales and shifts of a normalisation, stay as they are (Radford et al. 2016, section 4)."""
    number_from("normal_weights", "standard_deviation", standard_deviation, 0)
    for parameter in required_module("normal_weights", module).parameters():
        if parameter.ndim > 1:
            drawn = backend.generator().normal(0.0, standard_deviation, parameter.shape)
            parameter.data = backend.copy_like(drawn, parameter.data)
