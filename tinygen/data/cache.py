"""Parsed files, kept as HDF5 in the user's cache folder, so that text and packed formats are read once.

An entry belongs to one state of one source file: the file's checksum is part of its name. In front of the HDF5 file
proper, in the block that the format leaves to its users, stands the SHA-256 of all that follows; an entry that does
not match it is passed over, and written anew.

Where there is no such folder, or it cannot be written, data sets load all the same, with one warning: nothing is kept,
and what has to be downloaded lies in a temporary folder until the process ends.
"""

import hashlib
import io
import os
import tempfile
import warnings
from functools import cache
from pathlib import Path

import h5py

from tinygen.data.formats import Arrays

VERSION = 2  # of what the parsers give back: a new one leaves older entries unread
USER_BLOCK = 512  # bytes, the smallest that HDF5 allows
WITHOUT = "files are parsed anew each time, and a download is kept until the process ends"


def cache_folder() -> Path | None:
    """``$XDG_CACHE_HOME/tinygen``, else ``~/.cache/tinygen``; None where the user has no home folder either.

    A relative ``$XDG_CACHE_HOME`` is ignored, as the XDG specification asks.
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
    """Whether the cache ``folder`` can be written; it is made where it is missing. If not, a warning says so, once."""
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
    """A folder in place of the cache, removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="tinygen-")


@cache
def _warn_once(message: str) -> None:
    """Give a warning, once a process whoever calls."""
    warnings.warn(message, stacklevel=2)


def entry_path(folder: str, name: str, checksum: str) -> Path | None:
    """Where the arrays of the file ``name`` of a set lie once parsed, while its SHA-256 is ``checksum``; None without a
    cache."""
    root = cache_folder()
    return None if root is None else root / "parsed" / folder / f"{name}-{checksum}-{VERSION}.h5"


def read_entry(path: Path) -> tuple[Arrays, str] | None:
    """The arrays of an entry and the SHA-256 of the content that they were parsed from; None without a sound entry."""
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    checksum, body = raw[:64], memoryview(raw)[USER_BLOCK:]
    if checksum != hashlib.sha256(body).hexdigest().encode():
        return None
    with h5py.File(io.BytesIO(raw), "r") as file:
        return {name: file[name][()] for name in file}, file.attrs["content_sha256"]


def write_entry(path: Path, arrays: Arrays, content_sha256: str) -> None:
    """Write an entry whole, or not at all."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=USER_BLOCK) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="lzf")
        file.attrs["content_sha256"] = content_sha256
    body = buffer.getbuffer()[USER_BLOCK:]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as beside:
        try:
            beside.write(hashlib.sha256(body).hexdigest().encode().ljust(USER_BLOCK, b"\0"))
            beside.write(body)
            beside.close()
            os.replace(beside.name, path)
        finally:
            Path(beside.name).unlink(missing_ok=True)


def keep_entry(path: Path, arrays: Arrays, content_sha256: str) -> None:
    """Write an entry if the cache can be written."""
    root = cache_folder()
    if root is not None and can_write(root):
        try:
            write_entry(path, arrays, content_sha256)
        except OSError as error:
            _warn_once(f"the cache folder {root} cannot be written ({error.strerror}); {WITHOUT}")
