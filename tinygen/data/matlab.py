"""SVHN's files: MATLAB arrays, version 5 of the format.

A header of 128 bytes, then one element per variable: a type, a length and a payload, which may be packed by zlib. The
payload of a variable is a sequence of elements: flags, sizes, name, numbers (in column-major order), each padded to 8
bytes; an element of four bytes or fewer shares 8 bytes with its tag (MathWorks, "MAT-File Format").

SciPy's reader is not used because it stops at the last number, before zlib's checksum, so that it does not detect every
changed byte, and because some damaged files make it crash the interpreter.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from tinygen.data.formats import Arrays, check_labels

HEADER = 128  # bytes
MATRIX, PACKED = 14, 15  # types of elements
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}


def parse_svhn(content: bytes, shape: tuple[int, ...]) -> Arrays:
    """A MATLAB file of ``X`` (H, W, C, N) and ``y`` (N, 1), where 10 stands for the digit 0 -> both arrays."""
    variables = _variables(content)
    for name in ("X", "y"):
        if name not in variables:
            raise ValueError(f"it has no variable {name!r}")
    x, y = variables["X"], variables["y"]
    channels, height, width = shape
    if x.shape[:-1] != (height, width, channels) or x.dtype != np.uint8:
        raise ValueError(f"X is {x.dtype} {x.shape}, expected uint8 ({height}, {width}, {channels}, N)")
    if y.shape != (x.shape[-1], 1):
        raise ValueError(f"y has shape {y.shape}, expected ({x.shape[-1]}, 1), one label per image")
    check_labels(y[:, 0], 1, 10)
    images = np.ascontiguousarray(x.transpose(3, 2, 0, 1))  # (H, W, C, N) -> (N, C, H, W)
    return {"images": images, "labels": y[:, 0].astype(np.int64) % 10}


def _variables(content: bytes) -> dict[str, np.ndarray]:
    """The arrays ``X`` and ``y`` of a file, by name; every byte is checked."""
    magic = content[HEADER - 4 : HEADER]
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(magic)
    if order is None:
        raise ValueError(f"its magic number is 0x{magic.hex()}, a MATLAB 5 file has 0x0001494d at byte {HEADER - 4}")
    variables = {}
    for kind, payload in _elements(memoryview(content)[HEADER:], order):
        for inner_kind, matrix in _elements(_unpack(payload), order) if kind == PACKED else [(kind, payload)]:
            if inner_kind != MATRIX:
                raise ValueError(f"an element of type {inner_kind} and {len(matrix):,} bytes is no variable")
            parts = list(_elements(matrix, order))
            name = bytes(parts[2][1]).decode("latin-1") if len(parts) > 2 else ""
            if name in ("X", "y"):
                variables[name] = _array(parts, name, order)
    return variables


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The elements in ``content``, up to its last byte: (type, payload) of each."""
    position = 0
    while position < len(content):
        if len(content) - position < 8:
            raise ValueError(f"it is truncated, or {len(content) - position} trailing bytes follow its last variable")
        kind, length = struct.unpack(f"{order}II", content[position : position + 8])
        start, following = position + 8, position + 8 + length
        if kind >> 16:  # a small element: its length is in the upper half of the type
            kind, length, start, following = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        elif kind != PACKED:
            following += -length % 8
        if start + length > len(content):
            raise ValueError(f"it is truncated: {start + length - len(content):,} bytes of a variable are missing")
        yield kind, content[start : start + length]
        position = following


def _unpack(payload: memoryview) -> memoryview:
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(payload)
    except zlib.error as error:
        raise ValueError(f"a variable is corrupt ({error})") from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("a variable is corrupt (its zlib stream does not end where the variable does)")
    return memoryview(content)


def _array(parts: list[tuple[int, memoryview]], name: str, order: str) -> np.ndarray:
    """The elements of one variable (flags, sizes, name, numbers) -> an array."""
    kind, numbers = parts[3] if len(parts) == 4 else (0, parts[0][1])
    if kind not in NUMBERS:
        raise ValueError(f"variable {name!r} is no array of real numbers")
    dtype = np.dtype(order + NUMBERS[kind])
    sizes = struct.unpack_from(f"{order}{len(parts[1][1]) // 4}I", parts[1][1])
    if int(np.prod(sizes, dtype=object)) * dtype.itemsize != len(numbers):
        raise ValueError(f"variable {name!r} has {len(numbers):,} bytes of numbers, not the {sizes} that it announces")
    return np.frombuffer(numbers, dtype).reshape(sizes, order="F")
