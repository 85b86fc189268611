"""A run's folder: the files that a training run writes.

====================  ==================================================================================================
``run.json``          the commands, the settings, and the names of the files that the run wrote: no others are ever
                      replaced or removed
``metrics.csv``       one row per epoch, for plotting during the run
``results.json``      the final numbers, flat: name -> number; with seed, versions, device and seconds (before the end
                      only ``epochs`` and ``seconds``)
``checkpoint.h5``     the state of the run (``tinygen.checkpoint``), from which it is resumed
``*.png``             figures
``report.html``       figures, numbers and settings on one self-contained page
====================  ==================================================================================================

A run that was stopped and resumed leaves the same files, bit for bit, as one that was never stopped, except for
``seconds`` in ``results.json``, the sum over all parts of the run. Nothing else here reads the clock.
"""

import csv
import json
import math
import platform
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, SupportsFloat

import numpy as np

from tinygen import checkpoint, ranks
from tinygen.console import print_table, say
from tinygen.files import atomic_write
from tinygen.training.folder import MANIFEST, RunFolder, command, write_json
from tinygen.training.report import COLUMNS, Reference, results_table, write_report

CHECKPOINT, METRICS, RESULTS, REPORT = "checkpoint.h5", "metrics.csv", "results.json", "report.html"
Curve = tuple[list[float], list[float]]  # x, y


class Run(RunFolder):
    """The folder ``out`` of one run: its checkpoint, metrics, figures, results and report.

    The folder must be new, empty, or that of an earlier run. ``resume=True`` continues from the earlier run's
    checkpoint, if there is one (then ``resumed`` is true); ``overwrite=True`` replaces the earlier run and its parts
    when the first file is written. ``settings`` (option -> value) are saved in ``run.json`` and in the checkpoint, with
    the version of the library: a resumed run must have the same, except for those named in ``may_change``, whose
    changes are printed.

    Raises ``BlockingIOError`` where another process writes into the folder; ``NotADirectoryError`` where ``out`` is a
    file; ``FileExistsError`` where the folder holds other files, or an earlier run that is neither resumed nor
    replaced; ``FileNotFoundError`` where a finished run that is to be resumed has lost its checkpoint; ``ValueError``
    where settings differ, naming each with both values, and ``TypeError`` for settings that JSON cannot hold; and the
    errors of ``checkpoint.load``.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        resume: bool = False,
        overwrite: bool = False,
        settings: Mapping[str, Any] | None = None,
        may_change: Collection[str] = (),
    ) -> None:
        settings = {**(settings or {}), "tinygen_version": versions()["tinygen_version"]}
        super().__init__(out, _as_json("settings", settings), resume=resume, overwrite=overwrite)
        self.checkpoint = self.out / CHECKPOINT
        self.rows: list[dict[str, float]] = []
        self._may_change = may_change
        self._figures: dict[str, str] = {}
        self._started = time.monotonic()
        self.resumed = ranks.from_first(lambda: resume and self.checkpoint.exists())
        if resume and self.earlier["files"]:
            self._check_settings(self.out / MANIFEST, self.earlier["settings"])
            if not self.resumed and CHECKPOINT in self.earlier["files"] and (self.out / REPORT).exists():
                raise FileNotFoundError(f"{self.checkpoint} is missing, so the run cannot be resumed: restore the file")
        if self.resumed:
            self._check_settings(self.checkpoint, self.load().get("settings", {}))
            self._started -= _read_seconds(self.out / RESULTS)

    def part(self, name: str, *, resume: bool | None = None) -> "Run":
        """A run in the subfolder ``name`` with the same settings; resumed or overwritten as this one (``resume``,
        default: as this one)."""
        part = Run(
            self.out / name,
            resume=self._resume if resume is None else resume,
            overwrite=self._overwrite,
            settings=self.settings,
            may_change=self._may_change,
        )
        part._parent = self
        return part

    def save(self, **parts: Any) -> None:
        """Write the checkpoint: ``parts`` and the settings."""
        checkpoint.save(self.file(CHECKPOINT), settings=self.settings, **parts)

    def load(self) -> dict[str, Any]:
        """The parts of the checkpoint; errors are those of ``checkpoint.load``."""
        return ranks.from_first(lambda: checkpoint.load(self.checkpoint))

    def _check_settings(self, source: Path, kept: Mapping[str, Any]) -> None:
        """Compare the settings kept in the file ``source`` with this run's."""
        differ = {
            name: f"{name.replace('_', '-')} is {self.settings.get(name)!r}, the run's is {kept.get(name)!r}"
            for name in {**kept, **self.settings}
            if self.settings.get(name) != kept.get(name)
        }
        refused = {name: text for name, text in differ.items() if name not in self._may_change}
        if refused:
            texts = [refused["example"]] if "example" in refused else list(refused.values())
            raise ValueError(f"{source} cannot be resumed with other settings: {'; '.join(texts)}")
        if source == self.checkpoint:
            for text in differ.values():
                say(f"resumed with another setting: {text}")

    def _description(self) -> str:
        return f"from epoch {len(self.rows) + 1}: {command()}" if self.resumed else command()

    @property
    def seconds(self) -> float:
        """The duration of the run, summed over all its parts."""
        return round(time.monotonic() - self._started, 1)

    def restore(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Continue from the ``rows`` of the checkpoint; later rows are removed from ``metrics.csv``."""
        self.rows = [dict(row) for row in rows]
        self._write_rows()

    def log(self, epoch: int, **metrics: float) -> None:
        """Add the row of ``epoch`` (1, 2, ...) to ``rows``, which the checkpoint saves, and to ``metrics.csv``.

        Numbers are written with all digits, so that reading them gives the same bits. Raises ``ValueError`` where the
        epoch is not the next one, or the names are not those of the rows before.
        """
        row = {"epoch": epoch} | {name: plain_number(value) for name, value in metrics.items()}
        if epoch != len(self.rows) + 1:
            raise ValueError(f"log: epoch {len(self.rows) + 1} comes next in {self.out / METRICS}, got epoch {epoch}")
        if self.rows and list(row) != list(self.rows[0]):
            raise ValueError(f"log: {self.out / METRICS} has the columns {list(self.rows[0])}, the new row {list(row)}")
        self.rows.append(row)
        self._write_rows()
        write_json(self.file(RESULTS), {"epochs": epoch, "seconds": self.seconds})

    def curve(self, name: str, x: str = "epoch") -> Curve:
        """The metric ``name`` against the metric ``x``, one point per row: a curve for ``plotting.Panel``."""
        return [row[x] for row in self.rows], [row[name] for row in self.rows]

    def level(self, value: float, x: str = "epoch") -> Curve:
        """A horizontal line at ``value`` over the range of the metric ``x``."""
        return [self.rows[0][x], self.rows[-1][x]], [value, value]

    def figure(self, name: str, caption: str) -> Path:
        """The path of the figure ``name`` (``"samples.png"``), which the report shows with ``caption``."""
        path = self.file(name)
        self._figures[name] = caption
        return path

    def progress_figure(self, what: str = "epoch") -> Path:
        """The path of a figure of the epoch that is ending, ``progress/epoch-003.png``, which the report omits.
        ``what`` names the row of metrics where it is not an epoch."""
        return self.file(f"progress/{what}-{len(self.rows) + 1:03d}.png")

    def finish(
        self,
        title: str,
        results: Mapping[str, float],
        *,
        references: Sequence[Reference] = (),
        text: str = "",
        columns: int = 1,
    ) -> None:
        """Write ``results.json`` and ``report.html``, and print the results beside their reference values.

        Both files also state the run's seed and device, if they are among its settings. ``text`` and ``columns`` are
        those of ``write_report``. Raises ``ValueError`` where a result is not finite (JSON has no such number), or has
        a name that ``results.json`` already uses.
        """
        facts = {name: self.settings[name] for name in ("seed", "device") if name in self.settings} | versions()
        numbers = {name: plain_number(value) for name, value in results.items()}
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise ValueError(f"finish: the result {name} is {value}, expected a finite number")
            if name in facts or name in ("device", "epochs", "seconds", "seed"):
                raise ValueError(f"finish: {name} is not a result's name, results.json already uses it")
        write_json(self.file(RESULTS), numbers | facts | {"epochs": len(self.rows), "seconds": self.seconds})
        write_report(
            self.file(REPORT),
            title,
            text=text,
            results=numbers,
            references=references,
            figures=[(self.out / name, caption) for name, caption in self._figures.items()],
            metrics=self.rows,
            facts={"command": "; then ".join(self.commands)} | facts,
            columns=columns,
        )
        print_results(numbers, references)
        say(f"\n{self.seconds:.0f} seconds; figures, numbers and report.html are in {self.out}")

    def _write_rows(self) -> None:
        if not self.rows:
            self.file(METRICS).unlink(missing_ok=True)
            return
        with atomic_write(self.file(METRICS)) as path, open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.rows[0])
            writer.writerows([repr(value) for value in row.values()] for row in self.rows)


@cache
def versions() -> dict[str, str]:
    """The versions of Python and of the packages on which results depend."""
    found = {"python_version": platform.python_version()}
    for package in ("tinygen", "numpy", "scipy"):
        try:
            found[f"{package}_version"] = version(package)
        except PackageNotFoundError:
            found[f"{package}_version"] = "not installed"
    return found


def print_results(results: Mapping[str, float], references: Sequence[Reference] = ()) -> None:
    """Print a table of ``results``, each beside its reference values and their sources.

    ``name`` and ``name_standard_error`` share one row: ``-88.19 ± 0.23``.
    """
    print_table([COLUMNS, *results_table(results, references)])


def plain_number(value: SupportsFloat) -> float:
    """``value``, a Python or NumPy number or a tensor of one element, as a Python ``int`` or ``float``."""
    if isinstance(value, str):
        raise TypeError(f"expected a number, got the text {value!r}")
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def _as_json(name: str, contents: Mapping[str, Any]) -> dict[str, Any]:
    """``contents`` as JSON represents it: lists for tuples; ``TypeError`` for what it cannot represent."""
    try:
        represented: dict[str, Any] = json.loads(json.dumps(contents, allow_nan=False))
        return represented
    except (TypeError, ValueError) as error:
        raise TypeError(f"Run: {name} must be texts, finite numbers, and lists and dicts of them: {error}") from None


def _read_seconds(path: Path) -> float:
    """The duration of the earlier parts of the run; 0 where it cannot be read, which does not prevent a resume."""
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return 0.0
