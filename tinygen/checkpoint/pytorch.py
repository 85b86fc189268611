"""Reading PyTorch's files without PyTorch, and without executing them.

A file of ``torch.save`` holds a pickle of the saved object and, outside it, the *storages*: arrays of numbers in one
dimension. A tensor in the pickle is a view of a storage: an offset, a shape and strides.

* Since PyTorch 1.6 the file is a zip archive: the pickle is its entry ``data.pkl``, and the storage ``0`` its entry
  ``data/0``; nothing is compressed.
* Before, it was five pickles in a row (a magic number, a version, properties of the machine, the object, the order of
  the storages) and then the storages, each after its length.

Every length in a file is compared with the bytes that are there before an array is made of it, each storage is copied
once, and tensors are views of these copies; so the arrays take no more memory than the file.
"""

import math
import os
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.checkpoint.pickles import Global, Inert, StandIn, read_pickle, refuse_broken
from tinygen.checks import checked
from tinygen.files import CheckpointError

MAX_CHARACTERS = 10_000_000  # in all names together; those of a network of 10,000 layers have a tenth

_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C  # what the first of the five pickles holds
_CODES = {"Double": "f8", "Float": "f4", "Half": "f2", "ComplexDouble": "c16", "ComplexFloat": "c8", "Long": "i8"}
_CODES |= {"Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1", "Bool": "?", "Untyped": "u1"}
_STORAGES = {f"torch.{name}Storage": np.dtype(code) for name, code in _CODES.items()}
_DTYPES = {f"torch.uint{bits}": np.dtype(f"u{bits // 8}") for bits in (16, 32, 64)}  # those without a storage type
_INT64 = 2**63
_MAX_AXES = 32  # NumPy 1's; NumPy 2 has 64


@checked
def read_torch(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors in a file of ``torch.save``, by name: what the model's ``state_dict()`` would hold.

    The file may hold a state dictionary or a whole module, in today's zip archive or in the form that PyTorch wrote up
    to 2020. Tensors in nested dictionaries, lists and modules have the names ``"outer.inner"``; what is no tensor is
    left out. Arrays are writable, and share memory where the tensors shared a storage::

        classifier.load_state_dict(checkpoint.read_torch("svhn_classifier.pt"))

    Nothing in the file is executed or imported, so it may come from anywhere. Raises ``CheckpointError`` where the file
    is broken, states sizes that it does not have, or has tensors that NumPy has no type for (bfloat16, quantised,
    sparse, TorchScript).
    """
    content = Path(path).read_bytes()
    read = _read_zip if content.startswith(_ZIP) else _read_legacy
    try:
        contents, storages = read(content)
        return {name: tensor.of(storages) for name, tensor in _named_tensors(contents).items()}
    except CheckpointError as error:
        raise CheckpointError(f"read_torch: {path}: {error}") from error


# Storages, and the tensors that are views of them --------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class _Storage(Inert):
    """``size`` numbers, from number ``start`` of what the file holds under ``key``."""

    key: str
    dtype: np.dtype
    size: int
    start: int = 0

    @property
    def nbytes(self) -> int:
        """The length of the storage in bytes."""
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        return f"storage {self.key[:80]!r} of {self.size} numbers of {self.dtype}"


@dataclass(eq=False, repr=False)
class _Tensor(Inert):
    """A view of a storage, within it; offset and strides count numbers of ``dtype`` (default: the storage's)."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype | None = None

    def __post_init__(self) -> None:
        storage, offset, shape, strides = self.storage, self.offset, self.shape, self.strides
        if not isinstance(storage, _Storage):
            raise CheckpointError("it has a tensor without a storage")
        what = f"it has a tensor of shape {_short(shape)} with strides {_short(strides)} and offset {_short(offset)}"
        if not (isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= _MAX_AXES):
            raise CheckpointError(f"{what}, expected as many strides as axes, and at most {_MAX_AXES}")
        if not all(map(_is_size, (offset, *shape, *strides))):
            raise CheckpointError(f"{what}, expected integers from 0")
        self.dtype = self.dtype or storage.dtype
        available = storage.nbytes // self.dtype.itemsize
        last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
        if 0 not in shape and (last >= available or math.prod(shape) > available):
            raise CheckpointError(f"{what}, for which its storage of {available} numbers is too small")

    def of(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """The view as an array."""
        dtype = np.dtype(self.dtype)
        with refuse_broken(f"it has a tensor of shape {_short(self.shape)}"):
            if 0 in self.shape:
                return np.empty(self.shape, dtype)
            start = self.storage.start * self.storage.dtype.itemsize + self.offset * dtype.itemsize
            strides = [dtype.itemsize * stride for stride in self.strides]
            return np.ndarray(self.shape, dtype, storages[self.storage.key], start, strides)


def _resolve(described: dict[str, _Storage], identifier: Any) -> Any:
    """The object for a persistent identifier: a storage, noted in ``described``, or a module class."""
    match identifier:
        case ("module", kind, *_):  # with the source text of the class
            return kind
        case ("storage", Global(name=kind), str(key), _, int(size), *view) if _is_size(size):
            if kind not in _STORAGES:
                raise CheckpointError(f"it holds a {kind[:80]}, for which NumPy has no type; call x.float() before")
            storage = described.setdefault(key, _Storage(key, _STORAGES[kind], size))
            if (storage.dtype, storage.size) != (_STORAGES[kind], size):
                raise CheckpointError(f"{storage} is described twice, differently")
            match view:
                case [] | [None]:
                    return storage
                case [(_, int(start), int(size))] if (
                    _is_size(start) and _is_size(size) and start + size <= storage.size
                ):
                    return replace(storage, start=start, size=size)  # of PyTorch up to 0.4: (key, first number, size)
            raise CheckpointError(f"a view of {storage} lies beyond it")
    raise CheckpointError("it refers to something outside the pickle that is neither a storage nor a module")


def _numbers(storage: _Storage, raw: bytes, byteorder: str = "<") -> np.ndarray:
    """A copy of the numbers of a whole storage, in this machine's byte order."""
    if len(raw) != storage.nbytes:
        raise CheckpointError(f"{storage} has {len(raw)} bytes in the file")
    numbers = np.ndarray(storage.size, np.dtype(f"{byteorder}{storage.dtype.str[1:]}"), raw)
    if storage.dtype == bool:
        numbers = numbers.view(np.uint8) != 0  # a bool of a byte other than 0 and 1 is undefined
    return numbers.astype(storage.dtype)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < _INT64


def _short(value: Any) -> str:
    """``value`` for a message: numbers, names and short tuples of these as they are."""
    if isinstance(value, tuple) and len(value) <= 8:
        return f"({', '.join(map(_short, value))})" if not any(isinstance(item, tuple) for item in value) else "..."
    is_short = isinstance(value, Global) or (type(value) is int and abs(value) < 2 * _INT64)
    return str(value) if is_short else f"<{type(value).__name__.lstrip('_')}>"


# The functions that a pickle may call --------------------------------------------------------------------------------


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any = None, hooks: Any = None, metadata: Any = None
) -> _Tensor:
    if metadata:
        raise CheckpointError("it has a tensor that is yet to be conjugated or negated; call x.resolve_conj() before")
    return _Tensor(storage, offset, shape, strides)


def _rebuild_tensor_v3(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> _Tensor:
    if not isinstance(dtype, Global) or dtype.name not in _DTYPES:
        raise CheckpointError(f"it has a tensor of {_short(dtype)}, for which NumPy has no type")
    return _Tensor(storage, offset, shape, strides, _DTYPES[dtype.name])


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor of a subclass, or with attributes: the plain tensor."""
    return function(*arguments)


def _first(value: Any = (), *unused: Any) -> Any:
    return value


_REBUILD: dict[str, Callable[..., Any]] = {
    "torch.Size": _first,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}


# The two formats -----------------------------------------------------------------------------------------------------


def _read_zip(content: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """The object in a zip archive, and its storages by key."""
    with refuse_broken("its zip archive"):
        archive = zipfile.ZipFile(BytesIO(content))
        entries = {entry.filename: entry for entry in archive.infolist()}
    roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(roots) != 1 or roots[0] + "constants.pkl" in entries:
        raise CheckpointError("its zip archive is not torch.save's; of a TorchScript module save the state_dict()")
    if len(entries) != len(archive.infolist()) or any(e.compress_type != zipfile.ZIP_STORED for e in entries.values()):
        raise CheckpointError("its zip archive is compressed or has two entries of one name, unlike torch.save's")
    if sum(e.file_size for e in entries.values()) > len(content):
        raise CheckpointError(f"the entries of its zip archive claim more than the file's {len(content)} bytes")

    def entry(name: str) -> bytes:
        name = roots[0] + name
        if name not in entries:
            raise CheckpointError(f"its zip archive has no entry {name[:80]!r}")
        with refuse_broken(f"the entry {name[:80]!r} of its zip archive"):
            return archive.read(entries[name])

    described: dict[str, _Storage] = {}
    contents = read_pickle(BytesIO(entry("data.pkl")), _REBUILD, partial(_resolve, described))
    order = ">" if roots[0] + "byteorder" in entries and entry("byteorder") == b"big" else "<"
    return contents, {key: _numbers(each, entry(f"data/{key}"), order) for key, each in described.items()}


def _read_legacy(content: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """The object in a file of five pickles, and its storages by key."""
    stream = BytesIO(content)
    try:
        magic = read_pickle(stream, {})
    except CheckpointError:
        magic = None
    if magic != _MAGIC:
        raise CheckpointError("it is no file of torch.save: it begins neither with a zip archive nor with its number")
    for _ in ("version", "properties of the machine"):
        read_pickle(stream, {})
    described: dict[str, _Storage] = {}
    contents = read_pickle(stream, _REBUILD, partial(_resolve, described))
    keys = read_pickle(stream, {})
    are_texts = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not are_texts or sorted(keys) != sorted(described):
        raise CheckpointError("the storages that follow its pickles are not those that the pickles refer to")
    start, storages = stream.tell(), {}
    for storage in (described[key] for key in keys):
        start, length = start + 8, content[start : start + 8]
        if length != struct.pack("<q", storage.size):
            raise CheckpointError(f"{storage} is cut off or has another length")
        storages[storage.key] = _numbers(storage, content[start : start + storage.nbytes])
        start += storage.nbytes
    return contents, storages


# From objects to names -----------------------------------------------------------------------------------------------


def _named_tensors(contents: Any) -> dict[str, _Tensor]:
    """The tensors in ``contents``, each named by the path that leads to it.

    Containers may hold each other, many times over or in a circle, so the number of paths has no bound; the number of
    characters in their names has one.
    """
    if _items(contents) is None:
        kind = contents if isinstance(contents, StandIn) else f"a {type(contents).__name__.lstrip('_')}"
        raise CheckpointError(f"it holds {kind}, expected a module, or tensors in a dict, list or tuple")
    found: dict[str, _Tensor] = {}
    characters = 0
    paths: list[tuple[str, Any]] = [("", contents)]
    while paths:
        path, value = paths.pop()
        if isinstance(value, _Tensor):
            if path in found:
                raise CheckpointError(f"it has two tensors of the name {path}")
            found[path] = value
        below = []
        for key, item in _items(value) or ():
            characters += 1
            if isinstance(item, _Tensor) or _items(item) is not None:
                name = f"{path}.{_label(key)}" if path else _label(key)
                characters += len(name)
                below.append((name, item))
            elif isinstance(item, StandIn) and "._rebuild_" in str(item):
                raise CheckpointError(f"{_label(key)} is a tensor of a kind that cannot be read: {item}")
            if characters > MAX_CHARACTERS:
                raise CheckpointError("its containers hold each other so often that their names have no end")
        paths += reversed(below)
    if not found:
        raise CheckpointError("it holds no tensors")
    return found


def _items(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """What a container holds, by key; of a module what its ``state_dict`` holds; None where ``value`` is neither."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    state = value.state if isinstance(value, StandIn) and isinstance(value.state, dict) else {}
    match state:
        case {"_parameters": dict(parameters), "_buffers": dict(buffers), "_modules": dict(modules)}:
            hidden = state.get("_non_persistent_buffers_set")
            hidden = hidden if isinstance(hidden, set) else set()
            persistent = ((key, buffer) for key, buffer in buffers.items() if key not in hidden)
            return chain(parameters.items(), persistent, modules.items())
    return None


def _label(key: Any) -> str:
    if isinstance(key, str) or (type(key) is int and abs(key) < _INT64):
        return str(key)
    raise CheckpointError(f"it has tensors under a key that is a {type(key).__name__}, expected a text or number")
