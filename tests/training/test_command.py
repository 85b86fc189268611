"""From a command to its experiment: the trial run, and the exit statuses."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tinygen as tg
from tinygen.training import Run, common_arguments, conduct, train
from tinygen.training.options import MAY_CHANGE, UNRECORDED, real, settings


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Of a command ``a_command.py --out OUT``, with more options if they are given."""
    monkeypatch.setattr("sys.argv", ["folder/a_command.py"])

    def parsed(*given):
        parser = common_arguments("A command", data="strokes", epochs=5, out="runs/x")
        return parser.parse_args(["--out", str(tmp_path / "out"), *given])

    return parsed


def test_an_experiment_has_a_trial_run_at_a_small_scale_without_output_in_another_folder_before_it_is_run(
    options, tmp_path, capsys
):
    calls = []

    def experiment(options, run):
        print("in the experiment")
        calls.append((options.epochs, options.limit, options.draws, run.out == tmp_path / "out", tg.rand(1).item()))
        run.log(1, loss=0.0)

    given = options("--seed", "3")
    given.draws = 9
    tg.manual_seed(3)
    first = tg.rand(1).item()
    conduct(experiment, given, limit=7, draws=1)
    assert calls == [(1, 7, 1, False, first), (5, None, 9, True, first)]
    assert capsys.readouterr() == ("in the experiment\n", "")
    assert (tmp_path / "out" / "metrics.csv").exists()


def test_a_trial_run_takes_no_more_images_than_the_experiment(options):
    limits = []
    conduct(lambda options, run: limits.append(options.limit), options("--limit", "3"), limit=7)
    assert limits == [3, 3]


@pytest.mark.parametrize("error", [ValueError("too few"), FileNotFoundError("too few"), tg.DeviceError("too few")])
@pytest.mark.parametrize("when", ["in the trial run", "before the first file"])
def test_invalid_input_is_refused_with_one_sentence(options, tmp_path, capsys, error, when):
    def experiment(options, run):
        if when == "in the trial run" or run.out == tmp_path / "out":
            raise error

    with pytest.raises(SystemExit) as end:
        conduct(experiment, options())
    assert end.value.code == 2
    assert capsys.readouterr().err == "a_command.py: error: too few\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, "No space left"), 1),
        (FloatingPointError("train: loss is nan"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_run_that_ends_early_prints_why_and_how_to_continue(options, tmp_path, capsys, error, status):
    def experiment(options, run):
        run.save(rows=[])
        if run.out == tmp_path / "out":
            raise error

    with pytest.raises(SystemExit) as end:
        conduct(experiment, options())
    assert end.value.code == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("a_command.py: ")
    assert line.endswith("; continue with --resume")


def test_an_error_of_the_program_itself_is_not_hidden(options, tmp_path):
    def experiment(options, run):
        run.log(1, loss=0.0)
        if run.out == tmp_path / "out":
            raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        conduct(experiment, options())


def test_settings_can_be_saved_in_a_checkpoint_and_omit_the_paths(options):
    given = options("--limit", "3")
    found = settings(given, "a_command.py")
    assert found == {"example": "a_command.py", "data": "strokes", "epochs": 5, "batch_size": 64} | {
        "seed": 0,
        "limit": 3,
        "device": "cpu",
    }
    assert set(UNRECORDED) | set(found) == set(vars(given)) | {"example"}
    assert "device" in MAY_CHANGE


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (real(), ["-1", "1e3", "0"], ["nan", "inf", "-inf", "x", ""]),
        (real(0, 1), ["0", "0.999"], ["1", "-0.1", "nan"]),
        (real(0, without_low=True), ["1e-9"], ["0", "-1"]),
    ],
)
def test_a_real_number_lies_within_its_bounds(kind, right, wrong):
    assert [kind(text) for text in right] == [float(text) for text in right]
    for text in wrong:
        with pytest.raises(Exception, match=r"expected a finite number.*, got"):
            kind(text)


COMMAND = """
import signal, sys, time
sys.path[:] = {path!r}
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a process that a shell starts in the background
from tinygen.training import common_arguments, conduct, train
def experiment(options, run):
    steps = 1 if options.epochs == 1 else 10**6
    def step(_, index):
        if steps > 1: print("step", index, flush=True); time.sleep(0.05)
        return {{}}
    train(run, range(steps), step, epochs=1, parts={{}}, minutes=0.0)
conduct(experiment, common_arguments("x", data="strokes", epochs=5, out=sys.argv[1]).parse_args(sys.argv[2:]))
"""


def test_ctrl_c_ends_a_command_with_one_line_and_leaves_a_checkpoint(tmp_path):
    command = [sys.executable, "-c", COMMAND.format(path=sys.path), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not process.stdout.readline().startswith("step 3"):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        _, printed = process.communicate()
    assert process.returncode == 130
    assert printed.splitlines() == ["-c: interrupted; continue with --resume"]
    assert tg.load(tmp_path / "out" / "checkpoint.h5")["done"] >= 3


def test_a_metric_that_is_a_tensor_becomes_a_number_at_once(tmp_path):
    kept = []

    def step(_, index):
        loss = tg.tensor([2.0], requires_grad=True) * 3
        kept.append(loss)
        return {"loss": loss, "exact": np.float32(0.5)}

    rows = train(Run(tmp_path), range(2), step, epochs=1, parts={})
    assert rows == [{"epoch": 1, "loss": 6.0, "exact": 0.5}]
    assert tg.load(tmp_path / "checkpoint.h5")["rows"] == rows
    with pytest.raises(TypeError, match=r"^train: the metric loss must be a number, got a list$"):
        train(None, range(2), lambda *_: {"loss": [1.0]}, epochs=1, parts={})


def test_a_foreign_file_of_a_name_that_the_run_will_write_is_found_at_the_start(tmp_path, options, capsys):
    """Not after the training, when the earlier run is gone."""

    def experiment(options, run):
        run.part("half").log(1, loss=1.0)
        run.file("late.png").write_bytes(b"")

    conduct(experiment, options())
    (tmp_path / "out" / "late.png").unlink()
    manifest = tmp_path / "out" / "run.json"
    manifest.write_text(manifest.read_text().replace('"late.png"', '"other.png"'))
    (tmp_path / "out" / "late.png").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        conduct(experiment, options("--overwrite"))
    assert ended.value.code == 2
    assert "late.png is not of this run, which would write a file of that name" in capsys.readouterr().err
    assert (tmp_path / "out" / "half" / "metrics.csv").exists()


def test_an_interrupt_names_the_checkpoint_to_resume_from(tmp_path, options, capsys):
    def interrupted_in_a_part(options, run):
        run.part("half").save(weights=np.ones(1))
        if options.epochs > 1:
            raise KeyboardInterrupt

    def interrupted_at_once(options, run):
        raise KeyboardInterrupt

    for experiment, words in ((interrupted_at_once, "nothing was changed"), (interrupted_in_a_part, "--resume")):
        with pytest.raises(SystemExit) as ended:
            conduct(experiment, options())
        assert ended.value.code == 130
        assert words in capsys.readouterr().err
