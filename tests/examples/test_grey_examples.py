"""The GAN examples on grey images, at a small scale: files, results, and exact resume."""

import json

import pytest
from training.stopped_runs import Stopped

import tinygen as tg
from tinygen.models import DigitClassifier
from tinygen.training import Run

VARYING = ("results.json", "report.html", "run.json", ".lock")  # the time, the command, the process
SMALL = ["--data", "strokes", "--limit", 12, "--batch-size", 2, "--width", 1]


@pytest.fixture
def example(monkeypatch, tmp_path, load_example):
    """Run an example after ``change(module)``; returns its output folder."""
    tg.manual_seed(0)
    tg.save(tmp_path / "classifier.h5", model=DigitClassifier().state_dict())  # untrained

    def run(name, out, *options, change=lambda *_: None):
        module = load_example(name)
        with monkeypatch.context() as patch:
            change(module, patch)
            words = [name, *SMALL, "--out", tmp_path / out, "--classifier", tmp_path / "classifier.h5", *options]
            patch.setattr("sys.argv", list(map(str, words)))
            module.main()
        return tmp_path / out

    return run


def stopping(run, what="epoch", progress_figure=Run.progress_figure):
    if run.rows:
        raise Stopped
    return progress_figure(run, what)


def two_rows(module, monkeypatch):
    module.ROWS = 2


def stop_at_second_grid(module, monkeypatch):
    if hasattr(module, "ROWS"):
        two_rows(module, monkeypatch)

    monkeypatch.setattr("tinygen.training.run.Run.progress_figure", stopping)


def files(folder):
    """Name -> content of all files but those with the time, the command or the process."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.endswith(VARYING)}


def results(folder):
    """The results without the duration."""
    return json.loads((folder / "results.json").read_text()) | {"seconds": None}


@pytest.mark.filterwarnings("ignore:.*images for 128 features")
def test_a_gan_is_trained_evaluated_and_resumed_to_the_same_bits(example):
    options = ["--game", "wasserstein-gp", "--n-critic", 2, "--steps", 4]
    whole = example("gan_fashion_mnist", "whole", *options, change=two_rows)
    with pytest.raises(Stopped):
        example("gan_fashion_mnist", "parts", *options, change=stop_at_second_grid)
    parts = example("gan_fashion_mnist", "parts", *options, "--resume", change=two_rows)
    assert files(parts) == files(whole)
    assert results(parts) == results(whole)
    rows = (whole / "wasserstein-gp" / "metrics.csv").read_text().splitlines()
    assert rows[0].endswith(",generator_steps")
    assert [row.rpartition(",")[2] for row in rows[1:]] == ["2", "4"]
    assert "rises slowly" in (whole / "report.html").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:.*images for 128 features")
def test_gans_are_trained_separately_and_evaluated_together(example):
    """None depends on which others are trained."""
    alone = example("gan_fashion_mnist", "alone", "--game", "non-saturating", "--steps", 2, change=two_rows)
    names = ("wasserstein-clip", "non-saturating")
    both = example("gan_fashion_mnist", "both", "--game", *names, "--steps", 2, change=two_rows)
    drawn = files(both)
    for name in ("non-saturating/model.h5", "non-saturating-samples.png"):
        assert files(alone)[name] == drawn[name]
    for name in names:
        kinds = ("samples", "curves", "progress", "classes", "least-recognisable")
        assert {f"{name}-{kind}.png" for kind in kinds} <= drawn.keys()
        inside = {"model.h5", "checkpoint.h5", "metrics.csv", "progress/row-001.png"}
        assert {f"{name}/{file}" for file in inside} <= drawn.keys()
        scores = {"fid", "kid", "kid_standard_error", "mean_top_probability", "least_share", "share_of_9"}
        assert {f"{name.replace('-', '_')}_{score}" for score in scores} <= results(both).keys()
    assert "shares.png" in drawn


@pytest.mark.parametrize("option", ["--steps", "--n-critic", "--width"])
def test_invalid_numbers_end_the_program_with_a_sentence(example, option, capsys):
    with pytest.raises(SystemExit) as refused:
        example("gan_fashion_mnist", "none", option, 0)
    assert refused.value.code == 2
    assert f"argument {option}: expected a whole number from 1, got '0'" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*images for 128 features")
def test_a_dcgan_is_trained_evaluated_and_resumed_to_the_same_bits(example):
    whole = example("dcgan_mnist", "whole", "--epochs", 2)
    with pytest.raises(Stopped):
        example("dcgan_mnist", "parts", "--epochs", 2, change=stop_at_second_grid)
    parts = example("dcgan_mnist", "parts", "--epochs", 2, "--resume")
    assert files(parts) == files(whole)
    assert results(parts) == results(whole)
    figures = {"samples-001.png", "samples-002.png", "classes.png", "least-recognisable.png", "interpolations.png"}
    assert figures | {"curves.png", "model.h5", "progress/epoch-002.png"} <= files(whole).keys()
    assert {"samples_mean_top_probability", "samples_least_share", "fid", "kid"} <= results(whole).keys()
