"""The one command: `python -m bench`, from the root of the repository.

It prints tables in Markdown; `--quick` does so within a few minutes, `--only` for some subjects,
and `--markdown FILE` writes them to a file, too.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from . import engines, report
from .runner import FULL, QUICK, DigitsDiffer

SUBJECTS = {
    "imports": "import time",
    "ops": "op by op",
    "train": "a training step",
    "microgpt": "a step of a small GPT",
    "programs_of_values": "steps that run without their graph",
    "predecessors": "programs with only their imports changed",
    "graph": "time and bytes a node, by size",
    "demo": "the demo end to end",
    "kernels": "kernels of arrays",
    "overhead": "what an op of small tensors costs",
    "networks": "training steps of networks of tensors",
    "layers": "layers and losses of tensors, forward and backward",
    "programs": "training steps of tensors, eager and as programs",
    "blocks": "chains of ops of elements, eager and as programs",
    "distributed": "a training step on one rank and on two",
}


def subjects(text: str) -> list[str]:
    """Convert a list of subjects separated by commas."""
    names = text.split(",")
    for name in names:
        if name not in SUBJECTS:
            known = ", ".join(SUBJECTS)
            raise argparse.ArgumentTypeError(f"{name!r} is not a subject; these are: {known}")
    return names


def main() -> int:
    """Run the benchmarks; exit status 1: digits differ, or the C engine does not load."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Time the C engine against the reference, micrograd, NumPy, torch, JAX and"
        " tinygrad.",
        epilog="Subjects: " + "; ".join(f"{name}: {what}" for name, what in SUBJECTS.items()),
    )
    parser.add_argument("--only", type=subjects, default=list(SUBJECTS), metavar="SUBJECT,...")
    parser.add_argument("--quick", action="store_true", help="fewer steps and smaller graphs")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables to a file, too")
    arguments = parser.parse_args()
    try:
        engines.load(engines.C_ENGINE)
    except engines.Missing as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 1
    effort = QUICK if arguments.quick else FULL
    output = report.Report()
    output.say(report.machine(effort))
    started = time.monotonic()
    try:
        for name in arguments.only:
            output.say(f"## {SUBJECTS[name][0].upper()}{SUBJECTS[name][1:]}")
            importlib.import_module(f"bench.{name}").run(output, effort)
    except DigitsDiffer as error:
        print(f"bench: digits differ: {error}", file=sys.stderr)
        return 1
    output.say(f"All of it took {time.monotonic() - started:.0f} s; {report.load()}.")
    if arguments.markdown:
        output.write(arguments.markdown)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
