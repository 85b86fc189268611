"""The computation graph of a tensor, drawn by Graphviz.

Arrows point from the inputs of an operation to its output; the backward pass follows them in reverse. The drawing is
text in the DOT language: ``dot -Tsvg graph.dot -o graph.svg``.
"""

from typing import Any

from tinygen.autograd.arguments import checked
from tinygen.autograd.operation import Node, Source
from tinygen.autograd.tensor import Tensor
from tinygen.validation import described

_STYLES = {
    "operation": 'shape=ellipse, style=filled, fillcolor="#dbe7f5"',
    "leaf": 'shape=box, style=filled, fillcolor="#fbe3c0"',  # gradients arrive here
    "constant": "shape=box, style=dashed",
}


@checked
def graph_dot(tensor: Tensor, names: dict[str, Tensor] | None = None) -> str:
    """The computation graph of ``tensor`` (any shape) in the DOT language: operations are ellipses, leaves are boxes
    (dashed: no gradient required), each with its shape; ``tensor`` itself comes last.

    ``names`` (name -> tensor) labels tensors, leaves or not. The same graph gives the same text. Raises ``TypeError``
    if ``names`` is not such a dict.
    """
    if not isinstance(names, dict | None) or not all(isinstance(x, Tensor) for x in (names or {}).values()):
        raise TypeError(f"graph_dot: names must be a dict of name -> tensor, got {described(names)}")
    called: dict[Any, str] = {x.source: name for name, x in (names or {}).items()}
    numbers: dict[Any, int] = {}
    lines = []
    for source in _in_order(tensor):
        numbers[source] = len(numbers)
        lines.append(f"  n{numbers[source]} [{_describe(source, called.get(source))}];")
        if isinstance(source, Node):
            lines += [f"  n{numbers[x.source]} -> n{numbers[source]};" for x in _tensors(source)]
    return "\n".join(["digraph {", "  rankdir=LR;", *lines, "}", ""])


def _tensors(node: Node) -> list[Tensor]:
    return [x for x in node.inputs if isinstance(x, Tensor)]


def _in_order(tensor: Tensor) -> list[Source]:
    """Nodes and leaves of the graph of ``tensor`` in topological order, without recursion."""
    order: dict[Source, None] = {}
    stack: list[tuple[Source, bool]] = [(tensor.source, False)]
    opened = set()
    while stack:
        source, is_open = stack.pop()
        if is_open or isinstance(source, Tensor):
            order.setdefault(source)
        elif source not in opened:
            opened.add(source)
            stack.append((source, True))
            stack += [(x.source, False) for x in reversed(_tensors(source))]
    return list(order)


def _describe(source: Source, name: str | None) -> str:
    """The label and style of a node."""
    if isinstance(source, Node):
        kind, title = "operation", source.operation.name.lstrip("_")
        title = f"{name} = {title}" if name else title
    else:
        kind = "leaf" if source.requires_grad else "constant"
        title = name or kind
    label = f"{title}\n{source.shape}".replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'label="{label}", {_STYLES[kind]}'
