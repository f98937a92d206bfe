"""Time and bytes a node, for graphs of 10^3 to 10^7 nodes.

In C alone by bench/core.c, and small graphs by bench/small.c, compiled with the package's flags
into a temporary directory; and through Python's objects, where the graph is that of train.py on as
many points as it takes, or a chain `x = x * w`, in which every node has an object. Nodes are those
that the loss depends on.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import subprocess
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import engines
from .engines import C_ENGINE, MICROGRAD, REFERENCE
from .report import Report, figure, pair
from .runner import (
    COLLECTOR,
    Contestant,
    Effort,
    Measured,
    Times,
    compile_c,
    contest,
    run_pinned,
    scratch,
)
from .train import parameters_of, plain_loss, plain_network, start
from .worker import Job, clock

PLAIN, BULK, CHAIN = "plain", "bulk", "chain"
PHASES = ("record", "backward", "release")
SMALL = {
    "chain": "chain of 1000 products, ns an op",
    "expression": "expression of micrograd's README, us",
}
# Micrograd recurses, and larger graphs of the reference take minutes.
LARGEST = {C_ENGINE: 1_000_000, REFERENCE: 100_000, MICROGRAD: 10_000}
CONTESTANTS = (
    Contestant(C_ENGINE, BULK),
    Contestant(C_ENGINE, PLAIN),
    Contestant(REFERENCE, PLAIN),
    Contestant(MICROGRAD, PLAIN),
    Contestant(C_ENGINE, CHAIN),
    Contestant(REFERENCE, CHAIN),
)

# A graph: records it and returns its root, and the leaves whose gradients are compared.
Graph = tuple[Callable[[], Any], list[Any]]


# ---- in C alone --------------------------------------------------------------------------------


def run_core(report: Report, effort: Effort) -> None:
    """Print what bench/core.c and small.c measure."""
    rows = []
    sources = [Path(__file__).with_name(name) for name in ("core.c", "small.c")]
    with scratch() as directory:
        try:
            program = compile_c(sources, directory, "core")
        except (OSError, subprocess.CalledProcessError) as error:
            report.say(f"Not run: bench/core.c was not compiled: {error}.")
            return
        command = [str(program), str(effort.warmup), str(effort.steps)]
        small = json.loads(run_pinned(command).stdout)
        for size in sizes(effort.largest):
            command = [str(program), str(size), str(effort.warmup), str(effort.steps)]
            facts = json.loads(run_pinned(command).stdout)
            times = [Times(facts[f"{p}_min"], facts[f"{p}_median"]) for p in PHASES]
            bytes_of = [facts["bytes_at_rest"], facts["bytes_peak"]]
            rows.append([f"{facts['nodes']:,}", *map(pair, times), *map(figure, bytes_of)])
    report.say(
        "In C alone, the graph of MLP(2, [16, 3]) and cross-entropy from the bulk builders; ns a"
        " node, minimum / median; bytes a node when recorded, and at most (small graphs do not fill"
        " what the arena holds at least):"
    )
    report.table(["nodes", *PHASES, "bytes", "peak"], rows)
    report.say(
        "Small graphs in C, recorded, differentiated and given back, by a call an op or in one"
        " batch (mg_record_steps); minimum / median:"
    )
    report.table(["", "a call an op", "one batch", "ratio"], small_rows(small))


def small_rows(facts: dict[str, float]) -> list[list[str]]:
    """Return the rows of the table of small graphs."""
    rows = []
    for case, name in SMALL.items():
        single, batch = (
            Times(facts[f"{form}_{case}_min"], facts[f"{form}_{case}_median"])
            for form in ("single", "batch")
        )
        ratio = figure(batch.minimum / single.minimum)
        rows.append([name, pair(single), pair(batch), ratio])
    return rows


def sizes(largest: int) -> list[int]:
    """Return the powers of ten from 10^3 to the largest."""
    return list(itertools.takewhile(lambda size: size <= largest, (10**k for k in range(3, 9))))


# ---- through Python's objects ------------------------------------------------------------------


def examples(count: int) -> tuple[list[list[float]], list[int]]:
    """Return as many points as are wanted, and their classes."""
    _, points, labels = start()
    rounds = -(-count // len(points))
    return (points * rounds)[:count], (labels * rounds)[:count]


def plain_graph(engine: Any, count: int) -> Graph:
    """Return the graph of plain arithmetic."""
    points, labels = examples(count)
    value = engine.Value
    network = plain_network(value)

    def record() -> Any:
        return plain_loss(value, network, [[value(x) for x in point] for point in points], labels)

    return record, parameters_of(network)


def bulk_graph(engine: Any, count: int) -> Graph:
    """Return the graph of nn.MLP and cross_entropy on a batch."""
    points, labels = examples(count)
    value, cross_entropy = engine.Value, engine.cross_entropy
    model = engine.MLP(2, [16, 3])
    parameters = model.parameters()
    for p, number in zip(parameters, parameters_of(start()[0]), strict=True):
        p.data = number

    def record() -> Any:
        return cross_entropy(model([[value(x) for x in point] for point in points]), labels)

    return record, parameters


def chain_graph(engine: Any, length: int) -> Graph:
    """Return a chain of products."""
    w = engine.Value(0.9999999)

    def record() -> Any:
        x = w
        for _ in range(length):
            x = x * w
        return x

    return record, [w]


def count_nodes(root: Any) -> int:
    """Count what a Value depends on, and itself."""
    seen = {id(root): root}
    waiting = [root]
    while waiting:
        for operand in waiting.pop()._prev:
            if id(operand) not in seen:
                seen[id(operand)] = operand
                waiting.append(operand)
    return len(seen)


def points_for(nodes: int) -> tuple[int, int]:
    """Return how many points make a graph of about so many nodes, and the nodes that it has."""
    reference = engines.load(REFERENCE)
    one, two = (count_nodes(plain_graph(reference, points)[0]()) for points in (1, 2))
    points = max(1, nodes // (two - one))
    return points, one + (points - 1) * (two - one)


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case is a number of nodes."""
    module = engines.load(engine)
    if form == CHAIN:
        nodes = int(case)
        record, leaves = chain_graph(module, nodes)
    else:
        points, nodes = points_for(int(case))
        record, leaves = (bulk_graph if form == BULK else plain_graph)(module, points)

    def step() -> list[float]:
        times = [clock()]
        root = record()
        times.append(clock())
        root.backward()
        times.append(clock())
        del root
        times.append(clock())
        return [(after - before) / nodes for before, after in itertools.pairwise(times)]

    def digits() -> list[float]:
        for leaf in leaves:
            leaf.grad = 0.0
        root = record()
        root.backward()
        return [float(root.data), *(float(leaf.grad) for leaf in leaves)]

    return Job(step, digits, lambda: measure_bytes(engine, record, nodes))


def measure_bytes(engine: str, record: Callable[[], Any], nodes: int) -> dict[str, float]:
    """Return the nodes of a graph, and the bytes of objects and C's memory for each."""
    gc.collect()
    tracemalloc.start()
    root = record()
    at_rest, _ = tracemalloc.get_traced_memory()
    at_rest += arena_bytes(engine, "bytes")
    root.backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    peak += arena_bytes(engine, "peak_bytes")
    return {"nodes": nodes, "bytes": at_rest / nodes, "peak": peak / nodes}


def arena_bytes(engine: str, name: str) -> int:
    """Return what the C engine holds, now or at most; 0 for the others."""
    if engine != C_ENGINE:
        return 0
    return int(importlib.import_module("pymicrograd").memory_usage()[name])


def run_objects(report: Report, effort: Effort) -> None:
    """Print time and bytes a node through Python's objects."""
    results: list[tuple[Contestant, dict[str, float], Measured]] = []
    with contest("graph", CONTESTANTS, effort) as opened:
        for size in sizes(min(effort.largest // 10, max(LARGEST.values()))):
            for forms in ((PLAIN, BULK), (CHAIN,)):
                able = [c for c in CONTESTANTS if c.form in forms and size <= LARGEST[c.engine]]
                for contestant, measured in opened.measure(str(size), able).items():
                    results.append((contestant, opened.facts(contestant), measured))
    results.sort(key=lambda result: CONTESTANTS.index(result[0]))
    limits = ", ".join(f"{engine} to {limit:,}" for engine, limit in LARGEST.items())
    report.say(
        f"Through Python's objects ({limits} nodes); ns a node, minimum / median. Losses and"
        " gradients are equal to the bit between C engine and reference. What micrograd releases"
        " is freed later, by the collector."
    )
    for collect, collector in COLLECTOR.items():
        report.say(f"{collector}:")
        report.table(["", "nodes", *PHASES], time_rows(results, collect))
    report.say(
        "Bytes a node, those of Python's objects (tracemalloc) and of the C engine's arena, when"
        " recorded and at most:"
    )
    report.table(
        ["", "nodes", "bytes", "peak"],
        (
            [c.name, f"{facts['nodes']:,}", figure(facts["bytes"]), figure(facts["peak"])]
            for c, facts, _ in results
        ),
    )
    report.missing(opened.missing.values())


def time_rows(
    results: Iterable[tuple[Contestant, dict[str, float], Measured]], collect: bool
) -> list[list[str]]:
    """Return the rows of a table of times."""
    return [
        [c.name, f"{facts['nodes']:,}", *(pair(times, 1e-9) for times in measured[collect])]
        for c, facts, measured in results
    ]


def run(report: Report, effort: Effort) -> None:
    """Print the tables."""
    run_core(report, effort)
    run_objects(report, effort)
