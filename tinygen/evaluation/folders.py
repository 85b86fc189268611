"""Samples as files: folders of images, read as a generator's samples are, and written for others to read.

An image that is made smaller must first lose what the smaller one cannot show: each of its pixels is a mean over all
that it stands for, or fine lines turn into patterns that were not there, and a score sees them (Parmar, Zhang and Zhu
2022). Pillow's filters are as wide as the scale asks for.
"""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tinygen.checkpoint import written_whole


def read_images(folder: str | Path, side: int = 32) -> np.ndarray:
    """The images in ``folder``, in the order of their names: uint8 (N, 3, side, side).

    Where all that a folder holds is a folder ``samples``, that one is meant. PNG, JPEG and whatever else Pillow reads,
    of any size and kind: they are made RGB, and resized by a triangle that is as wide as the scale asks for. Names that
    begin with a dot are passed over.

    Raises ``ValueError`` for a folder without images and for a file in it that is none, naming it, and
    ``NotADirectoryError`` where there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"read_images: there is no folder {folder}")
    paths = _visible(folder)
    if [path.name for path in paths] == ["samples"] and paths[0].is_dir():
        folder, paths = paths[0], _visible(paths[0])
    if not paths:
        raise ValueError(f"read_images: there are no images in {folder}")
    return np.stack([_read(path, side) for path in paths])


def write_images(images: np.ndarray, folder: str | Path) -> None:
    """Write ``images``, uint8 (N, 3, H, W), as PNG files into a folder ``samples`` in ``folder``, which is to hold
    nothing else: so ``read_images`` reads it, and the assignment's own script.

    Raises ``FileExistsError`` where ``folder`` holds something already.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"write_images: {folder} is not empty")
    samples = folder / "samples"
    samples.mkdir(parents=True)
    for number, image in enumerate(images):
        with written_whole(samples / f"{number:05d}.png") as path:
            Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(path, format="PNG")


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _read(path: Path, side: int) -> np.ndarray:
    """One image as (3, side, side)."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"read_images: {path} is no image that can be read: {error}") from error
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)
