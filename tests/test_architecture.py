"""The architecture: imports have one direction, arrays come from the array's own module, and the numbers of lines of
code are within their budgets."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from code_lines import count

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "tinygen").rglob("*.py"))
PAGES = LIBRARY + [page for folder in ("examples", "benchmarks", "tests") for page in (ROOT / folder).rglob("*.py")]

# A part may import the parts of the rows above it; imports within a row are listed below.
LAYERS = [
    ["validation"],
    ["ranks"],
    ["backend", "parallel"],
    ["kernels"],
    ["autograd"],
    ["operations"],
    ["functional"],
    ["nn", "optim"],
    ["likelihoods", "objectives", "flows"],
    ["models"],
    ["training"],
    ["divergences", "evaluation", "plotting"],
]
APART = {  # parts outside the rows, and all that they import
    "console": {"ranks"},
    "files": set(),
    "checks": {"validation"},
    "checkpoint": {"checks", "files", "validation"},
    "data": {"backend", "checkpoint", "checks", "console", "files", "parallel", "validation"},  # its cache: checkpoints
}
ELSEWHERE = {  # module -> the part of the row that it belongs to, where that is not its package
    "tinygen.kernels.cpu.parallel": "parallel",
    "tinygen.autograd.derivatives": "functional",
    "tinygen.autograd.gradcheck": "functional",
}
WITHIN_A_ROW = {("optim", "nn")}  # (part, the other part that it imports)

# These compute on arrays that may be on a GPU, so NumPy itself is used for types and shapes only.
ANY_DEVICE = ["operations", "functional", "nn", "optim", "likelihoods", "objectives", "flows", "models"]
NUMPY_NAMES = {"broadcast_shapes", "dtype", "e", "finfo", "inf", "iinfo", "nan", "ndarray", "newaxis", "pi"}
NUMPY_NAMES |= {
    "bool_",
    "float16",
    "float32",
    "float64",
    "floating",
    "generic",
    "int64",
    "integer",
    "intp",
    "issubdtype",
    "result_type",
    "uint8",
    "uint64",
}
MORE_NUMPY_NAMES = {  # file -> further names, for what it makes or is given on the CPU
    "functional/losses.py": {"asarray"},
    "nn/module.py": {"asarray"},
    "nn/normalisation.py": {"ones", "zeros"},
    "operations/creation.py": {"arange", "eye", "floor", "full", "linspace", "ones", "zeros"},
}

# Lines of code, without blanks, comments and docstrings.
SIZES = {
    "engine": (["autograd/operation.py", "autograd/engine.py"], 160),
    "shell": (["autograd/tensor.py"], 200),
    "operations and functional": (["operations", "functional"], 1300),
}
LEEWAY = 1.15

CPU_CONVOLUTION = ["convolution", "im2col", "mec", "row_gemm", "full_window", "layout"]
BUDGETS = {  # lines of code without leeway
    "reference convolution": (["kernels/convolution.py", "kernels/convolution_taps.py"], 110),
    "reference kernels": (["kernels/*.py"], 447),
    "CPU kernels": (["kernels/cpu/*.py"], 730),
    "CPU convolution": ([f"kernels/cpu/{name}.py" for name in CPU_CONVOLUTION], 240),
}


def in_library(page: Path) -> str:
    return page.relative_to(ROOT / "tinygen").as_posix()


def module_name(page: Path) -> str:
    return ".".join(page.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(page): page for page in LIBRARY}


def tree(page: Path) -> ast.Module:
    return ast.parse(page.read_text(encoding="utf-8"))


def imports(page: Path) -> Iterator[str]:
    """The modules that ``page`` imports when it is loaded, those for type checkers alone left out."""
    nodes: list[ast.AST] = [tree(page)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute_source(page, node)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in MODULES else source
        nodes.extend(ast.iter_child_nodes(node))


def absolute_source(page: Path, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    package = module_name(page).split(".")
    if page.name != "__init__.py":
        package = package[:-1]
    above = package[: len(package) - node.level + 1]
    return ".".join(above + ([node.module] if node.module else []))


def part(module: str) -> str:
    """The part of the library that a module belongs to: ``tinygen.nn.layers`` to ``nn``."""
    return ELSEWHERE.get(module) or (module.split(".")[1] if "." in module else "")


def may_lean_on(name: str) -> set[str]:
    if name in APART:
        return APART[name] | {name}
    row = next(i for i, parts in enumerate(LAYERS) if name in parts)
    below = {lower for parts in LAYERS[:row] for lower in parts}
    neighbours = {neighbour for one, neighbour in WITHIN_A_ROW if one == name}
    return below | neighbours | set(APART) | {name}


@pytest.mark.parametrize("page", [page for page in LIBRARY if module_name(page) != "tinygen"], ids=in_library)
def test_imports_point_one_way(page):
    allowed = may_lean_on(part(module_name(page)))
    leant_on = {name for name in imports(page) if name.split(".")[0] == "tinygen"}
    assert {name for name in leant_on if part(name) not in allowed} == set()


def test_no_module_leads_back_to_itself():
    leads_to = {name: {other for other in imports(page) if other in MODULES} for name, page in MODULES.items()}
    while leads_to:
        ends = {name for name, others in leads_to.items() if not others & leads_to.keys()}
        assert ends, f"these import each other in a circle, or lead into one: {sorted(leads_to)}"
        leads_to = {name: others for name, others in leads_to.items() if name not in ends}


@pytest.mark.parametrize("page", LIBRARY, ids=in_library)
def test_nothing_is_imported_inside_a_function(page):
    functions = [n for n in ast.walk(tree(page)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    inside = [node for function in functions for node in ast.walk(function)]
    assert [ast.unparse(node) for node in inside if isinstance(node, ast.Import | ast.ImportFrom)] == []


@pytest.mark.parametrize("page", LIBRARY, ids=in_library)
def test_only_the_backend_imports_cupy_and_no_file_imports_pytorch(page):
    assert not {name.split(".")[0] for name in imports(page)} & {"cupy", "cupyx", "torch"}
    # These load on demand: subpackages, CuPy, threadpoolctl, mpi4py.
    if in_library(page) not in ("__init__.py", "backend.py", "kernels/cpu/parallel.py", "ranks.py"):
        assert "import_module" not in {node.attr for node in ast.walk(tree(page)) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(
    "page",
    [page for page in LIBRARY if in_library(page).split("/")[0].removesuffix(".py") in ANY_DEVICE],
    ids=in_library,
)
def test_numpy_computes_nothing_where_arrays_may_be_on_a_gpu(page):
    nodes = list(ast.walk(tree(page)))
    aliases = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.split(".")[0] == "numpy"
    }
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases
    }
    used |= {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numpy"
        for alias in node.names
    }
    assert used - NUMPY_NAMES - MORE_NUMPY_NAMES.get(in_library(page), set()) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_opens_with_what_it_is_about(page):
    assert ast.get_docstring(tree(page))


@pytest.mark.parametrize("subject", SIZES)
def test_the_engine_stays_small(subject):
    places, bound = SIZES[subject]
    pages = [page for page in LIBRARY for place in places if (in_library(page) + "/").startswith(place + "/")]
    assert pages
    assert count(*pages) <= LEEWAY * bound


@pytest.mark.parametrize("subject", BUDGETS)
def test_the_kernels_keep_their_budgets(subject):
    places, bound = BUDGETS[subject]
    found = [[page for page in LIBRARY if Path(in_library(page)).match(place)] for place in places]
    assert all(found)
    pages = [page for matching in found for page in matching]
    assert count(*pages) <= bound


PERSONIFICATIONS = re.compile(
    r"\b(nobody|somebody|who|whoever|unless told|chances?|luck|honest\w*|meets?|hears?|remembers?|forgets?)\b", re.I
)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_library_is_written_in_standard_terms(path):
    """Docstrings, comments and messages state what the code does; nothing in them is personified."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    assert [f"{number}: {line.strip()}" for number, line in lines if PERSONIFICATIONS.search(line)] == []
