"""The fake device's functions: a name is looked up in CuPy's list, and NumPy computes what CuPy would."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ._array import MODULE, Device, compute, compute_elementwise, ndarray, unwrap
from ._surface import names, signatures

_UFUNCS = names("ufuncs")
_UFUNC_METHODS = {method: names(f"ufunc.{method}") for method in ("reduce", "accumulate", "reduceat", "at")}
_FUNCTIONS = signatures("functions")
_SAME = names("same as NumPy's")
_TAKES_ANYTHING = names("takes anything")
_ARRAY_PARAMETERS = ("a", "x", "m", "arr", "ary", "array", "prototype", "condition")


class ufunc:
    """An element-wise function, with no ``where=`` and only the methods that CuPy has."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name
        self._function = getattr(np, name)

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        if set(kwargs) - {"casting"}:
            raise TypeError(f"{self.name}: Wrong arguments {kwargs}")
        if dtype is not None:
            kwargs["dtype"] = dtype
        if out is not None:
            kwargs["out"] = out
        return compute_elementwise(self._function, self.name, *args, **kwargs)

    def _method(self, method: str, *args: Any) -> Any:
        if self.name not in _UFUNC_METHODS[method]:
            raise NotImplementedError(f"`{self.name}.{method}` is not supported yet")
        return compute(getattr(self._function, method), f"{self.name}.{method}", *args)

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._method("reduce", array, axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        return self._method("accumulate", array, axis, dtype, out)

    def reduceat(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        return self._method("reduceat", array, indices, axis, dtype, out)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        self._method("at", a, indices, b)

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        return self(A.reshape(A.shape + (1,) * B.ndim), B, **kwargs)


def _function(name: str, signature: inspect.Signature, home: Any = np) -> Callable:
    numpy_function = getattr(home, name)
    first = next(iter(signature.parameters), "")
    wants_array = first in _ARRAY_PARAMETERS and name not in _TAKES_ANYTHING

    def function(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments[first] if first else None
        if wants_array and not isinstance(given, ndarray):
            raise TypeError(f"{name}: {first} must be an array of the device, got {type(given)}")
        return compute(numpy_function, name, *args, **kwargs)

    function.__name__ = name
    return function


def asarray(a: Any, dtype: Any = None, order: str | None = None, *, copy: bool | None = None, **_: Any) -> ndarray:
    """``a`` on the device: an array that is there already is itself; a NumPy array or numbers are copied."""
    if isinstance(a, ndarray):
        return compute(np.asarray, "asarray", a, dtype, order, copy=copy)
    numbers = a if isinstance(a, np.ndarray) else np.asarray(unwrap(a, []))
    fortran = order == "F" or (numbers.flags.fnc and order in (None, "K", "A"))
    return ndarray._of(np.array(numbers, dtype, order="F" if fortran else "C", copy=True))


def array(obj: Any, dtype: Any = None, copy: bool = True, order: str = "K", **kwargs: Any) -> ndarray:
    """The same, always as a copy unless ``copy=False``."""
    if isinstance(obj, ndarray):
        return compute(np.array, "array", obj, dtype, copy=copy or None, order=order, **kwargs)
    return asarray(obj, dtype, order)


def asnumpy(a: Any, stream: None = None, order: str = "C", out: None = None, *, blocking: bool = True) -> np.ndarray:
    """The explicit copy to the host."""
    return a.get(order=order) if isinstance(a, ndarray) else np.asarray(a, order=order)  # type: ignore[call-overload]


def get_array_module(*args: Any) -> ModuleType:
    """This module if an array of it is among ``args``, else NumPy."""
    return sys.modules[MODULE] if any(isinstance(value, ndarray) for value in args) else np


def take_along_axis(a: Any, indices: Any, axis: int | None) -> Any:
    """NumPy's, with indices that start again from the other end where they run out of range."""

    def taken(numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
        return np.take_along_axis(numbers, places % numbers.shape[axis or 0], axis)

    return compute(taken, "take_along_axis", a.ravel() if axis is None else a, indices)


def take(a: Any, indices: Any, axis: int | None = None, out: Any = None) -> Any:
    """NumPy's, with indices that wrap around."""
    return a.take(indices, axis, out)


def size(a: ndarray, axis: int | None = None) -> int:
    """The number of elements, or the length along ``axis``."""
    return a.size if axis is None else a.shape[axis]


def fuse(function: Callable) -> Callable:
    """A function made one kernel: here it goes on as it is, so that what CuPy can compile shows in tests/gpu alone."""
    return function


def _namespace(section: str, home: Any, **others: Any) -> SimpleNamespace:
    functions = {name: _function(name, signature, home) for name, signature in signatures(section).items()}
    return SimpleNamespace(**functions, **others)


_OWN: dict[str, Any] = {
    "ndarray": ndarray,
    "ufunc": ufunc,
    "asarray": asarray,
    "array": array,
    "asnumpy": asnumpy,
    "fuse": fuse,
    "get_array_module": get_array_module,
    "size": size,
    "take": take,
    "take_along_axis": take_along_axis,
    "is_available": lambda: True,
    "cuda": SimpleNamespace(
        Device=Device,
        is_available=lambda: True,
        runtime=SimpleNamespace(getDeviceCount=lambda: 1, driverGetVersion=lambda: 13000),
    ),
    "linalg": _namespace("linalg", np.linalg, LinAlgError=np.linalg.LinAlgError),
    "lib": SimpleNamespace(stride_tricks=_namespace("stride_tricks", np.lib.stride_tricks)),
}


@cache
def lookup(name: str) -> Any:
    """What the module has under ``name``; ``AttributeError`` where CuPy has nothing."""
    if name in _OWN:
        return _OWN[name]
    if name in _SAME:
        return getattr(np, name)
    if name in _UFUNCS:
        return ufunc(name)
    if name in _FUNCTIONS:
        return _function(name, _FUNCTIONS[name])
    raise AttributeError(f"module 'cupy' has no attribute {name!r}")
