"""An operation is said once: its value on arrays, and its vector-Jacobian product on tensors.

For y = f(x) and a scalar L at the end of the computation, with g = dL/dy, the chain rule gives

    dL/dx = g . df/dx          (the vector-Jacobian product: a row vector g times the Jacobian)

and that product is all an operation has to know. It stands right above the value, one function an input::

    @elementwise(lambda g, x, y: g * y,
                 lambda g, x, y: g * x)
    def multiply(x, y):
        return x * y

The value is computed on arrays and knows nothing of gradients. The products are written on *tensors* with the
library's own operations, so a product is itself a differentiable computation: second derivatives, and all the others,
come for free. A product is a function of its own, so that one that nobody needs is never computed.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen.autograd.recording import is_recording, make_read_only
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.backend import Array, DeviceError, device_of

operations: dict[str, Operation] = {}  # every operation there is, by name: the tests walk over it


class Node:
    """One use of an operation: which one, on which inputs, with which options."""

    __slots__ = ("__weakref__", "arrays", "inputs", "operation", "options", "output", "shape")

    def __init__(self, operation: Operation, inputs: tuple, arrays: tuple, options: dict, output: Array) -> None:
        self.operation, self.inputs, self.arrays, self.options = operation, inputs, arrays, options
        self.shape = output.shape
        self.output = output if operation.keeps_output else None

    def product(self, index: int, gradient: Tensor | None) -> Tensor | None:
        """The gradient of input ``index``: the vector-Jacobian product of ``gradient`` with the operation there. None
        stands for a gradient of zeros, from which nothing else can come."""
        operation, inputs = self.operation, self.inputs
        vjp = operation.products[0 if operation.variadic else index]
        if gradient is None or vjp is None:
            return None
        # The operation's own value comes back as a tensor with this node behind it, so a derivative can be taken of it.
        value = (Tensor(self.output, node=self),) if operation.keeps_output else ()
        product = vjp(gradient, *([index] if operation.variadic else []), *value, *inputs, **self.options)
        x, name = inputs[index], operation.argument(index)
        if product.shape != x.shape:
            raise ValueError(f"{operation.name}: the gradient of {name} has shape {product.shape}, {name} {x.shape}")
        return product if product.dtype == x.dtype else product.astype(x.dtype)

    def check_unchanged(self) -> None:
        """Raise ``RuntimeError`` if an input's ``data`` was replaced since: the gradient would be of something else."""
        for index, (x, array) in enumerate(zip(self.inputs, self.arrays, strict=True)):
            if isinstance(x, Tensor) and x.data is not array:
                raise RuntimeError(
                    f"{self.operation.name}: the data of argument {self.operation.argument(index)!r} was replaced "
                    "after the operation had used it, so its gradient would be wrong; compute the result again"
                )

    def release(self) -> None:
        """Forget inputs and value: nothing of the graph behind this node is kept alive by it any more."""
        self.inputs, self.arrays, self.output = (), (), None


@dataclass(eq=False)
class Operation:
    """A differentiable operation: ``value`` on arrays, ``products`` on tensors, and how operands enter."""

    value: Callable[..., Array]
    products: tuple[Callable[..., Tensor] | None, ...]
    keeps_output: bool = False
    linear: bool = False
    variadic: bool = False
    prepare: Callable[[str, tuple], tuple] | None = None

    def __post_init__(self) -> None:
        self.name = self.value.__name__
        self.signature = inspect.signature(self.value)
        names = list(self.signature.parameters)
        self.inputs, self.options = names[: len(self.products)], names[len(self.products) :]
        parameters = [self.signature.parameters[name] for name in self.options]
        self.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}

    def argument(self, index: int) -> str:
        """The name of the input at ``index``."""
        return f"{self.inputs[0]}[{index}]" if self.variadic else self.inputs[index]

    def __call__(self, args: tuple, options: dict[str, Any]) -> Tensor:
        inputs, options = self._bind(args, options)
        inputs = self._tensors(inputs)
        if self.prepare is not None:
            inputs = self.prepare(self.name, inputs)
        arrays = tuple([x.data if isinstance(x, Tensor) else x for x in inputs])
        output = Tensor(self.value(*arrays, **options))
        if is_recording():
            for x in inputs:
                if isinstance(x, Tensor) and x._requires_grad:
                    output.node = Node(self, inputs, arrays, options, output.data)
                    output._requires_grad = True
                    make_read_only(*arrays, output.data)
                    break
        return output

    def _bind(self, args: tuple, options: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Tell inputs from options, by Python's rules for arguments, and fill in the defaults."""
        if self.variadic or len(args) == len(self.inputs):
            return args, {**self.defaults, **options} if self.options else options
        bound = self.signature.bind(*args, **options)
        bound.apply_defaults()
        return tuple([bound.arguments[n] for n in self.inputs]), {n: bound.arguments[n] for n in self.options}

    def _tensors(self, inputs: tuple) -> tuple:
        """Operands as tensors of one device; numbers and None stay as they are, so that they promote nothing."""
        first = None
        for index, x in enumerate(inputs):
            if isinstance(x, Tensor):
                if first is None:
                    first = x.data
                elif type(x.data) is not type(first):
                    raise DeviceError(
                        f"{self.name}: argument {self.argument(index)!r} lives on {device_of(x.data)}, "
                        f"another on {device_of(first)}; move one with .to(device)"
                    )
            elif not (x is None or isinstance(x, (bool, int, float, np.generic))):
                home = None if hasattr(x, "dtype") else next((y.device for y in inputs if isinstance(y, Tensor)), None)
                return self._tensors((*inputs[:index], tensor(x, device=home), *inputs[index + 1 :]))
        return inputs if first is not None else (tensor(inputs[0]), *inputs[1:])


def operation(*products: Callable[..., Tensor] | None, **traits: Any) -> Callable[[Callable], Callable[..., Tensor]]:
    """Make a differentiable operation of the function below: its value on arrays.

    ``products``: for each of its first arguments (the inputs; what follows are options) the vector-Jacobian product
    ``product(g, *inputs, **options)``, or None where the operation is constant in that input (but for jumps).
    The traits: ``keeps_output``, the products take the operation's own value, too, after ``g``; ``linear``, it is
    linear in each input, so its products are adjoints; ``variadic``, it takes any number of inputs, and its one product
    their index after ``g``; ``prepare(name, inputs) -> inputs``, what is done to the inputs first.
    """

    def decorate(value: Callable[..., Array]) -> Callable[..., Tensor]:
        made = operations[value.__name__] = Operation(value, products, **traits)

        @functools.wraps(value)
        def function(*args: Any, **options: Any) -> Tensor:
            return made(args, options)

        return function

    return decorate
