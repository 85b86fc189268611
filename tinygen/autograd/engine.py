"""The backward pass: gradients of a result with respect to its inputs.

By the chain rule the gradient of a tensor is the sum, over all operations that used it, of their vector-Jacobian
products. So a node is processed after all nodes that used its output: in reverse topological order. (Take b = a + a,
c = b + b: processing b twice, once per use, gives the right result too, but in a chain of sixty such sums it takes 2^60
steps; in topological order it takes sixty.)

``grad`` returns gradients as tensors, differentiable again on request. ``backward`` stores gradients in the leaves and
frees the graph as it proceeds.
"""

from __future__ import annotations

from typing import overload

from tinygen.autograd.arguments import checked_arguments, one_or_more
from tinygen.autograd.broadcasting import add
from tinygen.autograd.operation import GradKey, Node
from tinygen.autograd.recording import grad_mode
from tinygen.autograd.tensor import Tensor, Tensors, Vectors
from tinygen.backend import array_module, copy_like
from tinygen.validation import described

Keys = set[GradKey]
Gradients = dict[GradKey, Tensor | None]  # None: a gradient of zeros, as of a step function


def _topological_order(roots: list[GradKey], wanted: Keys | None) -> tuple[list[Node], Keys]:
    """The nodes on the paths between ``roots`` and ``wanted`` (None: every leaf), each after its parents; and the keys
    whose gradients are needed: those nodes and the wanted ones.

    Depth-first search with an explicit stack, since a graph may be deeper than Python's recursion limit. A node is
    pushed twice: to visit its parents, and after them to be appended to the order.
    """
    order: list[Node] = []
    visited: Keys = set()
    needed = visited if wanted is None else set(wanted)  # without ``wanted`` all: the same set, filled below
    stack: list[tuple[GradKey, bool]] = [(root, False) for root in roots]
    while stack:
        key, parents_done = stack.pop()
        if parents_done:
            if not needed.isdisjoint(key.parents.values()):
                needed.add(key)
                order.append(key)
        elif key not in visited:
            visited.add(key)
            if isinstance(key, Node):
                if not key.inputs:
                    raise RuntimeError(
                        f"{key.operation.label}: its graph was freed by an earlier backward(); "
                        "compute the result again, or use tg.grad, which keeps the graph"
                    )
                stack.append((key, True))
                stack.extend([(parent, False) for parent in key.parents.values()])
    return order, needed


def _backward_pass(seeds: list[tuple[Tensor, Tensor]], wanted: Keys | None, create_graph: bool) -> Gradients:
    """The gradients with respect to ``wanted`` of the sum of output * seed over all elements of all ``seeds``; a seed
    is the gradient that a pass starts from. None: with respect to every leaf, and the graph is freed as the pass
    proceeds.
    """
    gradients: Gradients = {}

    def accumulate(key: GradKey, gradient: Tensor | None) -> None:
        present = gradients.get(key)  # None stands for 0, so it is left out of the sum
        gradients[key] = gradient if present is None else present if gradient is None else add(present, gradient)

    with grad_mode(create_graph):
        order, needed = _topological_order([output.grad_key for output, _ in seeds if output.requires_grad], wanted)
        for output, seed in seeds:
            accumulate(output.grad_key, seed)
        while order:
            node = order.pop()
            # A wanted gradient is kept; others are freed.
            gradient = gradients[node] if wanted and node in wanted else gradients.pop(node)
            node.check_unchanged()
            options = node.vjp_options(gradient)
            for index, parent in node.parents.items():
                if parent in needed:
                    accumulate(parent, node.vjp(index, gradient, options))
            if wanted is None:
                node.release()
            del node, gradient, parent, options  # so that released arrays are freed before the next node
    return gradients


def _or_zeros(gradient: Tensor | None, x: Tensor) -> Tensor:
    return Tensor(array_module(x.data).zeros_like(x.data)) if gradient is None else gradient


def _seed(caller: str, output: Tensor, given: Tensor | None) -> Tensor:
    """The gradient of the output with respect to itself: the given one; default: 1, for an output of one element."""
    if given is None and output.size == 1:
        return Tensor(array_module(output.data).ones_like(output.data))
    if not isinstance(given, Tensor) or given.shape != output.shape:
        raise ValueError(
            f"{caller}: an output of shape {output.shape} requires an initial gradient, "
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


@checked_arguments
def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Vectors = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to each of ``inputs``, ``sum_k v_k * d outputs_k / d input``.

    ``outputs`` and ``inputs`` may have any shapes; each gradient has the shape of its input. ``grad_outputs``: the
    vectors v_k, of the shapes of the outputs (default: 1, for outputs of one element). ``create_graph``: record the
    graph of the gradients, so that they can be differentiated again. ``allow_unused``: None for an input on which the
    outputs do not depend. The graph is kept, and ``.grad`` of the leaves does not change.

    Raises ``ValueError`` if an input does not require gradients, if the outputs do not depend on it (unless
    ``allow_unused``), or if a v_k is missing or has another shape than its output, and ``RuntimeError`` if the graph
    was freed by ``backward`` or the data of one of its tensors was replaced.
    """
    ys, xs = one_or_more("grad", "outputs", outputs), one_or_more("grad", "inputs", inputs)
    vs = [None] * len(ys) if grad_outputs is None else one_or_more("grad", "grad_outputs", grad_outputs, Tensor | None)
    if len(vs) != len(ys):
        raise ValueError(f"grad: expects as many grad_outputs as outputs, {len(ys)}, got {len(vs)}")
    for index, x in enumerate(xs):
        if not x.requires_grad:
            raise ValueError(f"grad: inputs[{index}] does not require gradients (requires_grad is False)")
    seeds = [(output, _seed("grad", output, seed)) for output, seed in zip(ys, vs, strict=True)]
    gradients = _backward_pass(seeds, {x.grad_key for x in xs}, create_graph)
    for index, x in enumerate(xs):
        if x.grad_key not in gradients and not allow_unused:
            raise ValueError(f"grad: the outputs do not depend on inputs[{index}]; allow_unused=True gives None for it")
    return tuple([_or_zeros(gradients[x.grad_key], x) if x.grad_key in gradients else None for x in xs])


def backward(output: Tensor, gradient: Tensor | None = None) -> None:
    """Add the gradient of ``output`` to ``.grad`` of every leaf that requires gradients, and free the graph.

    ``gradient``, of the shape of ``output``: the vector of the vector-Jacobian product (default: 1, for an output of
    one element). First order only: a ``.grad`` with a graph would reference its own leaf, a reference cycle.

    Raises ``RuntimeError`` if ``output`` does not require gradients, if the graph was freed by an earlier ``backward``,
    or if the data of one of its tensors was replaced, and ``ValueError`` if ``gradient`` is missing or has another
    shape.
    """
    if not output.requires_grad:
        raise RuntimeError("backward: this tensor does not require gradients (requires_grad is False)")
    seed = _seed("backward", output, gradient)
    stored = {id(seed.data)}
    for leaf, found in _backward_pass([(output, seed)], None, create_graph=False).items():
        array = _or_zeros(found, leaf).data if leaf.grad is None else leaf.grad.data + _or_zeros(found, leaf).data
        if array.base is not None or id(array) in stored:  # .grad shares memory with no other array
            array = copy_like(array, leaf.data)
        stored.add(id(array))
        leaf.grad = Tensor(array)
