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

from tinygen.autograd.broadcasting import add
from tinygen.autograd.operation import Node, recording
from tinygen.autograd.tensor import Tensor
from tinygen.backend import array_module

Source = Node | Tensor  # where a gradient belongs: the node that made a tensor, or the leaf itself


def _source(tensor: Tensor) -> Source:
    return tensor.node or tensor


def _origins(node: Node) -> list[Source]:
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
    outputs: list[Tensor], seeds: list[Tensor], wanted: set[Source] | None, *, free: bool
) -> dict[Source, Tensor]:
    """The gradients at ``wanted`` (None: at every leaf) of the sum of ``outputs`` weighted by ``seeds``."""
    gradients: dict[Source, Tensor] = {}

    def accumulate(source: Source, gradient: Tensor) -> None:
        gradients[source] = add(gradients[source], gradient) if source in gradients else gradient

    order, needed = _topological_order([_source(output) for output in outputs], wanted)
    for output, seed in zip(outputs, seeds, strict=True):
        accumulate(_source(output), seed)
    while order:
        node = order.pop()
        gradient = gradients.pop(node)
        node.check_unchanged()
        for index, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x.requires_grad and _source(x) in needed:
                accumulate(_source(x), node.product(index, gradient))
        if wanted is not None and node in wanted:
            gradients[node] = gradient
        if free:
            node.release()
        del node, gradient, x
    return gradients


def _seeds(outputs: list[Tensor], given: list[Tensor | None]) -> list[Tensor]:
    """The gradients to begin with: those given, 1 for an output of one element."""
    if len(given) != len(outputs):
        raise ValueError(f"grad: expects one of grad_outputs for each of {len(outputs)} outputs, got {len(given)}")
    seeds = []
    for output, seed in zip(outputs, given, strict=True):
        if seed is None:
            if output.size != 1:
                raise ValueError(
                    f"backward: only an output of one element needs no gradient to begin with, this one has shape "
                    f"{output.shape}; pass one of that shape, or reduce it with sum() or mean() first"
                )
            seed = Tensor(array_module(output.data).ones_like(output.data))
        elif not isinstance(seed, Tensor):
            raise TypeError(f"backward: expects a Tensor as the gradient to begin with, got {type(seed).__name__}")
        elif seed.shape != output.shape:
            raise ValueError(f"backward: gradient has shape {seed.shape}, the output {output.shape}")
        seeds.append(seed)
    return seeds


def _listed(tensors: Tensor | Sequence[Tensor], name: str) -> list[Tensor]:
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for tensor in listed:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"grad: {name} must be tensors, got {type(tensor).__name__}")
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
    output_list, input_list = _listed(outputs, "outputs"), _listed(inputs, "inputs")
    given = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs or [None] * len(output_list))
    for index, tensor in enumerate(input_list):
        if not tensor.requires_grad:
            raise ValueError(f"grad: inputs[{index}] does not ask for gradients (requires_grad is False)")
    seeds = _seeds(output_list, given)
    with recording(create_graph):
        reached = [pair for pair in zip(output_list, seeds, strict=True) if pair[0].requires_grad]
        gradients = _walk(*map(list, zip(*reached)), {_source(x) for x in input_list}, free=False) if reached else {}
    for index, tensor in enumerate(input_list):
        if _source(tensor) not in gradients and not allow_unused:
            raise ValueError(f"grad: the outputs do not depend on inputs[{index}]; allow_unused=True gives None for it")
    return tuple([gradients.get(_source(tensor)) for tensor in input_list])


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
    with recording(False):
        for leaf, gradient_there in _walk([output], _seeds([output], [gradient]), None, free=True).items():
            total = gradient_there if leaf.grad is None else add(leaf.grad, gradient_there)
            leaf.grad = Tensor(_own(total.data, taken))


def _own(array, taken: set[int]):
    """``array``, copied where it is a view or another leaf has it: a leaf's gradient is nobody else's memory."""
    if array.base is not None or not array.flags.c_contiguous or id(array) in taken:
        array = array.copy()
    taken.add(id(array))
    return array
