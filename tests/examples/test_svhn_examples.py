"""The examples of house numbers, at a small scale: files, results, and exact resume."""

import json
import re

import numpy as np
import pytest
from training.stopped_runs import Stopped

import tinygen as tg
from tinygen.evaluation import write_images
from tinygen.models import SVHNClassifier
from tinygen.training import Run

VARYING = ("results.json", "report.html", "run.json", ".lock")  # the time, the command, the process
SMALL = ["--data", "street", "--limit", 16, "--batch-size", 4]


@pytest.fixture
def example(monkeypatch, tmp_path, load_example):
    """Run an example; returns its output folder."""

    def run(name, out, *options):
        module = load_example(name)
        monkeypatch.setattr("sys.argv", [name, *(["--out", str(tmp_path / out)] if out else []), *map(str, options)])
        module.main()
        return tmp_path / (out or ".")

    return run


@pytest.fixture
def classifier(tmp_path):
    """A file with the weights of an untrained classifier."""
    tg.manual_seed(0)
    tg.save(tmp_path / "classifier.h5", model=SVHNClassifier().state_dict())
    return tmp_path / "classifier.h5"


def files(folder):
    """Name -> content of all files but those with the time, the command or the process."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name not in VARYING}


def results(folder):
    """The results without the duration."""
    return json.loads((folder / "results.json").read_text()) | {"seconds": None}


def stop_in_second_epoch(run, what="epoch", progress_figure=Run.progress_figure):
    if run.rows:
        raise Stopped
    return progress_figure(run, what)


@pytest.mark.filterwarnings("ignore:.*images for 512 features")
@pytest.mark.parametrize(
    ("name", "own"), [("wgan_gp_svhn", ["--n-critic", 2]), ("vae_svhn", ["--variance", "learned"])]
)
def test_a_stopped_and_resumed_run_leaves_the_same_files_and_results(example, classifier, name, own, monkeypatch):
    options = [*SMALL, *own, "--epochs", 2, "--classifier", classifier]
    whole = example(name, "whole", *options)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "progress_figure", stop_in_second_epoch)
        with pytest.raises(Stopped):
            example(name, "parts", *options)
    parts = example(name, "parts", *options, "--resume")
    assert files(parts) == files(whole)
    assert results(parts) == results(whole)
    expected = {"checkpoint.h5", "model.h5", "metrics.csv", "samples.png", "curves.png"}
    assert expected | {"progress/epoch-001.png", "progress/epoch-002.png"} <= files(whole).keys()
    assert {"fid", "kid", "samples_mean_top_probability", "samples_least_share"} <= results(whole).keys()


@pytest.mark.filterwarnings("ignore:.*images for 512 features")
def test_two_models_are_compared_and_their_generators_scored(example, classifier, tmp_path, capsys):
    options = [*SMALL, "--classifier", classifier]
    models = {}
    for name in ("vae_svhn", "wgan_gp_svhn"):
        models[name] = example(name, name, *options, "--epochs", 1) / "model.h5"
    named = ["--vae", models["vae_svhn"], "--wgan-gp", models["wgan_gp_svhn"]]
    folder = example("compare_svhn", "compared", *options, *named)
    drawn = {
        f"{name}-{what}.png" for name in ("vae", "wgan_gp") for what in ("samples", "traversals", "interpolations")
    }
    assert drawn | {"vae-reconstructions.png", "vae-neighbours.png", "report.html"} <= files(folder).keys() | {
        "report.html"
    }
    assert {"vae_fid", "wgan_gp_fid", "untrained_fid"} <= results(folder).keys()

    score = ["--model", classifier, "--data", "street", "--limit", 30, "--count", 25]
    capsys.readouterr()
    saved = tmp_path / "saved"
    example("score_fid", None, *score, "--samples", models["wgan_gp_svhn"], "--save-samples", saved)
    direct = capsys.readouterr().out
    assert len(list((saved / "samples").glob("*.png"))) == 25
    example("score_fid", None, *score, saved)
    from_folder = capsys.readouterr().out
    assert fid_line(from_folder) == fid_line(direct)
    for metric in ("precision", "recall", "density", "coverage"):
        assert re.search(rf"^{metric} +[\d.]+$", from_folder, re.MULTILINE)


def fid_line(printed):
    (line,) = [line for line in printed.splitlines() if line.startswith("fid ")]
    assert "±" in line
    return line.split()[:2]


@pytest.mark.parametrize("what", ["an empty folder", "no image", "another network", "no generator", "nothing"])
def test_what_cannot_be_scored_is_named(example, classifier, tmp_path, what, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    arguments = ["--model", classifier, folder]
    if what == "no image":
        (folder / "notes.png").write_text("no image")
    elif what == "another network":
        write_images(np.zeros((1, 3, 32, 32), np.uint8), folder)
        tg.save(tmp_path / "other.h5", model={"weight": np.zeros(3)})
        arguments[1] = tmp_path / "other.h5"
    elif what == "no generator":
        arguments[2:] = ["--samples", classifier]
    elif what == "nothing":
        arguments[2:] = []
    expected = {
        "an empty folder": r"there are no images in .*folder$",
        "no image": r"notes\.png is no image that can be read",
        "another network": r"other\.h5 does not hold the weights",
        "no generator": r"classifier\.h5 holds model, expected 'generator'",
        "nothing": "expected a folder of images, or a generator's file",
    }
    with pytest.raises(SystemExit) as refused:
        example("score_fid", None, "--data", "street", "--limit", 20, *arguments)
    assert refused.value.code == 2
    assert re.search(expected[what], capsys.readouterr().err.strip())
