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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinygen.autograd.tensor import Tensor, tensor
from tinygen.backend import Array, DeviceError, device_of, to_device

operations: dict[str, Operation] = {}  # every operation there is, by name: the tests walk over it

_recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def recording(wanted: bool) -> Iterator[None]:
    """Within, operations remember their inputs (``wanted``) or do not; the state before is restored in any case."""
    token = _recording.set(wanted)
    try:
        yield
    finally:
        _recording.reset(token)


def no_grad() -> Any:
    """Within (``with tg.no_grad():``, or ``@tg.no_grad()`` on a function) results do not remember how they were made.

    Each thread has its own state, and an exception restores it.
    """
    return recording(False)


class Node:
    """One use of an operation: which one, on which inputs, with which options."""

    __slots__ = ("__weakref__", "arrays", "inputs", "operation", "options", "output", "shape")

    def __init__(
        self, operation: Operation, inputs: tuple, arrays: tuple, options: dict[str, Any], output: Array
    ) -> None:
        self.operation: Operation = operation
        self.inputs = inputs
        self.arrays = arrays
        self.options = options
        self.shape = output.shape
        self.output = output if operation.keeps_output else None

    def product(self, index: int, gradient: Tensor) -> Tensor:
        """The gradient of input ``index``: the vector-Jacobian product of ``gradient`` with the operation there."""
        operation, inputs = self.operation, self.inputs
        # The operation's own value comes back as a tensor with this node behind it, so a derivative can be taken of it.
        value = (Tensor(self.output, node=self),) if operation.keeps_output else ()
        if operation.variadic:
            product = operation.products[0](gradient, index, *value, *inputs, **self.options)
        else:
            product = operation.products[index](gradient, *value, *inputs, **self.options)
        wanted = inputs[index]
        if product.shape != wanted.shape:
            raise ValueError(
                f"{operation.name}: the gradient of argument {operation.argument(index)!r} has shape {product.shape}, "
                f"the argument {wanted.shape}"
            )
        return product if product.dtype == wanted.dtype else product.astype(wanted.dtype)

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
        self.inputs = self.arrays = ()
        self.output = None


class Operation:
    """A differentiable operation: ``value`` on arrays, ``products`` on tensors, and how operands enter."""

    def __init__(
        self,
        value: Callable[..., Array],
        products: tuple[Callable[..., Tensor] | None, ...],
        *,
        keeps_output: bool,
        linear: bool,
        variadic: bool,
        prepare: Callable[[str, tuple], tuple] | None,
    ) -> None:
        self.name = value.__name__
        self.value = value
        self.products = products
        self.keeps_output = keeps_output
        self.linear = linear
        self.variadic = variadic
        self.prepare = prepare
        parameters = list(inspect.signature(value).parameters.values())
        split = 1 if variadic else len(products)
        self.inputs = [parameter.name for parameter in parameters[:split]]
        self.options = [parameter.name for parameter in parameters[split:]]
        self.defaults = {p.name: p.default for p in parameters[split:] if p.default is not inspect.Parameter.empty}

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
        if _recording.get():
            for x in inputs:
                if isinstance(x, Tensor) and x._requires_grad:
                    output.node = Node(self, inputs, arrays, options, output.data)
                    output._requires_grad = True
                    _make_read_only(*arrays, output.data)
                    break
        return output

    def _bind(self, args: tuple, options: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Tell inputs from options, as Python tells positional arguments from keywords, and fill in the defaults."""
        count = len(self.inputs)
        if self.variadic or len(args) == count:
            return args, {**self.defaults, **options} if self.options or options else options
        if len(args) > count + len(self.options):
            raise TypeError(f"{self.name}: expects at most {count + len(self.options)} arguments, got {len(args)}")
        options = {**self.defaults, **dict(zip(self.options, args[count:], strict=False)), **options}
        missing = [name for name in self.inputs[len(args) :] if name not in options]
        if missing:
            raise TypeError(f"{self.name}: argument {missing[0]!r} is missing")
        return args[:count] + tuple([options.pop(name) for name in self.inputs[len(args) :]]), options

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
                at_home = None if first is None or hasattr(x, "dtype") else device_of(first)
                return self._tensors((*inputs[:index], tensor(x, device=at_home), *inputs[index + 1 :]))
        return inputs if first is not None else (tensor(inputs[0]), *inputs[1:])


def _make_read_only(*arrays: Any) -> None:
    """A write into an array that a gradient will be computed from must fail, not falsify (NumPy alone can refuse)."""
    for array in arrays:
        while isinstance(array, np.ndarray):
            array.flags.writeable = False
            array = array.base


def operation(
    *products: Callable[..., Tensor] | None,
    keeps_output: bool = False,
    linear: bool = False,
    variadic: bool = False,
    prepare: Callable[[str, tuple], tuple] | None = None,
) -> Callable[[Callable[..., Array]], Callable[..., Tensor]]:
    """Make a differentiable operation of the function below: its value on arrays.

    ``products``: for each of its first arguments (the inputs; what follows are options) the vector-Jacobian product
    ``product(g, *inputs, **options)``, or None where there is no derivative. ``keeps_output``: the products take the
    operation's own value, too, after ``g``. ``linear``: it is linear in each input, so its products are adjoints.
    ``variadic``: it takes any number of inputs, and its one product their index after ``g``. ``prepare``: what is
    done to the inputs first, ``prepare(name, inputs) -> inputs``.
    """

    def decorate(value: Callable[..., Array]) -> Callable[..., Tensor]:
        made = operations[value.__name__] = Operation(
            value, products, keeps_output=keeps_output, linear=linear, variadic=variadic, prepare=prepare
        )

        @functools.wraps(value)
        def function(*args: Any, **options: Any) -> Tensor:
            return made(args, options)

        return function

    return decorate
