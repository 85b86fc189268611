"""Commands that cannot succeed are refused: one sentence, exit status 2, and nothing of an earlier run touched.

What a parser can see is refused by the parser. What depends on the data is found by the rehearsal.
"""

import importlib.util
import json
import re
from pathlib import Path

import pytest

import tinygen as tg

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if not path.stem.startswith("minimal_"))  # these take none
NO_RUN = {"score_fid"}  # it writes no folder

COMMON = {
    "--device": ["cuda", "gpu:x", "gpu"],
    "--epochs": ["0", "-1", "1.5", "x", ""],
    "--batch-size": ["0", "-3", "2.5", "x"],
    "--seed": ["-1", "1.5", "x"],
    "--limit": ["0", "-1", "1.5", "x"],
    "--data": ["cifar", ""],
    "--out": ["~no-such-user/x"],
}
OWN = {
    "--learning-rate": ["nan", "inf", "-1", "0", "x"],
    "--critic-rate": ["nan", "inf", "-1", "0", "x"],
    "--generator-rate": ["nan", "inf", "-1", "0", "x"],
    "--beta1": ["1", "-0.1", "nan"],
    "--beta2": ["1", "2", "-0.1", "nan"],
    "--warmup": ["-1", "1.5"],
    "--importance-samples": ["0", "-1", "1.5"],
    "--likelihood-images": ["0", "1", "x"],
    "--images": ["0", "x"],
    "--kl-weight": ["-1", "nan", "inf"],
    "--draws": ["0", "x"],
    "--svm-c": ["0", "-1", "nan"],
    "--n-critic": ["0", "-1", "x"],
    "--steps": ["0", "x"],
    "--width": ["0", "x"],
    "--soft": ["1", "-0.1", "nan"],
    "--flipped": ["1", "nan"],
    "--penalty-weight": ["-1", "nan", "inf"],
    "--schedule": ["linear"],
    "--recipe": ["best"],
    "--pixels": ["grey"],
    "--variance": ["two"],
    "--game": ["chess"],
    "--count": ["0", "19", "x"],
}


def module_of(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr("tinygen.files.os.fsync", lambda file: None)
    state = tg.get_rng_state()
    yield
    tg.set_rng_state(state)


@pytest.fixture
def refused(monkeypatch, tmp_path, capsys):
    """Run an example that is to be refused; returns the sentence."""
    monkeypatch.chdir(tmp_path)

    def run(module, *options):
        monkeypatch.setattr("sys.argv", [f"{module.__name__}.py", *map(str, options)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            module.main()
        assert end.value.code == 2
        (sentence,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("usage:", "  "))]
        assert sentence.startswith(f"{module.__name__}.py: error: ")
        return sentence

    return run


def no_gpu():
    raise tg.DeviceError("no GPU here")


@pytest.mark.parametrize("name", NAMES)
def test_options_that_make_no_sense_are_refused_by_name(refused, monkeypatch, tmp_path, name):
    module = module_of(name)
    monkeypatch.setattr("tinygen.backend._cupy", no_gpu)
    source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    options = {option: values for option, values in OWN.items() if f'"{option}"' in source}
    if name in NO_RUN:
        options |= {option: values for option, values in COMMON.items() if f'"{option}"' in source}
    else:
        options |= COMMON
    for option, values in options.items():
        for value in values:
            assert f"argument {option}" in refused(module, f"{option}={value}"), (option, value)
    assert sorted(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_RUN])
def test_an_earlier_run_and_a_folder_that_cannot_be_written_are_refused(refused, tmp_path, name):
    module = module_of(name)
    earlier, file = tmp_path / "earlier", tmp_path / "file"
    earlier.mkdir()
    (earlier / "run.json").write_text(json.dumps({"command": "python it.py", "files": ["results.json"]}))
    (earlier / "results.json").write_text("{}")
    file.write_text("mine")
    assert "holds a run (python it.py): go on with --resume" in refused(module, "--out", earlier)
    assert "not allowed with argument" in refused(module, "--out", earlier, "--resume", "--overwrite")
    assert "is a file, expected a folder" in refused(module, "--out", file)
    assert "file" in refused(module, "--out", file / "below")
    assert (earlier / "results.json").read_text() == "{}"
    assert file.read_text() == "mine"


COLOUR = ["classify_svhn", "vae_svhn", "wgan_gp_svhn"]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        *[(name, ["--data-root", "none"], "is not in .*none") for name in ["vae_mnist", "vae_manifold"]],
        *[(name, ["--data-root", "none", "--data", "svhn"], "is not in .*none") for name in COLOUR],
        *[
            (name, ["--data", "strokes", "--limit", 1], "images must be 2 or more")
            for name in ["vae_mnist", "vae_mlp_mnist"]
        ],
        ("semi_supervised_m1", ["--data", "strokes", "--limit", 9], "the rarest class has [01] images, expected 10"),
        ("vae_svhn", ["--limit", 3, "--batch-size", 1], "4 |blocks expects 2"),
        ("wgan_gp_svhn", ["--limit", 3, "--batch-size", 1], "4 |blocks expects 2"),
        ("wgan_gp_svhn", ["--limit", 32, "--batch-size", 64], "32 images do not make one batch of 64"),
        ("dcgan_mnist", ["--data", "strokes", "--limit", 3, "--batch-size", 1], "4 |blocks expects 2"),
        ("dcgan_mnist", ["--data", "strokes", "--limit", 64, "--classifier", "none.h5"], "none.h5"),
        ("gan_fashion_mnist", ["--data", "strokes", "--limit", 200, "--classifier", "none.h5"], "none.h5"),
        ("vae_svhn", ["--limit", 8, "--batch-size", 4, "--classifier", "none.h5"], "none.h5"),
        ("wgan_gp_svhn", ["--limit", 8, "--batch-size", 4, "--classifier", "none.h5"], "none.h5"),
        ("compare_svhn", ["--limit", 8], "model.h5"),
    ],
)
def test_what_would_fail_after_the_training_is_refused_before_it(
    refused, monkeypatch, tmp_path, name, options, sentence
):
    monkeypatch.setattr(
        "tinygen.data.loading.fetch", lambda addresses, *_: [f"{each}: no network" for each in addresses]
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    narrow = ["--width", 1] if name in ("dcgan_mnist", "gan_fashion_mnist") else []
    assert re.search(sentence, refused(module_of(name), *options, *narrow, "--out", tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
