"""Where images come from: files that somebody published, or a function of the library that draws them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tinygen.data.formats import Arrays

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class SourceFile:
    """A file as it is published: name, how its content is read, images or labels in it, bytes, checksums."""

    name: str
    parse: Callable[[bytes], Arrays]
    count: int
    size: int
    sha256: str
    unpacked_sha256: str = ""

    @property
    def content_sha256(self) -> str:
        """The checksum of the content: of what is inside where the file is published gzipped."""
        return self.unpacked_sha256 or self.sha256


@dataclass(frozen=True)
class PublishedSet:
    """A data set in files: its folder under the root, the addresses to try in turn, the files of each split."""

    folder: str
    addresses: tuple[str, ...]
    files: Mapping[str, tuple[SourceFile, ...]]


@dataclass(frozen=True)
class DrawnSet:
    """A data set that the library draws: ``draw(count, seed, limit) -> (images, labels)``, the first ``limit`` of
    ``count`` (None: all of them), and each split's (count, seed)."""

    draw: Callable[[int, int, int | None], tuple[np.ndarray, np.ndarray]]
    splits: Mapping[str, tuple[int, int]]
