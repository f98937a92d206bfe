"""Programs of Values against the same steps one by one: what the graph and Python cost.

Four jobs: the training step of train.py as its batch form has it; forward and backward of the GPT
of microgpt.py on one name, again and again; its step on other names, each time, by a recorded
function; micrograd's README expression. Then graphs of 10^3 to 10^6 nodes, with the time to compile
them. All digits are compared to the bit. A program makes its steps in calls of `run`, of which each
counts as many, and where there is a C compiler, so does what it makes of `to_c`.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import engines, graph, microgpt, train
from .engines import C_ENGINE
from .report import Report, contest_table, figure, pair, ratio
from .runner import Contest, Contestant, Effort, contest
from .worker import Job, clock

LOOP, PROGRAM, SOURCE = "step by step", "program", "program as C"
COMPILE = ["-O2", "-ffp-contract=off", "-fno-builtin-pow", "-shared", "-fPIC"]
# What is added to a program's text: steps and losses, and what the leaves are then.
TRAINING = """
static struct train_step all;

void train(long steps, double *losses)
{
    for (long i = 0; i < steps; i++) {
        train_step(&all);
        losses[i] = all.loss;
    }
}

void begin(double **data, double **gradient)
{
    train_step_begin(&all);
    *data = all.data;
    *gradient = all.gradient;
}
"""
# Jobs: title, unit in seconds, and steps that one call makes.
JOBS = {
    "train": ("MLP(2, [16, 3]), 80 points, AdamW", 1e-6, 100),
    "microgpt": ("a GPT of 4192 weights, one name, forward and backward", 1e-6, 20),
    "names": ("a step of that GPT with Adam, on names of 8 letters that change", 1e-6, 60),
    "expression": ("micrograd's README expression, forward and backward", 1e-6, 10_000),
}


def training(engine: Any) -> tuple[Callable[[], Any], list[Any], Any]:
    """Return what computes the loss, the leaves and the optimizer of train.py's step."""
    weights, points, labels = train.start()
    model = engine.MLP(train.SIZES[0], list(train.SIZES[1:]))
    leaves = model.parameters()
    for p, number in zip(leaves, train.parameters_of(weights), strict=True):
        p.data = number
    optimizer = engine.AdamW(
        leaves, lr=train.LR, betas=train.BETAS, eps=train.EPS, weight_decay=train.WEIGHT_DECAY
    )
    return lambda: engine.cross_entropy(model(points), labels), leaves, optimizer


def small_gpt(engine: Any) -> tuple[Callable[[], Any], list[Any], Any]:
    """Return the same of microgpt.py's loss."""
    weights = microgpt.first_weights(engine.Value)
    leaves = [p for matrix in weights.values() for row in matrix for p in row]
    return lambda: microgpt.loss_of(weights, microgpt.tokens_of(microgpt.NAMES[0])), leaves, None


def expression(engine: Any) -> tuple[Callable[[], Any], list[Any], Any]:
    """Return the same of the expression in micrograd's README."""
    a, b = engine.Value(-4.0), engine.Value(2.0)

    def value() -> Any:
        c = a + b
        d = a * b + b**3
        c = c + c + 1
        c = c + 1 + c + (-a)
        d = d + d * 2 + (b + a).relu()
        d = d + 3 * d + (b - a).relu()
        e = c - d
        f = e**2
        g = f / 2.0
        return g + 10.0 / f

    return value, [a, b], None


MAKERS = {"train": training, "microgpt": small_gpt, "expression": expression}


def step_by_step(loss_of: Callable[[], Any], optimizer: Any, steps: int) -> list[float]:
    """Do steps without a program."""
    losses = []
    for _ in range(steps):
        loss = loss_of()
        if optimizer is not None:
            optimizer.zero_grad()
        loss.backward()
        if optimizer is not None:
            optimizer.step()
        losses.append(loss.data)
    return losses


class Source:
    """A program of Values as a compiler has it, with the numbers that its leaves have now."""

    def __init__(self, program: Any, leaves: list[Any]) -> None:
        places = {node[-1]: i for i, node in enumerate(program._script.layout().nodes)}
        self.leaves = [(leaf, places.get(leaf._handle)) for leaf in leaves]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "step.c")
            path.write_text(program.to_c() + TRAINING)
            library = str(path.with_suffix(".so"))
            compiler = shutil.which("cc") or "cc"
            subprocess.run([compiler, *COMPILE, str(path), "-lm", "-o", library], check=True)
            self.library = ctypes.CDLL(library)
        self.data, self.gradient = (
            ctypes.POINTER(ctypes.c_double)(),
            ctypes.POINTER(ctypes.c_double)(),
        )
        self.library.begin(ctypes.byref(self.data), ctypes.byref(self.gradient))

    def run(self, steps: int) -> Any:
        """Make steps; return an array of losses."""
        losses = (ctypes.c_double * steps)()
        self.library.train(ctypes.c_long(steps), losses)
        return losses

    def state(self) -> list[float]:
        """Return data and gradient of each leaf; a program does not have those it does not use."""
        return [
            x
            for leaf, i in self.leaves
            for x in ((leaf.data, leaf.grad) if i is None else (self.data[i], self.gradient[i]))
        ]


def names(engine: Any, form: str) -> tuple[Callable[[int], list[float]], list[Any]]:
    """Return what makes so many steps on names, one after the other, and the leaves."""
    weights = microgpt.first_weights(engine.Value)
    leaves = [p for matrix in weights.values() for row in matrix for p in row]
    optimizer = engine.optim.Adam(leaves, lr=0.01, betas=(0.85, 0.99))
    by = microgpt.Choosing(engine.at, engine.largest)

    def step(tokens: list[int]) -> Any:
        loss = microgpt.loss_of(weights, tokens, by)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    if form == PROGRAM:
        step = engine.compile(step, values=True)
    tokens = [microgpt.tokens_of(name) for name in microgpt.NAMES]
    return lambda count: [step(tokens[i % len(tokens)]).data for i in range(count)], leaves


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant."""
    module = engines.load(engine)
    if case not in JOBS:
        return graph_job(module, form, int(case))
    count = JOBS[case][2]
    if case == "names":
        run, leaves = names(module, form)
        count = count if form == PROGRAM else 1
        return Job(lambda: (seconds(run, count),), lambda: run(6) + state_of(leaves))
    loss_of, leaves, optimizer = MAKERS[case](module)
    source = None
    if form in (PROGRAM, SOURCE):
        program = module.compile(loss_of(), optimizer)
        run = program.run
        if form == SOURCE:
            source = Source(program, leaves)
            run = source.run
    else:
        count = 1

        def run(steps: int) -> list[float]:
            return step_by_step(loss_of, optimizer, steps)

    def state() -> list[float]:
        if source is not None:
            return source.state()
        return state_of(leaves)

    return Job(lambda: (seconds(run, count),), lambda: [*run(3), *state()])


def graph_job(module: Any, form: str, size: int) -> Job:
    """Return forward and backward of a graph of about so many nodes, train.py's on more points."""
    points, nodes = graph.points_for(size)
    loss_of, leaves = graph.bulk_graph(module, points)
    facts = {"nodes": float(nodes)}
    if form == LOOP:
        count = 1

        def run(steps: int) -> list[float]:
            return step_by_step(loss_of, None, steps)
    else:
        loss, count = loss_of(), max(1, 1_000_000 // size)
        started = clock()
        program = module.compile(loss)
        facts["compile"] = clock() - started
        run = program.run
    return Job(lambda: (seconds(run, count),), lambda: [*run(1), *state_of(leaves)], lambda: facts)


def seconds(run: Callable[[int], Any], count: int) -> float:
    """Return the time of a step."""
    started = clock()
    run(count)
    return (clock() - started) / count


def state_of(leaves: list[Any]) -> list[float]:
    """Return data and gradients."""
    return [x for p in leaves for x in (p.data, p.grad)]


def run(report: Report, effort: Effort) -> None:
    """Print a table for each job."""
    loop, program = Contestant(C_ENGINE, LOOP), Contestant(C_ENGINE, PROGRAM)
    names = {loop: "C engine, step by step", program: "C engine, program"}
    if shutil.which("cc"):
        names[Contestant(C_ENGINE, SOURCE)] = "C engine, program as C"
    with contest("programs_of_values", names, effort) as steps:
        for case, (title, unit, _) in JOBS.items():
            only = [loop, program] if case == "names" else None  # a program's C has one order
            measured = steps.measure(case, only)
            report.say(f"{title[0].upper()}{title[1:]}:")
            contest_table(report, measured, program, names, unit, "us a step")
        graphs(report, steps, [loop, program], effort)
    report.missing(steps.missing.values())


def graphs(report: Report, steps: Contest, forms: list[Contestant], effort: Effort) -> None:
    """Print what graphs take by size: step by step, as programs, and to be compiled."""
    rows = []
    for size in graph.sizes(min(effort.largest // 10, 1_000_000)):
        measured = steps.measure(str(size), forms, collectors=(True,))
        slow, quick = (measured[c][True][0] for c in forms)
        facts = steps.facts(forms[1])
        nodes = facts["nodes"]
        rows.append(
            [f"{int(nodes):,}", *(pair(times.scaled(1e9 / nodes)) for times in (slow, quick)),
             ratio(slow, quick), figure(1e9 * facts["compile"] / nodes)]
        )  # fmt: skip
    report.say("Forward and backward of train.py's network on more points, ns a node:")
    report.table(["nodes", "step by step", "program", "times as long", "to compile"], rows)
