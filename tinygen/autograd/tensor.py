"""A tensor: an array that remembers how it was made.

A tensor is a shell around an array (``data``). If an operation made it from tensors that ask for gradients, it also
holds the ``node`` that says which operation, of which inputs. Following the nodes from a result back to its origins is
all that differentiation needs; the walk itself is in ``engine.py``.

References point backwards only, from a result to its inputs, so no cycle ever forms and a graph is freed at the moment
in which its last result is dropped. Operators and methods (``x + y``, ``x.sum(axis=0)``) are bound to this class from
one table, ``operations/table.py``: this file knows none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygen.backend import Array, device_of, to_device

if TYPE_CHECKING:
    from tinygen.autograd.operation import Node


class Tensor:
    """An array, its gradient, and where it came from; made by ``tg.tensor`` and by operations.

    Attributes: ``data``, the array (numpy or cupy); ``grad``, the gradient that ``backward`` left here (a Tensor, or
    None); ``requires_grad``; ``node``, how it was made (None for a leaf).
    """

    __slots__ = ("__weakref__", "_requires_grad", "data", "grad", "node")

    __array_ufunc__ = None  # so that ``array + tensor`` asks Tensor.__radd__, and ``np.sin(tensor)`` is a TypeError

    if TYPE_CHECKING:  # bound from operations/table.py
        __add__: Any
        __radd__: Any
        __sub__: Any
        __rsub__: Any
        __mul__: Any
        __rmul__: Any
        __truediv__: Any
        __rtruediv__: Any
        __pow__: Any
        __rpow__: Any
        __matmul__: Any
        __neg__: Any
        __lt__: Any
        __le__: Any
        __gt__: Any
        __ge__: Any
        __getitem__: Any

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, data: Array, *, requires_grad: bool = False, node: Node | None = None) -> None:
        self.data: Array = np.asarray(data) if isinstance(data, np.generic) else data
        self.grad: Tensor | None = None
        self.node = node
        self._requires_grad = node is not None
        if requires_grad:
            self.requires_grad = True

    @property
    def requires_grad(self) -> bool:
        """Whether derivatives flow to this tensor: asked for on a leaf, inherited by what is made of it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.node is not None and not wanted:
            raise ValueError("requires_grad: only a leaf's can be switched off; detach() gives a tensor without a past")
        if wanted and self.dtype.kind != "f":
            raise TypeError(f"requires_grad: only floating-point tensors have gradients, this one is {self.dtype}")
        self._requires_grad = wanted

    @property
    def source(self) -> Node | Tensor:
        """Where its gradient goes in a reverse walk: to the node that made it, or to itself if it is a leaf."""
        return self.node or self

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
        return self.data.dtype

    @property
    def device(self) -> str:
        """Where the array lives: ``"cpu"``, ``"gpu:0"``, ..."""
        return device_of(self.data)

    def detach(self) -> Tensor:
        """The same array as a leaf that asks for no gradient."""
        return Tensor(self.data)

    def numpy(self) -> np.ndarray:
        """A copy of the array as a NumPy array, from a GPU too."""
        return np.array(to_device(self.data, "cpu"))

    def item(self) -> Any:
        """The one element, as a Python number."""
        if self.size != 1:
            raise ValueError(f"item: expects a tensor of one element, this one has shape {self.shape}")
        return self.data.item()

    def __repr__(self) -> str:
        asks = ", requires_grad=True" if self.requires_grad else ""
        place = "" if self.device == "cpu" else f", device={self.device!r}"
        values = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        return f"tensor({values}, dtype={self.dtype}{place}{asks})"

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: a tensor without axes has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"bool: the truth of a tensor of shape {self.shape} is ambiguous")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    __hash__ = object.__hash__  # ``==`` compares elements; as a dictionary's key a tensor is itself and no other

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "tensors do not change in place: instead of x[mask] = value write x = tg.where(mask, value, x), "
            "instead of x[:k] = value write x = tg.cat([value, x[k:]])"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("NumPy was handed a Tensor: use the function of the same name in tg, or pass tensor.numpy()")


def tensor(data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ``data``, copied: Python numbers and lists become float32 (truth values stay bool), arrays and
    tensors keep their dtype; ``device`` is where it is to live (else where it is).

    Raises ``TypeError`` where ``data`` is no rectangular arrangement of numbers or gradients are asked of integers.
    """
    if isinstance(data, Tensor):
        data = data.data
    if isinstance(data, np.generic) or not hasattr(data, "dtype"):
        is_scalar_array = isinstance(data, np.generic)
        try:
            data = np.asarray(data)
        except ValueError as error:
            raise TypeError(f"tensor: expects numbers in a rectangular arrangement ({error})") from error
        if data.dtype.kind not in "biuf":
            raise TypeError(f"tensor: expects real numbers, got elements of type {data.dtype}")
        if dtype is None and not is_scalar_array and data.dtype != bool:
            dtype = np.float32
    data = data.astype(dtype or data.dtype)
    return Tensor(data if device is None else to_device(data, device), requires_grad=requires_grad)
