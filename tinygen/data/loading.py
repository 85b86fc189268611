"""Loading a data set by name: its files are found or downloaded, parsed or read from the cache, and split.

The structure of a file in the root is checked to the last byte; a file whose content is not the published one is used
with a warning. Only downloads are written to the root.
"""

import hashlib
import os
import warnings
from pathlib import Path

from tinygen.checks import Count, checked
from tinygen.data.cache import cache_folder, can_write, entry_path, keep_entry, read_entry, temporary_folder
from tinygen.data.catalogue import CATALOGUE, SPLITS, PublishedSet, SourceFile, SyntheticSet
from tinygen.data.dataset import Dataset
from tinygen.data.download import fetch
from tinygen.data.formats import Arrays, unpack


def names() -> tuple[str, ...]:
    """The names of all data sets."""
    return tuple(CATALOGUE)


@checked
def load(
    name: str,
    split: str,
    *,
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
    limit: Count | None = None,
) -> Dataset:
    """A split of a data set: ``images`` (N, C, H, W), uint8 or bool, and ``labels``, int64 (N,) or None.

    In a set without validation images the last tenth of the training images is ``valid``, the rest ``train``. Parsed
    files are kept in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``); if it cannot be written, a warning
    says so, once.

    Args:
        name: one of ``names()``.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        root: a folder with one folder per set (``binarized_mnist``, ``mnist``, ``fashion_mnist``, ``svhn``), which
            contains the official files, plain or gzipped. Default: ``$TINYGEN_DATA``, else the user's cache folder.
        download: whether to download missing files.
        limit: the number of images, the first of the split (default: all). A synthetic set is drawn only up to there.

    Raises:
        TypeError: an argument of another type.
        ValueError: an unknown name or split, a limit below 1, or a file that is damaged or of another format.
        FileNotFoundError: a file that is missing and cannot be downloaded.
    """
    if name not in CATALOGUE:
        raise ValueError(f"load: there is no data set {name!r}, choose from {', '.join(CATALOGUE)}")
    if split not in SPLITS:
        raise ValueError(f"load: there is no split {split!r} of {name}, choose from {', '.join(SPLITS)}")
    entry = CATALOGUE[name]
    if isinstance(entry, SyntheticSet):
        return Dataset(*entry.draw(*entry.splits[split], limit), name, split)
    folders = [each / entry.folder for each in _roots(root or os.environ.get("TINYGEN_DATA"))]
    arrays: Arrays = {}
    for source in entry.files.get(split) or entry.files["train"]:
        arrays |= _read(source, _locate(source, entry, folders, download), entry.folder)
    images, labels = arrays["images"], arrays.get("labels")
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"{folders[-1]}: the files of {name} hold {len(images):,} images and {len(labels):,} labels")
    return _split(Dataset(images, labels, name, split), entry)[:limit]


def _roots(named: str | os.PathLike[str] | None) -> list[Path]:
    """The folders to search, the last of which receives downloads: ``named``, else the cache, followed by a temporary
    folder if the cache cannot be written."""
    if named:
        try:
            return [Path(named).expanduser()]
        except RuntimeError as error:
            raise ValueError(f"load: root {str(named)!r} begins with a home folder that is not known") from error
    folder = cache_folder()
    if folder is not None and can_write(folder):
        return [folder]
    return [*([folder] if folder else []), Path(temporary_folder().name)]


def _split(dataset: Dataset, entry: PublishedSet) -> Dataset:
    """Separate training from validation images if the set itself does not."""
    if dataset.split == "test" or "valid" in entry.files:
        return dataset
    tenth = max(1, len(dataset) // 10)
    return dataset[:-tenth] if dataset.split == "train" else dataset[-tenth:]


def _locate(source: SourceFile, entry: PublishedSet, folders: list[Path], download: bool) -> Path:
    """The path of a source file, plain or gzipped; a missing file is downloaded into the last folder."""
    plain, folder = source.name.removesuffix(".gz"), folders[-1]
    path = folder / source.name
    names = (source.name, plain, f"{plain}.gz")
    found = [each / name for each in folders for name in names if os.path.exists(each / name)]
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
    """The arrays in a source file, from the cache if it has them, else parsed."""
    raw = path.read_bytes()
    cached = entry_path(folder, source.name, hashlib.sha256(raw).hexdigest())
    entry = None if cached is None else read_entry(cached)
    if entry is None:
        try:
            content = unpack(raw)
            arrays = source.parse(content)
            _check_count(arrays, source)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        entry = arrays, hashlib.sha256(content).hexdigest()
        if cached is not None:
            keep_entry(cached, *entry)
    arrays, content_sha256 = entry
    if content_sha256 != source.content_sha256:
        name, array = next(iter(arrays.items()))
        warnings.warn(
            f"{path} is not the official {source.name}: the SHA-256 of its content is {content_sha256[:8]}..., not "
            f"{source.content_sha256[:8]}...; it holds {len(array):,} {name}, the official file {source.count:,}",
            stacklevel=4,
        )
    return arrays


def _check_count(arrays: Arrays, source: SourceFile) -> None:
    for name, array in arrays.items():
        if not 0 < len(array) <= source.count:
            raise ValueError(f"it holds {len(array):,} {name}, expected from 1 to {source.count:,}")
