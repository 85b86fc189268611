"""The one training loop: epochs of steps, with metrics, checkpoints and an exact resume.

What is trained, and how, is said by two functions: ``step(batch, index)`` makes one training step and returns numbers
to average over the epoch; ``evaluate()`` returns numbers at its end. What has a state is named in ``parts``: models,
optimisers, averages. The loop knows nothing else, so a VAE, a classifier, a critic and a game all run on it.

A checkpoint is written after every epoch, and within an epoch every few minutes. It holds the parts, the rows of
metrics so far, the sums of the unfinished epoch, and the state of chance, twice: as it was when the epoch drew its
order, and as it is. So a run that was stopped at any moment and resumed ends with the same bits as one that was not.
"""

import math
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Protocol

from tinygen import backend, checkpoint
from tinygen.data import DataLoader
from tinygen.data.loader import Batch
from tinygen.training.run import Run, progress


class Stateful(Protocol):
    """What can be saved and go on: modules, optimisers, averages."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as arrays and numbers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


def train(
    run: Run,
    loader: DataLoader,
    step: Callable[[Batch, int], Mapping[str, float]],
    *,
    epochs: int,
    parts: Mapping[str, Stateful],
    evaluate: Callable[[], Mapping[str, float]] = dict,
    minutes: float = 3.0,
) -> None:
    """Train for ``epochs`` passes over ``loader``, or for what is left of them if ``run`` is resumed.

    ``step(batch, index)``, with ``index`` counting steps from 0 over all epochs, returns numbers whose means over the
    epoch become metrics; so do those that ``evaluate()`` returns after it. A checkpoint is written after every epoch
    and whenever ``minutes`` have passed. Raises ``FloatingPointError`` where a number of a step is not finite.
    """
    epoch, done, sums, at_start = 0, 0, {}, backend.get_rng_state()
    if run.resumed:
        kept = checkpoint.load(run.checkpoint)
        if kept["parts"].keys() != parts.keys():
            raise ValueError(f"train: {run.checkpoint} holds {list(kept['parts'])}, expected {list(parts)}")
        if kept["steps"] != len(loader):
            raise ValueError(
                f"train: {run.checkpoint} is of epochs of {kept['steps']} steps, the loader has {len(loader)}; "
                "resume with the same data and batch size"
            )
        for name, part in parts.items():
            part.load_state_dict(kept["parts"][name])
        run.restore(kept["rows"])
        epoch, done, sums, at_start = kept["epoch"], kept["done"], kept["sums"], kept["chance_at_start"]
        backend.set_rng_state(kept["chance"])
        print(f"resumed after epoch {epoch} and {done} steps")

    def save() -> None:
        states = {name: part.state_dict() for name, part in parts.items()}
        place = {"rows": run.rows, "epoch": epoch, "done": done, "steps": len(loader), "sums": sums}
        chance = {"chance": backend.get_rng_state(), "chance_at_start": at_start}
        checkpoint.save(run.checkpoint, parts=states, **place, **chance)

    while epoch < epochs:
        chance = backend.get_rng_state()
        if done:
            backend.set_rng_state(at_start)
        at_start = backend.get_rng_state()
        batches = iter(loader)
        if done:
            backend.set_rng_state(chance)
        saved = time.monotonic()
        rest = islice(batches, done, None)
        for batch in progress(rest, f"epoch {epoch + 1}/{epochs}", total=len(loader) - done):
            for name, value in step(batch, epoch * len(loader) + done).items():
                if not math.isfinite(value):
                    raise FloatingPointError(f"train: {name} is {value} in epoch {epoch + 1}, step {done + 1}")
                sums[name] = sums.get(name, 0.0) + value
            done += 1
            if time.monotonic() - saved > 60 * minutes and done < len(loader):
                save()
                saved = time.monotonic()
        means = {name: total / done for name, total in sums.items()}
        epoch, done, sums = epoch + 1, 0, {}
        run.log(epoch, **means, **evaluate())
        at_start = backend.get_rng_state()
        save()
        print("  ".join(f"{name} {value:.5g}" for name, value in run.rows[-1].items()), flush=True)
