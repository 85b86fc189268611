"""Whether operations record the computation graph, and how the arrays of a graph are protected.

A result keeps its inputs only where derivatives may be taken later: not under ``no_grad``, and not in a backward pass
without ``create_graph``. The switch is a context variable, so each thread has its own.
"""

from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from inspect import isgeneratorfunction
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

_recording: ContextVar[bool] = ContextVar("recording", default=True)
is_recording = _recording.get


class grad_mode(ContextDecorator):
    """A context, or a decorator of functions, in which operations record the graph (``enabled``) or do not.

    The state before is always restored. Each thread has its own state; an object may be used again, also within itself.
    Raises ``TypeError`` for a generator function, whose body would run outside the context.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_recording.set(self.enabled))

    def __exit__(self, *error: object) -> None:
        _recording.reset(self._tokens.pop())

    def __call__(self, function: Function) -> Function:
        if isgeneratorfunction(function):
            raise TypeError(f"{type(self).__name__}: cannot decorate a generator function; write with in its body")
        return super().__call__(function)

    def _recreate_cm(self) -> "grad_mode":
        return grad_mode(self.enabled)  # each call of a decorated function, in whatever thread, has its own tokens


class no_grad(grad_mode):
    """A context (``with tg.no_grad():``) or decorator (``@tg.no_grad()``) in which no graph is recorded: results do not
    require gradients.

    Each thread has its own state, and an exception restores it. Raises ``TypeError`` for a generator function.
    """

    def __init__(self) -> None:
        super().__init__(False)


def make_view_read_only(array: Any) -> None:
    """Make ``array``, a view, read-only on a CPU: its base may become the input of a recorded operation, whose gradient
    would be wrong after a write through the view."""
    if isinstance(array, np.ndarray):
        array.setflags(False)  # type: ignore[call-arg]


def make_read_only(*arrays: Any) -> None:
    """Make NumPy arrays and all their bases read-only, so that a write into an array of the graph, which would falsify
    gradients, raises an error. A view that a user's code took from ``x.data`` before stays writable."""
    for array in arrays:
        while isinstance(array, np.ndarray):
            array.setflags(False)  # type: ignore[call-arg]  # "write" by position, which takes half the time
            array = array.base
