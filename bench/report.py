"""What is printed: tables in Markdown, and the machine they were measured on."""

from __future__ import annotations

import importlib
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import engines
from .runner import COLLECTOR, ROOT, Contestant, Effort, Measured, Times


class Report:
    """Prints as it goes along and keeps the text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str = "") -> None:
        """Print a paragraph."""
        for line in [*text.splitlines(), ""]:
            self.lines.append(line)
            print(line, flush=True)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table, the first column aligned left and the others right."""
        cells = [list(header), *(list(row) for row in rows)]
        widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(header))]

        def line(row: Sequence[str]) -> str:
            first, *others = (
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            return " | ".join([f"| {first}", *others]) + " |"

        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        self.say("\n".join([line(cells[0]), line(rule), *map(line, cells[1:])]))

    def missing(self, reasons: Iterable[str]) -> None:
        """Name the contestants that did not take part."""
        for reason in sorted(set(reasons)):
            self.say(f"Not taking part: {reason}.")

    def write(self, path: str) -> None:
        """Write everything that was said to a file."""
        Path(path).write_text("\n".join(self.lines), encoding="utf-8")


def figure(x: float) -> str:
    """Return a number with three digits that count, without an exponent."""
    if x >= 100.0:
        return f"{x:.0f}"
    return f"{x:.2g}" if x < 0.1 else f"{x:.3g}"


def pair(times: Times, unit: float = 1.0) -> str:
    """Return minimum and median."""
    return f"{figure(times.minimum / unit)} / {figure(times.median / unit)}"


def geometric_mean(factors: Iterable[float]) -> float:
    """Return the mean of ratios: doubling one weighs as much as halving another."""
    logarithms = [math.log(x) for x in factors]
    return math.exp(sum(logarithms) / len(logarithms))


def ratio(slow: Times, quick: Times) -> str:
    """Return how many times longer something takes, by minimum and by median."""
    return f"{figure(slow.minimum / quick.minimum)} / {figure(slow.median / quick.median)}"


def contest_table(
    report: Report,
    measured: dict[Contestant, Measured],
    against: Contestant,
    names: dict[Contestant, str],
    unit: float,
    unit_name: str,
    phase: int = 0,
) -> None:
    """Print the times of contestants in one case, and their ratio to one of them.

    Args:
        measured: what Contest.measure returned.
        against: the contestant whose time the ratios divide by.
        names: the rows.
        unit, unit_name: the unit in seconds, and what is counted in it.
        phase: the number of the phase.
    """
    header = [f"{unit_name}, minimum / median"]
    for collector in COLLECTOR.values():
        header += [collector, "times as long"]
    rows = []
    for contestant, name in names.items():
        if contestant not in measured:
            continue
        row = [name]
        for collect in COLLECTOR:
            times = measured[contestant][collect][phase]
            row += [pair(times, unit), ratio(times, measured[against][collect][phase])]
        rows.append(row)
    report.table(header, rows)


def machine(effort: Effort) -> str:
    """Describe the machine, the versions, and how things are timed."""
    isa = importlib.import_module("pymicrograd").isa()
    lines = [
        f"- CPU: {cpu()}, {os.cpu_count()} cores, each contestant on one of them unless said",
        f"- system: {platform.platform()}",
        f"- Python: {platform.python_implementation()} {platform.python_version()},"
        f" {platform.python_compiler()}",
        *(f"- {line}" for line in build()),
        f"- kernels of arrays: {isa}",
        f"- commit: {commit()}",
        f"- contestants: {', '.join(engines.version_of(e) for e in contestants())}",
        f"- {load()}",
        f"- {effort.warmup} steps to warm up, {effort.steps} or more timed in {effort.rounds}"
        " turns; each contestant is a process; processor time, with several threads the wall's;"
        " less than 3 % is noise",
    ]
    return "\n".join(lines)


def contestants() -> tuple[str, ...]:
    """Return the engines, each package once."""
    return engines.C_ENGINE, engines.MICROGRAD, engines.NUMPY, engines.TORCH, engines.JAX


def cpu() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def build() -> list[str]:
    """Return compiler and flags of the C engine, and whether it was built from other sources."""
    from pymicrograd import _cffi_build, build_info

    lines = [line for line in build_info().splitlines() if not line.startswith("version")]
    if f"source: {_cffi_build.hash_source()}" not in lines:
        lines[-1] += ", which is not what the files say: build the C engine anew"
    return lines


def commit() -> str:
    """Return the commit, and whether files differ from it."""
    try:
        git = ["git", "-C", str(ROOT)]
        name = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name} and changes that are not committed" if changes else name


def load() -> str:
    """Say what else the machine is doing."""
    if not hasattr(os, "getloadavg"):
        return "load: unknown"
    return "load of the last 1, 5, 15 minutes: " + ", ".join(f"{x:.1f}" for x in os.getloadavg())
