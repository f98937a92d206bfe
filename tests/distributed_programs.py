"""Programs that tests run on ranks: `python distributed_programs.py NAME ARGUMENT ..`."""

from __future__ import annotations

import hashlib
import importlib
import os
import signal
import sys
from typing import Any

import pymicrograd as mg
from pymicrograd import nn, optim
from pymicrograd.data import DataLoader, TensorDataset
from pymicrograd.distributed import DataParallel, DistributedSampler, barrier, get_rank
from pymicrograd.nn import functional as F


def network() -> Any:
    """Return a network with dropout and running statistics."""
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
    )


def hash_of(model: Any, *numbers: Any) -> str:
    """Return a hash of a model's bits and some Tensors."""
    made = hashlib.sha256()
    for x in (*model.state_dict().values(), *numbers):
        made.update(x.detach().numpy().tobytes())
    return made.hexdigest()[:16]


def steps(reads_its_part: bool = False) -> str:
    """Train for some batches, whole ones or parts; return a hash of losses and weights."""
    mg.manual_seed(5)
    model, shards = network(), 8
    parallel = DataParallel(model, shards)
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    data = TensorDataset(mg.randn(96, 6), mg.randint(3, (96,)))
    order = DistributedSampler(
        data, *(() if reads_its_part else (1, 0)), seed=3, shards=shards if reads_its_part else 1
    )
    size = parallel.local_size(32) if reads_its_part else 32
    losses = []
    for epoch in range(2):
        order.set_epoch(epoch)
        for x, y in DataLoader(data, size, sampler=order):
            optimizer.zero_grad()
            loss = parallel.backward(
                lambda x, y: F.cross_entropy(model(x), y), x, y, is_part=reads_its_part
            )
            optimizer.step()
            losses.append(loss)
    parallel.verify()
    return hash_of(model, *losses)


def bits() -> None:
    """Print the hash of a training on whole batches, and of one on parts."""
    found = steps(), steps(True)
    if get_rank() == 0:
        print(*found)


def broadcast() -> None:
    """Print what rank 1 gets, whose weights were others."""
    mg.manual_seed(5)
    model = network()
    with mg.no_grad():
        for x in (*model.parameters(), model[1].running_mean):
            x.fill_(float(get_rank() + 1))
    parallel = DataParallel(model)
    parallel.verify()
    if get_rank() == 1:
        print(sorted({x for p in model.parameters() for x in p.flatten().tolist()}), end=" ")
        print(model[1].running_mean.tolist()[0])


def odd(how: str) -> None:
    """Let rank 1 do something else than the others, from the beginning or in its second step."""
    is_odd = get_rank() == 1
    mg.manual_seed(6 if is_odd and how == "seed" else 5)
    model = nn.Linear(4, 2 if is_odd and how == "shape" else 3)
    if is_odd and how == "type":
        model.double()
    if is_odd and how == "version":
        importlib.import_module(DataParallel.__module__).__version__ = "9.9"
    parallel = DataParallel(model, 4 if is_odd and how == "shards" else 8)
    x = mg.ones(16, 4) * (2.0 if is_odd and how == "batch" else 1.0)
    if is_odd and how == "draw":
        mg.rand(3)
    for step in range(3):
        if is_odd and step == 1:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "exit":
                sys.exit(0)
            if how == "raise":
                raise KeyError("a mistake")
            if how == "wait":
                barrier()
            if how == "loss":
                parallel.backward(lambda x: 1 // 0, x)
            if how == "weights":
                model.weight.data[0, 0] = 7.0
            if how == "short":
                x = x[:9]
        parallel.backward(lambda x: model(x).sum(), x)
        if how == "weights":
            parallel.verify()
    print(f"rank {get_rank()} is through")


def train_on(*arguments: str) -> None:
    """Run `pymicrograd train`, rank 1 with other data, which it does not find."""
    from pymicrograd.cli import main

    sys.exit(
        main(["train", *arguments, *(["--data", "none.csv"] * (os.environ["PMI_RANK"] == "1"))])
    )


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
