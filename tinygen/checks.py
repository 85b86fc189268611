"""Arguments, checked at the call: annotations say what a public function takes, ``@checked`` holds callers to them.

    @checked
    def elbo(model: VAE, images: Any, batch_size: Count = 200) -> float: ...

``elbo(model, images, 0)`` then raises ``ValueError: elbo: batch_size must be a whole number from 1, got 0``. The
function receives what the annotation names:

* ``int``: whatever ``operator.index`` takes; ``float``: whatever ``float`` takes, except text.
* ``np.ndarray``: real numbers, from an array, a list, or a tensor of this or another library, on any device.
* ``Sequence[X]`` and ``tuple[X, X]``: values that each are an ``X``, as a list and as a tuple.
* ``bool``, ``str``, paths, ``Callable``, ``Iterable``, ``Mapping`` and classes: those.
* ``Annotated[..., Rule]``: that the value satisfies the rule. ``X | Y``: either. ``Any``: unchecked.

A wrong type raises ``TypeError``, a value that breaks a rule ``ValueError``. Within the function underflows are 0,
whatever ``np.seterr`` says. The check costs several microseconds a call; functions that training calls at every step
are not decorated.
"""

import inspect
import math
import operator
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NamedTuple, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Kind = TypeVar("Kind")


# Rules ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """What a value must be, in ``words``, and a function that says whether it ``holds``."""

    words: str
    holds: Callable[[Any], bool]


def axes(names: str, least: int = 1) -> Rule:
    """The rule of arrays with the axes ``names`` (``"N, D"``), each of at least ``least`` entries."""
    count = len(names.split(", "))
    words = f"an array ({names}{',' if count == 1 else ''}){', not empty' if least else ''}"
    return Rule(words, lambda array: array.ndim == count and (not least or min(array.shape) >= least))


PIXELS = Rule("bool, uint8 or floating point", lambda a: a.dtype.kind in "bf" or a.dtype == np.uint8)

Natural = Annotated[int, Rule("a whole number from 0", lambda n: n >= 0)]
Count = Annotated[int, Rule("a whole number from 1", lambda n: n >= 1)]
Several = Annotated[int, Rule("a whole number from 2", lambda n: n >= 2)]
Finite = Annotated[float, Rule("a finite number", math.isfinite)]
Positive = Annotated[float, Rule("a positive number", lambda x: 0 < x < math.inf)]
NotNegative = Annotated[float, Rule("a number from 0", lambda x: 0 <= x < math.inf)]
ValueRange = Annotated[
    tuple[float, float],
    Rule("two finite numbers (low, high) with low < high", lambda r: -math.inf < r[0] < r[1] < math.inf),
]
Images = Annotated[np.ndarray, axes("N, C, H, W"), PIXELS]
Latents = Annotated[np.ndarray, axes("N, L")]
Points = Annotated[np.ndarray, axes("n, d")]


# The decorator -------------------------------------------------------------------------------------------------------


def checked(function: Callable[Parameters, Result], name: str | None = None) -> Callable[Parameters, Result]:
    """``function`` with its arguments checked and converted as its annotations say.

    Errors give its ``name``, unless told its own, or for a constructor its class's.
    """
    if name is None:
        own, _, name = function.__qualname__.rpartition(".")
        name = own.rpartition(".")[2] if name.startswith("__") else name
    signature = inspect.signature(function)
    checks = {argument: _check(parameter.annotation) for argument, parameter in signature.parameters.items()}

    @wraps(function)
    def call(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
        try:
            bound = signature.bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        values = bound.arguments
        for argument, value in values.items():
            check = checks[argument]
            if check is not None:
                values[argument] = _conform(name, argument, value, check)
        with np.errstate(under="ignore"):
            return function(*bound.args, **bound.kwargs)

    return call


def checked_fields(kind: type[Kind]) -> type[Kind]:
    """The dataclass ``kind``, its fields checked and converted as their annotations say."""
    kind.__init__ = checked(kind.__init__, kind.__name__)  # type: ignore[method-assign]
    return kind


def require(function: str, argument: str, value: Any, annotation: Any) -> Any:
    """``value`` as ``annotation`` asks, or the error that ``checked`` raises: for values that are no arguments of a
    decorated function, such as the fields of a dataclass."""
    check = _check(annotation)
    return value if check is None else _conform(function, argument, value, check)


def described(value: Any) -> str:
    """``value`` as error messages show it: numbers and short texts as they are, arrays by dtype and shape."""
    if hasattr(value, "dtype") and getattr(value, "shape", ()) != ():
        return f"{value.dtype} {tuple(value.shape)}"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, tuple, list, Path)):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    if isinstance(value, np.generic):
        return str(value)
    if isinstance(value, type) or inspect.isroutine(value):
        return f"the {'class' if isinstance(value, type) else 'function'} {value.__name__}"
    return _with_article(type(value).__name__)


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


class _RuleBroken(ValueError):
    """A value has the right type and breaks a rule."""

    def __init__(self, words: str, value: Any) -> None:
        self.words, self.value = words, value


class _Check(NamedTuple):
    """What an annotation takes, in ``words``, and the conversion of a value to it, which raises ``TypeError`` or
    ``ValueError`` for what it does not take."""

    words: str
    convert: Callable[[Any], Any]


REFUSED = (TypeError, ValueError, OverflowError)


def _conform(function: str, argument: str, value: Any, check: _Check) -> Any:
    try:
        return check.convert(value)
    except _RuleBroken as broken:
        message = f"{function}: {argument} must be {broken.words}, got {described(broken.value)}"
        raise ValueError(message) from None
    except REFUSED:
        raise TypeError(f"{function}: {argument} must be {check.words}, got {described(value)}") from None


# What annotations mean -----------------------------------------------------------------------------------------------


def as_array(values: Any) -> np.ndarray:
    """The values of an array or tensor, from whichever device, or what NumPy makes of ``values``.

    Raises ``TypeError`` for a masked array, whose mask would be lost."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError("expects an array without a mask, got a masked one; fill it (.filled(value)) first")
    if isinstance(values, np.ndarray):
        return values
    if callable(getattr(values, "numpy", None)):  # a tensor, of this library or another
        return np.asarray(values.numpy())
    if hasattr(values, "dtype") and callable(getattr(values, "get", None)):  # CuPy's arrays convert only when told to
        return np.asarray(values.get())
    return np.asarray(values)


def _real_array(values: Any) -> np.ndarray:
    array = as_array(values)
    if array.dtype.kind not in "biuf":
        raise TypeError
    return array


def _number(value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError
    return float(value)


def _instance(*kinds: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, kinds) or isinstance(value, type):  # a class has its instances' methods, too
            raise TypeError
        return value

    return convert


def _function(value: Any) -> Any:
    if not callable(value):
        raise TypeError
    return value


def _iterable(value: Any) -> Any:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError
    return value


def _sequence(element: _Check | None, length: int | None = None) -> Callable[[Any], Any]:
    def convert(values: Any) -> Any:
        if not isinstance(_iterable(values), Sized) or length not in (None, len(values)):
            raise TypeError
        found = list(values) if element is None else [element.convert(value) for value in values]
        return found if length is None else tuple(found)

    return convert


def _either(words: str, checks: Sequence[_Check]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        failure: Exception = TypeError()
        for check in checks:
            try:
                return check.convert(value)
            except _RuleBroken as broken:
                failure = _RuleBroken(words, broken.value)
            except REFUSED:
                continue
        raise failure

    return convert


def _ruled(check: _Check, rule: Rule) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        converted = check.convert(value)
        if not rule.holds(converted):
            raise _RuleBroken(rule.words, converted)
        return converted

    return convert


PLAIN = {
    int: _Check("a whole number", operator.index),
    float: _Check("a number", _number),
    bool: _Check("True or False", _instance(bool, np.bool_)),
    str: _Check("a string", _instance(str)),
    Path: _Check("a path", _instance(os.PathLike)),
    np.ndarray: _Check("an array of real numbers", _real_array),
    types.NoneType: _Check("None", _instance(types.NoneType)),
}


def _check(annotation: Any) -> _Check | None:
    """What ``annotation`` asks of a value; None where that is nothing."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in (Any, inspect.Parameter.empty):
        return None
    if origin is Annotated:
        return _annotated(_check(arguments[0]), arguments[1:])
    if origin in (Union, types.UnionType):
        checks = [check for check in map(_check, arguments) if check is not None]
        words = " or ".join(check.words for check in checks)
        return _Check(words, _either(words, checks)) if len(checks) == len(arguments) else None
    kind = origin or annotation
    if kind in PLAIN:
        return PLAIN[kind]
    if kind is Callable:
        return _Check("a function", _function)
    if kind in (tuple, Sequence):
        element, length = _check(arguments[0]), len(arguments) if kind is tuple else None
        of_these = f", each {element.words}" if element else ""
        return _Check(f"{length or ''} values{of_these}".strip(), _sequence(element, length))
    if kind is Iterable:
        return _Check("an iterable", _iterable)
    if kind in (Mapping, dict):
        return _Check("a mapping", _instance(Mapping))
    return _Check(_with_article(kind.__name__), _instance(kind)) if isinstance(kind, type) else None


def _annotated(check: _Check | None, metadata: Sequence[Any]) -> _Check:
    """``check`` with the rules among ``metadata``. A wrong type is told in a text's words, if there is one, else in the
    first rule's."""
    assert check is not None
    rules = [rule for rule in metadata if isinstance(rule, Rule)]
    words = next((text for text in metadata if isinstance(text, str)), rules[0].words if rules else check.words)
    for rule in rules:
        check = _Check(words, _ruled(check, rule))
    return check._replace(words=words)
