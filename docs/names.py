"""The index of public names: ``python docs/names.py`` writes docs/index-of-names.md from the docstrings."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import tinygen as tg
from tinygen.operations.table import TABLE

PAGE = Path(__file__).parent / "index-of-names.md"
ROOT = Path(__file__).parents[1]
SHORT, LONG = 40, 130  # characters

SECTIONS = {  # module -> how users call it, and what it holds
    "tinygen": ("tg", "tensors, derivatives, random numbers, devices"),
    "tinygen.functional": ("F", "activations, layers and losses as functions"),
    "tinygen.nn": ("nn", "layers and modules"),
    "tinygen.optim": ("optim", "optimisers and schedules"),
    "tinygen.likelihoods": ("likelihoods", "log-likelihoods and divergences, in nats, one number per example"),
    "tinygen.objectives": ("objectives", "f-divergences, gradient penalties, losses of GANs"),
    "tinygen.divergences": ("divergences", "divergences, estimated from samples and in closed form"),
    "tinygen.models": ("models", "networks"),
    "tinygen.training": ("training", "the training loop, GANs, a run's folder"),
    "tinygen.evaluation": ("evaluation", "evaluation of models"),
    "tinygen.data": ("data", "images"),
    "tinygen.data.samplers": ("samplers", "synthetic distributions"),
    "tinygen.checkpoint": ("checkpoint", "files with a checksum"),
    "tinygen.plotting": ("plotting", "figures"),
}

INTRODUCTION = """# Index of names

Every public name of the library, what it is, and the source file that defines it. The docstring there states formulas,
shapes and errors. (`python docs/names.py` writes this page from the docstrings.)

    import tinygen as tg
    import tinygen.functional as F
    from tinygen import checkpoint, data, divergences, evaluation, likelihoods, models, nn, objectives, optim, plotting
    from tinygen import training
    from tinygen.data import samplers
"""


def members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public functions and classes that a module offers: its own, and those that a package gathers."""
    is_package = hasattr(module, "__path__")
    for name, member in sorted(inspect.getmembers(module), key=lambda item: item[0].lower()):
        if not name.startswith("_") and inspect.isroutine(member) | inspect.isclass(member):
            home = member.__module__
            if home == module.__name__ or (is_package and home.startswith("tinygen.")):
                yield name, member


def first_sentence(member: Any) -> str:
    """The first sentence of the docstring in one line; of a long one what stands before its first colon or semicolon
    outside code and parentheses."""
    paragraph = (inspect.getdoc(member) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")
    sentence = re.split(r"(?<=[^.])\. (?=[A-Z`])", paragraph)[0]
    if len(sentence) > LONG:
        blanked = re.sub(r"`[^`]*`|\([^()]*\)", lambda match: "_" * len(match[0]), sentence)
        beginning = sentence[: len(re.split("[:;] ", blanked)[0])]
        sentence = beginning if len(beginning) > SHORT else sentence
    return sentence.removesuffix(".").removesuffix(":").replace("|", "\\|")


def link(member: Any) -> str:
    """A link to the source file that holds ``member``."""
    path = Path(inspect.getsourcefile(inspect.unwrap(member))).relative_to(ROOT).as_posix()
    return f"[{path.removeprefix('tinygen/')}](../{path})"


def row(name: str, member: Any) -> str:
    return f"| `{name}` | {first_sentence(member)} | {link(member)} |"


HEAD = "| name | what it is | where |\n| --- | --- | --- |"


def tensor_rows() -> Iterator[str]:
    """Attributes and methods of ``Tensor``: its own, and those of the table."""
    own = {name: member for name, member in vars(tg.Tensor).items() if not name.startswith("_")}
    for name, member in sorted(own.items(), key=lambda item: item[0].lower()):
        function = member.fget if isinstance(member, property) else member
        if inspect.isfunction(function):
            called = name if isinstance(member, property) else f"{name}()"
            yield row(f"Tensor.{called}", function)
    shell = link(tg.Tensor)
    yield f"| `Tensor.data` | The array, of NumPy or CuPy | {shell} |"
    yield f"| `Tensor.grad` | The gradient that `backward` left, or None | {shell} |"
    yield f"| `Tensor.node` | How it was made, or None for a leaf | {shell} |"


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for path, (called, subject) in SECTIONS.items():
        rows = [row(f"{called}.{name}", member) for name, member in members(importlib.import_module(path))]
        parts.append("\n".join([f"## `{called}`: {subject}\n", HEAD, *rows, ""]))
        if called == "tg":
            signs = " ".join(f"`{name}`" for name in TABLE if re.match("__(?!r|i(?!nvert))", name))
            note = f"Operators: {signs}, all in [operations/table.py](../tinygen/operations/table.py)."
            parts.append("\n".join(["### `tg.Tensor`\n", HEAD, *tensor_rows(), "", note, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
