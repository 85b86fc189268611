"""The one training loop: epochs of steps, with metrics, checkpoints and an exact resume.

What is trained, and how, is said by two functions: ``step(batch, index)`` makes one training step and returns numbers
to average over the epoch; ``evaluate()`` returns numbers at its end. What has a state is named in ``parts``: models,
optimisers, averages. The loop knows nothing else, so a VAE, a classifier, a critic and a game all run on it. Where
there is no data set but samplers, the loader is ``range(steps)``, and a step draws its own batch.

A checkpoint is written after every epoch, and within an epoch every few minutes. It holds the parts, the rows of
metrics so far, the sums of the unfinished epoch, and the state of chance, twice: as it was when the epoch drew its
order, and as it is. So a run that was stopped at any moment and resumed ends with the same bits as one that was not.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, SupportsFloat, TypeVar, runtime_checkable

from tinygen import backend
from tinygen.console import progress, say
from tinygen.kernels.cpu.malloc import tune_malloc
from tinygen.training.run import Run, plain_number

Batch = TypeVar("Batch")
Yields = TypeVar("Yields", covariant=True)


@runtime_checkable
class Batches(Protocol[Yields]):
    """What an epoch goes through: a ``DataLoader``, a list, a range."""

    def __len__(self) -> int:
        """Steps an epoch."""

    def __iter__(self) -> Iterator[Yields]:
        """The batches of one epoch."""


class Stateful(Protocol):
    """What can be saved and go on: modules, optimisers, averages."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as arrays and numbers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


def train(
    run: Run | None,
    loader: Batches[Batch],
    step: Callable[[Batch, int], Mapping[str, SupportsFloat]],
    *,
    epochs: int,
    parts: Mapping[str, Stateful],
    evaluate: Callable[[], Mapping[str, SupportsFloat]] = dict,
    minutes: float = 3.0,
) -> list[dict[str, float]]:
    """Train for ``epochs`` passes over ``loader``, or for what is left of them if ``run`` is resumed; returns the rows
    of metrics, one an epoch.

    ``step(batch, index)``, with ``index`` counting steps from 0 over all epochs, returns numbers whose means over the
    epoch become metrics; so do those that ``evaluate()`` returns after it. A checkpoint is written after every epoch
    and whenever ``minutes`` have passed. Without a ``run`` (None) nothing is written, told or kept but the rows, and
    the training is over before another could resume it: so an estimator trains within a step of something larger.
    Raises ``FloatingPointError`` where a number of a step is not finite. Calls ``tg.tune_malloc``.
    """
    tune_malloc()
    place = _restore(run, parts, loader) if run is not None and run.resumed else _Place()
    rows = [] if run is None else run.rows
    while place.epoch < epochs:
        saved = time.monotonic()
        batches, left = _batches(loader, place), len(loader) - place.done
        for batch in batches if run is None else progress(batches, f"epoch {place.epoch + 1}/{epochs}", left):
            _count(place, step(batch, place.epoch * len(loader) + place.done))
            if run is not None and time.monotonic() - saved > 60 * minutes and place.done < len(loader):
                _save(run, parts, loader, place)
                saved = time.monotonic()
        row = _means(place) | _numbers(evaluate())
        place = _Place(place.epoch + 1)
        if run is None:
            rows.append({"epoch": place.epoch} | row)
        else:
            run.log(place.epoch, **row)
            _save(run, parts, loader, place)
            say("  ".join(f"{name} {value:.5g}" for name, value in rows[-1].items()))
    return rows


@dataclass
class _Place:
    """Where a training is: how many epochs are over and how many steps of the next are done, what the numbers of these
    steps add up to, and the state that chance was in when that epoch drew its order."""

    epoch: int = 0
    done: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    chance_at_start: Mapping[str, Any] = field(default_factory=backend.get_rng_state)


def _batches(loader: Batches[Batch], place: _Place) -> Iterator[Batch]:
    """What is left of the epoch; within one, chance goes back to draw the same order, then forth to where it is."""
    if place.done == 0:
        place.chance_at_start = backend.get_rng_state()
        return iter(loader)
    chance = backend.get_rng_state()
    backend.set_rng_state(place.chance_at_start)
    batches = iter(loader)
    backend.set_rng_state(chance)
    return islice(batches, place.done, None)


def _count(place: _Place, metrics: Mapping[str, SupportsFloat]) -> None:
    """One step more, and its metrics."""
    for name, value in _numbers(metrics).items():
        if not math.isfinite(value):
            raise FloatingPointError(f"train: {name} is {value} in epoch {place.epoch + 1}, step {place.done + 1}")
        place.sums[name] = place.sums.get(name, 0.0) + value
    place.done += 1


def _numbers(metrics: Mapping[str, SupportsFloat]) -> dict[str, float]:
    """The metrics as Python's numbers: a tensor would keep its graph until the end of the epoch."""
    numbers = {}
    for name, value in metrics.items():
        try:
            numbers[name] = plain_number(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"train: the metric {name} must be a number, got a {type(value).__name__}") from error
    return numbers


def _fingerprint(loader: Batches) -> str | None:
    """What identifies the loader's data; None where it has none, such as for a range of steps."""
    return getattr(loader, "fingerprint", None)


def _means(place: _Place) -> dict[str, float]:
    return {name: total / place.done for name, total in place.sums.items()}


def _save(run: Run, parts: Mapping[str, Stateful], loader: Batches, place: _Place) -> None:
    states = {name: part.state_dict() for name, part in parts.items()}
    numbers = {"rows": run.rows, "epoch": place.epoch, "done": place.done, "steps": len(loader), "sums": place.sums}
    chance = {"chance": backend.get_rng_state(), "chance_at_start": place.chance_at_start}
    run.save(parts=states, data=_fingerprint(loader), **numbers, **chance)


def _restore(run: Run, parts: Mapping[str, Stateful], loader: Batches) -> _Place:
    """Put everything back as the checkpoint has it."""
    kept = run.load()
    if kept["parts"].keys() != parts.keys():
        raise ValueError(f"train: {run.checkpoint} holds {list(kept['parts'])}, expected {list(parts)}")
    if kept["data"] != _fingerprint(loader):
        raise ValueError(f"train: {run.checkpoint} was trained on other data than the loader has; resume with the same")
    if kept["steps"] != len(loader):
        raise ValueError(
            f"train: {run.checkpoint} is of epochs of {kept['steps']} steps, the loader has {len(loader)}; "
            "resume with the same data and batch size"
        )
    for name, part in parts.items():
        part.load_state_dict(kept["parts"][name])
    run.restore(kept["rows"])
    backend.set_rng_state(kept["chance"])
    say(f"resumed after epoch {kept['epoch']} and {kept['done']} steps")
    return _Place(kept["epoch"], kept["done"], kept["sums"], kept["chance_at_start"])
