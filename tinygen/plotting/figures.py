"""Grids of images, curves and scatter plots, one PNG file each.

Each pixel of an image becomes a square of a whole number of pixels in the figure, without interpolation.
"""

import math
import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from tinygen.checks import Count, Rule, ValueRange, as_array, checked, has_axes
from tinygen.data.dataset import BLACK_AND_WHITE
from tinygen.files import atomic_write
from tinygen.models.pixels import TOLERANCE
from tinygen.validation import shown

WIDTH = 1200  # approximate width of a figure, in pixels
GAP = 6  # between images, in pixels
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
)  # Okabe and Ito
TEN_COLOURS = tuple(map(to_hex, colormaps["tab10"](range(10))))  # for classes
INK, FAINT = "#333333", "#dddddd"
FONT = {"family": "sans-serif", "color": INK}

ImageArray = Annotated[
    np.ndarray,
    Rule(
        "an array (N, C, H, W) with C = 1 or 3, not empty",
        lambda images: images.ndim == 4 and images.shape[1] in (1, 3) and images.size > 0,
    ),
]
ImageRows = Annotated[
    np.ndarray,
    Rule(
        "an array (R, S, C, H, W) with C = 1 or 3, not empty",
        lambda images: images.ndim == 5 and images.shape[2] in (1, 3) and images.size > 0,
    ),
]


@checked
def image_grid(
    images: ImageArray,
    path: str | Path,
    *,
    rows: Count | None = None,
    columns: Count | None = None,
    title: str | None = None,
    value_range: ValueRange | None = None,
) -> None:
    """Draw ``images`` (N, C, H, W), grey (C = 1) or in colour (C = 3), row by row (default: a nearly square grid).

    ``value_range`` is the values of black and white, to which images are clipped; default: that of the dtype, (0, 1)
    for bool and floating point, (0, 255) for uint8. Images from a tanh need ``(-1, 1)``.

    Raises ``ValueError`` for images of another shape, for NaN, for more images than ``rows`` times ``columns``, and,
    without a ``value_range``, for other dtypes and floating-point images outside [0, 1].
    """
    count = len(images)
    if columns is None:
        columns = math.ceil(math.sqrt(count)) if rows is None else math.ceil(count / rows)
    if rows is None:
        rows = math.ceil(count / columns)
    if rows * columns < count:
        raise ValueError(f"image_grid: {count} images do not fit into {rows} rows of {columns}")
    _draw_tiles(_shades("image_grid", "images", images, value_range), columns, path, title)


@checked
def pairs_grid(
    originals: ImageArray,
    reconstructions: ImageArray,
    path: str | Path,
    *,
    columns: Count | None = None,
    title: str | None = None,
    value_range: ValueRange | None = None,
) -> None:
    """Draw each of ``originals`` (N, C, H, W) above its reconstruction, of ``reconstructions`` (same shape),
    ``columns`` pairs in a row.

    ``value_range``, by default that of each dtype, and errors are those of ``image_grid``; ``ValueError`` also for
    different shapes.
    """
    if originals.shape != reconstructions.shape:
        raise ValueError(
            f"pairs_grid: expected two arrays of one shape, got originals {originals.shape} and "
            f"reconstructions {reconstructions.shape}"
        )
    both = (("originals", originals), ("reconstructions", reconstructions))
    shades = [_shades("pairs_grid", name, images, value_range) for name, images in both]
    seam = np.full_like(shades[0][:, :1], 255)
    pairs = np.concatenate([shades[0], seam, shades[1]], axis=1)  # 2 x (N, H, W, 3) -> (N, 2 H + 1, W, 3)
    _draw_tiles(pairs, columns or min(len(pairs), 10), path, title, row_gap=3 * GAP)


@checked
def interpolation_grid(
    images: ImageRows, path: str | Path, *, title: str | None = None, value_range: ValueRange | None = None
) -> None:
    """Draw ``images`` (R, S, C, H, W) as R rows of S steps each, the steps of a row side by side without a gap.

    ``value_range`` and errors are those of ``image_grid``.
    """
    shades = _shades("interpolation_grid", "images", images, value_range)
    _draw_tiles(np.moveaxis(strips(np.moveaxis(shades, -1, 2)), 1, -1), 1, path, title)


@checked
def strips(images: Annotated[np.ndarray, has_axes("R, S, C, H, W")]) -> np.ndarray:
    """R rows of S images (R, S, C, H, W) as R wide images (R, C, H, S W), side by side without a gap."""
    rows, steps, channels, height, width = images.shape
    return images.transpose(0, 2, 3, 1, 4).reshape(rows, channels, height, steps * width)


@checked
def curves(
    metrics: Sequence[Mapping[str, float]],
    path: str | Path,
    *,
    names: Sequence[str] | Mapping[str, str] | None = None,
    x: str = "epoch",
    ylabel: str = "nats per image",
    title: str | None = None,
    references: Mapping[str, float] | None = None,
) -> None:
    """Draw columns of ``metrics``, a list of rows such as ``Run.rows``, against column ``x``, one curve each.

    ``names``: the columns, or a mapping from columns to labels (default: all but ``x``). ``references``: label ->
    value, drawn as dashed lines. A value that is not finite leaves a gap. Raises ``ValueError`` for no rows and for a
    name that is not a column.
    """
    if not metrics:
        raise ValueError("curves: metrics has no row, expected one at least")
    labels = _labels(metrics[0], names, x)
    for place, row in enumerate(metrics):
        for name in (x, *labels):
            if not isinstance(row.get(name), numbers.Real):
                raise ValueError(f"curves: metrics[{place}] must have a number as {name!r}, got {row.get(name)!r}")
    margins = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(WIDTH / 150, WIDTH / 150 * 0.58), dpi=150, facecolor="white", layout=margins)
    axes = figure.add_subplot()
    positions = [row[x] for row in metrics]
    for i, (name, label) in enumerate(labels.items()):
        heights = [row[name] if math.isfinite(row[name]) else math.nan for row in metrics]
        marker = "o" if len(metrics) <= 40 else None
        axes.plot(positions, heights, label=label, color=COLOURS[i % len(COLOURS)], marker=marker, markersize=4)
    for label, level in (references or {}).items():
        axes.axhline(level, label=label, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.set_xlabel(x, fontdict=FONT)
    axes.set_ylabel(ylabel, fontdict=FONT)
    axes.set_xlim(min(positions) - 0.5, max(positions) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    _style_axes(axes, title)
    write(figure, path)


Curve = tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray]  # positions and heights


class Panel(NamedTuple):
    """One set of axes: ``measured`` curves in colour, ``known`` curves as dashed lines behind them.

    Both are mappings: label -> (positions, heights). With ``markers`` the measured values are dots, else curves. A
    scale is ``"linear"`` or ``"log"``. ``from_zero``: the vertical axis begins at 0; ``xticks``: positions of the ticks
    (default: chosen by matplotlib).
    """

    title: str
    xlabel: str
    ylabel: str
    measured: Mapping[str, Curve]
    known: Mapping[str, Curve] = MappingProxyType({})
    markers: bool = True
    xscale: str = "linear"
    yscale: str = "linear"
    from_zero: bool = False
    xticks: Sequence[float] | None = None


@checked
def panels(parts: Sequence[Panel], path: str | Path, *, columns: Count = 2) -> None:
    """Draw ``parts``, ``columns`` in a row. Raises ``ValueError`` for no parts, and for a curve whose numbers of
    positions and heights differ."""
    if not parts:
        raise ValueError("panels: there is no panel, expected one at least")
    for part in parts:
        for label, curve in (*part.measured.items(), *part.known.items()):
            _check_curve(part.title, label, curve)
    columns = min(columns, len(parts))
    rows = math.ceil(len(parts) / columns)
    margins = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    size = (WIDTH / 130, WIDTH / 130 * 0.72 * rows / columns)
    figure = Figure(figsize=size, dpi=130, facecolor="white", layout=margins)
    for place, part in enumerate(parts, 1):
        axes = figure.add_subplot(rows, columns, place)
        style: dict[str, Any] = {"marker": "o", "markersize": 4, "linestyle": "none"} if part.markers else {}
        for i, (label, (x, y)) in enumerate(part.measured.items()):
            axes.plot(x, y, label=label, color=COLOURS[i % len(COLOURS)], **style)
        for label, (x, y) in part.known.items():
            axes.plot(x, y, label=label, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.set_xlabel(part.xlabel, fontdict=FONT)
        axes.set_ylabel(part.ylabel, fontdict=FONT)
        axes.set(xscale=part.xscale, yscale=part.yscale)
        if part.from_zero:
            axes.set_ylim(bottom=0)
        if part.xticks is not None:
            axes.set_xticks(part.xticks)
        _style_axes(axes, part.title)
    write(figure, path)


@checked
def fid_lines(fits: Mapping[str, Any], path: str | Path, *, title: str | None = None) -> None:
    """Draw the scores of ``fits`` (label -> ``evaluation.FIDInfinity``) against 1/N, and the line through each up to
    1/N = 0. Raises ``ValueError`` where there is none, ``TypeError`` for other values."""
    if not fits:
        raise ValueError("fid_lines: there is no fit, expected one at least")
    scores, lines = {}, {}
    for name, fit in fits.items():
        if not hasattr(fit, "scores"):
            raise TypeError(f"fid_lines: fits must hold what evaluation.fid_infinity returns, got {shown(fit)}")
        scores[name] = (1 / fit.sizes, fit.scores)
        ends = np.array([0, 1 / fit.sizes.min()])
        lines[f"{name}: {fit.estimate:.4g} ± {fit.standard_error:.2g} at 0"] = (ends, fit.estimate + fit.slope * ends)
    panels([Panel(title or "", "1 / N", "FID of N samples", scores, lines)], path)


@checked
def scatter(
    points: np.ndarray, labels: Annotated[np.ndarray, has_axes("N")], path: str | Path, *, title: str | None = None
) -> None:
    """Draw ``points`` (N, 2) in the plane of z_1 and z_2, coloured by ``labels`` (N,), of which at most ten differ.

    Raises ``ValueError`` for points of another shape, for NaN and infinity, and for more different labels.
    """
    names = np.unique(labels)
    if (
        points.ndim != 2
        or points.shape[1] != 2
        or len(points) != len(labels)
        or not len(points)
        or not np.isfinite(points).all()
    ):
        raise ValueError(
            f"scatter: expected finite points (N, 2) with a label each, got {points.shape} and {len(labels)} labels"
        )
    if len(names) > len(TEN_COLOURS):
        raise ValueError(f"scatter: there are {len(names)} different labels, expected {len(TEN_COLOURS)} at most")
    margins = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(WIDTH / 150, WIDTH / 150), dpi=150, facecolor="white", layout=margins)
    axes = figure.add_subplot()
    for name, colour in zip(names.tolist(), TEN_COLOURS, strict=False):
        axes.plot(*points[labels == name].T, linestyle="none", marker=".", markersize=3, color=colour, label=str(name))
    axes.set_xlabel("z\N{SUBSCRIPT ONE}", fontdict=FONT)
    axes.set_ylabel("z\N{SUBSCRIPT TWO}", fontdict=FONT)
    axes.set_aspect("equal", adjustable="datalim")
    _style_axes(axes, title, markerscale=4, loc="upper right")
    write(figure, path)


def _check_curve(title: str, label: str, curve: Any) -> None:
    try:
        lengths = [len(as_array(each)) for each in curve]
    except TypeError:
        lengths = []
    if len(lengths) != 2 or lengths[0] != lengths[1]:
        raise ValueError(
            f"panels: the curve {label!r} of {title!r} must be as many positions as heights, got {shown(curve)}"
        )


def _style_axes(axes: Axes, title: str | None, **legend: Any) -> None:
    """A faint grid, two spines, a legend without a frame, the title on the left."""
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK)
    axes.legend(frameon=False, labelcolor=INK, **legend)
    if title:
        axes.set_title(title, fontdict=FONT | {"size": 12}, loc="left")


def _labels(row: Mapping[str, float], names: Sequence[str] | Mapping[str, str] | None, x: str) -> dict[str, str]:
    """The columns to draw, and their labels."""
    if names is None:
        names = [name for name in row if name != x]
    labels = dict(names) if isinstance(names, Mapping) else {name: name.replace("_", " ") for name in names}
    for name in [x, *labels]:
        if name not in row:
            raise ValueError(f"curves: metrics has no column {name!r}, only {', '.join(row)}")
    return labels


def _shades(function: str, argument: str, images: np.ndarray, value_range: tuple[float, float] | None) -> np.ndarray:
    """(..., C, H, W) -> (..., H, W, 3), from 0 for black to 255 for white; ``ValueError`` for an unknown range, and for
    NaN and infinity."""
    finite = np.isfinite(images).all(axis=(-3, -2, -1))
    if not finite.all():
        place = ", ".join(str(index) for index in np.argwhere(~finite)[0])
        raise ValueError(f"{function}: {argument} must be finite, image {place} holds NaN or infinity")
    lowest, highest = images.min(), images.max()
    low, high = value_range or BLACK_AND_WHITE.get(images.dtype.name, (0.0, 1.0))
    if value_range is None and images.dtype.name not in BLACK_AND_WHITE:
        inside = lowest >= -TOLERANCE and highest <= 1 + TOLERANCE
        if images.dtype.kind != "f" or not inside:
            raise ValueError(
                f"{function}: {argument} of {images.dtype} from {lowest:g} to {highest:g} need a value_range, the "
                "values of black and white; without one, floating-point images must lie in [0, 1]"
            )
    shades = ((images.astype(np.float64) - low) / (high - low)).clip(0, 1)
    shades = np.moveaxis(shades, -3, -1)
    return np.rint(255 * shades).astype(np.uint8).repeat(3 // shades.shape[-1], axis=-1)


def _draw_tiles(tiles: np.ndarray, columns: int, path: str | Path, title: str | None, row_gap: int = GAP) -> None:
    """Draw ``tiles`` (N, H, W, 3) on white, ``columns`` in a row, enlarged by a whole factor to about ``WIDTH``."""
    scale = max(1, round(WIDTH / (columns * tiles.shape[2])))
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    count, height, width, _ = tiles.shape
    rows = math.ceil(count / columns)
    page_shape = (rows * (height + row_gap) - row_gap + 2 * GAP, columns * (width + GAP) + GAP, 3)
    page = np.full(page_shape, 255, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = GAP + i // columns * (height + row_gap), GAP + i % columns * (width + GAP)
        page[top : top + height, left : left + width] = tile
    head = 44 if title else 0
    total = len(page) + head
    figure = Figure(figsize=(page.shape[1] / 100, total / 100), dpi=100, facecolor="white")
    figure.figimage(page, 0, 0, origin="upper")
    if title:
        figure.text(GAP / page.shape[1], 1 - 0.6 * head / total, title, size=15, va="center", fontdict=FONT)
    write(figure, path)


def write(figure: Figure, path: str | Path) -> None:
    """Write ``figure`` atomically as PNG, without metadata on the software."""
    with atomic_write(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=figure.dpi, facecolor="white", metadata={"Software": None})
