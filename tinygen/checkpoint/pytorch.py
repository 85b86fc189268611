"""Reading PyTorch's files without PyTorch, and without executing them.

A file of ``torch.save`` holds a pickle that says what there is, and beside it the *storages*: plain runs of numbers. A
tensor in the pickle is a window onto a storage: where it begins, its shape, and how far apart neighbours lie.

* Since PyTorch 1.6 the file is a zip archive: the pickle is its entry ``data.pkl``, and the storage ``0`` its entry
  ``data/0``; nothing is compressed.
* Before, it was five pickles in a row (a magic number, a version, facts about the machine, the object, the order of
  the storages) and then the storages, each with its length in front.

Every length in a file is a claim. It is held against the bytes that are there before anything is made of it, each
storage is copied once, and tensors are windows onto these copies; so an array can't take more memory than its file.
"""

import math
import os
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinygen.checkpoint.files import CheckpointError
from tinygen.checkpoint.pickles import Global, Inert, StandIn, read_pickle
from tinygen.checks import checked

MOST_CHARACTERS = 10_000_000  # in all names together; those of a network of 10,000 layers have a tenth

_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C  # what the first of the five pickles holds
_STORAGES = {  # PyTorch's name of a storage -> NumPy's of its numbers
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "ComplexDoubleStorage": "c16",
    "ComplexFloatStorage": "c8",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "UntypedStorage": "u1",
}
_DTYPES = {"torch.uint16": "u2", "torch.uint32": "u4", "torch.uint64": "u8"}  # those without a storage of their own
_INT64 = 2**63


@checked
def read_torch(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors in a file of ``torch.save``, by name: what the model's ``state_dict()`` would hold.

    The file may hold a state dictionary or a whole module, in today's zip archive or in the form that PyTorch wrote up
    to 2020. Tensors in dictionaries, lists and modules within one another have the names ``"outer.inner"``; what is no
    tensor is left out. Arrays are writable, and share memory where the tensors shared a storage::

        classifier.load_state_dict(checkpoint.read_torch("svhn_classifier.pt"))

    Nothing in the file is executed, imported or believed: it may come from anywhere. Raises ``CheckpointError`` where
    the file is broken, claims more than it holds, or has tensors that NumPy has no type for (bfloat16, quantised,
    sparse, TorchScript).
    """
    content = Path(path).read_bytes()
    read = _read_zip if content.startswith(_ZIP) else _read_legacy
    try:
        contents, storages = read(content)
        return {name: storages.array(name, tensor) for name, tensor in _named_tensors(contents).items()}
    except CheckpointError as error:
        raise CheckpointError(f"read_torch: {path}: {error}") from error


# Storages and the tensors that look at them --------------------------------------------------------------------------


@dataclass(eq=False)
class _Storage(Inert):
    """``size`` numbers, from number ``start`` of what the file holds under ``key``."""

    key: str
    dtype: np.dtype
    size: int
    start: int = 0


@dataclass(eq=False)
class _Tensor(Inert):
    """A window onto a storage; offset and strides count numbers of ``dtype``."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype


class _Storages:
    """The storages that a pickle speaks of, and their numbers."""

    def __init__(self) -> None:
        self.known: dict[str, _Storage] = {}
        self.numbers: dict[str, np.ndarray] = {}
        self.find: Callable[[_Storage], bytes] = self._nowhere
        self.order: Literal["<", ">"] = "<"

    def persistent(self, saved: Any) -> Any:
        """The object behind a persistent identifier: a storage, or a module beside its source text."""
        match saved:
            case ("module", contents, *_):
                return contents
            case ("storage", Global(name=kind), str(key), _, int(size), *view) if _is_size(size):
                storage = self.known.setdefault(key, _Storage(key, self._dtype(kind), size))
                if (storage.dtype, storage.size) != (self._dtype(kind), size):
                    raise CheckpointError(f"storage {key[:80]!r} is described twice, differently")
                return _storage_view(storage, *view)
        raise CheckpointError("it refers to something outside the pickle that is neither a storage nor a module")

    def array(self, name: str, tensor: _Tensor) -> np.ndarray:
        """The window as an array."""
        numbers, itemsize = self._numbers(tensor.storage), tensor.dtype.itemsize
        if tensor.dtype != tensor.storage.dtype:
            numbers = numbers[: len(numbers) // itemsize * itemsize].view(tensor.dtype)
        try:
            if math.prod(tensor.shape) == 0:
                return np.empty(tensor.shape, tensor.dtype)
            start, strides = tensor.storage.start + tensor.offset, [itemsize * stride for stride in tensor.strides]
            return np.ndarray(tensor.shape, numbers.dtype, numbers, itemsize * start, strides)
        except ValueError as error:
            raise CheckpointError(f"{name} cannot be an array of shape {_short(tensor.shape)}: {error}") from error

    def _numbers(self, storage: _Storage) -> np.ndarray:
        """All numbers under the storage's key, in this machine's byte order: a copy, made once."""
        if storage.key not in self.numbers:
            whole = self.known[storage.key]
            raw = self.find(whole)
            if len(raw) != whole.size * whole.dtype.itemsize:
                raise CheckpointError(
                    f"storage {whole.key[:80]!r} is said to hold {whole.size} numbers of {whole.dtype}, "
                    f"there are {len(raw)} bytes of it"
                )
            numbers = np.frombuffer(raw, whole.dtype.newbyteorder(self.order)) if raw else np.empty(0, whole.dtype)
            if whole.dtype == bool:
                numbers = numbers.view(np.uint8) != 0  # a byte that is neither 0 nor 1 makes no bool
            self.numbers[whole.key] = numbers.astype(whole.dtype)
        return self.numbers[storage.key]

    @staticmethod
    def _dtype(kind: str) -> np.dtype:
        name = kind.rpartition(".")[2]
        if kind.startswith("torch.") and name in _STORAGES:
            return np.dtype(_STORAGES[name])
        raise CheckpointError(
            f"it holds a {Global(kind)}, for which NumPy has no type; convert the tensors in PyTorch (x.float())"
        )

    @staticmethod
    def _nowhere(storage: _Storage) -> bytes:
        raise CheckpointError(f"storage {storage.key[:80]!r} is not in the file")


def _storage_view(storage: _Storage, view: Any = None) -> _Storage:
    """A part of ``storage``, as files of PyTorch up to 0.4 have them: ``view`` is (key, first number, size)."""
    match view:
        case None:
            return storage
        case (_, int(start), int(size)) if _is_size(start) and _is_size(size) and start + size <= storage.size:
            return replace(storage, start=start, size=size)
    raise CheckpointError(f"a part of storage {storage.key[:80]!r} lies beyond it")


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *, dtype: np.dtype | None = None) -> _Tensor:
    """A tensor, once its window is found to lie within its storage."""
    if not isinstance(storage, _Storage):
        raise CheckpointError("it has a tensor without a storage")
    sizes = [offset, *shape, *strides] if isinstance(shape, tuple) and isinstance(strides, tuple) else [None]
    if not all(map(_is_size, sizes)) or len(shape) != len(strides):
        raise CheckpointError(
            f"it has a tensor of shape {_short(shape)} with strides {_short(strides)} and offset {_short(offset)}, "
            "expected as many strides as axes, all of them whole numbers from 0"
        )
    dtype = dtype or storage.dtype
    available = storage.size * storage.dtype.itemsize // dtype.itemsize
    empty = 0 in shape
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if not empty and (last >= available or math.prod(shape) > available):
        raise CheckpointError(
            f"it has a tensor of shape {_short(shape)} with strides {_short(strides)} and offset {offset}, for which "
            f"its storage of {available} numbers is too small"
        )
    return _Tensor(storage, offset, shape, strides, dtype)


def _rebuild_tensor_v2(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, metadata: Any = None
) -> _Tensor:
    if metadata:
        raise CheckpointError("it has a tensor that is yet to be conjugated or negated; call x.resolve_conj() before")
    return _rebuild_tensor(storage, offset, shape, strides)


def _rebuild_tensor_v3(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> _Tensor:
    name = _DTYPES.get(dtype.name) if isinstance(dtype, Global) else None
    if name is None:
        raise CheckpointError(f"it has a tensor of {_short(dtype)}, for which NumPy has no type")
    return _rebuild_tensor(storage, offset, shape, strides, dtype=np.dtype(name))


def _rebuild_parameter(data: Any, *unused: Any) -> Any:
    return data


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor of a class of its own, or with attributes: as the tensor that it is beside these."""
    rebuild = _REBUILD.get(function.name) if isinstance(function, Global) else None
    if rebuild is None or rebuild is _rebuild_from_type or not isinstance(arguments, tuple):
        raise CheckpointError("it has a tensor of a class of its own that cannot be read")
    return rebuild(*arguments)


_REBUILD: dict[str, Callable[..., Any]] = {
    "torch.Size": lambda lengths=(): lengths,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < _INT64


def _short(value: Any) -> str:
    """``value`` for a message, if it is a name, a number or a few of these."""
    few = value if isinstance(value, tuple) and len(value) <= 8 else (value,)
    if isinstance(value, Global) or all(type(item) is int and abs(item) < 2 * _INT64 for item in few):
        return str(value)
    return f"of {len(value)} axes" if isinstance(value, tuple) else f"(a {type(value).__name__})"


# The two forms -------------------------------------------------------------------------------------------------------


def _read_zip(content: bytes) -> tuple[Any, _Storages]:
    """The object in a zip archive, and its storages."""
    try:
        archive = zipfile.ZipFile(BytesIO(content))
        entries = {entry.filename: entry for entry in archive.infolist()}
    except (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError, struct.error) as error:
        raise CheckpointError(f"its zip archive is cut off or broken: {error}") from error
    roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(roots) != 1 or roots[0] + "constants.pkl" in entries:
        raise CheckpointError("its zip archive is not torch.save's; of a TorchScript module save the state_dict()")
    if len(entries) != len(archive.infolist()) or any(e.compress_type != zipfile.ZIP_STORED for e in entries.values()):
        raise CheckpointError("its zip archive is compressed or has two entries of one name; torch.save writes no such")
    if sum(e.file_size for e in entries.values()) > len(content):
        raise CheckpointError(f"the entries of its zip archive claim more than the file's {len(content)} bytes")

    def entry(name: str) -> bytes:
        if name not in entries:
            raise CheckpointError(f"its zip archive has no entry {name[:80]!r}")
        try:
            return archive.read(entries[name])
        except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OverflowError, struct.error) as error:
            raise CheckpointError(f"the entry {name[:80]!r} of its zip archive is broken: {error}") from error

    (root,) = roots
    storages = _Storages()
    if root + "byteorder" in entries and entry(root + "byteorder") == b"big":
        storages.order = ">"
    storages.find = lambda storage: entry(f"{root}data/{storage.key}")
    return read_pickle(BytesIO(entry(root + "data.pkl")), _REBUILD, storages.persistent), storages


def _read_legacy(content: bytes) -> tuple[Any, _Storages]:
    """The object in a file of five pickles, and its storages."""
    stream, storages = BytesIO(content), _Storages()
    try:
        magic = read_pickle(stream, {})
    except CheckpointError:
        magic = None
    if magic != _MAGIC:
        raise CheckpointError("it is no file of torch.save: it begins neither with a zip archive nor with its number")
    for _ in ("version", "facts about the machine"):
        read_pickle(stream, {})
    contents = read_pickle(stream, _REBUILD, storages.persistent)
    keys = read_pickle(stream, {})
    if not _all_texts(keys) or sorted(keys) != sorted(storages.known):
        raise CheckpointError("the storages that follow its pickles are not those that the pickles speak of")
    position, places = stream.tell(), {}
    for key in keys:
        storage, header = storages.known[key], content[position : position + 8]
        end = position + 8 + storage.size * storage.dtype.itemsize
        if header != struct.pack("<q", storage.size) or end > len(content):
            raise CheckpointError(f"storage {key[:80]!r} of {storage.size} numbers is cut off or has another length")
        places[key] = slice(position + 8, end)
        position = end
    storages.find = lambda storage: content[places[storage.key]]
    return contents, storages


def _all_texts(keys: Any) -> bool:
    return isinstance(keys, list) and all(isinstance(key, str) for key in keys)


# From objects to names -----------------------------------------------------------------------------------------------


def _named_tensors(contents: Any) -> dict[str, _Tensor]:
    """The tensors in ``contents``, named by the way that leads to each.

    Containers may hold each other, many times over or in a circle, so the number of ways has no bound; the number of
    characters in their names has one.
    """
    if not _is_container(contents):
        kind = contents if isinstance(contents, StandIn) else f"a {type(contents).__name__.lstrip('_')}"
        raise CheckpointError(f"it holds {kind}, expected a module, or tensors in a dict, list or tuple")
    found: dict[str, _Tensor] = {}
    characters = 0
    ways: list[tuple[str, Any]] = [("", contents)]
    while ways:
        prefix, value = ways.pop()
        if isinstance(value, _Tensor):
            if prefix in found:
                raise CheckpointError(f"it has two tensors of the name {prefix}")
            found[prefix] = value
            continue
        children = []
        for key, child in _children(value):
            characters += 1
            if isinstance(child, _Tensor) or _is_container(child):
                name = f"{prefix}.{_label(key)}" if prefix else _label(key)
                characters += len(name)
                children.append((name, child))
            elif isinstance(child, StandIn) and "._rebuild_" in str(child):
                raise CheckpointError(f"{_label(key)} is a tensor of a kind that can't be read: {child}")
            if characters > MOST_CHARACTERS:
                raise CheckpointError("its containers hold each other so often that their names have no end")
        ways += reversed(children)
    if not found:
        raise CheckpointError("it holds no tensors")
    return found


def _is_module(value: Any) -> bool:
    parts = ("_parameters", "_buffers", "_modules")
    if not isinstance(value, StandIn) or not isinstance(value.state, dict):
        return False
    return all(isinstance(value.state.get(part), dict) for part in parts)


def _is_container(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple)) or _is_module(value)


def _children(value: Any) -> Iterable[tuple[Any, Any]]:
    """What a container holds, by key: of a module its parameters, buffers and modules, as in its ``state_dict``."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    hidden = value.state.get("_non_persistent_buffers_set")
    hidden = hidden if isinstance(hidden, set) else set()
    buffers = [(key, buffer) for key, buffer in value.state["_buffers"].items() if key not in hidden]
    return [*value.state["_parameters"].items(), *buffers, *value.state["_modules"].items()]


def _label(key: Any) -> str:
    if isinstance(key, str) or (type(key) is int and abs(key) < _INT64):
        return str(key)
    raise CheckpointError(f"it has tensors under a key that is a {type(key).__name__}, expected a text or number")
