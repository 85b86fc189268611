"""The graph as a picture: every operation and leaf once, every use an arrow, the same text each time."""

import re

import tinygen as tg


def labels(dot: str) -> list[str]:
    return re.findall(r'label="([^"]*)"', dot)


def arrows(dot: str) -> list[tuple[str, str]]:
    """The arrows, as pairs of labels."""
    named = dict(re.findall(r'(n\d+) \[label="([^"]*)"', dot))
    return [(named[start], named[end]) for start, end in re.findall(r"(n\d+) -> (n\d+);", dot)]


def test_operations_and_leaves_with_their_shapes():
    w, x = tg.ones(2, 3, requires_grad=True), tg.ones(3)
    dot = tg.graph_dot(tg.exp(w * 2) - tg.tensor([1.0]) @ x[:1], {"w": w, "x": x})
    assert dot.startswith("digraph")
    assert dot.count("{") == dot.count("}") == 1
    assert labels(dot)[0] == r"w\n(2, 3)"
    assert (r"w\n(2, 3)", r"multiply\n(2, 3)") in arrows(dot)
    assert (r"multiply\n(2, 3)", r"exp\n(2, 3)") in arrows(dot)


def test_the_tensor_itself_comes_last():
    x = tg.ones(2, requires_grad=True)
    assert labels(tg.graph_dot(tg.sin(tg.exp(x))))[-1] == r"sin\n(2,)"


def test_both_uses_of_a_tensor_are_arrows():
    a = tg.ones(1, requires_grad=True)
    b = a + a
    c = b + b
    dot = tg.graph_dot(c, {"a": a, "b": b, "c": c})
    assert arrows(dot) == [(r"a\n(1,)", r"b = add\n(1,)")] * 2 + [(r"b = add\n(1,)", r"c = add\n(1,)")] * 2


def test_a_tensor_on_two_paths_is_drawn_once():
    x = tg.ones(1, requires_grad=True)
    for _ in range(60):
        x = x * x
    assert len(labels(tg.graph_dot(x))) == 61


def test_leaves_without_requires_grad_have_another_style():
    x, constant = tg.ones(2, requires_grad=True), tg.ones(2)
    dot = tg.graph_dot(x * constant)
    assert labels(dot) == [r"leaf\n(2,)", r"constant\n(2,)", r"multiply\n(2,)"]
    styles = [line.split("shape=")[1] for line in dot.splitlines() if "shape=" in line]
    assert len(set(styles)) == 3


def test_a_leaf_alone():
    x = tg.ones(2)
    assert labels(tg.graph_dot(x, {"x": x})) == [r"x\n(2,)"]


def test_names_may_hold_any_character():
    x = tg.ones(1)
    assert r'label="say \"x\\y\"\n(1,)"' in tg.graph_dot(x, {'say "x\\y"': x})


def test_the_same_graph_gives_the_same_text():
    def dot():
        x, y = tg.ones(2, requires_grad=True), tg.ones(2, requires_grad=True)
        return tg.graph_dot(tg.sum(tg.exp(x) * y + x / y), {"x": x, "y": y})

    assert dot() == dot()


def test_the_graph_of_a_gradient_can_be_drawn():
    x = tg.ones(2, requires_grad=True)
    (slope,) = tg.grad(tg.sum(tg.tanh(x)), x, create_graph=True)
    assert any("tanh" in label for label in labels(tg.graph_dot(slope)))


def test_a_graph_of_ten_thousand_operations():
    x = tg.ones(1, requires_grad=True)
    for _ in range(10_000):
        x = x * 1.0001
    assert len(labels(tg.graph_dot(x))) == 10_001
