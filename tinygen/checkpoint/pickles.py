"""Reading a pickle without executing it.

A pickle is a program for a small machine: a stack, a memo of what was made before, and some sixty opcodes. Most of them
push a number or a text, or put what lies on the stack into a list, tuple or dictionary. A few name a class or function
of Python and call it, and through these whoever wrote the file commands whoever reads it.

This machine knows the same opcodes and obeys them but for one thing: a name stays a name. Nothing is imported, looked
up or called. Where the program calls, an inert ``StandIn`` notes what would have been called and with what, except for
the functions that the caller hands over, which must trust their arguments in nothing.

Nor can a program ask for much memory: whatever is made takes some opcodes, of which there is a limit, or bytes that are
really there. There is no recursion, so depth costs nothing.
"""

import pickletools
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from tinygen.checkpoint.files import CheckpointError

MOST_STEPS = 1_000_000  # opcodes, and items copied from one container to another; a tensor takes about 25

_VALUES = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_VALUES |= {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_VALUES |= {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_KEYS = (str, int, float, bool, bytes, type(None))  # hashed in a time that their length bounds


class Inert:
    """What stands for something that a pickle names or calls; it equals and hashes as itself alone."""


@dataclass(eq=False, slots=True)
class Global(Inert):
    """The dotted name of a class or function, never looked up."""

    name: str

    def __str__(self) -> str:
        return self.name if len(self.name) <= 80 else self.name[:77] + "..."


@dataclass(eq=False, slots=True)
class StandIn(Inert):
    """What a call of ``called`` would have made, which was not made; ``state`` is what it would have been given."""

    called: Inert
    arguments: Any
    state: Any = None

    def __str__(self) -> str:
        return str(self.called) if isinstance(self.called, Global) else "a call's result"


def read_pickle(
    stream: BytesIO, rebuild: Mapping[str, Callable[..., Any]], persistent: Callable[[Any], Any] | None = None
) -> Any:
    """What the pickle that begins here in ``stream`` describes; leaves ``stream`` behind it.

    Numbers, texts, bytes, lists, tuples, dictionaries and sets are themselves; a dictionary keeps its order, so an
    ``OrderedDict`` becomes a ``dict``. A call of a name in ``rebuild`` becomes what the function there returns; every
    other name is a ``Global`` and every other call a ``StandIn``. ``persistent`` gives the object for a persistent
    identifier.

    Raises ``CheckpointError`` for a program that is broken, too long, or uses anything else.
    """
    return _Machine(rebuild, persistent).run(stream)


class _Machine:
    """The pickle machine: a stack, the places at which marks lie in it, and the memo."""

    def __init__(self, rebuild: Mapping[str, Callable[..., Any]], persistent: Callable[[Any], Any] | None) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.steps = 0
        self.persistent = persistent
        self.rebuild: dict[str, Callable[..., Any]] = {"collections.OrderedDict": self._dict}
        for module in ("builtins", "__builtin__"):  # as Python 3 and as Python 2 calls it
            self.rebuild |= {f"{module}.set": self._set, f"{module}.frozenset": self._set}
        self.rebuild |= rebuild

    def run(self, stream: BytesIO) -> Any:
        """Obey the opcodes up to STOP, and return what then lies on top."""
        opcodes = pickletools.genops(stream)
        while True:
            try:
                opcode, argument, _ = next(opcodes)
            except (ValueError, OverflowError, struct.error) as error:
                raise CheckpointError(f"its pickle is cut off or broken: {error}") from error
            if opcode.name == "STOP":
                return self.pop()
            self._spend(1)
            self.obey(opcode.name, argument)

    def obey(self, opcode: str, argument: Any) -> None:
        """Take one step."""
        match opcode:
            case "PROTO" | "FRAME":
                pass
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.top()
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.top()
            case "GET" | "BINGET" | "LONG_BINGET":
                if argument not in self.memo:
                    raise CheckpointError(f"its pickle asks for object {argument} before making it")
                self.push(self.memo[argument])
            case "MARK":
                self.marks.append(len(self.stack))
            case "POP" if self.marks and self.marks[-1] == len(self.stack):
                self.marks.pop()
            case "POP":
                self.pop()
            case "POP_MARK":
                self.since_mark()
            case "DUP":
                self.push(self.top())

            case "NONE":
                self.push(None)
            case "NEWTRUE" | "NEWFALSE":
                self.push(opcode == "NEWTRUE")
            case "EMPTY_LIST":
                self.push([])
            case "LIST":
                self.push(self.since_mark())
            case "APPEND":
                self._append([self.pop()])
            case "APPENDS":
                self._append(self.since_mark())
            case "EMPTY_TUPLE":
                self.push(())
            case "TUPLE":
                self.push(tuple(self.since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.push(tuple(reversed([self.pop() for _ in range(int(opcode[-1]))])))
            case "EMPTY_DICT":
                self.push({})
            case "DICT":
                self.push(self._dict(_pairs(self.since_mark())))
            case "SETITEM":
                value, key = self.pop(), self.pop()
                self._set_items([(key, value)])
            case "SETITEMS":
                self._set_items(_pairs(self.since_mark()))
            case "EMPTY_SET":
                self.push(set())
            case "FROZENSET":
                self.push(self._set(self.since_mark()))
            case "ADDITEMS":
                items, target = self.since_mark(), self.top()
                if not isinstance(target, set):
                    raise CheckpointError(f"its pickle adds items to {_kind(target)}, expected a set")
                target.update(self._set(items))

            case "GLOBAL":
                self.push(Global(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                name, module = self.pop(), self.pop()
                if not (isinstance(module, str) and isinstance(name, str)):
                    raise CheckpointError(f"its pickle names {_kind(name)} of {_kind(module)}, expected two texts")
                self.push(Global(f"{module}.{name}"))
            case "REDUCE" | "NEWOBJ":
                arguments, called = self.pop(), self.pop()
                self.push(self._call(called, arguments))
            case "NEWOBJ_EX":
                named, arguments, called = self.pop(), self.pop(), self.pop()
                self.push(StandIn(_callable(called), (arguments, named)))
            case "INST":
                self.push(self._call(Global(argument.replace(" ", ".")), tuple(self.since_mark())))
            case "OBJ":
                called, *arguments = self.since_mark() or [None]
                self.push(self._call(called, tuple(arguments)))
            case "BUILD":
                self._build(self.pop(), self.top())
            case "BINPERSID" if self.persistent is not None:
                self.push(self.persistent(self.pop()))

            case _ if opcode in _VALUES:
                self.push(argument)
            case _:
                raise CheckpointError(f"its pickle uses {opcode}, which is refused: it reaches beyond the file")

    # The stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def top(self) -> Any:
        if not self.stack:
            raise CheckpointError("its pickle takes from an empty stack")
        return self.stack[-1]

    def pop(self) -> Any:
        value = self.top()
        self.stack.pop()
        return value

    def since_mark(self) -> list[Any]:
        """Take what lies above the last mark, and the mark."""
        if not self.marks:
            raise CheckpointError("its pickle looks for a mark that it did not set")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise CheckpointError(
                f"its pickle takes more than {MOST_STEPS:,} steps, expected fewer of a file of tensors"
            )

    # Containers

    def _dict(self, pairs: Any = ()) -> dict[Any, Any]:
        """A dictionary of ``pairs``, in their order."""
        made: dict[Any, Any] = {}
        for pair in self._counted(pairs):
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise CheckpointError(f"its pickle makes a dictionary of {_kind(pair)}, expected pairs")
            made[_key(pair[0])] = pair[1]
        return made

    def _set(self, items: Any = ()) -> set[Any]:
        return {_key(item) for item in self._counted(items)}

    def _counted(self, items: Any) -> list[Any] | tuple[Any, ...]:
        """``items``, whose copying counts as steps."""
        if not isinstance(items, (list, tuple)):
            raise CheckpointError(f"its pickle makes a container of {_kind(items)}, expected a list or tuple")
        self._spend(len(items))
        return items

    def _append(self, items: list[Any]) -> None:
        target = self.top()
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, StandIn):
            raise CheckpointError(f"its pickle appends to {_kind(target)}, expected a list")

    def _set_items(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        target = self.top()
        if isinstance(target, dict):
            target.update((_key(key), value) for key, value in pairs)
        elif not isinstance(target, StandIn):
            raise CheckpointError(f"its pickle sets items of {_kind(target)}, expected a dictionary")

    # What would be calls

    def _call(self, called: Any, arguments: Any) -> Any:
        """What ``rebuild`` makes of a call, or the stand-in for its result."""
        if not isinstance(arguments, tuple):
            raise CheckpointError(f"its pickle calls with {_kind(arguments)}, expected a tuple of arguments")
        function = self.rebuild.get(called.name) if isinstance(called, Global) else None
        if function is None:
            return StandIn(_callable(called), arguments)
        try:
            return function(*arguments)
        except TypeError as error:
            raise CheckpointError(f"its pickle calls {called} with wrong arguments ({error})") from error

    def _build(self, state: Any, target: Any) -> None:
        if isinstance(target, StandIn):
            target.state = state
        elif not isinstance(target, dict):  # an OrderedDict may have attributes, too; nobody asks for them
            raise CheckpointError(f"its pickle sets the state of {_kind(target)}, expected an object")


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise CheckpointError("its pickle sets a key without a value")
    return list(zip(items[::2], items[1::2], strict=True))


def _key(value: Any) -> Any:
    """``value`` if it can be a key: hashing a tuple of tuples of tuples could take forever."""
    if type(value) in _KEYS or isinstance(value, Inert):
        return value
    raise CheckpointError(f"its pickle has {_kind(value)} as a key, expected a text or number")


def _callable(value: Any) -> Inert:
    if isinstance(value, Inert):
        return value
    raise CheckpointError(f"its pickle calls {_kind(value)}, expected a class or function")


def _kind(value: Any) -> str:
    """What ``value`` is, in a few words whatever it holds."""
    return str(value) if isinstance(value, Inert) else f"a {type(value).__name__}"
