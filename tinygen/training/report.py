"""The report of a run: one HTML page.

The page is self-contained: figures are embedded, and it loads and runs nothing, so it can be mailed, archived and
printed.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from tinygen.files import atomic_write

STYLE = """\
:root { color-scheme: light; }
body { max-width: calc(46rem * var(--columns)); margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff;
       font: 16px/1.55 system-ui, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; padding-bottom: .25rem; }
.figures { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 0 2rem; }
figure { margin: 1.5rem 0; break-inside: avoid; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { margin-top: .5rem; color: #555; font-size: .9rem; text-align: center; }
.scroll, pre { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #eee; }
th { color: #555; font-weight: 600; }
@media print { body { max-width: none; margin: 0; font-size: 11pt; }
               h2 { break-after: avoid; } tr { break-inside: avoid; } img { max-height: 14cm; } }
"""


COLUMNS = ("result", "here", "reference", "from")


class Reference(NamedTuple):
    """A number to compare a result with: the result's name, the number, and its source."""

    name: str
    value: float
    source: str


def write_report(
    path: str | Path,
    title: str,
    *,
    text: str = "",
    results: Mapping[str, float],
    references: Sequence[Reference] = (),
    figures: Sequence[tuple[Path, str]] = (),
    metrics: Sequence[Mapping[str, float]] = (),
    facts: Mapping[str, object],
    columns: int = 1,
) -> None:
    """Write the page to ``path``, completely or not at all.

    ``text`` holds paragraphs separated by blank lines, such as the docstring of an example; one that is indented, such
    as a list of commands, keeps its lines. ``figures`` are PNG or GIF files and captions; ``metrics`` are rows with the
    same names; ``facts`` describe how the numbers were made (the command, versions, the seed). The figures are arranged
    in ``columns``.
    """
    body = [f"<h1>{escape(title)}</h1>"]
    body += [_paragraph(paragraph) for paragraph in text.split("\n\n") if paragraph.strip()]
    body += ["<h2>Results</h2>", _table([_line(COLUMNS, "th"), *map(_line, results_table(results, references))])]
    if figures:
        shown = [_figure(image, caption) for image, caption in figures]
        body += ["<h2>Figures</h2>", '<div class="figures">', *shown, "</div>"]
    if metrics:
        lines = [_line([format_number(value) for value in row.values()]) for row in metrics]
        body += ["<h2>Epoch by epoch</h2>", _table([_line(list(metrics[0]), "th"), *lines])]
    lines = [_line([name.replace("_", " "), str(fact)]) for name, fact in facts.items()]
    body += ["<h2>How it was made</h2>", _table(lines)]
    with atomic_write(path) as unfinished:
        page = _page(title, "\n".join(body), columns)
        unfinished.write_text(page, encoding="utf-8", errors="backslashreplace")  # a path may hold any bytes


def results_table(
    results: Mapping[str, float], references: Sequence[Reference] = ()
) -> list[tuple[str, str, str, str]]:
    """Rows (result, here, reference, source); further references of a result follow in rows without its name.

    ``name`` and ``name_standard_error`` share one row: ``-88.19 ± 0.23``.
    """
    rows = []
    for name, value in results.items():
        if name.endswith("_standard_error") and name.removesuffix("_standard_error") in results:
            continue
        here = format_number(value)
        if f"{name}_standard_error" in results:
            here += f" ± {results[f'{name}_standard_error']:.2g}"
        beside = [(format_number(each.value), each.source) for each in references if each.name == name] or [("", "")]
        rows.append((name, here, *beside[0]))
        rows += [("", "", *more) for more in beside[1:]]
    return rows


def format_number(value: float) -> str:
    """``value`` as text: an ``int`` with all digits, a ``float`` with five significant digits."""
    return str(value) if isinstance(value, int) else f"{value:.5g}"


def _page(title: str, body: str, columns: int) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f'<body style="--columns: {columns}">\n'
        f"{body}\n</body>\n</html>\n"
    )


def _paragraph(text: str) -> str:
    if text.startswith(" "):
        return f"<pre>{escape(dedent(text).rstrip())}</pre>"
    return f"<p>{escape(text.strip())}</p>"


def _figure(path: Path, caption: str) -> str:
    image = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img src="data:image/{path.suffix[1:]};base64,{image}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(lines: Sequence[str]) -> str:
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def _line(cells: Sequence[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
