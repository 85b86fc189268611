"""Synthetic house numbers: the data set ``street``.

The images are like SVHN's (Netzer et al., 2011): 32 x 32, in colour, labelled by the digit in the middle, with parts of
neighbouring digits at the sides. An image is generated in these steps:

1. a house number of one to three digits on a slightly tilted line, drawn as in ``strokes`` with less variation, as the
   fraction of each pixel that the paint covers (``pen.draw``);
2. a plate on a wall, with a pair of colours from ``PAINTS``;
3. a texture T of plate and wall, and an illumination L of everything,

       image = L ((1 - paint) ground (1 + T) + paint colour);

4. a blur by a Gaussian.

Illumination, texture and blur use the discrete cosine transform, D_ux ~ cos(pi u (x + 1/2) / 32), an orthonormal basis
of a row of pixels. A smooth random field is D^T A D with random coefficients A that decay with the frequency; a blur by
a Gaussian of s pixels, mirrored at the edges, multiplies each cosine by exp(-(pi u s / 32)^2 / 2).

All digits are legible: the brightness of plate and paint differs, there is no texture on the paint, and the blur is
narrower than the lines. A small convolutional classifier has an accuracy of 0.99.
"""

import numpy as np

from tinygen.data.pen import draw
from tinygen.data.strokes import write
from tinygen.kernels.cpu.parallel import parallel

SIDE = 32

# Pairs of colours of plate and paint: red, green and blue, from 0 to 255.
PAINTS = np.array(
    [
        [(24, 42, 110), (240, 240, 238)],  # white on blue enamel
        [(34, 44, 66), (206, 212, 214)],
        [(60, 92, 150), (238, 240, 242)],
        [(232, 232, 228), (28, 28, 34)],  # black on white
        [(222, 220, 212), (36, 52, 124)],  # blue on white
        [(206, 212, 222), (70, 74, 96)],
        [(212, 200, 176), (52, 42, 38)],  # brown on plaster
        [(186, 168, 146), (40, 36, 36)],
        [(168, 172, 160), (44, 50, 52)],  # black on concrete
        [(206, 210, 166), (58, 62, 52)],  # black on pale green
        [(208, 168, 72), (44, 38, 36)],  # black on yellow
        [(132, 66, 48), (232, 222, 210)],  # white on brick
        [(92, 60, 44), (214, 200, 172)],  # cream on wood
        [(36, 32, 32), (204, 172, 104)],  # brass on black
        [(46, 76, 58), (228, 226, 206)],  # white on green
        [(106, 108, 112), (238, 238, 236)],  # white on stone
    ]
)
WALLS = np.array([(128, 62, 46), (176, 150, 122), (70, 54, 46), (198, 194, 184), (104, 108, 112), (40, 42, 48)])

_BLOCK = 250  # images per generator: fit into a core's cache; a multiple of ten
_DISPLACEMENT = 0.4  # of the displacements in handwriting
_PRINT = (-0.2, 0.04, 0.0), (0.13, 0.1, 0.04)  # means and standard deviations: log of the width, slant, rotation
_FREQUENCIES, _CENTRES = np.arange(SIDE), np.arange(SIDE) + 0.5
_SCALES = np.sqrt(np.minimum(_FREQUENCIES + 1, 2) / SIDE)  # of norm 1
_BASIS = (_SCALES[:, None] * np.cos(np.pi / SIDE * np.outer(_FREQUENCIES, _CENTRES))).astype(np.float32)  # D_ux


def _numbers(labels: np.ndarray, beside: np.ndarray, thickness: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """House numbers with ``labels`` (n,) in the middle, as pieces (2, 2, n, 3 P) for ``pen.draw``.

    ``beside`` (2, n): whether there are digits to the left and right; ``thickness`` (n,) of the lines, in pixels.
    """
    n = len(labels)
    digits = np.concatenate([labels, random.integers(10, size=2 * n)])
    pieces = write(digits, random, _DISPLACEMENT, _PRINT).reshape(2, 2, 3, n, -1)  # middle, left, right digit
    low, high = pieces.min((0, 4)), pieces.max((0, 4))  # (2, 3, n): the corners of the boxes around them
    width, height = high - low  # (3, n) each
    tall = random.uniform(21, 27, n)
    scale = np.minimum((tall - thickness) / height, (22 - thickness) / width)  # of the same height, and not too wide
    pieces = (pieces - ((low + high) / 2)[..., None]) * scale[..., None]
    half = (scale * width + thickness) / 2
    # A digit that is absent is placed outside the image.
    apart = half[0] + half[1:] + np.where(beside, random.uniform(1, 5, (2, n)), SIDE)
    pieces[:, 0, 1:] += (np.array([[-1], [1]]) * apart)[..., None]
    x, y = np.concatenate(np.moveaxis(pieces, 2, 0), axis=-1).swapaxes(0, 1)  # (2, n, 3 P) each
    tilt = random.normal(0, 0.05, (n, 1))
    return np.stack([x - tilt * y, y + tilt * x], axis=1) + SIDE / 2 + random.normal(0, 0.6, (2, n, 1))


def _colours(count: int, random: np.random.Generator) -> np.ndarray:
    """Colours (3, count, 3, 1, 1) of plates, of the paint on them and of walls, with reduced saturation."""
    plates, paints = PAINTS[random.integers(len(PAINTS), size=count)].swapaxes(0, 1)
    walls = WALLS[random.integers(len(WALLS), size=count)]
    colours = np.stack([plates, paints, walls]) + random.uniform(-15, 15, (3, count, 3))
    grey = colours.mean(-1, keepdims=True)
    pale = grey + random.uniform(0.3, 0.9, (count, 1)) * (colours - grey)
    return pale.astype(np.float32)[..., None, None]


def _plates(beside: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The fraction (n, 1, SIDE, SIDE) of each pixel that the plate covers; it contains all digits."""
    n = beside.shape[1]
    margin = random.uniform(-5, 3, (2, 2, n))  # from the canvas's edges to the plate's: left, right; top, bottom
    margin[0][beside] = -SIDE
    inside = np.minimum(_CENTRES - margin[:, 0, :, None], SIDE - _CENTRES - margin[:, 1, :, None])  # (2, n, SIDE)
    across, down = np.clip(inside + 0.5, 0, 1).astype(np.float32)
    return (down[:, :, None] * across[:, None])[:, None]


def _fields(bandwidth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Smooth random fields (n, 1, SIDE, SIDE) of mean 0 and variance 1.

    ``bandwidth`` (2, n) is about the highest vertical and horizontal frequency, in half waves per side.
    """
    down, across = np.exp(-np.square(_FREQUENCIES / bandwidth[..., None]) / 2)  # (n, SIDE) each
    coefficients = down[:, :, None] * across[:, None] * random.standard_normal((len(down), SIDE, SIDE))
    coefficients[:, 0, 0] = 0
    coefficients *= SIDE / np.linalg.norm(coefficients, axis=(1, 2), keepdims=True)
    return (_BASIS.T @ coefficients.astype(np.float32) @ _BASIS)[:, None]


def _blur(images: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Images (n, C, SIDE, SIDE) blurred by Gaussians of standard ``deviation`` (n,) pixels."""
    damping = np.exp(-np.square(np.pi / SIDE * _FREQUENCIES * deviation[:, None]) / 2).astype(np.float32)  # (n, SIDE)
    along = (_BASIS.T * damping[:, None] @ _BASIS)[:, None]  # (n, 1, SIDE, SIDE), symmetric: a blur along one axis
    return along @ images @ along


def _block(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``count`` images uint8 (count, 3, SIDE, SIDE) and their labels (count,)."""

    def uniform(low: float, high: float) -> np.ndarray:
        return random.uniform(low, high, (count, 1, 1, 1)).astype(np.float32)

    labels = random.permutation(np.arange(count) % 10)
    beside = random.random((2, count)) < 0.55
    thickness = random.uniform(2.4, 4.6, count)
    paint = draw(_numbers(labels, beside, thickness, random), thickness, (SIDE, SIDE))[:, None]
    plate, colour, wall = _colours(count, random)
    texture = uniform(0.01, 0.1) * _fields(np.exp(random.uniform(0, 1.6, (2, count))), random)
    light = np.exp(uniform(-0.45, 0.05) + uniform(0, 0.25) * _fields(random.uniform(0.6, 1.6, (2, count)), random))

    ground = (wall + _plates(beside, random) * (plate - wall)) * (1 + texture)
    images = _blur(light * (ground + paint * (colour - ground)), random.uniform(0.3, 1.1, count))
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8), labels


def street(count: int, seed: int, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """``count`` house numbers: images uint8 (count, 3, 32, 32), labels int64 (count,) of the digits in the middle.

    They depend on ``count`` and ``seed`` alone. All digits are equally frequent (to one), in random order. With
    ``limit`` only the first ``limit`` of ``count`` images are drawn, which are the same as without.
    """
    shown = count if limit is None else min(limit, count)
    images, labels = np.empty((shown, 3, SIDE, SIDE), np.uint8), np.empty(shown, np.int64)

    def work(first: int, last: int) -> None:
        for start in range(first * _BLOCK, last * _BLOCK, _BLOCK):
            # One generator per block, so that the result does not depend on the threads.
            random = np.random.Generator(np.random.PCG64([seed, start]))
            drawn, read = _block(min(_BLOCK, count - start), random)
            part = slice(start, min(start + _BLOCK, shown))
            images[part], labels[part] = drawn[: shown - start], read[: shown - start]

    parallel(work, -(-shown // _BLOCK))
    return images, labels
