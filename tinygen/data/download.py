"""Fetching a file: from the first address that gives the right bytes, whole or not at all.

The bytes go to a file of another name beside the wanted one, are counted and summed as they come, and take the wanted
name only when size and SHA-256 are the published ones. So a file under the right name is always a whole one, whatever
stopped the run.
"""

import hashlib
import os
import tempfile
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.request import Request, urlopen

from tinygen.data.progress import progress_bar

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
    request = Request(address, headers={"User-Agent": "tinygen"})
    with urlopen(request, timeout=TIMEOUT) as response:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as beside:
            try:
                _copy(response, beside, path.name, size, sha256)
                beside.close()
                os.chmod(beside.name, 0o644)  # a temporary file is for its owner's eyes alone
                os.replace(beside.name, path)
            finally:
                Path(beside.name).unlink(missing_ok=True)


def _copy(response: IO[bytes], file: IO[bytes], name: str, size: int, sha256: str) -> None:
    """Copy a response to a file, with progress; a ``ValueError`` where it is not what was published."""
    received, checksum = 0, hashlib.sha256()
    with progress_bar(f"downloading {name}", size) as progress:
        while received <= size and (block := response.read(BLOCK)):
            file.write(block)
            checksum.update(block)
            received += len(block)
            progress.update(len(block))
    if received != size:
        raise ValueError(f"it sent {'more than ' * (received > size)}{min(received, size):,} bytes, expected {size:,}")
    if checksum.hexdigest() != sha256:
        raise ValueError(f"the SHA-256 of what it sent is {checksum.hexdigest()}, expected {sha256}")
