"""Reading a pickle without executing it.

A pickle is a program for a stack machine. Most opcodes push a number or a text, or collect what is on the stack in a
list, tuple or dictionary; a few import a class or function by its name and call it, which lets a file run any code.

``read_pickle`` runs Python's own machine, ``pickle.Unpickler``, in which a name stays a name: ``find_class`` gives an
inert ``Global``, and a call of it gives an inert ``StandIn``, except for the few functions that the caller passes.
Before that, the program is read once, opcode by opcode, and rewritten:

* Opcodes that leave the file are refused (registered extensions, buffers passed beside the pickle).
* Lengths are compared with the bytes that are there, numbers of memo entries with the opcodes read so far, and opcodes
  are counted; so memory is bounded by the size of the file.
* Every opcode that makes an object calls what ``find_class`` returned: NEWOBJ, which needs a class, becomes REDUCE.
* Tuples and frozensets become unhashable: a hash of nested tuples can take a time exponential in their number.
"""

import pickle
import pickletools
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

from tinygen.files import CheckpointError

MAX_STEPS = 1_000_000  # opcodes, and items passed to calls; a tensor takes about 25

_REFUSED = {"PERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
_REWRITTEN = {"PROTO": b"", "FRAME": b"", "NEWOBJ": pickle.REDUCE, "NEWOBJ_EX": pickle.POP + pickle.REDUCE}
_MADE_UNHASHABLE = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"}
_ERRORS: tuple[type[Exception], ...] = (ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError, TypeError)
_ERRORS += (ValueError, struct.error, pickle.UnpicklingError, BadZipFile)


class Inert:
    """Stands for an object that a pickle names or makes. Equal to itself alone; without state unless it keeps one."""

    def __setstate__(self, state: Any) -> None:
        raise CheckpointError(f"its pickle sets the state of a {type(self).__name__.lstrip('_')}, expected an object")


@dataclass(eq=False, repr=False)
class Global(Inert):
    """The dotted name of a class or function, never imported; a call gives what ``rebuild`` returns, or a stand-in."""

    name: str
    rebuild: Callable[..., Any] | None
    budget: "_Budget"

    def __call__(self, *arguments: Any) -> Any:
        self.budget.spend(len(arguments))
        if self.rebuild is None:
            return StandIn(self)
        self.budget.spend(sum(len(argument) for argument in arguments if hasattr(argument, "__len__")))
        return self.rebuild(*arguments)

    def __str__(self) -> str:
        return self.name if len(self.name) <= 80 else self.name[:77] + "..."


@dataclass(eq=False, repr=False)
class StandIn(Inert):
    """The object that a call of ``called`` would have made, and the state that it would have been given."""

    called: Global
    state: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return self.called(*arguments)

    def __str__(self) -> str:
        return str(self.called)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """The items of a subclass of ``dict`` are not kept."""

    def extend(self, items: Any) -> None:
        """The items of a subclass of ``list`` are not kept."""

    append = extend


class _Dict(dict[Any, Any]):
    """Stands for an ``OrderedDict``, whose attributes are not kept."""

    def __setstate__(self, state: Any) -> None:
        pass


class _Tuple(tuple[Any, ...]):
    __slots__ = ()

    def __hash__(self) -> int:
        raise CheckpointError("its pickle has a tuple as a key, expected a text or number")


_CONTAINERS: dict[str, Callable[..., Any]] = {"collections.OrderedDict": _Dict}
_CONTAINERS |= {f"{module}.{name}": set for module in ("builtins", "__builtin__") for name in ("set", "frozenset")}


def read_pickle(
    stream: BytesIO, rebuild: Mapping[str, Callable[..., Any]], persistent: Callable[[Any], Any] | None = None
) -> Any:
    """The object that the pickle at the position of ``stream`` describes; leaves ``stream`` behind the pickle.

    Numbers, texts, bytes, lists, tuples, dictionaries and sets are themselves (an ``OrderedDict`` is a ``dict`` in the
    same order, a frozenset is a set). A call of a name in ``rebuild`` becomes what the function there returns; every
    other name is a ``Global`` and every other call a ``StandIn``. ``persistent`` gives the object for a persistent
    identifier.

    Raises ``CheckpointError`` for a program that is broken, too long, or reaches beyond the file.
    """
    with refuse_broken("its pickle"):
        budget = _Budget(MAX_STEPS)
        unpickler = _Unpickler(BytesIO(_rewrite(stream, budget)))
        unpickler.rebuild, unpickler.persistent, unpickler.budget = {**_CONTAINERS, **rebuild}, persistent, budget
        return unpickler.load()


@contextmanager
def refuse_broken(what: str) -> Iterator[None]:
    """Turn the errors of a reader that is given broken or hostile bytes into ``CheckpointError``."""
    try:
        yield
    except CheckpointError:
        raise
    except _ERRORS as error:
        raise CheckpointError(f"{what} is cut off or broken: {error}") from error


@dataclass
class _Budget:
    """The number of steps that are left."""

    steps: int

    def spend(self, steps: int) -> None:
        """Count ``steps`` against the limit; ``CheckpointError`` for a file that takes more."""
        self.steps -= steps
        if self.steps < 0:
            raise CheckpointError(f"its pickle takes more than {MAX_STEPS:,} steps, which no file of tensors does")


def _rewrite(stream: BytesIO, budget: _Budget) -> bytes:
    """The program at the position of ``stream``, checked and rewritten as this file's first lines describe."""
    content, program = stream.getvalue(), bytearray()
    for count, (opcode, argument, start) in enumerate(pickletools.genops(stream)):
        budget.spend(1)
        if opcode.name in _REFUSED:
            raise CheckpointError(f"its pickle uses {opcode.name}, which is refused: it reaches beyond the file")
        if "PUT" in opcode.name and int(argument or 0) > count:  # the memo is a table as long as its largest number
            raise CheckpointError(f"its pickle numbers an object {argument} after {count} opcodes")
        program += _REWRITTEN.get(opcode.name, content[start : stream.tell()])
        if opcode.name in _MADE_UNHASHABLE:
            program += pickle.BINPERSID  # passes the tuple on top of the stack to persistent_load
    return bytes(program)


class _Unpickler(pickle.Unpickler):
    rebuild: Mapping[str, Callable[..., Any]]
    persistent: Callable[[Any], Any] | None
    budget: _Budget

    def find_class(self, module: str, name: str) -> Global:
        name = f"{module}.{name}"
        return Global(name, self.rebuild.get(name), self.budget)

    def persistent_load(self, identifier: Any) -> Any:
        if type(identifier) is tuple:  # just made; a persistent identifier is a _Tuple by now
            return _Tuple(identifier)
        if type(identifier) is frozenset:
            return set(identifier)
        if self.persistent is None:
            raise CheckpointError("its pickle uses BINPERSID, which is refused: it reaches beyond the file")
        return self.persistent(identifier)
