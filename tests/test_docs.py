"""Documentation that can be run is run: examples in docstrings, Python in the README."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
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
        "(input, dim: 'Any' = None, dtype: 'Any' = None, *, axis: 'Any' = None)",
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


PAGES = sorted(page for page in (README.parent / "docs").glob("*.md") if page.stem != "names")
PROGRAMS = [
    pytest.param(code, text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (code, text) in enumerate(
        re.findall(r"^```python\n(.*?)^```\n+^```text\n(.*?)^```", page.read_text(), re.M | re.S)
    )
]


def test_every_page_for_an_audience_has_programs() -> None:
    assert {"from_micrograd", "from_numpy", "from_pytorch", "from_teenygrad", "porting"} <= {
        page.stem for page in PAGES
    }
    assert len(PROGRAMS) >= 8
    written = sum(len(python_blocks(page.read_text())) for page in PAGES)
    assert written == len(PROGRAMS), "of a program docs/ show what it prints"


@pytest.mark.parametrize(("code", "text"), PROGRAMS)
def test_programs_in_docs_print_what_stands_below(code: str, text: str) -> None:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (text, "")


def teenygrad() -> Any:
    """Return tools/teenygrad.py as a module."""
    path = README.parent / "tools" / "teenygrad.py"
    specification = importlib.util.spec_from_file_location("teenygrad", path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_name_of_teenygrad_and_mytorch_is_here_or_has_code_that_runs() -> None:
    tool = teenygrad()
    assert tool.page() == tool.PAGE.read_text(), "run `python tools/teenygrad.py`"
    homes = {"in optim": pymicrograd.optim, "functions": pymicrograd}
    for group, names in tool.SAME.items():
        home = next((homes[word] for word in homes if word in group), pymicrograd.Tensor)
        assert [name for name in names.split() if not hasattr(home, name)] == []
    setup = compile(tool.SETUP, "SETUP", "exec")
    state = pymicrograd.get_rng_state()
    for rows in tool.INSTEAD.values():
        for code, _ in rows.values():
            names: dict[str, Any] = {}
            exec(setup, names)
            eval(code or "None", names)
    pymicrograd.set_rng_state(state)


def test_public_names_are_documented() -> None:
    for name in pymicrograd.__all__:
        thing: Any = getattr(pymicrograd, name)
        if isinstance(thing, (float, type(None))):  # pi and its like
            continue
        first = (inspect.getdoc(thing) or "").split("\n")[0]
        assert first.endswith((".", ":")), f"{name}: {first!r}"
