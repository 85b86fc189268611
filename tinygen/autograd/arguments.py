"""What enters an operation: its arguments told apart, and its operands made tensors of one device.

The first arguments of an operation are its inputs, the operands that gradients may flow to; what follows are options
(an axis, a stride). A caller hands over tensors, but numbers, arrays and lists as well. A number stays what it is, so
that ``x * 2.5`` keeps the precision of ``x``; the others become tensors. Operands on different devices do not meet
unasked: copying between devices is for the user to write.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autograd.tensor import Tensor, tensor
from tinygen.backend import DeviceError, device_of


class Arguments:
    """The arguments of the operation ``value``: so many ``inputs`` (``variadic``: any number), then options.

    ``prepare(name, inputs) -> inputs`` is what is done to the inputs first, where they have to meet in shape, say.
    """

    def __init__(self, value: Callable, inputs: int, variadic: bool, prepare: Callable | None) -> None:
        self.operation, self.variadic, self.prepare = value.__name__, variadic, prepare
        self.signature = inspect.signature(value)
        names = list(self.signature.parameters)
        self.inputs, self.options = names[:inputs], names[inputs:]
        options = [self.signature.parameters[name] for name in self.options]
        self.defaults = {option.name: option.default for option in options if option.default is not option.empty}

    def name(self, index: int) -> str:
        """What the input at ``index`` is called."""
        return f"{self.inputs[0]}[{index}]" if self.variadic else self.inputs[index]

    def bind(self, args: tuple, options: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Inputs, ready to be computed with, and options, with the defaults filled in, by Python's rules."""
        if self.variadic or len(args) == len(self.inputs):
            options = {**self.defaults, **options} if self.options else options
        else:
            try:
                bound = self.signature.bind(*args, **options)
            except TypeError as error:
                raise TypeError(f"{self.operation}: {error}") from None
            bound.apply_defaults()
            args = tuple([bound.arguments[name] for name in self.inputs])
            options = {name: bound.arguments[name] for name in self.options}
        inputs = self._tensors(args)
        return inputs if self.prepare is None else self.prepare(self.operation, inputs), options

    def _tensors(self, inputs: tuple) -> tuple:
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
            elif not (x is None or isinstance(x, (bool, int, float, np.generic))):
                home = None if hasattr(x, "dtype") else next((y.device for y in inputs if isinstance(y, Tensor)), None)
                return self._tensors((*inputs[:index], tensor(x, device=home), *inputs[index + 1 :]))
        return inputs if first is not None else (tensor(inputs[0]), *inputs[1:])
