"""Modules that contain modules: a list of them (``ModuleList``), or their composition (``Sequential``)."""

from collections.abc import Iterable, Iterator
from typing import Any

from tinygen.autograd.tensor import Tensor
from tinygen.nn.module import Module
from tinygen.validation import described, whole_number


class ModuleList(Module):
    """A list of modules, named "0", "1", ... Raises ``TypeError`` for other items."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        if not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}: expects modules, got {described(modules)}")
        self.items: list[Module] = []
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> None:
        """Add ``module`` at the end; ``TypeError`` for anything else."""
        if not isinstance(module, Module):
            hint = f"; write {type(self).__name__}(*layers)" if isinstance(module, (list, tuple)) else ""
            raise TypeError(f"{type(self).__name__}: expects modules, got {described(module)}{hint}")
        self.items.append(module)

    def members(self) -> Iterator[tuple[str, Any]]:
        """The modules, named by their indices."""
        return ((str(index), module) for index, module in enumerate(self.items))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.items[index]
        name = type(self).__name__
        i = whole_number(name, "index", index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"{name}: index {i} is out of range, there are {len(self)} modules")
        return self.items[i]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.items)


class Sequential(ModuleList):
    """The composition of modules: each is applied to the output of the one before it."""

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Tensor) -> Tensor:
        """The output of the last module."""
        for module in self.items:
            x = module(x)
        return x
