"""Grade the exercises of the book.

    python exercises/grade.py                 every chapter: which exercises are solved
    python exercises/grade.py 1 5             chapters 1 and 5, with the errors of wrong answers
    python exercises/grade.py 1.5             exercise 5 of chapter 1
    python exercises/grade.py --solutions     the same tests on the solutions

``exercises/chNN.py`` states the exercises of chapter NN, with gaps to fill in; ``exercises/test_chNN.py`` holds their
tests: those of exercise K are the functions ``test_K_...``. An exercise is solved if all its tests pass.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
SOLUTIONS = "TINYGEN_SOLUTIONS"  # the environment variable that makes the tests read the solutions


def answers(chapter: str) -> ModuleType:
    """The module of the answers to ``chapter`` ("ch01"): the reader's, or the solutions. For the tests."""
    path = HERE / ("solutions" if os.environ.get(SOLUTIONS) else ".") / f"{chapter}.py"
    spec = importlib.util.spec_from_file_location(f"answers_{chapter}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def grade(
    chapters: list[int], solutions: bool = False, verbose: bool = False, exercise: int | None = None
) -> dict[tuple[int, int], bool]:
    """(chapter, exercise) -> whether it is solved. ``chapters`` empty: all of them; ``exercise``: that one only.
    ``verbose``: the errors of the answers are printed, but not those of gaps."""
    files = [HERE / f"test_ch{number:02}.py" for number in chapters] or sorted(HERE.glob("test_ch*.py"))
    environment = {key: value for key, value in os.environ.items() if key != SOLUTIONS}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment |= {SOLUTIONS: "1"} if solutions else {}
    solved: dict[tuple[int, int], bool] = {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "--tb=short", "-p", "no:cacheprovider", f"--rootdir={HERE}", "-c", os.devnull]
        options += [] if exercise is None else ["-k", f"test_{exercise}_"]
        command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *map(str, files)]
        run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if not report.exists():
            raise SystemExit(f'grade: pytest did not run; pip install -e ".[exercises]"\n\n{run.stdout.decode()}')
        for case in ElementTree.parse(report).iter("testcase"):
            errors = "\n".join(child.text or "" for child in case)
            found = re.search(r"test_ch(\d+) test_(\d+)_", f"{case.get('classname')} {case.get('name')}")
            if found is None:
                raise SystemExit(f"grade: {case.get('name')} could not be run\n\n{errors}")
            key = int(found[1]), int(found[2])
            solved[key] = solved.get(key, True) and len(case) == 0  # a failure, an error or a skip is a child
            if verbose and len(case) and "NotImplementedError" not in errors:
                print(f"exercise {key[1]}, {case.get('name')}\n{errors}\n")
    return solved


def main() -> None:
    """Print a line per chapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument(
        "which", nargs="*", metavar="CHAPTER", help="chapters (3), or one exercise of a chapter (3.2); default: all"
    )
    parser.add_argument("--solutions", action="store_true", help="grade the solutions")
    options = parser.parse_args()
    named = [re.fullmatch(r"(\d+)(?:\.(\d+))?", each) for each in options.which]
    numbers = [int(each[1]) for each in named if each]
    exercise = next((int(each[2]) for each in named if each and each[2]), None)
    if not all(named) or (exercise is not None and len(named) > 1):
        parser.error(f"expects chapters (1 5) or one exercise (1.5), got {' '.join(options.which)}")
    missing = [number for number in numbers if not (HERE / f"test_ch{number:02}.py").exists()]
    if missing:
        parser.error(f"there are no exercises of chapter {missing[0]}")
    solved = grade(numbers, options.solutions, verbose=bool(numbers), exercise=exercise)
    for chapter in sorted({chapter for chapter, _ in solved}):
        marks = [f"{k} {'solved' if ok else 'open'}" for (number, k), ok in sorted(solved.items()) if number == chapter]
        print(f"chapter {chapter:>2}: {', '.join(marks)}")
    print(f"{sum(solved.values())} of {len(solved)} exercises solved")


if __name__ == "__main__":
    main()
