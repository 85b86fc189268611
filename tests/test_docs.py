"""The documentation is tested: every block of code runs, makes an assertion and prints what the page shows; links and
figures exist; glossary and the line counts of README.md are up to date; docstrings state errors and shapes."""

import ast
import contextlib
import functools
import importlib
import importlib.util
import inspect
import io
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import code_lines
import numpy as np
import pytest
from operations import cases
from PIL import Image

import tinygen as tg
from tinygen.autograd.operation import REGISTRY
from tinygen.nn import stateless  # defines all operations before those of a page
from tinygen.objectives import Game
from tinygen.operations import elementwise

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
COMMAND = re.compile(r"python ((?:examples|benchmarks|docs)/\w+\.py)([^`\n#]*)")

FENCE = re.compile(r"^([ ]*)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def in_project(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


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
    """A page without its blocks of code and without code between backticks."""
    return re.sub(r"`[^`]*`", "code", FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors that a code host gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def script(name: str) -> ModuleType:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def restored():
    """Operations that a page defines are removed, and the state of the random number generator is restored."""
    before, state = dict(REGISTRY), tg.get_rng_state()
    yield
    REGISTRY.clear()
    REGISTRY.update(before)
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


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CONTRIBUTING.md"], ids=in_project)
def test_the_code_of_a_page_runs_and_every_block_asserts_something(page, restored):
    tg.manual_seed(0)
    count = run(page, {"__name__": "__main__"})
    assert count > 0 or not page.name[0].isdigit(), "a chapter without code"


@pytest.mark.parametrize("page", PAGES, ids=in_project)
def test_every_link_and_figure_of_a_page_exists(page):
    dead = []
    for _, _, target in LINK.findall(prose(page)):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(target)
    assert dead == []


def test_every_command_on_a_page_names_a_script_and_options_that_it_has():
    wrong = []
    for page in PAGES:
        for path, words in COMMAND.findall(page.read_text(encoding="utf-8")):
            options = re.findall(r"--[a-z-]+", words)
            if not (ROOT / path).exists() or (options and not set(options) <= known_options(path)):
                wrong.append(f"{page.name}: {path} {' '.join(options)}")
    assert wrong == []


@functools.cache
def known_options(path: str) -> set[str]:
    """The options that ``python path --help`` lists."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = subprocess.run([sys.executable, ROOT / path, "--help"], env=environment, capture_output=True, check=True)
    return set(re.findall(r"--[a-z-]+", printed.stdout.decode()))


def test_every_figure_is_shown_and_described_in_words():
    shown = {}
    for page in PAGES:
        for is_figure, words, target in LINK.findall(prose(page)):
            if is_figure:
                shown[(page.parent / target).resolve()] = words
    assert {path.name for path in (DOCS / "figures").iterdir()} == {p.name for p in shown if p.parent.name == "figures"}
    assert [path.name for path, words in shown.items() if len(words) < 20] == []


def test_the_figures_of_the_chapters_are_those_that_the_command_draws(tmp_path, restored):
    figures = script("figures")
    figures.write(tmp_path)
    for name in figures.FIGURES:
        with Image.open(tmp_path / name) as drawn, Image.open(DOCS / "figures" / name) as kept:
            assert drawn.size == kept.size, name
            # Fonts and edges differ by a shade between versions of matplotlib; what is drawn does not.
            drawn, kept = (np.asarray(image.convert("RGBA").reduce(8), dtype=float) for image in (drawn, kept))
            assert np.abs(drawn - kept).mean() < 1, name


def test_the_results_are_those_of_the_stored_files():
    results = script("results")
    text = results.PAGE.read_text(encoding="utf-8")
    assert text == results.page(), "write it anew: python docs/results.py"
    assert text.count("\n") <= 165


def test_the_steps_of_a_benchmark_compare_the_fastest_configurations(monkeypatch):
    results = script("results")
    configurations = [["a step, batch 64", "ms", "peak MB"], ["tinygen", "30.0", "5"], ["PyTorch", "60.0", "7"]]
    compared = [["a step", "tinygen ms", "PyTorch ms", "tinygen MB", "PyTorch MB", "ratio"]]
    layers = [["ms", "tinygen forward", "backward"], ["ELU", "1.0", "2.0"]]
    tables = {
        "one": [[*configurations, ["PyTorch, compiled", "40.0", "9"]], layers],
        "two": [[*compared, ["VAE, batch 8", "2.0", "4.0", "6", "8", "0.50"]]],
    }
    monkeypatch.setattr(results, "read", lambda name: {"tables": tables.get(name, [])})
    assert list(results.steps({"one": "critic, ", "two": "", "not measured": ""})) == [
        ("critic, batch 64", 30, 40, 5, 9),
        ("VAE, batch 8", 2, 4, 6, 8),
    ]


REFERENCE = script("reference")
PUBLIC = {
    f"{called}.{name}": member
    for path, (called, _) in REFERENCE.SECTIONS.items()
    for name, member in REFERENCE.members(importlib.import_module(path))
}
ARRAYS = re.compile(r"\b(Tensor|ndarray|Images|ImageArray|Latents|Points|Probabilities)\b")
# Arguments annotated as Any that are arrays, tensors or lists:
UNTYPED_ARRAYS = {"x", "z", "images", "start", "end", "target", "mean", "logvar", "log_weights", "data"}
SHAPE = (  # "(N, C)", "(..., n)", "any shape"
    r"(?<!\w)\((?![^)]*\d{4})[\w.*][\w./*+ -]*,[\w ,./*+-]*\)|\(?(?:any|one|same|the|that) shapes?\b"
)


def shape_is_stated(argument: str, text: str) -> bool:
    """Whether the docstring ``text`` states the shape of ``argument`` after its name, in the same clause ("x and y (N,
    C)", "``x``, any shape"), or that the function computes element by element."""
    stated = rf"(?<![\w.]){argument}\b[^.;()]{{0,60}}?(?:{SHAPE})"
    return re.search(rf"{stated}|element by element|(for|of) each element", " ".join(text.split())) is not None


def documentation(member: type | Callable) -> tuple[str, set[str], list[str]]:
    """The docstring of a public callable, the errors that its own body raises, and its array arguments; those of a
    class are its constructor's."""
    bodies, called, text = [inspect.unwrap(member)], member, inspect.getdoc(member) or ""
    if inspect.isclass(member):
        bodies = [vars(member)[name] for name in ("__init__", "__post_init__") if name in vars(member)]
        called = bodies[0] if bodies else None
        text += "".join(inspect.getdoc(body) or "" for body in bodies)
    raised, arrays = set(), []
    for body in bodies:
        for node in ast.walk(source_tree(body)):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                raised.add(ast.unparse(node.exc.func).rpartition(".")[2])
    for name, parameter in inspect.signature(called).parameters.items() if called else ():
        annotation = f"{getattr(parameter.annotation, '__name__', '')} {parameter.annotation}"
        is_untyped = parameter.annotation is Any and name in UNTYPED_ARRAYS
        if (ARRAYS.search(annotation) and "Callable" not in annotation) or is_untyped:
            arrays.append(name)
    return text, raised, arrays


def source_tree(function: Callable) -> ast.AST:
    """The syntax tree of a function; an empty one where there is no source, as of a generated constructor."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError):
        return ast.Module([], [])


@pytest.mark.parametrize("name", PUBLIC)
def test_a_docstring_names_the_errors_that_the_body_raises_and_the_shape_of_every_array_argument(name):
    text, raised, arrays = documentation(PUBLIC[name])
    assert text
    assert {error for error in raised if error not in text} == set()
    assert [argument for argument in arrays if not shape_is_stated(argument, text)] == []


def test_most_public_functions_have_array_arguments():
    """Guards the test before: it would pass if it recognised no array argument."""
    assert sum(len(documentation(member)[2]) for member in PUBLIC.values()) > 180


@pytest.mark.parametrize(
    ("text", "is_stated"),
    [
        ("The sum of x (N, C) over C.", True),
        ("The norm of ``x``, any shape.", True),
        ("The norm of ``x`` (any shape).", True),
        ("y and x (batch, ...) -> (batch,).", True),
        ("e^x, element by element.", True),
        ("The norm of ``x`` (Kingma, 2014).", False),
        ("The sum of ``x``; y has any shape.", False),
        ("f(x, y) of y (N, C).", False),
        ("f.x (N, C).", False),
    ],
)
def test_a_shape_is_stated_after_the_name_of_the_argument(text, is_stated):
    assert shape_is_stated("x", text) == is_stated


def test_an_operation_is_added_in_ten_lines(restored, monkeypatch):
    """The example of CONTRIBUTING.md, in the file where it belongs, is an operation with right second derivatives."""
    page = ROOT / "CONTRIBUTING.md"
    section = re.search(r"^## How to add an operation.*?(?=^## )", page.read_text(encoding="utf-8"), re.M | re.S)[0]
    code, row = (textwrap.dedent(m[3]) for m in FENCE.finditer(section))
    exports = 1
    assert len(code.splitlines()) + exports + len(row.splitlines()) <= 10

    (name,) = re.findall(r"^def (\w+)", code, re.MULTILINE)
    REGISTRY.pop(name, None)  # the library has the operation where someone follows the page literally
    there = dict(vars(elementwise))
    exec(compile(code, str(page), "exec"), there)
    x = tg.tensor([-2.0, 0.0, 0.3], dtype="float64", requires_grad=True)
    assert name in REGISTRY
    assert np.array_equal(there[name](x).numpy(), getattr(np, name)(x.numpy()))
    assert tg.gradgradcheck(there[name], x)
    assert there[name](tg.tensor([1, 2])).dtype == "float32"
    (case,) = case_of(row, {"tg": SimpleNamespace(**{name: there[name]})}, monkeypatch)
    assert case.covers == f"tg.{name}"
    assert tg.gradgradcheck(case.function, case.tensors())


def case_of(row: str, names: dict, monkeypatch: pytest.MonkeyPatch) -> list[cases.Case]:
    """The cases that ``row`` adds to the table of tests/operations/cases.py, which is left as it is."""
    monkeypatch.setattr(cases, "CASES", [])
    exec(row, {**vars(cases), **names})
    return cases.CASES


def test_a_layer_and_an_objective_are_added_as_contributing_shows(monkeypatch):
    layer, row, objective = [code for language, code, _ in blocks(ROOT / "CONTRIBUTING.md") if language][2:]
    added = {**vars(stateless), "split": tg.split, "Game": Game, "GAMES": {}}
    exec(layer, added)
    x = tg.randn(2, 6, 3, dtype="float64", requires_grad=True)
    assert added["GLU"]()(x).shape == (2, 3, 3)
    assert tg.gradgradcheck(added["GLU"](), x)
    (case,) = case_of(row, {"nn": SimpleNamespace(GLU=added["GLU"])}, monkeypatch)
    assert case.covers == "nn.GLU"
    assert tg.gradgradcheck(case.function, case.tensors())
    exec(objective, added)
    (game,) = added["GAMES"].values()
    real, fake = tg.full((4, 1), 1.0), tg.full((4, 1), 0.0)
    assert game.critic_loss(lambda x: x, real, fake).item() == 0
    assert game.generator_loss(lambda x: x, fake).item() == 1


def test_contributing_names_files_that_exist():
    named = re.findall(r"`((?:tinygen|tests|docs)/[\w./-]+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_first_script_of_the_readme_has_twelve_lines_besides_imports_and_assertions():
    language, code, _ = next(block for block in blocks(ROOT / "README.md") if block[0].startswith("py"))
    assert language == "python"  # so it runs with the other blocks
    assert "backward()" in code
    lines = [line for line in code.splitlines() if line and not re.match(r"from |import |assert ", line)]
    assert len(lines) == 12


def test_the_table_of_the_readme_lists_all_examples():
    named = re.findall(r"^\| \[`(\w+\.py)`\]\(examples/\1\) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def test_the_citation_names_the_version():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)[1]
    entry = re.search(r"version = \{(.+)\}", (ROOT / "README.md").read_text(encoding="utf-8"))[1]
    assert cited == entry == tg.__version__


def test_the_lines_of_code_in_the_readme_are_those_counted():
    """Within five per cent: ``python tests/code_lines.py`` prints the figures to update."""
    figures = list(code_lines.stated())
    assert len(figures) > 8
    assert [each for each in figures if abs(each[1] - each[2]) > max(0.05 * each[2], 5)] == []


GLOSSARY = re.findall(
    r"^\| (.+) \| .+ \| \[.+\]\((.+)\)(.*) \|$", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE
)


@pytest.mark.parametrize(("term", "path", "names"), GLOSSARY, ids=lambda each: each.split(",")[0])
def test_a_term_of_the_glossary_is_implemented_where_it_says(term, path, names):
    file = (DOCS / path).resolve()
    defined = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and file.name == "__init__.py":
            defined |= {alias.asname or alias.name for alias in node.names}
    assert set(re.findall(r"`(\w+)`", names)) <= defined


def test_the_glossary_has_one_line_per_term_in_alphabetical_order():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    headers = 2 * text.count("\n## ")
    assert len(GLOSSARY) == len(rows) - headers
    for section in text.split("\n## ")[1:]:
        terms = [line.split(" | ")[0].lower() for line in section.splitlines() if line.startswith("| ")][2:]
        assert terms == sorted(terms)
