"""Devices, underflow and random numbers.

The rest of the library computes on *arrays* of any module with NumPy's interface: the module of an array (``numpy`` on
a CPU, ``cupy`` on a GPU) computes on it, and nothing is copied between devices unless the user writes ``.to(...)``.
Random numbers are drawn on the CPU, from one generator, and copied to the device that needs them: the same seed gives
the same numbers on every device, and a resumed run continues exactly.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from tinygen.validation import described, device_name, whole_number

Array = Any  # a numpy.ndarray, or an array of a module with NumPy's interface (cupy)


class DeviceError(RuntimeError):
    """The requested device is not available, or the operands of one operation are on different devices."""


# Array modules and devices -------------------------------------------------------------------------------------------


def array_module(*operands: Array) -> ModuleType:
    """The module of the first array among ``operands``, ``numpy`` or ``cupy``; numbers and ``None`` are skipped.
    Default: ``numpy``."""
    for operand in operands:
        if isinstance(operand, np.ndarray):
            return np
        if operand is not None and not isinstance(operand, (bool, int, float, np.generic)):
            return sys.modules[type(operand).__module__.partition(".")[0]]
    return np


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array that the library computes on: the ``ndarray`` of NumPy or of CuPy."""
    if isinstance(value, np.ndarray):
        return True
    kind = type(value)
    return kind.__name__ == "ndarray" and kind is getattr(
        sys.modules.get(kind.__module__.split(".")[0]), "ndarray", None
    )


def is_numpy(array: Array) -> bool:
    """Whether ``array`` is on the CPU."""
    return isinstance(array, np.ndarray)


@cache
def _cupy() -> ModuleType:
    """CuPy, if a GPU works; else raises a ``DeviceError`` that says what is missing and what to install."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError(
            "no GPU: CuPy is not installed; pip install cupy-cuda13x[ctk] or cupy-cuda12x[ctk] "
            "(the extras gpu-cuda13 and gpu-cuda12 of tinygen), which need only NVIDIA's driver"
        ) from error
    if cupy.cuda.runtime.driverGetVersion() == 0:
        raise DeviceError("no GPU: CuPy is installed, but NVIDIA's driver is not")
    if not cupy.is_available():
        raise DeviceError("no GPU: CuPy and NVIDIA's driver are installed, but they find no GPU")
    return cupy


def gpu_available() -> bool:
    """Whether CuPy, NVIDIA's driver and at least one GPU are available."""
    try:
        _cupy()
    except DeviceError:
        return False
    return True


def device_of(array: Array) -> str:
    """``"cpu"``, or ``"gpu:N"`` for an array on the N-th GPU."""
    return "cpu" if is_numpy(array) else f"gpu:{array.device.id}"


def to_device(array: Array, device: str) -> Array:
    """``array`` itself if it is on ``device`` (``"cpu"``, ``"gpu"``, ``"gpu:1"``), else a copy there.

    Raises ``DeviceError`` if the device is not available and ``ValueError`` if it is not the name of a device.
    """
    if device == "cpu":
        return array if is_numpy(array) else array.get()
    index = int(device_name("to", "device", device).partition(":")[2] or 0)
    cupy = _cupy()
    if index >= cupy.cuda.runtime.getDeviceCount():
        raise DeviceError(f"device {device!r}: there are only {cupy.cuda.runtime.getDeviceCount()} GPUs, from gpu:0")
    with cupy.cuda.Device(index):
        return cupy.asarray(array)


def use_device(device: str, rank: int = 0) -> str:
    """Make the GPU that ``device`` names the one on which CuPy starts kernels; returns its name. ``"gpu"`` is the first
    GPU, for one of several processes on a machine that with the number ``rank``, counted round the GPUs there are.

    Raises ``DeviceError`` if the device is not available and ``ValueError`` if it is not the name of a device.
    """
    if device == "gpu" and rank:
        device = f"gpu:{rank % _cupy().cuda.runtime.getDeviceCount()}"
    to_device(np.zeros(1), device)  # for its errors
    if device != "cpu":
        _cupy().cuda.Device(int(device[4:] or 0)).use()
    return device


def copy_like(values: Array, like: Array) -> Array:
    """A new array like ``like`` (its shape, dtype and device) that holds ``values``."""
    copy = array_module(like).empty_like(like)
    copy[...] = to_device(values, device_of(like))
    return copy


# Underflow -----------------------------------------------------------------------------------------------------------
#
# A result too small for its dtype (an exponential, the square of a small gradient) is rounded to 0, without loss of
# accuracy. NumPy raises an error for it only if the user requests it (``np.seterr``). To change that state takes 1.5
# microseconds, a third of the time of a small operation, so pure functions are computed again after an error instead.


def without_underflow(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """``function(*args, **options)`` with underflows rounded to 0; the function must have no side effects."""
    try:
        return function(*args, **options)
    except FloatingPointError:
        with underflow_ignored():
            return function(*args, **options)


def underflow_ignored() -> np.errstate:
    """A context, or decorator, in which underflows are rounded to 0."""
    return np.errstate(under="ignore")


# Random numbers ------------------------------------------------------------------------------------------------------

_forks = 0  # the number of processes forked since the seed was set: part of the generator's state


@cache
def generator() -> "np.random.Generator":
    """The library's one random number generator, on the CPU; at the start of a process its seed is 0."""
    return np.random.Generator(np.random.PCG64(0))


def manual_seed(seed: int) -> None:
    """Set the seed of the library's generator, a whole number from 0 (default at the start of a process: 0).

    A forked process draws other numbers than its parent, a function of the generator's state at the fork and of the
    number of forks before it; the parent's are not changed by the fork. Raises ``TypeError`` or ``ValueError`` if
    ``seed`` is not a whole number from 0.
    """
    set_rng_state(np.random.PCG64(whole_number("manual_seed", "seed", seed, minimum=0)).state)


def get_rng_state() -> Mapping[str, Any]:
    """The state of the library's generator (numbers and a name), for ``set_rng_state``."""
    return {**generator().bit_generator.state, "forks": _forks}


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Restore a state of the library's generator that ``get_rng_state`` returned; raises ``TypeError`` or
    ``ValueError`` for anything else."""
    global _forks
    if not isinstance(state, Mapping):
        raise TypeError(f"set_rng_state: state must be what get_rng_state returned, got {described(state)}")
    try:
        generator().bit_generator.state = state
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"set_rng_state: state must be what get_rng_state returned ({error!r})") from None
    _forks = state.get("forks", 0)


def _count_fork() -> None:
    """In the parent: distinguish the next child from this one."""
    global _forks
    _forks += 1


def _seed_child() -> None:
    """In the child: seed the generator from the parent's state and the child's number."""
    position = generator().bit_generator.state["state"]
    set_rng_state(np.random.PCG64([position["state"], position["inc"], _forks]).state)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_count_fork, after_in_child=_seed_child)


@contextmanager
def fixed_seed(seed: int) -> Iterator[None]:
    """A context in which the library's generator has the seed ``seed``; afterwards the state before is restored."""
    state = get_rng_state()
    manual_seed(seed)
    try:
        yield
    finally:
        set_rng_state(state)
