"""Every operation of the registry and every public callable, by the table of cases: gradients to second order against
finite differences, linear maps against their adjoints, float32 throughout, and the same numbers on a GPU."""

import inspect
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from operations.cases import CASES, NOT_CHECKED, PUBLIC, Case

import tinygen as tg
from tinygen import backend
from tinygen.autograd.operation import REGISTRY, Node
from tinygen.autograd.tensor import Tensor
from tinygen.operations.table import TABLE

IN_PLACE = {name for name in TABLE if name.startswith("__i")} - {"__invert__"}
TENSOR = {name: member for name, member in TABLE.items() if name not in IN_PLACE} | {"T": Tensor.T}
COVERED = {case.covers for case in CASES}
DRAWN_IN_ITS_TYPE = {"likelihoods.kl_gaussian_gaussian_mc"}  # other random numbers in float32


def results(case: Case, inputs: list[Tensor]) -> list[Tensor]:
    """The floating-point tensors that a case returns."""
    with backend.fixed_seed(0):
        returned = case.function(*inputs)
    listed = [returned] if isinstance(returned, Tensor) else list(returned)
    return [y for y in listed if y.dtype.kind == "f"]


def gradients(case: Case, inputs: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Values, and first and second derivatives along fixed directions."""
    asking = [x for x in inputs if x.requires_grad]
    values = results(case, inputs)
    first = directed(values, asking)
    return values, first, directed(first, asking)


def directed(outputs: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """Gradients of the outputs, weighted so that no symmetry hides an error."""
    weights = [np.cos(1.0 + np.arange(y.size).reshape(y.shape)) for y in outputs]
    seeds = [tg.tensor(weight, dtype=y.dtype, device=y.device) for weight, y in zip(weights, outputs, strict=True)]
    found = tg.grad(outputs, inputs, seeds, create_graph=True, allow_unused=True)
    return [g for g in found if g is not None]


def nodes(tensors: list[Tensor]) -> Iterator[Node]:
    """All uses of operations behind ``tensors``."""
    seen: set[Node] = set()
    stack = [x.node for x in tensors if x.node is not None]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield node
            stack += [x.node for x in node.inputs if isinstance(x, Tensor) and x.node is not None]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_agree_with_finite_differences_to_second_order(case):
    assert tg.gradgradcheck(case.function, case.tensors())


def test_every_input_of_every_operation_is_differentiated_twice_by_some_case():
    differentiated = set()
    for case in CASES:
        for node in nodes(results(case, case.tensors())):
            for index, x in enumerate(node.inputs):
                if isinstance(x, Tensor) and x.requires_grad:
                    differentiated.add((node.operation.name, 0 if node.operation.variadic else index))
    wanted = {(name, index) for name, made in REGISTRY.items() for index in range(len(made.vjps))}
    assert wanted - differentiated == set()


def is_of(module: ModuleType, member: Any) -> bool:
    """Whether ``member`` belongs to ``module``, which a package gathers and a file defines."""
    package = hasattr(module, "__path__")
    return member.__module__.startswith("tinygen") if package else member.__module__ == module.__name__


def public_callables() -> dict[str, Any]:
    """Name -> callable: those of the public modules, and the operators and methods that are not among them."""
    named = {
        f"{module}.{name}": member
        for module, members in PUBLIC.items()
        for name, member in inspect.getmembers(members)
        if callable(member) and not name.startswith("_") and is_of(members, member)
    }
    known = {id(member) for member in named.values()}
    named |= {f"Tensor.{name}": member for name, member in TENSOR.items() if id(member) not in known}
    return named


def test_every_public_callable_has_a_case_or_a_reason_why_not():
    assert {name for name in public_callables() if name not in COVERED and name not in NOT_CHECKED} == set()


def test_no_callable_has_both_a_case_and_a_reason_and_no_case_is_of_nothing():
    assert COVERED & NOT_CHECKED.keys() == set()
    named = {name for name in COVERED if name.startswith(tuple(f"{module}." for module in (*PUBLIC, "Tensor")))}
    assert named <= public_callables().keys() | {f"Tensor.{name}" for name in TENSOR}


def test_every_public_function_has_a_docstring():
    silent = {name for name, member in public_callables().items() if name in COVERED and not inspect.getdoc(member)}
    assert {name for name in silent if not name.startswith("Tensor.__r")} == set()


@cache
def linear_nodes() -> dict[str, list[Node]]:
    """The uses of linear operations, by name, in the value and the first derivative of every case."""
    found: dict[str, list[Node]] = {name: [] for name, made in REGISTRY.items() if made.linear}
    for case in CASES:
        values, first, _ = gradients(case, case.tensors())
        for node in nodes(values + first):
            if node.operation.linear:
                found[node.operation.name].append(node)
    return found


@pytest.mark.parametrize("name", [name for name, made in REGISTRY.items() if made.linear])
def test_products_of_linear_operations_are_their_adjoints(name):
    """<A x, y> = <x, A* y>, for each input in turn."""
    drawn = np.random.default_rng(0)
    assert linear_nodes()[name]
    for node in linear_nodes()[name]:
        for index, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x.requires_grad:
                assert_adjoint(node, index, drawn)


def assert_adjoint(node: Node, index: int, drawn: np.random.Generator) -> None:
    def value(array: np.ndarray) -> np.ndarray:
        return node.operation.forward(*node.arrays[:index], array, *node.arrays[index + 1 :], **node.options)

    x = drawn.standard_normal(node.inputs[index].shape)
    y = drawn.standard_normal(node.shape)
    mapped = value(x) - value(np.zeros_like(x))  # without what the other inputs add, a bias say
    adjoint = node.vjp(index, Tensor(np.asarray(y))).data
    np.testing.assert_allclose((mapped * y).sum(), (x * adjoint).sum(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float32_stays_float32_in_value_and_derivatives(case):
    found = gradients(case, case.tensors("float32"))
    expected = gradients(case, case.tensors("float64"))
    for order, (singles, doubles) in enumerate(zip(found, expected, strict=True)):
        assert {y.dtype for y in singles} <= {np.dtype("float32")}
        if case.covers in DRAWN_IN_ITS_TYPE:
            continue
        for single, double in zip(singles, doubles, strict=True):
            scale = 1 + np.abs(double.numpy()).max(initial=0)
            np.testing.assert_allclose(single.numpy() / scale, double.numpy() / scale, atol=1e-5 * 20**order)


REAL_FUNCTIONS = [  # the public element-wise functions of one real number
    name
    for name, member in public_callables().items()
    if getattr(member, "__module__", "") in ("tinygen.operations.elementwise", "tinygen.functional.activations")
    and [p.default is p.empty for p in inspect.signature(member).parameters.values()].count(True) == 1
]


@pytest.mark.parametrize("kind", ["int64", "bool"])
@pytest.mark.parametrize("name", REAL_FUNCTIONS)
def test_functions_of_real_numbers_give_float32_for_integers_and_truth_values(name, kind):
    """An operation without ``@real_operands`` gives NumPy's float64 or float16."""
    assert public_callables()[name](tg.ones(2, 3).astype(kind)).dtype == "float32"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_on_a_gpu(case, gpu):
    found = gradients(case, case.tensors(device=gpu))
    expected = gradients(case, case.tensors())
    for there, here in zip(found, expected, strict=True):
        assert all(y.device == "gpu:0" for y in there)
        for y, wanted in zip(there, here, strict=True):
            np.testing.assert_allclose(y.numpy(), wanted.numpy(), rtol=1e-9, atol=1e-12)
