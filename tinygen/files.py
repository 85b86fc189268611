"""Atomic writes: a file gets its complete contents, or stays as it was.

The contents are written into a temporary file beside the target and flushed to the disk; then the temporary file is
renamed, which is one indivisible step. A process that is stopped before that leaves the earlier file as it was. The
temporary name is unique, so several processes may write the same target at once; the last one to finish determines its
contents.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

NAME_LENGTH = 100  # characters of the name in the temporary file's, which file systems limit to 255 bytes
_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{32}\.unfinished")


class CheckpointError(ValueError):
    """A file is not a checkpoint that can be read, or was altered after it was written."""


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of an empty temporary file beside ``path``; when the block ends, it is renamed to ``path``.

    If the block raises, ``path`` stays as it was and the temporary file is removed. If the process is killed within the
    block, ``path`` stays as it was and a hidden file ``.<name>.<32 digits>.unfinished`` stays beside it, which
    ``remove_unfinished`` removes. A symbolic link is followed, and an existing file's permissions are kept.

    Raises ``FileNotFoundError`` where the folder of ``path`` does not exist, ``IsADirectoryError`` where ``path`` is a
    folder, and ``OSError`` that names ``path`` where it cannot be written, as on a full disk.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} cannot be written: it is a folder")
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".{target.name[:NAME_LENGTH]}.{uuid4().hex}.unfinished")
    unfinished.touch(exist_ok=False)
    try:
        yield unfinished
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, unfinished)
        os.replace(unfinished, target)
    except OSError as error:
        if error.errno is None:
            raise
        # The message of the library that failed to write names the temporary file.
        raise OSError(error.errno, f"{path} cannot be written: {os.strerror(error.errno)}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def remove_unfinished(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files of killed processes from ``folder``, in which no other process may be writing."""
    for path in Path(folder).iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)
