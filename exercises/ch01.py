"""Exercises of chapter 1, Tensors and computation graphs (docs/1-computation-graphs.md).

Replace each ``raise NotImplementedError`` by an answer; ``python exercises/grade.py 1`` grades them. In exercises
3 and 5 write further methods as needed.
"""

from collections.abc import Callable

import numpy as np

import tinygen as tg


# Exercise 1: central differences (*)
def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """The gradient of ``f`` at ``x`` (float64, any shape) by central differences, (f(x + h e) - f(x - h e)) / 2h for
    each unit vector e. Return an array of the shape of ``x``; ``x`` itself must be unchanged afterwards.

    Hint: ``np.ndindex(x.shape)``. Section "A second route".
    """
    raise NotImplementedError


# Exercise 2: derivatives of every order (*)
def derivatives(f: Callable[[tg.Tensor], tg.Tensor], x: float, order: int) -> list[float]:
    """[f(x), f'(x), f''(x), ...] up to the derivative of that order, in float64.

    ``f`` maps a tensor of shape () to a tensor of shape (). Use ``tg.grad`` with ``create_graph=True``. A derivative
    may be constant and have no graph (the second derivative of 3 x): all further ones are then 0.

    Hint: ``tensor.requires_grad`` tells whether there is a graph. Section "backward and grad".
    """
    raise NotImplementedError


# Exercise 3: forward mode (**)
class Dual:
    """A dual number: a value and its derivative with respect to one chosen input.

    Define ``+``, ``-``, ``*``, ``/`` between dual numbers and between a dual number and a Python number on either side
    (``2 * x``, ``1 / x``), negation, and the method ``exp()``. Section "Forward mode".
    """

    def __init__(self, value: float, derivative: float = 0.0) -> None:
        raise NotImplementedError


# Exercise 4: topological order (**)
def topological_order(tensor: tg.Tensor) -> list:
    """All nodes of the graph of ``tensor`` (objects ``tensor.node``), each once and after the nodes of its inputs.

    The graph may be deeper than Python's recursion limit, so use an explicit stack. Leaves have no node.

    Hint: push each node twice, as the first function in tinygen/autograd/engine.py does; ``node.inputs`` may contain
    numbers. Section "Topological order".
    """
    raise NotImplementedError


# Exercise 5: a scalar engine (**)
class Value:
    """A number in a computation graph: ``Value(2.0)`` is a leaf with attributes ``data`` and ``grad``, a float, 0.0 at
    first.

    Define ``+`` and ``*`` between values and between a value and a Python number on either side, the method ``exp()``,
    and ``backward()``, which sets ``grad`` of this value to 1 and adds up the gradients of all values that it was
    computed from, in reverse topological order. A chain of sixty sums ``x = x + x`` must take no time, and a chain of
    5,000 sums must not exceed the recursion limit.

    Hint: let each result keep its parents with the partial derivatives, ``[(parent, derivative), ...]``. About 40
    lines. Section "Topological order".
    """

    def __init__(self, data: float) -> None:
        raise NotImplementedError


# Exercise 6: Newton's method (**)
def newton(f: Callable[[tg.Tensor], tg.Tensor], x: float, steps: int) -> float:
    """A stationary point of ``f``: ``steps`` steps of Newton's method, x <- x - f'(x) / f''(x), in float64.

    ``f`` maps a tensor of shape () to a tensor of shape (). Both derivatives by ``tg.grad``. Section "backward and
    grad".
    """
    raise NotImplementedError


# Exercise 7: checkpointing (***)
def chain_derivative(f: Callable[[tg.Tensor], tg.Tensor], x: float, n: int) -> tuple[float, float]:
    """(y, dy/dx) for y = f(f(... f(x))), ``n`` applications of ``f``, in float64, with little memory.

    At no time may more than 3 sqrt(n) + 5 of the tensors that ``f`` returned be alive; ``f`` may be called at most 2 n
    times. ``f`` maps a tensor of shape () to a tensor of shape ().

    Hint: run the chain once under ``tg.no_grad()`` and keep every k-th value, k about sqrt(n). Then, from the last
    segment to the first, compute the segment again from its kept value as a leaf, and multiply the derivative so far
    by that of the segment. Section "The cost of a gradient".
    """
    raise NotImplementedError
