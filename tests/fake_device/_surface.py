"""The surface of CuPy 14, read from ``cupy_14.txt``: which names there are and which arguments they take."""

import inspect
from pathlib import Path


def _sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            entries = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            entries.append(line)
    return sections


_SECTIONS = _sections(Path(__file__).with_name("cupy_14.txt").read_text(encoding="utf-8"))


def names(section: str) -> frozenset[str]:
    """The names listed in a section."""
    return frozenset(" ".join(_SECTIONS[section]).split())


def signatures(section: str) -> dict[str, inspect.Signature]:
    """Name -> signature, for a section whose lines read ``name(parameters)``."""
    found = {}
    for line in _SECTIONS[section]:
        name, _, parameters = line.removesuffix(")").partition("(")
        found[name] = inspect.signature(eval(f"lambda {parameters}: None"))
    return found
