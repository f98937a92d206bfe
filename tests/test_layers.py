"""Who imports whom: each layer of the package uses only those above it; run as a script, a table.

An import is of one of three sorts. Those at a module's level run when it is imported: they go up
the list below, or stay in a layer, and make no circle. Those inside functions run later: they, too,
go up the list, but for the ones that LATE names. Those under TYPE_CHECKING never run: an annotation
may name what stands below (`Tensor` is above what it is made of), but no engine names the other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pymicrograd"

# From top to bottom, as in the design; a name stands for a module, or a folder and what it holds.
LAYERS = (
    (
        "ground",
        (
            "errors", "arithmetic", "recording", "copies", "scalars", "contexts", "modules",
            "networks", "losses", "files", "handles", "lazy", "version",
        ),
    ),
    ("reference", ("reference",)),
    ("binding", ("_micrograd", "_types")),
    ("core", ("_core",)),
    ("values", ("random", "value", "function", "engine", "choices")),
    (
        "tensors",
        (
            "tensors", "linalg", "fft", "special", "cuda", "accelerator", "amp", "backends",
            "array_api", "testing",
        ),
    ),
    ("autograd", ("autograd",)),
    ("distributions", ("distributions",)),
    ("nn", ("nn", "func")),
    ("optim", ("optim",)),
    ("programs", ("programs",)),
    ("data", ("data", "utils")),
    ("programs", ("programs",)),
    ("saving", ("saving",)),
    ("distributed", ("distributed",)),
    ("pictures", ("pictures",)),
    ("predecessors", ("micrograd", "llm101n", "microgpt")),
    ("cli", ("cli", "__main__")),
)  # fmt: skip
PLACES = {name: i for i, (_, names) in enumerate(LAYERS) for name in names}
# A Value draws itself in a notebook; a generator's state is a Tensor, as PyTorch's is.
LATE = {
    ("scalars", "pictures.graphs"),
    ("random", "tensors.devices"),
    ("random", "tensors.interchange"),
    ("tensors.teenygrad", "nn.functional"),  # whose Tensors have layers as methods
}


def modules() -> dict[str, Path]:
    """Return the file of every module of the package, by its name without `pymicrograd.`."""
    found = {}
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.glob("*.pyi")]:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name != "_cffi_build":  # part of the build, not of the package
            found[name] = path
    return found


MODULES = modules()


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(tree: ast.AST, sort: str = "level") -> Iterator[tuple[str, ast.stmt]]:
    """Yield import statements with their sort: level, function or typing."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield sort, node
            continue
        inside = sort
        if is_type_checking(node):
            inside = "typing"
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            inside = "function"
        yield from statements(node, inside)


def imported_by(name: str) -> Iterator[tuple[str, str]]:
    """Yield the sort and the module of everything that a module of the package imports from it."""
    path = MODULES[name]
    own = name.split(".") if name else []
    package = own if path.stem == "__init__" else own[:-1]
    for sort, node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if path.suffix == ".pyi":
            sort = "typing"
        if isinstance(node, ast.Import):
            assert not any(item.name.startswith("pymicrograd") for item in node.names), name
            continue
        assert isinstance(node, ast.ImportFrom)
        assert not (node.module or "").startswith("pymicrograd"), f"{name}: imports are relative"
        if not node.level:
            continue
        base = package[: len(package) - node.level + 1] + (node.module or "").split(".")
        target = ".".join(part for part in base if part)
        for item in node.names:
            inner = f"{target}.{item.name}" if target else item.name
            yield sort, inner if inner in MODULES else target


IMPORTS = {name: sorted(set(imported_by(name))) for name in MODULES}


def place(name: str) -> int:
    """Return the number of the layer of a module; the root stands below all."""
    return PLACES[name.split(".")[0]] if name else len(LAYERS)


def of_sort(*sorts: str) -> list[tuple[str, str]]:
    """Return all pairs of a module and one that it imports, of these sorts."""
    return [(name, to) for name, found in IMPORTS.items() for sort, to in found if sort in sorts]


def is_reference(name: str) -> bool:
    return name.split(".")[0] == "reference"


def test_every_module_has_a_layer() -> None:
    assert {name.split(".")[0] for name in MODULES if name} == set(PLACES)


def test_imports_at_the_level_of_modules_go_up() -> None:
    wrong = [(name, to) for name, to in of_sort("level") if to and place(to) > place(name)]
    assert wrong == []


def test_imports_inside_functions_go_up_but_for_those_named() -> None:
    late = {(name, to) for name, to in of_sort("function") if to and place(to) > place(name)}
    assert late == LATE


def test_there_is_no_circle() -> None:
    """Nor is there one within a layer; importing a module imports the packages around it first."""
    uses: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, to in of_sort("level"):
        parts = to.split(".")
        needed = {".".join(parts[:i]) for i in range(1, len(parts) + 1)}
        uses[name] |= {other for other in needed if not f"{name}.".startswith(f"{other}.")}
    while uses:
        free = {name for name, others in uses.items() if not others & set(uses)}
        assert free, f"a circle among {sorted(uses)}"
        uses = {name: others for name, others in uses.items() if name not in free}


def test_the_engines_share_the_ground_alone() -> None:
    """The reference uses itself and the ground; nothing uses it but the root, which names it."""
    ground = LAYERS[0][1]
    for name, to in of_sort("level", "function", "typing"):
        if is_reference(name):
            assert is_reference(to) or to in ground or (name, to) in LATE, (name, to)
        elif name:
            assert not is_reference(to), (name, to)


def test_the_core_alone_imports_the_extension() -> None:
    imports = of_sort("level", "function", "typing")
    users = {name for name, to in imports if to in ("_micrograd", "_types")}
    assert users == {"_core.library"}


def loaded_by(statement: str) -> set[str]:
    """Return the modules of the package that a statement loads in a new process."""
    source = f"{statement}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return {name[12:] for name in done.stdout.split() if name.startswith("pymicrograd.")}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("from pymicrograd import Tensor", ("value", "reference", "autograd", "nn", "optim")),
        ("from pymicrograd import Value", ("tensors", "reference", "autograd", "nn", "optim")),
        ("import pymicrograd.reference", ("_core", "_micrograd", "value", "tensors", "nn")),
        ("import pymicrograd.cli", ("_core", "_micrograd", "value", "tensors", "reference")),
    ],
)
def test_what_an_import_does_not_load(statement: str, absent: tuple[str, ...]) -> None:
    loaded = loaded_by(statement)
    assert loaded and not {name.split(".")[0] for name in loaded} & set(absent)


def print_table() -> None:
    """Print each layer, its lines and the layers that it uses."""
    print("layer        files  lines  longest                     uses")
    for number, (layer, _) in enumerate(LAYERS):
        names = [name for name in MODULES if name and place(name) == number]
        lines = {n: len(MODULES[n].read_text(encoding="utf-8").splitlines()) for n in names}
        longest = max(lines, key=lambda name: lines[name])
        used = {place(to) for name, to in of_sort("level") if name in names and to}
        uses = ", ".join(LAYERS[i][0] for i in sorted(used - {number}))
        print(
            f"{layer:<12} {len(names):>5} {sum(lines.values()):>6}  "
            f"{longest + ' ' + str(lines[longest]):<27} {uses}"
        )


if __name__ == "__main__":
    print_table()
