"""Appendix: activation functions on a CPU, all steps on one block of memory before the next block (``blocked``).

``where`` costs ten times an addition where the processor predicts the sign of an element wrongly, so these versions
choose by ``clip`` and ``maximum`` (``clip`` with two numbers is faster than ``maximum`` with one). ``expm1`` and
``log1p`` are slow: the first is computed here from sums and products, the second from ``log``, to a few roundings.
"""

import numpy as np

from tinygen.kernels.cpu.blocked import PARALLEL_MIN_CHEAP, blocked


@blocked()
def elu(y: np.ndarray, x: np.ndarray, alpha: float) -> None:
    """For float32 and 0 < alpha <= 1."""
    np.clip(x, -20, 0, out=y)  # e^-20 is less than a rounding of 1
    _expm1(y)
    if alpha != 1:
        y *= alpha
    np.maximum(x, y, out=y)  # alpha (e^x - 1) >= x where x < 0, and is 0 where x > 0


def _expm1(x: np.ndarray) -> None:
    """x <- e^x - 1, in place, in single precision, for -20 <= x <= 0.

    For h = x / 32 it is Pade's approximant 12 h / ((h - 3)^2 + 3), here with numerator and denominator times 32^2. Then
    five doublings: e^2h - 1 = t (t + 2) with t = e^h - 1, without cancellation, since t + 2 is in [1, 2].
    """
    factor = x - 96
    factor *= factor
    factor += 3072
    x *= 384
    x /= factor
    for _ in range(5):
        np.add(x, 2, out=factor)
        x *= factor


@blocked(PARALLEL_MIN_CHEAP)
def elu_derivative(out: np.ndarray, g: np.ndarray, y: np.ndarray, alpha: float) -> None:
    """For alpha = 1, g (min(y, 0) + 1)."""
    np.clip(y, -np.inf, 0, out=out)
    out += 1
    out *= g


@blocked()
def sigmoid(y: np.ndarray, x: np.ndarray) -> None:
    """max(e^-|x|, [x >= 0]) / (1 + e^-|x|), where [...] is 1 where true, else 0."""
    tail = exp_neg_abs(x)
    np.maximum(tail, (x >= 0).astype(x.dtype), out=y)
    tail += 1
    y /= tail


@blocked()
def silu(y: np.ndarray, x: np.ndarray) -> None:
    """The function in ``kernels.elementwise``."""
    np.clip(x, -88, np.inf, out=y)
    factor = np.negative(y)
    np.exp(factor, out=factor)
    factor += 1
    y /= factor


@blocked(PARALLEL_MIN_CHEAP)
def silu_derivative(out: np.ndarray, g: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """g (s + y (1 - s)) with the sigmoid s = y / x: without an exponential, a third of the time."""
    zero = np.abs(x) < np.finfo(x.dtype).tiny  # quotients of subnormal numbers are inexact
    s = np.divide(y, np.where(zero, 1, x) if zero.any() else x)
    if zero.any():
        s[zero] = 0.5
    np.subtract(1, s, out=out)
    out *= y
    out += s
    out *= g


@blocked()
def softplus(y: np.ndarray, x: np.ndarray) -> None:
    """max(x, 0) + log(1 + e^-|x|)."""
    tail = exp_neg_abs(x)
    log1p_in_place(tail)
    np.clip(x, 0, np.inf, out=y)
    y += tail


def exp_neg_abs(x: np.ndarray) -> np.ndarray:
    """e^-|x|, in one new array."""
    y = np.abs(x)
    np.negative(y, out=y)
    return np.exp(y, out=y)


def log1p_in_place(x: np.ndarray) -> None:
    """x <- log(1 + x), in place, for x >= 0: log(u) of the rounded sum u = 1 + x, plus (x - (u - 1)) / u for what the
    rounding lost."""
    rounded = x + 1
    x -= rounded - 1
    x /= rounded
    x += np.log(rounded, out=rounded)


@blocked()
def tanh(y: np.ndarray, x: np.ndarray) -> None:
    """NumPy's, in blocks."""
    np.tanh(x, out=y)


def can_mask(condition: np.ndarray, x: np.ndarray) -> bool:
    """Whether ``masked`` is for these arrays."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f" and condition.dtype == bool and condition.shape == x.shape


@blocked(PARALLEL_MIN_CHEAP)
def masked(out: np.ndarray, condition: np.ndarray, x: np.ndarray) -> None:
    """Multiplies the bits of x, read as an integer, by 0 or 1: this makes 0 of infinity and NaN, too."""
    _mask(out, condition, x)


def _mask(out: np.ndarray, condition: np.ndarray, x: np.ndarray) -> None:
    bits = f"i{x.itemsize}"
    np.multiply(x.view(bits), condition, out=out.view(bits))


@blocked(PARALLEL_MIN_CHEAP)
def leaky_relu(y: np.ndarray, x: np.ndarray, slope: float) -> None:
    """For 0 <= slope <= 1, max(x, slope x)."""
    if slope:
        np.multiply(x, slope, out=y)
        np.maximum(x, y, out=y)
    else:
        x.clip(0, np.inf, out=y)


@blocked(PARALLEL_MIN_CHEAP)
def leaky_relu_derivative(out: np.ndarray, g: np.ndarray, x: np.ndarray, slope: float) -> None:
    """For 0 <= slope <= 1 and one dtype, g max(slope, [not x <= 0]), where [...] is 1 where true, else 0."""
    passes = x <= 0
    np.logical_not(passes, out=passes)
    if slope:
        out[...] = passes
        out.clip(slope, 1, out=out)
        out *= g
    else:
        _mask(out, passes, g)
