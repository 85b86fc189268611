"""The links of the book's pages: found outside of code, and led elsewhere for the site and for notebooks."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = r"^[ ]*```.*?^[ ]*```$|`[^`]*`"  # fenced blocks, and code between backticks
TARGET = re.compile(rf"{CODE}|(\]\(|\b(?:src|href|srcset)=\")([^)\s\"]+)", re.MULTILINE | re.DOTALL)


def in_repository(page: Path, target: str) -> Path | None:
    """The file or folder of this repository that ``target`` on ``page`` leads to; None for everything else."""
    path = (page.parent / target.partition("#")[0]).resolve()
    return path if not re.match(r"\w+:|#", target) and path.is_relative_to(ROOT) and path.exists() else None


def targets(page: Path) -> Iterator[Path]:
    """The files and folders of this repository that ``page`` links to or shows."""
    for found in TARGET.finditer(page.read_text(encoding="utf-8")):
        path = in_repository(page, found[2]) if found[2] else None
        if path:
            yield path


def html_pictures(page: Path) -> set[Path]:
    """The files that ``page`` shows by tags of HTML."""
    sources = re.findall(r"\b(?:src|srcset)=\"([^\"]+)\"", page.read_text(encoding="utf-8"))
    return {path for source in sources if (path := in_repository(page, source))}


def redirected(page: Path, text: str, place: Callable[[Path, str, bool], str]) -> str:
    """``text`` of ``page`` with every link into the repository replaced by ``place(path, anchor, html)``: ``anchor`` is
    "#..." or empty, ``html`` tells an attribute of HTML from a link of Markdown."""

    def replace(found: re.Match[str]) -> str:
        path = in_repository(page, found[2]) if found[2] else None
        anchor = "#" + found[2].partition("#")[2] if found[2] and "#" in found[2] else ""
        return found[1] + place(path, anchor, found[1] != "](") if path else found[0]

    return TARGET.sub(replace, text)
