"""Appendix, to be skipped on a first reading: how the kernels are made fast on a CPU.

Each module here computes what the reference kernel of the same name in ``tinygen.kernels`` computes. The decorator
``tinygen.kernels.dispatch.fast_on_cpu`` chooses between the two.
"""
