"""Array modules, devices, random numbers."""

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from scipy import stats

import tinygen as tg
from tinygen import backend

# Array modules and devices -------------------------------------------------------------------------------------------


def test_an_arrays_module_is_the_one_that_made_it(fake_gpu):
    here, there = np.ones(2), fake_gpu.asarray(np.ones(2))
    assert backend.array_module(here) is np
    assert backend.array_module(there) is fake_gpu
    assert backend.array_module(None, 2.0, there) is fake_gpu
    assert backend.array_module(1, np.float64(2.0), here) is np
    assert backend.array_module() is backend.array_module(3.0, None) is np


def test_numpy_arrays_are_told_from_others(fake_gpu):
    assert backend.is_numpy(np.ones(2))
    assert not backend.is_numpy(fake_gpu.asarray(np.ones(2)))


def test_arrays_move_only_where_they_are_not(fake_gpu):
    here = np.arange(3.0)
    assert backend.to_device(here, "cpu") is here
    there = backend.to_device(here, "gpu")
    assert isinstance(there, fake_gpu.ndarray)
    assert backend.to_device(there, "gpu:0") is there
    np.testing.assert_array_equal(backend.to_device(there, "cpu"), here)
    assert (backend.device_of(here), backend.device_of(there)) == ("cpu", "gpu:0")


@pytest.mark.parametrize("name", ["cuda", "GPU", "gpu:", "gpu:x", "gpu:-1", "cpu:0", ""])
def test_a_name_that_is_no_device_is_refused(name, fake_gpu):
    with pytest.raises(ValueError, match=r"device must be 'cpu', 'gpu' or 'gpu:N' .*, got " + repr(name)):
        tg.zeros(2, device=name)


def test_a_gpu_beyond_the_last_is_refused(fake_gpu):
    with pytest.raises(tg.DeviceError, match="device 'gpu:1': there are only 1 GPUs, from gpu:0"):
        tg.zeros(2).to("gpu:1")


@pytest.mark.parametrize(
    ("device", "rank", "expected"),
    [("gpu", 0, "gpu"), ("gpu", 1, "gpu:1"), ("gpu", 2, "gpu:0"), ("gpu", 3, "gpu:1"), ("gpu:1", 2, "gpu:1")],
)
def test_the_ranks_of_a_machine_use_its_gpus_in_turn(device, rank, expected, monkeypatch):
    used = []

    def device_number(index):
        return MagicMock(use=lambda: used.append(index))

    cupy = SimpleNamespace(asarray=lambda array: array, cuda=SimpleNamespace(Device=device_number))
    cupy.cuda.runtime = SimpleNamespace(getDeviceCount=lambda: 2)
    monkeypatch.setattr(backend, "_cupy", lambda: cupy)
    assert backend.use_device(device, rank) == expected
    assert used == [int(expected.partition(":")[2] or 0)]
    assert backend.use_device("cpu", rank) == "cpu"
    assert len(used) == 1


def found_as(monkeypatch, cupy):
    """Let the import of CuPy find ``cupy`` (an exception: fail with it)."""

    def import_module(name):
        assert name == "cupy"
        if isinstance(cupy, Exception):
            raise cupy
        return cupy

    monkeypatch.setattr(backend.importlib, "import_module", import_module)
    monkeypatch.setattr(backend, "_cupy", backend._cupy.__wrapped__)


def cupy_like(driver: int, available: bool) -> SimpleNamespace:
    runtime = SimpleNamespace(driverGetVersion=lambda: driver)
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), is_available=lambda: available)


@pytest.mark.parametrize(
    ("cupy", "message"),
    [
        (ImportError("no cupy"), r"CuPy is not installed; pip install cupy-cuda13x\[ctk\] or cupy-cuda12x\[ctk\]"),
        (cupy_like(0, False), "CuPy is installed, but NVIDIA's driver is not"),
        (cupy_like(13000, False), "they find no GPU"),
    ],
    ids=["no CuPy", "no driver", "no GPU"],
)
def test_a_missing_gpu_is_an_error_that_states_what_is_missing(monkeypatch, cupy, message):
    found_as(monkeypatch, cupy)
    assert not tg.gpu_available()
    for ask in (lambda: tg.zeros(2, device="gpu"), lambda: tg.ones(1).to("gpu:0"), lambda: tg.tensor(1, device="gpu")):
        with pytest.raises(tg.DeviceError, match=f"^no GPU: .*{message}"):
            ask()


def test_cupy_is_imported_only_when_a_gpu_is_asked_for():
    code = "import sys, tinygen as tg, tinygen.training; (tg.ones(2) * 2).sum(); print('cupy' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (found.stdout, found.returncode) == ("False\n", 0), found.stderr


# Random numbers ------------------------------------------------------------------------------------------------------


def drawn():
    return [tg.randn(3).numpy(), tg.rand(2).numpy(), backend.generator().permutation(5)]


def test_what_is_drawn_is_a_function_of_the_seed():
    tg.manual_seed(5)
    first = drawn()
    tg.manual_seed(5)
    np.testing.assert_equal(drawn(), first)
    tg.manual_seed(6)
    assert (drawn()[0] != first[0]).all()


def test_a_restored_state_gives_the_same_numbers():
    tg.manual_seed(1)
    drawn()
    state = tg.get_rng_state()
    expected = [drawn(), drawn()]
    tg.manual_seed(2)
    tg.set_rng_state(state)
    np.testing.assert_equal([drawn(), drawn()], expected)
    tg.set_rng_state(state)  # the state that was kept did not go on meanwhile
    np.testing.assert_equal(drawn(), expected[0])


def test_a_fixed_seed_ends_with_its_block_after_an_error_too():
    tg.manual_seed(1)
    expected = drawn()
    tg.manual_seed(1)

    def fail():
        with backend.fixed_seed(9):
            inside.append(tg.randn(3).numpy())
            raise KeyboardInterrupt

    inside = []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fail()
    np.testing.assert_array_equal(inside[0], inside[1])
    np.testing.assert_equal(drawn(), expected)


FORKS = """
import os, sys
import tinygen as tg

def forked(name, work=lambda: None):
    sys.stdout.flush()
    if not (child := os.fork()):
        print(name, *tg.rand(4).data, flush=True)
        work()
        os._exit(0)
    os.waitpid(child, 0)

def again():
    tg.manual_seed(3)
    print("seeded", *tg.rand(4).data, flush=True)

tg.manual_seed(3)
if "fork" in sys.argv:
    forked("first", lambda: forked("first of first"))
    state = tg.get_rng_state()
    forked("second", lambda: (forked("first of second"), forked("second of second")))
    tg.set_rng_state(state)
    forked("second", again)
print("parent", *tg.rand(4).data)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_processes_draw_numbers_of_their_own_and_the_same_in_every_run():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def lines(*arguments):
        command = [sys.executable, "-c", FORKS, *arguments]
        found = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        return [line.rsplit(" ", 4) for line in found.stdout.splitlines()]

    drawn = lines("fork")
    assert drawn == lines("fork")
    assert drawn[-1:] == lines()  # the parent's own numbers are those without forks
    by_name = {name: tuple(numbers) for name, *numbers in drawn}
    assert [name for name, *_ in drawn].count("second") == 2
    assert len({tuple(numbers) for name, *numbers in drawn if name == "second"}) == 1
    assert by_name.pop("seeded") == by_name["parent"]  # a seed means the same in a child
    assert len(set(by_name.values())) == len(by_name) == 6


@pytest.mark.parametrize(("state", "error"), [(None, TypeError), (3, TypeError), ({}, ValueError)])
def test_what_is_no_state_of_the_generator_is_refused(state, error):
    with pytest.raises(error, match="set_rng_state: state must be what get_rng_state returned"):
        tg.set_rng_state(state)


@pytest.mark.parametrize("seed", [np.int64(5), np.uint8(5), np.array(5)])
def test_a_seed_is_any_whole_number(seed):
    tg.manual_seed(5)
    expected = drawn()
    tg.manual_seed(seed)
    np.testing.assert_equal(drawn(), expected)
    with pytest.raises(TypeError, match=r"manual_seed: seed must be a whole number, got float 5\.0"):
        tg.manual_seed(5.0)
    with pytest.raises(ValueError, match="manual_seed: seed must be a whole number from 0, got -1"):
        tg.manual_seed(-1)


def test_normal_and_uniform_numbers_are_what_they_are_called():
    tg.manual_seed(0)
    assert stats.kstest(tg.randn(20_000).numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(tg.rand(20_000).numpy(), "uniform").pvalue > 1e-3
