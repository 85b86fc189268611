"""Element-wise functions of several steps: activation functions and their derivatives.

On a GPU each function is one kernel (``fused``).
"""

import numpy as np

from tinygen.backend import Array, array_module
from tinygen.kernels.cpu import elementwise as cpu
from tinygen.kernels.dispatch import fast_on_cpu, fused


def _floats(*arrays: Array, **options: Array) -> bool:
    return all(array.dtype.kind == "f" for array in arrays)


@fast_on_cpu(cpu.elu, when=lambda x, alpha: x.dtype == np.float32 and 0 < alpha <= 1)
@fused
def elu(x: Array, alpha: float) -> Array:
    """x where x > 0, else alpha (e^x - 1)."""
    xp = array_module(x)
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


@fast_on_cpu(cpu.elu_derivative, when=lambda g, y, alpha: _floats(g, y) and alpha == 1)
@fused
def elu_derivative(g: Array, y: Array, alpha: float) -> Array:
    """g times the derivative of elu at the x where its value is y: 1 where y > 0, else y + alpha (for alpha > 0)."""
    return g * array_module(y).where(y > 0, 1, y + alpha)


@fast_on_cpu(cpu.sigmoid, when=_floats)
@fused
def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x); where x < 0 computed as e^x / (1 + e^x), so that no exponential overflows."""
    xp, x = array_module(x), _as_floating(x)
    tail = xp.exp(-xp.abs(x))
    return xp.where(x < 0, tail, 1) / (tail + 1)


@fast_on_cpu(cpu.silu, when=_floats)
@fused
def silu(x: Array) -> Array:
    """x / (1 + e^-x), below -88 the value there, -5e-37: e^89 overflows in single precision."""
    xp = array_module(x)
    x = xp.maximum(x, -88)
    return x / (xp.exp(-x) + 1)


@fast_on_cpu(cpu.silu_derivative, when=lambda g, x, y: _floats(g, x, y) and g.dtype == x.dtype)
@fused
def silu_derivative(g: Array, x: Array, y: Array) -> Array:
    """g times the derivative of silu at x, where its value is y: s + y (1 - s) with the sigmoid s of x."""
    xp = array_module(x)
    s = 1 / (xp.exp(-xp.maximum(x, -88)) + 1)
    return g * (s + y * (1 - s))


@fast_on_cpu(cpu.softplus, when=_floats)
@fused
def softplus(x: Array) -> Array:
    """log(1 + e^x), computed as max(x, 0) + log(1 + e^-|x|), so that no exponential overflows."""
    xp, x = array_module(x), _as_floating(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def _as_floating(x: Array) -> Array:
    """``x``, integers and truth values as floating-point numbers, since unsigned integers have no negatives."""
    return x if x.dtype.kind == "f" else x.astype(float)


@fast_on_cpu(cpu.tanh, when=_floats)
def tanh(x: Array) -> Array:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return array_module(x).tanh(x)


@fast_on_cpu(cpu.masked, when=cpu.can_mask)
def masked(condition: Array, x: Array) -> Array:
    """x where the condition holds, else 0, also where x is infinite or NaN."""
    return array_module(condition, x).where(condition, x, 0)


@fast_on_cpu(cpu.leaky_relu, when=lambda x, slope: _floats(x) and 0 <= slope <= 1)
def leaky_relu(x: Array, slope: float) -> Array:
    """x where x > 0, else slope x; 0 where slope is 0, also for infinite x."""
    return _leaky_relu(x, slope) if slope else array_module(x).maximum(x, 0)


@fused
def _leaky_relu(x: Array, slope: float) -> Array:
    xp = array_module(x)
    return xp.where(x > 0, x, slope * xp.minimum(x, 0))


@fast_on_cpu(cpu.leaky_relu_derivative, when=lambda g, x, slope: _floats(g) and g.dtype == x.dtype and 0 <= slope <= 1)
def leaky_relu_derivative(g: Array, x: Array, slope: float) -> Array:
    """slope g where x <= 0, else (also where x is NaN) g; 0 where slope is 0, also for infinite g."""
    return _leaky_relu_derivative(g, x, slope) if slope else array_module(x).where(x <= 0, 0, g)


@fused
def _leaky_relu_derivative(g: Array, x: Array, slope: float) -> Array:
    return array_module(x).where(x <= 0, slope * g, g)
