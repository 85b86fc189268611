"""A run's folder: what a training leaves behind for people and for programs.

====================  ==================================================================================================
``metrics.csv``       a row an epoch, for plotting while the run goes on
``results.json``      the final numbers, flat: name -> number; with seed, versions, device and seconds (before the end
                      only ``epochs`` and ``seconds`` so far)
``checkpoint.h5``     the run as it is (``tinygen.checkpoint``), to be resumed
``*.png``             figures
``report.html``       all of it on one page that can be mailed
====================  ==================================================================================================

A run that was stopped and resumed leaves the same files, bit for bit, as one that was never stopped, with one honest
exception: ``seconds`` in ``results.json``, the sum over all parts of the run. So nothing else here asks a clock.
"""

import csv
import json
import math
import platform
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import SupportsFloat, TypeVar

import numpy as np
from tqdm import tqdm

from tinygen.checkpoint import UNFINISHED, written_whole
from tinygen.training.report import COLUMNS, Reference, results_table, write_report

Item = TypeVar("Item")


class Run:
    """The folder ``out`` of one run: its metrics, figures, results and report.

    ``resume=True`` takes up what lies there, if there is a checkpoint (``resumed`` says so); hand ``restore`` the rows
    that the checkpoint holds. Otherwise the metrics, results, report and checkpoint of an earlier run are cleared away.
    """

    def __init__(self, out: str | Path, *, resume: bool = False):
        self.out = Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.checkpoint = self.out / "checkpoint.h5"
        self.resumed = resume and self.checkpoint.exists()
        self.rows: list[dict[str, float]] = []
        self._figures: dict[str, str] = {}
        self._metrics, self._results, self._report = (
            self.out / name for name in ("metrics.csv", "results.json", "report.html")
        )
        self._started = time.monotonic()
        if self.resumed:
            self._started -= _read_seconds(self._results)
        else:
            for path in (self._metrics, self._results, self._report, self.checkpoint):
                path.unlink(missing_ok=True)
        for path in self.out.glob(f"*{UNFINISHED}"):
            path.unlink()

    @property
    def seconds(self) -> float:
        """How long the run has taken, over all its parts."""
        return round(time.monotonic() - self._started, 1)

    def restore(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Go on from ``rows``, those that the checkpoint holds; ``metrics.csv`` forgets rows that came after it."""
        self.rows = [dict(row) for row in rows]
        self._write_rows()

    def log(self, epoch: int, **metrics: float) -> None:
        """Add the row of ``epoch`` (1, 2, ...) to ``rows``, which belong into the checkpoint, and ``metrics.csv``.

        Numbers are written so that reading them gives the same bits. Raises ``ValueError`` where the epoch is not the
        next one, or the names are not those of the rows before.
        """
        row = {"epoch": epoch} | {name: _plain(value) for name, value in metrics.items()}
        if epoch != len(self.rows) + 1:
            raise ValueError(f"log: epoch {len(self.rows) + 1} comes next in {self._metrics}, got epoch {epoch}")
        if self.rows and list(row) != list(self.rows[0]):
            raise ValueError(f"log: {self._metrics} has the columns {list(self.rows[0])}, the new row {list(row)}")
        self.rows.append(row)
        self._write_rows()
        _write_json(self._results, {"epochs": epoch, "seconds": self.seconds})

    def figure(self, name: str, caption: str) -> Path:
        """The path at which to draw the figure ``name`` (``"samples.png"``); the report shows it with ``caption``."""
        self._figures[name] = caption
        return self.out / name

    def progress_figure(self, what: str = "epoch") -> Path:
        """Where to draw what the epoch that is ending looks like, ``progress/epoch-003.png``; the report leaves it out.
        ``what`` is another word for an epoch, where a row of metrics is something else."""
        folder = self.out / "progress"
        folder.mkdir(exist_ok=True)
        return folder / f"{what}-{len(self.rows) + 1:03d}.png"

    def finish(
        self,
        title: str,
        results: Mapping[str, float],
        *,
        seed: int,
        device: str,
        references: Sequence[Reference] = (),
        text: str = "",
        columns: int = 1,
    ) -> None:
        """Write ``results.json`` and ``report.html``, and print the results beside their reference values. The
        report has its figures in ``columns``.

        Raises ``ValueError`` where a result is not finite, naming it: JSON has no such number, and a reader no use
        for it.
        """
        facts = {"seed": seed, "device": device} | versions()
        numbers = {name: _plain(value) for name, value in results.items()}
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise ValueError(f"finish: the result {name} is {value}, expected a finite number")
            if name in facts or name in ("epochs", "seconds"):
                raise ValueError(f"finish: {name} is not a result's name, results.json already uses it")
        _write_json(self._results, numbers | facts | {"epochs": len(self.rows), "seconds": self.seconds})
        write_report(
            self._report,
            title,
            text=text,
            results=numbers,
            references=references,
            figures=[(self.out / name, caption) for name, caption in self._figures.items()],
            metrics=self.rows,
            facts={"command": command()} | facts,
            columns=columns,
        )
        print_results(numbers, references)
        print(f"\n{self.seconds:.0f} seconds; figures, numbers and report.html are in {self.out}")

    def _write_rows(self) -> None:
        if not self.rows:
            self._metrics.unlink(missing_ok=True)
            return
        with written_whole(self._metrics) as path, open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.rows[0])
            writer.writerows([repr(value) for value in row.values()] for row in self.rows)


def versions() -> dict[str, str]:
    """The versions that a result depends on, of Python and of the packages that compute."""
    found = {"python_version": platform.python_version()}
    for package in ("tinygen", "numpy", "scipy"):
        try:
            found[f"{package}_version"] = version(package)
        except PackageNotFoundError:
            found[f"{package}_version"] = "not installed"
    return found


def command() -> str:
    """The command that makes this run from its beginning: without ``--resume``."""
    return shlex.join(["python", *(word for word in sys.argv if word != "--resume")])


def print_results(results: Mapping[str, float], references: Sequence[Reference] = ()) -> None:
    """Print a table of ``results``, each beside the reference values that it has and where they are from.

    A result ``name`` with a companion ``name_standard_error`` is printed as one: ``-88.19 ± 0.23``.
    """
    print("\n".join(align([COLUMNS, *results_table(results, references)])))


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def progress(items: Iterable[Item], description: str, total: int | None = None, every: float = 10.0) -> Iterator[Item]:
    """``items``, one by one, while telling how far they are: a bar on a terminal, else a line every ``every`` seconds.

    ``total`` is the number of items, where ``items`` has no length of its own.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, description, total, leave=False, dynamic_ncols=True)
        return
    started = told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= every:
            told = now
            print(_progress_line(description, done, total, now - started), file=sys.stderr, flush=True)


def _progress_line(description: str, done: int, total: int | None, seconds: float) -> str:
    if total is None:
        return f"{description}: {done} in {seconds:.0f} s"
    left = seconds / done * (total - done)
    return f"{description}: {done}/{total} in {seconds:.0f} s, about {left:.0f} s left"


def _plain(value: SupportsFloat) -> float:
    """``value`` as Python's ``int`` or ``float``; a NumPy number becomes the same number of Python's."""
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def _read_seconds(path: Path) -> float:
    """The seconds that earlier parts of the run took, as far as they are known: no reason to refuse a resume."""
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return 0.0


def _write_json(path: Path, contents: Mapping[str, object]) -> None:
    with written_whole(path) as unfinished:
        unfinished.write_text(json.dumps(contents, indent=2, allow_nan=False) + "\n", encoding="utf-8")
