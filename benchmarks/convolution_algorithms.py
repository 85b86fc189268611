"""The algorithms for one convolution in kernels/cpu/, side by side: the measurements behind the choice between them in
kernels/cpu/convolution.py.

    python benchmarks/convolution_algorithms.py          half a minute

Each row gives the times of two algorithms and their ratio, medians over three geometries. Before each call a matrix
product replaces the contents of the caches, as the other layers of a network do.
"""

import time
from collections.abc import Callable
from statistics import median

import common
import numpy as np

from tinygen.kernels.cpu import convolution, im2col, mec, row_gemm
from tinygen.kernels.cpu.layout import as_nchw, store_parameter, to_hcwn
from tinygen.kernels.cpu.parallel import one_blas_thread
from tinygen.kernels.windows import Geometry

BATCH, OTHER = 64, 32  # images; channels on the other side of the convolution
FACTOR = np.ones((700, 700), np.float32)

Sizes = tuple[int, int, int]  # of the image, of the kernel, the padding
STRIDE_1: list[Sizes] = [(28, 3, 1), (14, 3, 1), (14, 5, 2)]
STRIDE_2: list[Sizes] = [(28, 5, 2), (28, 3, 1), (32, 4, 1)]


def milliseconds(*functions: Callable[[], object]) -> list[float]:
    """The median time of each of ``functions``, called in turn."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(15):
        for kept, function in zip(times, functions, strict=True):
            with one_blas_thread():
                FACTOR @ FACTOR
            start = time.perf_counter()
            function()
            kept.append(1e3 * (time.perf_counter() - start))
    return [median(kept[2:]) for kept in times]


def arrays(C: int, O: int, sizes: Sizes, geometry: Geometry) -> tuple[np.ndarray, ...]:
    """Random x, w and g for these channels, stored as the library stores them."""
    size, kernel, _ = sizes
    rng = np.random.default_rng(0)
    x = as_nchw(to_hcwn(rng.standard_normal((BATCH, C, size, size), np.float32)))
    w = store_parameter(rng.standard_normal((O, C, kernel, kernel), np.float32))
    return x, w, as_nchw(to_hcwn(rng.standard_normal(mec.conv2d(x, w, None, geometry).shape, np.float32)))


def forward(C: int, O: int, sizes: Sizes, geometry: Geometry) -> list[float]:
    """conv2d by mec, and with exchanged roles by row_gemm."""
    x, w, g = arrays(C, O, sizes, geometry)
    swapped = geometry._replace(padding=(sizes[1] - 1 - sizes[2],) * 2)
    rotated = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    return milliseconds(
        lambda: mec.conv2d(x, w, None, geometry),
        lambda: row_gemm.conv2d_input_grad(x, rotated, None, g.shape[2:], swapped),
    )


def few_channels(C: int, O: int, sizes: Sizes, geometry: Geometry) -> list[float]:
    """conv2d by mec and by im2col."""
    x, w, _ = arrays(C, O, sizes, geometry)
    return milliseconds(lambda: mec.conv2d(x, w, None, geometry), lambda: im2col.conv2d(x, w, None, geometry))


def input_grad(C: int, O: int, sizes: Sizes, geometry: Geometry) -> list[float]:
    """conv2d_input_grad by row_gemm and by im2col."""
    x, w, g = arrays(C, O, sizes, geometry)
    size = x.shape[2:]
    return milliseconds(
        lambda: row_gemm.conv2d_input_grad(g, w, None, size, geometry),
        lambda: im2col.conv2d_input_grad(g, w, None, size, geometry),
    )


def weight_grad(C: int, O: int, sizes: Sizes, geometry: Geometry) -> list[float]:
    """conv2d_weight_grad by row_gemm and by im2col."""
    x, w, g = arrays(C, O, sizes, geometry)
    kernel = w.shape[2:]
    return milliseconds(
        lambda: row_gemm.conv2d_weight_grad(x, g, kernel, geometry),
        lambda: im2col.conv2d_weight_grad(x, g, kernel, geometry),
    )


def main() -> None:
    """A table for each threshold."""
    common.describe_machine()
    few, very_few = f"FEW = {convolution.FEW}", f"VERY_FEW = {convolution.VERY_FEW}"
    tables = (
        (f"conv2d, {OTHER} -> O channels", "mec", "row_gemm", forward, 1, "O", (8, 16, 32, 48, 64)),
        (f"conv2d, C -> {OTHER} channels", "mec", "row_gemm", forward, 1, "C", (4, 8, 16, 32, 64)),
        (f"{very_few}: conv2d, C -> {OTHER} channels", "mec", "im2col", few_channels, 2, "C", (1, 2, 3, 4)),
        (f"conv2d_input_grad, {OTHER} -> C channels", "row_gemm", "im2col", input_grad, 2, "C", (1, 2, 3)),
        (f"{few}: conv2d_weight_grad, C channels", "row_gemm", "im2col", weight_grad, 2, "C", (1, 4, 8, 16)),
    )
    for title, first, second, compare, stride, varied, counts in tables:
        rows = []
        for count in counts:
            C, O = (count, OTHER) if varied == "C" else (OTHER, count)
            times = []
            for sizes in STRIDE_1 if stride == 1 else STRIDE_2:
                geometry = Geometry((stride, stride), (sizes[2], sizes[2]), (1, 1), 1)
                times.append(compare(C, O, sizes, geometry))
            rows.append((str(count), *np.median(times, axis=0), median(b / a for a, b in times)))
        print(f"\n{title}")
        common.print_table((varied, f"{first} ms", f"{second} ms", "ratio"), rows)


if __name__ == "__main__":
    main()
