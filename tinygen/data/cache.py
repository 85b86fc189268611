"""Parsed files, kept as HDF5 in the user's cache folder, so that text and packed formats are read once.

An entry belongs to one state of one source file: the file's checksum is part of its name. It carries a checksum of
its own over all it holds; an entry that is damaged in any way is passed over, and written anew.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import h5py
import numpy as np

from tinygen.data.formats import Arrays

VERSION = 1  # of what the parsers give back: a new one leaves older entries unread


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/tinygen``, else ``~/.cache/tinygen``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinygen"


def entry_path(folder: str, name: str, checksum: str) -> Path:
    """Where the arrays of the file ``name`` of a set lie once parsed, while its SHA-256 is ``checksum``."""
    return cache_folder() / "parsed" / folder / f"{name}-{checksum}-{VERSION}.h5"


def _fingerprint(arrays: Arrays, content_sha256: str) -> str:
    """A checksum over names, types, shapes and bytes of the arrays and over what is said of their source."""
    checksum = hashlib.sha256(content_sha256.encode())
    for name, array in sorted(arrays.items()):
        checksum.update(f"{name} {array.dtype} {array.shape}".encode())
        checksum.update(np.ascontiguousarray(array).data)
    return checksum.hexdigest()


def read_entry(path: Path) -> tuple[Arrays, str] | None:
    """The arrays of an entry and the SHA-256 of the content that they were parsed from; None without a sound entry."""
    try:
        with h5py.File(path, "r") as file:
            arrays = {name: np.asarray(file[name][()]) for name in file}
            content_sha256, fingerprint = str(file.attrs["content_sha256"]), file.attrs["fingerprint"]
    except (OSError, KeyError, RuntimeError, ValueError, TypeError):  # what h5py raises on damaged files
        return None
    return (arrays, content_sha256) if _fingerprint(arrays, content_sha256) == fingerprint else None


def write_entry(path: Path, arrays: Arrays, content_sha256: str) -> None:
    """Write an entry whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".h5")
    os.close(handle)
    try:
        with h5py.File(beside, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, compression="lzf")
            file.attrs["content_sha256"] = content_sha256
            file.attrs["fingerprint"] = _fingerprint(arrays, content_sha256)
        os.replace(beside, path)
    finally:
        Path(beside).unlink(missing_ok=True)
