"""Every program in examples/ runs, learns what it says, is short, and says first what it shows."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest

import pymicrograd as mg

EXAMPLES = Path(__file__).parents[1] / "examples"
# Arguments that make them shorter, and what a number that they print lies between.
ACCURACY = r"test accuracy:? (\S+) %$"
CASES: dict[str, tuple[tuple[str, ...], str, float, float]] = {
    "digits_cnn": (("1",), ACCURACY, 75.0, 100.0),
    "gpt": (("60",), r"^step 60, loss (\S+)$", 1.0, 2.6),
    "interchange": ((), r"functions take tensors: (\S+)$", 11.446, 11.446),
    "linear_regression": ((), r"^Tensors: .* w (\S+), b 3\.00", 3.98, 4.02),
    "lstm": ((), r"digits (\S+) % are told right$", 95.0, 100.0),
    "microgpt": (("5",), r"^step 5, loss of \w+ (\S+)$", 2.5, 3.5),
    "mnist": (("30",), ACCURACY, 40.0, 100.0),
    "moons": ((), ACCURACY, 95.0, 100.0),
    "names_mlp": (("200",), r"^validation loss (\S+)$", 2.0, 2.5),
    "newton": ((), r"^Newton step 7: .* f (\S+)$", 0.0, 1e-20),
    "physics": (("300",), r"^largest error from 0 to pi: (\S+)$", 0.0, 0.02),
}
OF_SCIKIT_LEARN = ("digits_cnn", "mnist")


def test_every_example_is_tried() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_it_shows_and_is_short(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    described = ast.get_docstring(ast.parse(text))
    assert described and f"python examples/{name}.py" in described
    assert re.match(r"[^\n]+\.\n\n", described) and len(text.splitlines()) < 80


@pytest.mark.parametrize("name", CASES)
def test_it_runs_and_learns(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in OF_SCIKIT_LEARN:
        pytest.importorskip("sklearn.datasets")
    arguments, pattern, low, high = CASES[name]
    path = str(EXAMPLES / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [path, *arguments])
    state = mg.get_rng_state()
    try:
        runpy.run_path(path, run_name="__main__")
    finally:
        mg.set_rng_state(state)
    printed = capsys.readouterr().out
    found = re.search(pattern, printed, re.MULTILINE)
    assert found and low <= float(found[1]) <= high, printed
