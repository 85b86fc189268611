"""Whether operations record the computation graph, and how the arrays of a graph are protected.

A result keeps its inputs only where derivatives may be taken later: not under ``no_grad``, and not in a backward pass
without ``create_graph``. The switch is a context variable, so each thread has its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

_recording: ContextVar[bool] = ContextVar("recording", default=True)
is_recording = _recording.get


@contextmanager
def grad_mode(enabled: bool) -> Iterator[None]:
    """A context in which operations record the graph (``enabled``) or do not; the state before is always restored."""
    token = _recording.set(enabled)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def no_grad() -> Iterator[None]:
    """A context (``with tg.no_grad():``) or decorator (``@tg.no_grad()``) in which no graph is recorded: results do not
    require gradients.

    Each thread has its own state, and an exception restores it.
    """
    with grad_mode(False):
        yield


def make_view_read_only(array: Any) -> None:
    """Make ``array`` read-only if it is a view: its base may become the input of a recorded operation, whose gradient
    would be wrong after a write through the view."""
    if isinstance(array, np.ndarray) and array.base is not None:
        array.setflags(False)  # type: ignore[call-arg]


def make_read_only(*arrays: Any) -> None:
    """Make NumPy arrays and all their bases read-only, so that a write into an array of the graph, which would falsify
    gradients, raises an error. A view that a user's code took from ``x.data`` before stays writable."""
    for array in arrays:
        while isinstance(array, np.ndarray):
            array.setflags(False)  # type: ignore[call-arg]  # "write" by position, which takes half the time
            array = array.base
