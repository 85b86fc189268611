"""Lines of code: without blanks, comments, docstrings and overloads, which only type checkers read.

python tests/code_lines.py      the figures in README.md that are out of date, as they should be
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(text: str) -> set[int]:
    """The numbers of the lines of ``text``, a Python source, that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.FunctionDef) and "overload" in [ast.unparse(part) for part in node.decorator_list]:
            lines.difference_update(range(node.decorator_list[0].lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def count(*paths: Path) -> int:
    """The number of lines of code in files, and in all files of folders."""
    files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    return sum(len(code_lines(file.read_text(encoding="utf-8"))) for file in files)


def stated() -> Iterator[tuple[str, int, int]]:
    """The rows of README's table of lines of code: the paths, the figure there, and the count."""
    table = re.compile(r"^\| [^|]+ \| ((?:`[\w./]+`(?:, )?)+) \| ([\d,]+) \|$", re.MULTILINE)
    for paths, figure in table.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        yield paths, int(figure.replace(",", "")), count(*(ROOT / path for path in re.findall(r"`(.*?)`", paths)))


if __name__ == "__main__":
    for paths, figure, counted in stated():
        print(f"{paths}: {counted:,}" + ("" if figure == counted else f" (README: {figure:,})"))
