"""A training step of networks of tensors: forward, backward and update, in float32.

The same program on our Tensors and on torch's, run as it stands, with torch's fused AdamW; and on
JAX, which compiles forward, backward and update into one function. Losses of the first steps are
compared. A step reads its loss, as a program that prints it does. The phases of a step are those
of the eager libraries.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from . import engines, models
from .engines import C_ENGINE, JAX, NUMPY, TORCH
from .report import Report, pair, ratio
from .runner import COLLECTOR, Contestant, Effort, Measured, contest
from .worker import Job, clock

# Networks by name, of models.py.
NETWORKS = ("MLP 2-8-3 on 80 rows", "MLP 784-512-512-10 on 128 rows")
# Programs of modules by name: the layers that `layers_of` makes, the input, classes. Their updates
# are Adam's as a library does them unless told otherwise.
PROGRAMS: dict[str, tuple[str, tuple[int, ...], int]] = {
    "digits: MLP 64-128-10 on 64 rows": ("mlp", (64, 64), 10),
    "CNN of 8 and 16 channels on 32 images of 28 x 28": ("cnn", (32, 1, 28, 28), 10),
}
PHASES = ("forward", "backward", "update", "whole step")
STEPS = 10  # whose losses are compared
TOLERANCE = 1e-3  # relative: rounding differs, and steps carry it on

Step = Callable[[], list[float]]


def timed(forward: Callable[[], Any], optimizer: Any) -> tuple[Step, list[Any]]:
    """Return a step of an eager library whose loss forward() returns, and its latest loss."""
    losses: list[Any] = []

    def step() -> list[float]:
        times = [clock()]
        loss = forward()
        times.append(clock())
        optimizer.zero_grad()
        loss.backward()
        times.append(clock())
        optimizer.step()
        losses[:] = [loss.item()]
        times.append(clock())
        return [*(b - a for a, b in itertools.pairwise(times)), times[-1] - times[0]]

    return step, losses


def eager_step(engine: str, name: str) -> tuple[Step, list[Any]]:
    """Return the step of a network on our Tensors or torch's."""
    functional, optimizer, weights, data = eager_parts(engine, name)
    return timed(lambda: models.loss(functional, name, weights, *data), optimizer)


def eager_parts(engine: str, name: str) -> tuple[Any, Any, list[Any], tuple[Any, Any]]:
    """Return a library's functions, an optimizer and its weights, and inputs and classes."""
    library = engines.load(engine)
    started = models.start(name)
    weights = [library.tensor(p, requires_grad=True) for p in started.weights]
    data = library.tensor(started.inputs), library.tensor(started.classes)
    options = (models.LR, models.BETAS, models.ADAM_EPS, models.WEIGHT_DECAY)
    if engine == TORCH:
        functional = SimpleNamespace(**vars(library.nn.functional))
        functional.tanh = library.tanh  # the one of functional is to be avoided
        return functional, library.optim.AdamW(weights, *options, fused=True), weights, data
    optim = importlib.import_module(f"{library.__name__}.optim")
    return library.functional, optim.AdamW(weights, *options), weights, data


def layers_of(nn: Any, kind: str) -> list[Any]:
    """Return the modules of a program."""
    if kind == "mlp":
        return [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)]
    first = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    second = [nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return [*first, *second, nn.Flatten(), nn.Linear(784, 10)]


def program_step(engine: str, name: str) -> tuple[Step, list[Any]]:
    """Return the step of a program of modules, from weights that both libraries start with."""
    library, numpy = engines.load(engine), engines.load(NUMPY)
    nn = importlib.import_module(f"{library.__name__}.nn")
    optim = importlib.import_module(f"{library.__name__}.optim")
    kind, shape, classes = PROGRAMS[name]
    rng = numpy.random.default_rng(42)
    model = nn.Sequential(*layers_of(nn, kind))
    state = {}
    for key, x in model.state_dict().items():
        bound = tuple(x.shape)[-1] ** -0.5
        state[key] = library.tensor(rng.uniform(-bound, bound, tuple(x.shape)).astype("float32"))
    model.load_state_dict(state)
    optimizer, criterion = optim.Adam(model.parameters(), lr=models.LR), nn.CrossEntropyLoss()
    inputs = library.tensor(rng.standard_normal(shape).astype("float32"))
    targets = library.tensor(rng.integers(0, classes, shape[0]))
    return timed(lambda: criterion(model(inputs), targets), optimizer)


def jax_step(name: str) -> tuple[Step, list[Any]]:
    """Return the step of JAX, one compiled function of parameters and moments."""
    jax = engines.load(JAX)
    train, state = models.jax_start(jax, name)
    losses: list[Any] = []

    def step() -> list[float]:
        nonlocal state
        started = clock()
        loss, state = train(state)
        jax.block_until_ready(state)
        losses[:] = [float(loss)]
        seconds = clock() - started
        return [0.0, 0.0, 0.0, seconds]

    return step, losses


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case is a network."""
    if case in PROGRAMS:
        step, losses = program_step(engine, case)
    else:
        step, losses = jax_step(case) if engine == JAX else eager_step(engine, case)

    def digits() -> list[float]:
        found = []
        for _ in range(STEPS):
            step()
            found += losses
        return found

    return Job(step, digits)


def run(report: Report, effort: Effort) -> None:
    """Print a table for each network and number of threads."""
    report.say(
        f"Eager code of ours and of torch's, whose AdamW is fused; JAX's step is compiled. The"
        f" first {STEPS} losses agree to {TOLERANCE:g}; ours with one and with two threads to the"
        " bit. With two threads times are the wall's."
    )
    missing: list[str] = []
    for name in (*NETWORKS, *PROGRAMS):
        libraries = (C_ENGINE, TORCH, JAX) if name in NETWORKS else (C_ENGINE, TORCH)
        everyone = [Contestant(e, "", n) for n in (1, 2) for e in libraries]
        with contest("networks", everyone, effort) as opened:
            measured = opened.measure(name, None, TOLERANCE)
        missing += opened.missing.values()
        for threads in (1, 2):
            report.say(f"{name}, {threads} thread{'s' * (threads > 1)}:")
            table(report, {c: x for c, x in measured.items() if c.threads == threads})
    report.missing(missing)


def table(report: Report, measured: dict[Contestant, Measured]) -> None:
    """Print a row for each contestant, the first of which is ours."""
    header = ["us, minimum / median", *PHASES]
    header += ["times as long", f"{COLLECTOR[False]}: {PHASES[-1]}", "times as long"]
    own = next(iter(measured.values()))
    rows = []
    for contestant, results in measured.items():
        phases = [pair(x, 1e-6) if x.minimum else "-" for x in results[True]]
        row = [
            engines.version_of(contestant.engine),
            *phases,
            ratio(results[True][-1], own[True][-1]),
        ]
        rows.append(
            [*row, pair(results[False][-1], 1e-6), ratio(results[False][-1], own[False][-1])]
        )
    report.table(header, rows)
