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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygen.autograd.arguments import Args, Arguments, Options, of_tensors
from tinygen.autograd.recording import is_recording, make_read_only, make_view_read_only
from tinygen.autograd.tensor import Decorator, Parameters, Tensor
from tinygen.backend import Array

Source = Any  # where a gradient goes: to the node that made a tensor, or to the tensor itself if it is a leaf
operations: dict[str, Operation] = {}  # every operation there is, by name: the tests walk over it


class Node:
    """One use of an operation: which one, on which inputs, with which options; and where the gradients of the
    inputs go (``origins``, index -> source, for those that ask for one)."""

    __slots__ = ("__weakref__", "arrays", "inputs", "operation", "options", "origins", "output", "shape")

    def __init__(
        self, operation: Operation, inputs: Args, origins: dict[int, Any], arrays: Args, options: Options, output: Array
    ) -> None:
        self.operation, self.inputs, self.arrays, self.options = operation, inputs, arrays, options
        self.origins, self.shape = origins, output.shape
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
        product = vjp(gradient, *((index,) if operation.variadic else ()), *value, *inputs, **self.options)
        if product.data.shape != (x := inputs[index]).data.shape:
            name = operation.arguments.name(index)
            raise ValueError(f"{operation.public}: the gradient of {name} has shape {product.shape}, {name} {x.shape}")
        return product if product.data.dtype == x.data.dtype else product.astype(x.dtype)

    def check_unchanged(self) -> None:
        """Raise ``RuntimeError`` if an input's ``data`` was replaced since: the gradient would be of something else."""
        for index, (x, array) in enumerate(zip(self.inputs, self.arrays, strict=True)):
            if isinstance(x, Tensor) and x.data is not array:
                name = self.operation.arguments.name(index)
                raise RuntimeError(
                    f"{self.operation.public}: the data of argument {name!r} was replaced after "
                    "the operation had used it, so its gradient would be wrong; compute the result again"
                )

    def release(self) -> None:
        """Forget inputs and value: nothing of the graph behind this node is kept alive by it any more."""
        self.inputs, self.origins, self.arrays, self.output = (), {}, (), None


@dataclass(eq=False)
class Operation:
    """A differentiable operation: ``value`` on arrays, ``products`` on tensors, and how operands enter."""

    value: Callable[..., Array]
    products: tuple[Callable[..., Tensor] | None, ...]
    keeps_output: bool = False
    linear: bool = False
    variadic: bool = False
    prepare: Callable[[str, Args], Args] | None = None

    def __post_init__(self) -> None:
        self.arguments = Arguments(self.value, len(self.products), self.variadic, self.prepare)
        self.name, self.public = self.value.__name__, self.arguments.operation

    def __call__(self, args: Args, options: Options) -> Tensor:
        inputs, options = self.arguments.bind(args, options)
        arrays = tuple([x.data if isinstance(x, Tensor) else x for x in inputs])
        output = Tensor(self.arguments.computed(self.value, arrays, options))
        make_view_read_only(output.data)
        if is_recording() and output.data.dtype.kind == "f":  # only floating-point tensors have gradients
            origins = {i: x.source for i, x in enumerate(inputs) if isinstance(x, Tensor) and x._requires_grad}
            if origins:
                output.node = Node(self, inputs, origins, arrays, options, output.data)
                output._requires_grad = True
                make_read_only(*arrays, output.data)
        return output


def operation(*products: Callable[..., Tensor] | None, **traits: Any) -> Decorator:
    """Make a differentiable operation of the function below: its value on arrays.

    ``products``: for each of its first arguments (the inputs; what follows are options) the vector-Jacobian product
    ``product(g, *inputs, **options)``, or None where the operation is constant in that input (but for jumps).
    The traits: ``keeps_output``, the products take the operation's own value, too, after ``g``; ``linear``, it is
    linear in each input, so its products are adjoints; ``variadic``, it takes any number of inputs, and its one product
    their index after ``g``; ``prepare(name, inputs) -> inputs``, what is done to the inputs first.
    """

    def decorate(value: Callable[Parameters, Array]) -> Callable[Parameters, Tensor]:
        made = operations[value.__name__] = Operation(value, products, **traits)

        @functools.wraps(value)
        def function(*args: Parameters.args, **options: Parameters.kwargs) -> Tensor:
            return made(args, options)

        vars(function)["__signature__"] = of_tensors(made.arguments.signature, made.arguments.inputs)
        return function

    return decorate
