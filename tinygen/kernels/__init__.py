"""Kernels: functions from arrays to arrays, without tensors and gradients.

Each module of this folder, apart from ``dispatch`` and ``windows``, computes its subject on any array module (NumPy,
CuPy): the reference, which is what to read and what a GPU runs. ``kernels.cpu`` holds faster versions for NumPy's
arrays; the decorator ``dispatch.fast_on_cpu`` chooses between the two, and tests compare them. Images have the shape
(N, C, H, W): batch, channels, rows, columns; their order in memory is known to ``kernels.cpu`` alone.
"""
