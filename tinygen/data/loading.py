"""From a name to a data set: find the file, or fetch it; parse it, or take it from the cache; cut the splits.

A file that lies in the root is trusted for what it holds, not for what it is: its structure is checked to the last
byte, and where its content is not the published one, a warning says so. Only a download is ever written there.
"""

import hashlib
import os
import warnings
from pathlib import Path

from tinygen.data.cache import cache_folder, entry_path, read_entry, write_entry
from tinygen.data.catalogue import CATALOGUE
from tinygen.data.dataset import Dataset
from tinygen.data.download import fetch
from tinygen.data.formats import Arrays, unpack
from tinygen.data.source import SPLITS, DrawnSet, PublishedSet, SourceFile


def names() -> tuple[str, ...]:
    """The names of the data sets that ``load`` knows."""
    return tuple(CATALOGUE)


def load(
    name: str,
    split: str,
    *,
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
    limit: int | None = None,
) -> Dataset:
    """A split of a data set: ``images`` (N, C, H, W), uint8 greys or 0/1, and ``labels``, int64 (N,) or None.

    A set without validation images of its own gives the last tenth of its training images to ``valid``, and the other
    nine to ``train``. Parsed files are kept in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``).

    Args:
        name: one of ``names()``.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        root: the folder that holds a folder a set (``binarized_mnist``, ``mnist``, ``fashion_mnist``, ``svhn``) with
            the official files, plain or gzipped. Default: ``$TINYGEN_DATA``, else the user's cache folder.
        download: whether to fetch a file that is not there.
        limit: only the first so many images of the split; a set that the library draws is drawn no further.

    Raises:
        ValueError: an unknown name or split, or a limit below 1; a file that is broken or is not what its name says.
        FileNotFoundError: a file that is neither there nor to be had.
    """
    if name not in CATALOGUE:
        raise ValueError(f"load: there is no data set {name!r}, choose from {', '.join(CATALOGUE)}")
    if split not in SPLITS:
        raise ValueError(f"load: there is no split {split!r} of {name}, choose from {', '.join(SPLITS)}")
    if limit is not None and limit < 1:
        raise ValueError(f"load: limit must be at least 1, got {limit}")
    entry = CATALOGUE[name]
    if isinstance(entry, DrawnSet):
        return Dataset(*entry.draw(*entry.splits[split], limit), name, split)
    folder = Path(root or os.environ.get("TINYGEN_DATA") or cache_folder()).expanduser() / entry.folder
    arrays: Arrays = {}
    for source in entry.files.get(split) or entry.files["train"]:
        arrays |= _read(source, _locate(source, entry, folder, download), entry.folder)
    images, labels = arrays["images"], arrays.get("labels")
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"{folder}: the files of {name} hold {len(images):,} images and {len(labels):,} labels")
    return _cut(Dataset(images, labels, name, split), entry)[:limit]


def _cut(dataset: Dataset, entry: PublishedSet) -> Dataset:
    """Part training from validation images where the set itself does not."""
    if dataset.split == "test" or "valid" in entry.files:
        return dataset
    tenth = max(1, len(dataset) // 10)
    return dataset[:-tenth] if dataset.split == "train" else dataset[-tenth:]


def _locate(source: SourceFile, entry: PublishedSet, folder: Path, download: bool) -> Path:
    """The path of a source file, plain or gzipped, which is fetched where it is missing."""
    path, plain = folder / source.name, source.name.removesuffix(".gz")
    found = [candidate for candidate in (path, folder / plain, folder / f"{plain}.gz") if candidate.exists()]
    if found:
        return found[0]
    reasons = ["download=False"]
    if download:
        addresses = [address + source.name for address in entry.addresses]
        reasons = fetch(addresses, path, source.size, source.sha256)
        if len(reasons) < len(addresses):
            return path
    raise FileNotFoundError(
        f"{source.name} is not in {folder} (plain or gzipped) and could not be fetched: {'; '.join(reasons)}. "
        "Put the file there, or name the folder that holds one for each set with root, --data-root or $TINYGEN_DATA; "
        "--data strokes and --data street need no files"
    )


def _read(source: SourceFile, path: Path, folder: str) -> Arrays:
    """The arrays in a source file: from the cache where they were parsed before, else from the file itself."""
    raw = path.read_bytes()
    cached = entry_path(folder, source.name, hashlib.sha256(raw).hexdigest())
    entry = read_entry(cached)
    if entry is None:
        try:
            content = unpack(raw)
            arrays = source.parse(content)
            _check_count(arrays, source)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        entry = arrays, hashlib.sha256(content).hexdigest()
        try:
            write_entry(cached, *entry)
        except OSError as error:
            warnings.warn(f"{path.name} will be parsed again next time: {error}", stacklevel=3)
    arrays, content_sha256 = entry
    if content_sha256 != source.content_sha256:
        name, array = next(iter(arrays.items()))
        warnings.warn(
            f"{path} is not the official {source.name}: the SHA-256 of its content is {content_sha256[:8]}..., not "
            f"{source.content_sha256[:8]}...; it holds {len(array):,} {name}, the official file {source.count:,}",
            stacklevel=3,
        )
    return arrays


def _check_count(arrays: Arrays, source: SourceFile) -> None:
    for name, array in arrays.items():
        if not 0 < len(array) <= source.count:
            raise ValueError(f"it holds {len(array):,} {name}, expected from 1 to {source.count:,}")
