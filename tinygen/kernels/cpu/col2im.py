"""Appendix: the adjoint of a convolution in images of one channel, by col2im.

With a single channel the GEMMs of ``row_gemm`` have kw rows, too few to be fast. One GEMM per output row with kh kw
rows computes all columns of im2col, which are then added to the pixels that they belong to: little work, as there is
one channel. The threads share out the GEMMs by rows and the additions by images.
"""

import numpy as np

from tinygen.kernels.cpu.layout import Array, as_nchw, to_gemm_kernel, to_hcwn
from tinygen.kernels.cpu.parallel import parallel
from tinygen.kernels.products import matmul
from tinygen.kernels.windows import Geometry, Pair, tap_pairs

PARALLEL_MIN_ELEMENTS = 300_000  # of all columns: fewer are added in calls so short that the threads wait for the lock


def conv2d_input_grad(g: Array, w: Array, bias: Array | None, size: Pair, geometry: Geometry) -> Array:
    """g (N, O, H_out, W_out), w (O, C, kh, kw), bias (C,) or None -> (N, C, H, W) with size = (H, W)."""
    (N, O, H_out, W_out), (_, C, kh, kw) = g.shape, w.shape
    kernel = np.broadcast_to(to_gemm_kernel(w).reshape(O, -1).T, (H_out, kh * kw * C, O))
    columns = matmul(kernel, to_hcwn(g).reshape(H_out, O, W_out * N)).reshape(H_out, kh, kw, C, W_out, N)
    columns = columns.transpose(1, 2, 3, 5, 0, 4)  # (kh, kw, C, N, H_out, W_out)
    x = as_nchw(np.empty((size[0], C, size[1], N), columns.dtype))

    def work(first: int, last: int) -> None:
        images = x[first:last].swapaxes(0, 1)
        images[...] = 0 if bias is None else bias[:, None, None, None]
        for i, j, out, into in tap_pairs(size, (H_out, W_out), (kh, kw), geometry):
            images[into] += columns[i, j, :, first:last][out]

    parallel(work, N, when=columns.size >= PARALLEL_MIN_ELEMENTS)
    return x
