"""Initial weights.

In PyTorch weights and biases are samples from U(-b, b) with b = 1 / sqrt(fan_in), where fan_in is the number of inputs
of an output. One layer then has outputs of order 1 at any width; with depth they shrink
(chapter 4 of the book). In DCGAN all weights are samples from one narrow normal
distribution, and the normalisation determines the scale of the outputs.
"""

import math

import numpy as np

from tinygen import backend
from tinygen.kernels.cpu.layout import store_parameter
from tinygen.nn.module import Module, Parameter, required_module
from tinygen.validation import number_from


def uniform(shape: tuple[int, ...], fan_in: int) -> Parameter:
    """Weights from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
    drawn = backend.generator().uniform(-bound, bound, shape).astype(np.float32)
    return Parameter(store_parameter(drawn))


def normal_weights(module: Module, standard_deviation: float) -> None:
    """Replace all weights of ``module`` with more than one axis (matrices and kernels) by samples from
    N(0, standard_deviation^2); biases, and scales and shifts of a normalisation, do not change (Radford et al. 2016,
    section 4). Raises ``TypeError`` or ``ValueError`` if ``standard_deviation`` is not a number from 0."""
    number_from("normal_weights", "standard_deviation", standard_deviation, 0)
    for parameter in required_module("normal_weights", module).parameters():
        if parameter.ndim > 1:
            drawn = backend.generator().normal(0.0, standard_deviation, parameter.shape)
            parameter.data = backend.copy_like(drawn, parameter.data)
