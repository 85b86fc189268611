"""Data-parallel training under MPI: processes, called ranks, which share the rows of each batch.

    mpiexec -n 4 python examples/vae_mnist.py

Every rank runs the whole program with the same random numbers, so it computes what a single process would, until a
training step shares a batch of N rows: in a block ``with shared(N) as own`` rank r computes on its rows ``own`` alone.
With a loss that is a mean over rows, the loss of the whole batch is a weighted mean of those of the ranks,

    loss  =  sum_r (N_r / N) loss_r ,      gradient  =  sum_r (N_r / N) gradient_r

so the gradient is exact, whatever the number of ranks, up to the order of sums. In the block an optimiser's step begins
with this mean of all gradients (``averaged``), after which every rank makes the same step; batch normalisation takes
the moments of the whole batch; metrics are averaged (``means``); and random numbers are drawn for the whole batch, of
which each rank takes its rows (``drawn``). Outside such blocks nothing is exchanged: all ranks compute the same.

Rank 0 alone prints, and keeps the files of a run. An uncaught exception on one rank ends all of them; ``SystemExit``
does not: use ``end``.
"""

import hashlib
import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

Result = TypeVar("Result")

LAUNCHERS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE")  # how launchers tell a process the number of ranks
LOCAL = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")  # and of those on its machine
LOCAL_RANK = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK")  # and its own number among these, from 0
GRACE = 1.0  # seconds that other ranks leave to rank 0 to show an error that all of them have


class Share(NamedTuple):
    """The rows ``first`` to ``last`` of ``total`` are this rank's."""

    total: int
    first: int
    last: int


_share: Share | None = None


@cache
def communicator() -> Any:
    """MPI's communicator of all ranks; None in a program that runs as a single process.

    Ends the program where it was started as several processes without mpi4py, or with one for another MPI.
    """
    launched = max(_from_environment(LAUNCHERS), 1)
    if launched == 1:
        return None
    try:
        world = importlib.import_module("mpi4py.MPI").COMM_WORLD
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py finds no MPI
        raise SystemExit(f'started as one of {launched} processes, but {error}: pip install -e ".[mpi]"') from None
    if world.size != launched:
        raise SystemExit(f"started as one of {launched} processes, but mpi4py is of another MPI and finds {world.size}")
    sys.excepthook = _end_all_ranks
    return world


def rank() -> int:
    """The number of this process, from 0."""
    world = communicator()
    return 0 if world is None else world.rank


def local_ranks() -> int:
    """The number of ranks on this machine, among which its cores are divided."""
    return max(_from_environment(LOCAL), 1)


def local_rank() -> int:
    """The number of this process among the ranks on its machine, from 0."""
    return _from_environment(LOCAL_RANK)


@contextmanager
def shared(total: int) -> Iterator[slice]:
    """A context in which this rank computes on a part of a batch of ``total`` rows; yields its rows as a slice. All
    rows where there are fewer rows than ranks, within another such context, and in a single process."""
    global _share
    world = communicator()
    if world is None or _share is not None or total < world.size:
        yield slice(None)
        return
    _share = Share(total, total * world.rank // world.size, total * (world.rank + 1) // world.size)
    try:
        yield slice(_share.first, _share.last)
    finally:
        _share = None


def drawn(draw: Callable[[tuple[int, ...]], Any], shape: Sequence[int]) -> Any:
    """``draw(shape)``. Where a batch is shared, and the first axis is as long as this rank's rows, or a multiple of it:
    the rank's part of a draw for the whole batch. Other numbers must be drawn outside of shared blocks."""
    if _share is None or not shape or not shape[0] or shape[0] % (_share.last - _share.first):
        return draw(tuple(shape))
    each = shape[0] // (_share.last - _share.first)
    return draw((each * _share.total, *shape[1:]))[each * _share.first : each * _share.last]


def fraction() -> float:
    """N_r / N, the fraction of the batch that this rank computes on; 1 where no batch is shared."""
    return 1.0 if _share is None else (_share.last - _share.first) / _share.total


def averaged(arrays: Sequence[Any]) -> list[Any]:
    """The means over the whole batch of ``arrays``, of one dtype, that are means over this rank's rows, by one
    exchange; ``arrays`` where no batch is shared."""
    if _share is None or not arrays:
        return list(arrays)
    flat = np.concatenate([(each if isinstance(each, np.ndarray) else each.get()).reshape(-1) for each in arrays])
    flat *= fraction()
    communicator().Allreduce(importlib.import_module("mpi4py.MPI").IN_PLACE, flat)
    results, start = [], 0
    for each in arrays:
        result = each.copy("K")  # in its memory order, on its device
        result[...] = sys.modules[type(each).__module__].asarray(flat[start : start + each.size].reshape(each.shape))
        results.append(result)
        start += each.size
    return results


def means(metrics: Mapping[str, float]) -> dict[str, float]:
    """The means over the whole batch of ``metrics`` that are means over this rank's rows."""
    return dict(zip(metrics, averaged([np.array(list(metrics.values()), np.float64)])[0].tolist(), strict=True))


def joined(part: Any) -> Any:
    """The parts of all ranks: arrays (N_r, ...) as one (N, ...), numbers as their sum."""
    parts = communicator().allgather(part)
    return np.concatenate(parts) if isinstance(part, np.ndarray) else sum(parts)


def check_same(what: str, value: Any) -> None:
    """Raise ``ValueError`` on all ranks where ``value`` is not the same on all of them."""
    world = communicator()
    found = [value] if world is None else world.allgather(value)
    if any(each != value for each in found):
        raise ValueError(f"{what} must be the same on all ranks, got {', '.join(map(str, found))}")


def check_sources(script: Path) -> None:
    """Raise ``ValueError`` on all ranks where the ``script`` or the library is not the same on all of them."""
    if communicator() is not None:
        files = [script, *sorted(Path(__file__).parent.rglob("*.py"))]
        check_same("the program and the library", hashlib.sha256(b"".join(map(Path.read_bytes, files))).hexdigest())


def from_first(compute: Callable[[], Result]) -> Result:
    """What ``compute()`` returns on rank 0, on every rank."""
    world = communicator()
    return compute() if world is None else world.bcast(compute() if world.rank == 0 else None)


@cache
def _scratch() -> TemporaryDirectory[str]:
    """The folder for the files of a rank other than 0; deleted at the end of the process, unless that is killed."""
    return TemporaryDirectory(prefix="tinygen-rank-")


def folder(out: Path) -> Path:
    """``out`` on rank 0, which alone keeps files; elsewhere a new temporary folder, or ``out`` if it is in one."""
    if not rank() or out.is_relative_to(_scratch().name):
        return out
    return Path(mkdtemp(dir=_scratch().name))


def end(status: int) -> NoReturn:
    """End the program, on all ranks."""
    if communicator() is None:
        raise SystemExit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    if rank():
        _scratch().cleanup()
    communicator().Abort(status)
    raise SystemExit(status)


def wait_for_first() -> None:
    """On other ranks than 0, wait for rank 0, which ends all of them if it has the same error."""
    if rank():
        time.sleep(GRACE)


def _end_all_ranks(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The hook for an error that nothing caught: without it the other ranks would wait for this one for ever."""
    wait_for_first()
    traceback.print_exception(kind, error, trace)
    end(1)


def _from_environment(names: Sequence[str]) -> int:
    return max(int(value) if (value := os.environ.get(name, "")).isdecimal() else 0 for name in names)
