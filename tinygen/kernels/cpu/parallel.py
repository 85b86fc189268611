"""Appendix: a pool of threads for the CPU kernels, and the number of threads of the BLAS.

NumPy releases Python's global lock while it computes, so threads share the work on one array: ``parallel`` splits a
loop into one slice per core. The BLAS has threads of its own, which stay busy for tens of milliseconds after a matrix
product and take cores from these; ``one_blas_thread`` switches them off around each product of the library.
"""

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from tinygen import ranks


@cache
def threads() -> int:
    """The number of threads of the CPU kernels: ``$TINYGEN_THREADS``; default: the cores available to this process,
    divided by the number of ranks on this machine.

    Raises ``ValueError`` if the variable is not a whole number from 1.
    """
    value = os.environ.get("TINYGEN_THREADS")
    if value is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(cores // ranks.local_ranks(), 1)
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"TINYGEN_THREADS must be a whole number from 1, got {value!r}")
    return int(value)


# The pool ------------------------------------------------------------------------------------------------------------


class _Worker(threading.Thread):
    """A daemon thread that runs one submitted task at a time. (Two locks wake it sooner than queues do.)"""

    def __init__(self) -> None:
        super().__init__(name="tinygen", daemon=True)
        self.submitted, self.finished = threading.Lock(), threading.Lock()
        self.submitted.acquire()
        self.finished.acquire()
        self.task: Any = None  # until it is finished, so that an idle worker keeps no arrays alive
        self.error: BaseException | None = None
        self.start()

    def wait(self) -> BaseException | None:
        """Wait for the end of the task; the exception that it raised, or None."""
        self.finished.acquire()
        error, self.error = self.error, None
        return error

    def run(self) -> None:
        """Run the tasks, one after another, as long as the process lives."""
        while self.submitted.acquire():
            try:
                self.task()
            except BaseException as error:
                self.error = error
            self.task = None
            self.finished.release()


_workers: list[_Worker] = []
_pool_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.clear)  # a forked process inherits no threads


def parallel(work: Callable[[int, int], object], count: int, when: bool = True) -> None:
    """Call ``work(first, last)`` on equal slices of ``range(count)``, one per thread, and wait for all of them.

    ``when`` false: one slice, in this thread (a call to another thread takes about 40 microseconds). The slices do not
    depend on the threads that run them: while the pool is in use, by another thread or by an enclosing ``parallel``,
    this thread runs them one after another. An exception in any slice is raised once all slices are finished; so is a
    ``KeyboardInterrupt``, so that no thread writes into an array afterwards.
    """
    slices = min(threads(), count) if when and count else 1
    edges = [-(-count * i // slices) for i in range(slices + 1)]  # rounded up, so that the larger slices start first
    if slices == 1 or not _pool_lock.acquire(blocking=False):
        for first, last in pairwise(edges):
            work(first, last)
        return
    finished = False
    try:
        _workers.extend(_Worker() for _ in range(slices - 1 - len(_workers)))
        workers = _workers[: slices - 1]
        for worker, (first, last) in zip(workers, pairwise(edges[1:]), strict=True):
            worker.task = partial(work, first, last)
            worker.submitted.release()
        try:
            work(0, edges[1])
        finally:
            errors = [worker.wait() for worker in workers]
            finished = True
    finally:
        if not finished:
            _drop_workers()
        _pool_lock.release()
    for error in filter(None, errors):
        raise error


def _drop_workers() -> None:
    """After an interrupt, which leaves unknown for which workers was waited: wait until none has a task, and use new
    ones from now on."""
    while _workers:
        try:
            if _workers[-1].task is None:
                _workers.pop()
            else:
                time.sleep(0.001)
        except BaseException:  # a further interrupt: the first one is raised when no task is running
            continue


# The BLAS ------------------------------------------------------------------------------------------------------------


class _BlasGuard:
    """The number of threads inside ``one_blas_thread``, and the numbers of threads of the BLAS outside it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start anew, in a forked process, which inherits no threads."""
        self.lock, self.depth = threading.Lock(), 0
        self.before: list[int] = []


_blas_guard = _BlasGuard()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas_guard.reset)


@cache
def _blas() -> list[Any]:
    """The BLAS libraries of this process (with ``TINYGEN_BLAS=0``: none), looked up at the first product, since that
    takes about ten milliseconds."""
    if os.environ.get("TINYGEN_BLAS") == "0":
        return []
    return importlib.import_module("threadpoolctl").ThreadpoolController().select(user_api="blas").lib_controllers


@cache
def _warm_up_blas() -> None:
    """Multiply two large matrices in each thread, once per process.

    Before one product of about this size, small products of OpenBLAS took up to three times as long (10 instead of 36
    GFLOP/s on the machine of docs/results.md); the cause is unknown.
    """
    factor = np.ones((448, 448), np.float32)
    parallel(lambda first, last: factor @ factor, threads())


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A context in which the BLAS computes in the calling thread alone (unless ``TINYGEN_BLAS=0``).

    Several threads may be in the context at once; the end of the last restores the numbers that the first one found.
    """
    libraries, guard = _blas(), _blas_guard
    with guard.lock:
        if not guard.depth:
            guard.before = [library.get_num_threads() for library in libraries]
            for library in libraries:
                library.set_num_threads(1)
        guard.depth += 1
    try:
        if libraries:
            _warm_up_blas()
        yield
    finally:
        with guard.lock:
            guard.depth -= 1
            if not guard.depth:
                for library, number in zip(libraries, guard.before, strict=True):
                    library.set_num_threads(number)


PARALLEL_MIN_MULTIPLICATIONS = 5_000_000  # about 100 microseconds of one core; a call to a thread takes 40


def parallel_gemms(work: Callable[[int, int], object], count: int, multiplications: int) -> None:
    """``parallel`` for a loop of matrix products with that many multiplications in all: the BLAS uses one thread in
    each of the pool's, and small products stay in the calling thread."""
    with one_blas_thread():
        parallel(work, count, when=multiplications >= PARALLEL_MIN_MULTIPLICATIONS)
