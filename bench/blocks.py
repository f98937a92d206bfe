"""Chains of ops of elements, in float32: eagerly, and as a program, which makes them in blocks.

A case is a line of Python that both libraries run as it stands, without gradients. A program has
its arrays already, so that what it takes is the work; eager makes a new array for each op. Results
are compared first, ours to the last bit.
"""

from __future__ import annotations

import json

from . import engines
from .engines import C_ENGINE, NUMPY, TORCH
from .report import Report, pair, ratio
from .runner import Contestant, Effort, contest
from .worker import Job, clock

LINES = {
    "x * 1.7 + 0.1, three times": "((x * 1.7 + 0.1) * 1.3 + 0.2) * 1.1 + 0.3",
    "clamp": "(x * 1.7 + 0.1).clamp(-1.0, 1.0) * 0.5",
    "where": "lib.where(x > 0, x * 1.7, x * 0.1) + 1.0",
    "to double and back": "(x.double() * 1.7 + 0.1).float() * x",
    "tanh": "(x * 1.7 + 0.1).tanh() * 1.3",
}
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SAMPLE = 256  # elements that are compared
TOLERANCE = 1e-5  # torch rounds functions its way
ELEMENTS = 2_000_000  # of a step, at least: smaller arrays are gone through more often
EAGER, PROGRAM = "eager", "a program"
OURS, TWO = Contestant(C_ENGINE, PROGRAM), Contestant(C_ENGINE, PROGRAM, 2)
OTHERS = {
    TWO: "a program, 2 threads",
    Contestant(C_ENGINE, EAGER): "eager",
    Contestant(TORCH, EAGER): "torch, eager",
}


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case is the name of a line and a size."""
    name, size = json.loads(case)
    numpy, lib = engines.load(NUMPY), engines.load(engine)
    x = lib.tensor(numpy.random.default_rng(42).standard_normal(size).astype("float32"))
    line = eval(f"lambda x: {LINES[name]}", {"lib": lib})
    count = max(1, ELEMENTS // size)
    if form == PROGRAM:
        line = lib.compile(line)

    def step() -> tuple[float]:
        started = clock()
        for _ in range(count):
            line(x)
        return ((clock() - started) / count / size,)

    def digits() -> list[float]:
        flat = numpy.asarray([line(x) for _ in range(3)][-1])
        return [float(y) for y in flat[:: max(1, size // SAMPLE)]]

    return Job(step, digits)


def run(report: Report, effort: Effort) -> None:
    """Print a row for each line and size."""
    report.say(
        "ns an element of a program, one thread, and how many times as long others take; of one"
        " thread time is the processor's, of two the wall's."
    )
    rows = []
    with contest("blocks", [OURS, *OTHERS], effort) as opened:
        for name in LINES:
            for size in SIZES:
                case = json.dumps([name, size])
                measured = opened.measure(case, None, TOLERANCE, collectors=(True,))
                own = measured[OURS][True][0]
                others = [measured[c][True][0] if c in measured else None for c in OTHERS]
                ratios = [ratio(x, own) if x else "" for x in others]
                rows.append([name, f"{size:,}", pair(own, 1e-9), *ratios])
        report.missing(opened.missing.values())
    report.table(["line", "elements", "a program, minimum / median", *OTHERS.values()], rows)
