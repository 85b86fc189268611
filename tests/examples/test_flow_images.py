"""Flow matching and diffusion on images, at a small scale: files, results, exact resume, samples without training."""

import json

import numpy as np
import pytest
from PIL import Image
from training.stopped_runs import Stopped

import tinygen as tg
from tinygen.data import Dataset
from tinygen.models import DigitClassifier
from tinygen.training import Run

VARYING = ("results.json", "report.html", "run.json", ".lock")  # the time, the command, the process
SMALL = ["--limit", 40, "--batch-size", 4, "--width", 2, "--sampling-steps", 2, "--draws", 24, "--steps", 4]

pytestmark = pytest.mark.filterwarnings("ignore:.*images for 128 features")


@pytest.fixture
def example(monkeypatch, tmp_path, load_example):
    """Run the example with rows of two steps; returns its output folder."""
    tg.manual_seed(0)
    tg.save(tmp_path / "classifier.h5", model=DigitClassifier().state_dict())  # untrained

    def run(out, *options):
        module = load_example("flow_images")
        module.ROW, module.WARMUP = 2, 1
        words = ["flow_images", *SMALL, "--out", tmp_path / out, "--classifier", tmp_path / "classifier.h5", *options]
        monkeypatch.setattr("sys.argv", list(map(str, words)))
        module.main()
        return tmp_path / out

    return run


def files(folder):
    """Name -> content of all files but those with the time, the command or the process."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.endswith(VARYING)}


def results(folder):
    return json.loads((folder / "results.json").read_text()) | {"seconds": None}


def stopping(run, what="epoch", progress_figure=Run.progress_figure):
    if run.rows:
        raise Stopped
    return progress_figure(run, what)


def test_a_flow_is_trained_scored_and_resumed_to_the_same_bits(example, monkeypatch):
    whole = example("whole")
    with monkeypatch.context() as patch:
        patch.setattr("tinygen.training.run.Run.progress_figure", stopping)
        with pytest.raises(Stopped):
            example("parts")
    parts = example("parts", "--resume")
    assert files(parts) == files(whole)
    assert results(parts) == results(whole)
    figures = {"samples.png", "path.png", "film.gif", "progress.png", "curve.png"}
    assert figures | {"model.h5", "checkpoint.h5", "metrics.csv", "progress/row-002.png"} <= files(whole).keys()
    assert {"fid", "kid", "train_loss", "guidance_weight", "samples_least_share"} <= results(whole).keys()
    with Image.open(whole / "film.gif") as film:
        assert film.n_frames <= 3
        assert film.size == (560, 560)


def test_other_samples_of_a_trained_network_are_drawn_without_training(example, monkeypatch):
    out = example("run")
    before = files(out)
    monkeypatch.setattr("tinygen.flows.flow_matching_loss", None)  # a training step would fail
    monkeypatch.setattr("tinygen.training.command.trial_run", lambda *_: None)  # which trains
    example("run", "--resume", "--digit", 7, "--guidance", 2, "--draws", 12)
    after = files(out)
    assert after["samples.png"] != before["samples.png"]
    for name in ("model.h5", "metrics.csv", "curve.png", "progress.png"):
        assert after[name] == before[name]
    assert results(out)["guidance_weight"] == 2
    with pytest.raises(SystemExit):
        example("run", "--resume", "--path", "diffusion")


def test_a_diffusion_is_trained_and_scored(example, monkeypatch):
    monkeypatch.setattr("tinygen.flows.flow_matching_loss", None)
    assert np.isfinite(results(example("run", "--path", "diffusion"))["fid"])


def test_bits_without_labels_are_trained_without_classes(example, monkeypatch):
    def bits(name, split, **_):
        return Dataset(np.random.default_rng(0).random((40, 1, 28, 28)) < 0.2)

    monkeypatch.setattr("tinygen.training.options.load", bits)
    out = example("bits", "--data", "binarized-mnist")
    assert "fid" not in results(out)
    assert "samples.png" in files(out)


def test_colour_images_have_three_channels(example, monkeypatch):
    monkeypatch.setattr("tinygen.evaluation.load_or_train_classifier", lambda *_, **__: None)
    monkeypatch.setattr("tinygen.evaluation.evaluate_samples", lambda _, samples, __: {"channels": samples.shape[1]})
    out = example("street", "--data", "street")
    assert results(out)["channels"] == 3
    with Image.open(out / "film.gif") as film:
        assert film.size == (640, 640)
