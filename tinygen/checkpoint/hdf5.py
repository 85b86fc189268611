"""Checkpoints in HDF5: the whole state of a training run, in a file whose integrity is checked.

A run that is stopped and resumed must end with the same numbers, bit for bit, as one that never stopped. So a
checkpoint holds arrays, numbers and generator states exactly, and nothing that depends on the clock: equal contents are
equal files. Writing is atomic (``tinygen.files.atomic_write``). The file begins with a header of text that states the
length and the SHA-256 checksum of the rest, and ``load`` compares both before it reads anything else: a file in which
one bit was altered, removed or added is refused.

After the header comes HDF5, which any HDF5 tool reads (the format reserves the place of the header, the *user block*):
the arrays in groups named after the parts, and ``structure``, a JSON text of everything else.
"""

import hashlib
import json
import os
import struct
from typing import Any, BinaryIO
from urllib.parse import quote

import h5py
import numpy as np

from tinygen.checks import checked
from tinygen.files import CheckpointError, atomic_write

_HEADER_SIZE = 512  # the smallest user block that HDF5 allows
_TITLE = b"tinygen checkpoint, format 1\n"
_DTYPES = "?bBhHiIlLqQefdFD"  # NumPy's codes of the types that HDF5 keeps bit for bit


@checked
def save(path: str | os.PathLike[str], /, **parts: Any) -> None:
    """Write ``parts`` to the checkpoint ``path``, replacing an earlier one when the new one is complete.

    A part is a NumPy array (or scalar) of numbers or bools, an ``int`` of any size, a ``float``, ``bool``, ``str`` or
    ``None``, or a ``dict`` with ``str`` keys, ``list`` or ``tuple`` of parts::

        save("run.h5", model=model.state_dict(), optimiser=optimiser.state_dict(), rng=tg.get_rng_state(), epoch=3)

    Raises ``TypeError`` for anything else (also for arrays on a GPU), naming it, and ``OSError`` that names ``path``
    where it cannot be written; ``path`` is then unchanged.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = _describe(parts, "", arrays)
    with atomic_write(path) as unfinished:
        try:
            with h5py.File(unfinished, "w", userblock_size=_HEADER_SIZE) as file:
                file.create_dataset("structure", data=np.bytes_(json.dumps(structure)), track_times=False)
                group = file.create_group("arrays")
                for name, array in arrays.items():
                    group.create_dataset(name, data=array, track_times=False)
        except RuntimeError as error:  # of HDF5, where the file reaches a limit of the system on its size
            raise OSError(f"{path} cannot be written: {error}") from error
        with open(unfinished, "rb+") as raw:
            raw.write(_header(raw))


@checked
def load(path: str | os.PathLike[str], /) -> dict[str, Any]:
    """The parts in the checkpoint ``path``, equal bit for bit to those saved (arrays in C order).

    Raises ``CheckpointError`` where the file is not a checkpoint or was altered, and ``FileNotFoundError`` where it
    does not exist.
    """
    with open(path, "rb") as raw:
        _verify(raw, path)
        with h5py.File(raw, "r") as file:
            parts: dict[str, Any] = _restore(json.loads(file["structure"][()]), file["arrays"])
            return parts


# The header ----------------------------------------------------------------------------------------------------------


def _header(file: BinaryIO) -> bytes:
    """The header for the rest of ``file``; leaves ``file`` at its beginning."""
    file.seek(_HEADER_SIZE)
    length, checksum = 0, hashlib.sha256()
    while chunk := file.read(1 << 20):
        length += len(chunk)
        checksum.update(chunk)
    file.seek(0)
    text = f"{length} bytes of HDF5 follow after byte {_HEADER_SIZE}, SHA-256 {checksum.hexdigest()}\n"
    return (_TITLE + text.encode()).ljust(_HEADER_SIZE, b"\n")


def _verify(file: BinaryIO, path: str | os.PathLike[str]) -> None:
    """Raise ``CheckpointError`` unless ``file`` is what ``save`` wrote; leaves ``file`` at its beginning."""
    found = file.read(_HEADER_SIZE)
    if not found.startswith(_TITLE):
        raise CheckpointError(f"{path} is no checkpoint that can be read: it does not begin with {_TITLE.decode()!r}")
    expected = _header(file)
    if found == expected:
        return
    stated, actual = (text[len(_TITLE) :].split(b" ")[0].decode("ascii", "replace") for text in (found, expected))
    if stated.isdecimal() and stated != actual:
        raise CheckpointError(
            f"{path} was cut or extended: it states {stated} bytes after its first {_HEADER_SIZE}, and has {actual}"
        )
    raise CheckpointError(f"{path} was altered: its contents do not match the SHA-256 checksum at its beginning")


# The structure -------------------------------------------------------------------------------------------------------


def _describe(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` for JSON, as one-entry objects ``{kind: contents}``; arrays are put into ``arrays``, by name."""
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return {"int": hex(value)}  # decimal conversion has a limit on the number of digits
    if type(value) is float:
        return {"float": struct.pack(">d", value).hex()}  # bit for bit, also NaN
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _describe(item, f"{where}/{_name(key)}", arrays) for key, item in value.items()}}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_describe(item, f"{where}/{i}", arrays) for i, item in enumerate(value)]}
    if (type(value) is np.ndarray or isinstance(value, np.generic)) and value.dtype.char in _DTYPES:
        name = where.lstrip("/")
        arrays[name] = np.asarray(value)
        return {"array" if type(value) is np.ndarray else "scalar": name}
    kind = type(value).__module__ + "." + type(value).__qualname__
    if hasattr(value, "dtype"):
        kind += f" of {value.dtype}"
    raise TypeError(
        f"save: {where.lstrip('/')} is a {kind}; a checkpoint holds NumPy arrays of numbers or bools, int, float, "
        "bool, str, None, and dicts (whose keys are str), lists and tuples of these (copy an array from a GPU first)"
    )


def _restore(node: Any, arrays: Any) -> Any:
    """The value that ``_describe`` described."""
    if not isinstance(node, dict):
        return node
    ((kind, contents),) = node.items()
    if kind == "int":
        return int(contents, 16)
    if kind == "float":
        return struct.unpack(">d", bytes.fromhex(contents))[0]
    if kind == "dict":
        return {key: _restore(item, arrays) for key, item in contents.items()}
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(_restore(item, arrays) for item in contents)
    dataset = arrays[contents]
    return dataset[()] if kind == "scalar" else np.asarray(dataset[()], dataset.dtype)


def _name(key: str) -> str:
    """``key`` as the name of an HDF5 group; a slash, an empty name and a single dot have another meaning there."""
    name = quote(key, safe="")
    return {"": "%", ".": "%."}.get(name, name)
