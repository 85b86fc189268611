"""Downloading a file from the first of several addresses that serves the published content.

The content is kept in memory until its size and SHA-256 are those that were published, and then written in one step
(``tinygen.files.atomic_write``). So a file under the right name is always complete, even if the process was stopped.
"""

import hashlib
import math
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from tinygen.console import progress
from tinygen.files import atomic_write

TIMEOUT = 20.0  # seconds without a byte
BLOCK = 1 << 18  # bytes


def fetch(addresses: list[str], path: Path, size: int, sha256: str) -> list[str]:
    """Download ``path`` from the first of ``addresses`` that serves ``size`` bytes with the checksum ``sha256``.

    Returns what was wrong with each address that was tried; the file is there unless that is all of them.
    """
    failures = []
    for address in addresses:
        try:
            _fetch_from(address, path, size, sha256)
            break
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"{address}: {error or type(error).__name__}")
    return failures


def _fetch_from(address: str, path: Path, size: int, sha256: str) -> None:
    """Download ``path``; a ``ValueError`` where the response is not what was published."""
    request = Request(address, headers={"User-Agent": "tinygen"})
    content = bytearray()
    with urlopen(request, timeout=TIMEOUT) as response:
        blocks = iter(lambda: response.read(BLOCK), b"")
        for block in progress(blocks, f"downloading {path.name}", math.ceil(size / BLOCK)):
            content += block
            if len(content) > size:
                raise ValueError(f"it sent more than {size:,} bytes, expected {size:,}")
    if len(content) < size:
        raise ValueError(f"it sent {len(content):,} bytes, expected {size:,}")
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"the SHA-256 of what it sent is {found}, expected {sha256}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(content)
