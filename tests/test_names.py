"""Public names: one table, what is made of it, and what type checkers make of that."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from isolated import run_python

import pymicrograd

ROOT = Path(__file__).resolve().parents[1]


def tool() -> Any:
    """Return tools/names.py as a module."""
    specification = importlib.util.spec_from_file_location("names", ROOT / "tools/names.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_what_is_made_of_the_table_is_up_to_date() -> None:
    assert tool().outdated() == [], "run `python tools/names.py`"


def test_every_submodule_is_there_from_the_first_moment() -> None:
    names = {m.name for m in pkgutil.iter_modules(pymicrograd.__path__) if m.name[0] != "_"}
    assert set(pymicrograd.MODULES) == names
    for name in (*pymicrograd.MODULES, "functional", "nn.functional"):
        run_python(f"import pymicrograd; assert pymicrograd.{name}.__doc__", "-I")
    run_python("import pymicrograd; pymicrograd.random.manual_seed(1)", "-I")
    run_python("from pymicrograd import functional as F, nn; assert F is nn.functional", "-I")


def test_no_name_has_two_homes() -> None:
    names = [name for names in pymicrograd.HOMES.values() for name in names]
    assert len(set(names)) == len(names) and not set(names) & set(pymicrograd.MODULES)
    assert set(pymicrograd.__all__) | set(pymicrograd.PUBLIC_MODULES) <= set(dir(pymicrograd))


PROGRAM = """
import pymicrograd as mg
from pymicrograd import Value, functional as F
reveal_type(Value(1.0) * 2)
reveal_type((2 - Value(1.0)).relu().exp())
reveal_type(mg.tensor([1.0]).exp() @ mg.ones(1))
reveal_type(mg.ones(2).add_(1))
reveal_type(mg.AdamW([Value(1.0)]).lr)
mg.random.manual_seed(1)
mg.Valeu
mg.ones(2).epx()
F.sotfmax
Value(1.0).tahn()
"""


@pytest.mark.all
def test_what_mypy_says(tmp_path: Path) -> None:
    """Results have types, and a wrong name is an error."""
    pytest.importorskip("mypy", reason="the extra dev has mypy")
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--config-file=", "--no-color-output", "program.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"MYPYPATH": str(ROOT), "PATH": ""}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    lines = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if "program.py" in line]
    revealed = [line.rstrip('"').split(".")[-1] for line in lines if "Revealed" in line]
    assert revealed[:4] == ["Value", "Value", "Tensor", "Tensor"] and "float" in revealed[4]
    errors = [line for line in lines if line.startswith("error")]
    assert [next(w for w in WRONG if w in line) for line in errors] == WRONG


WRONG = ["Valeu", "epx", "sotfmax", "tahn"]
