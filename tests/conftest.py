"""Fixtures for all tests."""

from collections.abc import Iterator
from types import ModuleType

import fake_device
import pytest
from chromium import started

from tinygen import backend


@pytest.fixture
def seeded() -> Iterator[None]:
    """The library's generator begins with seed 0; its earlier state is restored afterwards."""
    with backend.fixed_seed(0):
        yield


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The fake device, imported by the library in place of CuPy: ``.to("gpu")`` copies arrays to it."""
    monkeypatch.setattr(backend, "_cupy", lambda: fake_device)
    return fake_device


@pytest.fixture
def gpu(fake_gpu: ModuleType) -> str:
    """The device of tests that hold on any GPU: here the fake one; in tests/gpu, which runs them too, the machine's."""
    return "gpu"


@pytest.fixture(params=["cpu", "gpu"])
def device(request: pytest.FixtureRequest) -> str:
    """Each test that takes it runs twice: on the CPU, and on the fake GPU."""
    if request.param == "gpu":
        request.getfixturevalue("fake_gpu")
    return request.param


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Headless Chromium, for tests that are marked ``in_browser``."""
    with started(tmp_path_factory.mktemp("profile")) as driver:
        yield driver
