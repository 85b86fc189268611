"""Initial weights.

Default, as in PyTorch: U(-b, b) with b = 1 / sqrt(fan_in), where fan_in is the number of inputs of each output, so that
the outputs have order 1 for every width. DCGAN used one narrow normal distribution for all weights.
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
    """Draw all weights of ``module`` with more than one axis from N(0, standard_deviation^2); biases, and the scales
    and shifts of batch normalisation, are not changed (Radford et al. 2016, section 4)."""
    number_from("normal_weights", "standard_deviation", standard_deviation, 0)
    for parameter in required_module("normal_weights", module).parameters():
        if parameter.ndim > 1:
            drawn = backend.generator().normal(0.0, standard_deviation, parameter.shape)
            parameter.data = backend.stored_like(drawn, parameter.data)
