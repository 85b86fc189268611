"""What a run prints: results, tables, and how far it is.

Printing never ends a run. A character that the terminal's encoding does not have is printed as an escape, and where
nobody reads the output any more, nothing is printed.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def say(text: str = "", *, file: TextIO | None = None) -> None:
    """Print ``text`` and a newline to ``file`` (default: standard output), whatever its encoding can express."""
    file = sys.stdout if file is None else file
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=file, flush=True)
    except BrokenPipeError:  # the reading end is closed: the run goes on, and what it prints goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def progress(items: Iterable[Item], description: str, total: int | None = None, every: float = 10.0) -> Iterator[Item]:
    """``items``, one by one, while telling how far they are: a bar on a terminal, else a line every ``every`` seconds.

    ``total`` is the number of items, where ``items`` has no length of its own.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, description, total, leave=False, dynamic_ncols=True)
        return
    started = told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= every:
            told = now
            say(_progress_line(description, done, total, now - started), file=sys.stderr)


def _progress_line(description: str, done: int, total: int | None, seconds: float) -> str:
    if total is None:
        return f"{description}: {done} in {seconds:.0f} s"
    left = seconds / done * (total - done)
    return f"{description}: {done}/{total} in {seconds:.0f} s, about {left:.0f} s left"
