"""The two examples of divergences, in little: what they write, and that a resumed run leaves the same."""

import importlib.util
import json
from pathlib import Path

import pytest

import tinygen as tg

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)
    state = tg.get_rng_state()
    yield
    tg.set_rng_state(state)


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Run an example with five steps an epoch into a folder of its own; returns the folder."""

    def run(name, out, *options):
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.STEPS = 5
        arguments = ["--out", tmp_path / out, "--batch-size", 16, *options]
        monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
        module.main()
        return tmp_path / out

    return run


def test_estimate_divergences_writes_every_error_by_name_and_resumes_exactly(example, capsys):
    whole = example("estimate_divergences", "whole", "--limit", 2)
    results = json.loads((whole / "results.json").read_text())
    for name in ("jensen_shannon", "squared_hellinger", "wasserstein_gradient", "wasserstein_lipschitz"):
        assert 0 <= results[f"{name}_mean_abs_error"] <= results[f"{name}_max_abs_error"]
    assert {path.name for path in whole.iterdir()} == {
        "checkpoint.h5",
        "divergences.png",
        "metrics.csv",
        "report.html",
        "results.json",
    }
    assert "  -0.9" in capsys.readouterr().out.splitlines()[-1]
    example("estimate_divergences", "parts", "--limit", 1)
    parts = example("estimate_divergences", "parts", "--limit", 2, "--resume")
    assert (parts / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert (parts / "divergences.png").read_bytes() == (whole / "divergences.png").read_bytes()


def test_density_estimation_writes_the_distance_and_the_integral(example):
    out = example("density_estimation", "density", "--epochs", 2)
    results = json.loads((out / "results.json").read_text())
    assert 0 < results["density_l1_distance"] < 1
    assert 0.5 < results["density_integral"] < 1.5
    assert {path.suffix for path in out.iterdir()} == {".h5", ".png", ".csv", ".html", ".json"}
