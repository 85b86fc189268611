"""Files that survive the ways in which files go wrong: written whole or not at all.

The bytes go into a file beside the target, down to the disk, and only then take the target's name, in one indivisible
step. Whoever is stopped before that step still has the file before.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished"  # ends the name of a file that is being written


class CheckpointError(ValueError):
    """A file is no checkpoint that can be read, or no longer the one that was written."""


@contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """The name of a file beside ``path`` to write to; when the block ends, it becomes ``path`` in one step.

    A block that raises leaves ``path`` as it was; so does one that is killed, but with ``<path>.unfinished`` beside it,
    which the next writing of ``path`` replaces.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        yield unfinished
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
