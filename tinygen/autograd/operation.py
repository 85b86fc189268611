"""Differentiable operations: a value on arrays, and vector-Jacobian products on tensors.

For y = f(x) and a scalar L computed from y, with g = dL/dy, the chain rule gives

    dL/dx = g . df/dx          (the vector-Jacobian product: a row vector g times the Jacobian)

An operation is a function that computes its value, decorated with one vector-Jacobian product (VJP) per input (the
decorator ``elementwise`` is ``operation`` with broadcasting, see ``broadcasting.py``)::

    @elementwise(lambda g, x, y: g * y,
                 lambda g, x, y: g * x)
    def multiply(x, y):
        return x * y

The value is computed on arrays, without gradients. The VJPs are computed on *tensors* by the library's own operations,
so a VJP is itself differentiable, and derivatives of any order follow. Each input has a VJP of its own, so that only
those of inputs that require gradients are computed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from tinygen.autograd.arguments import Args, Arguments, Options, tensor_signature
from tinygen.autograd.recording import is_recording, make_read_only, make_view_read_only
from tinygen.autograd.tensor import Decorator, Parameters, Tensor
from tinygen.backend import Array, without_underflow

GradKey = Any  # the key of a tensor's gradient in a dictionary: its node or, for a leaf, the tensor itself
REGISTRY: dict[str, Operation] = {}  # every operation by name


class Node:
    """One application of an operation: its inputs and options, and ``parents``, index of an input -> ``GradKey``,
    for the inputs that require gradients."""

    __slots__ = ("__weakref__", "arrays", "inputs", "operation", "options", "output", "parents", "shape")

    def __init__(
        self, operation: Operation, inputs: Args, parents: dict[int, Any], arrays: Args, options: Options, output: Array
    ) -> None:
        self.operation, self.inputs, self.arrays, self.options = operation, inputs, arrays, options
        self.parents, self.shape = parents, output.shape
        self.output = output if operation.keeps_output else None

    def vjp_options(self, g: Tensor | None) -> Options:
        """The options of the vector-Jacobian products of ``g``, including the intermediate arrays that they share."""
        if g is None or self.operation.shared is None:
            return self.options
        return {**self.options, "shared": without_underflow(self.operation.shared, g, *self.inputs, **self.options)}

    def vjp(self, index: int, g: Tensor | None, options: Options | None = None) -> Tensor | None:
        """The vector-Jacobian product of ``g``, the gradient of the output, with respect to input ``index``; None is a
        gradient of zeros. ``options``: default ``vjp_options(g)``."""
        operation, x = self.operation, self.inputs[index]
        vjp = operation.vjps[0 if operation.variadic else index]
        if g is None or vjp is None:
            return None
        options = self.vjp_options(g) if options is None else options
        # The output is attached to this node, so that the VJP can be differentiated through it too.
        output = (Tensor(self.output, node=self),) if operation.keeps_output else ()
        gradient = vjp(g, *((index,) if operation.variadic else ()), *output, *self.inputs, **options)
        if gradient.data.shape != x.data.shape:
            name = operation.arguments.name(index)
            raise ValueError(f"{operation.label}: the gradient of {name} has shape {gradient.shape}, {name} {x.shape}")
        return gradient if gradient.data.dtype == x.data.dtype else gradient.astype(x.dtype)

    def check_unchanged(self) -> None:
        """Raise ``RuntimeError`` if the ``data`` of an input was replaced: the gradient would be wrong."""
        for index, (x, array) in enumerate(zip(self.inputs, self.arrays, strict=True)):
            if isinstance(x, Tensor) and x.data is not array:
                name = self.operation.arguments.name(index)
                raise RuntimeError(
                    f"{self.operation.label}: the data of argument {name!r} was replaced after "
                    "the operation had used it, so its gradient would be wrong; compute the result again"
                )

    def release(self) -> None:
        """Drop inputs and output, so that this node keeps no part of the graph alive."""
        self.inputs, self.parents, self.arrays, self.output = (), {}, (), None


@dataclass(eq=False)
class Operation:
    """A differentiable operation: ``forward`` on arrays, ``vjps`` on tensors, and the options of ``operation``; errors
    call it by its ``label``, its name without leading underscores."""

    forward: Callable[..., Array]
    vjps: tuple[Callable[..., Tensor] | None, ...]
    keeps_output: bool = False
    linear: bool = False
    variadic: bool = False
    prepare: Callable[[str, Args], Args] | None = None
    shared: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        self.arguments = Arguments(self.forward, len(self.vjps), self.variadic, self.prepare)
        self.name, self.label = self.forward.__name__, self.arguments.operation
        for index, vjp in enumerate(self.vjps):
            if isinstance(vjp, FunctionType) and vjp.__name__ == "<lambda>":  # tracebacks print the code's name
                vjp.__code__ = vjp.__code__.replace(co_name=f"vjp_of_{self.name}_in_{self.arguments.name(index)}")

    def __call__(self, args: Args, options: Options) -> Tensor:
        inputs, options = self.arguments.bind(args, options)
        arrays = tuple([x.data if isinstance(x, Tensor) else x for x in inputs])
        output = Tensor(self.arguments.compute(self.forward, arrays, options))
        if output.data.base is not None:
            make_view_read_only(output.data)
        if is_recording() and output.data.dtype.kind == "f":  # only floating-point tensors have gradients
            parents = {i: x.grad_key for i, x in enumerate(inputs) if isinstance(x, Tensor) and x._requires_grad}
            if parents:
                output.node = Node(self, inputs, parents, arrays, options, output.data)
                output._requires_grad = True
                make_read_only(*arrays, output.data)
        return output


def operation(*vjps: Callable[..., Tensor] | None, **further: Any) -> Decorator:
    """Decorator: turns a function of arrays into a differentiable operation on tensors.

    ``vjps``: for each of the function's first arguments (the inputs; the others are options) the vector-Jacobian
    product ``vjp(g, *inputs, **options)``, or None if the operation is piecewise constant in that input.

    Further options (default: False or None):

    * ``keeps_output``: the VJPs take the output, the operation's own value, after ``g``;
    * ``linear``: the operation is linear in each input (apart from a bias), so its VJPs are adjoints;
    * ``variadic``: the operation takes any number of inputs, and its one VJP their index after ``g``;
    * ``prepare(name, inputs) -> inputs``: applied to the inputs first, for instance to broadcast them;
    * ``shared(g, *inputs, **options)``: intermediate arrays for several VJPs, computed once per node and backward pass
      and passed to each VJP as the option ``shared``. They are outside the graph. The VJPs that use them are
      operations whose own VJPs include the derivative of ``shared`` (``operations/normalisation.py``).

    Raises ``ValueError`` if an operation of the same name exists.
    """

    def decorate(forward: Callable[Parameters, Array]) -> Callable[Parameters, Tensor]:
        name = forward.__name__
        if name in REGISTRY:
            raise ValueError(f"operation: {name!r} exists already, in {REGISTRY[name].forward.__module__}")
        made = REGISTRY[name] = Operation(forward, vjps, **further)

        @functools.wraps(forward)
        def function(*args: Parameters.args, **options: Parameters.kwargs) -> Tensor:
            return made(args, options)

        vars(function)["__signature__"] = tensor_signature(made.arguments.signature, made.arguments.inputs)
        return function

    return decorate
