"""How anything here is timed.

Every contestant is a process of its own, pinned to one core, or to as many as it has threads. They
take turns in rounds: each does a block of steps while the others sleep, so that a slow minute of
the machine hits all of them. Blocks of quick steps are long enough that caches are warm. What is
measured is processor time, except for whole processes (imports.py, demo.py) and for several
threads. Digits are compared first; then steps are timed twice, with Python's collector as it is by
default and with the collector off.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .engines import EXACT, TOLERANCE, environment
from .worker import pin

ROOT = Path(__file__).resolve().parent.parent
COLLECTOR = {True: "default gc", False: "gc off"}
SETTLE = 0.1  # seconds until idle threads of a library look out for work no more


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        warmup: steps before the first that counts.
        steps: steps that are timed, at least.
        rounds: turns of each contestant.
        block: seconds of a turn, at least.
        largest: nodes of the largest graph.
    """

    warmup: int = 5
    steps: int = 30
    rounds: int = 10
    block: float = 0.02
    largest: int = 10_000_000


FULL = Effort()
QUICK = Effort(warmup=2, steps=6, rounds=3, block=0.005, largest=1_000_000)


@dataclass(frozen=True)
class Contestant:
    """An engine, the form of the program where there are several, and its threads.

    Attributes:
        exact: its digits are compared to the last bit, not with a tolerance.
    """

    engine: str
    form: str = ""
    threads: int = 1

    @property
    def name(self) -> str:
        count = f"{self.threads} threads" if self.threads > 1 else ""
        return ", ".join(filter(None, (self.engine, self.form, count)))

    @property
    def exact(self) -> bool:
        return self.engine in EXACT


@dataclass(frozen=True)
class Times:
    """Minimum and median of a phase, in seconds."""

    minimum: float
    median: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        return cls(min(seconds), statistics.median(seconds))

    def scaled(self, factor: float) -> Times:
        """Return the times in another unit."""
        return Times(self.minimum * factor, self.median * factor)


# The times of each phase of a contestant, by whether the collector is on.
Measured = dict[bool, list[Times]]


class DigitsDiffer(Exception):
    """Two contestants computed different numbers, so that to time them means nothing."""


class Process:
    """A contestant's process."""

    def __init__(self, subject: str, contestant: Contestant) -> None:
        command = [sys.executable, "-m", "bench.worker", subject]
        self.process = subprocess.Popen(
            [*command, contestant.engine, contestant.form],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment(contestant.threads),
            text=True,
        )
        self.name = contestant.name

    def ask(self, do: str, **request: Any) -> Any:
        """Send a request and wait for the answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} died, exit status {self.process.wait()}")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


class Contest:
    """Contestants of one subject.

    Attributes:
        missing: the reason why, by contestant that cannot take part.
    """

    def __init__(self, subject: str, contestants: Iterable[Contestant], effort: Effort) -> None:
        self.effort = effort
        self.missing: dict[Contestant, str] = {}
        self.processes = {c: Process(subject, c) for c in contestants}

    def measure(
        self,
        case: str,
        only: Iterable[Contestant] | None = None,
        tolerance: float = TOLERANCE,
        effort: Effort | None = None,
        collectors: Iterable[bool] = tuple(COLLECTOR),
    ) -> dict[Contestant, Measured]:
        """Compare the digits of contestants in a case, then time them.

        Args:
            case: what the subject's `make` knows.
            only: those that take part; None is all of them.
            tolerance: relative, for those whose digits cannot be equal.
            effort: how much to measure, where it is not the contest's.
            collectors: whether the collector is on; both ways by default.

        Raises:
            DigitsDiffer: digits are not equal, or not close for those that cannot be.
        """
        present = []
        for contestant in self.processes if only is None else only:
            reason = self.processes[contestant].ask("open", case=case)
            if reason is None:
                present.append(contestant)
            else:
                self.missing[contestant] = reason
        digits = {c: self.processes[c].ask("digits") for c in present}
        compare(case, {c: x for c, x in digits.items() if x is not None}, tolerance)
        measured: dict[Contestant, Measured] = {c: {} for c in present}
        for collect in collectors:
            turns = self._alternate(present, collect, effort or self.effort)
            for contestant, times in turns.items():
                measured[contestant][collect] = times
        return measured

    def facts(self, contestant: Contestant) -> dict[str, float]:
        """Return what a contestant has to tell of the case last measured."""
        facts: dict[str, float] = self.processes[contestant].ask("facts")
        return facts

    def _alternate(
        self, contestants: Sequence[Contestant], collect: bool, effort: Effort
    ) -> dict[Contestant, list[Times]]:
        """Let contestants take turns; return the times of the phases of each."""
        counts: dict[Contestant, int] = {}
        for c in contestants:
            seconds, _ = self.processes[c].ask("steps", count=effort.warmup, collect=collect)
            quick = math.ceil(effort.block * effort.warmup / seconds)
            counts[c] = max(math.ceil(effort.steps / effort.rounds), quick)
        steps: dict[Contestant, list[list[float]]] = {c: [] for c in contestants}
        for _ in range(effort.rounds):
            for c in contestants:
                _, more = self.processes[c].ask("steps", count=counts[c], collect=collect)
                steps[c] += more
                if c.threads > 1:
                    time.sleep(SETTLE)
        return {c: [Times.of(p) for p in zip(*steps[c], strict=True)] for c in contestants}

    def close(self) -> None:
        """End the contestants' processes."""
        for process in self.processes.values():
            process.close()


@contextmanager
def contest(subject: str, contestants: Iterable[Contestant], effort: Effort) -> Iterator[Contest]:
    """Open a contest, and close it at the end."""
    opened = Contest(subject, contestants, effort)
    try:
        yield opened
    finally:
        opened.close()


def compare(case: str, digits: dict[Contestant, list[float]], tolerance: float) -> None:
    """Raise unless all contestants computed the same numbers."""
    if not digits:
        return
    first, expected = next(((c, x) for c, x in digits.items() if c.exact), (None, []))
    if first is None:
        first, expected = next(iter(digits.items()))
    for contestant, numbers in digits.items():
        if len(numbers) != len(expected):
            raise DigitsDiffer(f"{case}: {contestant.name} has {len(numbers)} numbers to compare")
        for i, (x, y) in enumerate(zip(numbers, expected, strict=True)):
            same = x == y or (x != x and y != y)
            if not same and (contestant.exact or not is_close(x, y, tolerance)):
                raise DigitsDiffer(
                    f"{case}: number {i} is {x!r} of {contestant.name}, {y!r} of {first.name}"
                )


def is_close(x: float, y: float, tolerance: float) -> bool:
    """Tell whether two numbers differ by rounding only."""
    return math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance / 1000.0)


def run_pinned(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program on the core that the contestants use, and return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    return subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=pin if os.name == "posix" else None,
    )


def compile_c(sources: Sequence[Path], directory: str, name: str) -> Path:
    """Compile a C program with the core, with the package's flags, and return where it is.

    Raises:
        OSError, subprocess.CalledProcessError: there is no compiler, or it fails.
    """
    from pymicrograd import _cffi_build as build

    program = Path(directory) / name
    command = [compiler(), *build.FLAGS, f"-I{build.CSRC}"]
    command += ['-DMG_VERSION="bench"', '-DMG_FLAGS=""', '-DMG_SOURCE=""']
    command += [str(path) for path in (*build.units(), *sources)]
    subprocess.run([*command, "-o", str(program), "-lm"], check=True)
    return program


def compiler() -> str:
    """Return the name of the C compiler."""
    return os.environ.get("CC", "cc")


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Make a directory for compiled programs, removed when its block ends."""
    return tempfile.TemporaryDirectory(prefix="bench-")
