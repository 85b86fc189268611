"""The examples on samplers, at a small scale: files, results, and exact resume."""

import json
from unittest import mock

import numpy as np
import pytest
import toy_gan
from scipy.stats import multivariate_normal

from tinygen.data import samplers
from tinygen.objectives import GAMES
from tinygen.training import Run

ESTIMATE = {"steps": 2, "batch_size": 8, "samples": 50}  # of the divergences of toy_gan.py, which toy_flow.py uses
SMALL = {"STEPS": 5, "ESTIMATE": ESTIMATE, "BLOCK": 60, "LIKELIHOOD_POINTS": 50, "FRAMES": 10, "SIDE": 13}


@pytest.fixture
def example(monkeypatch, tmp_path, load_example):
    """Run an example with five steps per epoch and small figures; returns its output folder."""
    monkeypatch.setattr(toy_gan, "ESTIMATE", ESTIMATE)

    def run(name, out, *options):
        module = load_example(name)
        for constant, value in SMALL.items():
            monkeypatch.setattr(module, constant, value, raising=False)
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
        "run.json",
        ".lock",
    }
    assert capsys.readouterr().out.splitlines()[-1].startswith("-0.9  ")
    example("estimate_divergences", "parts", "--limit", 1)
    parts = example("estimate_divergences", "parts", "--limit", 2, "--resume")
    assert (parts / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert (parts / "divergences.png").read_bytes() == (whole / "divergences.png").read_bytes()


def test_density_estimation_writes_the_distance_and_the_integral(example):
    out = example("density_estimation", "density", "--epochs", 2)
    results = json.loads((out / "results.json").read_text())
    assert 0 < results["density_l1_distance"] < 1
    assert 0.5 < results["density_integral"] < 1.5
    assert {path.suffix for path in out.iterdir() if path.name != ".lock"} == {".h5", ".png", ".csv", ".html", ".json"}


def interrupting_in_the_second_epoch(run, epoch, log=Run.log, **metrics):
    if epoch == 2:
        raise KeyboardInterrupt
    log(run, epoch, **metrics)


def test_toy_gan_evaluates_every_game_and_resumes_exactly(example):
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

    with pytest.raises(SystemExit) as interrupted, mock.patch.object(Run, "log", interrupting_in_the_second_epoch):
        example("toy_gan", "parts", "--epochs", 2)
    assert interrupted.value.code == 130
    parts = example("toy_gan", "parts", "--epochs", 2, "--resume")
    for name in (*figures, "metrics.csv", "checkpoint.h5"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


def test_toy_gan_trains_equally_with_longer_estimates_after_each_epoch(example):
    options = ("--epochs", 2, "--game", "non_saturating", "wasserstein_lipschitz")
    short, long = (example("toy_gan", out, *options, *more) for out, more in (("short", ()), ("long", ("--thorough",))))
    rows, more_rows = ((folder / "metrics.csv").read_text().splitlines() for folder in (short, long))
    names, more_names = (lines[0].split(",") for lines in (rows, more_rows))
    added = {name for name in more_names if name.endswith("_thorough")}
    assert set(more_names) == set(names) | added
    assert len(added) == 2 * 3
    for row, more_row in zip(rows[1:], more_rows[1:], strict=True):
        values, more_values = (
            dict(zip(each, line.split(","), strict=True)) for each, line in ((names, row), (more_names, more_row))
        )
        assert {name: more_values[name] for name in names} == values


@pytest.mark.parametrize("data", ["grid", "moons", "spiral"])
def test_toy_gan_trains_the_given_games_on_any_data(example, data):
    options = ("--data", data, "--game", "non_saturating", "--n-critic", 2, "--soft", 0.1, "--flipped", 0.05)
    results = json.loads((example("toy_gan", data, "--epochs", 1, *options) / "results.json").read_text())
    assert ("non_saturating_modes_covered" in results) == (data == "grid")
    assert not any(name.startswith("minimax") for name in results)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--game", "wasserstein_clip", "--soft", 0.1), "--soft and --flipped are for games with labels"),
        (("--penalty-weight", -1), "argument --penalty-weight: expected a finite number from 0, got '-1'"),
        (("--n-critic", 0), "argument --n-critic: expected a whole number from 1, got '0'"),
    ],
)
def test_toy_gan_refuses_invalid_options(example, capsys, options, problem):
    with pytest.raises(SystemExit):
        example("toy_gan", "none", *options)
    assert problem in capsys.readouterr().err


def test_toy_flow_measures_samples_and_density_and_resumes_exactly(example):
    options = ("--epochs", 2, "--sampling-steps", 3)
    whole = example("toy_flow", "whole", *options)
    results = json.loads((whole / "results.json").read_text())
    assert results["modes_covered"] in range(9)
    assert 0 <= results["share_within_3_sd"] <= 1
    assert {"jensen_shannon", "kullback_leibler", "wasserstein", "log_likelihood"} < set(results)
    assert results["kullback_leibler_by_likelihood"] > results["kullback_leibler_by_likelihood_standard_error"] > 0
    figures = {"moments.png", "paths.png", "density.png", "learning.png", "film.gif"}
    assert figures < {path.name for path in whole.iterdir()}

    with pytest.raises(SystemExit) as interrupted, mock.patch.object(Run, "log", interrupting_in_the_second_epoch):
        example("toy_flow", "parts", *options)
    assert interrupted.value.code == 130
    parts = example("toy_flow", "parts", *options, "--resume")
    for name in (*figures, "metrics.csv", "checkpoint.h5"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ("grid", ("--path", "diffusion", "--sampler", "ancestral")),
        ("moons", ("--path", "diffusion", "--sampler", "ddim")),
        ("spiral", ("--path", "diffusion")),
        ("ring", ("--sampler", "euler")),
    ],
)
def test_toy_flow_runs_on_any_data_with_every_path_and_sampler(example, data, options):
    out = example("toy_flow", data, "--epochs", 1, "--sampling-steps", 3, "--data", data, *options)
    results = json.loads((out / "results.json").read_text())
    assert ("modes_covered" in results) == ("kullback_leibler_by_likelihood" in results) == (data in ("ring", "grid"))


def test_toy_flow_has_no_noise_to_remove_on_straight_paths(example, capsys):
    with pytest.raises(SystemExit):
        example("toy_flow", "none", "--sampler", "ddim")
    assert "--sampler ddim needs the noise that --path diffusion estimates" in capsys.readouterr().err


def test_the_density_of_a_mixture_and_samples_in_blocks(load_example):
    toy_flow = load_example("toy_flow")
    toy_flow.BLOCK = 4
    ring, x = samplers.ring(3, 1.0, 0.2), samplers.two_moons(20)
    modes = [multivariate_normal(centre, ring.scale**2).pdf(x) for centre in ring.centres]
    np.testing.assert_allclose(toy_flow.mixture_log_density(ring, x), np.log(np.mean(modes, axis=0)), rtol=1e-6)

    blocks = []

    def generate(n):
        blocks.append(np.full((n, 2), len(blocks), np.float32))
        return blocks[-1]

    draw = toy_flow.in_blocks(generate)
    drawn = [draw(n)[:, 0].tolist() for n in (3, 2, 4)]
    assert drawn == [[0, 0, 0], [0, 1], [1, 1, 1, 2]]
    assert [len(block) for block in blocks] == [4, 4, 4]
