"""Training steps of two ranks with one thread each, beside one process with two threads and PyTorch's
DistributedDataParallel (gloo, two processes with one thread each).

The convolutional VAE with 64 and 256 images per batch, and a step of the critic with gradient penalty, 64 real images.
Each contestant runs in processes of its own; they take turns, and the median over the turns of each one's median time
counts. The exchange of the gradients is also timed alone, for several sizes; the time of a step on more machines is
extrapolated from a latency and a bandwidth by the formula in docs/appendix-data-parallel-training.md: a simulation, of
the exchange of gradients alone, where each rank is a process with two threads.

    pip install -e ".[bench,mpi]"
    python benchmarks/ranks.py
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import common
import gradient_penalty_step
import numpy as np
import vae_step
from common import Peer

import tinygen as tg
from tinygen import models, optim, ranks

GOAL, GOAL_OF_ONE = 0.95, 1.10
TURNS, SECONDS = 3, 3.0
ONE, TWO, DDP = "one process, two threads", "two ranks", "DistributedDataParallel"
STEPS = {"VAE, batch 64": 64, "VAE, batch 256": 256, "critic with gradient penalty, batch 64": 0}
SIZES = tuple(4**power for power in range(12))  # numbers exchanged
PREDICTED = (8, 64, 512)  # ranks
LATENCY, BANDWIDTH = 20e-6, 1.25e9  # of a network with 10 Gbit/s, in seconds and bytes per second


def tinygen_step(size: int) -> Callable[[], Any]:
    """A step on the rank's part of a batch."""
    if not size:
        real, fake = gradient_penalty_step.batches()
        step = gradient_penalty_step.critic_step(gradient_penalty_step.critic(), together=True)

        def critic_step() -> None:
            with ranks.shared(len(real)) as own:
                step(real[own], fake[own])

        return critic_step
    model, images = models.ConvVAE(vae_step.LATENT), vae_step.batch(size)
    optimizer = optim.Adam(model.parameters(), lr=3e-4)

    def step_of_vae() -> None:
        with ranks.shared(size) as own:
            loss = -model.elbo(tg.tensor(images[own])).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return step_of_vae


def pytorch_step(size: int) -> Callable[[], Any]:
    """The same with PyTorch's DistributedDataParallel; the module that it wraps computes the loss."""
    twins = common.pytorch_side()
    torch, distributed = twins.torch, twins.torch.distributed
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    own = slice(distributed.get_rank(), None, 2)
    if size:
        network, arrays = twins.ConvVAE(vae_step.LATENT), (vae_step.batch(size)[own],)
        compute, betas = network.loss, (0.9, 0.999)
    else:
        network, arrays, betas = (
            twins.critic(),
            tuple(each[own] for each in gradient_penalty_step.batches()),
            (0.5, 0.9),
        )

        def compute(x: Any, y: Any) -> Any:
            scores = network(torch.cat([x, y])).split(len(x))
            penalty = twins.gradient_penalty(network, x, y, torch.rand(len(x), 1, 1, 1), Peer())
            return scores[1].mean() - scores[0].mean() + 10 * penalty

    class Loss(torch.nn.Module):  # type: ignore[name-defined, misc]
        """The loss as a module."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: Any) -> Any:
            return compute(*inputs)

    wrapped = torch.nn.parallel.DistributedDataParallel(Loss())
    optimizer = twins.adam(network, 3e-4, betas)
    inputs = [torch.from_numpy(np.ascontiguousarray(each)) for each in arrays]
    return lambda: twins.optimise(wrapped(*inputs), optimizer)


def measure(name: str, size: int) -> None:
    """In a contestant's process: print the median time of a step in ms. All ranks make the same number of steps."""
    step = (pytorch_step if name == DDP else tinygen_step)(size)
    for _ in range(5):
        step()
    started = time.perf_counter()
    for _ in range(3):
        step()
    count = ranks.from_first(lambda: max(5, round(SECONDS / (time.perf_counter() - started) * 3)))
    count = 30 if name == DDP else count
    times = []
    for _ in range(count):
        started = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - started))
    if ranks.rank() == 0 and os.environ.get("RANK", "0") == "0":
        print(json.dumps(median(times)))


def exchange() -> None:
    """In two ranks: print the time in seconds of the exchange of each of ``SIZES`` numbers."""
    found = []
    for size in SIZES:
        numbers = [np.ones(size, np.float32)]
        times = []
        for _ in range(30):
            with ranks.shared(2):
                started = time.perf_counter()
                ranks.averaged(numbers)
                times.append(time.perf_counter() - started)
        found.append(median(times))
    if ranks.rank() == 0:
        print(json.dumps(found))


def launched(*words: Any, name: str) -> Any:
    """The JSON that the processes of a contestant print."""
    command = [sys.executable, __file__, *map(str, words)]
    environment = os.environ | {"TINYGEN_THREADS": "2" if name == ONE else "1", "OMP_NUM_THREADS": "1"}
    if name == TWO:
        command = [str(Path(sys.executable).with_name("mpiexec")), "-n", "2", *command]
    if name != DDP:
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29541", "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment | {"RANK": str(rank)})
        for rank in range(2)
    ]
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a process of DistributedDataParallel failed")
    return json.loads(printed[0])


def parameters(size: int) -> int:
    """The number of parameters whose gradients are exchanged."""
    model = models.ConvVAE(vae_step.LATENT) if size else gradient_penalty_step.critic()
    return sum(parameter.size for parameter in model.parameters())


def main() -> None:
    """Times of the steps and of the exchange, ratios, and the extrapolation."""
    common.describe_machine()
    rows, of_one, of_ddp, measured = [], [], [], {}
    for name, size in STEPS.items():
        turns: dict[str, list[float]] = {contestant: [] for contestant in (ONE, TWO, DDP)}
        for _ in range(TURNS):
            for contestant, times in turns.items():
                times.append(launched("--measure", contestant, size, name=contestant))
        one, two, ddp = (median(times) for times in turns.values())
        measured[name] = one
        of_one.append(two / one)
        of_ddp.append(two / ddp)
        rows.append((name, one, two, ddp, two / one, two / ddp))
    header = ("a training step", "one process, ms", "two ranks, ms", "DDP, ms", "to one process", "to DDP")
    common.print_table(header, rows)

    seconds = launched("--exchange", name=TWO)
    sizes = [(f"{size:,}", 1e3 * each) for size, each in zip(SIZES, seconds, strict=True)]
    common.print_table(("numbers exchanged by two ranks", "ms"), sizes[::2])

    rows = []
    for name, size in STEPS.items():
        bytes_ = 4 * parameters(size)
        times = [measured[name] + 2e3 * (R - 1) * (LATENCY + bytes_ / R / BANDWIDTH) for R in PREDICTED]
        rows.append((name, f"{bytes_ / 1e6:.1f}", measured[name], *times))
    header = ("predicted, the batch of the row on each rank", "MB", "alone, ms", *(f"{R} ranks, ms" for R in PREDICTED))
    common.print_table(header, rows)
    print(f"two ranks to one process: {float(np.prod(of_one)) ** (1 / len(of_one)):.2f} (goal {GOAL_OF_ONE:.2f})")
    common.conclude(float(np.prod(of_ddp)) ** (1 / len(of_ddp)), GOAL)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["--exchange"]:
        exchange()
    else:
        main()
