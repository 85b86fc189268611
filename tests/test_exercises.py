"""The exercises of the book: every solution passes its tests, and every unsolved exercise fails them."""

import importlib.util
import re
from pathlib import Path

import pytest

EXERCISES = Path(__file__).parents[1] / "exercises"
CHAPTERS = sorted(int(path.stem[-2:]) for path in EXERCISES.glob("test_ch*.py"))


def grade_module():
    spec = importlib.util.spec_from_file_location("grade", EXERCISES / "grade.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_solution_passes_and_every_unsolved_exercise_fails(chapter):
    grade = grade_module().grade
    solutions, unsolved = grade([chapter], solutions=True), grade([chapter])
    assert solutions.keys() == unsolved.keys()
    assert 6 <= len(solutions) <= 8
    assert [key for key, ok in solutions.items() if not ok] == []
    assert [key for key, ok in unsolved.items() if ok] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_chapter_lists_its_exercises_with_their_difficulty(chapter):
    (page,) = (EXERCISES.parent / "docs").glob(f"{chapter}-*.md")
    section = page.read_text(encoding="utf-8").partition("\n## Exercises\n")[2].partition("\n## ")[0]
    listed = [int(number) for number in re.findall(r"^(\d+)\. \((?:\\\*){1,3}\) ", section, re.MULTILINE)]
    tests = (EXERCISES / f"test_ch{chapter:02}.py").read_text(encoding="utf-8")
    assert listed == sorted({int(number) for number in re.findall(r"^def test_(\d+)_", tests, re.MULTILINE)})
    assert f"../exercises/ch{chapter:02}.py" in section
