"""Appendix, to be skipped on a first reading: how the kernels are made fast on a CPU.

The modules adam, convolution, elementwise, likelihoods, normalisation, pooling, products and resampling compute what
the reference kernels of the same name in ``tinygen.kernels`` compute; the decorator
``tinygen.kernels.dispatch.fast_on_cpu`` chooses between the two. The others are the algorithms of convolution (mec,
row_gemm, im2col, full_window) and tools (blocked, layout, malloc, parallel).
"""
