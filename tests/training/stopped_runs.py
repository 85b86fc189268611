"""A small training run with every kind of state, which can be stopped at chosen points.

As a program, ``python stopped_runs.py OUT`` resumes the run in OUT, prints each step as it begins, and waits for a line
of input before the last one, so that it can be killed.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from toy_vae import ToyVAE

import tinygen as tg
from tinygen import evaluation, nn
from tinygen.checkpoint import hdf5
from tinygen.data import DataLoader, Dataset
from tinygen.optim import Adam, ExponentialMovingAverage, cosine_schedule
from tinygen.training import Run, train

OUTCOME = ("metrics.csv", "checkpoint.h5")
IMAGES = np.random.default_rng(0).integers(0, 2, (18, 1, 2, 3)).astype("uint8")
STEPS, EPOCHS = 4, 3  # steps per epoch: three batches of five images and one of three


class Stopped(Exception):
    """The interruption of a run."""


class NoisyVAE(ToyVAE):
    """With dropout, which draws random numbers, and batch normalisation, which has running averages."""

    def __init__(self) -> None:
        super().__init__(latent_size=2, dropout=0.3)
        # No bias before the normalisation: its gradient is 0 up to rounding, of which Adam makes steps of full length,
        # different ones on each device.
        layers = [
            nn.Linear(2, 5, bias=False),
            nn.BatchNorm1d(5),
            nn.Tanh(),
            nn.Linear(5, 6),
            nn.Unflatten(1, self.image_shape),
        ]
        self.decoder = nn.Sequential(*layers)


class StoppedRun(Run):
    """A run that stops ``before the row`` or ``after the row`` of an epoch is written."""

    stop: tuple[str, int] = ("", 0)

    def log(self, epoch: int, **metrics: float) -> None:
        self.stops("before the row", epoch)
        super().log(epoch, **metrics)
        self.stops("after the row", epoch)

    def stops(self, where: str, number: int) -> None:
        if self.stop == (where, number):
            raise Stopped


def parts_and_step(run: StoppedRun, device: str = "cpu") -> tuple[dict[str, Any], Callable]:
    """The parts with a state, and the step that trains them."""
    model = NoisyVAE().to(device)
    optimizer = Adam(model.parameters())
    average = ExponentialMovingAverage(model, 0.9)

    def step(batch: tuple[np.ndarray, None], index: int) -> dict[str, float]:
        run.stops("before the update", index)
        optimizer.lr = cosine_schedule(index, STEPS * EPOCHS, 0.05, warmup=3)
        loss = -tg.mean(model.elbo(tg.tensor(batch[0], dtype="float32", device=device)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        run.stops("after the update", index)
        return {"train_elbo": -loss.item(), "lr": optimizer.lr}

    return {"model": model, "optimizer": optimizer, "average": average}, step


def start(out: Path) -> Callable[[np.ndarray, int], dict[str, float]]:
    """The step alone, a function of images and an index."""
    _, step = parts_and_step(StoppedRun(out))
    return lambda images, index: step((images, None), index)


def make_run(
    out: Path,
    *,
    resume: bool = False,
    epochs: int = EPOCHS,
    minutes: float = 3.0,
    seed: int = 0,
    device: str = "cpu",
    stop: tuple[str, int] = ("", 0),
    announce: Callable[[int], None] = lambda index: None,
) -> dict[str, Any]:
    """Train to the end, or to ``stop``: (where, the step or epoch); returns the parts."""
    run = StoppedRun(out, resume=resume)
    run.stop = stop
    tg.manual_seed(seed)
    parts, step = parts_and_step(run, device)

    def announced_step(batch: tuple[np.ndarray, None], index: int) -> dict[str, float]:
        announce(index)
        return step(batch, index)

    def evaluate() -> dict[str, float]:
        epoch = len(run.rows) + 1
        valid_elbo = evaluation.elbo(parts["model"], IMAGES[:4])  # draws random numbers
        run.stops("in evaluate", epoch)
        with parts["average"].applied():
            return {"valid_elbo": valid_elbo, "averaged_elbo": evaluation.elbo(parts["model"], IMAGES[:4])}

    with half_written_checkpoint(run):
        loader = DataLoader(Dataset(IMAGES), 5, shuffle=True)
        train(run, loader, announced_step, epochs=epochs, parts=parts, evaluate=evaluate, minutes=minutes)
    return parts


@contextmanager
def half_written_checkpoint(run: StoppedRun) -> Iterator[None]:
    """Stop ``while the checkpoint is written`` that follows an epoch: its HDF5 is there, its checksum is not."""
    whole = hdf5._header

    def header(file: Any) -> bytes:
        run.stops("while the checkpoint is written", len(run.rows))
        return whole(file)

    with mock.patch.object(hdf5, "_header", header):
        yield


def print_and_wait(index: int) -> None:
    """Print the step, and before the last one wait for a line."""
    print("step", index, flush=True)
    if index == STEPS * EPOCHS - 1:
        sys.stdin.readline()


if __name__ == "__main__":
    make_run(Path(sys.argv[1]), resume=True, minutes=0.0, announce=print_and_wait)
