"""Exercises of chapter 2, Operations and vector-Jacobian products (docs/2-vector-jacobian-products.md).

Replace each ``raise NotImplementedError`` by an answer; ``python exercises/grade.py 2`` grades them. Where an operation
is asked for, decorate the function with ``operation`` or ``elementwise``: its arguments are then arrays.
"""

from collections.abc import Callable

import numpy as np

import tinygen as tg

# ``from tinygen.autograd.operation import operation``: the decorator, from section "The vector-Jacobian product";
# ``from tinygen.autograd.broadcasting import elementwise``: the same with broadcasting.


# Exercise 1: two operations (*)
def soft_plus(x):
    """log(1 + e^x), element by element, as an operation (one node) with derivatives of every order.

    Neither the value nor the gradient may overflow at x = 1000 or x = -1000. Hint: ``np.logaddexp``,
    ``tinygen.functional.sigmoid``.
    """
    raise NotImplementedError


def arc_tangent(x):
    """arctan x, element by element, as an operation (one node) with derivatives of every order.

    Hint: the derivative is 1 / (1 + x^2).
    """
    raise NotImplementedError


# Exercise 2: the straight-through estimator (*)
def round_straight_through(x):
    """x rounded to whole numbers (``np.round``), an operation whose VJP passes g on unchanged, as if it were x itself.

    Rounding has the derivative 0 almost everywhere; the straight-through estimator replaces it by 1, so that what comes
    before the rounding can be trained (Bengio et al. 2013).
    """
    raise NotImplementedError


# Exercise 3: vector-Jacobian products, in NumPy (**)
def softmax_vjp(g: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The VJP of p = softmax(x) along the last axis: g and p (..., n) -> (..., n), without a matrix (n, n).

    Hint: the Jacobian of a row is diag(p) - p p^T. It is symmetric.
    """
    raise NotImplementedError


def linear_vjps(
    g: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The VJPs of y = x W^T + b with respect to x (N, in), W (out, in) and b (out,); g (N, out). In this order."""
    raise NotImplementedError


def unit_vector_vjp(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The VJP of y = x / ||x|| for a vector x (n,) that is not 0.

    Hint: the result is orthogonal to x, since the length of x does not change y.
    """
    raise NotImplementedError


# Exercise 4: an operation of two inputs (**)
def hypotenuse(x, y):
    """sqrt(x^2 + y^2), element by element, as an operation with broadcasting and derivatives of every order.

    At x = y = 0, where it is not differentiable, both gradients must be 0. Hint: ``elementwise(vjp_of_x, vjp_of_y)``
    and ``tg.where``; choose the divisor, not the quotient, since 0 times NaN is NaN. Section "Numerical singularities".
    """
    raise NotImplementedError


# Exercise 5: a gradient check (**)
def gradient_error(f: Callable[[tg.Tensor], tg.Tensor], x: tg.Tensor) -> float:
    """The largest absolute difference between the gradient of sum_k g_k f(x)_k by ``tg.grad`` and by central
    differences, over all elements of x, with a random g (standard normal numbers) of the shape of f(x).

    x: a float64 tensor of any shape. Return a float; ``x`` must be unchanged afterwards. f may have no graph: its
    gradient is then 0. Hint: ``allow_unused=True``. Section "How a gradient is checked".
    """
    raise NotImplementedError


# Exercise 6: the trace of a Hessian (**)
def hessian_trace(f: Callable[[tg.Tensor], tg.Tensor], x: tg.Tensor, samples: int) -> float:
    """Hutchinson's estimate of the trace of the Hessian of the scalar function f at x (n,): the mean of v^T H v over
    ``samples`` random vectors v whose elements are +1 or -1 with equal probability. Do not form H.

    E[v v^T] is the identity, so E[v^T H v] = trace(H). Hint: ``tg.hvp``; ``tg.rand`` for the signs.
    """
    raise NotImplementedError


# Exercise 7: inverse and log-determinant (***)
def inverse(x):
    """The inverse of a square matrix (n, n), as an operation (one node) with derivatives of every order.

    Derive the VJP from X Y = I: dX Y + X dY = 0.
    """
    raise NotImplementedError


def log_abs_det(x):
    """log |det X| of a square matrix (n, n), a tensor of shape (), as an operation with derivatives of every order.

    Its gradient is the transposed inverse: d log|det X| = tr(X^-1 dX). Normalising flows train on this term. Hint: use
    ``inverse`` in the VJP; the value is ``np.linalg.slogdet(x)[1]``.
    """
    raise NotImplementedError
