"""Samples as files: folders of images, read as a generator's samples are, and written for others to read.

An image that is made smaller must first lose what the smaller one cannot show: each of its pixels is a mean over all
that it stands for, or fine lines turn into patterns that were not there, and a score sees them (Parmar, Zhang and Zhu
2022). Pillow's filters are as wide as the scale asks for.

A file's numbers are taken at their true range: 16-bit greys from 0 to 65535, others from 0 to 255. What is transparent
is shown over white, as a page shows it. Kinds whose range no file states (32-bit integers and floating-point numbers,
CIE LAB) are refused.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image, UnidentifiedImageError

from tinygen.checks import Count, Rule, checked

COLOURS = Rule(
    "uint8 images (N, 3, H, W), not empty",
    lambda images: images.dtype == np.uint8 and images.ndim == 4 and images.shape[1] == 3 and images.size > 0,
)
KINDS = {"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"}  # Pillow's modes of 8 bits a number or fewer
TRANSPARENT_KINDS = {"LA", "La", "PA", "RGBA", "RGBa"}
SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}
WHOLE_RANGE = {"PNG", "PPM"}  # formats whose 16-bit greys Pillow gives from 0 to 65535, in some versions as mode I
BITS, PHOTOMETRIC, BLACK_IS_ZERO = 258, 262, 1  # TIFF's tags, and the value of the second that is meant here


@checked
def read_images(folder: str | Path, side: Count = 32) -> np.ndarray:
    """The images in ``folder``, in the order of their names: uint8 (N, 3, side, side).

    Where all that a folder holds is a folder ``samples``, that one is meant. PNG, JPEG and whatever else Pillow reads,
    of any size: they are made RGB, over white where they are transparent, and resized by a triangle that is as wide as
    the scale asks for. Names that begin with a dot are passed over.

    Raises ``ValueError`` for a folder without images and for a file in it that is none, or of a kind whose range is not
    known, naming it, and ``NotADirectoryError`` where there is no such folder.
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


@checked
def write_images(images: Annotated[np.ndarray, COLOURS], folder: str | Path) -> None:
    """Write ``images``, uint8 (N, 3, H, W), as PNG files into a folder ``samples`` in ``folder``, which is to hold
    nothing else: so ``read_images`` reads it, and the assignment's own script. All of them are written, or none.

    Raises ``FileExistsError`` where ``folder`` holds something already, or is a file.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"write_images: {folder} is not empty, or no folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
        samples = Path(beside) / folder.name / "samples"
        samples.mkdir(parents=True)
        for number, image in enumerate(images):
            colours = np.ascontiguousarray(image.transpose(1, 2, 0))  # (3, H, W) -> (H, W, 3)
            Image.fromarray(colours).save(samples / f"{number:05d}.png")
        samples.parent.replace(folder)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _read(path: Path, side: int) -> np.ndarray:
    """One image as (3, side, side)."""
    try:
        with Image.open(path) as opened:
            opened.load()
            image = _colours(opened)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"read_images: {path} is no image that can be read: {error}") from error
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def _colours(image: Image.Image) -> Image.Image:
    """``image`` in mode RGB, at its true range and over white; a ``ValueError`` where its range is not known."""
    if _has_sixteen_bits(image):
        greys = np.asarray(image).astype(np.float64) / 257  # 65535 / 255
        return Image.fromarray(np.rint(greys).astype(np.uint8)).convert("RGB")
    if image.mode not in KINDS | TRANSPARENT_KINDS:
        raise ValueError(f"the range of its numbers is not known (Pillow's mode {image.mode}, {image.format})")
    if image.mode not in TRANSPARENT_KINDS and "transparency" not in image.info:
        return image.convert("RGB")
    straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)  # from colours times opacity
    visible = image.convert(straight).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), visible).convert("RGB")


def _has_sixteen_bits(image: Image.Image) -> bool:
    """Whether ``image`` holds greys from 0 for black to 65535 for white."""
    if image.format == "TIFF" and image.mode in SIXTEEN_BITS:
        tags = image.tag_v2  # type: ignore[attr-defined]
        return tags.get(BITS) == (16,) and tags.get(PHOTOMETRIC) == BLACK_IS_ZERO
    return image.format in WHOLE_RANGE and image.mode in SIXTEEN_BITS | {"I"}
