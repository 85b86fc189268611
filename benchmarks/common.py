"""The shared parts of the benchmarks: alternating measurements, memory, agreement, tables.

A time depends on the machine and on what else runs on it. Every benchmark therefore runs tinygen and PyTorch in one
process, in alternation, and reports the ratio of the median times. Both start from the same weights and the same
contiguous NumPy batch and use the same number of threads; a benchmark whose losses differ fails. PyTorch runs with
contiguous and with channels-last images, each of them also compiled (``torch.compile``) where a C++ compiler is found,
always with ``Adam(fused=True)``: all times are printed, and the fastest counts. Memory is the peak above the memory
after the imports, in a separate process; that of a compiled step includes its compilation.
"""

import importlib
import math
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from tinygen.kernels.cpu.malloc import tune_malloc
from tinygen.kernels.cpu.parallel import threads

TINYGEN, PYTORCH = "tinygen", "PyTorch"  # the names of all contestants begin with one of these


class Peer(NamedTuple):
    """A configuration of PyTorch: the memory format of images, and whether the loss is compiled."""

    memory_format: str = "contiguous_format"
    compiled: bool = False


EAGER = {PYTORCH: Peer(), f"{PYTORCH}, channels last": Peer("channels_last")}
COMPILED = {f"{name}, compiled": Peer(peer.memory_format, compiled=True) for name, peer in EAGER.items()}
PEERS = EAGER | (COMPILED if shutil.which(os.environ.get("CXX") or "c++") else {})
PEERS_WITHOUT_IMAGES = {name: peer for name, peer in PEERS.items() if peer.memory_format == "contiguous_format"}

tune_malloc()  # as a training run does

Call = Callable[[], Any]


def pytorch_side() -> Any:
    """The module ``twins``, which imports PyTorch; a process that measures tinygen's memory does not load it."""
    try:
        return importlib.import_module("twins")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise SystemExit('the benchmarks compare with PyTorch: pip install -e ".[bench]"') from error


def describe_machine() -> None:
    """Print the processor, the number of threads and the versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    processor = next((line.partition(": ")[2] for line in lines if "model name" in line), platform.processor())
    torch = pytorch_side().torch
    print(f"{processor}, {threads()} threads each; {torch.backends.cpu.get_cpu_capability()}")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}\n")


# Time ----------------------------------------------------------------------------------------------------------------


def take_turns(contestants: Mapping[str, Call], seconds: float = 30.0) -> dict[str, float]:
    """The median time of a call of each contestant, in milliseconds; all of them together take about ``seconds``, or
    one turn if that is more.

    The first call of each turn is not timed: it loads the data into the cache, and the threads of the other side become
    idle.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    end = time.perf_counter() + seconds
    while not all(times.values()) or time.perf_counter() < end:
        for name, call in contestants.items():
            call()
            for _ in range(3):
                start = time.perf_counter()
                call()
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: median(values) for name, values in times.items()}


def fastest(side: str, times: Mapping[str, float]) -> str:
    """The name of the fastest contestant of a side (``TINYGEN`` or ``PYTORCH``)."""
    return min((name for name in times if name.startswith(side)), key=lambda name: times[name])


def print_times(name: str, times: Mapping[str, float]) -> None:
    """Print the median times of all contestants in one line."""
    print(f"{name}: " + "; ".join(f"{contestant} {time:.2f} ms" for contestant, time in times.items()), flush=True)


def ratio(times: Mapping[str, float]) -> float:
    """tinygen's time over PyTorch's, of the fastest contestant on either side."""
    return times[fastest(TINYGEN, times)] / times[fastest(PYTORCH, times)]


# Memory --------------------------------------------------------------------------------------------------------------


def _peak() -> float:
    """The peak memory of this process, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's ru_maxrss starts from that of the parent process
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def memory_of(name: str, *sizes: int) -> float:
    """Peak memory of one contestant of the running script above its imports, in MB, in a process of its own."""
    command = [sys.executable, sys.argv[0], "--memory", name, *map(str, sizes)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def run(main: Callable[[], None], build: Callable[..., Call]) -> None:
    """Run ``main()``; or, in a process that ``memory_of`` started, a few calls of ``build(name, *sizes)``."""
    if sys.argv[1:2] != ["--memory"]:
        main()
        return
    name, *sizes = sys.argv[2:]
    if name.startswith(PYTORCH):
        pytorch_side()
    imports = _peak()
    call = build(name, *map(int, sizes))
    for _ in range(3):
        call()
    print(_peak() - imports)


# Agreement and output ------------------------------------------------------------------------------------------------


def check_agreement(ours: Sequence[float], theirs: Sequence[float], bound: float = 1e-4) -> None:
    """Print the losses of both sides; end the script where they differ by more than ``bound``, relatively."""
    pairs = list(zip(ours, theirs, strict=True))
    print("losses, tinygen and PyTorch:  " + ";  ".join(f"{a:.6g} and {b:.6g}" for a, b in pairs))
    if not all(math.isclose(a, b, rel_tol=bound) for a, b in pairs):
        raise SystemExit("the losses of the two sides differ: they do not compute the same thing")


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table in Markdown: names on the left, numbers with two digits on the right."""
    cells = [list(header), *([f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    for first, *rest in cells:
        aligned = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("| " + " | ".join([first.ljust(widths[0]), *aligned]) + " |")
    print(flush=True)


def print_times_and_memory(what: str, times: Mapping[str, float]) -> None:
    """Print the median times and the memory of contestants that the running script builds by name."""
    print_table((what, "ms", "peak MB"), [(name, times[name], memory_of(name)) for name in times])


def conclude(ratio: float, goal: float) -> None:
    """The last line of every benchmark: tinygen's time over the other side's."""
    print(f"ratio: {ratio:.2f} (goal {goal:.2f})")
