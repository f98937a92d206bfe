"""Training steps of an MLP 784-512-512-10 on batches of 512, by one rank and by two.

Ranks have one thread each; those of two are on two cores, which nobody else should use meanwhile.
Contestants take turns. One rank and two have the same weights at the end, or nothing is printed.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .report import Report, figure, load
from .runner import ROOT, DigitsDiffer, Effort

BATCH, TURNS = 512, 25
SHARDS = (8, 2)
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
    report.say(
        f"MLP 784-512-512-10, batch {BATCH}, AdamW; one thread a rank. Samples a second: by the"
        " best step, and by the median of each turn's best; processor: ms a step of rank 0, which"
        f" waits busily for the other. {load()}."
    )
    rows: list[list[str]] = []
    for shards in SHARDS:
        found = run_ranks(2, "train", shards, BATCH, effort.rounds * TURNS // 10)
        if len(set(found["hashes"])) > 1:
            raise DigitsDiffer(f"{shards} shards: two ranks make other weights than one")
        names = {"one": f"{shards} shards, one rank", "all": f"{shards} shards, two ranks"}
        for key, name in {**({} if rows else {"plain": "plain loop"}), **names}.items():
            wall, used = zip(*found[key], strict=True)
            rate = f"{BATCH / min(wall):.0f} / {BATCH / statistics.median(wall):.0f}"
            of_one = times(found["one"], found[key]) if key == "all" else ""
            of_plain = times(found["plain"], found[key])
            rows.append([name, rate, of_one, of_plain, figure(1e3 * min(used))])
    report.table(["", "samples a second", "of one rank", "of the plain loop", "processor"], rows)


def times(slow: Sequence[Any], quick: Sequence[Any]) -> str:
    """Return how many times as many samples, by the best turn and by the median."""
    before, after = ([wall for wall, _ in turns] for turns in (slow, quick))
    best, middle = min(before) / min(after), statistics.median(before) / statistics.median(after)
    return f"{best:.2f} / {middle:.2f}"
