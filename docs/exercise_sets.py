"""The sets of exercises, taken apart: for their pages on the site and for their notebooks."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "exercises"
HEADER = re.compile(r"^# Exercise (\d+): (.+)$", re.MULTILINE)


@dataclass
class Exercise:
    """One exercise: its number, its title with the stars of its difficulty, and the code with the gap."""

    number: int
    title: str
    code: str


@dataclass
class ExerciseSet:
    """The exercises of a chapter: what they are about, the code that they share, and the exercises."""

    chapter: int
    about: str
    shared: str
    exercises: list[Exercise]


def chapters() -> list[int]:
    """The numbers of the chapters that have exercises."""
    return sorted(int(path.stem[2:]) for path in FOLDER.glob("ch??.py"))


def read(chapter: int) -> ExerciseSet:
    """The exercises of ``chapter``, from exercises/chNN.py."""
    text = (FOLDER / f"ch{chapter:02}.py").read_text(encoding="utf-8")
    shared, *parts = HEADER.split(text)
    about = ast.get_docstring(ast.parse(text)) or ""
    docstring = ast.parse(text).body[0] if about else None
    shared = "\n".join(shared.splitlines()[docstring.end_lineno if docstring else 0 :])
    exercises = [
        Exercise(int(number), title[0].upper() + title[1:].rstrip(), code.strip())
        for number, title, code in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]
    return ExerciseSet(chapter, about, shared.strip(), exercises)
