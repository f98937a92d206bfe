"""What ranks run: `mpiexec -n 2 python -m bench.ranks JOB NUMBER ..`; rank 0 prints a line of JSON.

`train SHARDS BATCH TURNS` times training steps of the network below: of a plain loop, of one rank
and of all, which take turns of a few steps, so that a slow second of the machine hits all of them;
`link` times messages between two ranks; `parts` times what a step consists of, on one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import pymicrograd as mg
from pymicrograd import nn, optim
from pymicrograd.distributed import DataParallel, Group, world
from pymicrograd.nn import functional as F
from pymicrograd.random import drawing_from

SIZES = (784, 512, 512, 10)
STEPS = 6  # a turn


def network() -> Any:
    """Return an MLP and its optimizer, the same on every rank."""
    mg.manual_seed(1)
    layers: list[Any] = []
    for size, following in itertools.pairwise(SIZES):
        layers += [nn.Linear(size, following), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    return model, optim.AdamW(model.parameters(), lr=1e-3)


def least(function: Callable[[], Any], count: int) -> float:
    """Return the least seconds of the wall's clock that a call took."""
    found = []
    for _ in range(count):
        started = time.perf_counter()
        function()
        found.append(time.perf_counter() - started)
    return min(found)


class Training:
    """The network in training, by a plain loop or in shards, by some ranks."""

    def __init__(self, shards: int, batch: int, group: Group | None = None) -> None:
        self.model, self.optimizer = network()
        self.x, self.y = mg.randn(batch, SIZES[0]), mg.randint(SIZES[-1], (batch,))
        self.parallel = DataParallel(self.model, shards, group) if shards else None
        self.generator = mg.RNG(1)  # which the others do not draw from

    def loss_of(self, x: Any, y: Any) -> Any:
        """Return the loss of examples."""
        return F.cross_entropy(self.model(x), y)

    def step(self) -> None:
        """Make a step."""
        self.optimizer.zero_grad()
        if self.parallel is None:
            self.loss_of(self.x, self.y).backward()
        else:
            self.parallel.backward(self.loss_of, self.x, self.y)
        self.optimizer.step()

    def turn(self) -> tuple[float, float]:
        """Make some steps; return the least seconds of the clock, and of the processor."""
        found = []
        for _ in range(STEPS):
            clock, used = time.perf_counter(), time.process_time()
            with drawing_from(self.generator):
                self.step()
            found.append((time.perf_counter() - clock, time.process_time() - used))
        wall, processor = zip(*found[1:], strict=True)  # the first one fills the caches
        return min(wall), min(processor)

    def hash(self) -> str:
        """Return a hash of the weights."""
        parts = [p.detach().numpy().tobytes() for p in self.model.parameters()]
        return hashlib.sha256(b"".join(parts)).hexdigest()


def train(shards: int, batch: int, turns: int) -> dict[str, Any]:
    """Return what each turn of each contestant took, and the hashes of one rank and of all.

    All but rank 0 sleep while it works alone.
    """
    group = world()
    all_ranks = Training(shards, batch)
    alone = [Training(0, batch), Training(shards, batch, Group())] if group.rank == 0 else []
    found: dict[str, list[tuple[float, float]]] = {"plain": [], "one": [], "all": []}
    for _ in range(turns):
        for name, training in zip(("plain", "one"), alone, strict=False):
            found[name].append(training.turn())
        wait_for_rank_0(group)
        found["all"].append(all_ranks.turn())
    return {**found, "hashes": [training.hash() for training in (*alone[1:], all_ranks)]}


def wait_for_rank_0(group: Group) -> None:
    """Sleep until rank 0 is here, too; to wait in MPI would keep a core busy."""
    if group.size == 1:
        return
    if group.rank == 0:
        for rank in range(1, group.size):
            group.comm.Send(bytearray(1), rank, 1)
    else:
        while not group.comm.Iprobe(0, 1):
            time.sleep(1e-3)
        group.comm.Recv(bytearray(1), 0, 1)


def link() -> dict[str, float]:
    """Return latency, in seconds, and bandwidth, in bytes a second, of a swap of two ranks."""
    import numpy

    comm, elements = world().comm, sum(p.numel() for p in network()[0].parameters())
    other = 1 - comm.Get_rank()

    def swap(size: int, count: int) -> float:
        sent, received = (numpy.zeros(size, numpy.uint8) for _ in range(2))
        return least(lambda: comm.Sendrecv(sent, other, 0, received, other, 0), count)

    latency, size = swap(8, 2000), 2 * elements
    return {"latency": latency, "bandwidth": size / (swap(size, 200) - latency)}


def parts() -> dict[str, float]:
    """Return the seconds of an update, and of an addition to all gradients, for a parameter."""
    model, optimizer = network()
    elements = sum(p.numel() for p in model.parameters())
    for p in model.parameters():
        p.grad = mg.ones_like(p.detach())
    a, b = mg.randn(elements), mg.randn(elements)
    return {
        "elements": elements,
        "update": least(optimizer.step, 50) / elements,
        "addition": least(lambda: a.add_(b), 200) / elements,
    }


def pin() -> None:
    """Stay on a core of one's own, as far as there are enough, and the system can say so."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0), reverse=True)
        os.sched_setaffinity(0, cores[world().rank % len(cores) :][:1])


if __name__ == "__main__":
    pin()
    job, *numbers = sys.argv[1:]
    answer = {"train": train, "link": link, "parts": parts}[job](*map(int, numbers))
    if world().rank == 0:
        print(json.dumps(answer))
