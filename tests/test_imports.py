"""``import tinygen`` loads NumPy, the tensors and their operations; everything else when it is first used."""

import importlib
import subprocess
import sys

import pytest

import tinygen as tg

SUBPACKAGES = ["checkpoint", "data", "divergences", "evaluation", "functional", "likelihoods", "models", "nn"]
SUBPACKAGES += ["objectives", "optim", "plotting", "training"]


def loaded(code: str) -> set[str]:
    """The modules that a fresh process has loaded after running ``code``."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def packages(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def test_an_import_loads_numpy_alone_of_the_dependencies():
    numpy = loaded("import numpy")
    added = loaded("import numpy, tinygen") - numpy
    assert packages(added) - sys.stdlib_module_names - {"numpy"} == {"tinygen"}


def test_an_import_loads_no_subpackage_and_no_random_numbers():
    modules = loaded("import tinygen")
    assert "tinygen.operations.reductions" in modules
    assert {f"tinygen.{name}" for name in SUBPACKAGES} & modules == set()
    assert "numpy.random" not in modules


@pytest.mark.parametrize(
    ("code", "dependency"),
    [
        ("tg.save('/dev/null/x', x=1)", "h5py"),
        ("tg.plotting.image_grid", "matplotlib"),
        ("tg.evaluation.frechet_distance", "scipy"),
    ],
)
def test_a_dependency_is_loaded_when_it_is_used(code, dependency):
    before = packages(loaded("import tinygen as tg"))
    after = packages(loaded(f"import tinygen as tg\ntry: {code}\nexcept OSError: pass"))
    assert dependency in after - before


@pytest.mark.parametrize("name", SUBPACKAGES)
def test_a_subpackage_is_an_attribute_before_it_is_imported(name):
    modules = loaded(f"import tinygen as tg\nassert tg.{name}.__name__ == 'tinygen.{name}'")
    assert f"tinygen.{name}" in modules
    assert getattr(tg, name) is importlib.import_module(f"tinygen.{name}")


def test_what_is_loaded_later_is_listed_and_other_names_are_refused():
    assert {*SUBPACKAGES, "save", "load", "tensor"} <= set(dir(tg))
    with pytest.raises(AttributeError, match="'tinygen' has no attribute 'torch'"):
        _ = tg.torch
    with pytest.raises(ImportError, match="torch"):
        exec("from tinygen import torch")
