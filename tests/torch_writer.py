"""Files as ``torch.save`` writes them, in today's zip form and in the form of 2019, written without PyTorch; and
code that records each execution, which hostile pickles call.

Values are described by plain Python, what a pickle does beyond it by ``Name``, ``Call``, ``Persistent`` and ``Raw``.
"""

import struct
import zipfile
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "i2": "Short", "i1": "Char"}
STORAGES |= {"u1": "Byte", "b1": "Bool", "c8": "ComplexFloat", "c16": "ComplexDouble"}

recorded: list[Any] = []


def record(*arguments: Any) -> None:
    """Record a call; no file may cause one."""
    recorded.append(arguments)


class Recorder:
    """Records its construction, and each setting of its state."""

    def __new__(cls, *arguments: Any) -> "Recorder":
        record(*arguments)
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        record(state)


class Raw(bytes):
    """Opcodes, taken as they are."""


class Name(NamedTuple):
    """A class or function: ``Name("torch.FloatStorage")``."""

    name: str


class Call(NamedTuple):
    """A call, by the opcode REDUCE or another; then a state, if there is one."""

    name: str
    arguments: tuple = ()
    state: Any = None
    opcode: bytes = b"R"


class Persistent(NamedTuple):
    """A persistent identifier."""

    identifier: Any


def pickled(value: Any) -> bytes:
    """The whole pickle of ``value``."""
    return b"\x80\x02" + encoded(value) + b"."


def encoded(value: Any) -> bytes:
    """The opcodes that leave ``value`` on the stack."""
    match value:
        case Raw():
            return value
        case Name(name):
            module, _, last = name.rpartition(".")
            return f"c{module}\n{last}\n".encode()
        case Call(name, arguments, state, opcode):
            built = b"" if state is None else encoded(state) + b"b"
            return encoded(Name(name)) + encoded(arguments) + opcode + built
        case Persistent(identifier):
            return encoded(identifier) + b"Q"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            digits = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(digits)]) + digits
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + b"".join(map(encoded, value)) + b"t"
        case list():
            return b"](" + b"".join(map(encoded, value)) + b"e"
        case dict():
            return b"}(" + b"".join(encoded(key) + encoded(item) for key, item in value.items()) + b"u"
    raise TypeError(type(value))


class Writer:
    """One file: the storages of its tensors."""

    def __init__(self, legacy: bool) -> None:
        self.legacy = legacy
        self.storages: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}

    def storage(self, array: np.ndarray, size: int | None = None, view: Any = None) -> Persistent:
        """A storage of the array's numbers in their order in memory; ``size`` is what the pickle says of it."""
        key = str(94844005516544 + len(self.storages) if self.legacy else len(self.storages))
        self.storages[key] = array.tobytes(order="A")
        self.sizes[key] = array.size
        kind = Name(f"torch.{STORAGES[array.dtype.str[1:]]}Storage")
        return Persistent(("storage", kind, key, "cpu", array.size if size is None else size, *[view] * self.legacy))

    def tensor(self, array: np.ndarray) -> Call:
        """The whole of an array, C-ordered or transposed."""
        strides = tuple(stride // array.itemsize for stride in array.strides)
        return window(self.storage(array), 0, array.shape, strides)

    def file(self, contents: Any, **options: Any) -> bytes:
        """The file that holds ``contents``."""
        return self.old_file(contents) if self.legacy else self.zip_file(contents, **options)

    def old_file(self, contents: Any) -> bytes:
        facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        head = b"".join(map(pickled, [MAGIC, 1001, facts, contents, list(self.storages)]))
        return head + b"".join(struct.pack("<q", self.sizes[key]) + raw for key, raw in self.storages.items())

    def zip_file(
        self, contents: Any, root: str = "archive", extra: dict[str, bytes] | None = None, method: int = 0
    ) -> bytes:
        file = BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr(f"{root}/data.pkl", pickled(contents))
            for key, raw in self.storages.items():
                archive.writestr(f"{root}/data/{key}", raw)
            for name, raw in {f"{root}/version": b"3\n", **(extra or {})}.items():
                archive.writestr(name, raw)
        return file.getvalue()


def window(storage: Any, offset: Any, shape: Any, strides: Any) -> Call:
    """A tensor as PyTorch describes it."""
    hooks = Call("collections.OrderedDict")
    return Call("torch._utils._rebuild_tensor_v2", (storage, offset, shape, strides, False, hooks))


def ordered(contents: dict) -> Raw:
    """An ``OrderedDict``, as a state dictionary is one: with ``_metadata`` among its attributes."""
    items = b"(" + b"".join(encoded(key) + encoded(item) for key, item in contents.items()) + b"u"
    metadata = {"_metadata": Call("collections.OrderedDict")}
    return Raw(encoded(Call("collections.OrderedDict")) + items + encoded(metadata) + b"b")


def module(name: str, parameters: dict, buffers: dict, modules: dict, hidden: list | None = None) -> Call:
    """A module of a class ``name`` that nobody here has."""
    state = {
        "_backend": Call("torch.nn.backends.thnn._get_thnn_function_backend"),
        "_parameters": ordered(parameters),
        "_buffers": ordered(buffers),
        "_modules": ordered(modules),
        "_non_persistent_buffers_set": Call("__builtin__.set", (hidden or [],)),
        "training": False,
    }
    return Call(name, (), state, opcode=b"\x81")
