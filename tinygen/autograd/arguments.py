"""The arguments of operations: inputs and options are separated, and operands converted to tensors of one device.

The first arguments of an operation are its inputs, to which gradients flow; the others are options (an axis, a stride).
An operand is what the caller passes for an input: a tensor, a number, an array or a list. An input is what the
operation receives: a number stays a number, so that ``x * 2.5`` has the dtype of ``x``; the others become tensors, of
which the function ``forward`` receives the arrays. Operands on different devices raise an error: data are not copied
between devices implicitly.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

import numpy as np

from tinygen import checks
from tinygen.autograd.tensor import Tensor, copied
from tinygen.backend import DeviceError, array_module, device_of, is_array, underflow_ignored
from tinygen.validation import described, number

Args = tuple[Any, ...]
Options = dict[str, Any]
_NUMBERS = (bool, int, float)


def as_tensor(
    function: str, argument: str, value: Any, device: str | None = None, dtype: np.dtype | None = None
) -> Tensor:
    """``value`` if it is a tensor, else converted to one on ``device``; floating-point numbers without a dtype get
    ``dtype`` (default: float32). ``TypeError`` for anything but numbers."""
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
    """``value``, a sequence of tensors, arrays or numbers, as a list of tensors."""
    if isinstance(value, (Tensor, np.ndarray, str, dict)) or not isinstance(value, Iterable):
        raise TypeError(f"{function}: {argument} must be a list of tensors, got {described(value)}")
    values = list(value)
    dtype = next((x.dtype for x in values if isinstance(x, Tensor)), None)
    return [as_tensor(function, f"{argument}[{i}]", x, dtype=dtype) for i, x in enumerate(values)]


def one_or_more(function: str, argument: str, value: Any, kind: Any = Tensor) -> list[Any]:
    """``value``, a tensor or several, as a list; ``TypeError`` for elements that are not of ``kind``."""
    is_list = isinstance(value, Iterable) and not isinstance(value, (Tensor, str, dict, np.ndarray))
    listed = list(value) if is_list else [value]
    if not all(isinstance(x, kind) for x in listed):
        given = ", ".join([described(x) for x in listed])
        raise TypeError(f"{function}: {argument} must be a Tensor or several, got {given}")
    return listed


def operand(function: str, argument: str, value: Any, device: str | None = None, dtype: np.dtype | None = None) -> Any:
    """The operand ``value`` as an input: numbers as Python's own, which do not change the dtype of the result, else a
    tensor, by ``as_tensor``."""
    if isinstance(value, _NUMBERS + (np.generic,)) and getattr(value, "dtype", np.dtype(bool)).kind in "biuf":
        if isinstance(value, np.bool_):
            return bool(value)
        return number(function, argument, value) if isinstance(value, np.generic) else value
    return as_tensor(function, argument, value, device, dtype)


def array_or_number(function: str, value: Any) -> Any:
    """The array of an operand, or the number itself."""
    if not is_array(value) or value.dtype.kind not in "biuf":
        value = operand(function, "an operand", value)
    return value.data if isinstance(value, Tensor) else value


def index_of(x: Tensor, index: Any) -> Any:
    """``index`` for the array of ``x``, its arrays copied; ``IndexError`` for a part that is not an index."""
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
    """``axis`` of ``ndim`` as a number from 0; ``ValueError`` for other axes."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"{function}: axis {axis} is not one of the tensor's {ndim} axes")
    return axis % ndim


class Arguments:
    """The arguments of the operation that ``forward`` computes: a number of ``inputs`` (``variadic``: any number), then
    options.

    ``prepare(name, inputs) -> inputs`` is applied to the inputs first, for instance to broadcast them.
    """

    def __init__(
        self, forward: Callable[..., Any], inputs: int, variadic: bool, prepare: Callable[[str, Args], Args] | None
    ) -> None:
        self.operation, self.variadic, self.prepare = forward.__name__.lstrip("_"), variadic, prepare
        self.signature = inspect.signature(forward)
        names = list(self.signature.parameters)
        self.inputs, self.options = names[:inputs], names[inputs:]
        self.optional = {name for name in self.inputs if _may_be_none(self.signature.parameters[name])}
        options = [self.signature.parameters[name] for name in self.options]
        self.defaults = {option.name: option.default for option in options if option.default is not option.empty}

    def name(self, index: int) -> str:
        """The name of the input at ``index``."""
        return f"{self.inputs[0]}[{index}]" if self.variadic else self.inputs[index]

    def bind(self, args: Args, options: Options) -> tuple[Args, Options]:
        """The inputs, made of the operands, and the options with their defaults."""
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
        inputs = self._operands(args)
        return inputs if self.prepare is None else self.prepare(self.operation, inputs), options

    def compute(self, forward: Callable[..., Any], arrays: Args, options: Options) -> Any:
        """``forward`` of the arrays, with underflows as 0 (see backend.py, Underflow); NumPy's errors are raised with
        the name of the operation."""
        try:
            return forward(*arrays, **options)
        except FloatingPointError:
            with underflow_ignored():
                return forward(*arrays, **options)
        except (TypeError, ValueError, OverflowError) as error:
            if str(error).startswith(f"{self.operation}:"):
                raise
            kind = next(kind for kind in (TypeError, ValueError, OverflowError) if isinstance(error, kind))
            raise kind(f"{self.operation}: {error}") from error

    def _operands(self, given: Args) -> Args:
        """The operands ``given`` as inputs: tensors of one device; numbers and None unchanged."""
        first = None
        for index, x in enumerate(given):
            if isinstance(x, Tensor):
                if first is None:
                    first = x.data
                elif type(x.data) is not type(first):
                    raise DeviceError(
                        f"{self.operation}: argument {self.name(index)!r} is on {device_of(x.data)}, "
                        f"another on {device_of(first)}; move one with .to(device)"
                    )
            elif type(x) not in _NUMBERS and not (x is None and self.name(index) in self.optional):
                beside = None if hasattr(x, "dtype") else next((y for y in given if isinstance(y, Tensor)), None)
                placement = (None, None) if beside is None else (beside.device, beside.dtype)
                made = operand(self.operation, self.name(index), x, *placement)
                return self._operands((*given[:index], made, *given[index + 1 :]))
        return given if first is not None else (as_tensor(self.operation, self.name(0), given[0]), *given[1:])


def tensor_signature(signature: inspect.Signature, inputs: Iterable[str]) -> inspect.Signature:
    """The signature of a function of arrays, as that of a function of tensors: its arguments ``inputs``, its result."""
    kinds = {p.name: Tensor | None if _may_be_none(p) else Tensor for p in signature.parameters.values()}
    parameters = [p.replace(annotation=kinds[p.name]) if p.name in inputs else p for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=Tensor)


def _may_be_none(parameter: inspect.Parameter) -> bool:
    return parameter.default is None or type(None) in get_args(parameter.annotation)


def _bound(function: str, signature: inspect.Signature, args: Args, options: Options) -> inspect.BoundArguments:
    """The arguments by name; ``TypeError`` that names ``function`` where they do not fit its signature."""
    try:
        return signature.bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"{function}: {error}") from None


# ``checks.checked`` converts arguments annotated as Tensor or Sequence[Tensor] by these functions. Arguments with
# another annotation that contains Tensor, such as Tensor | float, are not checked.
checks.CONVERSIONS |= {frozenset({Tensor}): as_tensor, frozenset({Sequence[Tensor]}): as_tensors}
checks.UNCHECKED.append(Tensor)
# For functions of tensors: their own errors are named too, and underflow is left to the operations.
checked_arguments = functools.partial(checks.checked, prefix_errors=True)
