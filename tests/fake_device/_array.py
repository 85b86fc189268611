"""The fake device's array: NumPy's numbers behind CuPy's rules.

``ndarray`` holds a NumPy array that only this package may touch. Everything that reaches it passes ``unwrap``, which
refuses NumPy arrays, and everything that leaves passes ``wrap``, which hands out arrays of the device alone: a
reduction gives a 0-d array, never a scalar, and a new array is in C order whatever order its sources were in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._surface import names, signatures

MODULE = __name__.partition(".")[0]  # what CuPy's arrays have as "cupy"

DTYPES = "?bhilqBHILQefdFD"
ON_DEVICE = names("answers stay on the device")
KEEPS_ORDER = names("keeps memory order")
WAITS = names("waits")

host_waits: Counter[str] = Counter()  # how often the host waited for the device, by what made it wait


def unwrap(value: Any, sources: list[ndarray]) -> Any:
    """``value`` with its device arrays laid bare, however deep they lie in tuples, lists and dicts.

    The arrays found are added to ``sources``. A NumPy array, a 0-d one too, is refused, as CuPy refuses it.
    """
    if isinstance(value, ndarray):
        sources.append(value)
        return value._numbers
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: a NumPy array meets arrays of the device")
    if isinstance(value, list | tuple):
        return type(value)([unwrap(part, sources) for part in value])
    if isinstance(value, dict):
        return {key: unwrap(part, sources) for key, part in value.items()}
    return value


def wrap(value: Any, sources: list[ndarray], keep_order: bool = False) -> Any:
    """NumPy's answer as the device would give it; an answer that is one of the ``sources`` is that very array."""
    if isinstance(value, np.ndarray | np.generic):
        for source in sources:
            if value is source._numbers:
                return source
        numbers = np.asarray(value)
        is_view = any(np.may_share_memory(numbers, source._numbers) for source in sources)
        return ndarray._of(numbers if keep_order or is_view else np.asarray(numbers, order="C"))
    if isinstance(value, list):
        return [wrap(part, sources, keep_order) for part in value]
    if isinstance(value, tuple):
        parts = [wrap(part, sources, keep_order) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def compute(function: Callable, name: str, *args: Any, **kwargs: Any) -> Any:
    """What ``function``, NumPy's, called ``name``, makes of arrays of the device, as an array of the device."""
    if name in WAITS:
        host_waits[name] += 1
    sources: list[ndarray] = []
    value = function(*unwrap(args, sources), **unwrap(kwargs, sources))
    if name in ON_DEVICE:
        value = np.asarray(value)
    return wrap(value, sources, keep_order=name in KEEPS_ORDER)


def refuse_all_but_numbers(name: str, values: tuple) -> None:
    """Raise where an operand is neither an array of the device nor a plain number."""
    for value in values:
        if not isinstance(value, ndarray | bool | int | float | complex | np.number | np.bool_):
            raise TypeError(f"{name}: Unsupported type {type(value)}")


def compute_elementwise(function: Callable, name: str, *args: Any, **kwargs: Any) -> Any:
    """The same for an element-wise function, which takes arrays of the device and plain numbers, nothing else."""
    refuse_all_but_numbers(name, args)
    return compute(function, name, *args, **kwargs)


def defers(other: Any) -> bool:
    """Whether an operator leaves the work to ``other``: it says so, or it has the higher priority."""
    if isinstance(other, ndarray):
        return False
    if hasattr(other, "__array_ufunc__"):
        return other.__array_ufunc__ is None
    return getattr(other, "__array_priority__", 0) > ndarray.__array_priority__


def _wrapped_around(key: Any, shape: tuple[int, ...]) -> tuple:
    """A bare index with an Ellipsis in it, and its integer arrays taken modulo the axes that they index.

    That is CuPy's rule: an index out of range is no error, it starts again from the other end.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [np.asarray(part, dtype=None if part else np.intp) if isinstance(part, list) else part for part in parts]
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    takes = [_axes_taken(part) for part in parts]
    axis = 0
    for place, part in enumerate(parts):
        if isinstance(part, np.ndarray) and part.dtype.kind in "iu" and axis < len(shape) and shape[axis] > 0:
            parts[place] = part % shape[axis]
        axis += len(shape) - sum(takes) if part is Ellipsis else takes[place]
    return tuple(parts)


def _axes_taken(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


class Device:
    """The one device there is."""

    def __init__(self, device: int = 0) -> None:
        if device != 0:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        self.id = device

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return self.id

    def use(self) -> None:
        return None

    def synchronize(self) -> None:
        host_waits["synchronize"] += 1


class Flags:
    """CuPy's flags of an array's memory: none can be set, and there is no ``writeable``."""

    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata
        self.fnc, self.forc = flags.fnc, flags.forc

    def __getitem__(self, name: str) -> bool:
        if name not in ("C_CONTIGUOUS", "F_CONTIGUOUS", "OWNDATA"):
            raise KeyError(f"{name} is not defined for cupy.ndarray.flags")
        return getattr(self, name.lower())


class ndarray:
    """An array of the device. Made by the module's functions; ``get`` alone takes its numbers back to the host."""

    __slots__ = ("__weakref__", "_numbers")
    __module__ = MODULE
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 100
    __array_ufunc__ = None  # np.sin(array) is a TypeError, and array <op> array asks the device's operator

    _numbers: np.ndarray

    def __init__(self, shape: Any, dtype: Any = float, memptr: None = None, strides: None = None, order: str = "C"):
        self._numbers = np.empty(shape, dtype, order)  # type: ignore[call-overload]

    @classmethod
    def _of(cls, numbers: np.ndarray) -> ndarray:
        if numbers.dtype.char not in DTYPES:
            raise ValueError(f"Unsupported dtype {numbers.dtype}")
        self = cls.__new__(cls)
        self._numbers = numbers
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_function__(self, function: Callable, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} was called on an array of the device: use the array's own module")

    # Between host and device

    def get(self, stream: None = None, order: str = "C", out: None = None, blocking: bool = True) -> np.ndarray:
        host_waits["get"] += 1
        return np.array(self._numbers, order=order, copy=True)  # type: ignore[call-overload]

    def set(self, arr: np.ndarray, stream: None = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError(f"set: the array is {arr.dtype} {arr.shape}, expected {self.dtype} {self.shape}")
        self._numbers[...] = arr

    def item(self) -> Any:
        host_waits["item"] += 1
        return self._numbers.item()

    def __bool__(self) -> bool:
        host_waits["bool"] += 1
        return bool(self._numbers)

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get()[()], spec)

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: object) -> ndarray:
        return self.copy()

    # Shape and memory

    @property
    def shape(self) -> tuple[int, ...]:
        return self._numbers.shape

    @property
    def strides(self) -> tuple[int, ...]:
        return self._numbers.strides

    @property
    def dtype(self) -> np.dtype:
        return self._numbers.dtype

    @property
    def ndim(self) -> int:
        return self._numbers.ndim

    @property
    def size(self) -> int:
        return self._numbers.size

    @property
    def itemsize(self) -> int:
        return self._numbers.itemsize

    @property
    def nbytes(self) -> int:
        return self._numbers.nbytes

    @property
    def flags(self) -> Flags:
        return Flags(self._numbers.flags)

    @property
    def device(self) -> Device:
        return Device()

    @property
    def base(self) -> ndarray | None:
        return None if self._numbers.base is None else ndarray._of(np.asarray(self._numbers.base))

    @property
    def T(self) -> ndarray:
        return ndarray._of(self._numbers.T)

    @property
    def mT(self) -> ndarray:
        return ndarray._of(self._numbers.mT)

    @property
    def real(self) -> ndarray:
        return ndarray._of(self._numbers.real)

    @property
    def imag(self) -> ndarray:
        return ndarray._of(self._numbers.imag)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self)))

    # Parts

    def __getitem__(self, key: Any) -> ndarray:
        def part(numbers: np.ndarray, bare_key: Any) -> np.ndarray:
            return numbers[_wrapped_around(bare_key, numbers.shape)]

        _note_masks(key)
        return compute(part, "getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        def assign(numbers: np.ndarray, bare_key: Any, bare_value: Any) -> None:
            bare_key = _wrapped_around(bare_key, numbers.shape)
            if np.size(bare_value) > 1 and any(isinstance(part, np.ndarray) for part in bare_key):
                places = np.arange(numbers.size).reshape(numbers.shape)[bare_key]
                if np.unique(places).size < places.size:
                    raise ValueError("an array was assigned to a repeated index: which value stays is undefined")
            numbers[bare_key] = bare_value

        _note_masks(key)
        refuse_all_but_numbers("setitem", (value,))
        compute(assign, "setitem", self, key, value)

    def scatter_add(self, slices: Any, value: Any) -> None:
        def add_at(numbers: np.ndarray, bare_key: Any, bare_value: Any) -> None:
            np.add.at(numbers, _wrapped_around(bare_key, numbers.shape), bare_value)

        compute(add_at, "scatter_add", self, slices, value)

    def take(self, indices: Any, axis: int | None = None, out: ndarray | None = None) -> ndarray:
        return compute(np.take, "take", self, indices, axis, out, mode="wrap")


def _note_masks(key: Any) -> None:
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, ndarray) and part.dtype.kind == "b":
            host_waits["mask"] += 1


def _add_methods() -> None:
    for name, signature in signatures("methods").items():
        if name not in vars(ndarray):
            setattr(ndarray, name, _method(name, signature))


def _method(name: str, signature: Any) -> Callable:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        signature.bind(*args, **kwargs)
        return compute(getattr(np.ndarray, name), name, self, *args, **kwargs)

    return method


_BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "divmod": np.divmod,
    "pow": np.power,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
    "matmul": np.matmul,
}
_NOT_IN_PLACE = ("divmod", "matmul")  # CuPy's arrays have no __imatmul__: a @= b makes a new array
_COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}


def _add_operators() -> None:
    for name, function in (_BINARY | _COMPARISONS).items():
        setattr(ndarray, f"__{name}__", _operator(function, f"__{name}__"))
    for name, function in _BINARY.items():
        setattr(ndarray, f"__r{name}__", _reflected(function, f"__r{name}__"))
        if name not in _NOT_IN_PLACE:
            setattr(ndarray, f"__i{name}__", _in_place(function, f"__i{name}__"))
    for name, function in _UNARY.items():
        setattr(ndarray, f"__{name}__", _unary(function, f"__{name}__"))


def _operator(function: Callable, name: str) -> Callable:
    def operator(self: ndarray, other: Any) -> Any:
        return NotImplemented if defers(other) else compute_elementwise(function, name, self, other)

    return operator


def _reflected(function: Callable, name: str) -> Callable:
    def operator(self: ndarray, other: Any) -> Any:
        return NotImplemented if defers(other) else compute_elementwise(function, name, other, self)

    return operator


def _in_place(function: Callable, name: str) -> Callable:
    def operator(self: ndarray, other: Any) -> Any:
        return NotImplemented if defers(other) else compute_elementwise(function, name, self, other, out=self)

    return operator


def _unary(function: Callable, name: str) -> Callable:
    def operator(self: ndarray) -> Any:
        return compute_elementwise(function, name, self)

    return operator


_add_methods()
_add_operators()
