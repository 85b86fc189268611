"""Drawing smooth curves through control points on a grid of pixels.

A **curve** is a Catmull-Rom spline: between the control points p1 and p2, with p0 before and p3 after them,

    c(t) = p1 + t (p2 - p0) / 2 + t^2 (2 p0 - 5 p1 + 4 p2 - p3) / 2 + t^3 (3 p1 - p0 - 3 p2 + p3) / 2,    0 <= t <= 1,

which passes through p1 and p2 with the tangents (p2 - p0) / 2 and (p3 - p1) / 2. It is linear in the control points:
a drawing, divided into short pieces, is a matrix times its control points (``pieces_matrix``), and many drawings are
one matrix product.

The **ink** is a matrix product as well. A two-dimensional Gaussian is a function of x times a function of y, so the sum
of the Gaussians of all pieces is one product,

    ink(x, y) = sum_p l_p exp(-(y - y_p)^2 / (2 s^2)) exp(-(x - x_p)^2 / (2 s^2)) / (sqrt(2 pi) s),

with l_p the length of piece p and (x_p, y_p) its middle. For a straight line the sum approximates an integral, equal to
exp(-d^2 / (2 s^2)) at the distance d from the line, so d = s sqrt(-2 log ink). The grey falls from 1 to 0, over the
width of a pixel, where d is half the line thickness. Where lines cross, the ink adds up and the lines widen a little.
"""

from collections.abc import Sequence

import numpy as np

from tinygen.kernels.cpu.parallel import parallel

_BLOCK = 64  # images: their Gaussians fit into a core's cache

_CATMULL_ROM = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])  # powers of t x points


def _spline(corners: int, parameters: np.ndarray) -> np.ndarray:
    """The matrix (len(parameters), corners) from control points to the curve at parameters in [0, corners - 1].

    The points are extrapolated linearly at both ends: p[-1] = 2 p[0] - p[1].
    """
    first = np.minimum(parameters.astype(int), corners - 2)  # index of the segment
    powers = (parameters - first)[:, None] ** np.arange(4)
    continued = np.zeros((corners + 2, corners))
    continued[1:-1] = np.eye(corners)
    continued[0, :2] = continued[-1, :-3:-1] = 2, -1
    return np.einsum("sk,skc->sc", powers @ _CATMULL_ROM, continued[first[:, None] + np.arange(4)])


def pieces_matrix(points: np.ndarray, strokes: Sequence[Sequence[int]], pieces: int) -> np.ndarray:
    """The matrices (2, K, pieces) that take K control points to the starts and the ends of a drawing's short pieces.

    ``points`` (K, 2) are the drawing's control points, each of ``strokes`` the indices of those on one smooth curve.
    The pieces are about equally long.
    """
    chords = [np.linalg.norm(np.diff(points[stroke], axis=0), axis=1) for stroke in strokes]
    ends = np.cumsum([chord.sum() for chord in chords])
    edges = np.round(pieces * np.append(0, ends) / ends[-1]).astype(int)  # stroke i is pieces edges[i] to edges[i + 1]
    matrices = np.zeros((2, len(points), pieces))
    for stroke, chord, first, last in zip(strokes, chords, edges[:-1], edges[1:], strict=True):
        arc = np.append(0, np.cumsum(chord))  # from the beginning of the stroke to each of its points
        parameters = np.interp(np.linspace(0, arc[-1], last - first + 1), arc, np.arange(len(stroke)))
        spline = _spline(len(stroke), parameters)
        for corner, point in enumerate(stroke):  # a stroke that closes passes through one point twice
            matrices[0, point, first:last] += spline[:-1, corner]
            matrices[1, point, first:last] += spline[1:, corner]
    return matrices


def _gaussians(middles: np.ndarray, deviation: np.ndarray, side: int) -> np.ndarray:
    """exp(-(c - m)^2 / (2 s^2)) at the centres c of ``side`` pixels in a row: m (N, P), s (N, 1) -> (N, P, side)."""
    centres = np.arange(side, dtype=np.float32) + 0.5
    distance = (centres - middles[..., None]) * (np.sqrt(0.5) / deviation)[..., None]
    return np.exp(-np.square(distance, out=distance), out=distance)


def _draw_block(segments: np.ndarray, thickness: np.ndarray, size: tuple[int, int], edge: float) -> np.ndarray:
    deviation = 0.2 * thickness[:, None] + 0.25  # hides the pieces without rounding the ends of lines much
    (x_start, y_start), (x_end, y_end) = segments  # (N, P) each
    lengths = np.hypot(x_end - x_start, y_end - y_start)
    weights = lengths / (np.sqrt(2 * np.pi) * deviation)
    rows = _gaussians((y_start + y_end) / 2, deviation, size[0]) * weights[..., None]
    columns = _gaussians((x_start + x_end) / 2, deviation, size[1])
    ink = rows.swapaxes(1, 2) @ columns  # (N, H, P) @ (N, P, W) -> (N, H, W)
    distance = deviation[..., None] * np.sqrt(-2 * np.log(np.clip(ink, 1e-30, 1)))
    return np.clip(0.5 + (thickness[:, None, None] / 2 - distance) / edge, 0, 1)


def draw(segments: np.ndarray, thickness: np.ndarray, size: tuple[int, int], edge: float = 1.0) -> np.ndarray:
    """Drawings in grey: float32 (N, H, W) in [0, 1], 1 where the ink covers a pixel.

    ``segments`` (2, 2, N, P) are the P short straight pieces of each of N drawings: [0] their starts and [1] their
    ends, [:, 0] x to the right and [:, 1] y downwards, in pixels from the upper left corner of an image of ``size``
    (H, W); parts outside it are not drawn. ``thickness`` (N,) of the lines is in pixels: pieces longer than 2 s, with
    s = 0.2 thickness + 0.25, are visible as beads, and a piece of length 0 is not drawn. The grey falls from 1 to 0
    within ``edge`` pixels. Raises ``ValueError`` for other shapes.
    """
    segments, thickness = np.asarray(segments, np.float32), np.asarray(thickness, np.float32)
    if segments.ndim != 4 or segments.shape[:2] != (2, 2) or thickness.shape != segments.shape[2:3]:
        raise ValueError(
            f"draw: expected segments (2, 2, N, P) and thickness (N,), got {segments.shape} and {thickness.shape}"
        )
    images = np.empty((len(thickness), *size), np.float32)

    def work(first: int, last: int) -> None:
        for start in range(first, last, _BLOCK):
            block = slice(start, min(start + _BLOCK, last))
            images[block] = _draw_block(segments[:, :, block], thickness[block], size, edge)

    parallel(work, len(images), when=len(images) >= _BLOCK)
    return images
