"""Handwritten digits without a download: ten digits as pen strokes, and the ways in which hands differ.

Each digit has a few **styles** (a 7 with and without a bar, an open and a closed 4), each a handful of control points
in a unit square. One image is a style and a chain of chances:

1. the control points move, x -> x + e with e ~ N(0, K) and K_ij = a^2 exp(-|p_i - p_j|^2 / (2 r^2)) + b^2 [i = j]: a
   Gaussian process, in which points close to each other move together, so that lines bend but do not break;
2. the whole is made narrower or wider, slanted and turned;
3. it is scaled into a box of 20 x 20 pixels and put so that its ink's centre of mass is the canvas's centre, as the
   makers of MNIST did;
4. a pen of random thickness draws it (``pen.draw``).

The images are 28 x 28 with the ink at 255, like MNIST's, and as many as wanted.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from tinygen.data.pen import draw, pieces_matrix

Stroke = list[tuple[float, float]]  # points (x, y) that the pen passes through; x to the right, y downwards

# A point that two strokes share is one point: it moves for both, so that a corner stays closed.
STYLES: dict[int, list[list[Stroke]]] = {
    0: [
        [[(0.55, 0.0), (0.2, 0.18), (0.04, 0.55), (0.22, 0.93), (0.55, 0.98), (0.9, 0.65), (0.86, 0.2), (0.55, 0.0)]],
        [[(0.7, 0.08), (0.35, 0.05), (0.08, 0.4), (0.12, 0.85), (0.5, 1.0), (0.88, 0.7), (0.85, 0.25), (0.45, -0.02)]],
        [[(0.35, 0.1), (0.05, 0.5), (0.25, 0.95), (0.65, 0.95), (0.95, 0.5), (0.75, 0.05), (0.3, 0.02), (0.15, 0.2)]],
    ],
    1: [
        [[(0.5, 0.0), (0.5, 0.5), (0.5, 1.0)]],
        [[(0.52, 0.0), (0.5, 0.35), (0.5, 0.7), (0.48, 1.0)]],
        [[(0.3, 0.22), (0.5, 0.0)], [(0.5, 0.0), (0.5, 0.5), (0.5, 1.0)]],
        [[(0.3, 0.2), (0.52, 0.0)], [(0.52, 0.0), (0.5, 1.0)], [(0.2, 1.0), (0.5, 1.0), (0.82, 0.98)]],
    ],
    2: [
        [[(0.1, 0.25), (0.38, 0.0), (0.78, 0.1), (0.8, 0.38), (0.45, 0.72), (0.05, 1.0)], [(0.05, 1.0), (0.95, 0.97)]],
        [
            [
                (0.1, 0.2), (0.45, 0.0), (0.8, 0.2), (0.68, 0.55), (0.32, 0.92), (0.08, 0.92), (0.15, 0.74),
                (0.45, 0.84), (0.95, 0.95),
            ]
        ],
        [
            [(0.15, 0.2), (0.5, 0.0), (0.8, 0.22), (0.6, 0.6), (0.08, 0.95)],
            [(0.08, 0.95), (0.35, 0.86), (0.65, 0.97), (1.0, 0.9)],
        ],
        [[(0.05, 0.1), (0.45, 0.02), (0.75, 0.15), (0.65, 0.5), (0.2, 0.93)], [(0.2, 0.93), (0.9, 1.0)]],
    ],
    3: [
        [
            [(0.1, 0.12), (0.45, 0.0), (0.8, 0.18), (0.65, 0.4), (0.35, 0.47)],
            [(0.35, 0.47), (0.75, 0.55), (0.85, 0.78), (0.55, 1.0), (0.08, 0.9)],
        ],
        [
            [
                (0.1, 0.15), (0.45, 0.0), (0.75, 0.15), (0.65, 0.36), (0.42, 0.46), (0.68, 0.56), (0.8, 0.78),
                (0.5, 1.0), (0.1, 0.88),
            ]
        ],
        [[(0.1, 0.04), (0.8, 0.04)], [(0.8, 0.04), (0.42, 0.42)],
         [(0.42, 0.42), (0.78, 0.55), (0.8, 0.85), (0.4, 1.0), (0.05, 0.88)]],
    ],
    4: [
        [[(0.18, 0.0), (0.1, 0.3), (0.1, 0.52)], [(0.1, 0.52), (0.45, 0.54), (0.8, 0.48)],
         [(0.82, 0.02), (0.78, 0.5), (0.7, 1.0)]],
        [[(0.65, 0.0), (0.35, 0.32), (0.02, 0.62)], [(0.02, 0.62), (0.98, 0.6)], [(0.65, 0.0), (0.65, 1.0)]],
        [[(0.1, 0.05), (0.08, 0.4), (0.35, 0.56), (0.8, 0.4)], [(0.85, 0.0), (0.8, 0.4), (0.68, 1.0)]],
        [[(0.3, 0.0), (0.02, 0.6)], [(0.02, 0.6), (0.95, 0.62)], [(0.68, 0.3), (0.6, 1.0)]],
    ],
    5: [
        [[(0.88, 0.02), (0.3, 0.04)], [(0.3, 0.04), (0.2, 0.45)],
         [(0.2, 0.45), (0.55, 0.38), (0.85, 0.62), (0.7, 0.92), (0.35, 1.0), (0.06, 0.88)]],
        [[(0.88, 0.02), (0.42, 0.05), (0.22, 0.26), (0.45, 0.46), (0.75, 0.65), (0.65, 0.92), (0.35, 1.0),
          (0.05, 0.9)]],
        [[(0.3, 0.1), (0.25, 0.42), (0.6, 0.45), (0.8, 0.7), (0.55, 0.97), (0.08, 0.92)], [(0.3, 0.1), (0.95, 0.0)]],
    ],
    6: [
        [[(0.7, 0.0), (0.35, 0.25), (0.12, 0.6), (0.2, 0.92), (0.5, 1.0), (0.76, 0.8), (0.65, 0.58), (0.4, 0.58),
          (0.17, 0.78)]],
        [[(0.4, 0.0), (0.18, 0.35), (0.12, 0.75), (0.4, 1.0), (0.78, 0.85), (0.72, 0.6), (0.42, 0.56), (0.14, 0.75)]],
        [[(0.85, 0.03), (0.45, 0.18), (0.12, 0.6), (0.25, 0.97), (0.68, 0.9), (0.78, 0.66), (0.5, 0.58), (0.2, 0.9)]],
    ],
    7: [
        [[(0.05, 0.1), (0.9, 0.06)], [(0.9, 0.06), (0.6, 0.5), (0.4, 1.0)]],
        [[(0.05, 0.1), (0.9, 0.06)], [(0.9, 0.06), (0.6, 0.5), (0.4, 1.0)], [(0.28, 0.52), (0.85, 0.48)]],
        [[(0.06, 0.26), (0.1, 0.06)], [(0.1, 0.06), (0.5, 0.1), (0.9, 0.02)], [(0.9, 0.02), (0.7, 0.5), (0.55, 1.0)]],
        [[(0.02, 0.25), (0.25, 0.05), (0.6, 0.1), (0.85, 0.08), (0.72, 0.45), (0.5, 1.0)]],
    ],
    8: [
        [[(0.75, 0.12), (0.42, 0.0), (0.2, 0.2), (0.45, 0.46), (0.74, 0.74), (0.5, 1.0), (0.2, 0.8), (0.42, 0.5),
          (0.72, 0.28), (0.75, 0.12)]],
        [[(0.5, 0.46), (0.2, 0.24), (0.5, 0.0), (0.8, 0.22), (0.5, 0.46)],
         [(0.5, 0.46), (0.12, 0.74), (0.5, 1.0), (0.88, 0.74), (0.5, 0.46)]],
        [[(0.9, 0.08), (0.5, 0.02), (0.22, 0.2), (0.45, 0.46), (0.66, 0.78), (0.4, 1.0), (0.16, 0.8), (0.45, 0.5),
          (0.85, 0.15)]],
    ],
    9: [
        [[(0.8, 0.18), (0.5, 0.02), (0.15, 0.22), (0.28, 0.46), (0.6, 0.42), (0.8, 0.18)],
         [(0.8, 0.18), (0.76, 0.6), (0.7, 1.0)]],
        [[(0.8, 0.15), (0.45, 0.0), (0.15, 0.25), (0.35, 0.48), (0.7, 0.35), (0.8, 0.15)],
         [(0.8, 0.15), (0.82, 0.55), (0.6, 0.95), (0.2, 0.92)]],
        [[(0.78, 0.1), (0.4, 0.04), (0.14, 0.28), (0.35, 0.46), (0.68, 0.3), (0.78, 0.1), (0.68, 0.55), (0.45, 1.0)]],
    ],
}

PIECES = 56  # a digit of 20 pixels has some 50 pixels of line
_COMMON, _OWN, _REACH = 0.06, 0.025, 0.45  # a, b and r of the Gaussian process, in the digit's height


class _Glyph(NamedTuple):
    """One style of a digit, ready to be varied: control points, their jitter's factor L with K = L L^T, the pieces."""

    points: np.ndarray  # (K, 2)
    jitter: np.ndarray  # (K, K)
    pieces: np.ndarray  # (P, 2, K)


@cache
def _glyphs(digit: int) -> list[_Glyph]:
    glyphs = []
    for style in STYLES[digit]:
        order = list(dict.fromkeys(point for stroke in style for point in stroke))
        points = np.array(order)
        squared = np.square(points[:, None] - points).sum(-1)
        covariance = _COMMON**2 * np.exp(-squared / (2 * _REACH**2)) + _OWN**2 * np.eye(len(points))
        pieces = pieces_matrix(points, [[order.index(point) for point in stroke] for stroke in style], PIECES)
        glyphs.append(_Glyph(points, np.linalg.cholesky(covariance), pieces))
    return glyphs


def _pose(count: int, random: np.random.Generator) -> np.ndarray:
    """Random linear maps (count, 2, 2), columns (x, y): width, then slant, then a turn."""
    width = np.exp(random.normal(-0.15, 0.18, count))
    slant = random.normal(0.15, 0.22, count)
    turn = random.normal(0.0, 0.08, count)
    cos, sin = np.cos(turn), np.sin(turn)
    slanted = np.stack([width, -slant, np.zeros(count), np.ones(count)], axis=-1).reshape(count, 2, 2)
    turned = np.stack([cos, -sin, sin, cos], axis=-1).reshape(count, 2, 2)
    return turned @ slanted


def write(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The digits ``labels`` (N,), each in a hand of its own, as pieces of lines (N, P, 2, 2) for ``pen.draw``.

    Their unit is the digit's height (about 1), and where they lie is left to whoever places them.
    """
    segments = np.empty((len(labels), PIECES, 2, 2), np.float32)
    for digit in STYLES:
        glyphs = _glyphs(digit)
        of_digit = np.flatnonzero(labels == digit)
        style = random.integers(len(glyphs), size=len(of_digit))
        for number, glyph in enumerate(glyphs):
            chosen = of_digit[style == number]
            points = glyph.points + glyph.jitter @ random.standard_normal((len(chosen), len(glyph.points), 2))
            points = points @ _pose(len(chosen), random).swapaxes(1, 2)  # (n, K, 2)
            segments[chosen] = (glyph.pieces.reshape(2 * PIECES, -1) @ points).reshape(-1, PIECES, 2, 2)
    return segments


def _place(segments: np.ndarray, thickness: np.ndarray, box: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Scale digits so that each with its ink fills ``box`` (N,) pixels the longer way, the ink's mass at ``centre``."""
    extent = (segments.max((1, 2)) - segments.min((1, 2))).max(1)  # (N,)
    segments = segments * ((box - thickness) / extent)[:, None, None, None]
    lengths = np.linalg.norm(segments[:, :, 1] - segments[:, :, 0], axis=-1, keepdims=True)  # (N, P, 1)
    mass = (segments.mean(2) * lengths).sum(1) / lengths.sum(1)  # (N, 2)
    return segments + (centre - mass)[:, None, None]


def strokes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``count`` digits: images uint8 (count, 1, 28, 28) with the ink at 255, labels int64 (count,).

    A function of ``count`` and ``seed`` alone. Every digit comes equally often (to one), in random order. The first
    images of a longer draw are not those of a shorter one: take other seeds for other data.
    """
    # A generator of its own, not the library's: the set is a constant of the seed, like a file, and asking for it
    # must not change what a training run draws next.
    random = np.random.Generator(np.random.PCG64(seed))
    labels = random.permutation(np.arange(count) % 10)
    segments = write(labels, random)
    thickness = np.exp(random.normal(np.log(2.3), 0.27, count))
    box = random.uniform(19.0, 20.5, count)
    centre = 14 + random.uniform(-0.5, 0.5, (count, 2))
    images = draw(_place(segments, thickness, box, centre), thickness, (28, 28))
    return np.rint(255 * images).astype(np.uint8)[:, None], labels
