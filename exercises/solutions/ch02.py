"""Answers to the exercises of chapter 2."""

import numpy as np

import tinygen as tg
import tinygen.functional as F
from tinygen.autograd.broadcasting import elementwise
from tinygen.autograd.operation import operation


# Exercise 1: two operations (*)
@operation(lambda g, x: g * F.sigmoid(x))
def soft_plus(x):
    return np.logaddexp(0, x)


@operation(lambda g, x: g / (1 + x * x))
def arc_tangent(x):
    return np.arctan(x)


# Exercise 2: the straight-through estimator (*)
@operation(lambda g, x: g)
def round_straight_through(x):
    return np.round(x)


# Exercise 3: vector-Jacobian products, in NumPy (**)
def softmax_vjp(g, p):
    return p * (g - (g * p).sum(axis=-1, keepdims=True))


def linear_vjps(g, x, weight, bias):
    return g @ weight, g.T @ x, g.sum(axis=0)


def unit_vector_vjp(g, x):
    length = np.sqrt(x @ x)
    y = x / length
    return (g - (g @ y) * y) / length


# Exercise 4: an operation of two inputs (**)
def _quotient(g, x, x0, y0):
    """g x / sqrt(x0^2 + y0^2), and 0 at the origin."""
    r = hypotenuse(x0, y0)
    return g * x / tg.where(r == 0, 1.0, r)


@elementwise(lambda g, x, y: _quotient(g, x, x, y), lambda g, x, y: _quotient(g, y, x, y))
def hypotenuse(x, y):
    return np.hypot(x, y)


# Exercise 5: a gradient check (**)
def gradient_error(f, x, h=1e-6):
    leaf = tg.tensor(x.numpy().copy(), requires_grad=True)
    y = f(leaf)
    g = tg.randn(*y.shape, dtype="float64")
    found = tg.grad(y, leaf, g, allow_unused=True)[0] if y.requires_grad else None
    gradient = np.zeros(x.shape) if found is None else found.numpy()
    worst = 0.0
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        up, down = (f(tg.tensor(x.numpy() + sign * step)).numpy() for sign in (1, -1))
        worst = max(worst, abs(((up - down) * g.numpy()).sum() / (2 * h) - gradient[index]))
    return float(worst)


# Exercise 6: the trace of a Hessian (**)
def hessian_trace(f, x, samples):
    total = 0.0
    for _ in range(samples):
        v = tg.where(tg.rand(*x.shape) < 0.5, 1.0, -1.0).astype(x.dtype)
        total += (v * tg.hvp(f, x, v)).sum().item()
    return total / samples


# Exercise 7: inverse and log-determinant (***)
@operation(lambda g, y, x: -(y.T @ g @ y.T), keeps_output=True)
def inverse(x):
    return np.linalg.inv(x)


@operation(lambda g, x: g * inverse(x).T)
def log_abs_det(x):
    return np.asarray(np.linalg.slogdet(x)[1])
