"""Run benchmarks and store what they print, for the tables of docs/results.md.

    python benchmarks/record.py vae_step gan_steps        writes docs/results/vae_step.json, docs/results/gan_steps.json

A file holds the command, the date, the machine, each table (its rows with the header first) and each ratio. An earlier
file is replaced only after the benchmark has run to its end.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "docs" / "results"


def printed_by(script: Path, arguments: list[str]) -> list[str]:
    """The lines that a benchmark prints, which appear on the terminal as well."""
    lines = []
    command = [sys.executable, "-u", str(script), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    if process.returncode:
        raise SystemExit(f"record: {script.name} ended with status {process.returncode}; nothing is written")
    return lines


def tables(lines: list[str]) -> list[list[list[str]]]:
    """The Markdown tables among ``lines``, without the rulers below their headers."""
    found: list[list[list[str]]] = []
    inside = False
    for line in lines:
        if line.startswith("| "):
            if not inside:
                found.append([])
            if not line.startswith("| --"):
                found[-1].append([cell.strip() for cell in line.strip("| ").split(" | ")])
        inside = line.startswith("| ")
    return found


def main() -> None:
    """Each benchmark in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("names", nargs="+", help="benchmarks, without .py; options follow in quotes: 'against 5b03b30'")
    RESULTS.mkdir(exist_ok=True)
    for name, *arguments in map(str.split, parser.parse_args().names):
        script = HERE / f"{name}.py"
        if not script.exists():
            parser.error(f"there is no benchmark {name!r}")
        lines = printed_by(script, arguments)
        record = {
            "command": " ".join(["python", f"benchmarks/{name}.py", *arguments]),
            "date": time.strftime("%Y-%m-%d"),
            "machine": lines[:2],
            "tables": tables(lines),
            "ratios": [float(found) for line in lines for found in re.findall(r"^ratio: ([\d.]+)", line)],
            "lines": [line for line in lines[2:] if line and not line.startswith("| ")],
        }
        written = RESULTS / f"{name}.json.new"
        written.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        written.replace(RESULTS / f"{name}.json")


if __name__ == "__main__":
    main()
