"""A pen: smooth curves through a few points, and the ink they leave on a canvas of pixels.

A **curve** is a Catmull-Rom spline: between the control points p1 and p2, with p0 before and p3 after them,

    c(t) = p1 + t (p2 - p0) / 2 + t^2 (2 p0 - 5 p1 + 4 p2 - p3) / 2 + t^3 (3 p1 - p0 - 3 p2 + p3) / 2,    0 <= t <= 1,

which passes through p1 and p2 with the tangents (p2 - p0) / 2 and (p3 - p1) / 2. It is linear in the control points:
a whole drawing, cut into short pieces, is one matrix times its control points (``pieces_matrix``), and a thousand
drawings with points of their own are one matrix product.

**Ink** is a matrix product, too. The distance from every pixel to every piece of a curve would be much work; but a
Gaussian blob is a function of x times a function of y, so the blobs of all pieces are laid down by one product,

    ink(x, y) = sum_p l_p exp(-(y - y_p)^2 / (2 s^2)) exp(-(x - x_p)^2 / (2 s^2)) / (sqrt(2 pi) s),

with l_p the length of piece p and (x_p, y_p) its middle. Along a straight line the sum is an integral, equal to
exp(-d^2 / (2 s^2)) at the distance d from the line, so d = s sqrt(-2 log ink): grey falls from 1 to 0, over a pixel's
width, where d passes half the pen's thickness. Where lines meet there is more ink, and it runs a little, as ink does.
"""

from collections.abc import Sequence

import numpy as np

from tinygen.backend import parallel

_SPREAD = 0.3  # s over the thickness: smaller and the pieces show as beads, larger and the ends of a line get short
_BLOCK = 64  # images whose blobs lie in a core's cache together

_CATMULL_ROM = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])  # powers of t x points


def _spline(corners: int, parameters: np.ndarray) -> np.ndarray:
    """The matrix (len(parameters), corners) from control points to the curve at parameters in [0, corners - 1].

    Before the first point and after the last the line is continued straight: p[-1] = 2 p[0] - p[1].
    """
    first = np.minimum(parameters.astype(int), corners - 2)  # the stretch between points first and first + 1
    powers = (parameters - first)[:, None] ** np.arange(4)
    continued = np.zeros((corners + 2, corners))
    continued[1:-1] = np.eye(corners)
    continued[0, :2] = continued[-1, :-3:-1] = 2, -1
    return np.einsum("sk,skc->sc", powers @ _CATMULL_ROM, continued[first[:, None] + np.arange(4)])


def pieces_matrix(points: np.ndarray, strokes: Sequence[Sequence[int]], pieces: int) -> np.ndarray:
    """The matrix (pieces, 2, K) that takes K control points to the two ends of each short piece of a drawing.

    ``points`` (K, 2) are the drawing's control points, each of the ``strokes`` the indices of those that the pen
    passes through without being lifted or turned sharply. The pieces are shared out by the strokes' lengths.
    """
    lengths = [np.linalg.norm(np.diff(points[stroke], axis=0), axis=1).sum() for stroke in strokes]
    edges = np.round(np.cumsum([0.0, *lengths]) / sum(lengths) * pieces).astype(int)
    matrix = np.zeros((pieces, 2, len(points)))
    for stroke, start, stop in zip(strokes, edges[:-1], edges[1:], strict=True):
        spline = _spline(len(stroke), np.linspace(0, len(stroke) - 1, stop - start + 1))
        for column, point in enumerate(stroke):  # a stroke that closes passes through one point twice
            matrix[start:stop, 0, point] += spline[:-1, column]
            matrix[start:stop, 1, point] += spline[1:, column]
    return matrix


def _blobs(middles: np.ndarray, spread: np.ndarray, side: int) -> np.ndarray:
    """exp(-(centre - middle)^2 / (2 s^2)) for the centres of ``side`` pixels in a row: (N, P), (N, 1) -> (N, P, side)."""
    centres = np.arange(side, dtype=np.float32) + 0.5
    distance = (centres - middles[..., None]) * (np.sqrt(0.5) / spread)[..., None]
    return np.exp(-np.square(distance, out=distance), out=distance)


def _draw_block(segments: np.ndarray, thickness: np.ndarray, size: tuple[int, int], edge: float) -> np.ndarray:
    thickness = thickness[:, None]
    spread = _SPREAD * thickness
    lengths = np.hypot(*np.moveaxis(segments[:, :, 1] - segments[:, :, 0], 2, 0))  # (N, P)
    x, y = np.moveaxis(segments.mean(2), 2, 0)  # (N, P) each
    rows = _blobs(y, spread, size[0]) * (lengths / (np.sqrt(2 * np.pi) * spread))[..., None]
    ink = rows.swapaxes(1, 2) @ _blobs(x, spread, size[1])  # (N, H, P) @ (N, P, W) -> (N, H, W)
    distance = spread[..., None] * np.sqrt(-2 * np.log(np.clip(ink, 1e-30, 1)))
    return np.clip(0.5 + (thickness[..., None] / 2 - distance) / edge, 0, 1)


def draw(segments: np.ndarray, thickness: np.ndarray, size: tuple[int, int], edge: float = 1.0) -> np.ndarray:
    """Drawings in grey: float32 (N, H, W) in [0, 1], 1 where the ink covers a pixel.

    ``segments`` (N, P, 2, 2) are the P short straight pieces of each drawing: [..., 0, :] their starts and [..., 1, :]
    their ends as (x, y) in pixels from the upper left corner, y downwards; what lies outside the canvas of ``size``
    (H, W) is cut off. A piece should be no longer than the pen's ``thickness`` (N,), in pixels; one of length 0 leaves
    no ink. Grey falls from 1 to 0 within ``edge`` pixels.
    """
    segments, thickness = np.asarray(segments, np.float32), np.asarray(thickness, np.float32)
    images = np.empty((len(segments), *size), np.float32)

    def work(first: int, last: int) -> None:
        for start in range(first, last, _BLOCK):
            block = slice(start, min(start + _BLOCK, last))
            images[block] = _draw_block(segments[block], thickness[block], size, edge)

    parallel(work, len(segments), minimum=_BLOCK)
    return images
