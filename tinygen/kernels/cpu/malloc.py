"""Appendix: the thresholds of the C library's allocator."""

import ctypes
import os
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # the parameters' numbers in glibc's malloc.h


@cache
def tune_malloc() -> None:
    """Let glibc reuse freed memory for the next array instead of returning it to the system.

    A training step frees and allocates the same megabytes again and again, and the system clears each page that it
    hands out. This raises two thresholds of ``mallopt`` for the whole process, for good: blocks up to 32 MiB come from
    the heap (``M_MMAP_THRESHOLD``, glibc's maximum), and up to 1 GiB of free memory stays at its end
    (``M_TRIM_THRESHOLD``). Training runs call it; with ``TINYGEN_MALLOC=0`` in the environment, or another C library,
    it does nothing.
    """
    if sys.platform == "linux" and os.environ.get("TINYGEN_MALLOC") != "0":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, 32 << 20)
            mallopt(M_TRIM_THRESHOLD, 1 << 30)
