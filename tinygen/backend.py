"""Where arrays live, who works on them, and where chance comes from.

Everything else in the library computes on *arrays* without asking what they are: an array's own module (``numpy`` on
a CPU, ``cupy`` on a GPU) does the work, and nothing moves between devices unless the user writes ``.to(...)``. Four
subjects share this page because they are all the library knows of the machine:

* array modules and devices: ``array_module``, ``to_device``, ``gpu_available``;
* underflow: ``without_underflow`` and ``underflow_ignored`` hold NumPy's error state;
* threads: ``parallel`` gives equal slices of a loop to the cores (NumPy lets go of Python's lock while it computes);
* chance: one generator, on the CPU, for everything. Its numbers are copied to the GPU where they are wanted, so a
  seed means the same on every device and a run that was stopped resumes exactly.
"""

import ctypes
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from tinygen.validation import described, device_name, whole_number

Array = Any  # a numpy.ndarray, or an array of a module with NumPy's interface (cupy)


class DeviceError(RuntimeError):
    """A device that is not there was asked for, or arrays of different devices met in one operation."""


# Array modules and devices -------------------------------------------------------------------------------------------


def array_module(*operands: Array) -> ModuleType:
    """The module that made the first array among ``operands`` and computes on it: ``numpy`` or ``cupy``.

    Numbers and ``None`` have no say; where nothing else is given, the module is ``numpy``.
    """
    for operand in operands:
        if isinstance(operand, np.ndarray):
            return np
        if operand is not None and not isinstance(operand, (bool, int, float, np.generic)):
            return sys.modules[type(operand).__module__.partition(".")[0]]
    return np


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array that the library computes on: NumPy's, or the ``ndarray`` of a module like it."""
    if isinstance(value, np.ndarray):
        return True
    kind = type(value)
    return kind is getattr(sys.modules.get(kind.__module__.partition(".")[0]), "ndarray", None)


def is_numpy(array: Array) -> bool:
    """Whether ``array`` lives in the CPU's memory, so that the CPU's own kernels may work on it."""
    return isinstance(array, np.ndarray)


@cache
def _cupy() -> ModuleType:
    """CuPy with a working GPU, or a ``DeviceError`` that says what is missing and what to install."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError(
            "no GPU: CuPy is not installed; install tinygen[gpu-cuda13] or tinygen[gpu-cuda12] "
            "(cupy-cuda13x[ctk] or cupy-cuda12x[ctk], which need only NVIDIA's driver)"
        ) from error
    if cupy.cuda.runtime.driverGetVersion() == 0:
        raise DeviceError("no GPU: CuPy is installed, but NVIDIA's driver is not")
    if not cupy.is_available():
        raise DeviceError("no GPU: CuPy and NVIDIA's driver are installed, but they find no GPU")
    return cupy


def gpu_available() -> bool:
    """Whether CuPy, NVIDIA's driver and at least one GPU are there."""
    try:
        _cupy()
    except DeviceError:
        return False
    return True


def device_of(array: Array) -> str:
    """``"cpu"``, or ``"gpu:N"`` for an array on the N-th GPU."""
    return "cpu" if is_numpy(array) else f"gpu:{array.device.id}"


def to_device(array: Array, device: str) -> Array:
    """``array`` itself if it lives on ``device`` (``"cpu"``, ``"gpu"``, ``"gpu:1"``) already, else a copy there.

    Raises ``DeviceError`` where the device is not there and ``ValueError`` where it is not a device's name.
    """
    if device == "cpu":
        return array if is_numpy(array) else array.get()
    index = int(device_name("to", "device", device).partition(":")[2] or 0)
    cupy = _cupy()
    if index >= cupy.cuda.runtime.getDeviceCount():
        raise DeviceError(f"device {device!r}: there are only {cupy.cuda.runtime.getDeviceCount()} GPUs, from gpu:0")
    with cupy.cuda.Device(index):
        return cupy.asarray(array)


def stored_like(values: Array, like: Array) -> Array:
    """A copy of ``values`` on the device and with the dtype of ``like``, an array of the same shape; on a CPU also in
    its order in memory, elsewhere in C's."""
    if not is_numpy(like):
        return to_device(values.astype(like.dtype, order="C"), device_of(like))
    copy = np.empty_like(like)
    copy[...] = to_device(values, "cpu")
    return copy


# Underflow -----------------------------------------------------------------------------------------------------------
#
# An exponential of a large negative number, the square of a small gradient: what is too small for its dtype becomes 0
# and costs no accuracy. NumPy raises for it only where the user asked it to (``np.seterr``). Changing that state takes
# 1.5 microseconds, a third of what a small operation takes, so pure functions are computed again after an error.


def without_underflow(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """``function(*args, **options)``, of a function without side effects, with underflows as 0."""
    try:
        return function(*args, **options)
    except FloatingPointError:
        with underflow_ignored():
            return function(*args, **options)


def underflow_ignored() -> np.errstate:
    """Within, or in a function so decorated, underflows are 0."""
    return np.errstate(under="ignore")


# Threads -------------------------------------------------------------------------------------------------------------


@cache
def threads() -> int:
    """How many threads the CPU's kernels use: ``$TINYGEN_THREADS``, else as many cores as this process may use."""
    wanted = os.environ.get("TINYGEN_THREADS")
    if wanted is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"TINYGEN_THREADS must be a whole number from 1, got {wanted!r}")
    return int(wanted)


class _Helper(threading.Thread):
    """A thread that waits to be handed a slice of work. Plain locks wake it in half the time that an executor takes."""

    def __init__(self) -> None:
        super().__init__(name="tinygen", daemon=True)
        self.handed, self.done = threading.Lock(), threading.Lock()
        self.handed.acquire()
        self.done.acquire()
        self.slice: Callable[[], object] | None = None
        self.error: BaseException | None = None
        self.start()

    def hand(self, slice_of_work: Callable[[], object]) -> None:
        self.slice = slice_of_work
        self.handed.release()

    def wait(self) -> BaseException | None:
        """Wait until the slice is done; the error that ended it, if one did."""
        self.done.acquire()
        error, self.slice, self.error = self.error, None, None
        return error

    def run(self) -> None:
        while True:
            self.handed.acquire()
            try:
                assert self.slice is not None
                self.slice()
            except BaseException as error:
                self.error = error
            self.done.release()


_helpers: list[_Helper] = []
_helpers_are_free = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.clear)  # a forked process inherits none of its parent's threads


def parallel(work: Callable[[int, int], object], count: int, minimum: int = 2) -> None:
    """Call ``work(first, last)`` on equal slices of ``range(count)``, one a thread, and wait for all of them.

    A loop of fewer than ``minimum`` turns runs as it is, in this thread: handing work over costs some 40 microseconds.
    The slices are the same whoever runs them: where the helpers are busy, with the work of another thread or with that
    which calls now, this thread runs them one after another.
    """
    slices = min(threads(), count) if count >= minimum else 1
    # Rounded up, so that the larger slices are those that begin first.
    edges = [-(-count * i // slices) for i in range(slices + 1)] if slices > 1 else [0, count]
    if slices == 1 or not _helpers_are_free.acquire(blocking=False):
        for first, last in pairwise(edges):
            work(first, last)
        return
    all_done = False
    try:
        _helpers.extend(_Helper() for _ in range(slices - 1 - len(_helpers)))
        helpers = _helpers[: slices - 1]
        for helper, (first, last) in zip(helpers, pairwise(edges[1:]), strict=True):
            helper.hand(partial(work, first, last))
        try:
            work(0, edges[1])
        finally:
            errors = [helper.wait() for helper in helpers]
            all_done = True
    finally:
        if not all_done:  # the user interrupted the wait: who may still be at work is not handed anything else
            _helpers.clear()
        _helpers_are_free.release()
    for error in errors:
        if error is not None:
            raise error


class _BlasUsers:
    """How many threads are within ``one_blas_thread``, and how many threads the BLAS had before the first of them."""

    def __init__(self) -> None:
        self.lock, self.within = threading.Lock(), 0
        self.before: list[int] = []

    def forget(self) -> None:
        """Begin anew, in a forked process, which inherits none of its parent's threads."""
        self.lock, self.within = threading.Lock(), 0


_blas_users = _BlasUsers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas_users.forget)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


@cache
def _fill_blas_buffers() -> None:
    """Let each thread multiply two large matrices, once.

    Until one product in a process was about as large as this, OpenBLAS' small ones took up to three times as long (10
    instead of 36 GFLOP/s where it was seen). It copies factors into buffers of its own and reads ahead in them, which
    is slow, one must think, while their pages have never been written to.
    """
    factor = np.ones((448, 448), np.float32)
    parallel(lambda first, last: factor @ factor, threads())


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within, the BLAS computes in the thread that calls it.

    A thread of the BLAS that has helped with one product stays awake for tens of milliseconds, in case there is
    another, and all that time takes a core from ours. So no product of the library uses them: it shares out its own.
    Several threads may be within at once; who leaves last gives back what the first one found.
    """
    libraries, users = _blas().lib_controllers, _blas_users
    with users.lock:
        if not users.within:
            users.before = [library.get_num_threads() for library in libraries]
            for library in libraries:
                library.set_num_threads(1)
        users.within += 1
    try:
        _fill_blas_buffers()
        yield
    finally:
        with users.lock:
            users.within -= 1
            if not users.within:
                for library, number in zip(libraries, users.before, strict=True):
                    library.set_num_threads(number)


@cache
def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory for the next array instead of giving it back to the system.

    A training step frees and allocates the same megabytes again and again; each time the system must hand out (and
    clear) the pages anew. Where the C library is not glibc, nothing changes.
    """
    trim_threshold, mmap_threshold = -1, -3
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(mmap_threshold, 32 << 20)  # the most that glibc takes
            mallopt(trim_threshold, 1 << 30)


# Chance --------------------------------------------------------------------------------------------------------------

_generator = np.random.Generator(np.random.PCG64(0))
_forks = 0  # how many processes were forked off since the seed: a part of the generator's state


def generator() -> np.random.Generator:
    """The library's one source of chance, on the CPU."""
    return _generator


def manual_seed(seed: int) -> None:
    """Start the library's generator anew from ``seed``, a whole number from 0: what follows is a function of it alone.

    A forked process goes on with numbers of its own, a function of the generator's state at the fork and of the number
    of forks before it; its parent's are those that it would have drawn without the fork. A process that was started
    otherwise begins at seed 0, as every program does.
    """
    set_rng_state(np.random.PCG64(whole_number("manual_seed", "seed", seed, minimum=0)).state)


def get_rng_state() -> Mapping[str, Any]:
    """The state of the library's generator, to be kept (numbers and a name) and handed to ``set_rng_state``."""
    return {**_generator.bit_generator.state, "forks": _forks}


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Put the library's generator back into a state that ``get_rng_state`` returned; ``TypeError`` or ``ValueError``
    where it is none."""
    global _forks
    if not isinstance(state, Mapping):
        raise TypeError(f"set_rng_state: state must be what get_rng_state returned, got {described(state)}")
    try:
        _generator.bit_generator.state = state
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"set_rng_state: state must be what get_rng_state returned ({error!r})") from None
    _forks = state.get("forks", 0)


def _count_fork() -> None:
    """In the parent: the next child is another one."""
    global _forks
    _forks += 1


def _go_own_way() -> None:
    """In the child: begin a stream that is a function of the parent's state and of which child this is."""
    position = _generator.bit_generator.state["state"]
    set_rng_state(np.random.PCG64([position["state"], position["inc"], _forks]).state)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_count_fork, after_in_child=_go_own_way)


@contextmanager
def fixed_seed(seed: int) -> Iterator[None]:
    """Within, the library's generator is seeded with ``seed``; afterwards it goes on as if nothing had been drawn."""
    state = get_rng_state()
    manual_seed(seed)
    try:
        yield
    finally:
        set_rng_state(state)
