"""The table: every operator and method of a tensor, and the operation behind it.

``Tensor`` itself is a shell that knows none of them; importing this file puts them on. To find what ``x.sum()`` does,
find ``sum`` here.
"""

import numpy as np

from tinygen.autograd.engine import backward
from tinygen.autograd.tensor import Tensor
from tinygen.autograd.updates import in_place
from tinygen.backend import is_array
from tinygen.operations import arithmetic, comparison, elementwise, products, reductions, shaping


def _reflected(function):
    """The operator for ``number - tensor``, where the tensor stands on the right."""
    return lambda x, y: function(y, x)


def _of_elements(function):
    """The comparison for ``==`` and ``!=``, which leaves it to Python where the other operand has no elements."""
    return lambda x, y: function(x, y) if is_array(y) or isinstance(y, _HAVE_ELEMENTS) else NotImplemented


_HAVE_ELEMENTS = (Tensor, bool, int, float, np.generic, list, tuple)

OPERATORS = {
    "__add__": arithmetic.add,
    "__radd__": _reflected(arithmetic.add),
    "__sub__": arithmetic.subtract,
    "__rsub__": _reflected(arithmetic.subtract),
    "__mul__": arithmetic.multiply,
    "__rmul__": _reflected(arithmetic.multiply),
    "__truediv__": arithmetic.divide,
    "__rtruediv__": _reflected(arithmetic.divide),
    "__floordiv__": comparison.floor_divide,
    "__rfloordiv__": _reflected(comparison.floor_divide),
    "__mod__": arithmetic.remainder,
    "__rmod__": _reflected(arithmetic.remainder),
    "__pow__": elementwise.power,
    "__rpow__": _reflected(elementwise.power),
    "__matmul__": products.matmul,
    "__rmatmul__": _reflected(products.matmul),
    "__neg__": arithmetic.negative,
    "__abs__": arithmetic.abs,
    "__eq__": _of_elements(comparison.equal),
    "__ne__": _of_elements(comparison.not_equal),
    "__lt__": comparison.less,
    "__le__": comparison.less_equal,
    "__gt__": comparison.greater,
    "__ge__": comparison.greater_equal,
    "__and__": comparison.logical_and,
    "__or__": comparison.logical_or,
    "__invert__": comparison.logical_not,
    "__getitem__": shaping.getitem,
}

SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**"}
SYMBOLS |= {"matmul": "@", "and": "&", "or": "|"}
IN_PLACE = {f"__i{name}__": in_place(symbol, OPERATORS[f"__{name}__"]) for name, symbol in SYMBOLS.items()}

METHODS = {
    "backward": backward,
    "sum": reductions.sum,
    "prod": reductions.prod,
    "mean": reductions.mean,
    "var": reductions.var,
    "std": reductions.std,
    "max": reductions.max,
    "min": reductions.min,
    "argmax": comparison.argmax,
    "argmin": comparison.argmin,
    "cumsum": reductions.cumsum,
    "reshape": shaping.reshape,
    "transpose": shaping.transpose,
    "swapaxes": shaping.swapaxes,
    "squeeze": shaping.squeeze,
    "expand_dims": shaping.expand_dims,
    "broadcast_to": shaping.broadcast_to,
    "flatten": shaping.flatten,
    "clip": arithmetic.clip,
    "exp": elementwise.exp,
    "log": elementwise.log,
    "log1p": elementwise.log1p,
    "expm1": elementwise.expm1,
    "sqrt": elementwise.sqrt,
    "abs": arithmetic.abs,
    "tanh": elementwise.tanh,
    "sin": elementwise.sin,
    "cos": elementwise.cos,
    "astype": shaping.astype,
    "to": shaping.to,
    "T": property(shaping.transpose),
}

for name, function in {**OPERATORS, **IN_PLACE, **METHODS}.items():
    setattr(Tensor, name, function)
