"""Files that are written whole or not at all.

The contents go into a temporary file beside the target, are flushed to the disk, and only then take the target's name,
in one indivisible step. A process that is stopped before that step leaves the earlier file as it was. The temporary
name is unique, so several processes may write the same target at once: each version is whole, and the last one stays.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{32}\.unfinished")


class CheckpointError(ValueError):
    """A file is no checkpoint that can be read, or no longer the one that was written."""


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The name of an empty temporary file beside ``path``; when the block ends, its contents become ``path``.

    A block that raises leaves ``path`` as it was and removes the temporary file. A process that is killed within the
    block leaves ``path`` as it was, and a hidden file ``.<name>.<32 digits>.unfinished`` beside it, which
    ``remove_unfinished`` removes.

    Raises ``FileNotFoundError`` where the folder of ``path`` does not exist, ``IsADirectoryError`` where ``path`` is a
    folder, and ``OSError`` that names ``path`` where it cannot be written, as on a full disk.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} cannot be written: it is a folder")
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.unfinished")
    unfinished.touch(exist_ok=False)
    try:
        yield unfinished
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        if error.errno is None:
            raise
        # What a library says of its failed write names the temporary file, and more.
        raise OSError(error.errno, f"{path} cannot be written: {os.strerror(error.errno)}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that killed processes left in ``folder``; only where no other process writes there."""
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)
