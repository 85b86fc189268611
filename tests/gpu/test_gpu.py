"""The checks that run on the fake GPU, on the machine's own: every operation to second order, and whole trainings."""

import pytest

import tinygen as tg

if not tg.gpu_available():
    pytest.skip("there is no GPU that CuPy can use", allow_module_level=True)

from operations.test_registry import test_the_same_on_a_gpu
from test_devices import *  # noqa: F403

__all__ = ["test_the_same_on_a_gpu"]
