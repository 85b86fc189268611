"""The book is true: every block of code in it runs and asserts something, what it prints is what the page says, every
link leads somewhere, every figure is the one that the named command draws, and the index names every public name."""

import contextlib
import importlib.util
import inspect
import io
import re
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinygen as tg
from tinygen.autograd.operation import operations
from tinygen.operations import elementwise

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CHAPTERS = sorted(DOCS.glob("*.md"))
PAGES = [*CHAPTERS, *(page for name in ("README.md", "CONTRIBUTING.md") if (page := ROOT / name).exists())]

FENCE = re.compile(r"^([ ]*)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """The fenced blocks of a page: language, text, line."""
    text = page.read_text(encoding="utf-8")
    return [(m[2], textwrap.dedent(m[3]), text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)]


def output_below(page: Path, code_line: int) -> str | None:
    """The ``text`` block that stands right below the block of code that begins at ``code_line``, if there is one."""
    text = page.read_text(encoding="utf-8")
    for code, below in zip(matches := list(FENCE.finditer(text)), matches[1:], strict=False):
        if text.count("\n", 0, code.start()) + 2 == code_line and below[2] == "text":
            return below[3] if not text[code.end() : below.start()].strip() else None
    return None


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def script(name: str) -> types.ModuleType:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def restored():
    """Operations that a page defines are forgotten again, and chance goes on as before."""
    before, state = dict(operations), tg.get_rng_state()
    yield
    operations.clear()
    operations.update(before)
    tg.set_rng_state(state)


def run(page: Path, namespace: dict) -> int:
    """Run the blocks of a page in order and compare what they print; returns how many there were."""
    count = 0
    for language, code, line in blocks(page):
        if language == "python":
            count += 1
            assert re.search(r"^\s*assert ", code, re.MULTILINE), f"{page.name}:{line}: the block asserts nothing"
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)
            shown = output_below(page, line)
            assert printed.getvalue().rstrip() == (shown or "").rstrip(), f"{page.name}:{line}: prints something else"
    return count


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_and_every_block_asserts_something(page, restored):
    tg.manual_seed(0)
    count = run(page, {"__name__": "__main__"})
    assert count > 0 or not page.name[0].isdigit()
