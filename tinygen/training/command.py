"""From a command to its experiment: errors occur before the long computation.

``conduct`` opens the run's folder, makes a trial run of the experiment on a few images in a temporary folder, from the
data to the report, and then runs it. Invalid options or files end the program with one sentence and exit status 2,
before anything of an earlier run changes.
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

from tinygen import ranks
from tinygen.backend import DeviceError, get_rng_state, manual_seed, set_rng_state
from tinygen.console import say
from tinygen.training.folder import foreign_file
from tinygen.training.options import MAY_CHANGE, settings
from tinygen.training.run import Run

Experiment = Callable[[argparse.Namespace, Run], None]
WRONG_INPUT = (OSError, ValueError, DeviceError)  # the errors of invalid options and files


def conduct(
    experiment: Experiment,
    options: argparse.Namespace,
    *,
    limit: int = 32,
    may_change: Collection[str] = MAY_CHANGE,
    **small: Any,
) -> None:
    """Run ``experiment(options, run)`` in the folder ``options.out`` with the random numbers of ``options.seed``, after
    a trial run; ``may_change`` names the options that may change when the run is resumed.

    The trial run is the same experiment for one epoch on the first ``limit`` images of each split (or steps), with the
    options in ``small`` in place of those given: enough for every later step, and few enough to take seconds. It
    leaves the state of the random numbers unchanged.

    Ends the program with exit status 2 where the folder or the trial run raises an error, 130 after Ctrl-C, and 1
    where a file cannot be written later or the training diverges.
    """
    manual_seed(options.seed)
    with refusing():
        ranks.check_sources(Path(sys.argv[0]))
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
            trial_run(experiment, options, limit, small, run.out)
        if options.resume and not run.has_earlier:
            say(f"no earlier run in {run.out}: starting a new one")
        try:
            experiment(options, run)
        except MemoryError as error:
            _end(1, f"out of memory ({error}); {_resumable(run)}")
        except WRONG_INPUT as error:
            if not run.has_begun:
                refuse(error)
            if isinstance(error, ValueError):
                raise
            _end(1, f"{error}; {_resumable(run)}")
        except FloatingPointError as error:
            _end(1, f"{error}; {_resumable(run)}")


def trial_run(
    experiment: Experiment, options: argparse.Namespace, limit: int, small: dict[str, Any], out: Path
) -> None:
    """Run the ``experiment`` at a small scale, without output, in a temporary folder.

    Errors are those it raises, and ``FileExistsError`` where it wrote a file whose name a foreign file in ``out`` has.
    """
    reduced = argparse.Namespace(**vars(options))
    reduced.epochs, reduced.limit = 1, min(limit, options.limit or limit)
    vars(reduced).update(small)
    state = get_rng_state()
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reduced.out, reduced.resume = Path(folder), False
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            experiment(reduced, Run(reduced.out, settings=settings(reduced, _program())))
        if foreign := foreign_file(out, reduced.out):
            raise FileExistsError(f"{foreign} is not of this run, which would write a file of that name: move it away")
    set_rng_state(state)


@contextmanager
def refusing() -> Iterator[None]:
    """A context in which an error of ``WRONG_INPUT`` ends the program with one sentence and exit status 2."""
    try:
        yield
    except WRONG_INPUT as error:
        refuse(error)


@contextmanager
def interruptible(run: Run | None = None) -> Iterator[None]:
    """A context in which Ctrl-C ends the program with one line and exit status 130."""
    try:
        yield
    except KeyboardInterrupt:
        _end(130, "interrupted" if run is None else f"interrupted; {_resumable(run)}")


def refuse(reason: object) -> NoReturn:
    """End the program with one sentence and exit status 2."""
    _end(2, f"error: {reason}")


def _end(status: int, sentence: str) -> NoReturn:
    ranks.wait_for_first()
    say(f"{_program()}: {sentence}", file=sys.stderr)
    ranks.end(status)


def _resumable(run: Run) -> str:
    if not run.has_begun:
        return "nothing was changed"
    checkpoints = [run.checkpoint, *run.out.glob(f"*/{run.checkpoint.name}")]
    return "continue with --resume" if any(path.exists() for path in checkpoints) else "there is no checkpoint yet"


def _program() -> str:
    return Path(sys.argv[0]).name
