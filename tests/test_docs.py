"""Documentation that can be run is run: examples in docstrings, Python in the README."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pathlib
import pkgutil
import re
import subprocess
import sys
from typing import Any

import pytest

import pymicrograd

README = pathlib.Path(__file__).parents[1] / "README.md"
MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(pymicrograd.__path__, "pymicrograd.")
    if name not in ("pymicrograd.__main__", "pymicrograd._micrograd", "pymicrograd._cffi_build")
)


def python_blocks(markdown: str) -> list[str]:
    """Return the code of blocks fenced as python."""
    return re.findall(r"^```python\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["pymicrograd", *MODULES])
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    assert inspect.getdoc(module)
    parser = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in parser.find(module, name):
        runner.run(test)
    assert runner.failures == 0


def test_there_are_examples() -> None:
    found = 0
    for name in MODULES:
        for test in doctest.DocTestFinder().find(importlib.import_module(name), name):
            found += len(test.examples)
    assert found >= 15


def test_python_in_the_readme_runs_in_order(tmp_path: pathlib.Path) -> None:
    """All blocks, one after the other, in one program, as a reader would type them."""
    blocks = python_blocks(README.read_text())
    program = "\n\n".join(blocks)
    compile(program, str(README), "exec")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_numbers_in_the_readmes_comments_are_what_is_printed(tmp_path: pathlib.Path) -> None:
    """A line such as `print(x)  # 3.0` or `print(x)  # Value(...)` tells what it prints."""
    program = "\n\n".join(python_blocks(README.read_text()))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    comments = r"^print\(.*\) +# (-?\d[\d.e+-]*|Value\(.*\))$"
    for text in re.findall(comments, program, re.MULTILINE):
        assert text in lines


REFERENCE = """
import inspect, sys
sys.path.insert(0, "tools")
import reference, pymicrograd
reference.load_names(); reference.show_methods_of_bases(); reference.show_arguments()
for name in ("sum", "abs", "float", "load", "Tensor", "data"):
    assert name in pymicrograd.__all__ and name in vars(pymicrograd), name
print(inspect.signature(vars(pymicrograd.Tensor)["matmul"]))
print(inspect.signature(pymicrograd.softmax))
print(inspect.signature(vars(pymicrograd.Value)["tanh"]))
"""


def test_the_reference_sees_lazy_names_and_methods_of_c() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFERENCE],
        cwd=README.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "(self, other: 'Any') -> 'Tensor'",
        "(input, dim: 'Any' = None, *, dtype: 'Any' = None, axis: 'Any' = None)",
        "(self) -> 'Value'",
    ]


@pytest.mark.all
def test_the_reference_has_a_page_of_every_module(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("pdoc")
    program = [sys.executable, "-W", "error", "tools/reference.py", str(tmp_path)]
    subprocess.run(program, cwd=README.parent, check=True, capture_output=True)
    page = (tmp_path / "pymicrograd.html").read_text(encoding="utf-8")
    assert 'id="Tensor.matmul"' in page and 'id="sum"' in page and 'id="Value.tanh"' in page
    assert (tmp_path / "pymicrograd/nn/functional.html").exists()


def test_public_names_are_documented() -> None:
    for name in pymicrograd.__all__:
        thing: Any = getattr(pymicrograd, name)
        if isinstance(thing, (float, type(None))):  # pi and its like
            continue
        first = (inspect.getdoc(thing) or "").split("\n")[0]
        assert first.endswith((".", ":")), f"{name}: {first!r}"
