"""The arguments of public functions, checked and converted according to their annotations.

    @checked
    def elbo(model: VAE, images: Any, batch_size: Count = 200) -> float: ...

``elbo(model, images, 0)`` raises ``ValueError: elbo: batch_size must be a whole number from 1, got 0``. The function
receives values of the annotated type:

* ``int``: whatever ``operator.index`` takes; ``float``: whatever ``float`` takes, except text.
* ``np.ndarray``: real numbers, from an array, a list, or a tensor of this or another library, on any device.
* ``Sequence[X]`` and ``tuple[X, X]``: values that each are an ``X``, as a list and as a tuple.
* ``bool``, ``str``, paths, ``Callable``, ``Iterable``, ``Mapping`` and classes: those.
* ``Annotated[..., Rule]``: a value that satisfies the rule. ``X | Y``: either. ``Any``: unchecked.
* ``CONVERSIONS`` has the annotations with a conversion of their own, such as ``Tensor``; arguments called ``dtype``,
  ``device``, ``*shape``, ``*axes`` and ``*bounds`` by their names (``BY_NAME``, ``BY_NAME_OF_REST``).

A value of a wrong type raises ``TypeError`` with its type, a value that does not satisfy a rule ``ValueError`` with the
value. None is valid where it is the default or in the annotation.
"""

import inspect
import math
import operator
import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, NamedTuple, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from tinygen.validation import (
    described,
    device_name,
    number,
    numbers,
    one_or_several,
    one_or_several_or_text,
    real_dtype,
    shape_lengths,
    shown,
    truth_value,
    whole_numbers,
)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Kind = TypeVar("Kind")


# Rules ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """A condition that values must satisfy, with its ``description`` for errors: "a whole number from 1"."""

    description: str
    condition: Callable[[Any], bool]


def has_axes(names: str, min_length: int = 1) -> Rule:
    """The rule of arrays with the axes ``names`` (``"N, D"``), each of at least ``min_length`` entries."""
    count = len(names.split(", "))
    description = f"an array ({names}{',' if count == 1 else ''}){', not empty' if min_length else ''}"
    return Rule(description, lambda array: array.ndim == count and (not min_length or min(array.shape) >= min_length))


PIXELS = Rule("bool, uint8 or floating point", lambda a: a.dtype.kind in "bf" or a.dtype == np.uint8)

Natural = Annotated[int, Rule("a whole number from 0", lambda n: n >= 0)]
Count = Annotated[int, Rule("a whole number from 1", lambda n: n >= 1)]
AtLeastTwo = Annotated[int, Rule("a whole number from 2", lambda n: n >= 2)]
Finite = Annotated[float, Rule("a finite number", math.isfinite)]
Positive = Annotated[float, Rule("a positive number", lambda x: 0 < x < math.inf)]
NonNegative = Annotated[float, Rule("a number from 0", lambda x: 0 <= x < math.inf)]
Fraction = Annotated[float, Rule("a number in [0, 1]", lambda x: 0 <= x <= 1)]
ValueRange = Annotated[
    tuple[float, float],
    Rule("two finite numbers (low, high) with low < high", lambda r: -math.inf < r[0] < r[1] < math.inf),
]
Images = Annotated[np.ndarray, has_axes("N, C, H, W"), PIXELS]
Latents = Annotated[np.ndarray, has_axes("N, L")]
Points = Annotated[np.ndarray, has_axes("n, d")]


# The decorator -------------------------------------------------------------------------------------------------------


def checked(
    function: Callable[Parameters, Result], name: str | None = None, *, prefix_errors: bool = False
) -> Callable[Parameters, Result]:
    """``function`` with its arguments checked and converted; errors call it ``name`` (default: its own name, for a
    constructor that of the class).

    With ``prefix_errors`` the name also precedes the messages of the function's own errors, unless they have it.
    Without, underflows in the function are rounded to 0, whatever the state of ``np.seterr``; that takes too long for
    functions that training calls many times per step, whose operations do it themselves.
    """
    if name is None:
        own, _, name = function.__qualname__.rpartition(".")
        name = own.rpartition(".")[2] if name.startswith("__") else name
    signature, hints = inspect.signature(function), get_type_hints(function, include_extras=True)
    parameters = signature.parameters.values()
    converters = {p.name: found for p in parameters if (found := _converter(p, hints.get(p.name, Any)))}
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_position = [(i, each, *converters[each]) for i, each in enumerate(positional) if each in converters]
    positional_only = {p.name for p in parameters if p.kind is p.POSITIONAL_ONLY}
    by_name = {argument: found for argument, found in converters.items() if argument not in positional_only}
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
    is_init = function.__name__ == "__init__"

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        label = type(args[0]).__name__ if is_init else name
        given = len(args)
        for i, argument, convert, valid_types in by_position:
            if i >= given:
                break
            if type(args[i]) not in valid_types:
                args = (*args[:i], convert(label, argument, args[i]), *args[i + 1 :])
        if given > len(positional) and rest in converters:
            args = (*args[: len(positional)], *converters[rest][0](label, rest, args[len(positional) :]))
        for argument in options:
            if argument in by_name:
                convert, valid_types = by_name[argument]
                if type(options[argument]) not in valid_types:
                    options[argument] = convert(label, argument, options[argument])
        try:
            if prefix_errors:
                return function(*args, **options)
            with np.errstate(under="ignore"):
                return function(*args, **options)
        except (TypeError, ValueError, IndexError) as error:
            try:
                signature.bind(*args, **options)
            except TypeError as mismatch:
                raise TypeError(f"{label}: {mismatch}") from None
            if not prefix_errors or label in str(error) or type(error) not in (TypeError, ValueError, IndexError):
                raise
            raise type(error)(f"{label}: {error}") from error

    return call


def checked_fields(kind: type[Kind]) -> type[Kind]:
    """The dataclass ``kind`` with its fields checked and converted according to their annotations."""
    kind.__init__ = checked(kind.__init__, kind.__name__)  # type: ignore[method-assign]
    return kind


def require(function: str, argument: str, value: Any, annotation: Any) -> Any:
    """``value`` converted as ``checked`` converts an argument with this annotation, or its error; for values that are
    not arguments of a decorated function."""
    check = _check(annotation)
    return value if check is None else _conform(check, function, argument, value)


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


class _RuleViolation(ValueError):
    """A value of the right type does not satisfy a rule."""

    def __init__(self, description: str, value: Any) -> None:
        self.description, self.value = description, value


class _Check(NamedTuple):
    """The ``description`` of valid values, and the conversion of a value, which raises ``TypeError`` or ``ValueError``
    where it is invalid."""

    description: str
    convert: Callable[[Any], Any]


CONVERSION_ERRORS = (TypeError, ValueError, OverflowError)


def _conform(check: _Check, function: str, argument: str, value: Any) -> Any:
    try:
        return check.convert(value)
    except _RuleViolation as violation:
        message = f"{function}: {argument} must be {violation.description}, got {shown(violation.value)}"
        raise ValueError(message) from None
    except CONVERSION_ERRORS:
        raise TypeError(f"{function}: {argument} must be {check.description}, got {described(value)}") from None


# The conversion for each annotation ----------------------------------------------------------------------------------


def as_array(values: Any) -> np.ndarray:
    """The values of an array or tensor of any shape, on any device, or of a list, as a NumPy array.

    Raises ``TypeError`` for a masked array, whose mask would be lost."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError("expects an array without a mask, got a masked one; fill it (.filled(value)) first")
    if isinstance(values, np.ndarray):
        return values
    if callable(getattr(values, "numpy", None)):  # a tensor, of this library or another
        return np.asarray(values.numpy())
    if hasattr(values, "dtype") and callable(getattr(values, "get", None)):  # CuPy's need .get()
        return np.asarray(values.get())
    return np.asarray(values)


def _real_array(values: Any) -> np.ndarray:
    array = as_array(values)
    if array.dtype.kind not in "biuf":
        raise TypeError
    return array


def _instance(*kinds: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, kinds) or isinstance(value, type):  # a class has the methods of its instances too
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


def _either(description: str, checks: Sequence[_Check]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        failure: Exception = TypeError()
        for check in checks:
            try:
                return check.convert(value)
            except _RuleViolation as violation:
                failure = _RuleViolation(description, violation.value)
            except CONVERSION_ERRORS:
                continue
        raise failure

    return convert


def _ruled(check: _Check, rule: Rule) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        converted = check.convert(value)
        if not rule.condition(converted):
            raise _RuleViolation(rule.description, converted)
        return converted

    return convert


PLAIN = {
    int: _Check("a whole number", operator.index),
    float: _Check("a number", partial(number, "", "")),
    bool: _Check("True or False", partial(truth_value, "", "")),
    str: _Check("a string", _instance(str)),
    Path: _Check("a path", _instance(os.PathLike)),
    np.ndarray: _Check("an array of real numbers", _real_array),
    types.NoneType: _Check("None", _instance(types.NoneType)),
}


Converter = Callable[[str, str, Any], Any]  # (function, argument, value) -> the converted value

CONVERSIONS: dict[frozenset[Any], Converter] = {  # by the parts of an annotation without None
    frozenset({tuple[int, ...]}): whole_numbers,
    frozenset({int, tuple[int, ...]}): one_or_several,
    frozenset({int, Sequence[int]}): one_or_several,
    frozenset({int, tuple[int, int]}): one_or_several,
    frozenset({int, tuple[int, int], str}): one_or_several_or_text,
}
UNCHECKED: list[type] = []  # classes that other annotations may contain without a check
BY_NAME: dict[str, Converter] = {"dtype": real_dtype, "device": device_name}
BY_NAME_OF_REST: dict[str, Converter] = {"shape": shape_lengths, "axes": shape_lengths, "bounds": numbers}


def _converter(parameter: inspect.Parameter, annotation: Any) -> tuple[Converter, Collection[type]] | None:
    """The conversion of an argument, and the types whose values need none; None where any value is valid."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return (BY_NAME_OF_REST[parameter.name], ()) if parameter.name in BY_NAME_OF_REST else None
    is_union = get_origin(annotation) in (Union, types.UnionType)
    parts = set(get_args(annotation) if is_union else (annotation,))
    optional = {types.NoneType} if parameter.default is None or types.NoneType in parts else set()
    if parameter.name in BY_NAME:
        return BY_NAME[parameter.name], optional
    check = _check(annotation)
    convert = CONVERSIONS.get(frozenset(parts - optional)) or (partial(_conform, check) if check else None)
    return (convert, (parts | optional) - {np.ndarray}) if convert else None


def _check(annotation: Any) -> _Check | None:
    """The check for ``annotation``; None where any value is valid."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    if kind is Callable:
        return _Check("a function", _function)
    if annotation in (Any, inspect.Parameter.empty) or any(each in (annotation, *arguments) for each in UNCHECKED):
        return None
    if origin is Annotated:
        return _annotated(_check(arguments[0]), arguments[1:])
    if origin in (Union, types.UnionType):
        checks = [check for check in map(_check, arguments) if check is not None]
        description = " or ".join(check.description for check in checks)
        return _Check(description, _either(description, checks)) if len(checks) == len(arguments) else None
    if kind in PLAIN:
        return PLAIN[kind]
    if kind in (tuple, Sequence):
        element, length = _check(arguments[0]), len(arguments) if kind is tuple else None
        of_elements = f", each {element.description}" if element else ""
        return _Check(f"{length or ''} values{of_elements}".strip(), _sequence(element, length))
    if kind is Iterable:
        return _Check("an iterable", _iterable)
    if kind in (Mapping, dict):
        return _Check("a mapping", _instance(Mapping))
    return _Check(_with_article(kind.__name__), _instance(kind)) if isinstance(kind, type) else None


def _annotated(check: _Check | None, metadata: Sequence[Any]) -> _Check:
    """``check`` with the rules in ``metadata``. Its description is the text in ``metadata``, if there is one, else that
    of the first rule."""
    assert check is not None
    rules = [rule for rule in metadata if isinstance(rule, Rule)]
    texts = [text for text in metadata if isinstance(text, str)] or [rule.description for rule in rules]
    for rule in rules:
        check = _Check(texts[0], _ruled(check, rule))
    return check._replace(description=texts[0]) if texts else check
