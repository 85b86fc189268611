"""The computation graph of a tensor, drawn by Graphviz.

Arrows point from the inputs of an operation to its output; the backward pass follows them in reverse. The drawing is
text in the DOT language: ``dot -Tsvg graph.dot -o graph.svg``.
"""

from typing import Any

from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.operation import GradKey, Node
from tinygen.autograd.tensor import Tensor
from tinygen.validation import described

_STYLES = {
    "operation": 'shape=ellipse, style=filled, fillcolor="#dbe7f5"',
    "leaf": 'shape=box, style=filled, fillcolor="#fbe3c0"',  # gradients arrive here
    "constant": "shape=box, style=dashed",
}


@checked_arguments
def graph_dot(tensor: Tensor, names: dict[str, Tensor] | None = None) -> str:
    """The computation graph of ``tensor`` (any shape) in the DOT language: operations are ellipses, leaves are boxes
    (dashed: no gradient required), each with its shape; ``tensor`` itself comes last.

    ``names``, name -> tensor of any shape, labels tensors, leaves or not. The same graph gives the same text. Raises
    ``TypeError`` if ``names`` is not such a dict.
    """
    if not isinstance(names, dict | None) or not all(isinstance(x, Tensor) for x in (names or {}).values()):
        raise TypeError(f"graph_dot: names must be a dict of name -> tensor, got {described(names)}")
    called: dict[Any, str] = {x.grad_key: name for name, x in (names or {}).items()}
    numbers: dict[Any, int] = {}
    lines = []
    for key in _in_order(tensor):
        numbers[key] = len(numbers)
        lines.append(f"  n{numbers[key]} [{_describe(key, called.get(key))}];")
        if isinstance(key, Node):
            lines += [f"  n{numbers[x.grad_key]} -> n{numbers[key]};" for x in _tensors(key)]
    return "\n".join(["digraph {", "  rankdir=LR;", *lines, "}", ""])


def _tensors(node: Node) -> list[Tensor]:
    return [x for x in node.inputs if isinstance(x, Tensor)]


def _in_order(tensor: Tensor) -> list[GradKey]:
    """Nodes and leaves of the graph of ``tensor`` in topological order, without recursion."""
    order: dict[GradKey, None] = {}
    stack: list[tuple[GradKey, bool]] = [(tensor.grad_key, False)]
    opened = set()
    while stack:
        key, is_open = stack.pop()
        if is_open or isinstance(key, Tensor):
            order.setdefault(key)
        elif key not in opened:
            opened.add(key)
            stack.append((key, True))
            stack += [(x.grad_key, False) for x in reversed(_tensors(key))]
    return list(order)


def _describe(key: GradKey, name: str | None) -> str:
    """The label and style of a node."""
    if isinstance(key, Node):
        kind, title = "operation", key.operation.name.lstrip("_")
        title = f"{name} = {title}" if name else title
    else:
        kind = "leaf" if key.requires_grad else "constant"
        title = name or kind
    label = f"{title}\n{key.shape}".replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'label="{label}", {_STYLES[kind]}'
