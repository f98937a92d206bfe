"""How long an import takes, in a process that has imported nothing else.

Each line runs in fresh processes, in turns; the time is that of the line, by the processor's clock
and by the one on the wall, and that of the whole process, on the wall.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from .report import Report, pair
from .runner import Effort, Times, run_pinned

LINES = (
    "pass",
    "import pymicrograd",
    "from pymicrograd import Value",
    "from pymicrograd import MLP, RNG, AdamW, Value, cross_entropy, gen_data",
    "from pymicrograd.reference import Value",
    "from micrograd.engine import Value",
)
PROGRAM = """
import sys, time
started, processor = time.perf_counter(), time.process_time()
{line}
seconds = time.process_time() - processor, time.perf_counter() - started
import json
print(json.dumps([*seconds, "numpy" in sys.modules]))
"""


def run_line(line: str) -> tuple[float, float, float, bool] | None:
    """Run a line in a new process.

    Returns:
        Seconds of the line by both clocks, of the process, and whether NumPy was loaded; None if
        the line failed.
    """
    started = time.perf_counter()
    try:
        printed = run_pinned([sys.executable, "-c", PROGRAM.format(line=line)]).stdout
    except subprocess.CalledProcessError:
        return None
    whole = time.perf_counter() - started
    processor, wall, numpy = json.loads(printed)
    return processor, wall, whole, numpy


def run(report: Report, effort: Effort) -> None:
    """Print the table."""
    present = [line for line in LINES if run_line(line)]
    lines: dict[str, list[tuple[float, float, float, bool]]] = {line: [] for line in present}
    for turn in range(effort.warmup + effort.steps):
        for line, results in lines.items():
            result = run_line(line)
            assert result
            if turn >= effort.warmup:
                results.append(result)
    rows = []
    for line, results in lines.items():
        *seconds, numpy = zip(*results, strict=True)
        times = [pair(Times.of(x), 1e-3) for x in seconds]
        rows.append([f"`{line}`", *times, "loaded" if any(numpy) else "not loaded"])
    header = ["ms, minimum / median", "processor", "wall", "whole process, wall", "NumPy"]
    report.table(header, rows)
    report.missing(f"`{line}` fails" for line in LINES if line not in present)
