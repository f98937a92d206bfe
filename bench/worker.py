"""The process of one contestant: makes its job of a case and runs steps of it when asked.

`python -m bench.worker SUBJECT ENGINE FORM` reads requests as lines of JSON and answers each with
one line. It runs on as many cores as it has threads, one unless told, and nothing else happens in
it, so that no contestant pays for another's garbage.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .engines import THREADS, Missing

# Time of the processor, not of the wall: the machine's other work is not counted. Threads share
# their work, so that only the wall's clock tells what they gain.
clock = time.process_time if THREADS == 1 else time.perf_counter


@dataclass(frozen=True)
class Job:
    """What a contestant does in a case.

    Attributes:
        step: does one step and returns the seconds of each of its phases.
        digits: does a few steps and returns numbers to compare with the other contestants'; None
            where there is nothing to compare.
        facts: returns what else is worth telling, such as bytes.
    """

    step: Callable[[], Sequence[float]]
    digits: Callable[[], list[float]] | None
    facts: Callable[[], dict[str, float]] = dict


def timed(function: Callable[[], Any]) -> Callable[[], Sequence[float]]:
    """Return a step of one phase, the call of a function."""

    def step() -> tuple[float]:
        started = clock()
        function()
        return (clock() - started,)

    return step


def pin(count: int = 1) -> None:
    """Stay on the last cores that this process may use, where the system can say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def run_steps(job: Job, count: int, collect: bool) -> tuple[float, list[Sequence[float]]]:
    """Do steps with Python's collector on, as it is by default, or off.

    Returns:
        The seconds that all took, and those of the phases of each.
    """
    if not collect:
        gc.disable()
    started = clock()
    try:
        steps = [job.step() for _ in range(count)]
        return clock() - started, steps
    finally:
        if not collect:
            gc.enable()
            gc.collect()


def main() -> None:
    """Answer requests until there are no more."""
    subject, engine, form = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints does not disturb the answers
    pin(THREADS)
    module: Any = importlib.import_module(f"bench.{subject}")
    job: Job | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: Any = None
        if request["do"] == "open":
            job = None
            gc.collect()
            try:
                job = module.make(engine, form, request["case"])
            except Missing as missing:
                answer = str(missing)
        elif request["do"] == "steps" and job:
            answer = run_steps(job, request["count"], request["collect"])
        elif request["do"] == "digits" and job:
            answer = job.digits and job.digits()
        elif request["do"] == "facts" and job:
            answer = job.facts()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
