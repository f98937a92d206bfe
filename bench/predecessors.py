"""Programs of micrograd, LLM101n and microgpt with only their imports changed, start to end.

The programs, and the originals in pure Python with ordered operands, are those of
tests/predecessors.py; the factors that README and docs promise are these.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from tests import predecessors

from .engines import C_ENGINE, REFERENCE
from .report import Report, contest_table
from .runner import Contestant, Effort, contest
from .worker import Job, timed

FORM = "program"
PROGRAMS: dict[str, tuple[str, dict[str, int]]] = {
    "demo.ipynb, 100 points": (predecessors.DEMO, {"POINTS": 100, "STEPS": 2}),
    "LLM101n": (predecessors.LLM101N, {"POINTS": 100, "STEPS": 5}),
    "LLM101n, its network in plain Values": (
        predecessors.LLM101N_PLAIN,
        {"POINTS": 100, "STEPS": 5},
    ),
    "microgpt": (predecessors.MICROGPT, {"STEPS": 2}),
}


def numbers_in(lines: list[str]) -> list[float]:
    """Return the numbers that a program prints."""
    return [float(x) for x in re.findall(r"-?\d+\.?\d*(?:e[-+]\d+)?", " ".join(lines))]


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant: to run a program of a case."""
    sys.setrecursionlimit(100_000)  # the originals walk by recursion
    modules: Any = predecessors.ours() if engine == C_ENGINE else predecessors.pure()
    program, sizes = PROGRAMS[case]

    def step() -> list[str]:
        return predecessors.run(program, modules, **sizes)

    return Job(timed(step), lambda: numbers_in(step()))


def run(report: Report, effort: Effort) -> None:
    """Print a table for each program."""
    pure, ours = Contestant(REFERENCE, FORM), Contestant(C_ENGINE, FORM)
    with contest("predecessors", [pure, ours], effort) as programs:
        for case in PROGRAMS:
            report.say(f"{case}; what is printed is the same to the last digit:")
            names = {pure: "the original, operands ordered", ours: "import changed"}
            contest_table(report, programs.measure(case), ours, names, 1e-3, "ms a run")
