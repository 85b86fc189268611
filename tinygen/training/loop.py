"""The training loop: epochs of steps, with metrics, checkpoints and exact resume.

The caller gives two functions: ``step(batch, index)`` makes one training step and returns numbers to average over the
epoch; ``evaluate()`` returns numbers at its end. ``parts`` names the objects with a state: models, optimisers,
averages. A VAE, a classifier, a critic and a GAN are all trained by this loop. Where the data come from samplers, the
loader is ``range(steps)``, and a step draws its own batch.

A checkpoint is written after every epoch, and within an epoch every few minutes. It holds the parts, the rows of
metrics, the sums of the unfinished epoch, and two states of the random number generator: the one at the start of the
epoch, which gives the order of the batches, and the present one. So a run that was stopped at any moment and resumed
ends with the same bits as one that was not.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, SupportsFloat, TypeVar, runtime_checkable

from tinygen import backend, ranks
from tinygen.console import progress, say
from tinygen.kernels.cpu.malloc import tune_malloc
from tinygen.nn import Module
from tinygen.optim import Optimizer
from tinygen.training.run import Run, plain_number
from tinygen.validation import shown

Batch = TypeVar("Batch")
Yields = TypeVar("Yields", covariant=True)


@runtime_checkable
class Batches(Protocol[Yields]):
    """The batches of an epoch: a ``DataLoader``, a list, a range."""

    def __len__(self) -> int:
        """Steps per epoch."""

    def __iter__(self) -> Iterator[Yields]:
        """The batches of one epoch."""


class Stateful(Protocol):
    """An object whose state can be saved and restored: modules, optimisers, averages."""

    def state_dict(self) -> dict[str, Any]:
        """The state: arrays and numbers by name."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""


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
    """Train for ``epochs`` passes over ``loader``, or for the remaining ones if ``run`` is resumed; returns the rows of
    metrics, one per epoch.

    ``step(batch, index)``, with ``index`` counting steps from 0 over all epochs, returns numbers. Their means over the
    steps of the epoch that returned them become metrics, together with those that ``evaluate()`` returns after it. A
    checkpoint is written after every epoch and whenever ``minutes`` have passed. Without a ``run`` (None) nothing is
    written or printed. Calls ``tg.tune_malloc``.

    Raises ``FloatingPointError`` where a number of a step is not finite, ``TypeError`` where a metric is no number,
    ``loader`` has no length or a part no state, and ``ValueError`` where ``evaluate`` returns a metric of a step or
    "epoch", and where the checkpoint is of other parts, data or number of steps.
    """
    _check_arguments(loader, parts)
    tune_malloc()
    ranks.check_same("the data", _fingerprint(loader))
    state = _restore(run, parts, loader) if run is not None and run.resumed else _Progress()
    if ranks.communicator() is not None:
        for part in parts.values():
            part.load_state_dict(ranks.from_first(part.state_dict))
    rows = [] if run is None else run.rows
    while state.epoch < epochs:
        saved = time.monotonic()
        ranks.check_same("the state of the random numbers", backend.get_rng_state())
        batches, left = _batches(loader, state), len(loader) - state.done
        for batch in batches if run is None else progress(batches, f"epoch {state.epoch + 1}/{epochs}", left):
            _accumulate(state, step(batch, state.epoch * len(loader) + state.done))
            if run is not None and time.monotonic() - saved > 60 * minutes and state.done < len(loader):
                _save(run, parts, loader, state)
                saved = time.monotonic()
        row, evaluated = _means(state), _numbers("evaluate", evaluate())
        if taken := evaluated.keys() & {"epoch", *row}:
            raise ValueError(
                f"train: evaluate must return other names than the epoch's own metrics, got {sorted(taken)}"
            )
        row |= evaluated
        state = _Progress(state.epoch + 1)
        if run is None:
            rows.append({"epoch": state.epoch} | row)
        else:
            run.log(state.epoch, **row)
            _save(run, parts, loader, state)
            say("  ".join(f"{name} {value:.5g}" for name, value in rows[-1].items()))
    return rows


def check_owned(caller: str, argument: str, optimizer: Optimizer, module: Module) -> None:
    """Raise ``ValueError`` where ``optimizer`` has parameters that are not ``module``'s: another network would be
    trained."""
    own = set(module.parameters())
    if not own.issuperset(optimizer.params):
        raise ValueError(
            f"{caller}: {argument} must have parameters of the {type(module).__name__} only, it has others"
        )


def _check_arguments(loader: Any, parts: Mapping[str, Any]) -> None:
    if not isinstance(loader, Batches):
        raise TypeError(f"train: loader must have a length and an iterator, such as a list, got {shown(loader)}")
    for name, part in parts.items():
        if not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
            raise TypeError(f"train: parts[{name!r}] must have state_dict and load_state_dict, got {shown(part)}")


@dataclass
class _Progress:
    """Completed epochs, completed steps of the next one, the sums of their metrics, the numbers of steps that returned
    them, and the state of the random number generator at the start of that epoch."""

    epoch: int = 0
    done: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    rng_at_start: Mapping[str, Any] = field(default_factory=backend.get_rng_state)


def _batches(loader: Batches[Batch], state: _Progress) -> Iterator[Batch]:
    """The remaining batches of the epoch, in the order drawn at its start."""
    if state.done == 0:
        state.rng_at_start = backend.get_rng_state()
        return iter(loader)
    rng = backend.get_rng_state()
    backend.set_rng_state(state.rng_at_start)
    batches = iter(loader)
    backend.set_rng_state(rng)
    return islice(batches, state.done, None)


def _accumulate(state: _Progress, metrics: Mapping[str, SupportsFloat]) -> None:
    """Count one step and add its metrics to the sums."""
    for name, value in _numbers("step", metrics).items():
        if not math.isfinite(value):
            raise FloatingPointError(f"train: {name} is {value} in epoch {state.epoch + 1}, step {state.done + 1}")
        state.sums[name] = state.sums.get(name, 0.0) + value
        state.counts[name] = state.counts.get(name, 0) + 1
    state.done += 1


def _numbers(source: str, metrics: Mapping[str, SupportsFloat]) -> dict[str, float]:
    """The metrics that the function ``source`` returned as Python numbers: a tensor would keep its computation graph in
    memory until the end of the epoch."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f"train: {source} must return a dict of metrics, got {shown(metrics)}")
    numbers = {}
    for name, value in metrics.items():
        try:
            numbers[name] = plain_number(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"train: the metric {name} must be a number, got a {type(value).__name__}") from error
    return numbers


def _fingerprint(loader: Batches[Any]) -> str | None:
    """The loader's identification of its data; None where there is none, such as for a range of steps."""
    return getattr(loader, "fingerprint", None)


def _means(state: _Progress) -> dict[str, float]:
    return {name: total / state.counts[name] for name, total in state.sums.items()}


def _save(run: Run, parts: Mapping[str, Stateful], loader: Batches[Any], state: _Progress) -> None:
    states = {name: part.state_dict() for name, part in parts.items()}
    numbers = {"rows": run.rows, "epoch": state.epoch, "done": state.done, "steps": len(loader)}
    numbers |= {"sums": state.sums, "counts": state.counts}
    rng = {"rng": backend.get_rng_state(), "rng_at_start": state.rng_at_start}
    run.save(parts=states, data=_fingerprint(loader), **numbers, **rng)


def _restore(run: Run, parts: Mapping[str, Stateful], loader: Batches[Any]) -> _Progress:
    """Restore the state of the checkpoint."""
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
    backend.set_rng_state(kept["rng"])
    say(f"resumed after epoch {kept['epoch']} and {kept['done']} steps")
    return _Progress(kept["epoch"], kept["done"], kept["sums"], kept["counts"], kept["rng_at_start"])
