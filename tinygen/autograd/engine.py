"""The reverse walk: from a result back to its origins, each node once, gradients added up where paths meet.

By the chain rule the gradient of a tensor is the sum, over all operations that used it, of their vector-Jacobian
products. A node may therefore be passed only when everything that used its value has been passed: the walk goes in
topological order. (Take b = a + a, c = b + b: visiting b twice, once for each use, would be right; doing so in a chain
of sixty such sums would take 2^60 visits. In topological order it takes sixty.)

Two doors lead in. ``grad`` returns gradients as tensors, differentiable again if asked. ``backward`` leaves plain
gradients on the leaves and frees the graph on its way.
"""

from __future__ import annotations

from typing import overload

from tinygen.autograd.arguments import checked, one_or_more
from tinygen.autograd.broadcasting import add
from tinygen.autograd.operation import Node, Source
from tinygen.autograd.recording import recording
from tinygen.autograd.tensor import Tensor, Tensors, Vectors
from tinygen.backend import array_module, stored_like
from tinygen.validation import described

# A gradient that is zero by its nature, through the slope of a step say, is None and costs nothing on the way.
Gradients = dict[Source, Tensor | None]


def _topological_order(roots: list[Source], wanted: set[Source] | None) -> tuple[list[Node], set[Source]]:
    """The nodes between ``roots`` and ``wanted`` (None: every leaf), each after all that its inputs are made of;
    and the sources that need a gradient: those nodes and the wanted ones.

    Depth first with a stack of its own, since a graph may be deeper than Python's recursion: a node goes on the stack
    twice, to be opened (its inputs before it) and to be closed (put in order).
    """
    order: list[Node] = []
    opened: set[Source] = set()
    needed = opened if wanted is None else set(wanted)  # every path leads to a leaf
    stack: list[tuple[Source, bool]] = [(root, False) for root in roots]
    while stack:
        source, is_open = stack.pop()
        if is_open:
            if not needed.isdisjoint(source.origins.values()):
                needed.add(source)
                order.append(source)
        elif source not in opened:
            opened.add(source)
            if isinstance(source, Node):
                if not source.inputs:
                    raise RuntimeError(
                        f"{source.operation.public}: the graph behind it was freed by an earlier backward(); "
                        "compute the result again, or use tg.grad, which keeps the graph"
                    )
                stack.append((source, True))
                stack.extend([(origin, False) for origin in source.origins.values()])
    return order, needed


def _walk(seeds: list[tuple[Tensor, Tensor]], wanted: set[Source] | None, create_graph: bool) -> Gradients:
    """The gradients at ``wanted`` of the outputs in ``seeds``, each weighted by its seed. ``wanted`` None: at every
    leaf, and the graph is freed on the way."""
    gradients: Gradients = {}

    def accumulate(source: Source, gradient: Tensor | None) -> None:
        present = gradients.get(source)
        if present is not None:
            gradient = present if gradient is None else add(present, gradient)
        gradients[source] = gradient

    with recording(create_graph):
        order, needed = _topological_order([output.source for output, _ in seeds if output.requires_grad], wanted)
        for output, seed in seeds:
            accumulate(output.source, seed)
        while order:
            node = order.pop()
            gradient = gradients[node] if wanted and node in wanted else gradients.pop(node)
            node.check_unchanged()
            for index, origin in node.origins.items():
                if origin in needed:
                    accumulate(origin, node.product(index, gradient))
            if wanted is None:
                node.release()
            del node, gradient, origin
    return gradients


def _or_zeros(gradient: Tensor | None, x: Tensor) -> Tensor:
    return Tensor(array_module(x.data).zeros_like(x.data)) if gradient is None else gradient


def _seed(caller: str, output: Tensor, given: Tensor | None) -> Tensor:
    """The gradient to begin with: what was given, or 1 for an output of one element."""
    if given is None and output.size == 1:
        return Tensor(array_module(output.data).ones_like(output.data))
    if not isinstance(given, Tensor) or given.shape != output.shape:
        raise ValueError(
            f"{caller}: an output of shape {output.shape} needs a gradient to begin with, "
            f"a Tensor of shape {output.shape}, got {described(given)}"
        )
    return given if given.dtype == output.dtype else given.astype(output.dtype)


@overload
def grad(
    outputs: Tensors, inputs: Tensors, grad_outputs: Vectors = ..., *, create_graph: bool = ...
) -> tuple[Tensor, ...]: ...


@overload
def grad(
    outputs: Tensors, inputs: Tensors, grad_outputs: Vectors = ..., *, create_graph: bool = ..., allow_unused: bool
) -> tuple[Tensor | None, ...]: ...


@checked
def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Vectors = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to each of ``inputs``, ``sum_k v_k . d outputs_k / d input``.

    ``grad_outputs``: the vectors v_k (None: 1, for outputs of one element). ``create_graph``: the gradients remember
    how they were made and can be differentiated again. ``allow_unused``: None for an input on which the outputs do not
    depend, instead of a ``ValueError``. The graph is kept; nothing is left on the leaves.
    """
    ys, xs = one_or_more("grad", "outputs", outputs), one_or_more("grad", "inputs", inputs)
    vs = [None] * len(ys) if grad_outputs is None else one_or_more("grad", "grad_outputs", grad_outputs, Tensor | None)
    if len(vs) != len(ys):
        raise ValueError(f"grad: expects as many grad_outputs as outputs, {len(ys)}, got {len(vs)}")
    for index, x in enumerate(xs):
        if not x.requires_grad:
            raise ValueError(f"grad: inputs[{index}] does not ask for gradients (requires_grad is False)")
    seeds = [(output, _seed("grad", output, seed)) for output, seed in zip(ys, vs, strict=True)]
    gradients = _walk(seeds, {x.source for x in xs}, create_graph)
    for index, x in enumerate(xs):
        if x.source not in gradients and not allow_unused:
            raise ValueError(f"grad: the outputs do not depend on inputs[{index}]; allow_unused=True gives None for it")
    return tuple([_or_zeros(gradients[x.source], x) if x.source in gradients else None for x in xs])


def backward(output: Tensor, gradient: Tensor | None = None) -> None:
    """Add to ``.grad`` of every leaf that asks for it the gradient of ``output``, and free the graph on the way.

    ``gradient`` is what to begin with (None: 1, for an output of one element). First order only: what is left on the
    leaves has no past, since a gradient that remembered the leaf it lies on would be a cycle. Raises ``RuntimeError``
    where nothing asks for gradients, where the graph was freed by a backward before, and where an input's data was
    replaced in between.
    """
    if not output.requires_grad:
        raise RuntimeError("backward: nothing that this tensor was made of asks for gradients (requires_grad)")
    seed = _seed("backward", output, gradient)
    taken = {id(seed.data)}
    for leaf, found in _walk([(output, seed)], None, create_graph=False).items():
        array = _or_zeros(found, leaf).data if leaf.grad is None else leaf.grad.data + _or_zeros(found, leaf).data
        # A leaf's gradient is nobody else's memory: no view, no other leaf's, not the caller's.
        if array.base is not None or array.strides != leaf.data.strides or id(array) in taken:
            array = stored_like(array, leaf.data)
        taken.add(id(array))
        leaf.grad = Tensor(array)
