"""What ranks run: `mpiexec -n 2 python -m bench.ranks JOB NUMBER ..`; rank 0 prints a line of JSON.

`train SHARDS BATCH STEPS` times training steps of the network below, 0 shards for a plain loop;
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
from pymicrograd.distributed import DataParallel, world
from pymicrograd.nn import functional as F

SIZES = (784, 512, 512, 10)
WARMUP = 3


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


def train(shards: int, batch: int, steps: int) -> dict[str, Any]:
    """Return the seconds of each step, of the clock and of the processor, and a hash."""
    model, optimizer = network()
    x, y = mg.randn(batch, SIZES[0]), mg.randint(SIZES[-1], (batch,))
    parallel = DataParallel(model, shards) if shards else None

    def loss_on(x: Any, y: Any) -> Any:
        return F.cross_entropy(model(x), y)

    def step() -> None:
        optimizer.zero_grad()
        if parallel is None:
            loss_on(x, y).backward()
        else:
            parallel.backward(loss_on, x, y)
        optimizer.step()

    found = []
    for _ in range(WARMUP + steps):
        clock, used = time.perf_counter(), time.process_time()
        step()
        found.append((time.perf_counter() - clock, time.process_time() - used))
    made = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters()))
    wall, processor = zip(*found[WARMUP:], strict=True)
    return {"wall": wall, "processor": processor, "hash": made.hexdigest()}


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
