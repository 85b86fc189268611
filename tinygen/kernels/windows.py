"""Index arithmetic of sliding windows, for convolution and pooling."""

from collections.abc import Sequence

Pair = tuple[int, int]  # (vertical, horizontal)

CACHE_SIZE = 256  # shapes: entries of each cache of index arithmetic, which takes as long as the work on small arrays


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
    """For each kernel element along one axis the pair (output pixels, input pixels) that it connects: input pixel
    stride r + dilation tap - padding to output pixel r. Padding is left out; both slices are empty for an element that
    covers nothing else."""
    pairs = []
    for tap in range(kernel_size):
        offset = dilation * tap - padding
        first = max(0, -(offset // stride))  # the first output pixel whose input pixel is not left of the image
        last = max(first, min(output_size, (size - 1 - offset) // stride + 1))
        start = first * stride + offset
        pairs.append((slice(first, last), slice(start, max(start, start + (last - first - 1) * stride + 1), stride)))
    return pairs
