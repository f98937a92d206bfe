"""Training steps of networks of tensors as programs, in float32: forward, backward and AdamW.

The same function eagerly, compiled and called for each step, and in one call for many; against
torch, eager with its fused AdamW, and JAX, jitted for each step and as a scan over many. Losses of
the first steps are compared, ours to the last bit. No step reads its loss.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from . import engines
from .engines import C_ENGINE, JAX, TORCH
from .networks import (
    BETAS,
    EPS,
    LR,
    SHAPES,
    STEPS,
    TOLERANCE,
    WEIGHT_DECAY,
    jax_train,
    start,
    torch_parts,
)  # fmt: skip
from .report import Report, pair, ratio
from .runner import Contestant, Effort, contest
from .worker import Job, clock

EAGER, CALLED, MANY = "eager", "a call a step", "many steps a call"
# The steps of one call of those that make many, so that it takes some milliseconds.
STEPS_OF_CALL = {name: 2 if max(sizes) > 500 else 200 for name, (sizes, *_) in SHAPES.items()}


def one_step(
    functional: Any, optimizer: Any, parameters: list[Any], name: str
) -> Callable[..., Any]:
    """Return the function that is timed: of inputs and classes it makes a step."""
    linear, cross_entropy = functional.linear, functional.cross_entropy
    activate = getattr(functional, SHAPES[name][1])
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))

    def step(x: Any, classes: Any) -> Any:
        for weight, bias in layers[:-1]:
            x = activate(linear(x, weight, bias))
        loss = cross_entropy(linear(x, *layers[-1]), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def ours(form: str, name: str) -> tuple[Callable[[int], Any], Callable[[], float]]:
    """Return what makes so many steps on our Tensors, and one that gives the loss of the last."""
    package = engines.load(C_ENGINE)
    optim = importlib.import_module("pymicrograd.optim")
    weights, inputs, classes = start(name)
    parameters = [package.tensor(p, requires_grad=True) for p in weights]
    optimizer = optim.AdamW(parameters, LR, BETAS, EPS, WEIGHT_DECAY)
    step = one_step(package.functional, optimizer, parameters, name)
    return loop_of(step if form == EAGER else package.compile(step), form,
                   (package.tensor(inputs), package.tensor(classes)))  # fmt: skip


def torchs(name: str) -> tuple[Callable[[int], Any], Callable[[], float]]:
    """Return the same on torch's."""
    functional, optimizer, parameters, data = torch_parts(name)
    return loop_of(one_step(functional, optimizer, parameters, name), EAGER, data)


def loop_of(
    step: Any, form: str, data: tuple[Any, Any]
) -> tuple[Callable[[int], Any], Callable[[], float]]:
    """Return a loop of steps, and what gives its last loss."""
    losses: list[Any] = []

    def loop(count: int) -> None:
        if form == MANY:
            losses[:] = [step.run(count, *data)]
            return
        for _ in range(count):
            losses[:] = [step(*data)]

    return loop, lambda: float(losses[0].detach())


def jaxs(form: str, name: str) -> tuple[Callable[[int], Any], Callable[[], float]]:
    """Return the same on JAX: a function for a step, or a scan."""
    jax = engines.load(JAX)
    weights, inputs, classes = (
        jax.tree_util.tree_map(jax.numpy.asarray, part) for part in start(name)
    )
    zeros = [jax.numpy.zeros_like(p) for p in weights]
    train = jax_train(jax, name, inputs, classes)
    held: list[Any] = [0.0, (weights, zeros, zeros, jax.numpy.float32(0.0))]
    scans: dict[int, Any] = {}

    def scan_of(count: int) -> Any:
        if count not in scans:
            body = lambda state, _: train(state)[::-1]  # noqa: E731
            scans[count] = jax.jit(lambda state: jax.lax.scan(body, state, None, length=count))
        return scans[count]

    def loop(count: int) -> None:
        if form == MANY:
            held[1], losses = scan_of(count)(held[1])
            held[0] = losses[-1]
        else:
            for _ in range(count):
                held[:] = train(held[1])
        jax.block_until_ready(held)

    return loop, lambda: float(held[0])


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case is a network."""
    if engine == TORCH:
        loop, last = torchs(case)
    else:
        loop, last = (ours if engine == C_ENGINE else jaxs)(form, case)
    count = STEPS_OF_CALL[case] if form == MANY else 20

    def step() -> tuple[float]:
        started = clock()
        loop(count)
        return ((clock() - started) / count,)

    def digits() -> list[float]:
        found = []
        for _ in range(STEPS):
            loop(1)
            found.append(last())
        return found

    return Job(step, digits)


def run(report: Report, effort: Effort) -> None:
    """Print a row for each network."""
    everyone = [
        Contestant(C_ENGINE, MANY),
        Contestant(C_ENGINE, CALLED),
        Contestant(C_ENGINE, EAGER),
        Contestant(TORCH, EAGER),
        Contestant(JAX, CALLED),
        Contestant(JAX, MANY),
    ]
    report.say(
        f"us a step, minimum / median, one thread. The first {STEPS} losses agree to"
        f" {TOLERANCE:g}, ours to the bit. In brackets: times as long as our many steps a call."
    )
    rows, header = [], ["network"]
    with contest("programs", everyone, effort) as opened:
        for name in SHAPES:
            measured = opened.measure(name, None, TOLERANCE, collectors=(True,))
            own = measured[everyone[0]][True][0]
            header = ["network", *(c.name for c in measured)]
            cells = [
                f"{pair(results[True][0], 1e-6)} ({ratio(results[True][0], own)})"
                for results in measured.values()
            ]
            rows.append([name, *cells])
        report.table(header, rows)
        report.missing(opened.missing.values())
