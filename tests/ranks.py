"""Ranks for tests: processes, where there is mpiexec; or threads, which move bytes as MPI does."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
# What Open MPI wants of root, and of machines with fewer cores than ranks.
OPEN_MPI = ("--allow-run-as-root", "--oversubscribe")


@functools.cache
def launcher() -> str | None:
    """Return where mpiexec is, if mpi4py finds its library, too: some are installed without."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None or importlib.util.find_spec("mpi4py") is None:
        return None
    loads = subprocess.run([sys.executable, "-c", "import mpi4py.MPI"], capture_output=True)
    return found if loads.returncode == 0 else None


@functools.cache
def version() -> str:
    """Return what mpiexec calls itself."""
    command = [str(launcher()), "--version"]
    return subprocess.run(command, text=True, capture_output=True).stdout


@functools.cache
def mpiexec() -> tuple[str, ...]:
    """Return the command that starts ranks."""
    is_open_mpi = "Open MPI" in version() or "OpenRTE" in version()
    return (str(launcher()), *(OPEN_MPI if is_open_mpi else ()))


needs_mpi = pytest.mark.skipif(launcher() is None, reason="no mpiexec, or mpi4py does not load")


def run_ranks(count: int, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program on a number of ranks, one thread each."""
    return subprocess.run(
        [*mpiexec(), "-n", str(count), sys.executable, *command],
        text=True,
        capture_output=True,
        timeout=120.0,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests"))),
            "MG_NUM_THREADS": "1",
            **environment,
        },
    )


class Simulated:
    """One of several communicators whose ranks are threads; it moves bytes as MPI does."""

    def __init__(self, rank: int, shared: Shared) -> None:
        self.rank, self.shared = rank, shared

    def Get_rank(self) -> int:
        return self.rank

    def Get_size(self) -> int:
        return len(self.shared.places)

    def _all(self, thing: Any) -> list[Any]:
        """Return what every rank has laid down."""
        self.shared.places[self.rank] = thing
        self.shared.barrier.wait()
        found = list(self.shared.places)
        self.shared.barrier.wait()
        return found

    def Sendrecv(self, sent: Any, to: int, _: int, received: Any, source: int, __: int) -> None:
        found = self._all(sent.copy())
        assert to == source and found[to].shape == received.shape
        received[...] = found[source]

    def Allgather(self, sent: Any, received: Any) -> None:
        received[...] = self._all(sent.copy())

    def Allgatherv(self, sent: Any, received: Any) -> None:
        whole, lengths = received
        found = self._all(sent.copy())
        assert [len(x) for x in found] == list(lengths)
        whole[...] = np.concatenate(found)

    def Alltoallv(self, sent: Any, received: Any) -> None:
        found = self._all((sent[0].copy(), sent[1]))
        parts = []
        for array, lengths in found:
            begin = sum(lengths[: self.rank])
            parts.append(array[begin : begin + lengths[self.rank]])
        assert [len(part) for part in parts] == list(received[1])
        received[0][...] = np.concatenate(parts)


class Shared:
    """What simulated ranks have in common."""

    def __init__(self, ranks: int) -> None:
        self.places: list[Any] = [None] * ranks
        self.barrier = threading.Barrier(ranks, timeout=30.0)


def on_ranks(ranks: int, do: Callable[[Simulated], T]) -> Sequence[T]:
    """Call a function on simulated ranks; return what each has returned.

    Raises:
        BaseException: what the first rank that failed by itself has raised.
    """
    shared = Shared(ranks)
    found: list[Any] = [None] * ranks
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            found[rank] = do(Simulated(rank, shared))
        except threading.BrokenBarrierError:
            pass
        except BaseException as error:
            errors.append(error)
            shared.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found
