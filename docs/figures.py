"""The figures of the book: ``python docs/figures.py [FOLDER]`` draws them all (default: into docs/figures).

Each chapter's figures are functions in a module of ``drawings``, listed in its ``FIGURES``: name of the file -> the
function that returns the figure. What they show is computed by the library; where that takes minutes, it is read from
``docs/results/``. Equal versions of matplotlib draw equal files.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def all_figures() -> dict[str, Callable[[], Figure]]:
    """The functions of all modules of ``drawings`` by the names of their files."""
    found: dict[str, Callable[[], Figure]] = {}
    for path in sorted((HERE / "drawings").glob("*.py")):
        found |= getattr(importlib.import_module(f"drawings.{path.stem}"), "FIGURES", {})
    return found


FIGURES = all_figures()


def write(folder: Path) -> None:
    """Draw every figure into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        draw().savefig(folder / name, metadata={"Software": None})


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "figures")
