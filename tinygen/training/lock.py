"""A lock on a run's folder: a second process that wants to write there is refused.

The operating system holds the lock as long as the file is open, so it is released when the process ends, however it
ends. The hidden file stays in the folder; only an open file locks. Within one process several runs may use the same
folder: they share the lock.
"""

import os
import platform
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

try:
    from fcntl import LOCK_EX, LOCK_NB, flock

    def _try_to_lock(file: BinaryIO) -> None:
        """Lock ``file`` or raise ``BlockingIOError``."""
        flock(file, LOCK_EX | LOCK_NB)

except ModuleNotFoundError:  # Windows
    from msvcrt import LK_NBLCK, locking  # type: ignore[attr-defined]

    def _try_to_lock(file: BinaryIO) -> None:
        """Lock a byte beyond the end of ``file``, so that others can read it, or raise ``BlockingIOError``."""
        try:
            file.seek(1 << 20)
            locking(file.fileno(), LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None


NAME = ".lock"


class FolderLock:
    """The lock on ``folder`` for this process, as long as the object exists; its file names the process.

    Raises ``BlockingIOError`` where another process holds it, naming that process, and ``OSError`` where no file can be
    written into ``folder``.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        self.file = open(folder / NAME, "ab+")  # noqa: SIM115  (open as long as the lock is held)
        try:
            _try_to_lock(self.file)
        except BlockingIOError:
            self.file.seek(0)
            other = self.file.read().decode(errors="replace").strip() or "another process"
            raise BlockingIOError(
                f"{folder} is in use by {other}: wait until it ends, or choose another folder"
            ) from None
        self.file.seek(0)
        self.file.truncate()
        self.file.write(f"process {os.getpid()} on {platform.node()} ({holder})".encode(errors="backslashreplace"))
        self.file.flush()


_held: WeakValueDictionary[Path, FolderLock] = WeakValueDictionary()


def _release_in_child() -> None:
    """In a forked process: the locks are the parent's alone."""
    for lock in list(_held.values()):
        lock.file.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)


def lock_folder(folder: Path, holder: str) -> FolderLock:
    """The lock on ``folder``, which this process may already hold; ``holder`` is its command."""
    path = folder.resolve()
    lock = _held.get(path)
    if lock is None:
        lock = _held[path] = FolderLock(path, holder)
    return lock
