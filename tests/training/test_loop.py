"""The training loop: what a step is given, what is written, and a run that was stopped at any moment and resumed ends
with the same bits as one that never stopped."""

import gc
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from training import stopped_runs
from training.stopped_runs import EPOCHS, IMAGES, OUTCOME, STEPS, Stopped, make_run, start

import tinygen as tg
from tinygen import checkpoint
from tinygen.data import DataLoader, Dataset
from tinygen.training import Run, train


def bits(out: Path) -> dict[str, bytes]:
    """The files of a run, name -> bytes."""
    return {name: (out / name).read_bytes() for name in OUTCOME}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> dict[str, bytes]:
    """A run that was never stopped."""
    out = tmp_path_factory.mktemp("uninterrupted")
    make_run(out)
    return bits(out)


# What a step is given, and what is written ---------------------------------------------------------------------------


class Counter:
    """A part with a state: a count of its steps."""

    def __init__(self):
        self.steps = 0

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


@pytest.fixture
def loader():
    """Seven images in batches of three, three and one."""
    return DataLoader(Dataset(np.arange(7).reshape(7, 1, 1, 1)), 3, shuffle=True)


def test_every_epoch_uses_every_image_once_and_steps_are_counted_from_0(tmp_path, loader):
    seen, indices = [], []

    def step(batch, index):
        seen.append(batch[0].ravel().tolist())
        indices.append(index)
        return {}

    train(Run(tmp_path), loader, step, epochs=2, parts={})
    assert indices == [0, 1, 2, 3, 4, 5]
    assert [len(batch) for batch in seen] == [3, 3, 1] * 2
    first, second = list(chain(*seen[:3])), list(chain(*seen[3:]))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


def test_metrics_are_the_means_over_the_steps_and_what_evaluate_returns(tmp_path, loader, capsys):
    run = Run(tmp_path)
    epochs = iter([{"valid_loss": 0.5}, {"valid_loss": 0.25}])
    train(run, loader, lambda batch, index: {"loss": float(index)}, epochs=2, parts={}, evaluate=lambda: next(epochs))
    rows = [{"epoch": 1, "loss": 1.0, "valid_loss": 0.5}, {"epoch": 2, "loss": 4.0, "valid_loss": 0.25}]
    assert run.rows == rows
    assert (tmp_path / "metrics.csv").read_text() == "epoch,loss,valid_loss\n1,1.0,0.5\n2,4.0,0.25\n"
    assert capsys.readouterr().out == "epoch 1  loss 1  valid_loss 0.5\nepoch 2  loss 4  valid_loss 0.25\n"


def test_without_a_run_nothing_is_written_or_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    counter = Counter()
    rows = train(None, range(3), lambda i, index: {"loss": i + index}, epochs=2, parts={}, evaluate=counter.state_dict)
    assert rows == [{"epoch": 1, "loss": 2.0, "steps": 0}, {"epoch": 2, "loss": 5.0, "steps": 0}]
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_without_a_run_a_number_that_is_not_finite_stops_the_training_too():
    with pytest.raises(FloatingPointError, match=r"^train: loss is nan in epoch 1, step 1$"):
        train(None, range(3), lambda *_: {"loss": float("nan")}, epochs=1, parts={})


def test_a_run_returns_its_rows(tmp_path, loader):
    run = Run(tmp_path)
    assert train(run, loader, lambda *_: {"loss": 1.0}, epochs=2, parts={}) == run.rows != []


def test_steps_that_draw_their_own_batches_resume_with_the_same_draws(tmp_path):
    drawn = []

    def step(i, index):
        if stop_at is not None and index == stop_at:
            raise Stopped
        drawn.append((i, tg.rand(1).item()))
        return {}

    state = tg.get_rng_state()
    stop_at = None
    train(Run(tmp_path / "a"), range(4), step, epochs=2, parts={})
    whole, drawn = drawn, []
    tg.set_rng_state(state)
    stop_at = 6
    with pytest.raises(Stopped):
        train(Run(tmp_path / "b"), range(4), step, epochs=2, parts={}, minutes=0.0)
    tg.manual_seed(99)
    stop_at = None
    train(Run(tmp_path / "b", resume=True), range(4), step, epochs=2, parts={}, minutes=0.0)
    assert drawn == whole


def test_evaluation_comes_after_the_last_step_and_before_the_checkpoint(tmp_path, loader):
    counter, counted = Counter(), []

    def step(batch, index):
        counter.steps += 1
        return {}

    def evaluate():
        run_has = checkpoint.load(run.checkpoint)["epoch"] if run.checkpoint.exists() else 0
        counted.append((counter.steps, run_has))
        return {}

    run = Run(tmp_path)
    train(run, loader, step, epochs=2, parts={"counter": counter}, evaluate=evaluate)
    assert counted == [(3, 0), (6, 1)]
    kept = checkpoint.load(run.checkpoint)
    assert (kept["epoch"], kept["done"], kept["parts"]) == (2, 0, {"counter": {"steps": 6}})


def test_a_checkpoint_is_written_within_an_epoch_when_the_minutes_have_passed(tmp_path, loader, monkeypatch):
    clock = iter(range(0, 10_000, 50))  # fifty seconds a look
    monkeypatch.setattr("tinygen.training.loop.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    found = []

    def step(batch, index):
        found.append(checkpoint.load(run.checkpoint)["done"] if run.checkpoint.exists() else None)
        return {}

    run = Run(tmp_path)
    train(run, DataLoader(Dataset(np.zeros((8, 1))), 1), step, epochs=1, parts={}, minutes=2.0)
    assert found == [None, None, None, 3, 3, 3, 6, 6]  # after 150 s and 300 s


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("-inf")])
def test_a_number_that_is_not_finite_stops_the_run_by_name_and_does_not_reach_the_checkpoint(tmp_path, loader, value):
    run = Run(tmp_path)
    with pytest.raises(FloatingPointError, match=r"^train: loss is -?(nan|inf) in epoch 2, step 2$"):
        train(
            run,
            loader,
            lambda batch, index: {"other": 1.0, "loss": value if index == 4 else 0.0},
            epochs=3,
            parts={},
            minutes=0.0,
        )
    kept = checkpoint.load(run.checkpoint)
    assert (kept["epoch"], kept["done"]) == (1, 1)


def test_a_run_is_resumed_with_the_parts_that_it_began_with(tmp_path, loader):
    train(Run(tmp_path), loader, lambda *_: {}, epochs=1, parts={"a": Counter(), "b": Counter()})
    before = (tmp_path / "checkpoint.h5").read_bytes()
    for parts in ({"a": Counter()}, {"a": Counter(), "c": Counter()}, {}):
        with pytest.raises(ValueError, match=r"^train: .*checkpoint.h5 holds \['a', 'b'\], expected \["):
            train(Run(tmp_path, resume=True), loader, lambda *_: {}, epochs=2, parts=parts)
    assert (tmp_path / "checkpoint.h5").read_bytes() == before


def test_a_run_is_resumed_with_as_many_steps_per_epoch_as_it_began_with(tmp_path, loader):
    def stop(batch, index):
        if index == 2:
            raise Stopped
        return {}

    with pytest.raises(Stopped):
        train(Run(tmp_path), loader, stop, epochs=1, parts={}, minutes=0.0)
    longer = DataLoader(loader.dataset, 2, shuffle=True)
    with pytest.raises(ValueError, match=r"^train: .*checkpoint.h5 is of epochs of 3 steps, the loader has 4"):
        train(Run(tmp_path, resume=True), longer, stop, epochs=1, parts={})


def test_without_a_checkpoint_a_resumed_run_begins_anew(tmp_path, uninterrupted):
    make_run(tmp_path, resume=True)
    assert bits(tmp_path) == uninterrupted


# Stopped and resumed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [0.0, 3.0], ids=["a checkpoint a step", "a checkpoint an epoch"])
@pytest.mark.parametrize("where", ["before the update", "after the update"])
@pytest.mark.parametrize("stop_at", [0, STEPS - 1, STEPS, STEPS + 2, EPOCHS * STEPS - 1])
def test_a_run_stopped_in_any_step_ends_with_the_same_bits(tmp_path, uninterrupted, stop_at, where, minutes):
    with pytest.raises(Stopped):
        make_run(tmp_path, stop=(where, stop_at), minutes=minutes)
    make_run(tmp_path, resume=True, minutes=minutes)
    assert bits(tmp_path) == uninterrupted


@pytest.mark.parametrize("where", ["in evaluate", "before the row", "after the row", "while the checkpoint is written"])
@pytest.mark.parametrize("epoch", [1, EPOCHS])
def test_a_run_stopped_between_two_epochs_ends_with_the_same_bits(tmp_path, uninterrupted, epoch, where):
    with pytest.raises(Stopped):
        make_run(tmp_path, stop=(where, epoch))
    make_run(tmp_path, resume=True)
    assert bits(tmp_path) == uninterrupted


def test_a_run_stopped_again_and_again_ends_with_the_same_bits(tmp_path, uninterrupted):
    for stop_at in range(1, EPOCHS * STEPS, 2):
        with pytest.raises(Stopped):
            make_run(tmp_path, resume=True, stop=("after the update", stop_at), minutes=0.0)
    make_run(tmp_path, resume=True)
    assert bits(tmp_path) == uninterrupted


def test_a_finished_run_can_be_continued_for_more_epochs_with_the_same_bits(tmp_path, uninterrupted):
    make_run(tmp_path, epochs=EPOCHS - 2)
    make_run(tmp_path, resume=True)
    assert bits(tmp_path) == uninterrupted


@pytest.mark.parametrize("epochs", [EPOCHS, EPOCHS - 1])
def test_a_finished_run_is_not_changed(tmp_path, uninterrupted, epochs):
    make_run(tmp_path)
    make_run(tmp_path, resume=True, epochs=epochs, stop=("before the update", 0))  # no step is made
    assert bits(tmp_path) == uninterrupted


def test_a_resumed_run_prints_where_it_continues(tmp_path, capsys):
    with pytest.raises(Stopped):
        make_run(tmp_path, stop=("before the update", STEPS + 2), minutes=0.0)
    capsys.readouterr()
    make_run(tmp_path, resume=True)
    assert capsys.readouterr().out.startswith("resumed after epoch 1 and 2 steps\n")


def test_a_resumed_run_restores_the_random_numbers_of_the_checkpoint(tmp_path, uninterrupted):
    with pytest.raises(Stopped):
        make_run(tmp_path, stop=("before the update", 3), minutes=0.0)
    make_run(tmp_path, resume=True, seed=12345)  # parameters and random numbers are the checkpoint's
    assert bits(tmp_path) == uninterrupted


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_a_run_that_was_killed_ends_with_the_same_bits(tmp_path, uninterrupted):
    """By kill -9, at arbitrary moments."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(tg.__file__).parents[1]), *sys.path])}
    command = [sys.executable, stopped_runs.__file__, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    for patience in (0.005, 0.02, 0.04):
        with subprocess.Popen(command, **pipes) as process:
            assert "step" in process.stdout.readline() + process.stdout.readline()  # it has begun to train
            time.sleep(patience)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    with subprocess.Popen(command, **pipes) as process:
        process.communicate("go on", timeout=120)
    assert process.returncode == 0
    assert bits(tmp_path) == uninterrupted


# What goes on exactly ------------------------------------------------------------------------------------------------


def test_the_checkpoint_holds_the_state_of_every_part_and_of_the_random_numbers(tmp_path):
    parts = make_run(tmp_path)
    kept = checkpoint.load(tmp_path / "checkpoint.h5")
    assert list(kept["parts"]) == ["model", "optimizer", "average"]
    assert kept["rng"] == tg.get_rng_state()
    for name, part in parts.items():
        np.testing.assert_equal(kept["parts"][name], part.state_dict())
    assert kept["parts"]["optimizer"]["steps"] == [EPOCHS * STEPS] * len(parts["model"].parameters())
    assert kept["parts"]["average"]["updates"] == EPOCHS * STEPS


def test_a_checkpoint_within_an_epoch_is_as_small_as_one_at_its_end(tmp_path):
    """No batch, no graph, no gradient: the same parts and a few numbers."""
    with pytest.raises(Stopped):
        make_run(tmp_path, stop=("before the update", STEPS - 1), minutes=0.0)
    within = (tmp_path / "checkpoint.h5").stat().st_size
    make_run(tmp_path, resume=True)
    assert within <= (tmp_path / "checkpoint.h5").stat().st_size < within + 4096


# Memory --------------------------------------------------------------------------------------------------------------


def test_training_leaves_no_reference_cycles(tmp_path):
    make_run(tmp_path / "warm", epochs=1)
    gc.collect()
    gc.disable()
    try:
        steps = start(tmp_path / "run")
        for index in range(20):
            steps(IMAGES[:5], index)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_hundred_steps_do_not_grow_memory(tmp_path):
    step = start(tmp_path / "run")
    tracemalloc.start()
    try:
        for index in range(20):
            step(IMAGES[:5], index)
        before, _ = tracemalloc.get_traced_memory()
        for index in range(100):
            step(IMAGES[:5], index)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 500_000  # a graph that stays takes 50,000 a step; Python's stores of freed objects the rest


# What a caller may get wrong ------------------------------------------------------------------------------------------


def test_a_metric_is_averaged_over_the_steps_that_return_it():
    def step(batch, index):
        return {"critic": float(index)} | ({} if index % 2 else {"generator": 4.0})

    rows = train(None, range(4), step, epochs=2, parts={"counter": Counter()})
    assert rows == [{"epoch": 1, "critic": 1.5, "generator": 4.0}, {"epoch": 2, "critic": 5.5, "generator": 4.0}]


@pytest.mark.parametrize("taken", ["loss", "epoch"])
def test_evaluation_does_not_replace_a_metric_of_the_epoch(taken):
    with pytest.raises(ValueError, match=rf"train: evaluate must return other names .*, got \['{taken}'\]"):
        train(None, range(2), lambda *_: {"loss": 1.0}, epochs=1, parts={}, evaluate=lambda: {taken: 9.0})


@pytest.mark.parametrize(
    ("loader", "step", "parts", "message"),
    [
        (iter([1]), lambda *_: {}, {}, "loader must have a length and an iterator"),
        ([1], lambda *_: None, {}, "step must return a dict of metrics, got None"),
        ([1], lambda *_: {}, {"x": 5}, r"parts\['x'\] must have state_dict and load_state_dict, got 5"),
    ],
)
def test_arguments_of_another_kind_are_refused_by_name(loader, step, parts, message):
    with pytest.raises(TypeError, match=f"^train: {message}"):
        train(None, loader, step, epochs=1, parts=parts)
