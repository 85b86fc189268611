"""Element-wise functions whose formulas take several steps, each done in one passage through memory.

An array of megabytes does not fit the processor's cache, so NumPy's ``a * b + c`` fetches it from main memory once for
every step. ``blocked`` shares the arrays out to the threads, and each walks through its part in blocks that do fit and
does all the steps on one block before it goes on to the next. Smaller blocks would fit a faster cache, but Python has
one lock, which NumPy gives back for every call and must wait for after it: so a call should have much to do.

A choice between two values (``where``) stalls the processor at every element whose sign surprises it, for ten times
the cost of an addition. So the fast versions choose by ``clip`` and ``maximum`` (``minimum`` and ``maximum`` with a
number are slower than ``clip`` with two). ``expm1`` and ``log1p`` are slow: here the first is made of sums and
products, to a few roundings, the second of ``log``, which is fast, without loss of accuracy.
"""

from collections.abc import Callable

import numpy as np

from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels.cpu.layout import match_layout
from tinygen.kernels.cpu.parallel import parallel, threads
from tinygen.kernels.fusion import fused

BLOCK = 262_144  # elements: a megabyte of float32 for each array
WORTH_SHARING = 100_000  # elements: below, handing half of the work to another thread costs more than it saves
CHEAP_WORTH_SHARING = 300_000  # the same where there are only sums and products to compute, no exponential


def blocked(
    function: Callable[..., object], out: np.ndarray, *arrays: np.ndarray, least: int = WORTH_SHARING
) -> np.ndarray:
    """Let ``function(out, *arrays)`` fill ``out``, block by block; it must compute element by element.

    Arrays that lie in memory in the same order are walked through as they lie, whatever that order is. Where ``out``
    has the order of images (``windows``), others of its shape are first laid so as well: that takes less time than one
    step in two orders. Where orders still differ, or one array is broadcast, or they have fewer than ``least``
    elements, the function gets the arrays whole, with a new axis in front: NumPy makes a number, which has no place to
    write to, of a result without axes.
    """
    size = out.size
    arrays = tuple([match_layout(array, out) for array in arrays])
    lines = as_lines(out, *arrays) if size >= least else None
    if lines is None:
        function(*(array[np.newaxis] for array in (out, *arrays)))
        return out
    blocks = -(-size // BLOCK)
    blocks += -blocks % threads()

    def work(first: int, last: int) -> None:
        for block in range(first, last):
            part = slice(size * block // blocks, size * (block + 1) // blocks)
            function(*(line[part] for line in lines))

    parallel(work, blocks)
    return out


def as_lines(*arrays: np.ndarray) -> list[np.ndarray] | None:
    """The arrays as one-dimensional views in the order of the first one's memory; None if one is not dense in it."""
    first = arrays[0]
    if any(array.shape != first.shape for array in arrays):
        return None
    if not first.flags.c_contiguous:
        order = sorted(range(first.ndim), key=lambda axis: -first.strides[axis])
        arrays = tuple([array.transpose(order) for array in arrays])
    return [array.reshape(-1) for array in arrays] if all(array.flags.c_contiguous for array in arrays) else None


def _has_fast_version(*arrays: Array) -> bool:
    return all(is_numpy(array) and array.dtype.kind == "f" for array in arrays)


def _expm1(x: np.ndarray) -> None:
    """x <- e^x - 1, in place, in single precision, for -20 <= x <= 0.

    For h = x / 32 it is Pade's fraction, 12 h / ((h - 3)^2 + 3), here with 32^2 times both parts; and from h to 2h,
    five times, e^2h - 1 = t (t + 2) with t = e^h - 1, which loses no digits, since t + 2 lies in [1, 2].
    """
    factor = x - 96
    factor *= factor
    factor += 3072
    x *= 384
    x /= factor
    for _ in range(5):
        np.add(x, 2, out=factor)
        x *= factor


def log1p_in_place(x: np.ndarray) -> None:
    """x <- log(1 + x), in place, for x >= 0: log(u) of the rounded sum u = 1 + x, corrected for what the rounding lost,
    (x - (u - 1)) / u."""
    rounded = x + 1
    x -= rounded - 1
    x /= rounded
    x += np.log(rounded, out=rounded)


def _empty_like(*arrays: np.ndarray) -> np.ndarray:
    """Room for a result, in the memory order of the first array and of all arrays' common dtype."""
    return np.empty_like(arrays[0], dtype=np.result_type(*arrays))


# Exponential linear units --------------------------------------------------------------------------------------------


def elu(x: Array, alpha: float) -> Array:
    """x where x > 0, else alpha (e^x - 1)."""
    if not (is_numpy(x) and x.dtype == np.float32 and 0 < alpha <= 1):
        return elu_plain(x, alpha)

    def block(y: np.ndarray, x: np.ndarray) -> None:
        np.clip(x, -20, 0, out=y)  # e^-20 is nothing beside 1
        _expm1(y)
        if alpha != 1:
            y *= alpha
        np.maximum(x, y, out=y)  # alpha (e^x - 1) lies above x where x < 0, and is 0 where x > 0

    return blocked(block, _empty_like(x), x)


@fused
def elu_plain(x: Array, alpha: float) -> Array:
    """``elu`` on any array module."""
    xp = array_module(x)
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


def elu_derivative(g: Array, y: Array, alpha: float) -> Array:
    """g times the slope of elu where its value was y: 1 where y > 0, else y + alpha (for alpha > 0)."""
    if not (_has_fast_version(g, y) and alpha == 1):
        return elu_derivative_plain(g, y, alpha)

    def block(out: np.ndarray, g: np.ndarray, y: np.ndarray) -> None:
        np.clip(y, -np.inf, 0, out=out)
        out += 1
        out *= g

    return blocked(block, _empty_like(y, g), g, y, least=CHEAP_WORTH_SHARING)


@fused
def elu_derivative_plain(g: Array, y: Array, alpha: float) -> Array:
    """``elu_derivative`` on any array module."""
    return g * array_module(y).where(y > 0, 1, y + alpha)


# The logistic function, its integral, and the hyperbolic tangent -----------------------------------------------------


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), accurate far from 0 too: where x < 0 it is e^x / (1 + e^x), so no exponential overflows."""
    if not _has_fast_version(x):
        return sigmoid_plain(x)

    def block(y: np.ndarray, x: np.ndarray) -> None:
        tail = decay(x)
        np.maximum(tail, (x >= 0).astype(x.dtype), out=y)
        tail += 1
        y /= tail

    return blocked(block, _empty_like(x), x)


@fused
def sigmoid_plain(x: Array) -> Array:
    """``sigmoid`` on any array module."""
    xp, x = array_module(x), _floating(x)
    tail = xp.exp(-xp.abs(x))
    return xp.where(x < 0, tail, 1) / (tail + 1)


def softplus(x: Array) -> Array:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which no x overflows."""
    if not _has_fast_version(x):
        return softplus_plain(x)

    def block(y: np.ndarray, x: np.ndarray) -> None:
        tail = decay(x)
        log1p_in_place(tail)
        np.clip(x, 0, np.inf, out=y)
        y += tail

    return blocked(block, _empty_like(x), x)


@fused
def softplus_plain(x: Array) -> Array:
    """``softplus`` on any array module."""
    xp, x = array_module(x), _floating(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def _floating(x: Array) -> Array:
    """``x``, whole numbers and truth values as floating-point numbers: bytes have no negatives."""
    return x if x.dtype.kind == "f" else x.astype(float)


def decay(x: np.ndarray) -> np.ndarray:
    """e^-|x|, in one new array."""
    y = np.abs(x)
    np.negative(y, out=y)
    return np.exp(y, out=y)


def tanh(x: Array) -> Array:
    """(e^x - e^-x) / (e^x + e^-x)."""
    if not _has_fast_version(x):
        return array_module(x).tanh(x)
    return blocked(lambda y, x: np.tanh(x, out=y), _empty_like(x), x)


# Choices -------------------------------------------------------------------------------------------------------------


def kept(x: Array, condition: Array) -> Array:
    """x where the condition holds, else 0, whatever x is there.

    On a CPU the bits of x are multiplied, as those of a whole number, by 0 or 1: unlike ``where``, that never stalls,
    and unlike a product of floating-point numbers, it makes 0 of infinity and NaN.
    """
    if not (_has_fast_version(x) and is_numpy(condition) and condition.dtype == bool and condition.shape == x.shape):
        return array_module(condition, x).where(condition, x, 0)
    return blocked(_keep, _empty_like(x), x, condition, least=CHEAP_WORTH_SHARING)


def _keep(out: np.ndarray, x: np.ndarray, condition: np.ndarray) -> None:
    bits = f"i{x.itemsize}"
    np.multiply(x.view(bits), condition, out=out.view(bits))


# Leaky rectifiers ----------------------------------------------------------------------------------------------------


def leaky_relu(x: Array, slope: float) -> Array:
    """x where x > 0, else slope x."""
    if not (_has_fast_version(x) and 0 <= slope <= 1):
        return leaky_relu_plain(x, slope) if slope else array_module(x).maximum(x, 0)  # 0 times infinity is NaN

    def block(y: np.ndarray, x: np.ndarray) -> None:
        if slope:
            np.multiply(x, slope, out=y)
            np.maximum(x, y, out=y)  # slope x lies above x where x < 0 alone
        else:
            x.clip(0, np.inf, out=y)

    return blocked(block, _empty_like(x), x, least=CHEAP_WORTH_SHARING)


@fused
def leaky_relu_plain(x: Array, slope: float) -> Array:
    """``leaky_relu`` on any array module."""
    xp = array_module(x)
    return xp.where(x > 0, x, slope * xp.minimum(x, 0))


def leaky_relu_derivative(g: Array, x: Array, slope: float) -> Array:
    """slope g where x <= 0, else g, so that g passes where x is NaN."""
    if not (_has_fast_version(g, x) and g.dtype == x.dtype and 0 <= slope <= 1):
        return leaky_relu_derivative_plain(g, x, slope) if slope else array_module(x).where(x <= 0, 0, g)

    def block(out: np.ndarray, g: np.ndarray, x: np.ndarray) -> None:
        passes = x <= 0
        np.logical_not(passes, out=passes)
        if slope:
            out[...] = passes
            out.clip(slope, 1, out=out)
            out *= g
        else:
            _keep(out, g, passes)

    return blocked(block, _empty_like(x), g, x, least=CHEAP_WORTH_SHARING)


@fused
def leaky_relu_derivative_plain(g: Array, x: Array, slope: float) -> Array:
    """``leaky_relu_derivative`` on any array module."""
    return array_module(x).where(x <= 0, slope * g, g)
