"""The figures of the chapters: ``python docs/figures.py [FOLDER]`` draws them all (default: into docs/figures).

Everything that is drawn is computed here, by the library where it can: nothing is sketched by hand. Equal versions of
matplotlib draw equal files.
"""

import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Rectangle

import tinygen as tg
import tinygen.functional as F
from tinygen import data, evaluation, likelihoods, nn
from tinygen.objectives import GAMES
from tinygen.optim import SGD
from tinygen.training import GAN

INK, FAINT, LEAF, OPERATION = "#333333", "#bbbbbb", "#fbe3c0", "#dbe7f5"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # Okabe and Ito's: for all eyes


def new_figure(width: float, height: float, columns: int = 1, **options) -> tuple[Figure, list[Axes]]:
    """A figure of ``width`` x ``height`` inches and its axes, in a row."""
    figure = Figure(figsize=(width, height), dpi=160, layout="constrained", facecolor="white")
    axes = figure.subplots(1, columns, squeeze=False, **options)[0]
    return figure, list(axes)


def bare(axes: Axes, width: float, height: float) -> None:
    """Axes with equal units and no frame."""
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.axis("off")


def arrow(axes: Axes, start: tuple, end: tuple, *, colour: str = INK, bend: float = 0.0, style: str = "-|>") -> None:
    options = {"arrowstyle": style, "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.1}
    axes.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", color=colour, **options))


def box(axes: Axes, x: float, y: float, text: str, colour: str, *, round_: bool, width: float = 1.5) -> None:
    style = f"round,pad=0,rounding_size={0.34 if round_ else 0.04}"
    corner, height = (x - width / 2, y - 0.34), 0.68
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=colour, edgecolor=INK, linewidth=1))
    axes.text(x, y, text, ha="center", va="center", fontsize=10, color=INK)


# Chapter 1 -----------------------------------------------------------------------------------------------------------


def graph() -> Figure:
    """L = x y + sin x from the text of ``graph_dot``, with the contribution to the gradient along each arrow."""
    x, y = tg.tensor(2.0, requires_grad=True), tg.tensor(3.0, requires_grad=True)
    u, v = x * y, tg.sin(x)
    L = u + v
    text = tg.graph_dot(L, names={"x": x, "y": y, "u": u, "L": L})
    labels = dict(re.findall(r'(n\d+) \[label="([^"\\]*)', text))
    leaves = set(re.findall(r"(n\d+) \[[^\n]*shape=box", text))
    arrows = re.findall(r"(n\d+) -> (n\d+)", text)
    column: dict[str, int] = {}
    for name in labels:  # in the order of the computation
        column[name] = 1 + max((column[a] for a, b in arrows if b == name), default=-1)
    place = {name: (1.2 + 3.4 * column[name], 0.0) for name in labels}
    for position in set(column.values()):
        together = [name for name in labels if column[name] == position]
        for row, name in enumerate(reversed(together)):
            place[name] = (place[name][0], 2.0 + 1.9 * (row - (len(together) - 1) / 2))
    # n0 = x lies above n1 = y; sin above u keeps the arrows from crossing
    upper, lower = (name for name in labels if column[name] == 1)
    place[upper], place[lower] = place[lower], place[upper]
    values = {"x": x, "y": y, "u": u, "L": L, "sin": v}
    gradients = dict(zip("xyuL", tg.grad(L, [x, y, u, L]), strict=True)) | {"sin": tg.grad(L, v)[0]}
    passed = {("x", "u"): y.item(), ("y", "u"): x.item(), ("x", "sin"): math.cos(2)}

    figure, (axes,) = new_figure(7.6, 3.0)
    bare(axes, 9.2, 4.0)
    for a, b in arrows:
        (xa, ya), (xb, yb) = place[a], place[b]
        start, end = (xa + 0.78, ya), (xb - 0.8, yb)
        arrow(axes, start, end)
        names = tuple(labels[name].split(" = ")[0] for name in (a, b))
        along = 0.3 if start[1] > end[1] and a not in leaves else 0.42
        at = (start[0] + along * (end[0] - start[0]), start[1] + along * (end[1] - start[1]))
        label = f"{passed.get(names, 1.0):.3g}"
        axes.text(*at, label, fontsize=9, color=ORANGE, ha="center", va="center", bbox=PAPER)
    for name, label in labels.items():
        short = label.split(" = ")[0]
        box(axes, *place[name], label, LEAF if name in leaves else OPERATION, round_=name not in leaves)
        value, gradient = values[short].item(), gradients[short].item()
        axes.text(
            place[name][0], place[name][1] - 0.52, f"{value:.4g}", fontsize=9, color=BLUE, ha="right", va="center"
        )
        axes.text(place[name][0] + 0.1, place[name][1] - 0.52, f"{gradient:.3g}", fontsize=9, color=ORANGE, va="center")
    axes.text(0.2, 0.12, "value", fontsize=9, color=BLUE)
    axes.text(0.95, 0.12, "gradient: dL/d(value), and along an arrow its contribution", fontsize=9, color=ORANGE)
    return figure


PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}


def three_walks() -> Figure:
    """b = a + a, c = b + b, and three orders of traversal from c."""
    figure, panels = new_figure(8.6, 2.5, 3)
    titles = (
        "along every path\nright, but 7 visits (2^61 - 1 for 60 sums)",
        "each once, on first arrival\n3 visits, wrong",
        "each once, in topological order\n3 visits, right",
    )
    gradients = (  # those of b, those of a, and the result
        ("1, then 1", "1, 1, then 1, 1", "4"),
        ("1  (the second 1 is lost)", "1, 1", "2"),
        ("1 + 1 = 2", "2 + 2", "4"),
    )
    for axes, title, (at_b, at_a, slope) in zip(panels, titles, gradients, strict=True):
        bare(axes, 4.6, 3.9)
        axes.set_title(title, fontsize=9.5, color=INK)
        for x, name in zip((0.6, 2.3, 4.0), "abc", strict=True):
            axes.add_patch(Ellipse((x, 3.0), 0.8, 0.8, facecolor=LEAF if name == "a" else OPERATION, edgecolor=INK))
            axes.text(x, 3.0, name, ha="center", va="center", fontsize=11, color=INK)
        for start, end in ((4.0, 2.3), (2.3, 0.6)):
            for bend in (0.45, -0.45):
                is_dropped = slope == "2" and start == 4.0 and bend < 0
                height = 3.0 + math.copysign(0.25, bend)
                colour = FAINT if is_dropped else ORANGE
                arrow(axes, (start - 0.38, height), (end + 0.38, height), colour=colour, bend=bend)
        axes.text(2.3, 1.75, f"gradients of b: {at_b}", ha="center", fontsize=8.5, color=INK)
        axes.text(2.3, 1.15, f"gradients of a: {at_a}", ha="center", fontsize=8.5, color=INK)
        axes.text(2.3, 0.4, f"dc/da = {slope}", ha="center", fontsize=10.5, color=GREEN if slope == "4" else ORANGE)
    return figure


# Chapter 2 -----------------------------------------------------------------------------------------------------------


def difference_quotients() -> Figure:
    """The error of the central difference of log-sum-exp against its step, in float32 and float64."""
    point, direction = np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.0, 1.0])
    exact = math.exp(3) / (1 + math.e + math.exp(3))
    steps = np.logspace(-12, 0, 73)
    figure, (axes,) = new_figure(6.2, 3.4)
    for dtype, colour in (("float32", ORANGE), ("float64", BLUE)):

        def value(h: float, dtype: str = dtype) -> float:
            return tg.logsumexp(tg.tensor(point + h * direction, dtype=dtype)).item()

        errors = [abs((value(h) - value(-h)) / (2 * h) - exact) / exact for h in steps]
        axes.loglog(steps, np.maximum(errors, 1e-13), ".", color=colour, markersize=5, label=dtype)
    axes.loglog(steps[steps > 3e-4], 0.02 * steps[steps > 3e-4] ** 2, color=FAINT, zorder=0)
    axes.text(0.03, 1e-6, "$h^2$", color=INK, fontsize=10)
    axes.loglog(steps[steps < 1e-5], 2.2e-16 / steps[steps < 1e-5], color=FAINT, zorder=0)
    axes.text(1e-11, 1e-4, r"$\epsilon\,/\,h$", color=INK, fontsize=10, va="bottom")
    axes.axvline(1e-6, color=GREEN, linewidth=1, linestyle="--", zorder=0)
    axes.text(1.25e-6, 0.3, "gradcheck's step", color=GREEN, fontsize=9)
    axes.set(xlabel="step $h$", ylabel="relative error of the derivative", ylim=(1e-13, 10))
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


# Chapter 3 -----------------------------------------------------------------------------------------------------------


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


# Chapter 4 -----------------------------------------------------------------------------------------------------------


def bounds() -> Figure:
    """The linear-Gaussian example: a posterior and the best q; the estimate of log p(x) against K."""
    W, s = np.array([[1.0, 0.7], [0.0, 1.0]]), 0.5
    P = np.eye(2) + W.T @ W / s**2
    covariance, variance = np.linalg.inv(P), 1 / np.diag(P)
    gap = 0.5 * (np.log(np.diag(P)).sum() - np.linalg.slogdet(P)[1])
    figure, (left, right) = new_figure(9.0, 3.5, 2, width_ratios=(1, 1.45))

    eigenvalues, directions = np.linalg.eigh(covariance)
    angle = math.degrees(math.atan2(directions[1, 1], directions[0, 1]))
    for radius in (1, 2):
        tilted = Ellipse((0, 0), *(2 * radius * np.sqrt(eigenvalues[::-1])), angle=angle, fill=False, edgecolor=BLUE)
        upright = Ellipse((0, 0), *(2 * radius * np.sqrt(variance)), fill=False, edgecolor=ORANGE, linestyle="--")
        left.add_patch(tilted)
        left.add_patch(upright)
    left.plot([], [], color=BLUE, label="posterior p(z|x)")
    left.plot([], [], color=ORANGE, linestyle="--", label="best q, independent")
    left.set(xlim=(-1.5, 1.5), ylim=(-1.25, 1.85), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    left.legend(frameon=False, fontsize=8.5, loc="upper right")
    left.spines[["top", "right"]].set_visible(False)

    # log p(x, z) - log q(z) - log p(x), which is the same at every x: posterior over q
    tg.manual_seed(0)
    draws = np.unique(np.logspace(0, 3, 10).round().astype(int))
    means, spreads = [], []
    for K in draws:
        noise = tg.randn(max(1000, 100_000 // int(K)), int(K), 2, dtype="float64").numpy()
        z = noise * np.sqrt(variance)
        from_posterior = -0.5 * ((z @ P * z).sum(-1) + np.linalg.slogdet(2 * np.pi * covariance)[1])
        from_q = -0.5 * ((noise**2).sum(-1) + np.log(2 * np.pi * variance).sum())
        estimates = likelihoods.log_mean_exp(tg.tensor(from_posterior - from_q)).numpy()
        means.append(estimates.mean())
        spreads.append(np.quantile(estimates, (0.1, 0.9)))
    low, high = np.array(spreads).T
    right.axhline(0, color=GREEN, linewidth=1.2)
    right.text(1000, 0.015, r"$\log p(x)$", color=GREEN, fontsize=9.5, ha="right")
    right.axhline(-gap, color=ORANGE, linewidth=1.2, linestyle="--")
    right.text(1000, -gap - 0.045, "ELBO", color=ORANGE, fontsize=9.5, ha="right")
    right.fill_between(draws, low, high, color=BLUE, alpha=0.13, linewidth=0)
    right.semilogx(draws, means, "o-", color=BLUE, markersize=4, label="mean of the estimate (band: 80 % of them)")
    right.set(xlabel="samples $K$ per image", ylabel=r"nats from $\log p(x)$", ylim=(-0.68, 0.45))
    right.legend(frameon=False, fontsize=8.5, loc="lower right")
    right.spines[["top", "right"]].set_visible(False)
    return figure


# Chapter 7 -----------------------------------------------------------------------------------------------------------


def small_games() -> Figure:
    """The bilinear example with simultaneous and alternating updates; theta in the five GANs."""
    figure, (left, right) = new_figure(9.0, 3.6, 2, width_ratios=(1, 1.7))
    for alternating, colour, label in ((False, ORANGE, "simultaneous"), (True, BLUE, "alternating")):
        theta, psi = 1.0, 0.0
        iterates = [(theta, psi)]
        for _ in range(100):
            next_psi = psi + 0.1 * theta
            theta -= 0.1 * (next_psi if alternating else psi)
            psi = next_psi
            iterates.append((theta, psi))
        left.plot(*zip(*iterates, strict=True), color=colour, linewidth=1.1, label=label)
    left.plot(0, 0, "o", color=INK, markersize=4)
    left.set(aspect="equal", xlabel=r"$\theta$", ylabel=r"$\psi$", xlim=(-2, 2), ylim=(-2, 2))
    left.legend(frameon=False, fontsize=8.5, loc="lower right")

    colours = (ORANGE, BLUE, INK, GREEN, "#cc79a7")
    for (name, game), colour in zip(GAMES.items(), colours, strict=True):
        generator, critic = nn.Linear(1, 1), nn.Linear(1, 1, bias=False)
        generator.weight.data, critic.weight.data = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
        generator.bias.data = np.ones(1, np.float32)
        optimizers = SGD([generator.bias], 0.1), SGD(critic.parameters(), 0.1)
        gan = GAN(replace(game, n_critic=1), generator, critic, 1, *optimizers)
        thetas = [1.0]
        for _ in range(200):
            gan.train_step(tg.zeros(1, 1))
            thetas.append(generator.bias.item())
        right.plot(thetas, color=colour, linewidth=1.2, label=name.replace("_", " "))
    right.axhline(0, color=FAINT, linewidth=1, zorder=0)
    right.set(xlabel="training steps", ylabel=r"$\theta$", xlim=(0, 200), ylim=(-1.7, 1.2))
    right.legend(frameon=False, fontsize=8.5, loc="lower center", ncols=3, columnspacing=1.2, handlelength=1.5)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


# Chapter 8 -----------------------------------------------------------------------------------------------------------


def bias() -> Figure:
    """FID against 1/N of a perfect generator and of one that is too narrow, with the lines to 1/N = 0 and theory's."""
    tg.manual_seed(0)
    D, N = 32, 4000
    test = tg.randn(10_000, D, dtype="float64").numpy()
    test -= test.mean(axis=0)
    test = np.linalg.solve(np.linalg.cholesky(np.cov(test, rowvar=False)), test.T).T  # mean 0, covariance I, exactly
    figure, (axes,) = new_figure(7.2, 3.9)
    for s, label, colour in ((1.0, "perfect", BLUE), (0.9, "10 % too narrow", ORANGE)):
        samples = s * tg.randn(N, D, dtype="float64").numpy()
        fit = evaluation.fid_infinity(samples, test, resamples=20)
        ends = np.array([0, 1 / fit.sizes[0]])
        axes.plot(1 / fit.sizes, fit.scores, "o", color=colour, markersize=4, label=f"{label}: random subsets")
        line = f"least squares, {fit.estimate:.3f} at 0"
        axes.plot(ends, fit.estimate + fit.slope * ends, color=colour, linewidth=1.1, label=line)
        truth, slope = D * (1 - s) ** 2, D * s**2 + s * D * (D + 1) / 4
        theory = f"theory to leading order, {truth:.3f} at 0"
        axes.plot(ends, truth + slope * ends, color=colour, linewidth=1.1, linestyle=":", label=theory)
    axes.set(xlabel="$1/N$", ylabel="FID of $N$ samples", xlim=(-2e-5, None), ylim=(-0.05, None))
    axes.legend(frameon=False, fontsize=8.5, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


# The README ----------------------------------------------------------------------------------------------------------


def street() -> Figure:
    """Synthetic house numbers: one column per digit."""
    rows, gap = 5, 2
    numbers = data.load("street", "train", limit=100 * rows)
    columns = [numbers.images[numbers.labels == digit][:rows] for digit in range(10)]
    pictures = np.stack(columns, axis=1).transpose(0, 1, 3, 4, 2)  # 10 x (5, C, H, W) -> (5, 10, H, W, C)
    framed = np.pad(pictures, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255)
    down, across = (side + gap for side in pictures.shape[2:4])
    board = framed.swapaxes(1, 2).reshape(rows * down, 10 * across, 3)[:-gap, :-gap]
    figure = Figure(figsize=(board.shape[1] / 40, board.shape[0] / 40), dpi=160, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(board, interpolation="nearest")
    axes.axis("off")
    return figure


FIGURES = {
    "graph.png": graph,
    "three-walks.png": three_walks,
    "difference-quotients.png": difference_quotients,
    "convolution-matrices.png": convolution_matrices,
    "memory-order.png": memory_order,
    "bounds.png": bounds,
    "small-games.png": small_games,
    "fid-bias.png": bias,
    "street.png": street,
}


def write(folder: Path) -> None:
    """Draw every figure into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        draw().savefig(folder / name, metadata={"Software": None})


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "figures")
