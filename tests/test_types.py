"""What a type checker and ``help`` say of the library: tensors in, tensors out."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinygen as tg
from tinygen.operations.table import TABLE

ROOT = Path(__file__).parents[1]

REVEALED = {  # expression -> its type, in a script with a tensor x
    "x + 1": "Tensor",
    "1 - x": "Tensor",
    "x @ x.T": "Tensor",
    "-x": "Tensor",
    "x[0, 1:]": "Tensor",
    "x[x > 0]": "Tensor",
    "x == 1": "Tensor",
    "[row for row in x]": "list[Tensor]",
    "x.sum(axis=0, keepdims=True)": "Tensor",
    "x.reshape(3, -1)": "Tensor",
    "x.exp()": "Tensor",
    "x.astype('float64')": "Tensor",
    "x.T": "Tensor",
    "x.shape": "tuple[int, ...]",
    "x.grad": "Tensor | None",
    "x.item()": "Any",
    "tg.exp(x)": "Tensor",
    "tg.maximum(x, 0.0)": "Tensor",
    "tg.einsum('ij,kj->ik', x, x)": "Tensor",
    "tg.split(x, 2)": "list[Tensor]",
    "tg.grad(tg.sum(x), x)": "tuple[Tensor, ...]",
    "tg.grad(tg.sum(x), x, allow_unused=True)": "tuple[Tensor | None, ...]",
    "tg.hessian(tg.sum, x)": "Tensor",
    "F.relu(x)": "Tensor",
    "F.conv2d(x, x)": "Tensor",
    "F.cross_entropy(x, [0, 1])": "Tensor",
    "nn.Linear(3, 4)(x)": "Tensor",
    "nn.Sequential(nn.Linear(3, 4), nn.ReLU())(x)": "Tensor",
    "nn.Linear(3, 4).eval()": "Linear",
    "models.ConvVAE()(x)": "tuple[Tensor, Tensor, Tensor]",
    "Net()(x, scale=2.0)": "tuple[Tensor, float]",
    "tg.nn.Tanh()(x)": "Tensor",
    "tg.likelihoods.log_mean_exp(x)": "Tensor",
    "tg.load('file')": "dict[str, Any]",
    "evaluate(x)": "Tensor",
}
WRONG = {  # statement -> what the type checker says of it
    "x.summ()": '"Tensor" has no attribute "summ"',
    "x.sum(axes=0)": 'Unexpected keyword argument "axes"',
    "tg.clip(x, low=0)": 'Unexpected keyword argument "low"',
    "tg.exq(x)": 'Module has no attribute "exq"',
    "F.relu('x')": 'incompatible type "str"; expected "Tensor"',
    "nn.Linear(3)": 'Missing positional argument "out_features"',
    "nn.Linear(3, 4)(x, x)": "Too many arguments",
    "Net()(x, 'twice')": 'incompatible type "str"; expected "float"',
}
SCRIPT = """
import tinygen as tg
import tinygen.functional as F
from tinygen import models, nn


class Net(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(3, 3)

    def forward(self, x: tg.Tensor, scale: float = 1.0) -> tuple[tg.Tensor, float]:
        return scale * self.layer(x), scale


@tg.no_grad()
def evaluate(x: tg.Tensor) -> tg.Tensor:
    return x * x


x = tg.randn(2, 3, requires_grad=True)
x -= 0.1
"""


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """Statement -> what mypy --strict says of its line, in the script of a user."""
    script = tmp_path_factory.mktemp("user") / "script.py"
    statements = [f"reveal_type({expression})" for expression in REVEALED] + list(WRONG)
    script.write_text(SCRIPT + "\n".join(statements) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", "setup.cfg", "--strict", str(script)]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    first = SCRIPT.count("\n") + 1
    said = {number: [] for number in range(first + len(statements))}
    for line in lines[:-1]:
        path, number, message = re.fullmatch(r"(.+?):(\d+): (.*)", line).groups()
        assert path.endswith("script.py"), line
        said[int(number)].append(message)
    assert [message for number in range(first) for message in said[number]] == []
    return {statement: " ".join(said[first + i]) for i, statement in enumerate(statements)}


@pytest.mark.parametrize("expression", REVEALED)
def test_a_type_checker_finds_the_type(messages, expression):
    found = re.sub(r"\b(?:\w+\.)+(?=\w)", "", messages[f"reveal_type({expression})"])
    assert found == f'note: Revealed type is "{REVEALED[expression]}"'


@pytest.mark.parametrize("statement", WRONG)
def test_a_type_checker_finds_the_error(messages, statement):
    assert messages[statement].startswith("error: ")
    assert WRONG[statement] in messages[statement]


@pytest.mark.parametrize("name", ["exp", "sum", "clip", "where", "matmul", "cumsum", "argmax", "zeros_like"])
def test_the_signature_of_a_function_is_one_of_tensors(name):
    signature = inspect.signature(getattr(tg, name))
    assert next(iter(signature.parameters.values())).annotation is tg.Tensor
    assert signature.return_annotation is tg.Tensor


def test_an_operand_that_may_be_none_and_an_option_keep_their_annotations():
    signature = inspect.signature(tg.clip)
    assert signature.parameters["max"].annotation == tg.Tensor | None
    assert inspect.signature(tg.sum).parameters["keepdims"].annotation is bool


def test_the_table_holds_what_a_tensor_has():
    assert {name: vars(tg.Tensor)[name] for name in TABLE} == TABLE
