"""Whether operations remember, and how what they remember is kept from changing.

A result remembers its inputs only where derivatives may be asked for later: not under ``no_grad``, and not inside a
reverse walk that nobody will differentiate. The switch is a context variable, so each thread has its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

_recording: ContextVar[bool] = ContextVar("recording", default=True)
is_recording = _recording.get  # whether operations remember their inputs
_scope: ContextVar[object] = ContextVar("scope", default=None)
scope = _scope.get  # what stands for the innermost ``recording``, such as a reverse walk; None outside


@contextmanager
def recording(wanted: bool) -> Iterator[None]:
    """Within, operations remember their inputs (``wanted``) or do not; the state before is restored in any case."""
    token, outer = _recording.set(wanted), _scope.set(object())
    try:
        yield
    finally:
        _recording.reset(token)
        _scope.reset(outer)


@contextmanager
def no_grad() -> Iterator[None]:
    """Within (``with tg.no_grad():``, or ``@tg.no_grad()`` on a function) results do not remember how they were made.

    Each thread has its own state, and an exception restores it.
    """
    with recording(False):
        yield


def make_view_read_only(array: Any) -> None:
    """Make ``array`` read-only if it is a view: its base may become the input of a recorded operation, whose gradient
    would be wrong after a write through the view."""
    if isinstance(array, np.ndarray) and array.base is not None:
        array.setflags(False)  # type: ignore[call-arg]


def make_read_only(*arrays: Any) -> None:
    """Make NumPy arrays and all their bases read-only, so that a write into an array that a gradient will be computed
    from raises an error. A view that a user's code took from ``x.data`` before stays writable."""
    for array in arrays:
        while isinstance(array, np.ndarray):
            array.setflags(False)  # type: ignore[call-arg]  # "write", by place: by name it takes twice the time
            array = array.base
