"""Modules that hold modules: in a row (``Sequential``), or as a list (``ModuleList``)."""

from collections.abc import Iterable, Iterator
from typing import Any

from tinygen.autograd.tensor import Tensor
from tinygen.nn.module import Module
from tinygen.validation import described, whole_number


class ModuleList(Module):
    """Modules in a list; their names are "0", "1", ... Raises ``TypeError`` for anything else."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        if not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}: expects modules, got {described(modules)}")
        self.items: list[Module] = []
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> None:
        """Add ``module`` at the end."""
        if not isinstance(module, Module):
            hint = f"; write {type(self).__name__}(*layers)" if isinstance(module, (list, tuple)) else ""
            raise TypeError(f"{type(self).__name__}: expects modules, got {described(module)}{hint}")
        self.items.append(module)

    def members(self) -> Iterator[tuple[str, Any]]:
        """The modules, named by their positions."""
        return ((str(index), module) for index, module in enumerate(self.items))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.items[index]
        name = type(self).__name__
        place = whole_number(name, "index", index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"{name}: index {place} is out of range, there are {len(self)} modules")
        return self.items[place]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.items)


class Sequential(ModuleList):
    """Modules in a row: each takes what the one before it returned."""

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Tensor) -> Tensor:
        """All modules, one after the other."""
        for module in self.items:
            x = module(x)
        return x
