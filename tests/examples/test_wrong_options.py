"""Commands that cannot succeed are refused: one sentence, exit status 2, and an earlier run unchanged.

Invalid values are refused by the parser. Errors that depend on the data occur in the trial run.
"""

import json
import re
from pathlib import Path

import pytest

import tinygen as tg

EXAMPLES = Path(__file__).parents[2] / "examples"
PARTS = ("canvas", "latent_models", "live_page", "plane_gan")  # of examples; no options, as the minimal ones
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if not path.stem.startswith(("minimal_", *PARTS)))
NO_RUN = {"score_fid", "live_gan", "explore_latent"}  # they write no folder

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
    "--labels": ["0", "9", "x"],
    "--features": ["edges"],
    "--side": ["0", "x"],
    "--alpha": ["0", "-1", "nan"],
    "--smoothing": ["-1", "nan", "inf"],
    "--radius": ["0", "-1", "nan"],
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
    "--objective": ["vae"],
    "--num-samples": ["0", "-1", "1.5", "x"],
    "--average": ["1", "-0.1", "nan"],
    "--layers": ["0", "2", "x"],
    "--hidden": ["0", "-1", "1.5", "x"],
    "--path": ["curved"],
    "--digit": ["-1", "10", "x"],
    "--guidance": ["-1", "nan", "inf"],
    "--sampler": ["rk4"],
    "--sampling-steps": ["0", "x"],
    "--port": ["0", "-1", "x", "70000"],
}
UNTESTED = {
    "--resume",
    "--overwrite",
    "--open",
    "--thorough",
    "--output-bias",
    "--path-gradient",
}  # no value, or any number
UNTESTED |= {"--data-root", "--classifier", "--critic", "--model", "--samples", "--save-samples", "--vae", "--wgan-gp"}


@pytest.fixture
def refused(monkeypatch, tmp_path, capsys):
    """Run an example that must be refused; returns the sentence."""
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
def test_invalid_options_are_refused_by_name(refused, load_example, monkeypatch, capsys, tmp_path, name):
    module = load_example(name)
    monkeypatch.setattr("tinygen.backend._cupy", no_gpu)
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit):
        module.main()
    accepted = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    assert name in NO_RUN or COMMON.keys() <= accepted
    assert accepted <= {*COMMON, *OWN, *UNTESTED}
    options = {option: values for option, values in (COMMON | OWN).items() if option in accepted}
    for option, values in options.items():
        for value in values:
            assert f"argument {option}" in refused(module, f"{option}={value}"), (option, value)
    assert sorted(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_RUN])
def test_an_earlier_run_and_a_folder_that_cannot_be_written_are_refused(refused, load_example, tmp_path, name):
    module = load_example(name)
    earlier, file = tmp_path / "earlier", tmp_path / "file"
    earlier.mkdir()
    manifest = {"commands": ["python it.py"], "settings": {}, "files": ["results.json"]}
    (earlier / "run.json").write_text(json.dumps(manifest))
    (earlier / "results.json").write_text("{}")
    file.write_text("mine")
    assert "holds a run (python it.py): continue with --resume" in refused(module, "--out", earlier)
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
            for name in ["vae_mnist", "vae_mlp_mnist", "vae_ladder"]
        ],
        ("semi_supervised_m1", ["--data", "strokes", "--limit", 9], "the rarest class has [01] images, expected 10"),
        ("semi_supervised_m2", ["--data", "strokes", "--limit", 9], "the rarest class has [01] images, expected"),
        ("vae_svhn", ["--limit", 3, "--batch-size", 1], "4 |blocks expects 2"),
        ("wgan_gp_svhn", ["--limit", 3, "--batch-size", 1], "4 |blocks expects 2"),
        ("wgan_gp_svhn", ["--limit", 32, "--batch-size", 64], "32 images do not make one batch of 64"),
        ("dcgan_mnist", ["--data", "strokes", "--limit", 3, "--batch-size", 1], "4 |blocks expects 2"),
        ("dcgan_mnist", ["--data", "strokes", "--limit", 64, "--classifier", "none.h5"], "none.h5"),
        ("gan_fashion_mnist", ["--data", "strokes", "--limit", 200, "--classifier", "none.h5"], "none.h5"),
        ("vae_svhn", ["--limit", 8, "--batch-size", 4, "--classifier", "none.h5"], "none.h5"),
        ("wgan_gp_svhn", ["--limit", 8, "--batch-size", 4, "--classifier", "none.h5"], "none.h5"),
        ("flow_images", ["--limit", 32, "--batch-size", 64], "32 images do not make one batch of 64"),
        ("flow_images", ["--limit", 40, "--batch-size", 4, "--classifier", "none.h5"], "none.h5"),
        ("compare_svhn", ["--limit", 8], "model.h5"),
    ],
)
def test_what_would_fail_after_the_training_is_refused_before_it(
    refused, load_example, monkeypatch, tmp_path, name, options, sentence
):
    monkeypatch.setattr(
        "tinygen.data.loading.fetch", lambda addresses, *_: [f"{each}: no network" for each in addresses]
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    narrow = ["--width", 1] if name in ("dcgan_mnist", "flow_images", "gan_fashion_mnist") else []
    assert re.search(sentence, refused(load_example(name), *options, *narrow, "--out", tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


def test_the_layers_of_a_ladder_must_not_fall(refused, load_example):
    sentence = refused(load_example("vae_ladder"), "--layers", 7, 1)
    assert sentence.endswith("argument --layers: the sides must not fall from the top, got 7 1")
