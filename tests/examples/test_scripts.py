"""The examples as texts to read: short functions, and minimal scripts that fit on a page."""

import ast
from pathlib import Path

import pytest
from code_lines import code_lines

SCRIPTS = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
MINIMAL = [path for path in SCRIPTS if path.stem.startswith("minimal_")]
LONGEST_FUNCTION = 40  # lines of code
LONGEST_MINIMAL_SCRIPT = 45


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_function_is_longer_than_40_lines(path):
    text = path.read_text(encoding="utf-8")
    lines = code_lines(text)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    sizes = {each.name: len(lines & set(range(each.lineno, each.end_lineno + 1))) for each in functions}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_docstrings_are_used_whole(path):
    """A report shows the docstring of the script; taking parts of it would depend on its blank lines."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    parts = [node.value for node in nodes if isinstance(node, ast.Attribute | ast.Subscript)]
    assert not [node for node in parts if isinstance(node, ast.Name) and node.id == "__doc__"]


@pytest.mark.parametrize("path", MINIMAL, ids=lambda path: path.stem)
def test_a_minimal_script_has_at_most_45_lines_and_no_framework(path):
    text = path.read_text(encoding="utf-8")
    assert len(code_lines(text)) <= LONGEST_MINIMAL_SCRIPT
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    assert "argparse" not in imported
    assert not [name for name in imported if name.startswith("tinygen.training")]


def test_there_is_a_minimal_script_for_each_subject():
    assert [path.stem for path in MINIMAL] == ["minimal_fid", "minimal_vae", "minimal_wgan_gp"]
