"""Products of matrices, and Einstein summation.

For Y = A B, dY = dA B + A dB, so with G = dL/dY the vector-Jacobian products are G B^T and A^T G. The same in indices
gives those of einsum: for y_ik = sum_j a_ij b_jk the gradient of a is sum_k g_ik b_jk, an einsum in which the indices
of the result and of the operand have changed places.
"""

import math
from typing import Any

from tinygen.autograd.arguments import as_tensor, checked_arguments
from tinygen.autograd.broadcasting import broadcast_to, common_shape, sum_to
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module
from tinygen.kernels import products as kernels
from tinygen.operations.shaping import expand_dims, getitem, reshape, squeeze, swapaxes, transpose


@operation(
    lambda g, x, y: _matmul(g, swapaxes(y, -1, -2)),
    lambda g, x, y: _matmul(swapaxes(x, -1, -2), g),
    linear=True,
)
def _matmul(x: Array, y: Array) -> Array:
    return kernels.matmul(x, y)


@operation(
    lambda g, x, weight, bias: _matmul(g, weight),
    lambda g, x, weight, bias: _matmul(swapaxes(g, 0, 1), x),
    lambda g, x, weight, bias: sum_to(g, shape=bias.shape),
)
def affine(x: Array, weight: Array, bias: Array | None) -> Array:
    """``x W^T + b``: x (N, in), weight (out, in), bias (out,) or None -> (N, out)."""
    return kernels.matmul(x, weight.T) if bias is None else kernels.affine(x, weight, bias)


def _tensors(function: str, *operands: Any) -> list[Tensor]:
    """The operands as tensors, lists and numbers on the device of the first tensor among them."""
    device = next((operand.device for operand in operands if isinstance(operand, Tensor)), None)
    return [
        as_tensor(function, f"operand {i}", operand, None if hasattr(operand, "dtype") else device)
        for i, operand in enumerate(operands)
    ]


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """The matrix product x (..., n, k), y (..., k, m) -> (..., n, m), the leading axes broadcast, as ``numpy.matmul``.
    A vector (k,) is a row on the left or a column on the right; the result then lacks that axis.

    Raises ``ValueError`` where the lengths k differ, where the leading axes do not broadcast and for operands without
    axes.
    """
    x, y = _tensors("matmul", x, y)
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(f"matmul: expects operands with at least one axis, got shapes {x.shape} and {y.shape}")
    rows = y.shape[max(y.ndim - 2, 0)]
    if x.shape[-1] != rows:
        raise ValueError(f"matmul: x has {x.shape[-1]} columns, y {rows} rows (x {x.shape}, y {y.shape})")
    if x.ndim == 1 or y.ndim == 1:
        product = matmul(expand_dims(x, 0) if x.ndim == 1 else x, expand_dims(y, 1) if y.ndim == 1 else y)
        product = squeeze(product, -1) if y.ndim == 1 else product
        return squeeze(product, -2 if y.ndim > 1 else -1) if x.ndim == 1 else product
    if y.ndim == 2 and x.ndim > 2:  # one product of a taller matrix instead of one product per matrix
        tall = reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
        return reshape(_matmul(tall, y), (*x.shape[:-1], y.shape[-1]))
    lead = common_shape("matmul, axes in front", x.shape[:-2], y.shape[:-2])
    return _matmul(_broadcast(x, (*lead, *x.shape[-2:])), _broadcast(y, (*lead, *y.shape[-2:])))


def _gradient_of_operand(g: Tensor, index: int, *operands: Tensor, inputs: tuple[str, ...], output: str) -> Tensor:
    """The einsum with ``g`` in place of operand ``index``, then a broadcast over the indices that occur in that operand
    alone and were summed over."""
    others = [operand for i, operand in enumerate(operands) if i != index]
    letters = [subscripts for i, subscripts in enumerate(inputs) if i != index]
    wanted = inputs[index]
    known = "".join(letter for letter in wanted if letter in output or any(letter in s for s in letters))
    product = _einsum(g, *others, inputs=(output, *letters), output=known)
    lost = tuple(i for i, letter in enumerate(wanted) if letter not in known)
    return broadcast_to(expand_dims(product, lost), operands[index].shape) if lost else product


@operation(_gradient_of_operand, variadic=True, linear=True)
def _einsum(*operands: Array, inputs: tuple[str, ...], output: str) -> Array:
    return array_module(*operands).einsum(f"{','.join(inputs)}->{output}", *operands)


@checked_arguments
def einsum(subscripts: str, *operands: Tensor) -> Tensor:
    """The sum of products that ``subscripts`` denotes, as ``numpy.einsum``: ``"bij,bjk->bik"`` for operands of shapes
    (b, i, j) and (b, j, k). A letter that is repeated in one operand takes its diagonal, ``...`` stands for further
    axes, and without ``->`` the letters that occur once remain, in alphabetical order.

    Raises ``ValueError`` where the letters do not match the shapes of the operands.
    """
    tensors = _tensors("einsum", *operands)
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(tensors):
        raise ValueError(f"einsum: {subscripts!r} names {len(inputs)} operands, got {len(tensors)}")
    free = [letter for letter in _LETTERS if letter not in subscripts]
    inputs, dots = _expand_ellipsis(inputs, tensors, free)
    if not arrow:
        letters = "".join(inputs)
        output = dots + "".join(sorted({c for c in letters if letters.count(c) == 1 and c not in dots}))
    output = output.replace("...", dots)
    sizes: dict[str, int] = {}
    for place, (names, operand) in enumerate(zip(inputs, tensors, strict=True)):
        if len(names) != operand.ndim:
            raise ValueError(f"einsum: {names!r} has {len(names)} letters, operand {place} {operand.ndim} axes")
        for letter, length in zip(names, operand.shape, strict=True):
            if sizes.setdefault(letter, length) not in (length, 1) and length != 1:
                raise ValueError(f"einsum: index {letter!r} has length {sizes[letter]} and {length}")
            sizes[letter] = max(sizes[letter], length)
    if not set(output) <= set(sizes) or len(set(output)) != len(output):
        raise ValueError(
            f"einsum: the result {output!r} of {subscripts!r} must name indices of the operands, once each"
        )
    operands_of = list(zip(inputs, tensors, strict=True))
    tensors = [_broadcast(operand, tuple(sizes[letter] for letter in names)) for names, operand in operands_of]
    distinct = [_diagonal(names, operand) for names, operand in zip(inputs, tensors, strict=True)]
    return _einsum(*(operand for _, operand in distinct), inputs=tuple(names for names, _ in distinct), output=output)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _broadcast(operand: Tensor, shape: tuple[int, ...]) -> Tensor:
    return operand if operand.shape == shape else broadcast_to(operand, shape)


def _expand_ellipsis(inputs: list[str], tensors: list[Tensor], free: list[str]) -> tuple[list[str], str]:
    """``inputs`` with letters for the axes that each ``...`` stands for, aligned from the right as in broadcasting; and
    all these letters."""
    widths = [
        x.ndim - len(names.replace("...", "")) if "..." in names else 0
        for names, x in zip(inputs, tensors, strict=True)
    ]
    dots = "".join(free.pop() for _ in range(max(widths, default=0)))
    expanded = [names.replace("...", dots[len(dots) - width :]) for names, width in zip(inputs, widths, strict=True)]
    return expanded, dots


def _diagonal(names: str, operand: Tensor) -> tuple[str, Tensor]:
    """The letters and the operand with each letter once: of axes with the same letter, the diagonal."""
    for letter in dict.fromkeys(names):
        axes = [axis for axis, name in enumerate(names) if name == letter]
        if len(axes) > 1:
            rest = [axis for axis, name in enumerate(names) if name != letter]
            index = array_module(operand.data).arange(operand.shape[axes[0]])
            operand = getitem(transpose(operand, (*axes, *rest)), (index,) * len(axes))
            names = letter + "".join(names[axis] for axis in rest)
    return names, operand
