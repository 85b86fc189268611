"""Synthetic handwritten digits: the data set ``strokes``.

Each digit has a few **styles** (a 7 with and without a bar, an open and a closed 4), each a handful of control points
in a unit square. An image is generated in these steps:

1. the control points of a random style are moved, x -> x + e with e ~ N(0, K) and
   K_ij = a^2 exp(-|p_i - p_j|^2 / (2 r^2)) + b^2 [i = j]: a Gaussian process, in which near points move together;
2. the digit is stretched horizontally, slanted and rotated;
3. it is scaled into a box of 20 x 20 pixels and placed with its centre of mass at the centre of the image, as in MNIST;
4. it is drawn with a random line thickness (``pen.draw``).

The images are 28 x 28 with the ink at 255, as in MNIST. Their mean grey, line thickness and pairwise distances are
close to MNIST's: a small convolutional classifier trained on them alone classifies nine of ten of MNIST's test images.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from tinygen.data.pen import draw, pieces_matrix

# Control points "x,y" in hundredths of the digit's height, x to the right and y downwards; "/" separates the curves. A
# point that occurs twice is one point, so that corners and rings stay closed.
STYLES: dict[int, list[str]] = {
    0: [
        "55,0 20,18 4,55 22,93 55,98 90,65 86,20 55,0",
        "70,8 35,5 8,40 12,85 50,100 88,70 85,25 45,-2",
        "35,10 5,50 25,95 65,95 95,50 75,5 30,2 15,20",
        "80,15 60,0 20,25 10,70 40,98 80,75 90,35 70,12",
        "30,5 8,45 22,92 60,98 92,65 85,20 60,2",
        "45,8 12,45 25,92 60,98 92,60 82,18 50,0 30,15 40,25",
    ],
    1: [
        "50,0 50,50 50,100",
        "52,0 50,35 50,70 48,100",
        "30,22 50,0 / 50,0 50,50 50,100",
        "30,20 52,0 / 52,0 50,100 / 20,100 50,101 82,98",
    ],
    2: [
        "10,25 38,0 78,10 80,38 45,72 5,100 / 5,100 95,97",
        "10,20 45,0 80,20 68,55 32,92 8,92 15,74 45,84 95,95",
        "15,22 50,0 82,22 70,60 35,97 2,92 8,68 40,74 70,92 105,90",
        "15,20 50,0 80,22 60,60 8,95 / 8,95 35,86 65,97 100,90",
        "5,10 45,2 75,15 65,50 20,93 / 20,93 90,100",
        "20,30 25,8 55,0 75,22 55,60 10,98 / 10,98 50,94 90,98",
        "35,20 55,0 65,15 45,55 5,95 / 5,95 50,97 110,88",
        "5,15 45,5 80,2 / 80,2 50,45 10,95 / 10,95 90,98",
        "20,20 50,0 78,20 70,50 45,85 20,98 10,85 25,75 60,88 90,100",
    ],
    3: [
        "10,12 45,0 80,18 65,40 35,47 / 35,47 75,55 85,78 55,100 8,90",
        "10,15 45,0 75,15 65,36 42,46 68,56 80,78 50,100 10,88",
        "10,4 80,4 / 80,4 42,42 / 42,42 78,55 80,85 40,100 5,88",
        "15,10 50,0 72,18 55,42 30,50 35,44 65,52 72,80 40,101 5,92",
        "20,8 55,0 70,15 45,42 / 45,42 72,55 70,85 40,100 20,92",
        "8,8 50,0 78,8 45,38 / 45,38 88,52 80,88 40,102 0,85",
    ],
    4: [
        "18,0 10,30 10,52 / 10,52 45,54 80,48 / 82,2 78,50 70,100",
        "65,0 35,32 2,62 / 2,62 98,60 / 65,0 65,100",
        "10,5 8,40 35,56 80,40 / 85,0 80,40 68,100",
        "30,0 2,60 / 2,60 95,62 / 68,30 60,100",
        "20,2 10,45 / 10,45 95,42 / 80,0 60,50 50,100",
        "22,0 15,45 / 15,45 100,40 / 65,10 60,100",
    ],
    5: [
        "88,2 30,4 / 30,4 20,45 / 20,45 55,38 85,62 70,92 35,100 6,88",
        "88,2 42,5 22,26 45,46 75,65 65,92 35,100 5,90",
        "30,10 25,42 60,45 80,70 55,97 8,92 / 30,10 95,0",
        "105,0 48,10 / 48,10 32,42 / 32,42 58,50 60,80 32,100 0,94",
        "85,0 35,8 / 35,8 25,40 50,45 68,65 50,95 25,98 15,80",
    ],
    6: [
        "70,0 35,25 12,60 20,92 50,100 76,80 65,58 40,58 17,78",
        "40,0 18,35 12,75 40,100 78,85 72,60 42,56 14,75",
        "85,3 45,18 12,60 25,97 68,90 78,66 50,58 20,90",
        "60,0 25,30 8,75 35,101 80,85 75,58 42,54 12,75",
        "55,0 35,40 25,80 42,100 60,88 55,70 28,84",
        "40,0 12,50 20,95 50,98 85,70 75,45 50,60 35,95",
        "55,0 20,45 15,85 40,101 68,85 60,62 38,65 25,90",
    ],
    7: [
        "5,10 90,6 / 90,6 60,50 40,100",
        "5,10 90,6 / 90,6 60,50 40,100 / 28,52 85,48",
        "6,26 10,6 / 10,6 50,10 90,2 / 90,2 70,50 55,100",
        "2,25 25,5 60,10 85,8 72,45 50,100",
        "10,12 45,10 80,3 75,40 70,100",
        "12,42 18,10 / 18,10 50,12 82,2 / 82,2 65,50 48,100",
        "10,30 30,5 65,5 80,20 65,60 55,100",
        "8,22 15,5 50,8 85,2 / 85,2 55,55 45,100 / 35,50 80,46",
    ],
    8: [
        "75,12 42,0 20,20 45,46 74,74 50,100 20,80 42,50 72,28 75,12",
        "50,46 20,24 50,0 80,22 50,46 / 50,46 12,74 50,100 88,74 50,46",
        "90,8 50,2 22,20 45,46 66,78 40,100 16,80 45,50 85,15",
        "80,5 45,5 30,25 55,52 60,82 38,100 22,82 45,52 70,30 78,12",
        "55,42 25,30 40,2 75,8 72,35 50,50 25,75 35,100 65,92 70,65 45,40",
        "85,8 50,0 20,15 42,42 62,68 55,98 32,96 34,70 55,48 85,8",
        "20,10 50,40 72,75 48,100 25,78 48,50 85,8 / 20,10 50,0 85,8",
        "88,5 30,15 45,40 65,70 45,100 25,85 40,60 75,12",
    ],
    9: [
        "80,18 50,2 15,22 28,46 60,42 80,18 / 80,18 76,60 70,100",
        "80,15 45,0 15,25 35,48 70,35 80,15 / 80,15 82,55 60,95 20,92",
        "78,10 40,4 14,28 35,46 68,30 78,10 68,55 45,100",
        "75,8 50,0 25,18 32,38 60,34 75,8 / 75,8 68,50 55,100",
        "65,6 35,5 15,28 40,45 75,25 / 82,5 72,50 65,100",
        "70,30 40,45 20,25 45,0 72,12 75,50 60,90 30,100",
        "95,8 45,5 10,32 40,50 78,12 / 78,12 68,55 62,100",
        "72,22 48,5 22,22 45,40 72,22 72,60 68,100",
        "75,15 52,3 25,15 35,34 60,32 75,15 / 75,15 70,55 55,100",
        "68,12 45,3 28,20 40,36 62,28 70,10 / 70,10 65,50 50,100",
    ],
}

_PIECES = 64  # per digit: about a pixel long at a height of 20 pixels
_COMMON, _OWN, _REACH = 0.075, 0.03, 0.45  # a, b and r of the Gaussian process, in the digit's height
_HAND = (-0.07, 0.2, 0.0), (0.21, 0.25, 0.1)  # means and standard deviations: log of the width, slant, turn (radians)

Pose = tuple[tuple[float, float, float], tuple[float, float, float]]


class _Glyph(NamedTuple):
    """One style of a digit."""

    points: np.ndarray  # (2, 1, K): the control points
    jitter: np.ndarray  # (K, K): L^T with K = L L^T
    pieces: np.ndarray  # (2, 1, K, P): from control points to the starts and ends of the pieces


def _glyph(style: str) -> _Glyph:
    strokes = [stroke.split() for stroke in style.split("/")]
    names = list(dict.fromkeys(name for stroke in strokes for name in stroke))
    points = np.array([name.split(",") for name in names], float) / 100  # (K, 2)
    squared = np.square(points[:, None] - points).sum(2)
    covariance = _COMMON**2 * np.exp(-squared / (2 * _REACH**2)) + _OWN**2 * np.eye(len(points))
    pieces = pieces_matrix(points, [[names.index(name) for name in stroke] for stroke in strokes], _PIECES)
    return _Glyph(points.T[:, None], np.linalg.cholesky(covariance).T, pieces[:, None])


@cache
def _glyphs(digit: int) -> list[_Glyph]:
    return [_glyph(style) for style in STYLES[digit]]


def _pose(points: np.ndarray, random: np.random.Generator, pose: Pose) -> np.ndarray:
    """Points (2, n, K) of n digits, stretched, slanted and rotated at random, each digit on its own."""
    width, slant, turn = random.normal(*pose, (points.shape[1], 3)).T[..., None]  # (n, 1) each
    x, y = points
    x = np.exp(width) * x - slant * y
    return np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y])


def write(labels: np.ndarray, random: np.random.Generator, displacement: float = 1.0, pose: Pose = _HAND) -> np.ndarray:
    """Random drawings of the digits ``labels`` (N,), as pieces of lines (2, 2, N, P) for ``pen.draw``, in units of the
    digit's height (``place`` scales and moves them).

    ``displacement`` scales the displacements of the control points (1: handwriting); ``pose`` is the means and standard
    deviations of the logarithm of the width, the slant, and the rotation in radians.
    """
    segments = np.empty((2, 2, len(labels), _PIECES), np.float32)
    for digit in STYLES:
        of_digit = np.flatnonzero(labels == digit)
        style = random.integers(len(_glyphs(digit)), size=len(of_digit))
        for number, glyph in enumerate(_glyphs(digit)):
            chosen = of_digit[style == number]
            jitter = random.standard_normal((2, len(chosen), len(glyph.jitter))) @ glyph.jitter  # (2, n, K)
            points = _pose(glyph.points + displacement * jitter, random, pose)
            segments[:, :, chosen] = points @ glyph.pieces  # (2, 2, n, P)
    return segments


def place(segments: np.ndarray, thickness: np.ndarray, box: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Digits (2, 2, N, P) scaled so that their longer side, drawn with ``thickness`` (N,), is ``box`` (N,), and moved
    so that their centre of mass is ``centre`` (2, N); all in pixels."""
    extent = np.ptp(segments, axis=(0, 3)).max(0)  # (2, 2, N, P) -> (2, N) -> (N,)
    segments = segments * ((box - thickness) / extent)[:, None]
    starts, ends = segments  # (2, N, P) each
    lengths = np.hypot(*(ends - starts))  # (N, P)
    mass = ((starts + ends) / 2 * lengths).sum(2) / lengths.sum(1)  # (2, N)
    return segments + (centre - mass)[..., None]


def strokes(count: int, seed: int, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """``count`` digits: images uint8 (count, 1, 28, 28) with the ink at 255, labels int64 (count,).

    They depend on ``count`` and ``seed`` alone. All digits are equally frequent (to one), in random order. The first
    images of a larger ``count`` are not those of a smaller one. With ``limit`` only the first ``limit`` of ``count``
    images are drawn, which are the same as without.
    """
    # Not the library's generator: loading a data set must not change the random numbers of a training run.
    random = np.random.Generator(np.random.PCG64(seed))
    labels = random.permutation(np.arange(count) % 10)
    segments = write(labels, random)
    thickness = np.exp(random.normal(np.log(2.4), 0.25, count))
    box = random.uniform(19.7, 20.8, count)
    centre = 14 + random.uniform(-0.5, 0.5, (2, count))
    placed = place(segments[:, :, :limit], thickness[:limit], box[:limit], centre[:, :limit])
    images = draw(placed, thickness[:limit], (28, 28), edge=1.2)
    images *= 255
    return np.rint(images, out=images).astype(np.uint8)[:, None], labels[:limit]
