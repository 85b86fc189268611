"""Parsed files, kept as HDF5 in the user's cache folder, so that text and packed formats are read once.

An entry belongs to one state of one source file: the file's checksum is part of its name. In front of the HDF5 file
proper, in the block that the format leaves to its users, stands the SHA-256 of all that follows; an entry that does
not match it is passed over, and written anew.
"""

import hashlib
import io
import os
import tempfile
from pathlib import Path

import h5py

from tinygen.data.formats import Arrays

VERSION = 1  # of what the parsers give back: a new one leaves older entries unread
USER_BLOCK = 512  # bytes, the smallest that HDF5 allows


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/tinygen``, else ``~/.cache/tinygen``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinygen"


def entry_path(folder: str, name: str, checksum: str) -> Path:
    """Where the arrays of the file ``name`` of a set lie once parsed, while its SHA-256 is ``checksum``."""
    return cache_folder() / "parsed" / folder / f"{name}-{checksum}-{VERSION}.h5"


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
