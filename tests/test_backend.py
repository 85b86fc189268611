"""The machine as the library knows it: arrays' modules, devices, threads, chance."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from types import SimpleNamespace

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
        (ImportError("no cupy"), r"CuPy is not installed; install tinygen\[gpu-cuda13\] or tinygen\[gpu-cuda12\]"),
        (cupy_like(0, False), "CuPy is installed, but NVIDIA's driver is not"),
        (cupy_like(13000, False), "they find no GPU"),
    ],
    ids=["no CuPy", "no driver", "no GPU"],
)
def test_a_gpu_that_is_not_there_is_an_error_that_says_what_is_missing(monkeypatch, cupy, message):
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


# Threads -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wanted(monkeypatch):
    """Set $TINYGEN_THREADS, as far as this test goes."""

    def want(value: str | None) -> None:
        if value is None:
            monkeypatch.delenv("TINYGEN_THREADS", raising=False)
        else:
            monkeypatch.setenv("TINYGEN_THREADS", value)
        backend.threads.cache_clear()

    yield want
    monkeypatch.undo()
    backend.threads.cache_clear()


def test_threads_are_as_many_as_the_variable_says(wanted):
    wanted("7")
    assert backend.threads() == 7
    wanted("1")
    assert backend.threads() == 1


def test_threads_are_as_many_as_this_process_may_use_unless_said(wanted):
    wanted(None)
    may_use = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert backend.threads() == may_use


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5", ""])
def test_a_variable_that_is_no_number_of_threads_is_refused(wanted, value):
    wanted(value)
    with pytest.raises(ValueError, match=f"TINYGEN_THREADS must be a whole number from 1, got '{value}'"):
        backend.threads()


@pytest.fixture(params=[1, 2, 3])
def some_threads(request, wanted):
    """A number of threads."""
    wanted(str(request.param))
    return request.param


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 100])
def test_work_is_cut_into_slices_that_cover_the_loop_once(some_threads, count):
    slices = []
    backend.parallel(lambda first, last: slices.append((first, last)), count)
    turns = sorted(turn for first, last in slices for turn in range(first, last))
    assert turns == list(range(count))
    assert len(slices) == max(1, min(some_threads, count))
    lengths = [last - first for first, last in slices]
    assert max(lengths) - min(lengths) <= 1
    by_place = [last - first for first, last in sorted(slices)]
    assert by_place == sorted(lengths, reverse=True)  # the first slice begins first


def test_slices_run_at_the_same_time(some_threads):
    barrier = threading.Barrier(some_threads)
    backend.parallel(lambda first, last: barrier.wait(timeout=30), 12)  # a slice that had to wait for another: an error
    assert not barrier.broken


def test_a_loop_shorter_than_the_minimum_stays_in_its_thread(some_threads):
    seen = []
    backend.parallel(lambda first, last: seen.append((first, last, threading.get_ident())), 5, minimum=6)
    assert seen == [(0, 5, threading.get_ident())]


@pytest.mark.parametrize("bad", [0, 5])
def test_an_error_in_any_slice_is_raised_when_all_are_done(some_threads, bad):
    done = []

    def work(first, last):
        done.append((first, last))
        if first <= bad < last:
            raise ZeroDivisionError(f"turn {bad}")

    with pytest.raises(ZeroDivisionError, match=f"turn {bad}"):
        backend.parallel(work, 6)
    assert len(done) == some_threads


def test_an_error_is_forgotten_once_it_has_been_raised(wanted):
    wanted("2")
    with pytest.raises(ZeroDivisionError):
        backend.parallel(lambda first, last: 1 // (1 - first), 2)
    backend.parallel(lambda first, last: None, 2)


def test_nothing_of_the_work_is_kept_alive_by_the_threads(wanted):
    class Load:
        pass

    wanted("2")
    load = Load()
    gone = weakref.ref(load)
    backend.parallel(lambda first, last, load=load: None, 2)
    del load
    assert gone() is None


def test_work_within_work_runs_in_the_same_slices(some_threads):
    slices = []

    def work(first, last):
        backend.parallel(lambda first, last: slices.append((first, last)), 6)

    backend.parallel(work, some_threads)
    alone = [(6 * i // some_threads, 6 * (i + 1) // some_threads) for i in range(some_threads)]
    assert sorted(slices) == sorted(alone * some_threads)


def test_several_threads_may_share_out_work_at_once(wanted):
    wanted("2")
    totals = []

    def caller(number):
        for _ in range(200):
            parts = {}
            backend.parallel(lambda first, last, parts=parts: parts.update({first: number}), 4)
            totals.append(parts == {0: number, 2: number})

    callers = [threading.Thread(target=caller, args=(number,)) for number in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert totals == [True] * 800


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_after_an_interrupt_nothing_is_mistaken_for_done(wanted):
    wanted("2")

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            backend.parallel(lambda first, last: time.sleep(0.4 * first), 2)  # the second slice is slow
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for _ in range(3):
        done = []
        backend.parallel(lambda first, last, done=done: (time.sleep(0.2 * first), done.append(first)), 2)
        assert sorted(done) == [0, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_gets_threads_of_its_own(wanted):
    wanted("2")
    backend.parallel(lambda first, last: None, 2)
    child = os.fork()
    if child == 0:
        done = []
        backend.parallel(lambda first, last: done.append(first), 2)
        os._exit(0 if sorted(done) == [0, 1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_blas_keeps_to_one_thread_within_and_is_itself_afterwards():
    before = [library["num_threads"] for library in backend._blas().info()]
    with backend.one_blas_thread():
        assert {library["num_threads"] for library in backend._blas().info()} == {1}
    assert [library["num_threads"] for library in backend._blas().info()] == before


def test_the_last_thread_to_need_one_blas_thread_gives_back_what_the_first_one_found():
    if not backend._blas().lib_controllers:
        pytest.skip("no BLAS that can be told how many threads to use")
    library = backend._blas().lib_controllers[0]
    before = library.get_num_threads()
    library.set_num_threads(2)
    try:
        first, second = backend.one_blas_thread(), backend.one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert library.get_num_threads() == 1
        second.__exit__(None, None, None)
        assert library.get_num_threads() == 2
    finally:
        library.set_num_threads(before)


# Chance --------------------------------------------------------------------------------------------------------------


def drawn():
    return [tg.randn(3).numpy(), tg.rand(2).numpy(), backend.generator().permutation(5)]


def test_what_is_drawn_is_a_function_of_the_seed():
    tg.manual_seed(5)
    first = drawn()
    tg.manual_seed(5)
    np.testing.assert_equal(drawn(), first)
    tg.manual_seed(6)
    assert (drawn()[0] != first[0]).all()


def test_chance_goes_on_from_a_state_that_was_kept():
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


# Memory --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_asking_the_c_library_to_keep_memory_changes_nothing_where_it_is_another(monkeypatch, platform):
    asked = []
    library = SimpleNamespace(mallopt=lambda *arguments: asked.append(arguments))
    for c_library in (SimpleNamespace(), library):
        monkeypatch.setattr(backend.ctypes, "CDLL", lambda name, found=c_library: found)
        monkeypatch.setattr(backend.sys, "platform", platform)
        backend.keep_freed_memory.__wrapped__()
    assert len(asked) == (2 if platform == "linux" else 0)
