"""The ranks that train together: who they are, and that all do the same.

Every exchange begins with a meeting: each rank says in a few numbers what it is about to do. Where
one does something else, has failed, or has ended its program, all that are left raise the same
DistributedError, and nobody waits for ever. A rank that dies by an exception ends the others by
MPI_Abort; one that is killed is noticed by mpiexec, which ends them.

mpi4py is imported by the first use in a program that mpiexec has started, and never otherwise.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from .. import _core
from ..errors import DistributedError
from ..scalars import MASK

__all__ = [
    "Group", "barrier", "get_rank", "get_world_size", "is_available", "is_started_by_mpiexec",
    "world",
]  # fmt: skip

# What launchers tell the processes that they start: MPICH and its kin, Open MPI, PMIx.
LAUNCHERS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "MV2_COMM_WORLD_RANK")
WORD = 10  # numbers that a rank says in a meeting
END, AGREE, COUNT, STEP, WAIT = range(5)
DOING = {
    END: "has ended its program",
    AGREE: "compares what is trained",
    COUNT: "counts the examples of a batch",
    STEP: "makes a step",
    WAIT: "waits for the others",
}


def is_available() -> bool:
    """Tell whether mpi4py is installed."""
    return importlib.util.find_spec("mpi4py") is not None


def is_started_by_mpiexec() -> bool:
    """Tell whether this process is a rank: mpiexec has started it, or it has imported MPI."""
    return "mpi4py.MPI" in sys.modules or any(name in os.environ for name in LAUNCHERS)


class Group:
    """The ranks of a communicator, or this process alone.

    Args:
        comm: an mpi4py communicator, of which all ranks make the group at the same time; None:
            one process, for which there is no MPI.

    Attributes:
        rank: the number of this process, from 0; size: how many there are.
    """

    def __init__(self, comm: Any = None) -> None:
        self.comm = comm
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self.is_over = False
        self._models, self._process = 0, os.getpid()
        if self.size > 1:
            self.comm = comm.Dup()  # whose messages are nobody else's
            share_cores(comm)
            watch(self)

    def __deepcopy__(self, memo: Any) -> Group:
        return self  # of which copies of models have one

    def number_model(self) -> int:
        """Return the number of one more model, in the order in which they are made."""
        self._models += 1
        return self._models

    # ---- meetings

    def meet(self, what: int, *facts: int) -> list[list[int]]:
        """Tell all ranks what this one is about to do, and wait for them to do the same.

        Args:
            what: END, AGREE ..; facts: numbers of 64 bits.

        Returns:
            The facts of every rank.

        Raises:
            DistributedError: a rank does something else.
        """
        if self.size == 1:
            return [list(facts)]
        if self.is_over:
            raise DistributedError("the ranks have parted after an error: none goes on")
        words = self._gather(what, *facts)
        odd = next((rank for rank, word in enumerate(words) if word[0] != words[0][0]), None)
        if odd is not None:
            self.is_over = True
            ended = [rank for rank, word in enumerate(words) if word[0] == END]
            rank = ended[0] if ended else odd
            other = next(i for i, word in enumerate(words) if word[0] != words[rank][0])
            raise DistributedError(
                f"rank {rank} {DOING[words[rank][0]]}, while rank {other} "
                f"{DOING[words[other][0]]}: all ranks have to do the same"
            )
        return [word[1 : 1 + len(facts)] for word in words]

    def _gather(self, *numbers: int) -> list[list[int]]:
        """Return the numbers of every rank."""
        import numpy

        own = numpy.zeros(WORD, numpy.uint64)
        own[: len(numbers)] = [number & MASK for number in numbers]
        words = numpy.empty((self.size, WORD), numpy.uint64)
        self.comm.Allgather(own, words)
        return [[int(number) for number in word] for word in words]

    def refuse(self, message: str) -> NoReturn:
        """Raise an error that every rank raises at this place."""
        raise DistributedError(message)

    def agree(self, facts: Mapping[str, str]) -> None:
        """Compare facts in words between all ranks.

        Raises:
            DistributedError: a rank has another one; the message names the first that differs.
        """
        if self.size == 1:
            return
        import numpy

        text = numpy.frombuffer(json.dumps(dict(facts)).encode(), numpy.uint8)
        lengths = [length for (length,) in self.meet(AGREE, len(text))]
        whole = numpy.empty(sum(lengths), numpy.uint8)
        self.comm.Allgatherv(text, [whole, lengths])
        ends = numpy.cumsum(lengths)
        parts = [whole[end - n : end] for end, n in zip(ends, lengths, strict=True)]
        told = [json.loads(part.tobytes()) for part in parts]
        for rank, other in enumerate(told):
            if other != told[0]:
                self.refuse(difference(rank, other, told[0]))

    def broadcast(self, array: Any, root: int = 0) -> None:
        """Overwrite an ndarray with that of a rank."""
        if self.size > 1:
            self.comm.Bcast(array, root)

    def end(self) -> None:
        """Tell the others, at the end of the program, that this rank goes no further."""
        if self.size > 1 and not self.is_over and os.getpid() == self._process:  # no fork of it
            self.is_over = True
            self._gather(END)


def difference(rank: int, told: Mapping[str, str], first: Mapping[str, str]) -> str:
    """Say what a rank has that rank 0 has not."""
    name = next(key for key in {**first, **told} if told.get(key) != first.get(key))
    lines = [str(facts.get(name)).splitlines() for facts in (told, first)]
    for lines_of in lines:
        lines_of += ["nothing"] * (max(map(len, lines)) - len(lines_of))
    one, other = next((a.strip(), b.strip()) for a, b in zip(*lines, strict=True) if a != b)
    return f"the ranks differ in {name}: rank {rank} has {one}, rank 0 has {other}"


# ---- all ranks ---------------------------------------------------------------------------------

group: Group | None = None


def world() -> Group:
    """Return all ranks that mpiexec has started, or this process alone.

    Raises:
        ImportError: mpiexec has started several, and mpi4py is not installed.
    """
    global group
    if group is None:
        group = Group(communicator() if is_started_by_mpiexec() else None)
    return group


def communicator() -> Any:
    """Return mpi4py's communicator of all ranks."""
    try:
        mpi: Any = importlib.import_module("mpi4py.MPI")
    except ImportError as error:
        raise ImportError(
            f"several ranks need mpi4py and an MPI: pip install 'pymicrograd[mpi]' ({error})"
        ) from error
    return mpi.COMM_WORLD


def get_rank() -> int:
    """Return the number of this process, from 0."""
    return world().rank


def get_world_size() -> int:
    """Return how many processes train together, 1 without mpiexec."""
    return world().size


def barrier() -> None:
    """Wait until all ranks are here.

    Raises:
        DistributedError: a rank does something else.
    """
    world().meet(WAIT)


def share_cores(comm: Any) -> None:
    """Divide the cores of a machine among its ranks, unless MG_NUM_THREADS says how many."""
    mpi = sys.modules["mpi4py.MPI"]
    here = comm.Split_type(mpi.COMM_TYPE_SHARED)
    if "MG_NUM_THREADS" not in os.environ:
        _core.set_num_threads(max(1, _core.get_num_threads() // here.Get_size()))
    here.Free()


# ---- the end -----------------------------------------------------------------------------------


def watch(group: Group) -> None:
    """Let the others know how this rank ends: by itself, or by an exception that nobody caught."""
    atexit.register(group.end)
    before = sys.excepthook

    def abort(kind: Any, error: Any, trace: Any) -> None:
        before(kind, error, trace)
        if isinstance(error, DistributedError):
            return  # which all have raised, and all may say
        if sys.stdout is not None:
            sys.stdout.flush()
        print(
            f"rank {group.rank} of {group.size} has failed, by {kind.__name__}; all are ended",
            file=sys.stderr,
            flush=True,
        )
        group.comm.Abort(1)

    sys.excepthook = abort
