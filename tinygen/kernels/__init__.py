"""Kernels: functions from arrays to arrays, without tensors and gradients.

Each module of this folder computes its subject on any array module (NumPy, CuPy): the reference, which is what to read
and what a GPU runs. ``kernels.cpu`` holds faster versions for NumPy's arrays; the decorator ``dispatch.fast_on_cpu``
chooses, and tests hold both equal. Images have the shape (N, C, H, W): examples, channels, rows, columns.
"""
