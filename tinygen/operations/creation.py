"""New tensors: constants, ranges and random numbers.

Default: float32, on the CPU. Random numbers are drawn on the CPU from the library's one generator and copied to the
device, so a seed gives the same numbers on every device. Each function raises ``TypeError`` for an argument of another
type and for ``requires_grad`` with a dtype that is not floating point.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen import backend, ranks
from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.tensor import Tensor, cast

__all__ = ["arange", "eye", "full", "full_like", "linspace", "ones", "ones_like", "rand", "rand_like", "randn"]
__all__ += ["randn_like", "zeros", "zeros_like"]


def _made(name: str, array: Any, dtype: Any, device: str | None, requires_grad: bool) -> Tensor:
    wanted = np.dtype(np.float32 if dtype is None else dtype)
    array = array if array.dtype == wanted else cast(name, array, wanted)
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad=requires_grad)


@checked_arguments
def zeros(*shape: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros of ``shape``, given as numbers or as one tuple."""
    return _made("zeros", np.zeros(shape, dtype or np.float32), dtype, device, requires_grad)


@checked_arguments
def ones(*shape: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Ones of ``shape``, given as numbers or as one tuple."""
    return _made("ones", np.ones(shape, dtype or np.float32), dtype, device, requires_grad)


@checked_arguments
def full(
    shape: int | tuple[int, ...],
    value: float,
    *,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ``shape`` whose elements are all ``value``."""
    return _made("full", np.full(shape, value, np.float32 if dtype is None else None), dtype, device, requires_grad)


@checked_arguments
def eye(n: int, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix (n, n)."""
    return _made("eye", np.eye(n), dtype, device, requires_grad)


@checked_arguments
def arange(*bounds: float, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """``start``, ``start + step``, ... below ``stop``, from (stop), (start, stop) or (start, stop, step).
    Raises ``ValueError`` for other arguments."""
    try:
        return _made("arange", np.arange(*bounds), dtype, device, requires_grad)
    except (TypeError, ZeroDivisionError):
        raise ValueError(f"arange: expects (stop), (start, stop) or (start, stop, step), got {bounds}") from None


@checked_arguments
def linspace(
    start: float, stop: float, num: int, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """``num`` equally spaced numbers from ``start`` to ``stop``, both included: shape (num,)."""
    return _made("linspace", np.linspace(start, stop, num), dtype, device, requires_grad)


@checked_arguments
def randn(*shape: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Independent standard normal numbers. Raises ``TypeError`` for a dtype that is not floating point."""
    drawn_dtype = _drawn_dtype("randn", dtype)
    drawn = ranks.drawn(lambda shape: backend.generator().standard_normal(shape, drawn_dtype), shape)
    return _made("randn", drawn, dtype, device, requires_grad)


@checked_arguments
def rand(*shape: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Independent numbers from the uniform distribution on [0, 1).

    Raises ``TypeError`` for a dtype that is not floating point."""
    drawn_dtype = _drawn_dtype("rand", dtype)
    drawn = ranks.drawn(lambda shape: backend.generator().random(shape, drawn_dtype), shape)
    if dtype is not None and np.dtype(dtype) == np.float16:  # rounded to nearest, numbers close to 1 would become 1
        drawn = np.floor(drawn * 2048) / 2048
    return _made("rand", drawn, dtype, device, requires_grad)


def _drawn_dtype(name: str, dtype: Any) -> Any:
    """The dtype in which numbers of ``dtype`` are drawn: float64, or float32 for narrower ones."""
    if dtype is not None and np.dtype(dtype).kind != "f":
        raise TypeError(f"{name}: dtype must be one of floating-point numbers, got {np.dtype(dtype)}")
    return np.float64 if dtype is not None and np.dtype(dtype) == np.float64 else np.float32


def _like(make: Callable[..., Tensor], x: Tensor, *args: Any, **options: Any) -> Tensor:
    shape = (x.shape, *args) if args else (x.shape,)
    return make(*shape, **{"dtype": x.dtype, "device": x.device, **{k: v for k, v in options.items() if v is not None}})


@checked_arguments
def zeros_like(x: Tensor, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros with the shape of ``x``, any shape; default: also its dtype and device."""
    return _like(zeros, x, dtype=dtype, device=device, requires_grad=requires_grad)


@checked_arguments
def ones_like(x: Tensor, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Ones with the shape of ``x``, any shape; default: also its dtype and device."""
    return _like(ones, x, dtype=dtype, device=device, requires_grad=requires_grad)


@checked_arguments
def full_like(
    x: Tensor, value: float, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with the shape of ``x``, any shape, whose elements are all ``value``; default: also the dtype and device
    of ``x``."""
    return _like(full, x, value, dtype=dtype, device=device, requires_grad=requires_grad)


@checked_arguments
def randn_like(x: Tensor, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers with the shape of ``x``, any shape; default: also its dtype and device."""
    return _like(randn, x, dtype=dtype, device=device, requires_grad=requires_grad)


@checked_arguments
def rand_like(x: Tensor, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Numbers from the uniform distribution on [0, 1) with the shape of ``x``, any shape; default: also its dtype and
    device."""
    return _like(rand, x, dtype=dtype, device=device, requires_grad=requires_grad)
