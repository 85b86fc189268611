"""Parsers of the file formats in which the data sets were published.

Each parser takes the unpacked bytes of a file and returns its arrays by name (``images``, ``labels`` or both). A file
that is truncated, padded or of another format raises a ``ValueError`` that says what is wrong; the caller adds the name
of the file.

* ``.amat`` (Larochelle): text, one image per line, each pixel ``0`` or ``1``, separated by blanks.
* IDX (LeCun, http://yann.lecun.com/exdb/mnist): a magic number ``0 0 type dimensions``, the sizes as big-endian 32-bit
  integers, then the bytes in row-major order.
* MATLAB's, version 5 (SVHN): ``tinygen.data.matlab``.
"""

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from tinygen.console import progress

Arrays = dict[str, np.ndarray]


def unpack(raw: bytes) -> bytes:
    """The content of a file that may be gzipped, as its first two bytes tell."""
    content = gunzip(raw) if raw.startswith(b"\x1f\x8b") else raw
    if not content:
        raise ValueError("it is empty")
    beginning = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if beginning.startswith(b"<"):
        raise ValueError(f"it is a web page, not data (it begins with {beginning[:20].decode('latin-1')!r})")
    return content


def gunzip(raw: bytes) -> bytes:
    """Unpack all gzip members; each ends with a checksum and the length of its content."""
    contents: list[bytes] = []
    while raw:
        if contents and not raw.startswith(b"\x1f\x8b"):
            raise ValueError(f"{len(raw):,} trailing bytes follow its gzip stream")
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            contents.append(member.decompress(raw))
        except zlib.error as error:
            raise ValueError(f"its gzip stream is corrupt ({error})") from error
        if not member.eof:
            raise ValueError("it is truncated: its gzip stream breaks off")
        raw = member.unused_data
    return b"".join(contents)


# Larochelle's text ---------------------------------------------------------------------------------------------------

LINES = 1_000  # parsed at a time
BLANK = np.isin(np.arange(256), list(b" \t\r\n"))  # is this character a blank?


def parse_amat(content: bytes, shape: tuple[int, ...]) -> Arrays:
    """Lines of ``0`` and ``1`` -> ``images``, bool (N, *shape)."""
    pixels = int(np.prod(shape))
    rows, first_line, size = [], 1, LINES * 2 * pixels
    for block in progress(_blocks(content, size), "parsing", math.ceil(len(content) / size)):
        rows.append(_rows_of_digits(block, pixels, first_line))
        first_line += len(rows[-1])
    return {"images": np.concatenate(rows).reshape(-1, *shape)}  # (N, pixels) -> (N, C, H, W)


def _blocks(content: bytes, size: int) -> Iterator[bytes]:
    """Split text at the first end of a line after every ``size`` bytes."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start + size - 1) + 1 or len(content)
        yield content[start:end]
        start = end


def _rows_of_digits(block: bytes, pixels: int, first_line: int) -> np.ndarray:
    """Whole lines of text -> bool (lines, pixels)."""
    if not block.endswith(b"\n"):
        block += b"\n"
    characters = np.frombuffer(block, np.uint8)
    is_digit = (characters | 1) == ord("1")  # "0" is 48 and "1" is 49
    line_ends = np.flatnonzero(characters == ord("\n"))
    strange = ~is_digit & ~BLANK[characters]
    strange[1:] |= is_digit[1:] & is_digit[:-1]  # a number of two digits
    if strange.any():
        line = int(np.searchsorted(line_ends, strange.argmax()))
        word = next(word for word in block.split(b"\n")[line].split() if word not in (b"0", b"1"))
        raise ValueError(f"line {first_line + line} holds {word[:20].decode('latin-1')!r}, expected 0 or 1")
    per_line = np.diff(np.cumsum(is_digit)[line_ends], prepend=0)
    if (per_line != pixels).any():
        line = int((per_line != pixels).argmax())
        raise ValueError(f"line {first_line + line} has {per_line[line]} numbers, an image has {pixels}")
    return (characters[is_digit] == ord("1")).reshape(-1, pixels)


# LeCun's IDX ---------------------------------------------------------------------------------------------------------


def parse_idx_images(content: bytes, shape: tuple[int, ...]) -> Arrays:
    """An IDX file of grey images -> ``images``, uint8 (N, *shape)."""
    array = _parse_idx(content, shape[1:])
    return {"images": array.reshape(-1, *shape)}  # (N, H, W) -> (N, 1, H, W)


def parse_idx_labels(content: bytes, classes: int) -> Arrays:
    """An IDX file of labels -> ``labels``, int64 (N,), from 0 to ``classes`` - 1."""
    labels = _parse_idx(content, ()).astype(np.int64)
    check_labels(labels, 0, classes - 1)
    return {"labels": labels}


def _parse_idx(content: bytes, item_shape: tuple[int, ...]) -> np.ndarray:
    """An IDX file of bytes -> uint8 (N, *item_shape)."""
    axes = 1 + len(item_shape)
    magic, expected = content[:4], bytes([0, 0, 8, axes])
    if magic != expected:
        raise ValueError(f"its magic number is 0x{magic.hex()}, an IDX file of {axes}-D bytes has 0x{expected.hex()}")
    header = 4 + 4 * axes
    if len(content) < header:
        raise ValueError(f"it is truncated: {len(content)} bytes, its header alone has {header}")
    shape = struct.unpack(f">{axes}I", content[4:header])
    if shape[1:] != item_shape:
        raise ValueError(f"its items have shape {shape[1:]}, expected {item_shape}")
    missing = header + int(np.prod(shape, dtype=object)) - len(content)
    if missing > 0:
        raise ValueError(f"it is truncated: its header announces shape {shape}, {missing:,} bytes are missing")
    if missing < 0:
        raise ValueError(f"{-missing:,} trailing bytes follow the {shape} that its header announces")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()  # a view would be read-only


def check_labels(labels: np.ndarray, lowest: int, highest: int) -> None:
    """Raise a ``ValueError`` that names the first label that is not a whole number from lowest to highest."""
    wrong = ~np.isin(labels, np.arange(lowest, highest + 1))
    if wrong.any():
        index = int(wrong.argmax())
        raise ValueError(f"label {labels[index]} of image {index} is out of range, expected {lowest} to {highest}")
