"""What the tests of the examples share: an example is loaded as a module, and its files and results are compared."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import tinygen as tg

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _random_numbers_restored_and_no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("os.fsync", lambda file: None)
    state = tg.get_rng_state()
    yield
    tg.set_rng_state(state)


@pytest.fixture(scope="session")
def load_example():
    """Name -> the example's module, loaded anew."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
