"""Answers to the exercises of chapter 1."""

import math

import numpy as np

import tinygen as tg


# Exercise 1: central differences (*)
def numerical_gradient(f, x, h=1e-6):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        gradient[index] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


# Exercise 2: derivatives of every order (*)
def derivatives(f, x, order):
    x = tg.tensor(x, dtype="float64", requires_grad=True)
    found = [f(x)]
    for _ in range(order):
        y = found[-1]
        dy = tg.grad(y, x, create_graph=True, allow_unused=True)[0] if y.requires_grad else None
        found.append(tg.zeros_like(x) if dy is None else dy)
    return [y.item() for y in found]


# Exercise 3: forward mode (**)
class Dual:
    def __init__(self, value, derivative=0.0):
        self.value, self.derivative = value, derivative

    def __add__(self, other):
        other = _dual(other)
        return Dual(self.value + other.value, self.derivative + other.derivative)

    def __mul__(self, other):
        other = _dual(other)
        return Dual(self.value * other.value, self.derivative * other.value + self.value * other.derivative)

    def __truediv__(self, other):
        other = _dual(other)
        quotient = self.value / other.value
        return Dual(quotient, (self.derivative - quotient * other.derivative) / other.value)

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -_dual(other)

    def __rsub__(self, other):
        return _dual(other) - self

    def __rtruediv__(self, other):
        return _dual(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def exp(self):
        return Dual(math.exp(self.value), math.exp(self.value) * self.derivative)


def _dual(x):
    return x if isinstance(x, Dual) else Dual(x)


# Exercise 4: topological order (**)
def topological_order(tensor):
    order, seen, stack = [], set(), [(tensor.node, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif node is not None and node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((x.node, False) for x in node.inputs if isinstance(x, tg.Tensor))
    return order


# Exercise 5: a scalar engine (**)
class Value:
    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, [(self, other.data), (other, self.data)])

    __radd__, __rmul__ = __add__, __mul__

    def exp(self):
        y = math.exp(self.data)
        return Value(y, [(self, y)])

    def backward(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            value, parents_done = stack.pop()
            if parents_done:
                order.append(value)
            elif value not in seen:
                seen.add(value)
                stack.append((value, True))
                stack.extend((parent, False) for parent, _ in value.parents)
        self.grad = 1.0
        for value in reversed(order):
            for parent, derivative in value.parents:
                parent.grad += value.grad * derivative


# Exercise 6: Newton's method (**)
def newton(f, x, steps):
    for _ in range(steps):
        point = tg.tensor(x, dtype="float64", requires_grad=True)
        (first,) = tg.grad(f(point), point, create_graph=True)
        (second,) = tg.grad(first, point)
        x = x - first.item() / second.item()
    return x


# Exercise 7: checkpointing (***)
def chain_derivative(f, x, n):
    k = max(1, math.isqrt(n))
    kept, y = [], tg.tensor(x, dtype="float64")
    with tg.no_grad():
        for i in range(n):
            if i % k == 0:
                kept.append(y.item())
            y = f(y)
    value, derivative = y.item(), 1.0
    for segment in reversed(range(len(kept))):
        start = tg.tensor(kept[segment], dtype="float64", requires_grad=True)
        y = start
        for _ in range(segment * k, min(n, (segment + 1) * k)):
            y = f(y)
        (of_segment,) = tg.grad(y, start)
        derivative *= of_segment.item()
    return value, derivative
