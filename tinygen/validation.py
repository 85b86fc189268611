"""Conversions of single arguments, with errors that name the function and the argument, what was expected and what was
given: ``TypeError`` for a value of a wrong type, ``ValueError`` for a value out of range.

A whole number is whatever ``operator.index`` takes, a number whatever ``float`` takes except text. So NumPy's scalars
and tensors of one element are accepted as numbers; they are converted to Python's own, which do not change the dtype of
a result.
"""

import operator
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def described(value: Any) -> str:
    """``value`` in an error about its type: the type, with the value of a number or text, the shape of an array."""
    if value is None:
        return "None"
    kind = value.__name__ if isinstance(value, type) else type(value).__name__
    if isinstance(value, type):
        return f"the class {kind}"
    if isinstance(value, (bool, int, float, str, np.generic)):
        return f"{kind} {str(value)[:60]!r}" if isinstance(value, str) else f"{kind} {value}"
    shape = getattr(value, "shape", None)
    return f"{kind} of shape {shape}" if isinstance(shape, tuple) else kind


def shown(value: Any) -> str:
    """``value`` in an error about its range: numbers and short texts as they are, arrays by dtype and shape."""
    if hasattr(value, "dtype") and getattr(value, "shape", ()) != ():
        return f"{value.dtype} {tuple(value.shape)}"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, tuple, list, Path)):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return str(value) if isinstance(value, np.generic) else described(value)


def whole_number(function: str, argument: str, value: Any, minimum: int | None = None) -> int:
    """``value`` as an ``int`` from ``minimum``."""
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be a whole number, got {described(value)}") from None
    if minimum is not None and found < minimum:
        raise ValueError(f"{function}: {argument} must be a whole number from {minimum}, got {found}")
    return found


def whole_numbers(function: str, argument: str, value: Any, minimum: int | None = None) -> tuple[int, ...]:
    """``value``, a whole number or several, as a tuple of them, each from ``minimum``."""
    try:
        found = tuple(map(operator.index, value if is_several(value) else (value,)))
    except TypeError:
        raise TypeError(f"{function}: {argument} must be whole numbers, got {described(value)}") from None
    if minimum is not None and any(part < minimum for part in found):
        raise ValueError(f"{function}: {argument} must be whole numbers from {minimum}, got {found}")
    return found


def one_or_several(function: str, argument: str, value: Any) -> int | tuple[int, ...]:
    """``value``, a whole number or several, as an ``int`` or as a tuple of them."""
    return (whole_numbers if is_several(value) else whole_number)(function, argument, value)


def is_several(value: Any) -> bool:
    """Whether ``value`` is iterable, apart from text, mappings and arrays without axes."""
    if isinstance(value, (tuple, list)):
        return True
    return isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) and getattr(value, "ndim", 1) != 0


def one_or_several_or_text(function: str, argument: str, value: Any) -> int | tuple[int, ...] | str:
    """``value``, a text, a whole number or several."""
    return value if isinstance(value, str) else one_or_several(function, argument, value)


def shape_lengths(function: str, argument: str, values: tuple[Any, ...]) -> tuple[int, ...]:
    """``*values``: whole numbers one by one, or one tuple of them; none for None."""
    if len(values) == 1:
        values = () if values[0] is None else values[0]
    return whole_numbers(function, argument, values)


def truth_value(function: str, argument: str, value: Any) -> bool:
    """``value``, True, False, 1 or 0, as a ``bool``."""
    if not isinstance(value, (bool, np.bool_)) and not (isinstance(value, (int, np.integer)) and value in (0, 1)):
        raise TypeError(f"{function}: {argument} must be True or False, got {described(value)}")
    return bool(value)


def number(function: str, argument: str, value: Any) -> float:
    """``value``, a real number, as Python's own ``int`` or ``float``."""
    try:
        plain = value.item() if hasattr(value, "item") else value
    except ValueError:
        plain = None  # of more than one element
    if not hasattr(plain, "__float__") or isinstance(plain, type):
        raise TypeError(f"{function}: {argument} must be a number, got {described(value)}")
    return plain if type(plain) in (int, float) else float(plain)


def numbers(function: str, argument: str, values: tuple[Any, ...]) -> tuple[float, ...]:
    """``*values``, each as a number."""
    return tuple([number(function, argument, value) for value in values])


def number_from(function: str, argument: str, value: Any, low: float, below: float = np.inf) -> float:
    """``value`` as a number in [low, below), which NaN is not."""
    found = number(function, argument, value)
    if not low <= found < below:
        bounds = f"be a number from {low}" if below == np.inf else f"lie in [{low}, {below})"
        raise ValueError(f"{function}: {argument} must {bounds}, got {found}")
    return found


def state(owner: str, value: Any, keys: Iterable[str] = ()) -> Mapping[str, Any]:
    """``value`` if it is a mapping of names that has ``keys``, such as the ``state_dict`` of ``owner``."""
    expected = f"load_state_dict: state must be a dict as {owner}'s state_dict() returns it"
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        is_path = isinstance(value, str) or hasattr(value, "__fspath__")
        hint = "; tg.load(path) reads a file, and its parts are states" if is_path else ""
        raise TypeError(f"{expected}, got {described(value)}{hint}")
    if not value.keys() >= set(keys):
        raise KeyError(f"{expected}, with {sorted(keys)}, got {sorted(value)}")
    return value


def real_dtype(function: str, argument: str, value: Any) -> np.dtype:
    """``value`` as a dtype of real numbers or bools."""
    try:
        found: np.dtype = np.dtype(value)
    except TypeError:
        found = np.dtype(object)
    if value is None or found.kind not in "biuf":
        raise TypeError(f'{function}: {argument} must be one of real numbers ("float32"), got {described(value)}')
    return found


def device_name(function: str, argument: str, value: Any) -> str:
    """``value`` if it is the name of a device."""
    expected = f"{function}: {argument} must be 'cpu', 'gpu' or 'gpu:N' with N = 0, 1, ..."
    if not isinstance(value, str):
        raise TypeError(f"{expected}, got {described(value)}")
    kind, colon, index = value.partition(":")
    if value != "cpu" and (kind != "gpu" or (colon and not index.isdecimal())):
        raise ValueError(f"{expected}, got {value!r}")
    return value
