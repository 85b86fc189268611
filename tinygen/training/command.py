"""From a command to its experiment: what can fail is found out before the long work begins.

``conduct`` takes the run's folder, rehearses the experiment on a few images in a temporary folder, from the data to the
report, and then conducts it. What is wrong with the options or the files ends the program with one sentence and exit
status 2, before anything of an earlier run is touched.
"""

import argparse
import io
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from tinygen.backend import DeviceError, get_rng_state, set_rng_state
from tinygen.console import say
from tinygen.training.options import MAY_CHANGE, settings
from tinygen.training.run import Run

Experiment = Callable[[argparse.Namespace, Run], None]
WRONG_INPUT = (OSError, ValueError, DeviceError)  # what options and files that do not fit raise


def conduct(
    experiment: Experiment,
    options: argparse.Namespace,
    *,
    limit: int = 32,
    may_change: Collection[str] = MAY_CHANGE,
    **small: Any,
) -> None:
    """Conduct ``experiment(options, run)`` in the folder ``options.out``, after a rehearsal; ``may_change`` names the
    options that may be others when the run is resumed.

    The rehearsal is the same experiment for one epoch on the first ``limit`` images of each split, or steps, with
    the options in ``small`` in place of those given: so many that every later step can be taken, and few enough to
    take seconds. It draws from the generator as if nothing had been drawn.

    Ends the program with exit status 2 where the folder or the rehearsal is refused, 130 after Ctrl-C, and 1 where
    later on a file cannot be written or the training diverges.
    """
    with refusing():
        run = Run(
            options.out,
            resume=options.resume,
            overwrite=options.overwrite,
            settings=settings(options, _program()),
            may_change=may_change,
        )
    with interruptible(run):
        with refusing():
            rehearse(experiment, options, limit, small)
        try:
            experiment(options, run)
        except WRONG_INPUT as error:
            if not run.has_begun:
                refuse(error)
            if isinstance(error, ValueError):
                raise
            _end(1, f"{error}; {_resumable(run)}")
        except FloatingPointError as error:
            _end(1, f"{error}; {_resumable(run)}")


def rehearse(experiment: Experiment, options: argparse.Namespace, limit: int, small: dict[str, Any]) -> None:
    """The ``experiment`` in little, in silence and in a temporary folder; raises what it raises."""
    little = argparse.Namespace(**vars(options))
    little.epochs, little.limit = 1, min(limit, options.limit or limit)
    vars(little).update(small)
    state = get_rng_state()
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        little.out, little.resume = Path(folder), False
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            experiment(little, Run(little.out))
    set_rng_state(state)


@contextmanager
def refusing() -> Iterator[None]:
    """Within, what is wrong with options or files ends the program with one sentence and exit status 2."""
    try:
        yield
    except WRONG_INPUT as error:
        refuse(error)


@contextmanager
def interruptible(run: Run | None = None) -> Iterator[None]:
    """Within, Ctrl-C ends the program with one line and exit status 130."""
    try:
        yield
    except KeyboardInterrupt:
        _end(130, "interrupted" if run is None else f"interrupted; {_resumable(run)}")


def refuse(reason: object) -> NoReturn:
    """End the program with one sentence and exit status 2."""
    _end(2, f"error: {reason}")


def _end(status: int, sentence: str) -> NoReturn:
    say(f"{_program()}: {sentence}", file=sys.stderr)
    raise SystemExit(status)


def _resumable(run: Run) -> str:
    return "go on with --resume" if run.checkpoint.exists() else "there is no checkpoint yet"


def _program() -> str:
    return Path(sys.argv[0]).name
