"""The example that trains a classifier of house numbers, at a small scale: its files, also of a resumed run."""

import json

import numpy as np
import pytest
import scipy.io

from tinygen import checkpoint
from tinygen.models import SVHNClassifier
from tinygen.training import Run


@pytest.fixture
def example(monkeypatch, tmp_path, load_example):
    """Run the example on a few images of noise; returns its output folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data" / "svhn").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        images, labels = rng.integers(0, 256, (32, 32, 3, 30), np.uint8), rng.integers(1, 11, (30, 1), np.uint8)
        path = tmp_path / "data" / "svhn" / f"{split}_32x32.mat"
        scipy.io.savemat(path, {"X": images, "y": labels}, do_compression=True)
    module = load_example("classify_svhn")

    def run(out, *options):
        arguments = ["--data-root", tmp_path / "data", "--out", tmp_path / out, "--batch-size", 10, *options]
        monkeypatch.setattr("sys.argv", ["classify_svhn.py", *map(str, arguments)])
        module.main()
        return tmp_path / out

    return run


def stopping_in_the_second_epoch(run, epoch, log=Run.log, **metrics):
    if epoch == 2:
        raise KeyboardInterrupt
    log(run, epoch, **metrics)


@pytest.mark.filterwarnings("ignore:.*is not the official")
def test_it_writes_accuracies_figures_and_weights_and_resumes_exactly(example, monkeypatch, capsys):
    whole = example("whole", "--epochs", 2, "--limit", 20)
    results = json.loads((whole / "results.json").read_text())
    assert 0 <= results["valid_accuracy"] <= 1
    assert 0 <= results["test_accuracy"] <= 1
    names = {
        "checkpoint.h5",
        "curves.png",
        "doubtful.png",
        "metrics.csv",
        "report.html",
        "results.json",
        "run.json",
        ".lock",
    }
    assert {path.name for path in whole.iterdir()} == names
    SVHNClassifier().load_state_dict(checkpoint.load(whole / "checkpoint.h5")["parts"]["model"])

    with monkeypatch.context() as patch:
        patch.setattr(Run, "log", stopping_in_the_second_epoch)
        with pytest.raises(SystemExit) as interrupted:
            example("parts", "--epochs", 2, "--limit", 20)
        assert interrupted.value.code == 130
        assert capsys.readouterr().err == "classify_svhn.py: interrupted; continue with --resume\n"
    again = example("parts", "--epochs", 2, "--limit", 20, "--resume")
    for name in ("metrics.csv", "curves.png", "doubtful.png", "checkpoint.h5"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()
