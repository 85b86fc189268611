"""The examples on samplers, in little: what they write, and that a resumed run leaves the same."""

import importlib.util
import json
from pathlib import Path
from unittest import mock

import pytest

import tinygen as tg
from tinygen.objectives import GAMES

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
        module.ESTIMATE = {"steps": 2, "batch_size": 8, "samples": 50}  # of the toy GAN's verdicts
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


def test_toy_gan_judges_every_game_and_resumes_exactly(example):
    whole = example("toy_gan", "whole", "--epochs", 2)
    results = json.loads((whole / "results.json").read_text())
    for game in GAMES:
        assert 0 <= results[f"{game}_share_within_3_sd"] <= 1
        assert results[f"{game}_modes_covered"] in range(9)
        assert all(f"{game}_{what}" in results for what in ("jensen_shannon", "kullback_leibler", "wasserstein"))
        assert (f"{game}_distance_from_half" in results) == GAMES[game].has_labels
    figures = {"fields.png", "film.gif", "learning.png"}
    assert figures < {path.name for path in whole.iterdir()}
    assert "data:image/gif;base64," in (whole / "report.html").read_text()

    stopped = pytest.raises(KeyboardInterrupt)
    with stopped, mock.patch("tinygen.training.run.Run.log", side_effect=KeyboardInterrupt):
        example("toy_gan", "parts", "--epochs", 2)
    parts = example("toy_gan", "parts", "--epochs", 2, "--resume")
    for name in (*figures, "metrics.csv", "checkpoint.h5"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize("data", ["grid", "moons", "spiral"])
def test_toy_gan_plays_the_games_that_are_asked_for_on_any_data(example, data):
    options = ("--data", data, "--game", "non_saturating", "--n-critic", 2, "--soft", 0.1, "--flipped", 0.05)
    results = json.loads((example("toy_gan", data, "--epochs", 1, *options) / "results.json").read_text())
    assert ("non_saturating_modes_covered" in results) == (data == "grid")
    assert not any(name.startswith("minimax") for name in results)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--game", "wasserstein_clip", "--soft", 0.1), "--soft and --flipped are for games with labels"),
        (("--penalty-weight", -1), "penalty_weight must be a number from 0, got -1.0"),
        (("--n-critic", 0), "n_critic must be a whole number from 1, got 0"),
    ],
)
def test_toy_gan_refuses_options_that_make_no_sense(example, capsys, options, problem):
    with pytest.raises(SystemExit):
        example("toy_gan", "none", *options)
    assert problem in capsys.readouterr().err
