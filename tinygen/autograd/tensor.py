"""A tensor: an array with its gradient and a reference to the operation that computed it.

The array is ``data``. If an operation computed the tensor from tensors with ``requires_grad``, ``node`` holds that
operation and its inputs. The nodes form the computation graph; the backward pass through it is in ``engine.py``.

References point from a result to its inputs only, so there are no reference cycles, and a graph is freed when the last
reference to its result is gone. Operators and methods (``x + y``, ``x.sum(axis=0)``) are in ``operations/table.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol

import numpy as np

from tinygen.backend import Array, device_of, is_array, to_device, without_underflow
from tinygen.validation import described, device_name, real_dtype, truth_value

if TYPE_CHECKING:
    from tinygen.autograd.operation import Node
    from tinygen.operations.table import Operators
else:  # operations/table.py, which is written on tensors, sets them on this class when it is imported
    Operators = object


class Tensor(Operators):
    """An array of any shape, its gradient and the operation that computed it; created by ``tg.tensor`` or an operation.

    Attributes: ``data``, the array, any shape, of NumPy or CuPy; ``grad``, the gradient that ``backward`` stored (a
    Tensor, or None); ``requires_grad``; ``node``, the operation and its inputs (None for a leaf). ``Tensor(array)`` and
    ``x.data = array`` do not copy the array, which is read-only once it is part of a graph; ``tg.tensor`` does.
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_requires_grad", "node")

    __array_ufunc__ = None  # ``array + tensor`` calls Tensor.__radd__, and ``np.sin(tensor)`` is a TypeError

    def __init__(self, data: Array, *, requires_grad: bool = False, node: Node | None = None) -> None:
        self._data: np.ndarray = data if type(data) is np.ndarray else _array("Tensor", data)
        self._grad: Tensor | None = None
        self.node = node
        self._requires_grad = node is not None
        if requires_grad is not False:
            self.requires_grad = requires_grad

    def _replace_data(self, array: Any) -> None:
        array = _array("data", array)
        if self._requires_grad and array.dtype.kind != "f":
            raise TypeError(f"data: a tensor that requires gradients holds floating-point numbers, got {array.dtype}")
        self._data = array

    data = property(attrgetter("_data"), _replace_data, doc="The array; replacing it is detected by the backward pass.")

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` stored, a tensor of this shape; None before. ``backward`` adds to it."""
        return self._grad

    @grad.setter
    def grad(self, gradient: Tensor | None) -> None:
        if gradient is not None and not isinstance(gradient, Tensor):
            raise TypeError(f"grad: must be a Tensor or None, got {described(gradient)}")
        if gradient is not None and gradient.shape != self.shape:
            raise ValueError(f"grad: must have the shape of the tensor, {self.shape}, got {gradient.shape}")
        self._grad = gradient

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this tensor: set on a leaf, True of results that depend on the leaf."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        wanted = truth_value("requires_grad", "the value", wanted)
        if self.node is not None and not wanted:
            raise ValueError(
                "requires_grad: only a leaf's can be set to False; detach() gives a leaf with the same data"
            )
        if wanted and self.dtype.kind != "f":
            raise TypeError(f"requires_grad: only floating-point tensors have gradients, this one is {self.dtype}")
        self._requires_grad = wanted

    @property
    def grad_key(self) -> Node | Tensor:
        """The key of its gradient in a backward pass: the node that made it or, for a leaf, the tensor itself."""
        return self.node or self

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
        return self._data.dtype

    @property
    def device(self) -> str:
        """The device of the array: ``"cpu"``, ``"gpu:0"``, ..."""
        return device_of(self.data)

    @property
    def T(self) -> Tensor:
        """Axes reversed."""
        return self.transpose()

    def detach(self) -> Tensor:
        """A leaf with the same array, without ``requires_grad``."""
        return Tensor(self.data)

    def numpy(self) -> np.ndarray:
        """A copy of the array as a NumPy array, copied from the GPU if it is there."""
        return np.array(to_device(self.data, "cpu"))

    def item(self) -> Any:
        """The element of a tensor of size 1, as a Python number; ``ValueError`` for another size."""
        return self._one_element("item")

    def _one_element(self, function: str) -> Any:
        if self.size != 1:
            raise ValueError(f"{function}: expects a tensor of one element, this one has shape {self.shape}")
        return self.data.item()

    def __repr__(self) -> str:
        suffix = ", requires_grad=True" if self.requires_grad else ""
        place = "" if self.device == "cpu" else f", device={self.device!r}"
        values = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        return f"tensor({values}, dtype={self.dtype}{place}{suffix})"

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: a tensor without axes has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"bool: the truth of a tensor of shape {self.shape} is ambiguous")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self._one_element("float"))

    def __int__(self) -> int:
        return int(self._one_element("int"))

    __trunc__ = __int__

    def __index__(self) -> int:
        if self.dtype.kind not in "biu":
            raise TypeError(f"index: expects a tensor of whole numbers, this one is {self.dtype}")
        return int(self._one_element("index"))

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._one_element("round"), digits)

    def __format__(self, form: str) -> str:
        return format(self._one_element("format"), form) if form else str(self)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    __hash__ = object.__hash__  # ``==`` compares elements; as a key of a dictionary a tensor equals itself only

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "tensors do not change in place: instead of x[mask] = value write x = tg.where(mask, value, x), "
            "instead of x[:k] = value write x = tg.cat([value, x[k:]])"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("NumPy was handed a Tensor: use the function of the same name in tg, or pass tensor.numpy()")


Tensors = Tensor | Sequence[Tensor]
Vectors = Tensor | Sequence[Tensor | None] | None  # what derivatives are multiplied by; None stands for 1
Parameters = ParamSpec("Parameters")


class Decorator(Protocol):
    """What makes a function of tensors out of one of arrays, or of tensors, with the same parameters."""

    def __call__(self, function: Callable[Parameters, Any], /) -> Callable[Parameters, Tensor]: ...


def tensor(data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of ``data``, any shape. Default dtype: float32 for Python numbers and lists (bool for
    booleans), that of ``data`` for arrays and tensors; default device: that of ``data``.

    Lists of integers become float32 too, so that gradients can be computed; for labels and indices write
    ``tg.tensor([0, 2], dtype="int64")``. Raises ``TypeError`` where ``data`` is not a rectangular arrangement of
    numbers, for a tensor of another library, a masked array and ``requires_grad`` with integers; ``ValueError`` for a
    number outside the range of an integer ``dtype``; ``DeviceError`` for a ``device`` that does not exist.
    """
    wanted = truth_value("tensor", "requires_grad", requires_grad)
    return Tensor(copied("tensor", data, dtype, device), requires_grad=wanted)


def copied(function: str, data: Any, dtype: Any = None, device: str | None = None) -> Array:
    """The array of ``tensor(data, dtype=dtype, device=device)``; errors are those of ``function``."""
    data = data.data if isinstance(data, Tensor) else data
    if not is_array(data):
        dtype = np.float32 if dtype is None and not isinstance(data, np.generic) else dtype
        data = _array_of_numbers(function, data)
        dtype = None if data.dtype == bool and dtype is np.float32 else dtype
    elif isinstance(data, np.ma.MaskedArray):
        raise TypeError(
            f"{function}: expects an array without a mask, got a masked one; fill it (.filled(value)) first"
        )
    elif isinstance(data, np.ndarray):
        data = np.asarray(data)  # a subclass may define other operators
    if data.dtype.kind not in "biuf":
        raise TypeError(f"{function}: expects real numbers, got elements of type {data.dtype}")
    wanted = data.dtype if dtype is None else real_dtype(function, "dtype", dtype)
    data = cast(function, data, wanted)
    return data if device is None else to_device(data, device_name(function, "device", device))


def cast(function: str, data: Array, dtype: np.dtype) -> Array:
    """A copy of ``data`` with ``dtype``; ``ValueError`` where a number is beyond the range of an integer ``dtype``
    (not checked on a GPU)."""
    if dtype.kind in "iu" and data.dtype not in (dtype, bool) and data.size and isinstance(data, np.ndarray):
        low, high, limits = data.min(), data.max(), np.iinfo(dtype)
        if not (limits.min - 1 < low and high < limits.max + 1):
            raise ValueError(
                f"{function}: numbers of {dtype} lie in [{limits.min}, {limits.max}], got {low:g} to {high:g}"
            )
    return without_underflow(data.astype, dtype)


def _array_of_numbers(function: str, data: Any) -> np.ndarray:
    """Python numbers and nested lists of them as an array."""
    if hasattr(data, "__dlpack__") or (hasattr(data, "__array__") and not isinstance(data, np.generic)):
        raise TypeError(
            f"{function}: expects numbers or an array of NumPy or CuPy, got {type(data).__module__}."
            f"{type(data).__name__}; pass it as a NumPy array: its .numpy(), or numpy.asarray of it"
        )
    try:
        return np.asarray(data)
    except ValueError as error:
        raise TypeError(f"{function}: expects numbers in a rectangular arrangement ({error})") from error
    except TypeError:
        raise TypeError(
            f"{function}: expects numbers, got {described(data)} that holds tensors; join them by tg.stack"
        ) from None


def _array(name: str, data: Any) -> Array:
    """The array of ``data``: an array, a tensor, or a NumPy scalar."""
    if isinstance(data, np.generic):
        return np.asarray(data)
    data = data.data if isinstance(data, Tensor) else data
    if not is_array(data):
        raise TypeError(f"{name}: expects an array, got {described(data)}; tg.tensor makes a tensor of numbers")
    return data
