"""A run's folder: the same files whether a run was stopped or not, and numbers that read back as they were."""

import csv
import io
import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tinygen import backend
from tinygen.checkpoint import CheckpointError
from tinygen.console import progress, say
from tinygen.training.lock import FolderLock
from tinygen.training.options import common_arguments, load_splits
from tinygen.training.report import Reference
from tinygen.training.run import Run, command, print_results

METRICS = [{"train_elbo": -100 / (epoch + 1 / 3), "steps": epoch * 7} for epoch in range(1, 5)]


def train(out, first, last, resume=False):
    """Epochs ``first`` to ``last`` of a training that writes a checkpoint after each, and the end if they are all."""
    run = Run(out, resume=resume, settings={"seed": 3, "device": "cpu"}, may_change=("device",))
    if run.resumed:
        run.restore(run.load()["rows"])
    for epoch in range(first, last + 1):
        run.log(epoch, **METRICS[epoch - 1])
        run.save(rows=run.rows)
    if last == len(METRICS):
        run.figure("samples.png", "Samples").write_bytes(b"png")
        run.finish("A run", {"elbo": -1.5}, text="Why.")
    return run


def visible(folder):
    """The names of the folder's files, without the lock."""
    return sorted(name for name in os.listdir(folder) if name != ".lock")


def contents(folder):
    """The folder's files, name -> bytes, without the one number that may differ."""
    files = {name: (folder / name).read_bytes() for name in visible(folder)}
    results = json.loads(files["results.json"])
    assert results.pop("seconds") >= 0
    return files | {"results.json": results}


def test_a_resumed_run_leaves_the_same_files_as_one_that_never_stopped(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["vae.py", "--epochs", "4"])
    train(tmp_path / "whole", 1, 4)
    train(tmp_path / "stopped", 1, 2)
    stopped = Run(tmp_path / "stopped", resume=True, settings={"seed": 3, "device": "cpu"})
    stopped.restore(stopped.load()["rows"])
    stopped.log(3, train_elbo=0.0, steps=0)  # killed before the checkpoint that belongs to this row
    unfinished = tmp_path / "stopped" / f".checkpoint.h5.{'0' * 32}.unfinished"
    unfinished.write_bytes(b"half a checkpoint")
    monkeypatch.setattr("sys.argv", ["vae.py", "--epochs", "4", "--resume"])
    train(tmp_path / "stopped", 3, 4, resume=True)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert sorted(contents(tmp_path / "whole")) == [
        "checkpoint.h5",
        "metrics.csv",
        "report.html",
        "results.json",
        "run.json",
        "samples.png",
    ]


def test_metrics_read_back_as_the_same_bits(tmp_path):
    run = Run(tmp_path)
    numbers = [0.1 + 0.2, np.float32(0.1), -1e-300, np.int64(2**40), float("nan"), float("-inf")]
    run.log(1, **{f"m{i}": number for i, number in enumerate(numbers)})
    ((_, *found),) = list(csv.reader((tmp_path / "metrics.csv").read_text().splitlines()))[1:]
    np.testing.assert_array_equal([float(text) for text in found], [float(number) for number in numbers])
    assert found[3] == "1099511627776"


def test_rows_are_plain_numbers_that_a_checkpoint_can_hold(tmp_path):
    run = Run(tmp_path)
    run.log(1, elbo=np.float32(-90.5), images=np.int64(64))
    assert run.rows == [{"epoch": 1, "elbo": -90.5, "images": 64}]
    assert [type(value) for value in run.rows[0].values()] == [int, float, int]


def test_resuming_without_a_checkpoint_starts_afresh(tmp_path):
    Run(tmp_path).log(1, elbo=-1.0)
    run = Run(tmp_path, resume=True)
    assert not run.resumed
    run.log(1, loss=-1.0)
    assert (tmp_path / "metrics.csv").read_text() == "epoch,loss\n1,-1.0\n"


def test_a_checkpoint_made_before_the_first_epoch_s_end_leaves_no_rows(tmp_path):
    run = Run(tmp_path)
    run.save(rows=run.rows)
    run.log(1, elbo=-1.0)
    run = Run(tmp_path, resume=True)
    run.restore(run.load()["rows"])
    assert run.resumed
    assert not (tmp_path / "metrics.csv").exists()


def test_an_earlier_run_is_neither_removed_nor_replaced_unless_that_is_asked_for(tmp_path, capsys):
    train(tmp_path, 1, 4)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=r"holds a run \(python .*\): .* --resume, .* --overwrite, or .* --out$"):
        Run(tmp_path)
    assert contents(tmp_path) == before


def test_an_overwriting_run_removes_what_the_one_before_wrote_and_no_other_file_once_it_has_begun(tmp_path, capsys):
    train(tmp_path, 1, 2).progress_figure().write_bytes(b"png")
    (tmp_path / "notes.txt").write_text("mine")
    before = visible(tmp_path)
    run = Run(tmp_path, overwrite=True)
    assert visible(tmp_path) == before
    run.figure("other.png", "Another").write_bytes(b"png")
    assert visible(tmp_path) == ["notes.txt", "other.png", "run.json"]


def test_a_folder_with_files_of_the_user_is_refused(tmp_path):
    (tmp_path / "results.json").write_text("mine")
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(
            FileExistsError, match=r"holds files that are not of a run .*\(results.json\): choose a new"
        ):
            Run(tmp_path, **options)


def test_a_run_does_not_replace_a_file_that_is_not_its_own(tmp_path):
    run = Run(tmp_path)
    run.log(1, loss=1.0)
    (tmp_path / "samples.png").write_text("mine")
    with pytest.raises(FileExistsError, match=r"samples.png exists and is not of this run"):
        run.figure("samples.png", "Samples")
    assert (tmp_path / "samples.png").read_text() == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"files": ["../mine.txt"], "commands": [""], "settings": {}}',
        '{"files": 3, "commands": [""], "settings": {}}',
    ],
)
def test_a_list_of_files_that_cannot_be_right_removes_nothing(tmp_path, text):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"run.json is no list of a run's files"):
        Run(tmp_path / "run", overwrite=True)
    assert (tmp_path / "mine.txt").exists()


SETTINGS = {"data": "strokes", "learning_rate": 0.1, "limit": None, "game": ["a", "b"]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "mnist"}, "data is 'mnist', the run's is 'strokes'"),
        (
            {"limit": 5, "game": ["a"]},
            "limit is 5, the run's is None; game is ['a'], the run's is ['a', 'b']",
        ),
        ({"width": 3}, "width is 3, the run's is None"),
    ],
)
def test_a_run_is_resumed_with_its_own_settings_or_refused_by_name_with_both_values(tmp_path, changed, message):
    Run(tmp_path, settings=SETTINGS).save(rows=[])
    assert Run(tmp_path, resume=True, settings=SETTINGS).resumed
    before = (tmp_path / "checkpoint.h5").read_bytes()
    with pytest.raises(ValueError, match=r"run.json cannot be resumed with other settings: " + re.escape(message)):
        Run(tmp_path, resume=True, settings=SETTINGS | changed)
    assert (tmp_path / "checkpoint.h5").read_bytes() == before


def test_a_setting_that_may_change_is_said_and_recorded(tmp_path, capsys):
    Run(tmp_path, settings=SETTINGS).save(rows=[])
    run = Run(tmp_path, resume=True, settings=SETTINGS | {"learning_rate": 0.2}, may_change=["learning_rate"])
    assert capsys.readouterr().out == "resumed with another setting: learning-rate is 0.2, the run's is 0.1\n"
    run.save(rows=[])
    assert run.load()["settings"]["learning_rate"] == 0.2


def test_a_run_is_not_resumed_by_another_version_of_the_library(tmp_path, monkeypatch):
    Run(tmp_path).save(rows=[])
    monkeypatch.setattr("tinygen.training.run.versions", lambda: {"tinygen_version": "99"})
    with pytest.raises(ValueError, match=r"tinygen-version is '99', the run's is '"):
        Run(tmp_path, resume=True)


def test_a_part_of_a_run_is_resumed_or_overwritten_with_it_and_has_its_settings(tmp_path):
    def parts(**options):
        run = Run(tmp_path / "whole", settings=SETTINGS, **options)
        return run, run.part("inner")

    whole, inner = parts()
    inner.save(rows=[])
    assert whole.has_begun
    assert (tmp_path / "whole" / "run.json").exists()
    del whole, inner
    with pytest.raises(FileExistsError):
        parts()
    _whole, inner = parts(resume=True)
    assert inner.resumed
    with pytest.raises(ValueError, match="seed is 3, the run's is None"):
        Run(tmp_path / "whole", resume=True, settings=SETTINGS | {"seed": 3}).part("inner")
    _whole, inner = parts(overwrite=True)
    assert not inner.resumed
    assert inner.checkpoint.exists()
    inner.log(1, loss=0.0)
    assert not inner.checkpoint.exists()


def test_a_folder_is_one_process_s_until_it_ends(tmp_path):
    script = (
        "import sys; from tinygen.training import Run; run = Run(sys.argv[1]); print('has it', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "has it\n"
    with pytest.raises(BlockingIOError, match=rf"is in use by process {other.pid} on .* \(python -c .*\): wait"):
        Run(tmp_path)
    other.kill()
    other.communicate()
    Run(tmp_path).log(1, loss=0.0)


def test_runs_of_one_process_may_share_a_folder(tmp_path):
    first = Run(tmp_path)
    first.log(1, loss=0.0)
    Run(tmp_path, resume=True).log(1, loss=0.0)


def test_seconds_add_up_over_the_parts_of_a_run(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    run = Run(tmp_path)
    clock[0] += 50
    run.log(1, elbo=-1.0)
    run.save(rows=run.rows)
    clock[0] += 1000  # the run lies still
    run = Run(tmp_path, resume=True)
    clock[0] += 7
    assert run.seconds == 57


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seconds": "long"}'])
def test_a_run_resumes_though_the_seconds_before_are_lost(tmp_path, text):
    Run(tmp_path).save(rows=[])
    (tmp_path / "results.json").write_text(text)
    assert Run(tmp_path, resume=True).seconds < 10


def test_results_are_flat_and_state_what_they_depend_on(tmp_path, capsys):
    train(tmp_path, 1, 4)
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["elbo"], results["seed"], results["device"], results["epochs"]) == (-1.5, 3, "cpu", 4)
    assert results["numpy_version"] == np.__version__
    assert {"python_version", "scipy_version", "tinygen_version", "seconds"} <= set(results)


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf")])
def test_a_result_that_is_not_finite_is_refused_by_name(tmp_path, value):
    with pytest.raises(ValueError, match=r"finish: the result valid_elbo is (nan|inf)"):
        Run(tmp_path).finish("A run", {"fid": 1.0, "valid_elbo": value})
    assert visible(tmp_path) == []


@pytest.mark.parametrize("name", ["seed", "seconds", "numpy_version"])
def test_a_result_may_not_take_the_name_of_a_fact(tmp_path, name):
    with pytest.raises(ValueError, match=f"finish: {name} is not a result's name"):
        Run(tmp_path).finish("A run", {name: 1.0})


def test_epochs_come_in_order_and_with_the_same_names(tmp_path):
    run = Run(tmp_path)
    run.log(1, elbo=-1.0)
    with pytest.raises(ValueError, match=r"epoch 2 comes next in .*, got epoch 3"):
        run.log(3, elbo=-1.0)
    with pytest.raises(ValueError, match=r"columns \['epoch', 'elbo'\], the new row \['epoch', 'fid'\]"):
        run.log(2, fid=1.0)
    assert len(run.rows) == 1


def test_the_command_starts_a_run_from_its_beginning(monkeypatch):
    monkeypatch.setattr("sys.argv", ["examples/vae.py", "--out", "my runs/a", "--resume"])
    assert command() == "python examples/vae.py --out 'my runs/a'"


def test_results_are_printed_beside_their_references(capsys):
    results = {"valid_elbo": -93.9612, "test_log_likelihood": -88.19, "test_log_likelihood_standard_error": 0.2312}
    print_results(results, [Reference("valid_elbo", -96, "the bar"), Reference("valid_elbo", -93.5, "elsewhere")])
    assert capsys.readouterr().out.splitlines() == [
        "result               here           reference  from",
        "valid_elbo           -93.961        -96        the bar",
        "                                    -93.5      elsewhere",
        "test_log_likelihood  -88.19 ± 0.23",
    ]


def test_what_a_terminal_cannot_print_is_printed_as_an_escape_and_a_closed_one_is_no_reason_to_stop(tmp_path):
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    say("-88.19 ± 0.23, \udcff", file=written)
    assert written.buffer.getvalue() == b"-88.19 \\xb1 0.23, \\udcff\n"
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        say("nobody reads this", file=closed)
        say("nor this", file=closed)


def test_progress_prints_a_line_now_and_then_where_there_is_no_terminal(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    seen = []
    for item in progress("abcdefgh", "epoch 2"):
        seen.append(item)
        clock[0] += 4.0
    assert seen == list("abcdefgh")
    assert capsys.readouterr().err.splitlines() == [
        "epoch 2: 3/8 in 12 s, about 20 s left",
        "epoch 2: 6/8 in 24 s, about 8 s left",
    ]


def test_progress_counts_what_has_no_length_and_takes_a_total(capsys):
    assert list(progress(iter("ab"), "reading", every=0)) == ["a", "b"]
    assert list(progress(iter("ab"), "reading", total=2, every=0)) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "reading: 1 in 0 s",
        "reading: 2 in 0 s",
        "reading: 1/2 in 0 s, about 0 s left",
        "reading: 2/2 in 0 s, about 0 s left",
    ]


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(progress([1, 2, 3], "epoch 1")) == [1, 2, 3]
    assert "epoch 1:" in capsys.readouterr().err


def test_every_example_takes_the_common_options(monkeypatch):
    monkeypatch.setattr("tinygen.training.options.use_device", lambda device, rank: device)  # as if two GPUs were there
    parser = common_arguments("A VAE", data="mnist", epochs=20, out="runs/vae")
    given = "--device gpu:1 --data svhn --data-root d --epochs 2 --batch-size 8 --seed 0 --out o --resume --limit 64"
    options = vars(parser.parse_args(given.split()))
    assert {name: str(value) for name, value in options.items()} == {
        "device": "gpu:1",
        "data": "svhn",
        "data_root": "d",
        "epochs": "2",
        "batch_size": "8",
        "seed": "0",
        "out": "o",
        "resume": "True",
        "overwrite": "False",
        "limit": "64",
    }
    options = parser.parse_args([])
    assert (options.device, options.data, options.epochs, options.batch_size, options.seed) == (
        "cpu",
        "mnist",
        20,
        64,
        0,
    )
    assert (options.limit, options.data_root, options.resume, str(options.out)) == (None, None, False, "runs/vae")


def test_a_gpu_that_is_not_there_ends_the_program_before_it_begins(monkeypatch, capsys):
    def absent():
        raise backend.DeviceError("no GPU: CuPy is not installed; install it")

    monkeypatch.setattr(backend, "_cupy", absent)
    with pytest.raises(SystemExit):
        common_arguments("A VAE", data="mnist", epochs=20, out="runs/vae").parse_args(["--device", "gpu"])
    assert "argument --device: no GPU: CuPy is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("--epochs 0", "argument --epochs: expected a whole number from 1, got '0'"),
        ("--batch-size 1.5", "argument --batch-size: expected a whole number from 1, got '1.5'"),
        ("--limit=-3", "argument --limit: expected a whole number from 1, got '-3'"),
        ("--seed=-1", "argument --seed: expected a whole number from 0, got '-1'"),
        ("--device cuda", "argument --device: expected cpu, gpu or gpu:N with N = 0, 1, ..., got 'cuda'"),
        ("--data cifar", "argument --data: invalid choice: 'cifar'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_a_sentence(capsys, wrong, message):
    parser = common_arguments("A VAE", data="mnist", epochs=20, out="runs/vae", datasets=["mnist", "svhn"])
    with pytest.raises(SystemExit):
        parser.parse_args(wrong.split())
    assert message in capsys.readouterr().err


def test_pictures_on_the_way_are_named_after_the_epoch_that_is_ending(tmp_path):
    run = Run(tmp_path)
    assert run.progress_figure() == tmp_path / "progress" / "epoch-001.png"
    run.log(1, loss=0.5)
    assert run.progress_figure("look") == tmp_path / "progress" / "look-002.png"
    assert (tmp_path / "progress").is_dir()


def test_splits_are_those_named_by_the_common_options():
    parser = common_arguments("A test", data="strokes", epochs=1, out="runs/test")
    options = parser.parse_args(["--limit", "20"])
    train, valid, test = load_splits(options)
    assert [(each.name, each.split, len(each)) for each in (train, valid, test)] == [
        ("strokes", split, 20) for split in ("train", "valid", "test")
    ]
    (alone,) = load_splits(options, "test")
    np.testing.assert_array_equal(alone.images, test.images)


def test_an_overwriting_run_removes_its_earlier_parts_at_its_first_file(tmp_path):
    """Else a run that is stopped and resumed would take the parts of the one before for its own."""
    run = Run(tmp_path, settings={"seed": 0})
    for name in ("first", "second"):
        run.part(name).save(weights=np.zeros(1))
        run.part(name, resume=True).log(1, loss=1.0)
    (tmp_path / "second" / "notes.txt").write_text("mine")
    run = Run(tmp_path, overwrite=True, settings={"seed": 1})
    run.part("first").save(weights=np.ones(1))
    assert visible(tmp_path / "second") == ["notes.txt", "run.json"]

    resumed = Run(tmp_path, resume=True, settings={"seed": 1})
    assert resumed.part("first").load()["weights"].tolist() == [1]
    second = resumed.part("second")
    assert not second.resumed
    second.save(weights=np.ones(1))


def test_a_forked_process_does_not_hold_its_parents_lock(tmp_path):
    run = Run(tmp_path)
    run.save(weights=np.ones(1))
    child = os.fork()
    if child == 0:
        try:
            Run(tmp_path, overwrite=True).save(weights=np.zeros(1))
        except BlockingIOError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert run.load()["weights"].tolist() == [1]
    with pytest.raises(BlockingIOError):
        FolderLock(tmp_path, "another")


def test_a_finished_run_without_its_checkpoint_is_not_started_again_by_a_resume(tmp_path, capsys):
    train(tmp_path, 1, 4)
    (tmp_path / "checkpoint.h5").unlink()
    before = contents(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"checkpoint\.h5 is missing, so the run cannot be resumed"):
        train(tmp_path, 1, 4, resume=True)
    assert contents(tmp_path) == before


def test_settings_are_compared_without_a_checkpoint_too(tmp_path):
    Run(tmp_path, settings={"seed": 0, "sizes": (1, 2)}).log(1, loss=1.0)
    Run(tmp_path, settings={"seed": 0, "sizes": [1, 2]}, resume=True)
    with pytest.raises(ValueError, match=r"run\.json cannot be resumed with other settings: seed is 9, the run's is 0"):
        Run(tmp_path, settings={"seed": 9, "sizes": (1, 2)}, resume=True)
    for wrong in (np.ones(2), math.nan, {1, 2}):
        with pytest.raises(
            TypeError, match=r"^Run: settings must be texts, finite numbers, and lists and dicts of them"
        ):
            Run(tmp_path / "new", settings={"wrong": wrong})


def test_the_report_names_all_commands_of_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["example.py", "--epochs", "2"])
    train(tmp_path, 1, 2)
    monkeypatch.setattr("sys.argv", ["example.py", "--epochs", "2", "--resume"])
    train(tmp_path, 3, 2, resume=True)
    monkeypatch.setattr("sys.argv", ["example.py", "--learning-rate", "0.1", "--epochs", "4", "--resume"])
    train(tmp_path, 3, 4, resume=True)
    expected = ["python example.py --epochs 2", "from epoch 3: python example.py --learning-rate 0.1 --epochs 4"]
    assert json.loads((tmp_path / "run.json").read_text())["commands"] == expected
    assert "; then ".join(expected) in (tmp_path / "report.html").read_text()


def test_an_independent_run_in_a_subfolder_is_untouched_by_an_overwriting_run(tmp_path):
    other = Run(tmp_path / "other", settings={"seed": 5})
    other.save(weights=np.ones(1))
    before = (tmp_path / "other" / "run.json").read_bytes()
    manifest = {"commands": ["python it.py"], "settings": {}, "files": [], "parts": []}
    (tmp_path / "run.json").write_text(json.dumps(manifest))
    run = Run(tmp_path, overwrite=True)
    run.part("own").save(weights=np.zeros(1))
    assert other.load()["weights"].tolist() == [1]
    assert (tmp_path / "other" / "run.json").read_bytes() == before
    assert json.loads((tmp_path / "run.json").read_text())["parts"] == ["own"]
