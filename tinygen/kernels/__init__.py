"""The number crunching: plain functions from arrays to arrays, which know nothing of tensors or gradients.

Images always have the shape (N, C, H, W): batch, channels, rows, columns. On a CPU the results *lie in memory* as
(H, C, W, N), batch innermost, because there a convolution is a few matrix products over views of its input, with
nothing copied. NumPy's element-wise functions keep whatever order their operands have, so only these files know.

Where a kernel has a version of its own for the CPU, a plain version for any array module (NumPy, CuPy) stands beside
it, and a test holds the two equal.
"""
