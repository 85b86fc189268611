"""The notebooks: well-formed, and run on a sample of the chapters and of the exercises."""

import os
import re
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the notebooks need nbformat, of the extra docs")
nbclient = pytest.importorskip("nbclient", reason="nbclient runs the notebooks")
pytest.importorskip("ipykernel", reason="nbclient runs the notebooks with ipykernel")

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import build_notebooks  # noqa: E402
import exercise_sets  # noqa: E402

sys.path.remove(str(DOCS))

CHAPTERS = ["1-computation-graphs", "8-double-backprop"]
SETS = exercise_sets.chapters()[:1]


def printed(cell) -> str:
    return "".join(output["text"] for output in cell["outputs"] if output["output_type"] == "stream")


def executed(notebook, folder: Path):
    """The notebook after a run in ``folder``; an error of a cell is an error of the test."""
    root = str(DOCS.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    return client.execute(env=environment)


def test_every_chapter_and_every_set_of_exercises_is_a_notebook(tmp_path):
    build_notebooks.write(tmp_path)
    names = {path.stem for path in tmp_path.glob("*.ipynb")}
    assert names >= {path.stem for path in DOCS.glob("[0-9]*-*.md")}
    assert names >= {f"exercises-{number:02}" for number in exercise_sets.chapters()}
    for path in tmp_path.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        words = "\n".join(cell["source"] for cell in notebook.cells if cell["cell_type"] == "markdown")
        assert "```python" not in words
        assert re.findall(r"\]\((?!https?:|data:|#|\.\./\.\./)[^)]*\)", re.sub(r"`[^`]*`|\$[^$]*\$", "", words)) == []


def test_the_first_cell_installs_from_the_address_that_is_set(monkeypatch):
    monkeypatch.setenv("TINYGEN_REPOSITORY", "https://code.example/tinygen.git")
    notebook = build_notebooks.chapter_notebook(DOCS / f"{CHAPTERS[0]}.md")
    assert '%pip install --quiet "tinygen @ git+https://code.example/tinygen.git"' in notebook.cells[0]["source"]
    links = re.findall(r"\]\((https://code\.example/[^)]*)\)", "".join(cell["source"] for cell in notebook.cells))
    assert links
    assert all(link.startswith("https://code.example/tinygen/blob/HEAD/") for link in links)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_as_a_notebook_and_prints_what_it_shows(name, tmp_path):
    notebook = build_notebooks.chapter_notebook(DOCS / f"{name}.md")
    shown = [printed(cell).strip() for cell in notebook.cells if cell["cell_type"] == "code"]
    assert len(shown) > 5
    cells = executed(notebook, tmp_path).cells
    assert [printed(cell).strip() for cell in cells if cell["cell_type"] == "code"] == shown


@pytest.mark.parametrize("number", SETS)
def test_exercises_are_graded_in_their_notebook(number, tmp_path):
    """The first exercise is left open, the others are answered by the solutions."""
    notebook = build_notebooks.exercises_notebook(number)
    answers = (exercise_sets.FOLDER / "solutions" / f"ch{number:02}.py").read_text(encoding="utf-8")
    tasks = [i for i, cell in enumerate(notebook.cells) if cell["cell_type"] == "code" and cell["metadata"].get("tags")]
    notebook.cells[tasks[1]]["source"] = answers
    for i in tasks[2:]:
        notebook.cells[i]["source"] = ""
    cells = executed(notebook, tmp_path).cells
    marks = re.findall(r"^exercise (\d+): (\w+)$", "".join(map(printed, filter(is_code, cells))), re.MULTILINE)
    assert marks == [(str(k), "open" if k == 1 else "solved") for k in range(1, len(tasks) + 1)]


def is_code(cell) -> bool:
    return cell["cell_type"] == "code"
