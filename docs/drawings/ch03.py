"""Figures of chapter 3, linear maps and adjoints."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import tinygen as tg
import tinygen.functional as F
from drawings.style import BLUE, GREEN, INK, ORANGE, arrow, bare, new_figure


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
                axes.text(column, row, f"{entry:.0f}", ha="center", va="center", fontsize=6.5, color=INK)
        axes.set_title(title, fontsize=10, color=INK)
        axes.set(xlabel=f"pixel {across}", ylabel=f"pixel {down}")
        axes.set_xticks(np.arange(-0.5, matrix.shape[1]), minor=True)
        axes.set_yticks(np.arange(-0.5, matrix.shape[0]), minor=True)
        axes.grid(which="minor", color="#eeeeee", linewidth=0.5)
        axes.tick_params(which="both", length=0, labelsize=8)
    return figure


def memory_order() -> Figure:
    """Compact lowering: an output row is the kernel times those rows of the lowered image that its windows cover."""
    O, W, H, k, r, h = 2, 6, 5, 3, 1, 2
    W_out, H_out = W - k + 1, H - k + 1
    shades, colours, faint = ("#dbe7f5", "#fbe3c0"), (BLUE, ORANGE, GREEN), "#f4f4f4"
    figure, (board,) = new_figure(10.4, 4.6)
    bare(board, 43, 18.5)
    top = 15.5

    def cells(left: float, top: float, faces: list[list[str]]) -> None:
        for (row, column), face in np.ndenumerate(np.array(faces)):
            board.add_patch(Rectangle((left + column, top - row - 1), 1, 1, facecolor=face, edgecolor="white"))

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


FIGURES = {
    "convolution-matrices.png": convolution_matrices,
    "memory-order.png": memory_order,
}
