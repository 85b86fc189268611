"""Modules: functions with parameters, nested into models.

The attributes of a module are parameters, which are trained, buffers, which are part of its state but not trained, and
modules; ``forward`` computes its output. A parameter's name is the path of attributes to it, such as
``encoder.0.weight``. Names, shapes and initial values of the layers are PyTorch's, so a ``state_dict`` can be exchanged
with a PyTorch model of the same structure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np

from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.tensor import Tensor, copied
from tinygen.backend import copy_like, to_device
from tinygen.validation import described
from tinygen.validation import state as state_of

Self = TypeVar("Self", bound="Module")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result", covariant=True)


class Forward(Protocol[Parameters, Result]):
    """A module, for type checkers: calling it takes what its ``forward`` takes, and returns what that returns."""

    def forward(self, *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        """What the module computes."""


class Parameter(Tensor):
    """A tensor to be trained, a leaf with ``requires_grad``, of a copy of ``data`` (a tensor, an array or numbers)."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(copied("Parameter", data), requires_grad=True)


class Buffer(Tensor):
    """A tensor of a module's state that is not trained, such as a running mean, of a copy of ``data``."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(copied("Buffer", data))


class Module:
    """Base class of layers and models. A subclass defines ``forward``; calling the module calls it."""

    training: bool = True

    def forward(self, *args: Any, **options: Any) -> Any:
        """The module's output. Raises ``NotImplementedError`` where a subclass does not define it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self: Forward[Parameters, Result], *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        return self.forward(*args, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. Raises ``TypeError`` where that would remove tensors from ``parameters`` and ``state_dict``
        without notice: another value in the place of a parameter or buffer, and modules or parameters in a plain list,
        tuple or dict; ``ValueError`` for a member's name with a dot."""
        own, kind = vars(self).get(name), type(self).__name__
        for role in (Parameter, Buffer):
            if isinstance(own, role) and not isinstance(value, role | None):
                raise TypeError(
                    f"{kind}: {name} is a {role.__name__} and can be replaced by another (or None) only, got "
                    f"{described(value)}; write {kind}.{name}.data = ... for a new array"
                )
        if isinstance(value, (list, tuple, dict)):
            inside = value.values() if isinstance(value, dict) else value
            if any(isinstance(part, (Module, Parameter, Buffer)) for part in inside):
                raise TypeError(
                    f"{kind}: {name} is a {type(value).__name__} of modules or parameters, which would be neither "
                    "trained nor saved; use nn.ModuleList or nn.Sequential, or an attribute for each"
                )
        if isinstance(value, (Module, Parameter, Buffer)) and "." in name:
            raise ValueError(f"{kind}: the name of a parameter, buffer or module must not contain a dot, got {name!r}")
        object.__setattr__(self, name, value)

    def members(self) -> Iterator[tuple[str, Any]]:
        """The names and values of the attributes that are parameters or buffers, then of those that are modules."""
        own = vars(self).items()
        yield from ((name, value) for name, value in own if isinstance(value, (Parameter, Buffer)))
        yield from ((name, value) for name, value in own if isinstance(value, Module))

    def modules(self) -> Iterator[Module]:
        """This module and all modules that it contains."""
        yield self
        for _, member in self.members():
            if isinstance(member, Module):
                yield from member.modules()

    def _named(self, kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
        for name, member in self.members():
            if isinstance(member, kind):
                yield prefix + name, member
            elif isinstance(member, Module):
                yield from member._named(kind, f"{prefix}{name}.")

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The full names and the parameters, each parameter once."""
        seen: set[Parameter] = set()
        for name, parameter in self._named(Parameter):
            if parameter not in seen:
                seen.add(parameter)
                yield name, parameter

    def parameters(self) -> list[Parameter]:
        """All parameters, each once."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """The full names and the buffers."""
        yield from self._named(Buffer)

    def buffers(self) -> list[Buffer]:
        """All buffers."""
        return [buffer for _, buffer in self.named_buffers()]

    @checked_arguments
    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode, in which dropout is applied and batch normalisation uses the statistics of the batch."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode: no dropout; batch normalisation uses the running statistics."""
        return self.train(False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """A context in evaluation mode; afterwards, also after an error, each module's earlier mode is restored."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """A context in which no parameter has ``requires_grad``; afterwards, also after an error, it is restored."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.requires_grad = False
        try:
            yield
        finally:
            for parameter in trained:
                parameter.requires_grad = True

    @checked_arguments
    def to(self: Self, device: str) -> Self:
        """Move all parameters and buffers to ``device`` (``"cpu"``, ``"gpu"``, ``"gpu:1"``); ``DeviceError`` where it
        does not exist."""
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = to_device(tensor.data, device)
            tensor.grad = None if tensor.grad is None else Tensor(to_device(tensor.grad.data, device))
        return self

    @checked_arguments
    def astype(self: Self, dtype: Any) -> Self:
        """Convert all floating-point parameters and buffers to ``dtype``, such as ``"float64"`` for a gradient check.
        Raises ``TypeError`` for a dtype that is not floating point."""
        if dtype.kind != "f":
            raise TypeError(f"astype: a module holds floating-point numbers, got {dtype}")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.kind == "f":
                tensor.data = tensor.data.astype(dtype)
                tensor.grad = None
        return self

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Name -> a copy of the array, for all parameters and buffers."""
        return {name: member.numpy() for name, member in self._named((Parameter, Buffer))}  # type: ignore[arg-type]

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy all parameters and buffers from ``state``, name -> array or tensor; PyTorch's ``num_batches_tracked`` is
        ignored.

        Raises ``TypeError`` where ``state`` is not such a mapping, ``KeyError`` where names are missing or unknown,
        ``ValueError`` where a shape differs; then nothing is changed.
        """
        state = state_of("a module", state)
        own = dict(self._named((Parameter, Buffer)))  # type: ignore[arg-type]
        given = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
        if given.keys() != own.keys():
            missing, unknown = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
            raise KeyError(f"load_state_dict: missing {missing}, unknown {unknown}")
        arrays = {name: copied(f"load_state_dict, {name}", value) for name, value in given.items()}
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise ValueError(f"load_state_dict: {name} has shape {array.shape}, the module's {own[name].shape}")
            if own[name].dtype.kind != "f" and not (array.astype(own[name].dtype) == array).all():
                raise ValueError(f"load_state_dict: {name} is {own[name].dtype}, which cannot hold the numbers given")
        for name, array in arrays.items():
            own[name].data = copy_like(array, own[name].data)

    def _options(self) -> str:
        plain = {name: value for name, value in vars(self).items() if isinstance(value, (bool, int, float, str, tuple))}
        absent = {name: False for name, value in vars(self).items() if name == "bias" and value is None}
        return ", ".join(f"{name}={value!r}" for name, value in (plain | absent).items() if name != "training")

    def __repr__(self) -> str:
        inside = [f"({name}): {member!r}" for name, member in self.members() if isinstance(member, Module)]
        if not inside:
            return f"{type(self).__name__}({self._options()})"
        lines = "\n".join(inside).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {lines}\n)"


def required_module(function: str, module: Any) -> Module:
    """``module``; ``TypeError`` if it is not a ``Module``."""
    if not isinstance(module, Module):
        raise TypeError(f"{function}: module must be a Module, got {described(module)}")
    return module
