"""The thread pool, the number of threads of the BLAS, and the thresholds of malloc."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from types import SimpleNamespace

import pytest

from tinygen.kernels.cpu import malloc
from tinygen.kernels.cpu import parallel as pool
from tinygen.kernels.cpu.parallel import one_blas_thread, parallel, threads


@pytest.fixture
def set_threads(monkeypatch):
    """A function that sets $TINYGEN_THREADS until the end of the test."""

    def set_value(value: str | None) -> None:
        if value is None:
            monkeypatch.delenv("TINYGEN_THREADS", raising=False)
        else:
            monkeypatch.setenv("TINYGEN_THREADS", value)
        threads.cache_clear()

    yield set_value
    monkeypatch.undo()
    threads.cache_clear()


def test_the_variable_sets_the_number_of_threads(set_threads):
    set_threads("7")
    assert threads() == 7
    set_threads("1")
    assert threads() == 1


def test_the_default_number_of_threads_is_that_of_the_available_cores(set_threads):
    set_threads(None)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert threads() == cores


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5", ""])
def test_a_value_that_is_no_number_of_threads_is_an_error(set_threads, value):
    set_threads(value)
    with pytest.raises(ValueError, match=f"TINYGEN_THREADS must be a whole number from 1, got '{value}'"):
        threads()


@pytest.fixture(params=[1, 2, 3])
def some_threads(request, set_threads):
    """A number of threads."""
    set_threads(str(request.param))
    return request.param


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 100])
def test_the_slices_cover_the_loop_once(some_threads, count):
    slices = []
    parallel(lambda first, last: slices.append((first, last)), count)
    assert sorted(i for first, last in slices for i in range(first, last)) == list(range(count))
    assert len(slices) == max(1, min(some_threads, count))
    lengths = [last - first for first, last in slices]
    assert max(lengths) - min(lengths) <= 1
    in_order = [last - first for first, last in sorted(slices)]
    assert in_order == sorted(lengths, reverse=True)


def test_slices_run_at_the_same_time(some_threads):
    barrier = threading.Barrier(some_threads)
    parallel(lambda first, last: barrier.wait(timeout=30), 12)  # an error if one slice waits for another
    assert not barrier.broken


def test_a_loop_that_is_not_worth_it_stays_in_the_calling_thread(some_threads):
    calls = []
    parallel(lambda first, last: calls.append((first, last, threading.get_ident())), 5, when=False)
    assert calls == [(0, 5, threading.get_ident())]


@pytest.mark.parametrize("bad", [0, 5])
def test_an_error_in_any_slice_is_raised_once_all_are_finished(some_threads, bad):
    done = []

    def work(first, last):
        done.append((first, last))
        if first <= bad < last:
            raise ZeroDivisionError(f"index {bad}")

    with pytest.raises(ZeroDivisionError, match=f"index {bad}"):
        parallel(work, 6)
    assert len(done) == some_threads


def test_an_error_is_raised_once(set_threads):
    set_threads("2")
    with pytest.raises(ZeroDivisionError):
        parallel(lambda first, last: 1 // (1 - first), 2)
    parallel(lambda first, last: None, 2)


def test_idle_threads_keep_nothing_alive(set_threads):
    class Load:
        pass

    set_threads("2")
    load = Load()
    gone = weakref.ref(load)
    parallel(lambda first, last, load=load: None, 2)
    del load
    assert gone() is None


def test_nested_calls_have_the_same_slices(some_threads):
    slices = []

    def work(first, last):
        parallel(lambda first, last: slices.append((first, last)), 6)

    parallel(work, some_threads)
    alone = [(6 * i // some_threads, 6 * (i + 1) // some_threads) for i in range(some_threads)]
    assert sorted(slices) == sorted(alone * some_threads)


def test_several_threads_may_call_at_once(set_threads):
    set_threads("2")
    totals = []

    def caller(number):
        for _ in range(200):
            parts = {}
            parallel(lambda first, last, parts=parts: parts.update({first: number}), 4)
            totals.append(parts == {0: number, 2: number})

    callers = [threading.Thread(target=caller, args=(number,)) for number in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert totals == [True] * 800


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
@pytest.mark.parametrize("interrupts", [1, 3])
def test_an_interrupt_is_raised_when_no_thread_works_any_more(set_threads, interrupts):
    set_threads("2")
    remaining, finished = [interrupts], []

    def interrupt(*_):
        if remaining[0]:
            remaining[0] -= 1
            raise KeyboardInterrupt

    def work(first, last):
        time.sleep(0.4 * first)  # the second slice, in another thread, takes longer
        finished.append(first)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        with pytest.raises(KeyboardInterrupt):
            parallel(work, 2)
        assert finished == [0, 1]
        assert remaining == [0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for _ in range(3):
        finished.clear()
        parallel(work, 2)
        assert sorted(finished) == [0, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_starts_its_own_threads(set_threads):
    set_threads("2")
    parallel(lambda first, last: None, 2)
    child = os.fork()
    if child == 0:
        done = []
        parallel(lambda first, last: done.append(first), 2)
        os._exit(0 if sorted(done) == [0, 1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def blas_threads() -> list[int]:
    return [library.get_num_threads() for library in pool._blas()]


def test_the_blas_has_one_thread_inside_and_its_own_number_afterwards():
    before = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_the_last_thread_to_leave_restores_the_number_that_the_first_one_found():
    if not pool._blas():
        pytest.skip("no BLAS with a settable number of threads")
    library = pool._blas()[0]
    before = library.get_num_threads()
    library.set_num_threads(2)
    try:
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert library.get_num_threads() == 1
        second.__exit__(None, None, None)
        assert library.get_num_threads() == 2
    finally:
        library.set_num_threads(before)


def test_the_environment_may_leave_the_blas_alone(monkeypatch):
    monkeypatch.setenv("TINYGEN_BLAS", "0")
    monkeypatch.setattr(pool, "_blas", pool._blas.__wrapped__)
    monkeypatch.setattr(pool, "_warm_up_blas", None)  # a call would fail
    with one_blas_thread():
        assert pool._blas() == []


# malloc --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "variable", "calls"), [("linux", None, 2), ("linux", "1", 2), ("linux", "0", 0), ("darwin", None, 0)]
)
def test_malloc_is_tuned_in_glibc_alone_and_not_if_the_environment_refuses(monkeypatch, platform, variable, calls):
    arguments = []
    library = SimpleNamespace(mallopt=lambda *pair: arguments.append(pair))
    monkeypatch.setattr(malloc.sys, "platform", platform)
    monkeypatch.delenv("TINYGEN_MALLOC", raising=False)
    if variable is not None:
        monkeypatch.setenv("TINYGEN_MALLOC", variable)
    for c_library in (SimpleNamespace(), library):
        monkeypatch.setattr(malloc.ctypes, "CDLL", lambda name, found=c_library: found)
        malloc.tune_malloc.__wrapped__()
    assert len(arguments) == calls


def test_an_import_changes_nothing_in_the_process():
    code = """if True:
        import ctypes, sys, threading
        load, ctypes.CDLL = ctypes.CDLL, None  # a call of mallopt would fail
        import tinygen as tg, tinygen.nn, tinygen.optim, tinygen.data, tinygen.training
        print(threading.active_count(), "threadpoolctl" in sys.modules)
        ctypes.CDLL = load
        tg.ones(300, 300) @ tg.ones(300, 300)
        print("threadpoolctl" in sys.modules)
        """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (found.stdout, found.returncode) == ("1 False\nTrue\n", 0), found.stderr
