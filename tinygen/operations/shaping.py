"""Shapes: reshaping, permuting axes, indexing, padding, joining and splitting.

These operations move elements and compute nothing, so they are linear maps, and the vector-Jacobian product of each is
its adjoint. The adjoint of reshaping and of permuting axes is the inverse; that of indexing (``x[index]``) is
``scatter``, which adds elements to zeros at the index; that of padding is cropping.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tinygen.autograd import broadcasting
from tinygen.autograd.arguments import axis_from_front, checked_arguments, index_of
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module, to_device
from tinygen.validation import is_several, whole_numbers

__all__ = ["astype", "broadcast_to", "cat", "expand_dims", "flatten", "flip", "getitem", "pad", "reshape", "scatter"]
__all__ += ["split", "squeeze", "stack", "swapaxes", "to", "transpose"]


@operation(lambda g, x, shape: _reshape(g, shape=x.shape), linear=True)
def _reshape(x: Array, shape: tuple[int, ...]) -> Array:
    try:
        return x.reshape(shape)
    except ValueError:
        raise ValueError(f"reshape: {x.size} elements of shape {x.shape} do not fill shape {shape}") from None


@checked_arguments
def reshape(x: Tensor, *shape: Any) -> Tensor:
    """The elements of x, any shape, in another ``shape``, given as numbers or as one tuple; one length may be -1: it is
    computed.

    Raises ``ValueError`` where the numbers of elements differ.
    """
    return _reshape(x, shape=shape)


@checked_arguments
def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``x``, any shape, repeated along new leading axes and along axes of length 1 to ``shape``: a view, not a copy.

    Raises ``ValueError`` where its shape does not broadcast to ``shape``.
    """
    return broadcasting.broadcast_to(x, shape=shape)


@checked_arguments
def flatten(x: Tensor, start_axis: int = 0) -> Tensor:
    """x, any shape, with its axes from ``start_axis`` on as one axis: (N, C, H, W) -> (N, C H W) for ``start_axis``
    1."""
    start = axis_from_front("flatten", start_axis, x.ndim) if x.ndim else 0
    return _reshape(x, shape=(*x.shape[:start], math.prod(x.shape[start:])))


@checked_arguments
def squeeze(x: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """``x`` (any shape) without ``axis``, whose length must be 1, else ``ValueError``; default: without all axes of
    length 1."""
    axis = None if x.ndim == 0 and axis in (0, -1) else axis  # a number may pass as its own only axis, as in NumPy
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else [axis]
    removed = {axis_from_front("squeeze", a, x.ndim) for a in axes if axis is not None or x.shape[a] == 1}
    for a in removed:
        if x.shape[a] != 1:
            raise ValueError(f"squeeze: axis {a} has length {x.shape[a]}, expected 1")
    return _reshape(x, shape=tuple(length for a, length in enumerate(x.shape) if a not in removed))


@checked_arguments
def expand_dims(x: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """``x`` (any shape) with new axes of length 1 at the positions ``axis`` of the result;
    ``ValueError`` for a repeated axis."""
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    ndim = x.ndim + len(axes)
    new = {axis_from_front("expand_dims", a, ndim) for a in axes}
    if len(new) != len(axes):
        raise ValueError(f"expand_dims: an axis is named twice in {axes}")
    lengths = iter(x.shape)
    return _reshape(x, shape=tuple(1 if a in new else next(lengths) for a in range(ndim)))


@operation(lambda g, x, axes: _permute(g, axes=tuple(axes.index(a) for a in range(len(axes)))), linear=True)
def _permute(x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


@checked_arguments
def transpose(x: Tensor, *axes: Any) -> Tensor:
    """``x`` (any shape) with its axes in the order ``axes``, given as numbers or as one tuple; default: reversed.

    Raises ``ValueError`` where ``axes`` are not a permutation of the axes of ``x``.
    """
    order = tuple(axis_from_front("transpose", a, x.ndim) for a in axes) or tuple(reversed(range(x.ndim)))
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {axes} are not a permutation of the tensor's {x.ndim} axes")
    return _permute(x, axes=order)


@checked_arguments
def swapaxes(x: Tensor, axis1: int, axis2: int) -> Tensor:
    """``x`` (any shape) with two axes exchanged."""
    order = list(range(x.ndim))
    a, b = axis_from_front("swapaxes", axis1, x.ndim), axis_from_front("swapaxes", axis2, x.ndim)
    order[a], order[b] = b, a
    return _permute(x, axes=tuple(order))


@operation(lambda g, x, index: scatter(g, index=index, shape=x.shape), linear=True)
def _getitem(x: Array, index: Any) -> Array:
    try:
        return x[index]
    except IndexError as error:
        raise IndexError(f"getitem: {error}") from None


@operation(lambda g, x, index, shape: _getitem(g, index=index), linear=True)
def scatter(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``x`` added at ``index``: the adjoint of indexing by ``[index]``."""
    xp = array_module(x)
    result = xp.zeros(shape, x.dtype)
    parts = index if isinstance(index, tuple) else (index,)
    if any(hasattr(part, "dtype") and part.dtype.kind in "iu" for part in parts):
        xp.add.at(result, index, x)
    else:
        result[index] = x
    return result


def getitem(x: Tensor, index: Any) -> Tensor:
    """``x[index]``; ``index``: slices, integers, None, ``...``, and tensors, arrays or lists of integers or booleans,
    which are copied, so a later change of them does not change the gradient. Raises ``IndexError`` for others."""
    return _getitem(x, index=index_of(x, index))


def flip(x: Tensor, axis: int) -> Tensor:
    """The elements along ``axis`` in reverse order."""
    return getitem(x, (slice(None),) * axis_from_front("flip", axis, x.ndim) + (slice(None, None, -1),))


@operation(lambda g, x, widths: _getitem(g, index=_inside(x.shape, widths)), linear=True)
def _pad(x: Array, widths: tuple[tuple[int, int], ...]) -> Array:
    xp = array_module(x)
    result = xp.zeros([n + before + after for n, (before, after) in zip(x.shape, widths, strict=True)], x.dtype)
    result[_inside(x.shape, widths)] = x
    return result


def _inside(shape: tuple[int, ...], widths: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


@checked_arguments
def pad(x: Tensor, pad_width: Any) -> Tensor:
    """``x`` (any shape) padded with zeros; ``pad_width``: a number, (before, after), or one such pair for each axis.

    Raises ``ValueError`` for anything else and for negative numbers.
    """
    pad_width = pad_width if is_several(pad_width) else (pad_width, pad_width)
    given = [whole_numbers("pad", "pad_width", part, minimum=0) for part in pad_width]
    pairs = [given[0] + given[1]] * x.ndim if list(map(len, given)) == [1, 1] else given
    pairs = pairs * x.ndim if len(pairs) == 1 else pairs
    if len(pairs) != x.ndim or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"pad: pad_width must be a number from 0, a pair, or a pair for each of {x.ndim} axes, got {pad_width}"
        )
    return _pad(x, widths=tuple((before, after) for before, after in pairs))


def _slice_of(g: Tensor, index: int, *tensors: Tensor, axis: int) -> Tensor:
    start = sum(x.shape[axis] for x in tensors[:index])
    return _getitem(g, index=(slice(None),) * axis + (slice(start, start + tensors[index].shape[axis]),))


@operation(_slice_of, variadic=True, linear=True)
def _cat(*tensors: Array, axis: int) -> Array:
    return array_module(*tensors).concatenate(tensors, axis=axis)


@checked_arguments
def cat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """``tensors``, of one shape apart from ``axis``, concatenated along it; those of shape (0,) are left out. Raises
    ``ValueError`` where the lengths of other axes differ, and for no tensor."""
    if not tensors:
        raise ValueError("cat: expects at least one tensor, got none")
    shape = next((x.shape for x in tensors if x.shape != (0,)), (0,))
    axis = axis_from_front("cat", axis, len(shape))
    empty = (*shape[:axis], 0, *shape[axis + 1 :])
    tensors = [reshape(x, empty) if x.shape == (0,) != empty else x for x in tensors]
    shapes = [x.shape for x in tensors]
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1 or len({len(s) for s in shapes}) > 1:
        raise ValueError(f"cat: shapes {shapes} differ in more than axis {axis}")
    return _cat(*tensors, axis=axis)


@checked_arguments
def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """``tensors`` of one shape joined along a new ``axis``. Raises ``ValueError`` where the shapes differ."""
    if not tensors:
        raise ValueError("stack: expects at least one tensor, got none")
    if len({x.shape for x in tensors}) != 1:
        raise ValueError(f"stack: expects tensors of one shape, got {[x.shape for x in tensors]}")
    axis = axis_from_front("stack", axis, tensors[0].ndim + 1)
    return cat([expand_dims(x, axis) for x in tensors], axis)


@checked_arguments
def split(x: Tensor, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """``x`` (any shape) split along ``axis`` into a number of equal parts, or at the given indices.

    Raises ``ValueError`` where the axis cannot be split into equal parts.
    """
    axis = axis_from_front("split", axis, x.ndim)
    length = x.shape[axis]
    cuts = indices_or_sections
    if isinstance(cuts, int):
        if cuts < 1 or length % cuts:
            raise ValueError(f"split: axis {axis} of length {length} has no {cuts} equal parts")
        cuts = tuple(length * i // cuts for i in range(1, cuts))
    edges = [0, *cuts, length]
    return [getitem(x, (slice(None),) * axis + (slice(first, last),)) for first, last in pairwise(edges)]


@checked_arguments
@operation(lambda g, x, dtype: astype(g, x.dtype), linear=True)
def astype(x: Array, dtype: Any) -> Array:
    """The same values as another ``dtype``; a result that is not floating point has no gradient."""
    return x.astype(dtype)


@checked_arguments
@operation(lambda g, x, device: to(g, x.device), linear=True)
def to(x: Array, device: str) -> Array:
    """The same values on another ``device``: ``"cpu"``, ``"gpu"``, ``"gpu:1"``; the gradient is copied back."""
    return to_device(x, device)
