"""Reductions: sums, products, extremes, means, variances and norms.

Each takes x of any shape, ``axis`` (a number or a tuple; default: all axes) and ``keepdims``, as in NumPy. The sum is
the adjoint of broadcasting (``autograd/broadcasting.py``); the others are made of it, or are operations of their own
where that keeps the gradient finite. The dtype of a result depends on that of ``x`` alone, not on its shape: as in
NumPy, sums and products of integers and booleans are int64 (of unsigned integers uint64), and their means float64;
float16 is computed in float32 and the result rounded once. An axis that x does not have raises ``ValueError``.
"""

import math
from typing import Any

import numpy as np

from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.broadcasting import broadcast_to, sum_to
from tinygen.autograd.operands import operands
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module
from tinygen.operations.arithmetic import abs as absolute
from tinygen.operations.arithmetic import weighted, where
from tinygen.operations.comparison import equal, isfinite, nondifferentiable
from tinygen.operations.elementwise import exp, sqrt
from tinygen.operations.shaping import astype, cat, flip, reshape, transpose
from tinygen.validation import number, whole_number, whole_numbers

Axis = int | tuple[int, ...] | None


def _axes(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    """``axis`` as a sorted tuple of axes from the front; a tensor without axes accepts 0 and -1, as in NumPy."""
    if axis is None:
        return tuple(range(x.ndim))
    given = (axis,) if type(axis) is int else whole_numbers(name, "axis", axis)
    if x.ndim == 0 and given in ((), (0,), (-1,)):
        return ()
    if any(not -x.ndim <= a < x.ndim for a in given):
        raise ValueError(f"{name}: axis {axis} is not among the axes of shape {x.shape}")
    axes = tuple(sorted(a % x.ndim for a in given))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice")
    return axes


def _kept(x: Tensor | Array, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduction over ``axes`` that keeps them with length 1."""
    return tuple(1 if a in axes else length for a, length in enumerate(x.shape))


def _drop(y: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return y if keepdims else reshape(y, tuple(length for a, length in enumerate(y.shape) if a not in axes))


def _promote(x: Tensor) -> Tensor:
    """``x``, integers and booleans in the dtype that NumPy gives to their sums and products."""
    if x.dtype.kind == "f":
        return x
    dtype = np.result_type(x.dtype, np.uint64 if x.dtype.kind == "u" else np.int64)
    return x if x.dtype == dtype else astype(x, dtype)


@checked_arguments
def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum of the elements of x, any shape, over ``axis``."""
    axes, x = _axes("sum", x, axis), _promote(x)
    if len(axes) == x.ndim and not keepdims:
        return sum_to(x, shape=())
    return _drop(sum_to(x, shape=_kept(x, axes)), axes, keepdims)


def _as_floats(x: Tensor) -> Tensor:
    """``x``, integers and booleans as float64, the dtype that NumPy gives to their means and norms."""
    return x if x.dtype.kind == "f" else astype(x, float)


def _count(name: str, x: Tensor, axes: tuple[int, ...]) -> int:
    count = math.prod(x.shape[a] for a in axes)
    if count == 0:
        raise ValueError(f"{name}: there is nothing to reduce over axes {axes} of shape {x.shape}")
    return count


@checked_arguments
@operands("x", widen=True)
def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean of the elements of x, any shape, over ``axis``. Raises ``ValueError`` where there are
    none."""
    return sum(_as_floats(x), axis, keepdims) / _count("mean", x, _axes("mean", x, axis))


@checked_arguments
@operands("x", widen=True)
def var(x: Tensor, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Tensor:
    """The variance, ``sum((x - mean)^2) / (n - ddof)``, over the n elements of x, any shape, along ``axis``. Raises
    ``ValueError`` for n <= ddof."""
    return _variance("var", x, axis, keepdims, ddof)


def _variance(name: str, x: Tensor, axis: Axis, keepdims: bool, ddof: int) -> Tensor:
    count, ddof = _count(name, x, _axes(name, x, axis)), whole_number(name, "ddof", ddof)
    if count <= ddof:
        raise ValueError(f"{name}: {count} elements leave no degrees of freedom with ddof={ddof}")
    deviation = x - mean(x, axis, keepdims=True)
    return sum(deviation * deviation, axis, keepdims) / (count - ddof)


def _root(x: Tensor, p: float = 2) -> Tensor:
    """The p-th root of a sum of non-negative terms, with derivative 0 where it is 0, as a norm has at the origin."""
    is_zero = equal(x, 0 if p > 0 else math.inf)
    positive = where(is_zero, 1.0, x)
    return where(is_zero, 0.0, sqrt(positive) if p == 2 else positive ** (1 / p))


@checked_arguments
@operands("x", widen=True)
def std(x: Tensor, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Tensor:
    """The standard deviation of x, any shape, the square root of ``var``; derivative 0 where all elements are equal.
    Errors are those of ``var``."""
    return _root(_variance("std", x, axis, keepdims, ddof))


@nondifferentiable
def _tie_weights(x: Array, y: Array) -> Array:
    """1 / k at each of the k elements of x that equal the extreme y, 0 elsewhere; NaN everywhere where y is NaN."""
    xp = array_module(x)
    hits = (x == y).astype(x.dtype)
    repeated = tuple(a for a in range(x.ndim) if y.shape[a] != x.shape[a])
    return xp.where(y == y, hits / xp.maximum(hits.sum(axis=repeated, keepdims=True), 1), y)


@operation(lambda g, y, x, name, axes: weighted(broadcast_to(g, shape=x.shape), _tie_weights(x, y)), keeps_output=True)
def _extreme(x: Array, name: str, axes: tuple[int, ...]) -> Array:
    return getattr(x, name)(axis=axes, keepdims=True)


def _extreme_over(name: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    axes = _axes(name, x, axis)
    _count(name, x, axes)
    return _drop(_extreme(x, name=name, axes=axes), axes, keepdims)


@checked_arguments
def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element of x, any shape, over ``axis``; k equal ones get 1 / k of the gradient each. Raises
    ``ValueError`` if there is none."""
    return _extreme_over("max", x, axis, keepdims)


@checked_arguments
def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element of x, any shape, over ``axis``; k equal ones get 1 / k of the gradient each. Raises
    ``ValueError`` if there is none."""
    return _extreme_over("min", x, axis, keepdims)


@checked_arguments
@operands("x", widen=True)
def prod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product of the elements of x, any shape, over ``axis``, by halving: the gradient needs no division, so
    factors may be 0."""
    axes = _axes("prod", x, axis)
    rest = tuple(a for a in range(x.ndim) if a not in axes)
    kept = tuple(x.shape[a] for a in rest)
    y = reshape(transpose(_promote(x), axes + rest), (math.prod(x.shape[a] for a in axes), *kept))
    if not len(y):
        y = sum(y, 0, keepdims=True) + 1
    while len(y) > 1:
        half = len(y) // 2
        y = cat([y[:half] * y[half : 2 * half], y[2 * half :]])
    return reshape(y, _kept(x, axes) if keepdims else kept)


@operation(lambda g, x, axis: flip(_cumsum(flip(g, axis), axis=axis), axis), linear=True)
def _cumsum(x: Array, axis: int) -> Array:
    return x.cumsum(axis=axis, dtype="float32").astype(x.dtype) if x.dtype == np.float16 else x.cumsum(axis=axis)


@checked_arguments
def cumsum(x: Tensor, axis: int | None = None) -> Tensor:
    """The sums of the first 1, 2, 3, ... elements of x, any shape, along ``axis``; default: of the flattened tensor."""
    x = _promote(x)
    if axis is None:
        return _cumsum(reshape(x, -1), axis=0)
    axes = _axes("cumsum", x, whole_number("cumsum", "axis", axis))
    return _cumsum(x, axis=axes[0]) if axes else x


@nondifferentiable
def _shift(x: Array, *, axes: tuple[int, ...]) -> Array:
    """The largest element over ``axes``, which keep length 1; 0 where it is infinite or there is none."""
    xp = array_module(x)
    largest = x.max(axis=axes, keepdims=True) if x.size else xp.zeros(_kept(x, axes), x.dtype)
    return xp.where(xp.isfinite(largest), largest, 0)


# The derivative of y = log sum e^x is e^(x - y); 0 where y is -infinity.
@operation(lambda g, y, x, axes: g * exp(x - where(isfinite(y), y, 0.0)), keeps_output=True)
def _log_of_sum(x: Array, axes: tuple[int, ...]) -> Array:
    xp = array_module(x)
    total = xp.exp(x).sum(axis=axes, keepdims=True)
    empty = total == 0
    return xp.where(empty, -xp.inf, xp.log(xp.where(empty, 1, total))).astype(x.dtype)


@checked_arguments
@operands("x", widen=True)
def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """``y = log sum e^x`` over ``axis`` of x, any shape. The largest element is subtracted first, so that nothing
    overflows and the derivative ``e^(x - y)`` has full precision for large x too."""
    axes, x = _axes("logsumexp", x, axis), _as_floats(x)
    shift = _shift(x, axes=axes)
    return _drop(_log_of_sum(x - shift, axes=axes) + shift, axes, keepdims)


def log_softmax(x: Tensor, axis: Axis = -1, name: str = "log_softmax") -> Tensor:
    """``x - log sum e^x`` over ``axis``; the largest element is subtracted first, so an offset costs no precision."""
    axes = _axes(name, x, axis)
    shifted = x - _shift(x, axes=axes)
    return shifted - _log_of_sum(shifted, axes=axes)


_is_nonzero = nondifferentiable(lambda x: (x != 0).astype(x.dtype))


@checked_arguments
@operands("x", widen=True)
def norm(x: Tensor, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The norm of x, any shape, as ``numpy.linalg.norm``; default: the Euclidean norm of a vector, the Frobenius norm
    of a matrix, the root of the sum of all squares otherwise.

    ``ord`` over one axis, or for a vector (n,): ``(sum |x|^ord)^(1/ord)``; inf (-inf): the largest (smallest) ``|x|``.
    Over two axes, or for a matrix (m, n): inf (-inf): the largest (smallest) row sum of ``|x|``; 1 (-1): column sum;
    ``"fro"``.
    The derivative at 0 is 0. Raises ``ValueError`` for another ``ord``; norms made of singular values have no gradient
    here.
    """
    x, axes = _as_floats(x), _axes("norm", x, axis)
    ord = ord if ord is None or isinstance(ord, str) else number("norm", "ord", ord)
    is_empty = not x.size and ord in (1, math.inf)  # then every norm is 0
    if is_empty or ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) < 2):
        return _root(sum(x * x, axis, keepdims))
    if len(axes) == 2 and ord in (1, -1, math.inf, -math.inf):
        first, second = axes if axis is None else [a % x.ndim for a in axis]  # type: ignore[union-attr]
        inner, outer = (first, second) if ord in (1, -1) else (second, first)
        extreme = max if ord > 0 else min
        return _drop(extreme(sum(absolute(x), inner, keepdims=True), outer, keepdims=True), axes, keepdims)
    if len(axes) > 1 or isinstance(ord, str):
        raise ValueError(f"norm: ord={ord!r} over {len(axes)} axes is not among the norms offered here")
    if ord in (math.inf, -math.inf):
        return (max if ord > 0 else min)(absolute(x), axis, keepdims)
    if ord == 0:
        return sum(_is_nonzero(x), axis, keepdims)
    is_zero = equal(x, 0)  # where the derivative is 0, also if |x|^(ord - 1) is infinite
    terms = where(is_zero, 0.0 if ord > 0 else math.inf, where(is_zero, 1.0, absolute(x)) ** ord)
    return _root(sum(terms, axis, keepdims), ord)
