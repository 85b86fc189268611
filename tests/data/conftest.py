"""Small files in the published formats, and a cache folder and a root of each test's own."""

import io
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def amat(rows: np.ndarray) -> bytes:
    return b"".join(b" ".join(b"%d" % pixel for pixel in row) + b"\n" for row in rows.reshape(len(rows), -1))


def matlab(packed: bool = True, **variables: np.ndarray) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, do_compression=packed)
    return file.getvalue()


@pytest.fixture
def encode() -> SimpleNamespace:
    """Writers of the formats: arrays in, the bytes of a file out."""
    return SimpleNamespace(idx=idx, amat=amat, matlab=matlab)


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own cache and data out of the tests."""
    home = tmp_path / "cache-home"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.delenv("TINYGEN_DATA", raising=False)
    return home


@pytest.fixture
def digits() -> SimpleNamespace:
    """Twenty-three random grey images with their labels, not one like another."""
    random = np.random.default_rng(7)
    return SimpleNamespace(
        images=random.integers(0, 256, (23, 1, 28, 28), np.uint8),
        binary=random.integers(0, 2, (23, 1, 28, 28), np.uint8),
        colour=random.integers(0, 256, (23, 3, 32, 32), np.uint8),
        labels=random.integers(0, 10, 23).astype(np.uint8),
    )


@pytest.fixture
def root(tmp_path: Path, digits: SimpleNamespace) -> Path:
    """A root with a small file for every published one."""
    folder = tmp_path / "root"
    mat = matlab(X=digits.colour.transpose(2, 3, 1, 0), y=np.where(digits.labels == 0, 10, digits.labels)[:, None])
    files = {
        f"binarized_mnist/binarized_mnist_{split}.amat": amat(digits.binary) for split in ("train", "valid", "test")
    }
    files |= {f"svhn/{split}_32x32.mat": mat for split in ("train", "test")}
    for name in ("mnist", "fashion_mnist"):
        for split in ("train", "t10k"):
            files[f"{name}/{split}-images-idx3-ubyte"] = idx(digits.images[:, 0])
            files[f"{name}/{split}-labels-idx1-ubyte"] = idx(digits.labels)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
