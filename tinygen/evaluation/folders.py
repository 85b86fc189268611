"""Samples as files: folders of images, read and written.

Reducing an image needs a low-pass filter, or aliasing changes the score (Parmar, Zhang and Zhu 2022): each new pixel is
a mean over the old ones that it covers. The width of Pillow's filters is proportional to the scale.

16-bit greys have the range 0 to 65535, other images 0 to 255. Transparent images are composed over white. Modes without
a defined range (32-bit integers, floating-point numbers, CIE LAB) are refused.
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
KINDS = {"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"}  # Pillow's modes of at most 8 bits per number
TRANSPARENT_KINDS = {"LA", "La", "PA", "RGBA", "RGBa"}
SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}
WHOLE_RANGE = {"PNG", "PPM"}  # formats whose 16-bit greys Pillow reads as 0 to 65535, in some versions as mode I
BITS, PHOTOMETRIC, BLACK_IS_ZERO = 258, 262, 1  # tags of TIFF, and a value of the second


@checked
def read_images(folder: str | Path, side: Count = 32) -> np.ndarray:
    """The images in ``folder``, in the order of their names: uint8 (N, 3, side, side).

    If ``folder`` contains only a folder ``samples``, that one is read. Files of all formats that Pillow reads and of
    any size are converted to RGB, transparent ones over white, and resized by an anti-aliasing triangle filter. Names
    that begin with a dot are ignored.

    Raises ``ValueError`` for a folder without images and for a file that is not an image, or of a mode without a
    defined range, and ``NotADirectoryError`` for a missing folder.
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
    """Write ``images``, uint8 (N, 3, H, W), as PNG files into a new folder ``samples`` in ``folder``, as
    ``read_images`` and the assignment's script read them. Either all of them are written or none.

    Raises ``FileExistsError`` where ``folder`` is not empty, or is a file.
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
    """``image`` in mode RGB, from 0 to 255 and over white; ``ValueError`` for a mode without a defined range."""
    if _has_sixteen_bits(image):
        greys = np.asarray(image).astype(np.float64) / 257  # 65535 / 255
        return Image.fromarray(np.rint(greys).astype(np.uint8)).convert("RGB")
    if image.mode not in KINDS | TRANSPARENT_KINDS:
        raise ValueError(f"the range of its numbers is not known (Pillow's mode {image.mode}, {image.format})")
    if image.mode not in TRANSPARENT_KINDS and "transparency" not in image.info:
        return image.convert("RGB")
    straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)  # from premultiplied alpha
    visible = image.convert(straight).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), visible).convert("RGB")


def _has_sixteen_bits(image: Image.Image) -> bool:
    """Whether ``image`` is grey, from 0 for black to 65535 for white."""
    if image.format == "TIFF" and image.mode in SIXTEEN_BITS:
        tags = image.tag_v2  # type: ignore[attr-defined]
        return tags.get(BITS) == (16,) and tags.get(PHOTOMETRIC) == BLACK_IS_ZERO
    return image.format in WHOLE_RANGE and image.mode in SIXTEEN_BITS | {"I"}
