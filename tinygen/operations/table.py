"""The operators and methods of a tensor, and the operation behind each.

``autograd/tensor.py`` defines a tensor without them, since every operation is written on tensors. For a type checker
``Tensor`` inherits them from ``Operators``; at run time, importing this file sets them on ``Tensor``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autograd import engine
from tinygen.autograd.tensor import Tensor
from tinygen.autograd.updates import in_place
from tinygen.backend import is_array
from tinygen.operations import arithmetic, comparison, elementwise, products, reductions, shaping

Binary = Callable[[Any, Any], Tensor]


def _reflected(function: Binary) -> Binary:
    """The operator for ``number - tensor``, where the tensor is the right operand."""

    def reflected(x: Any, y: Any) -> Tensor:
        return function(y, x)

    return reflected


def _if_numbers(function: Binary) -> Binary:
    """The comparison for ``==`` and ``!=``: ``NotImplemented`` where the other operand holds no numbers."""

    def compare(x: Any, y: Any) -> Tensor:
        return function(x, y) if is_array(y) or isinstance(y, _NUMBERS) else NotImplemented

    return compare


_NUMBERS = (Tensor, bool, int, float, np.generic, list, tuple)


class Operators:
    """What ``Tensor`` can do beyond holding an array and its gradient."""

    __add__ = arithmetic.add
    __radd__ = _reflected(arithmetic.add)
    __sub__ = arithmetic.subtract
    __rsub__ = _reflected(arithmetic.subtract)
    __mul__ = arithmetic.multiply
    __rmul__ = _reflected(arithmetic.multiply)
    __truediv__ = arithmetic.divide
    __rtruediv__ = _reflected(arithmetic.divide)
    __floordiv__ = comparison.floor_divide
    __rfloordiv__ = _reflected(comparison.floor_divide)
    __mod__ = arithmetic.remainder
    __rmod__ = _reflected(arithmetic.remainder)
    __pow__ = elementwise.power
    __rpow__ = _reflected(elementwise.power)
    __matmul__ = products.matmul
    __rmatmul__ = _reflected(products.matmul)
    __neg__ = arithmetic.negative
    __abs__ = arithmetic.abs
    __eq__ = _if_numbers(comparison.equal)  # type: ignore[assignment]  # object's returns a bool
    __ne__ = _if_numbers(comparison.not_equal)  # type: ignore[assignment]
    __lt__ = comparison.less
    __le__ = comparison.less_equal
    __gt__ = comparison.greater
    __ge__ = comparison.greater_equal
    __and__ = comparison.logical_and
    __or__ = comparison.logical_or
    __invert__ = comparison.logical_not
    __getitem__ = shaping.getitem

    __iadd__ = in_place("+", arithmetic.add)
    __isub__ = in_place("-", arithmetic.subtract)
    __imul__ = in_place("*", arithmetic.multiply)
    __itruediv__ = in_place("/", arithmetic.divide)
    __ifloordiv__ = in_place("//", comparison.floor_divide)
    __imod__ = in_place("%", arithmetic.remainder)
    __ipow__ = in_place("**", elementwise.power)
    __imatmul__ = in_place("@", products.matmul)
    __iand__ = in_place("&", comparison.logical_and)
    __ior__ = in_place("|", comparison.logical_or)

    backward = engine.backward
    sum = reductions.sum
    prod = reductions.prod
    mean = reductions.mean
    var = reductions.var
    std = reductions.std
    max = reductions.max
    min = reductions.min
    argmax = comparison.argmax
    argmin = comparison.argmin
    cumsum = reductions.cumsum
    reshape = shaping.reshape
    transpose = shaping.transpose
    swapaxes = shaping.swapaxes
    squeeze = shaping.squeeze
    expand_dims = shaping.expand_dims
    broadcast_to = shaping.broadcast_to
    flatten = shaping.flatten
    clip = arithmetic.clip
    exp = elementwise.exp
    log = elementwise.log
    log1p = elementwise.log1p
    expm1 = elementwise.expm1
    sqrt = elementwise.sqrt
    abs = arithmetic.abs
    tanh = elementwise.tanh
    sin = elementwise.sin
    cos = elementwise.cos
    astype = shaping.astype
    to = shaping.to


TABLE = {name: member for name, member in vars(Operators).items() if callable(member)}
for _name, _member in TABLE.items():
    setattr(Tensor, _name, _member)
