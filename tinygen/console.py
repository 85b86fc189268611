"""Output of a run: text, tables, progress.

Printing never ends a run. A character outside the terminal's encoding is printed as an escape sequence, and after the
reading end of a pipe is closed, or the disk of a redirected output is full, nothing is printed.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TextIO, TypeVar

from tqdm import tqdm

from tinygen import ranks

Item = TypeVar("Item")


def say(text: str = "", *, file: TextIO | None = None) -> None:
    """Print ``text`` and a newline to ``file`` (default: standard output, of rank 0 alone)."""
    silent = file is None and ranks.rank()
    file = sys.stdout if file is None else file
    if silent or file is None:  # None: closed by the shell
        return
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=file, flush=True)
    except OSError:  # a closed pipe, a full disk: the run continues, and its output is discarded
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print ``rows``, all of the same length, with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def progress(items: Iterable[Item], description: str, total: int | None = None, every: float = 10.0) -> Iterator[Item]:
    """Yield ``items`` and show the progress: a bar on a terminal, else a line every ``every`` seconds.

    Rank 0 alone shows it. ``total`` is the number of items, default: ``len(items)`` where it exists.
    """
    if ranks.rank():
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr is not None and sys.stderr.isatty():
        yield from tqdm(items, description, total, leave=False, dynamic_ncols=True)
        return
    started = printed = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - printed >= every:
            printed = now
            say(_progress_line(description, done, total, now - started), file=sys.stderr)


def _progress_line(description: str, done: int, total: int | None, seconds: float) -> str:
    if total is None:
        return f"{description}: {done} in {seconds:.0f} s"
    left = seconds / done * (total - done)
    return f"{description}: {done}/{total} in {seconds:.0f} s, about {left:.0f} s left"
