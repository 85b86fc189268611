"""Parsed files, kept as checkpoints (``tinygen.checkpoint``) in the user's cache folder: text and packed formats are
parsed once.

An entry belongs to one state of one source file: the file's checksum is part of its name. A damaged entry is ignored,
and written again.

Where there is no such folder, or it cannot be written, data sets load nevertheless, with one warning: nothing is kept,
and a download stays in a temporary folder until the process ends.
"""

import os
import tempfile
import warnings
from functools import cache
from pathlib import Path

from tinygen import checkpoint
from tinygen.checkpoint import CheckpointError
from tinygen.data.formats import Arrays

VERSION = 3  # of the parsers' results: entries of another version are not read
WITHOUT = "files are parsed anew each time, and a download is kept until the process ends"


def cache_folder() -> Path | None:
    """``$XDG_CACHE_HOME/tinygen``, else ``~/.cache/tinygen``; None where the user has no home folder either.

    A relative ``$XDG_CACHE_HOME`` is ignored, as the XDG specification requires.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named and not Path(named).is_absolute():
        _warn_once(f"$XDG_CACHE_HOME is {named!r}, which is no absolute path, so it is ignored")
    elif named:
        return Path(named) / "tinygen"
    try:
        return Path.home() / ".cache" / "tinygen"
    except RuntimeError:  # neither $HOME nor an entry for this user
        _warn_once(f"there is no home folder for a cache; {WITHOUT}. $XDG_CACHE_HOME may name a folder")
        return None


def can_write(folder: Path) -> bool:
    """Whether the cache ``folder`` can be written; created if missing. If not, a warning says so, once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        _warn_once(f"the cache folder {folder} cannot be written; {WITHOUT}")
    return writable


@cache
def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A substitute for the cache folder, removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="tinygen-")


@cache
def _warn_once(message: str) -> None:
    """Give a warning, once per process."""
    warnings.warn(message, stacklevel=2)


def entry_path(folder: str, name: str, checksum: str) -> Path | None:
    """The path of the entry for the file ``name`` with SHA-256 ``checksum`` in a set's ``folder``; None without a
    cache."""
    root = cache_folder()
    return None if root is None else root / "parsed" / folder / f"{name}-{checksum}-{VERSION}.h5"


def read_entry(path: Path) -> tuple[Arrays, str] | None:
    """The arrays of an entry and the SHA-256 of the content that they were parsed from; None where there is no entry,
    or a damaged one."""
    try:
        entry = checkpoint.load(path)
    except (OSError, CheckpointError):
        return None
    return entry["arrays"], entry["content_sha256"]


def write_entry(path: Path, arrays: Arrays, content_sha256: str) -> None:
    """Write an entry, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, arrays=arrays, content_sha256=content_sha256)


def keep_entry(path: Path, arrays: Arrays, content_sha256: str) -> None:
    """Write an entry if the cache can be written."""
    root = cache_folder()
    if root is not None and can_write(root):
        try:
            write_entry(path, arrays, content_sha256)
        except OSError as error:
            _warn_once(f"the cache folder {root} cannot be written ({error.strerror}); {WITHOUT}")
