"""What enters an operation: its arguments told apart, and its operands made tensors of one device.

The first arguments of an operation are its inputs, the operands that gradients may flow to; what follows are options
(an axis, a stride). A caller hands over tensors, but numbers, arrays and lists as well. A number stays what it is, so
that ``x * 2.5`` keeps the precision of ``x``; the others become tensors. Operands on different devices do not meet
unasked: copying between devices is for the user to write.
"""

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from tinygen.autograd.tensor import Tensor, copied
from tinygen.backend import DeviceError, array_module, device_of, is_array, without_underflow
from tinygen.validation import (
    callable_value,
    described,
    device_name,
    number,
    numbers_or_text,
    one_or_several,
    real_dtype,
    text,
    truth_value,
    whole_number,
    whole_numbers,
)

Function = TypeVar("Function", bound=Callable[..., Any])
Args = tuple[Any, ...]
Options = dict[str, Any]
_NUMBERS = (bool, int, float)


def as_tensor(
    function: str, argument: str, value: Any, device: str | None = None, dtype: np.dtype | None = None
) -> Tensor:
    """``value`` if it is a tensor, else a tensor of it on ``device``; floating-point numbers without a dtype of their
    own (numbers, lists) get ``dtype`` (default: float32). ``TypeError`` where it holds no numbers."""
    if isinstance(value, Tensor):
        return value
    has_dtype = hasattr(value, "dtype") and not isinstance(value, np.generic)
    try:
        made = copied(function, value, device=device)
        if has_dtype or dtype is None or dtype.kind != "f" or made.dtype.kind != "f":
            return Tensor(made)
        return Tensor(copied(function, value, dtype, device))
    except TypeError as error:
        if isinstance(value, (list, tuple)) or hasattr(value, "dtype"):
            raise
        given = f"{function}: {argument} must be a tensor, an array or numbers, got {described(value)}"
        raise TypeError(given) from error


def as_tensors(function: str, argument: str, value: Any) -> list[Tensor]:
    """``value``, several tensors (arrays, numbers), as a list of tensors."""
    if isinstance(value, (Tensor, np.ndarray, str, dict)) or not isinstance(value, Iterable):
        raise TypeError(f"{function}: {argument} must be a list of tensors, got {described(value)}")
    values = list(value)
    dtype = next((x.dtype for x in values if isinstance(x, Tensor)), None)
    return [as_tensor(function, f"{argument}[{i}]", x, dtype=dtype) for i, x in enumerate(values)]


def one_or_more(function: str, argument: str, value: Any, kind: Any = Tensor) -> list[Any]:
    """``value``, a tensor or several, as a list; ``TypeError`` where one is not of ``kind``."""
    is_list = isinstance(value, Iterable) and not isinstance(value, (Tensor, str, dict, np.ndarray))
    listed = list(value) if is_list else [value]
    if not all(isinstance(x, kind) for x in listed):
        given = ", ".join([described(x) for x in listed])
        raise TypeError(f"{function}: {argument} must be a Tensor or several, got {given}")
    return listed


def operand(function: str, argument: str, value: Any, device: str | None = None, dtype: np.dtype | None = None) -> Any:
    """``value`` as an operation takes it: numbers as Python's own, so that they promote nothing, else a tensor, as
    ``as_tensor`` makes it."""
    if isinstance(value, _NUMBERS + (np.generic,)) and getattr(value, "dtype", np.dtype(bool)).kind in "biuf":
        if isinstance(value, np.bool_):
            return bool(value)
        return number(function, argument, value) if isinstance(value, np.generic) else value
    return as_tensor(function, argument, value, device, dtype)


def bare(function: str, value: Any) -> Any:
    """The array of an operand, or the number that it is."""
    if not is_array(value) or value.dtype.kind not in "biuf":
        value = operand(function, "an operand", value)
    return value.data if isinstance(value, Tensor) else value


def index_of(x: Tensor, index: Any) -> Any:
    """``index`` as the array of ``x`` takes it, its arrays copied; ``IndexError`` where a part is no index."""
    return tuple([_index_part(x, part) for part in index]) if isinstance(index, tuple) else _index_part(x, index)


def _index_part(x: Tensor, part: Any) -> Any:
    part = part.data if isinstance(part, Tensor) else part
    if isinstance(part, list):
        try:
            part = array_module(x.data).asarray([_index_part(x, inner) for inner in part])
        except ValueError:
            raise IndexError("getitem: an index that is a list must be rectangular") from None
        part = part if part.size else part.astype(int)
    if part is None or part is Ellipsis or isinstance(part, (slice, int)):
        return part
    if not hasattr(part, "dtype") or part.dtype.kind not in "biu":
        given = f"{part.dtype} numbers" if hasattr(part, "dtype") else described(part)
        raise IndexError(
            "getitem: an index must be whole numbers, truth values, a slice, None or ..., "
            f'got {given}; tg.tensor([0, 2], dtype="int64") makes whole numbers'
        )
    return part.copy()


def axis_from_front(function: str, axis: int, ndim: int) -> int:
    """``axis`` of ``ndim``, counted from the front; a tensor without axes has none."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"{function}: axis {axis} is not one of the tensor's {ndim} axes")
    return axis % ndim


class Arguments:
    """The arguments of the operation ``value``: so many ``inputs`` (``variadic``: any number), then options.

    ``prepare(name, inputs) -> inputs`` is what is done to the inputs first, where they have to meet in shape, say.
    """

    def __init__(
        self, value: Callable[..., Any], inputs: int, variadic: bool, prepare: Callable[[str, Args], Args] | None
    ) -> None:
        self.operation, self.variadic, self.prepare = value.__name__.lstrip("_"), variadic, prepare
        self.signature = inspect.signature(value)
        names = list(self.signature.parameters)
        self.inputs, self.options = names[:inputs], names[inputs:]
        self.optional = {name for name in self.inputs if _may_be_none(self.signature.parameters[name])}
        options = [self.signature.parameters[name] for name in self.options]
        self.defaults = {option.name: option.default for option in options if option.default is not option.empty}

    def name(self, index: int) -> str:
        """What the input at ``index`` is called."""
        return f"{self.inputs[0]}[{index}]" if self.variadic else self.inputs[index]

    def bind(self, args: Args, options: Options) -> tuple[Args, Options]:
        """Inputs, ready to be computed with, and options, with the defaults filled in, by Python's rules."""
        if self.variadic or len(args) == len(self.inputs):
            options = {**self.defaults, **options} if self.options else options
        else:
            bound = _bound(self.operation, self.signature, args, options)
            bound.apply_defaults()
            args = tuple([bound.arguments[name] for name in self.inputs])
            options = {name: bound.arguments[name] for name in self.options}
        for name, option in options.items():
            if isinstance(option, np.generic):
                options[name] = option.item()
        inputs = self._tensors(args)
        return inputs if self.prepare is None else self.prepare(self.operation, inputs), options

    def computed(self, value: Callable[..., Any], arrays: Args, options: Options) -> Any:
        """``value`` of the arrays, underflows as 0; what NumPy refuses is refused in the operation's name."""
        try:
            return without_underflow(value, *arrays, **options)
        except (TypeError, ValueError, OverflowError) as error:
            if str(error).startswith(f"{self.operation}:"):
                raise
            kind = next(kind for kind in (TypeError, ValueError, OverflowError) if isinstance(error, kind))
            raise kind(f"{self.operation}: {error}") from error

    def _tensors(self, inputs: Args) -> Args:
        """Operands as tensors of one device; numbers and None stay as they are, so that they promote nothing."""
        first = None
        for index, x in enumerate(inputs):
            if isinstance(x, Tensor):
                if first is None:
                    first = x.data
                elif type(x.data) is not type(first):
                    raise DeviceError(
                        f"{self.operation}: argument {self.name(index)!r} lives on {device_of(x.data)}, "
                        f"another on {device_of(first)}; move one with .to(device)"
                    )
            elif type(x) not in _NUMBERS and not (x is None and self.name(index) in self.optional):
                beside = None if hasattr(x, "dtype") else next((y for y in inputs if isinstance(y, Tensor)), None)
                placement = (None, None) if beside is None else (beside.device, beside.dtype)
                made = operand(self.operation, self.name(index), x, *placement)
                return self._tensors((*inputs[:index], made, *inputs[index + 1 :]))
        return inputs if first is not None else (as_tensor(self.operation, self.name(0), inputs[0]), *inputs[1:])


def of_tensors(signature: inspect.Signature, inputs: Iterable[str]) -> inspect.Signature:
    """The signature of a function of arrays, as that of a function of tensors: its arguments ``inputs``, its result."""
    kinds = {p.name: Tensor | None if _may_be_none(p) else Tensor for p in signature.parameters.values()}
    parameters = [p.replace(annotation=kinds[p.name]) if p.name in inputs else p for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=Tensor)


def _may_be_none(parameter: inspect.Parameter) -> bool:
    return parameter.default is None or type(None) in get_args(parameter.annotation)


def _bound(function: str, signature: inspect.Signature, args: Args, options: Options) -> inspect.BoundArguments:
    """The arguments by name, by Python's rules; else a ``TypeError`` that names ``function``."""
    try:
        return signature.bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"{function}: {error}") from None


# What an argument's annotation, without None, asks to be made of it.
_BY_ANNOTATION: dict[frozenset[Any], Callable[[str, str, Any], Any]] = {
    frozenset({Tensor}): as_tensor,
    frozenset({Sequence[Tensor]}): as_tensors,
    frozenset({bool}): truth_value,
    frozenset({int}): whole_number,
    frozenset({str}): text,
    frozenset({float}): number,
    frozenset({tuple[int, ...]}): whole_numbers,
    frozenset({int, tuple[int, ...]}): one_or_several,
    frozenset({int, Sequence[int]}): one_or_several,
    frozenset({int, tuple[int, int]}): one_or_several,
    frozenset({int, tuple[int, int], str}): numbers_or_text,
}


def _lengths(function: str, argument: str, given: Args) -> tuple[int, ...]:
    """Whole numbers, handed over one by one or as one tuple; None for none."""
    if len(given) == 1:
        given = () if given[0] is None else given[0]
    return whole_numbers(function, argument, given)


def _numbers(function: str, argument: str, given: Args) -> tuple[float, ...]:
    return tuple([number(function, argument, value) for value in given])


# What is made of any number of arguments, by their common name.
_FURTHER = {"shape": _lengths, "axes": _lengths, "bounds": _numbers}
_BY_NAME: dict[str, Callable[[str, str, Any], Any]] = {"dtype": real_dtype, "device": device_name}


def checked(function: Function) -> Function:
    """``function``, public, with its arguments made what its signature says they are, or refused by name.

    A ``Tensor`` may be handed over as an array or numbers, an ``int`` as whatever is a whole number (axes too), a
    ``float`` as whatever is a number; ``dtype`` and ``device`` must be such. None passes where it is the default or
    among the annotations.
    """
    signature = inspect.signature(function)
    hints = get_type_hints(function)
    parameters = signature.parameters
    rules = {name: _rule(name, hints.get(name, Any), parameter) for name, parameter in parameters.items()}
    places = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    by_place: list[tuple[int, str, Any, Any]] = [
        (i, name, rules[name], hints.get(name)) for i, name in enumerate(places) if rules[name]
    ]
    further = next((name for name, p in parameters.items() if p.kind is p.VAR_POSITIONAL), "")
    is_init = function.__name__ == "__init__"

    @functools.wraps(function)
    def with_checks(*args: Any, **options: Any) -> Any:
        name = type(args[0]).__name__ if is_init else function.__name__
        given = len(args)
        for i, at, rule, wanted in by_place:
            if i >= given:
                break
            if type(args[i]) is not wanted:
                args = (*args[:i], rule(name, at, args[i]), *args[i + 1 :])
        if given > len(places) and (rule := rules.get(further)):
            args = (*args[: len(places)], *rule(name, further, args[len(places) :]))
        for at, value in options.items():
            if rule := rules.get(at):
                options[at] = rule(name, at, value)
        try:
            return function(*args, **options)
        except (TypeError, ValueError, IndexError) as error:
            _bound(name, signature, args, options)
            if name in str(error) or type(error) not in (TypeError, ValueError, IndexError):
                raise
            raise type(error)(f"{name}: {error}") from error  # what NumPy says, in the name of who was called

    return with_checks  # type: ignore[return-value]


def _rule(name: str, annotation: Any, parameter: inspect.Parameter) -> Callable[[str, str, Any], Any] | None:
    """What is to be made of the argument ``name``; None where it may be anything."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    if get_origin(annotation) is Callable:
        return callable_value
    if parameter.kind is parameter.VAR_POSITIONAL:
        return _FURTHER.get(name)
    rule = _BY_NAME.get(name) or _BY_ANNOTATION.get(frozenset(parts) - {type(None)})
    if rule is None or not (parameter.default is None or type(None) in parts):
        return rule
    return lambda function, argument, value: None if value is None else rule(function, argument, value)
