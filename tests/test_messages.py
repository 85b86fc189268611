"""Wrong arguments are refused in one sentence that names the function, and none that tells of the library's inside.

The public names are enumerated, so that a new one is tried as well: each argument in turn is given what it cannot be,
the others what ``FITTING`` has for them.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim
from tinygen.autograd.gradcheck import GradcheckError
from tinygen.operations.table import TABLE

PROPER = (TypeError, ValueError, IndexError, KeyError, RuntimeError, GradcheckError)
INSIDE = re.compile(
    r"NoneType|object has no attribute|has no attribute|builtins|positional argument|not subscriptable|not iterable|"
    r"unsupported operand|ufunc|<lambda>|interpreted as an integer|is not callable|: _\w+:|^_|truth value of an array"
)

WRONG = {
    "None": lambda: None,
    "text": lambda: "no",
    "dict": lambda: {"a": 1},
    "object": object,
    "module": lambda: nn.Linear(2, 2),
    "class": lambda: int,
    "set": lambda: {1.5},
    "list of text": lambda: ["a"],
    "ragged list": lambda: [[1], [1, 2]],
    "empty list": list,
    "no elements": lambda: tg.zeros(0),
    "many axes": lambda: tg.ones(1, 2, 1, 1, 1, 3),
    "array": lambda: np.ones((2, 3)),
    "array of text": lambda: np.array(["a"]),
    "NaN": lambda: float("nan"),
    "negative": lambda: -7,
}


def leaf() -> tg.Tensor:
    return tg.ones(2, dtype="float64", requires_grad=True)


FITTING: dict[str, Callable[[], Any]] = {  # parameter -> an argument that fits, for those without a default
    "axes": lambda: (0, 1),
    "axis": lambda: 0,
    "axis1": lambda: 0,
    "axis2": lambda: 1,
    "bounds": lambda: 3,
    "condition": lambda: tg.ones(2, 3) > 0,
    "data": lambda: [1.0],
    "device": lambda: "cpu",
    "dtype": lambda: "float32",
    "f": lambda: lambda x: (x * x).sum(),
    "function": lambda: lambda x: x * x,
    "in_channels": lambda: 2,
    "in_features": lambda: 2,
    "indices_or_sections": lambda: 2,
    "inputs": leaf,
    "kernel_size": lambda: 1,
    "lr": lambda: 0.1,
    "max_norm": lambda: 1.0,
    "module": lambda: nn.Linear(2, 2),
    "output": lambda: leaf().sum(),
    "modules": lambda: [nn.ELU()],
    "n": lambda: 2,
    "num": lambda: 3,
    "num_channels": lambda: 2,
    "num_features": lambda: 2,
    "num_groups": lambda: 1,
    "operands": lambda: tg.ones(2, 2),
    "out_channels": lambda: 2,
    "out_features": lambda: 2,
    "outputs": lambda: tg.ones(2).sum(),
    "pad_width": lambda: 1,
    "params": lambda: [leaf()],
    "peak": lambda: 1.0,
    "seed": lambda: 1,
    "shape": lambda: (2, 3),
    "sizes": lambda: (1, 1),
    "start": lambda: 0,
    "state": tg.get_rng_state,
    "step": lambda: 0,
    "stop": lambda: 1,
    "subscripts": lambda: "ij->i",
    "tensor": lambda: tg.ones(2),
    "tensors": lambda: [tg.ones(2)],
    "total": lambda: 5,
    "v": lambda: tg.ones(2, 3),
    "value": lambda: 1.0,
    "x": lambda: tg.ones(2, 3),
    "y": lambda: tg.ones(2, 3),
}
# Files have tests of their own; Tensor takes arrays for ``node`` on trust; pooling and upsampling remember their
# options, and say what is wrong with them when they are called.
ELSEWHERE = {"tg.save", "tg.load", "tg.Tensor"}


def public(prefix: str, module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, member in inspect.getmembers(module):
        home = getattr(member, "__module__", "")
        is_own = home == module.__name__ or (hasattr(module, "__path__") and home.startswith("tinygen."))
        is_error = inspect.isclass(member) and issubclass(member, BaseException)
        if not name.startswith("_") and is_own and not is_error and callable(member):
            yield f"{prefix}.{name}", member


CALLABLES = {
    name: member
    for prefix, module in (("tg", tg), ("nn", nn), ("optim", optim))
    for name, member in public(prefix, module)
    if name not in ELSEWHERE
}
OPERATORS = {name for name in TABLE if name.startswith("__")}
CALLABLES |= {f"Tensor.{name}": method for name, method in TABLE.items() if name not in OPERATORS}


def attempts(function: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Calls of ``function``, each with one argument that is wrong."""
    parameters = inspect.signature(function).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    for wrong in parameters:
        for kind, make in WRONG.items():
            arguments = [make() if p is wrong else FITTING[p.name]() for p in needed]
            options = {} if wrong in needed else {wrong.name: make()}
            yield f"{wrong.name}: {kind}", lambda a=arguments, o=options: function(*a, **o)


def faults(name: str, calls: Iterator[tuple[str, Callable[[], Any]]], says: str | None = None) -> list[str]:
    """The answers to ``calls`` that are errors, but no sentences a user can do something with."""
    found = []
    for what, call in calls:
        try:
            call()
        except Exception as error:
            message, called = str(error), name.split(".")[-1] if says is None else says
            if not isinstance(error, PROPER) or called not in message or INSIDE.search(message):
                found.append(f"{name}({what}): {type(error).__name__}: {message}")
    return found


@pytest.fixture(autouse=True)
def undisturbed():
    state = tg.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    tg.set_rng_state(state)


@pytest.mark.parametrize("name", CALLABLES)
def test_a_wrong_argument_is_refused_by_name(name):
    calls = attempts(CALLABLES[name])
    assert faults(name, ((what, call) for what, call in calls if not what.startswith("output:"))) == []


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_a_wrong_operand_is_refused(name):
    method = getattr(tg.Tensor, name)
    unary = name in ("__neg__", "__abs__", "__invert__")
    operands = {"float": lambda: 1.5} if unary else WRONG
    calls = [
        (kind, lambda make=make: method(tg.ones(2, 3), *(() if unary else (make(),))))
        for kind, make in operands.items()
    ]
    assert faults(name, iter(calls), says=": ") == []


@pytest.mark.parametrize("name", ["train", "to", "astype", "load_state_dict"])
def test_a_wrong_argument_of_a_module_is_refused(name):
    calls = [(kind, lambda make=make: getattr(nn.Linear(2, 2), name)(make())) for kind, make in WRONG.items()]
    assert faults(f"Module.{name}", iter(calls)) == []


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.GroupNorm(1, 3), nn.Unflatten(1, (1, 3))])
def test_what_is_no_tensor_is_refused_by_the_layer(layer):
    calls = [(kind, lambda make=make: layer(make())) for kind, make in WRONG.items()]
    assert faults(type(layer).__name__, iter(calls), says="a") == []


def test_options_and_states_of_optimisers_are_refused_whenever_they_are_set():
    holders = [optim.SGD([leaf()], 0.1, 0.9), optim.RMSprop([leaf()]), optim.Adam([leaf()])]
    holders += [optim.ExponentialMovingAverage(nn.Linear(2, 2))]
    for holder in holders:
        for option in ("lr", "momentum", "weight_decay", "alpha", "eps", "betas", "decay"):
            if hasattr(type(holder), option):
                for make in WRONG.values():
                    with pytest.raises((TypeError, ValueError), match=f"{type(holder).__name__}: {option}"):
                        setattr(holder, option, make())
        calls = [(kind, lambda h=holder, make=make: h.load_state_dict(make())) for kind, make in WRONG.items()]
        assert faults("load_state_dict", iter(calls)) == []
        for _, call in calls:
            with pytest.raises((TypeError, KeyError)):
                call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.sum(tg.ones(2), 0, False, 3), "sum: too many positional arguments"),
        (lambda: tg.ones(2).sum(dim=0), "sum: got an unexpected keyword argument 'dim'"),
        (lambda: nn.Linear(2), "Linear: missing a required argument: 'out_features'"),
        (lambda: tg.ones(2).reshape(1.5), "reshape: shape must be whole numbers, got tuple|got float 1.5"),
        (lambda: tg.zeros("3"), "zeros: shape must be whole numbers, got str '3'"),
        (lambda: tg.zeros(2, -1), "zeros: negative dimensions"),
        (lambda: tg.cat(tg.ones(2)), r"cat: tensors must be a list of tensors, got Tensor of shape \(2,\)"),
        (lambda: tg.stack([]), "stack: expects at least one tensor, got none"),
        (lambda: tg.ones(2).to(None), "to: device must be 'cpu', 'gpu' or 'gpu:N' .*, got None"),
        (lambda: tg.ones(2).to("cuda"), "to: device must be 'cpu', 'gpu' or 'gpu:N' .*, got 'cuda'"),
        (lambda: nn.ELU().to(3), "to: device must be 'cpu', 'gpu' or 'gpu:N' .*, got int 3"),
        (lambda: tg.ones(2).astype("no"), "astype: dtype must be one of real numbers .*, got str 'no'"),
        (lambda: tg.ones(2, dtype=complex), "ones: dtype must be one of real numbers .*, got the class complex"),
        (lambda: tg.tensor(np.array([1j])), "tensor: expects real numbers, got elements of type complex128"),
        (
            lambda: tg.tensor([tg.ones(2)]),
            "tensor: expects numbers, got list that holds tensors; join them by tg.stack",
        ),
        (
            lambda: tg.ones(2)[tg.tensor([0, 1])],
            r'getitem: .* got float32 numbers; tg.tensor\(\[0, 2\], dtype="int64"\)',
        ),
        (lambda: tg.ones(2)[[0.5]], "getitem: an index must be whole numbers"),
        (lambda: tg.ones(2)["a"], "getitem: an index must be whole numbers, .* got str 'a'"),
        (lambda: tg.ones(2)[5], "getitem: index 5 is out of bounds for axis 0 with size 2"),
        (lambda: tg.ones(2) + None, "add: y must be a tensor, an array or numbers, got None"),
        (lambda: nn.Sequential([nn.ELU()]), r"Sequential: expects modules, got list; write Sequential\(\*layers\)"),
        (lambda: nn.Sequential(nn.ELU())[3], "Sequential: index 3 is out of range, there are 1 modules"),
        (lambda: nn.Linear(-1, 2), "Linear: in_features must be a whole number from 0, got -1"),
        (lambda: nn.Linear("2", 2), "Linear: in_features must be a whole number, got str '2'"),
        (lambda: nn.Conv2d(1, 1, "3"), "Conv2d: kernel_size must be whole numbers|must be a whole number"),
        (lambda: nn.Parameter(None), "Parameter: expects real numbers"),
        (lambda: tg.Tensor([1.0]), "Tensor: expects an array, got list; tg.tensor makes a tensor of numbers"),
        (lambda: nn.Linear(1, 1).load_state_dict("a.h5"), r"load_state_dict: state must be a dict .* tg.load\(path\)"),
        (
            lambda: nn.Linear(1, 1).load_state_dict(optim.Adam([leaf()]).state_dict()),
            r"missing \['bias', 'weight'\], unknown \['lr', 'state', 'steps'\]",
        ),
        (
            lambda: optim.Adam([leaf()]).load_state_dict(nn.Linear(1, 1).state_dict()),
            r"as an optimiser's state_dict\(\) returns it, with \['lr', 'state', 'steps'\], got \['bias', 'weight'\]",
        ),
    ],
)
def test_messages_state_what_was_given_and_what_is_expected(call, message):
    with pytest.raises(PROPER, match=message):
        call()


class Foreign:
    """Another library's tensor."""

    dtype = "float32"

    def __array__(self, *args):
        return np.ones(2)

    def __dlpack__(self):
        raise AssertionError


def test_the_error_for_a_tensor_of_another_library_states_how_to_convert_it():
    for call in (lambda: tg.tensor(Foreign()), lambda: tg.exp(Foreign()), lambda: tg.ones(2) * Foreign()):
        with pytest.raises(TypeError, match=r"got .*test_messages\.Foreign; pass it as a NumPy array: its \.numpy\(\)"):
            call()


def test_comparison_with_what_has_no_elements_is_pythons():
    x = tg.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True
    assert any(x is y or y is None for y in [None, x])
    with pytest.raises(TypeError, match="lt: an operand must be a tensor, an array or numbers, got None"):
        x < None  # noqa: B015
