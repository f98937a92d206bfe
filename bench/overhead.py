"""What an op of small tensors costs: chains of 1000 of them, forward and backward.

The time of such a chain is hardly arithmetic; it is Python's call, the node, its memory, and the
same again backward. Values are compared first. torch runs eagerly, with one thread; JAX has no
place here, its eager ops being for traces.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from . import engines
from .engines import C_ENGINE, TORCH
from .report import Report, geometric_mean, pair, ratio
from .runner import COLLECTOR, Contestant, Effort, Measured, Times, contest
from .worker import Job, clock

LENGTH = 1000
TOLERANCE = 1e-4  # relative, of float32 after a thousand ops
CONTESTANTS = (Contestant(C_ENGINE), Contestant(TORCH))
PHASES = ("forward", "backward", "both")
SHAPES = ((), (16,), (16, 16), (64, 64))
MIXED = "scale, add, tanh, subtract"


def mixed(y: Any, x: Any) -> Any:
    """Return four ops of y."""
    y = y * 0.999
    y = y + x
    y = y.tanh()
    return y - 0.001


# Chains: ops in a turn, and the turn. All of them keep their numbers within bounds.
CHAINS: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    MIXED: (4, mixed),
    "y + x": (1, lambda y, x: y + x),
    "y * x": (1, lambda y, x: y * x),
    "y / x": (1, lambda y, x: y / x),
    "y * 0.999": (1, lambda y, x: y * 0.999),
    "0.5 - y": (1, lambda y, x: 0.5 - y),
    "-y": (1, lambda y, x: -y),
    "y.relu()": (1, lambda y, x: y.relu()),
    "y.tanh()": (1, lambda y, x: y.tanh()),
    "y + y.sum()": (2, lambda y, x: y * 0.001 + y.sum()),
    "y @ x": (1, lambda y, x: y @ x),
    "y.T": (1, lambda y, x: y.T),
    "y.reshape(-1, 2)": (1, lambda y, x: y.reshape(-1, 2)),
    "y[1:]": (1, lambda y, x: y[1:]),
    "y.sum(0, keepdim=True) + x": (2, lambda y, x: y.sum(0, keepdim=True) * 0.01 + x),
}


def numbers(shape: list[int], chain: str) -> Any:
    """Return nested lists for the leaf, near 1; for products a matrix that keeps sizes."""
    count = 1
    for size in shape:
        count *= size
    flat = [0.9 + ((i * 37) % 101) / 505.0 for i in range(count)]
    if chain == "y @ x":
        flat = [x / shape[1] for x in flat]
    for size in shape[:0:-1]:
        flat = [flat[i : i + size] for i in range(0, len(flat), size)]  # type: ignore[misc]
    return flat if shape else flat[0]


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case is a chain and a shape."""
    module = engines.load(engine)
    name, shape = json.loads(case)
    ops, turn = CHAINS[name]
    if name == "y[1:]":
        shape = [LENGTH + 8, *shape[1:]]
    x = module.tensor(numbers(shape, name), requires_grad=True)
    turns = range(LENGTH // ops)

    def chain() -> Any:
        y = x
        for _ in turns:
            y = turn(y, x)
        return y.sum()

    def step() -> list[float]:
        x.grad = None
        times = [clock()]
        loss = chain()
        times.append(clock())
        loss.backward()
        times.append(clock())
        times = [(after - before) / LENGTH for before, after in itertools.pairwise(times)]
        return [*times, sum(times)]

    def digits() -> list[float]:
        x.grad = None
        loss = chain()
        loss.backward()
        return [loss.item(), *(float(g) for g in x.grad.reshape(-1)[:8].tolist())]

    return Job(step, digits)


def run(report: Report, effort: Effort) -> None:
    """Print a table of shapes, and one of ops."""
    cases = [(MIXED, shape) for shape in SHAPES]
    cases += [(name, (16, 16)) for name in CHAINS if name != MIXED]
    measured: dict[tuple[str, tuple[int, ...]], dict[Contestant, Measured]] = {}
    with contest("overhead", CONTESTANTS, effort) as opened:
        for case in cases:
            measured[case] = opened.measure(json.dumps(case), None, TOLERANCE)
    report.say(
        f"Chains of {LENGTH} ops of float32 that are recorded, and backward from the sum of the"
        " last; what is left of a chain is freed in the next one's forward. ns an op, minimum /"
        f" median. Sums and gradients agree to {TOLERANCE:g}."
    )
    for collect, collector in COLLECTOR.items():
        report.say(f"Chains of four ops ({MIXED}), by shape; {collector}:")
        some = {f"{shape}": measured[name, shape] for name, shape in cases if name == MIXED}
        table(report, some, collect)
        report.say(f"Chains of one op on (16, 16); {collector}:")
        table(report, {f"`{n}`": measured[n, s] for n, s in cases if n != MIXED}, collect)
    report.missing(opened.missing.values())


def table(report: Report, measured: dict[str, dict[Contestant, Measured]], collect: bool) -> None:
    """Print a row for each case, and a last one of the geometric means."""
    ours, other = CONTESTANTS
    header = ["", *(f"{ours.name}, {phase}" for phase in PHASES)]
    header += [f"{other.name}, {phase}: x" for phase in PHASES]
    rows, factors = [], []
    for name, results in measured.items():
        own = results[ours][collect]
        row = [name, *(pair(times, 1e-9) for times in own)]
        theirs = results[other][collect] if other in results else None
        row += [ratio(b, a) for a, b in zip(own, theirs, strict=True)] if theirs else ["-"] * 3
        rows.append(row)
        if theirs:
            factors.append(list(zip(own, theirs, strict=True)))
    if factors:
        means = [mean_of(list(phase)) for phase in zip(*factors, strict=True)]
        rows.append(["geometric mean", "", "", "", *(pair(mean) for mean in means)])
    report.table(header, rows)


def mean_of(pairs: list[tuple[Times, Times]]) -> Times:
    """Return the geometric means of the ratios of minima and of medians."""
    return Times(
        geometric_mean(b.minimum / a.minimum for a, b in pairs),
        geometric_mean(b.median / a.median for a, b in pairs),
    )
