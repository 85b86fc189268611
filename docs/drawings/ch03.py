"""Figures of chapter 3, linear maps and adjoints, and of the appendix on fast convolution."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import tinygen as tg
import tinygen.functional as F
from drawings.style import BLUE, DARK, FAINT, GREEN, INK, LEAF, OPERATION, ORANGE, arrow, bare, new_figure
from tinygen.kernels.windows import output_size


def convolution_matrices() -> Figure:
    """A 2 x 2 convolution of a 5 x 5 image as a matrix, and its adjoint as one."""
    w = tg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    forward = tg.jacobian(lambda x: F.conv2d(x, w), tg.zeros(1, 1, 5, 5)).numpy().reshape(16, 25)
    back = tg.jacobian(lambda g: F.conv_transpose2d(g, w), tg.zeros(1, 1, 4, 4)).numpy().reshape(25, 16)
    figure, panels = new_figure(7.4, 4.1, 2, width_ratios=(25, 16))
    named = ((forward, "conv2d: 25 pixels to 16", "in", "out"), (back, "its adjoint: 16 pixels to 25", "in", "out"))
    for axes, (matrix, title, across, down) in zip(panels, named, strict=True):
        axes.imshow(np.where(matrix, matrix, np.nan), cmap="YlGnBu", vmin=0, vmax=8)
        for (row, column), entry in np.ndenumerate(matrix):
            if entry:
                axes.text(column, row, f"{entry:.0f}", ha="center", va="center", fontsize=6.5, color=DARK)
        axes.set_title(title, fontsize=10, color=INK)
        axes.set(xlabel=f"pixel {across}", ylabel=f"pixel {down}")
        axes.set_xticks(np.arange(-0.5, matrix.shape[1]), minor=True)
        axes.set_yticks(np.arange(-0.5, matrix.shape[0]), minor=True)
        axes.grid(which="minor", color="#8a8a8a55", linewidth=0.5)
        axes.tick_params(which="both", length=0, labelsize=8)
    return figure


def memory_order() -> Figure:
    """Compact lowering: an output row is the kernel times those rows of the lowered image that its windows cover."""
    O, W, H, k, r, h = 2, 6, 5, 3, 1, 2
    W_out, H_out = W - k + 1, H - k + 1
    shades, colours, faint = (OPERATION, LEAF), (BLUE, ORANGE, GREEN), "#8a8a8a40"
    figure, (board,) = new_figure(10.4, 4.6)
    bare(board, 43, 18.5)
    top = 15.5

    def cells(left: float, top: float, faces: list[list[str]]) -> None:
        for (row, column), face in np.ndenumerate(np.array(faces)):
            board.add_patch(Rectangle((left + column, top - row - 1), 1, 1, facecolor=face, edgecolor="#8a8a8a80"))

    def frame(left: float, top: float, width: float, height: float, colour: str, line: float = 1.6) -> None:
        corner = (left, top - height)
        board.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=line))

    def write(x: float, y: float, text: str, size: float = 8, **options) -> None:
        board.text(x, y, text, fontsize=size, color=options.pop("color", INK), va="center", **options)

    # the output: row r
    middle = top - k * (r + k / 2)
    start = middle + O * (r + 0.5)
    cells(3, start, [[shades[o] if row == r else faint] * W_out for row in range(H_out) for o in range(O)])
    frame(3, start - O * r, W_out, O, INK)
    for row in range(H_out):
        write(2.7, start - O * row - 1, f"Y[{row}]", ha="right")
    write(3 + W_out / 2, top + 1.6, "output\nO rows of $W_{out}$ N\nelements each", ha="center")
    write(8.7, middle, "=", 13, ha="center")
    # the kernel
    cells(10.5, middle + O / 2, [[shades[o]] * (k * k) for o in range(O)])
    for i in range(k):
        frame(10.5 + k * i, middle + O / 2, k, O, INK, 0.8)
        write(10.5 + k * i + k / 2, middle - O / 2 - 0.6, f"row {i}", 6.5, ha="center")
    write(10.5 + k * k / 2, top + 1.6, "kernel K\nO rows, kh kw C columns", ha="center")
    write(20.7, middle, "@", 13, ha="center")
    # the lowered image: rows r to r + k - 1 are the window of output row r
    inside = [r <= row < r + k for row in range(H)]
    cells(24.5, top, [[shades[0] if inside[row] else faint] * W_out for row in range(H) for _ in range(k)])
    for j, colour in enumerate(colours):
        frame(24.5, top - k * h - j, W_out, 1, colour)
    frame(24.5, top - k * r, W_out, k * k, INK)
    for row in range(H):
        write(24.2, top - k * row - k / 2, f"L[{row}]", ha="right")
    write(24.5 + W_out / 2, top + 1.6, "lowered image\nkw C rows of $W_{out}$ N\nelements each", ha="center")
    # the image, and the stretch of row h that each column of the kernel multiplies
    first = top - k * h - k / 2 + h + 0.5
    cells(34, first, [[shades[0] if row == h else faint] * W for row in range(H)])
    frame(34, first - h, W, 1, INK)
    for row in range(H):
        write(40.3, first - row - 0.5, f"X[{row}]", ha="left")
    write(34 + W / 2, top + 1.6, "image\nC rows of W N\nelements each", ha="center")
    for j, colour in enumerate(colours):
        height = first - h - 0.25 * (j + 1)
        arrow(board, (34 + j, height), (24.5 + W_out, top - k * h - 0.5 - j), colour=colour, bend=0.0)
        board.plot([34 + j, 34 + j + W_out], [height, height], color=colour, linewidth=2.2)
    return figure


def stride_padding() -> Figure:
    """Three convolutions of a 5 x 5 image by a 3 x 3 kernel, seen from above: the padded image and the output."""
    size, kernel = 5, 3
    figure, panels = new_figure(9.6, 2.2, 3)
    for axes, (stride, padding) in zip(panels, ((1, 0), (1, 1), (2, 1)), strict=True):
        n_out, padded = output_size((size, size), (kernel, kernel), (stride, stride), (padding, padding))[0], size + 2
        left, top = 0.3 + 1 - padding, 7.3 - 1 + padding  # images begin at the same place in each panel
        bare(axes, 14, 7.6)

        def square(x: float, y: float, colour: str, edge: str = INK, axes=axes) -> None:
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor=edge, linewidth=0.8))

        def frame(x: float, y: float, n: float, colour: str, dash: str = "-", axes=axes) -> None:
            axes.add_patch(Rectangle((x, y), n, n, fill=False, edgecolor=colour, linewidth=2, linestyle=dash))

        for row, column in np.ndindex(size + 2 * padding, size + 2 * padding):
            inside = all(padding <= v < padding + size for v in (row, column))
            square(left + column, top - row - 1, OPERATION if inside else "none", INK if inside else FAINT)
        for row, column in np.ndindex(n_out, n_out):
            square(8.6 + column, 3.8 + n_out / 2 - row - 1, LEAF)
        for step, (colour, dash) in enumerate(((ORANGE, "-"), (BLUE, "--"))):
            frame(left + step * stride, top - kernel, kernel, colour, dash)
            frame(8.6 + step + 0.08, 3.8 + n_out / 2 - 0.92, 0.84, colour, dash)
        arrow(axes, (padded + 0.4, 3.8), (8.4, 3.8))
        axes.set_title(f"stride $s = {stride}$, padding $p = {padding}$: ${size} \\to {n_out}$", fontsize=10, color=INK)
    return figure


def im2col_columns() -> Figure:
    """im2col of a 3 x 3 image for a 2 x 2 kernel, and the product."""
    image, w = np.arange(9).reshape(3, 3), np.array([[1, 2], [3, 4]])
    columns = np.lib.stride_tricks.sliding_window_view(image, (2, 2)).reshape(4, 4).T
    figure, (axes,) = new_figure(8.6, 2.6)
    bare(axes, 20.5, 6.2)

    def table(left: float, numbers: np.ndarray, colour: str, title: str) -> float:
        top = 3.0 + len(numbers) / 2
        for (row, column), number in np.ndenumerate(numbers):
            axes.add_patch(Rectangle((left + column, top - row - 1), 1, 1, facecolor=colour, edgecolor=INK))
            place = (left + column + 0.5, top - row - 0.5)
            axes.text(*place, f"{number}", ha="center", va="center", fontsize=10, color=DARK)
        axes.text(left + numbers.shape[1] / 2, 5.7, title, ha="center", fontsize=9, color=INK)
        return top

    top = table(0.3, image, OPERATION, "image")
    axes.add_patch(Rectangle((0.3, top - 2), 2, 2, fill=False, edgecolor=ORANGE, linewidth=2.2))
    table(5.2, w.reshape(1, 4), LEAF, "kernel $K$")
    axes.text(10, 3, "@", fontsize=13, ha="center", va="center", color=INK)
    top = table(10.8, columns, OPERATION, "columns $L$: one per window")
    axes.add_patch(Rectangle((10.8, top - 4), 1, 4, fill=False, edgecolor=ORANGE, linewidth=2.2))
    axes.text(15.6, 3, "=", fontsize=13, ha="center", va="center", color=INK)
    table(16.3, w.reshape(1, 4) @ columns, LEAF, "output, $2 \\times 2$ pixels")
    arrow(axes, (3.6, 4.3), (10.6, 4.6), colour=ORANGE, bend=-0.1)
    return figure


def checkerboard() -> Figure:
    """A smooth image enlarged twice by three kinds of layers with random weights."""
    tg.manual_seed(3)
    grid = np.linspace(-1, 1, 12)
    smooth = tg.tensor(np.exp(-1.5 * (grid[:, None] ** 2 + (grid - 0.3) ** 2)), dtype="float64").reshape(1, 1, 12, 12)

    def enlarged(kernel_size: int) -> np.ndarray:
        image = smooth
        for _ in range(2):
            w = tg.rand(1, 1, kernel_size, kernel_size, dtype="float64")
            extra = 0 if kernel_size == 4 else 1
            image = F.conv_transpose2d(image, w, stride=2, padding=1, output_padding=extra)
        return image.numpy()[0, 0]

    def resized() -> np.ndarray:
        image = smooth
        for _ in range(2):
            up = F.upsample_nearest2d(image, scale_factor=2)
            image = F.conv2d(up, tg.rand(1, 1, 3, 3, dtype="float64"), padding=1)
        return image.numpy()[0, 0]

    figure, panels = new_figure(9.6, 2.8, 4)
    shown = (
        ("image, 12 x 12", smooth.numpy()[0, 0]),
        ("transposed, kernel 3, stride 2", enlarged(3)),
        ("transposed, kernel 4, stride 2", enlarged(4)),
        ("upsampling, then kernel 3", resized()),
    )
    for axes, (title, image) in zip(panels, shown, strict=True):
        axes.imshow(image, cmap="gray", vmin=0)
        axes.set_title(title, fontsize=9, color=INK)
        axes.axis("off")
    return figure


FIGURES = {
    "stride-padding.png": stride_padding,
    "im2col.png": im2col_columns,
    "checkerboard.png": checkerboard,
    "convolution-matrices.png": convolution_matrices,
    "memory-order.png": memory_order,
}
