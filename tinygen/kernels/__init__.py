"""Kernels: functions from arrays to arrays, without tensors or gradients.

Each page has the reference of one subject, for any array module (NumPy, CuPy): a GPU computes with it, and a reader
reads it. ``kernels.cpu`` is an appendix with faster versions for a CPU; the decorator ``dispatch.fast_on_cpu`` chooses
between the two, and tests compare them. Images have the shape (N, C, H, W): batch, channels, rows, columns; their order
in a CPU's memory is a matter of ``kernels.cpu`` alone.
"""
