"""Training steps of an MLP 784-512-512-10 on batches of 512, by one rank and by two.

Ranks have one thread each; those of two are on two cores, which nobody else should use meanwhile.
Contestants take turns, each a run of its own. One rank and two print the same hash, or nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from .report import Report, figure, load
from .runner import ROOT, DigitsDiffer, Effort

BATCH = 512
# Name, ranks, shards.
CONTESTANTS = (
    ("plain loop, one process", 1, 0),
    ("8 shards, one rank", 1, 8),
    ("8 shards, two ranks", 2, 8),
    ("2 shards, one rank", 1, 2),
    ("2 shards, two ranks", 2, 2),
)
# What Open MPI wants of root, and of machines with fewer cores than ranks.
OPEN_MPI = ("--allow-run-as-root", "--oversubscribe")


def mpiexec() -> list[str]:
    """Return the command that starts ranks: that beside this Python, or the system's.

    Raises:
        FileNotFoundError: there is none.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise FileNotFoundError("no mpiexec: pip install 'pymicrograd[mpi]'")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    return [found, *OPEN_MPI] if "Open MPI" in version or "OpenRTE" in version else [found]


def run_ranks(ranks: int, *job: Any, **environment: str) -> Any:
    """Run a job of bench.ranks on a number of ranks; return what it found."""
    command = [*mpiexec(), "-n", str(ranks), sys.executable, "-m", "bench.ranks", *map(str, job)]
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MG_NUM_THREADS": "1", **environment},
    )
    return json.loads(done.stdout)


def run(report: Report, effort: Effort) -> None:
    """Print a table."""
    try:
        mpiexec()
    except FileNotFoundError as missing:
        report.missing([str(missing)])
        return
    found: dict[str, list[Any]] = {name: [] for name, *_ in CONTESTANTS}
    for _ in range(effort.rounds):
        for name, ranks, shards in CONTESTANTS:
            found[name].append(run_ranks(ranks, "train", shards, BATCH, effort.steps))
    hashes: dict[int, set[str]] = {}
    for name, _, shards in CONTESTANTS:
        hashes.setdefault(shards, set()).update(turn["hash"] for turn in found[name])
    if any(len(of_shards) > 1 for of_shards in hashes.values()):
        raise DigitsDiffer("ranks make other weights than one rank")
    report.say(
        f"MLP 784-512-512-10, batch {BATCH}, AdamW; one thread a rank. Samples a second: by the"
        " best step, and by the median of each turn's best; processor: ms a step of rank 0, which"
        f" waits busily for the other. {load()}."
    )
    rows = []
    for name, ranks, shards in CONTESTANTS:
        turns = found[name]
        best = [min(turn["wall"]) for turn in turns]
        used = min(min(turn["processor"]) for turn in turns)
        alone = [min(t["wall"]) for t in found[f"{shards} shards, one rank"]] if shards else best
        plain = [min(turn["wall"]) for turn in found[CONTESTANTS[0][0]]]
        rows.append(
            [
                name,
                f"{BATCH / min(best):.0f} / {BATCH / statistics.median(best):.0f}",
                times(alone, best) if ranks > 1 else "",
                times(plain, best),
                figure(1e3 * used),
            ]
        )
    report.table(["", "samples a second", "of one rank", "of the plain loop", "processor"], rows)


def times(slow: list[float], quick: list[float]) -> str:
    """Return how many times as many samples, by the best and by the median."""
    best = min(slow) / min(quick)
    return f"{best:.2f} / {statistics.median(slow) / statistics.median(quick):.2f}"
