"""The graph behind a tensor, as a picture: what remembered what.

Every arrow runs as the computation did, from the tensors that an operation took to what it made of them; the reverse
walk goes the other way. The picture is text in Graphviz's language: ``dot -Tsvg graph.dot -o graph.svg`` draws it.
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
    """The graph behind ``tensor`` in Graphviz's language, operations as ellipses and tensors as boxes (dashed: asks
    for no gradient), each with its shape, and ``tensor`` itself last.

    ``names`` (name -> tensor) says what to call tensors, made ones too. The same graph gives the same text.
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
    """Nodes and leaves behind ``tensor``, each after all that it was made of, with a stack instead of recursion."""
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
    """A node's label and looks."""
    if isinstance(source, Node):
        kind, title = "operation", source.operation.name.lstrip("_")
        title = f"{name} = {title}" if name else title
    else:
        kind = "leaf" if source.requires_grad else "constant"
        title = name or kind
    label = f"{title}\n{source.shape}".replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'label="{label}", {_STYLES[kind]}'
