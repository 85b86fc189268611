"""Training by several processes under MPI: the same numbers as by one, and an end of all of them where one fails."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("rank_programs.py")
MPIEXEC = Path(sys.executable).with_name("mpiexec")
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}  # relative

OPTIONS = ["--data", "strokes", "--limit", "40", "--batch-size", "15", "--importance-samples", "2"]
OPTIONS += ["--schedule", "constant"]  # a cosine depends on the number of epochs

needs_mpi = pytest.mark.skipif(not MPIEXEC.exists(), reason='no MPI: pip install -e ".[mpi]"')


def launch(ranks, *words, timeout=120, **environment):
    """Run a Python program on so many ranks, without a launcher if there is one."""
    command = [sys.executable, *map(str, words)]
    command = command if ranks == 1 else [str(MPIEXEC), "-n", str(ranks), *command]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TINYGEN_THREADS": "1"} | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)


@pytest.fixture(scope="module")
def losses(tmp_path_factory):
    """What a program writes on so many ranks, each computed once."""
    known = {}

    def find(name, dtype, ranks):
        if (name, dtype, ranks) not in known:
            path = tmp_path_factory.mktemp("losses") / "losses.json"
            done = launch(ranks, PROGRAMS, name, dtype, path)
            assert done.returncode == 0, done.stderr
            known[name, dtype, ranks] = np.array(json.loads(path.read_text()))
        return known[name, dtype, ranks]

    return find


@needs_mpi
@pytest.mark.parametrize(
    ("name", "dtype", "ranks"),
    [
        ("plain_vae", "float32", 2),
        ("importance_weighted_vae", "float64", 4),
        ("wgan_gp", "float64", 2),
        ("dcgan", "float64", 2),
        ("divergences", "float32", 2),
    ],
)
def test_the_losses_do_not_depend_on_the_number_of_ranks(losses, name, dtype, ranks):
    alone, together = losses(name, dtype, 1), losses(name, dtype, ranks)
    assert len(alone) >= 50
    small = 1.0 if name == "divergences" else 0.0  # these are differences of numbers of this size
    assert len({json.dumps(row) for row in alone.tolist()}) > 40  # the model is trained
    np.testing.assert_allclose(together, alone, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * small)


@needs_mpi
def test_random_numbers_and_evaluation_are_those_of_the_whole_batch(losses):
    alone, together = (losses("draws_and_evaluation", "float32", ranks) for ranks in (1, 2))
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@needs_mpi
@pytest.mark.parametrize(
    ("name", "shown"), [("fails", "RuntimeError: only here"), ("differs", "the data must be the same on all ranks")]
)
def test_an_error_on_a_rank_ends_all_of_them_and_is_shown_once(tmp_path, name, shown):
    started = time.monotonic()
    done = launch(2, PROGRAMS, name, "float32", tmp_path / "none")
    assert done.returncode != 0
    assert done.stderr.count(shown) == 1
    assert time.monotonic() - started < 30


@needs_mpi
def test_a_killed_rank_ends_all_of_them(tmp_path):
    assert launch(2, PROGRAMS, "dies", "float32", tmp_path / "none", timeout=30).returncode != 0


def test_a_launch_without_mpi4py_is_refused(tmp_path):
    hidden = tmp_path / "mpi4py"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError('no mpi4py here')")
    done = launch(1, PROGRAMS, "plain_vae", "float32", tmp_path / "none", PMI_SIZE="2", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 1
    assert done.stderr == 'started as one of 2 processes, but no mpi4py here: pip install -e ".[mpi]"\n'


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Run ``vae_mnist.py`` on a few synthetic digits on so many ranks; returns its folder."""
    home = tmp_path_factory.mktemp("examples")

    def run(out, ranks, *options):
        script = ROOT / "examples" / "vae_mnist.py"
        done = launch(ranks, script, "--out", home / out, *OPTIONS, *options, XDG_CACHE_HOME=str(home / "cache"))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("seconds; figures") == 1  # rank 0 alone prints
        return home / out

    return run


def rows_of(out):
    return np.loadtxt(out / "metrics.csv", delimiter=",", skiprows=1, ndmin=2)


@needs_mpi
def test_an_example_gives_the_same_figures_and_is_resumed_on_another_number_of_ranks(example):
    alone, together = example("alone", 1, "--epochs", "2"), example("together", 2, "--epochs", "2")
    assert {path.name for path in together.iterdir()} == {path.name for path in alone.iterdir()}
    np.testing.assert_allclose(rows_of(together), rows_of(alone), rtol=1e-5)
    results = [json.loads((out / "results.json").read_text()) for out in (alone, together)]
    for name in ("valid_elbo", "test_log_likelihood", "classifier_accuracy"):
        assert results[1][name] == pytest.approx(results[0][name], rel=1e-5)

    example("parts", 2, "--epochs", "1")
    parts = example("parts", 2, "--epochs", "2", "--resume")
    assert (parts / "checkpoint.h5").read_bytes() == (together / "checkpoint.h5").read_bytes()
    example("others", 2, "--epochs", "1")
    np.testing.assert_allclose(rows_of(example("others", 1, "--epochs", "2", "--resume")), rows_of(alone), rtol=1e-5)


@needs_mpi
def test_a_command_that_cannot_succeed_is_refused_once(tmp_path):
    done = launch(2, ROOT / "examples" / "vae_mnist.py", "--data", "strokes", "--limit", 1, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert "images must be 2 or more" in done.stderr


@needs_mpi
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the ranks in /proc")
def test_a_rank_that_is_killed_loses_nothing_older_than_the_checkpoint(example, tmp_path):
    """After the second epoch, at a random moment, one of the ranks is killed; then the run is resumed."""
    seed = time.time_ns()
    out, random = tmp_path / "out", np.random.default_rng(seed)
    whole = example("long", 2, "--epochs", "6")
    script = str(ROOT / "examples" / "vae_mnist.py")
    command = [str(MPIEXEC), "-n", "2", sys.executable, script, "--out", str(out), *OPTIONS, "--epochs", "6"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TINYGEN_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while not (out / "metrics.csv").exists() or len(rows_of(out)) < 2:
            assert running.poll() is None
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.3))
        for pid in random.permutation(ranks_of(script, out))[:1]:
            os.kill(int(pid), signal.SIGKILL)
        running.wait(timeout=30)
    done = launch(2, script, "--out", out, *OPTIONS, "--epochs", "6", "--resume")
    assert done.returncode == 0, done.stderr
    for name in ("metrics.csv", "checkpoint.h5"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), (name, seed)


def ranks_of(script, out):
    """The processes of the ranks."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:  # ended
            continue
        if words[1:2] == [script] and str(out) in words:
            found.append(int(process.name))
    return found
