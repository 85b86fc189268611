"""The training steps of this checkout and of another commit, in alternation: what a change to the library costs.

    python benchmarks/against.py 5b03b30              every step; about ten minutes
    python benchmarks/against.py 5b03b30 --seconds 60 longer, for differences of a few per cent

Each side runs in a process of its own, with its own library and its own benchmark scripts, and makes its steps in turn
with the other: one call untimed, three timed. The ratio is this checkout's median time over the other's; the last line
is the geometric mean over the steps.
"""

import argparse
import importlib
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
GOAL, WORST = 1.03, 1.08

# name -> the benchmark script and the arguments of its ``build`` after the contestant's name
STEPS: dict[str, tuple[str, tuple]] = {
    "VAE": ("vae_step", ()),
    "critic with penalty, one pass": ("gradient_penalty_step", ()),
    "house numbers, VAE": ("house_numbers", ("VAE",)),
    "house numbers, critic": ("house_numbers", ("critic",)),
    "house numbers, generator": ("house_numbers", ("generator",)),
    "non-saturating, width 32": ("gan_steps", (0,)),
    "non-saturating, width 64": ("gan_steps", (1,)),
    "WGAN-GP, width 32": ("gan_steps", (2,)),
    "WGAN-GP, width 64": ("gan_steps", (3,)),
    "DCGAN, width 16": ("gan_steps", (4,)),
    "U-Net, width 16": ("unet_step", (0,)),
    "U-Net, width 32": ("unet_step", (1,)),
    "perceptrons, 784-300-300-100": ("mlp_vae_step", (0,)),
    "perceptrons, 784-500-2": ("mlp_vae_step", (1,)),
    "perceptrons, 784-500-20": ("mlp_vae_step", (2,)),
    "perceptrons, 784-600-600-50": ("mlp_vae_step", (3,)),
}


class Side:
    """A process that makes the steps of the library in ``checkout``."""

    def __init__(self, checkout: Path) -> None:
        command = [sys.executable, __file__, "--serve", str(checkout)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request: str) -> list[float]:
        """The numbers that the process answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(request, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"against: the process of {self.process.args[-1]} ended at {request!r}")  # type: ignore
        return list(map(float, answer.split()))

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def serve(checkout: str) -> None:
    """Answer ``build NAME`` once the step is built, and ``turn`` with the milliseconds of three calls."""
    sys.path[:0] = [checkout, f"{checkout}/benchmarks"]
    step: Callable[[], float]
    for line in sys.stdin:
        verb, _, name = line.strip().partition(" ")
        if verb == "build":
            script, arguments = STEPS[name]
            contestant = "tinygen (one pass)" if script == "gradient_penalty_step" else "tinygen"
            step = importlib.import_module(script).build(contestant, *arguments)
            print(step(), flush=True)
            continue
        step()
        times = []
        for _ in range(3):
            start = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - start))
        print(*times, flush=True)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A folder with the files of ``commit``."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=HERE, stdout=subprocess.PIPE, check=False)
        if archive.returncode:
            raise SystemExit(f"against: there is no commit {commit!r} in this repository")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def main() -> None:
    """Both sides, each step in turn, the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("commit", help="what to compare with, as git names it")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="for each step (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="the steps whose names hold TEXT")
    options = parser.parse_args()
    names = [name for name in STEPS if options.only in name]
    if not names:
        parser.error(f"--only: no step is called {options.only!r}, only {', '.join(STEPS)}")
    ratios = []
    with checked_out(options.commit) as other:
        sides = [Side(HERE), Side(other)]
        print(f"{'ms per step':<32}{'here':>10}{options.commit[:10]:>12}{'ratio':>8}")
        for name in names:
            if not (other / "benchmarks" / f"{STEPS[name][0]}.py").exists():
                print(f"{name:<32}not in {options.commit}")
                continue
            for side in sides:
                side.ask(f"build {name}")
            times: list[list[float]] = [[], []]
            end = time.perf_counter() + options.seconds
            while time.perf_counter() < end or not times[0]:
                for side, kept in zip(sides, times, strict=True):
                    kept += side.ask("turn")
            ours, theirs = map(median, times)
            ratios.append(ours / theirs)
            print(f"{name:<32}{ours:10.2f}{theirs:12.2f}{ratios[-1]:8.3f}", flush=True)
        for side in sides:
            side.close()
    mean = math.prod(ratios) ** (1 / len(ratios))
    print(f"\nlargest ratio: {max(ratios):.3f} (goal {WORST}); geometric mean: {mean:.3f} (goal {GOAL})")


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1:2] == ["--serve"] else main()
