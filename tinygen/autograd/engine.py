"""The reverse walk: from a result back to its origins, each node once, gradients added up where paths meet.

By the chain rule the gradient of a tensor is the sum, over all operations that used it, of their vector-Jacobian
products. A node may therefore be passed only when everything that used its value has been passed: the walk goes in
topological order. (Take b = a + a, c = b + b: visiting b twice, once for each use, would be right; doing so in a chain
of sixty such sums would take 2^60 visits. In topological order it takes sixty.)

Two doors lead in. ``grad`` returns gradients as tensors, differentiable again if asked. ``backward`` leaves plain
gradients on the leaves and frees the graph on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygen.autograd.broadcasting import add
from tinygen.autograd.operation import Node
from tinygen.autograd.recording import recording
from tinygen.autograd.tensor import Tensor
from tinygen.backend import array_module

Source = Any  # where a gradient belongs: the node that made a tensor, or the tensor itself if it is a leaf


def _source(tensor: Tensor) -> Source:
    return tensor.node or tensor


def _origins(node: Any) -> list[Source]:
    """Where the gradients of a node's inputs go."""
    return [_source(x) for x in node.inputs if isinstance(x, Tensor) and x.requires_grad]


def _topological_order(roots: list[Source], wanted: set[Source] | None) -> tuple[list[Node], set[Source]]:
    """The nodes between ``roots`` and ``wanted`` (None: every leaf), each after all that its inputs are made of;
    and the sources that need a gradient: those nodes and the wanted ones.

    Depth first with a stack of its own, since a graph may be deeper than Python's recursion: a node goes on the stack
    twice, to be opened (its inputs before it) and to be closed (put in order).
    """
    order: list[Node] = []
    needed: set[Source] = set(wanted or ())
    opened: set[Source] = set()
    stack: list[tuple[Source, bool]] = [(root, False) for root in roots]
    while stack:
        source, is_open = stack.pop()
        if is_open:
            if wanted is None or not needed.isdisjoint(_origins(source)):
                needed.add(source)
                order.append(source)
        elif source not in opened:
            opened.add(source)
            if isinstance(source, Node):
                if not source.inputs:
                    raise RuntimeError(
                        f"backward: the graph behind {source.operation.name} was freed by an earlier backward(); "
                        "compute the result again, or use tg.grad, which keeps the graph"
                    )
                stack.append((source, True))
                stack.extend([(origin, False) for origin in _origins(source)])
            elif wanted is None:
                needed.add(source)
    return order, needed


def _walk(
    seeds: list[tuple[Tensor, Tensor]], wanted: set[Source] | None, *, create_graph: bool, free: bool
) -> dict[Source, Tensor | None]:
    """The gradients at ``wanted`` (None: at every leaf) of the outputs in ``seeds``, each weighted by its seed; one
    that is zero by its nature, a step's slope say, is None, and costs nothing on the way."""
    gradients: dict[Source, Tensor | None] = {}

    def accumulate(x: Tensor, gradient: Tensor | None) -> None:
        present = gradients.get(_source(x))
        if present is not None:
            gradient = present if gradient is None else add(present, gradient)
        gradients[_source(x)] = gradient

    with recording(create_graph):
        order, needed = _topological_order([_source(output) for output, _ in seeds if output.requires_grad], wanted)
        for output, seed in seeds:
            accumulate(output, seed)
        while order:
            node = order.pop()
            gradient = gradients[node] if wanted and node in wanted else gradients.pop(node)
            node.check_unchanged()
            for index, x in enumerate(node.inputs):
                if isinstance(x, Tensor) and x.requires_grad and _source(x) in needed:
                    accumulate(x, node.product(index, gradient))
            if free:
                node.release()
            del node, gradient, x
    return gradients


def _or_zeros(gradient: Tensor | None, x: Tensor) -> Tensor:
    return Tensor(array_module(x.data).zeros_like(x.data)) if gradient is None else gradient


def _seed(output: Tensor, given: Tensor | None) -> Tensor:
    """The gradient to begin with: what was given, or 1 for an output of one element."""
    if given is None:
        if output.size != 1:
            raise ValueError(f"backward: an output of shape {output.shape} needs a gradient of its shape to begin with")
        return Tensor(array_module(output.data).ones_like(output.data))
    if not isinstance(given, Tensor) or given.shape != output.shape:
        found = f"shape {given.shape}" if isinstance(given, Tensor) else type(given).__name__
        raise ValueError(f"backward: the gradient to begin with must be a Tensor of shape {output.shape}, got {found}")
    return given


def _listed(name: str, tensors: Tensor | Sequence[Tensor | None]) -> list:
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not all(isinstance(tensor, Tensor) or (tensor is None and name == "grad_outputs") for tensor in listed):
        raise TypeError(f"grad: {name} must be a Tensor or several, got {', '.join(type(t).__name__ for t in listed)}")
    return listed


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to each of ``inputs``, ``sum_k v_k . d outputs_k / d input``.

    ``grad_outputs``: the vectors v_k (None: 1, for outputs of one element). ``create_graph``: the gradients remember
    how they were made and can be differentiated again. ``allow_unused``: None for an input on which the outputs do not
    depend, instead of a ``ValueError``. The graph is kept; nothing is left on the leaves.
    """
    ends, origins = _listed("outputs", outputs), _listed("inputs", inputs)
    given = [None] * len(ends) if grad_outputs is None else _listed("grad_outputs", grad_outputs)
    if len(given) != len(ends):
        raise ValueError(f"grad: expects as many grad_outputs as outputs, {len(ends)}, got {len(given)}")
    for index, x in enumerate(origins):
        if not x.requires_grad:
            raise ValueError(f"grad: inputs[{index}] does not ask for gradients (requires_grad is False)")
    seeds = [(output, _seed(output, seed)) for output, seed in zip(ends, given, strict=True)]
    gradients = _walk(seeds, {_source(x) for x in origins}, create_graph=create_graph, free=False)
    for index, x in enumerate(origins):
        if _source(x) not in gradients and not allow_unused:
            raise ValueError(f"grad: the outputs do not depend on inputs[{index}]; allow_unused=True gives None for it")
    return tuple([_or_zeros(gradients[_source(x)], x) if _source(x) in gradients else None for x in origins])


def backward(output: Tensor, gradient: Tensor | None = None) -> None:
    """Add to ``.grad`` of every leaf that asks for it the gradient of ``output``, and free the graph on the way.

    ``gradient`` is what to begin with (None: 1, for an output of one element). First order only: what is left on the
    leaves has no past, since a gradient that remembered the leaf it lies on would be a cycle. Raises ``RuntimeError``
    where nothing asks for gradients, where the graph was freed by a backward before, and where an input's data was
    replaced in between.
    """
    if not output.requires_grad:
        raise RuntimeError("backward: nothing that this tensor was made of asks for gradients (requires_grad)")
    taken: set[int] = set()
    for leaf, found in _walk([(output, _seed(output, gradient))], None, create_graph=False, free=True).items():
        array = _or_zeros(found, leaf).data if leaf.grad is None else leaf.grad.data + _or_zeros(found, leaf).data
        # A leaf's gradient is nobody else's memory: no view, and not the array that another leaf was given.
        if array.base is not None or not array.flags.c_contiguous or id(array) in taken:
            array = array.copy()
        taken.add(id(array))
        leaf.grad = Tensor(array)
