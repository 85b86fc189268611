"""Scalar fields in the plane, such as a critic's scores, with samples over them: as a figure or an animation.

The samples of a generator move along the gradient of the critic's score, so a figure of both shows where they move.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from tinygen.checks import Count, Positive, as_array, checked
from tinygen.files import atomic_write
from tinygen.plotting.figures import FONT, INK, write
from tinygen.validation import shown

SHADES = "RdBu"  # low is red, high is blue, and the middle white
SAMPLES = "#111111"
DATA = "#e69f00"
SIDE = 2.4  # of one field, in inches
DPI = 100


class Field(NamedTuple):
    """One square of a figure: ``values`` (H, W) on a lattice, the first row at the bottom, in shades between ``low``
    and ``high``; generated ``samples`` (n, 2) in black, above ``data`` (m, 2) in yellow."""

    title: str
    values: np.ndarray
    samples: np.ndarray
    data: np.ndarray
    low: float = 0.0
    high: float = 1.0


@checked
def fields(parts: Sequence[Field], path: str | Path, *, reach: Positive, columns: Count = 5) -> None:
    """Draw ``parts``, ``columns`` in a row, each the square of the plane from -``reach`` to ``reach``, as a PNG file.

    Raises ``ValueError`` for no parts, for values that are not finite or not (H, W), and for points that are not (n,
    2).
    """
    write(_figure("fields", parts, reach, columns), path)


@checked
def field_animation(
    frames: Sequence[Sequence[Field]],
    path: str | Path,
    *,
    reach: Positive,
    columns: Count = 5,
    seconds: Positive = 0.15,
) -> None:
    """Draw each of ``frames`` as ``fields`` does, as a GIF file that repeats; each is shown for ``seconds``, the last
    ten times as long. Errors are those of ``fields``, and ``ValueError`` for no frames."""
    if not frames:
        raise ValueError("field_animation: there is no frame, expected one at least")
    images = []
    for parts in frames:
        canvas = FigureCanvasAgg(_figure("field_animation", parts, reach, columns))
        canvas.draw()
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    # One palette for all frames, from every third pixel, so that colours do not change between frames
    palette = Image.fromarray(np.concatenate([np.asarray(image)[::3, ::3] for image in images])).quantize(96)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    milliseconds = round(1000 * seconds)
    durations = [milliseconds] * len(others) + [10 * milliseconds]
    with atomic_write(path) as unfinished:
        first.save(unfinished, format="GIF", save_all=True, append_images=others, duration=durations, loop=0)


def _figure(function: str, parts: Sequence[Field], reach: float, columns: int) -> Figure:
    if not parts:
        raise ValueError(f"{function}: there is no field, expected one at least")
    columns = min(columns, len(parts))
    rows = math.ceil(len(parts) / columns)
    head = 0.3  # for the titles, in inches
    figure = Figure(figsize=(columns * SIDE, rows * (SIDE + head)), dpi=DPI, facecolor="white")
    for place, part in enumerate([_checked(function, part) for part in parts]):
        row, column = divmod(place, columns)
        height = 1 / rows
        box = (column / columns, 1 - (row + 1) * height, 1 / columns, height * SIDE / (SIDE + head))
        _draw(figure.add_axes(_inset(box, columns, rows)), part, reach)
    return figure


def _inset(box: tuple[float, float, float, float], columns: int, rows: int) -> tuple[float, float, float, float]:
    """The box without a narrow margin, of the same width in inches on all sides."""
    left, bottom, width, height = box
    x, y = 0.02 / columns, 0.02 / rows
    return left + x, bottom + y, width - 2 * x, height - 2 * y


def _draw(axes: Axes, part: Field, reach: float) -> None:
    square = (-reach, reach, -reach, reach)
    axes.imshow(
        part.values,
        cmap=SHADES,
        vmin=part.low,
        vmax=part.high,
        extent=square,
        origin="lower",
        interpolation="bilinear",
        aspect="auto",
    )
    for points, colour, size in ((part.data, DATA, 1.5), (part.samples, SAMPLES, 1.8)):
        axes.plot(*points.T, linestyle="none", marker="o", markersize=size, markeredgewidth=0, color=colour, alpha=0.8)
    axes.set(xlim=square[:2], ylim=square[2:], xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(INK)
    axes.set_title(part.title, fontdict=FONT | {"size": 9}, loc="left", pad=3)


def _checked(function: str, part: Field) -> Field:
    """``part`` with its values and points as arrays; ``ValueError`` for other shapes and for values not finite."""
    arrays: dict[str, Any] = {name: as_array(getattr(part, name)) for name in ("values", "samples", "data")}
    values = arrays["values"]
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise ValueError(
            f"{function}: the values of {part.title!r} must be finite and (H, W), got {shown(part.values)}"
        )
    for name in ("samples", "data"):
        if arrays[name].ndim != 2 or arrays[name].shape[1] != 2 or arrays[name].dtype.kind not in "biuf":
            points = shown(getattr(part, name))
            raise ValueError(f"{function}: the {name} of {part.title!r} must be (n, 2), got {points}")
    return part._replace(**arrays)
