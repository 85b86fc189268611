"""Lines drawn with the pointer on a canvas of 28 x 28 pixels, as text for a link and as an image for an encoder.

A drawing is a list of strokes, points (P, 2) in pixels, x to the right and y downwards from the upper left corner. Its
text has six digits per point, x and y in tenths of a pixel, and ``-`` between strokes.
"""

import re
from collections.abc import Sequence

import numpy as np

from tinygen.data import pen
from tinygen.data.strokes import place

SIDE = 28
THICKNESS = 2.4  # of the lines, in pixels: the median of the data set strokes
DIGITS = ("strokes", "mnist", "binarized-mnist")  # data whose images are scaled and centred
BOX = 20.0  # the longer side of their digits, in pixels
LONGEST = 6_000  # characters
STROKE = r"(?:\d{6}){2,}"


def text_of(xs: Sequence[Sequence[float]], ys: Sequence[Sequence[float]]) -> str:
    """The text of strokes with the coordinates ``xs`` and ``ys``, at most one point per pixel of length; strokes of a
    single point are left out, and so are those beyond ``LONGEST`` characters."""
    texts: list[str] = []
    for stroke in zip(xs, ys, strict=True):
        points = np.rint(10 * np.clip(np.transpose(stroke).astype(float), 0, SIDE)).astype(int)
        kept = list(points[:1])
        for point in points[1:]:
            if np.hypot(*(point - kept[-1])) >= 10:
                kept.append(point)
        text = "".join(f"{x:03}{y:03}" for x, y in kept)
        if len(kept) > 1 and len("-".join([*texts, text])) <= LONGEST:
            texts.append(text)
    return "-".join(texts)


def strokes_of(text: str) -> list[np.ndarray]:
    """The strokes that ``text`` stands for, none for an empty text; ``ValueError`` for another text."""
    if not text:
        return []
    is_drawing = len(text) <= LONGEST and re.fullmatch(f"{STROKE}(?:-{STROKE})*", text, re.ASCII)
    strokes = [
        np.array(re.findall(r"\d{3}", each), float).reshape(-1, 2) / 10 for each in text.split("-") if is_drawing
    ]
    if not strokes or any(each.max() > SIDE or not np.ptp(each, axis=0).any() for each in strokes):
        raise ValueError(f"drawing must be strokes of two points or more, each of six digits, got {text[:40]!r}")
    return strokes


def drawn(strokes: list[np.ndarray], name: str) -> np.ndarray:
    """The image (28, 28), grey values from 0 to 1 with the ink at 1, of strokes for a model of the data set ``name``:
    digits are scaled and centred as those of MNIST are, others stay where they are."""
    pieces = np.concatenate([divided(stroke) for stroke in strokes], axis=2)[:, :, None]  # (2, 2, 1, P)
    thickness = np.full(1, THICKNESS)
    if name in DIGITS:
        pieces = place(pieces, thickness, np.full(1, BOX), np.full((2, 1), SIDE / 2))
    image: np.ndarray = pen.draw(pieces, thickness, (SIDE, SIDE))[0]
    return image


def divided(stroke: np.ndarray) -> np.ndarray:
    """A stroke (P, 2) as short straight pieces of equal length for ``pen.draw``: starts and ends (2, 2, pieces)."""
    arc = np.append(0, np.cumsum(np.hypot(*np.diff(stroke, axis=0).T)))  # the length up to each point
    at = np.linspace(0, arc[-1], max(64, int(4 * arc[-1])))
    points = np.stack([np.interp(at, arc, coordinates) for coordinates in stroke.T])
    return np.stack([points[:, :-1], points[:, 1:]])
