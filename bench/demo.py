"""The demo end to end: processes that train LLM101n's classifier for 100 steps and print it.

The time is that of the whole process, by the clock on the wall. `pymicrograd demo` runs without
its own comparison to the reference. With the collector off it is started through `python -c`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from . import engines
from .engines import C_ENGINE, REFERENCE
from .report import Report, contest_table
from .runner import (
    COLLECTOR,
    ROOT,
    Contestant,
    DigitsDiffer,
    Effort,
    Measured,
    Times,
    compile_c,
    run_pinned,
    scratch,
)

GOLDEN_LINES = 110
OPTIONS = {C_ENGINE: ["demo", "--no-compare"], REFERENCE: ["demo", "--engine", "reference"]}
IN_C = Contestant("csrc/demo.c")
WITHOUT_COLLECTOR = (
    "import gc, sys; gc.disable(); from pymicrograd.cli import main; sys.exit(main())"
)


def command_of(engine: str, collect: bool) -> list[str]:
    """Return the command of `pymicrograd demo` on an engine."""
    python = ["-m", "pymicrograd"] if collect else ["-c", WITHOUT_COLLECTOR]
    return [sys.executable, *python, *OPTIONS[engine]]


def run_process(command: Sequence[str]) -> tuple[float, list[str]]:
    """Run a command on one core; return its seconds and the lines that are the same on engines."""
    started = time.perf_counter()
    printed = run_pinned(command).stdout
    return time.perf_counter() - started, printed.splitlines()[:GOLDEN_LINES]


def alternate(commands: dict[Contestant, list[str]], turns: int) -> dict[Contestant, Times]:
    """Run commands in turns, once to warm up, and compare what they print."""
    seconds: dict[Contestant, list[float]] = {c: [] for c in commands}
    expected: list[str] = []
    for turn in range(turns + 1):
        for contestant, command in commands.items():
            elapsed, lines = run_process(command)
            expected = expected or lines
            if lines != expected:
                raise DigitsDiffer(f"demo: {contestant.name} prints other lines")
            if turn:
                seconds[contestant].append(elapsed)
    return {c: Times.of(times) for c, times in seconds.items()}


def run(report: Report, effort: Effort) -> None:
    """Print the table."""
    measured: dict[Contestant, Measured] = {}
    ours, reference = Contestant(C_ENGINE), Contestant(REFERENCE)
    missing = []
    with scratch() as directory:
        commands: dict[Contestant, list[str]] = {}
        try:
            commands[IN_C] = [str(compile_c([ROOT / "csrc" / "demo.c"], directory, "demo"))]
        except (OSError, subprocess.CalledProcessError) as error:
            missing.append(f"csrc/demo.c was not compiled: {error}")
        for collect in COLLECTOR:
            for contestant in (ours, reference):
                commands[contestant] = command_of(contestant.engine, collect)
            for contestant, times in alternate(commands, effort.rounds).items():
                measured.setdefault(contestant, {})[collect] = [times]
    report.say(
        f"Whole processes, {effort.rounds} runs each after one to warm up; 100 training steps. The"
        f" first {GOLDEN_LINES} lines are the same, byte for byte. C has no collector."
    )
    names = {reference: "pymicrograd demo --engine reference", ours: "pymicrograd demo", IN_C: ""}
    names[IN_C] = "csrc/demo.c"
    contest_table(report, measured, ours, names, 1e-3, "ms a run")
    report.missing(missing)
    report.missing([f"{engines.MICROGRAD} has no demo of this; see the training step"])
