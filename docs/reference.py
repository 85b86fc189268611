"""The reference of the library: its public names by module, and the pages that document them from the docstrings."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import tinygen as tg

ROOT = Path(__file__).resolve().parents[1]

SECTIONS = {  # module -> how users call it, and what it holds
    "tinygen": ("tg", "tensors, derivatives, random numbers, devices"),
    "tinygen.functional": ("F", "activations, layers and losses as functions"),
    "tinygen.nn": ("nn", "layers and modules"),
    "tinygen.optim": ("optim", "optimisers and schedules"),
    "tinygen.likelihoods": ("likelihoods", "log-likelihoods and divergences, in nats, one number per example"),
    "tinygen.models": ("models", "networks"),
    "tinygen.objectives": ("objectives", "f-divergences, GAN losses, gradient penalties"),
    "tinygen.flows": ("flows", "flow matching and diffusion: losses, samplers, log-likelihood"),
    "tinygen.divergences": ("divergences", "divergences, exact and estimated from samples"),
    "tinygen.training": ("training", "the training loop, GANs, a run's folder"),
    "tinygen.evaluation": ("evaluation", "evaluation of models"),
    "tinygen.data": ("data", "images, data sets, loaders"),
    "tinygen.data.samplers": ("data.samplers", "samplers of distributions in the plane and on the line"),
    "tinygen.checkpoint": ("checkpoint", "files with a checksum"),
    "tinygen.plotting": ("plotting", "figures"),
}

INDEX = """# API reference

Every public name, with its signature, its docstring and a link to its source. The names are called as after

```py
import tinygen as tg
import tinygen.functional as F
from tinygen import checkpoint, data, divergences, evaluation, flows, likelihoods, models, nn, objectives, optim
from tinygen import plotting, training
```
"""


def members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public functions and classes that a module offers: its own, and those that a package gathers."""
    is_package = hasattr(module, "__path__")
    for name, member in sorted(inspect.getmembers(module), key=lambda item: item[0].lower()):
        if not name.startswith("_") and inspect.isroutine(member) | inspect.isclass(member):
            home = member.__module__
            if home == module.__name__ or (is_package and home.startswith("tinygen.")):
                yield name, member


def tables(module: ModuleType) -> list[str]:
    """The public constants of a module that are dictionaries, such as ``objectives.GAMES``."""
    return [
        name for name, value in vars(module).items() if name.isupper() and isinstance(value, dict) and name[0] != "_"
    ]


def names(path: str) -> list[str]:
    """All names that the page of the module ``path`` documents."""
    module = importlib.import_module(path)
    return [name for name, _ in members(module)] + tables(module)


def summary(member: Any) -> str:
    """The first sentence of a docstring, in one line; of a table, what it holds."""
    if isinstance(member, dict):
        return f"A dictionary of ``{type(next(iter(member.values()))).__name__}``."
    paragraph = (inspect.getdoc(member) or "").split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=[^.]\.) (?=[A-Z`])", paragraph)[0]


def tensor_methods() -> list[str]:
    """The public methods and properties of ``Tensor``: its own, and those of the table of operations."""
    return sorted(
        name
        for name, member in inspect.getmembers(tg.Tensor)
        if not name.startswith("_") and (isinstance(member, property) or inspect.isroutine(member))
    )


def page(path: str) -> str:
    """The page of a module, in MyST Markdown: a table of its names, and each with its docstring."""
    module = importlib.import_module(path)
    called, subject = SECTIONS[path]
    listed = names(path)
    lines = [f"# `{called}`: {subject}", "", "```{eval-rst}", f".. py:module:: {path}", "   :no-index:", ""]
    lines += [".. list-table::", "   :widths: 1 3", ""]
    lines += [f"   * - :py:obj:`~{path}.{name}`\n     - {summary(getattr(module, name))}" for name in listed]
    lines += [""]
    for name in listed:
        if name in tables(module):
            lines += [f".. autodata:: {name}", "   :no-value:", ""]
        elif inspect.isclass(getattr(module, name)):
            lines += [f".. autoclass:: {name}", "   :members:", ""]
        else:
            lines += [f".. autofunction:: {name}", ""]
    return "\n".join([*lines, "```", ""])


def source_line(module: str, name: str) -> tuple[Path, int] | None:
    """The file and the line that define ``name``, a dotted name within ``module``; None where there is no source."""
    member: Any = importlib.import_module(module)
    for part in name.split("."):
        member = inspect.getattr_static(member, part, None) if inspect.isclass(member) else getattr(member, part, None)
        member = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
    try:
        member = inspect.unwrap(member)
        path = Path(inspect.getsourcefile(member) or "").resolve()
        return (path, inspect.getsourcelines(member)[1]) if path.is_relative_to(ROOT) else None
    except (TypeError, OSError):
        return None
