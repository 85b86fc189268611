"""In this folder the GPU is the machine's."""

import pytest


@pytest.fixture
def gpu() -> str:
    """The machine's GPU, in the place of the fake one."""
    return "gpu"
