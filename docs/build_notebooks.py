"""The notebooks: ``python docs/build_notebooks.py`` writes each chapter and each set of exercises to build/notebooks.

Their first cell installs the library where it is missing, from the address of its repository: the environment variable
TINYGEN_REPOSITORY, else the ``url`` in setup.cfg, else the folder of this clone.
"""

import base64
import configparser
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import exercise_sets  # noqa: E402
import nbformat  # noqa: E402
from links import ROOT, redirected  # noqa: E402
from nbformat import NotebookNode  # noqa: E402
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output  # noqa: E402

NOTEBOOKS = ROOT / "build" / "notebooks"
CODE = re.compile(r"^```python\n(.*?)^```\n(?:\n*^```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.(png|gif|svg|webp))\)")

SETUP = """# Install tinygen where it is missing.
import importlib.util

if importlib.util.find_spec("tinygen") is None:
    %pip install --quiet {packages}

import tinygen as tg

tg.manual_seed(0)"""

CHECK = """import os
import sys
import types

import pytest

sys.modules["grade"] = types.SimpleNamespace(answers=lambda chapter: sys.modules["__main__"])  # for the file of tests


def check(exercise):
    \"\"\"Test an exercise as this notebook answers it.\"\"\"
    options = ["-q", "--tb=short", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=."]
    failed = pytest.main([*options, "-k", f"test_{{exercise}}_", "test_{name}.py"])
    print(f"exercise {{exercise}}:", "open" if failed else "solved")"""


def repository() -> str:
    """The address of the repository, or an empty string."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    return os.environ.get("TINYGEN_REPOSITORY") or settings.get("metadata", "url", fallback="")


def setup_cell(*more: str) -> NotebookNode:
    """The first cell: it installs the library, and the packages ``more``."""
    address = f"tinygen @ git+{repository()}" if repository() else str(ROOT)
    return new_code_cell(SETUP.format(packages=" ".join(f'"{each}"' for each in [address, *more])))


def prose(page: Path, text: str) -> list[NotebookNode]:
    """The cells of a text without code: links lead to the repository, and figures, each a cell, are part of it."""

    def place(path: Path, anchor: str, html: bool) -> str:
        base = f"{repository().removesuffix('.git')}/blob/HEAD" if repository() else Path("..", "..").as_posix()
        return f"{base}/{path.relative_to(ROOT).as_posix()}{anchor}"

    cells = []
    words, *parts = FIGURE.split(text)
    for part in [words, *(parts[i : i + 4] for i in range(0, len(parts), 4))]:
        if isinstance(part, list):
            alt, target, suffix, part = part
            kind = "svg+xml" if suffix == "svg" else suffix
            data = base64.b64encode((page.parent / target).read_bytes()).decode()
            cells.append(new_markdown_cell(f"![{alt}](data:image/{kind};base64,{data})"))
        if part.strip():
            cells.append(new_markdown_cell(redirected(page, part, place).strip()))
    return cells


def chapter_notebook(page: Path) -> NotebookNode:
    """A chapter: its blocks of Python are cells, with the outputs that the page shows."""
    cells = [setup_cell()]
    first, *parts = CODE.split(page.read_text(encoding="utf-8"))
    cells += prose(page, first)
    for code, output, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        shown = [new_output("stream", name="stdout", text=output)] if output else []
        cells += [new_code_cell(code.strip(), outputs=shown), *prose(page, text)]
    return notebook(cells)


def exercises_notebook(number: int) -> NotebookNode:
    """A set of exercises: each is a cell with a gap, and a cell that tests the answer."""
    these, name = exercise_sets.read(number), f"ch{number:02}"
    tests = (exercise_sets.FOLDER / f"test_{name}.py").read_text(encoding="utf-8")
    cells = [
        setup_cell("pytest"),
        new_markdown_cell(f"# Exercises of chapter {number}\n\n{these.about}"),
        new_code_cell(f"%%writefile test_{name}.py\n{tests}"),
        new_code_cell(CHECK.format(name=name)),
    ]
    cells += [new_code_cell(these.shared)] if these.shared else []
    for each in these.exercises:
        cells += [
            new_markdown_cell(f"## {each.number}. {each.title.replace('*', chr(92) + '*')}"),
            new_code_cell(each.code, metadata={"tags": ["exercise"]}),
            new_code_cell(f"check({each.number})"),
        ]
    return notebook(cells)


def notebook(cells: list[NotebookNode]) -> NotebookNode:
    """A notebook of Python; its cells are numbered, so that equal pages give equal files."""
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def chapters() -> list[Path]:
    """The pages that are notebooks: the chapters and the appendix."""
    return [page for page in sorted((ROOT / "docs").glob("*.md")) if re.match(r"\d+-|appendix-", page.name)]


def names() -> list[str]:
    """The names of all notebooks."""
    return [f"{page.stem}.ipynb" for page in chapters()] + [f"exercises-{k:02}.ipynb" for k in exercise_sets.chapters()]


def write(folder: Path) -> None:
    """Write all notebooks into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [chapter_notebook(page) for page in chapters()] + [exercises_notebook(k) for k in exercise_sets.chapters()]
    for name, each in zip(names(), made, strict=True):
        nbformat.validate(each)
        nbformat.write(each, folder / name)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOKS
    write(target)
    if not repository():
        print("TINYGEN_REPOSITORY is not set: the notebooks install tinygen from this folder, so only here")
    print(f"{len(names())} notebooks in {target}")
