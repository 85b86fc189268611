"""Index arithmetic of sliding windows, for convolution and pooling."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Pair = tuple[int, int]  # (vertical, horizontal)


class Geometry(NamedTuple):
    """The options of a convolution, apart from its sizes."""

    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int


def output_size(
    size: Sequence[int], kernel_size: Sequence[int], stride: Pair, padding: Pair, dilation: Pair = (1, 1)
) -> Pair:
    """The number of windows that fit into the padded image, vertically and horizontally:
    (size + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1."""
    height, width = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation, strict=True)
    )
    return height, width


def taps(
    size: int, output_size: int, kernel_size: int, stride: int, padding: int, dilation: int = 1
) -> list[tuple[slice, slice]]:
    """For each element of a kernel along one axis, a tap, the pair (output pixels, input pixels) that it connects:
    input pixel stride r + dilation tap - padding to output pixel r. Padding is left out; both slices are empty for a
    tap that covers nothing else."""
    pairs = []
    for tap in range(kernel_size):
        offset = dilation * tap - padding
        first = max(0, -(offset // stride))  # the first output pixel whose input pixel is not left of the image
        last = max(first, min(output_size, (size - 1 - offset) // stride + 1))
        start = first * stride + offset
        pairs.append((slice(first, last), slice(start, max(start, start + (last - first - 1) * stride + 1), stride)))
    return pairs


def tap_pairs(
    size: Sequence[int], output: Sequence[int], kernel_size: Sequence[int], geometry: Geometry
) -> Iterator[tuple[int, int, tuple[Any, ...], tuple[Any, ...]]]:
    """For each tap, the element (i, j) of the kernel, the index of the output pixels that it contributes to, and that
    of the input pixels that it multiplies, of arrays that end in (rows, columns)."""
    rows, columns = (taps(size[a], output[a], kernel_size[a], *(pair[a] for pair in geometry[:3])) for a in (0, 1))
    for i, (row_out, row_in) in enumerate(rows):
        for j, (column_out, column_in) in enumerate(columns):
            yield i, j, (..., row_out, column_out), (..., row_in, column_in)
