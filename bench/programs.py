"""Training steps of networks of tensors as programs, in float32: forward, backward and AdamW.

The same function eagerly, compiled and called for each step, and in one call for many; against
torch, eager with its fused AdamW and with its loss compiled, JAX, jitted for each step and as a
scan over many, tinygrad's TinyJit, and for the smallest network the pure-Python reference and C
written for it (mlp.c). Losses of the first steps are compared, ours to the last bit. No step reads
its loss. `plot` draws what was measured.
"""

from __future__ import annotations

import ctypes
import importlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import engines, models
from .engines import C_ENGINE, JAX, NUMPY, REFERENCE, TORCH, Missing
from .models import GPT, SHAPES, SMALLEST
from .networks import STEPS, TOLERANCE, eager_parts
from .report import Report, figure, pair, ratio
from .runner import Contestant, Effort, Measured, compiler, contest, scratch
from .worker import Job, clock

EAGER, CALLED, MANY = "eager", "a call a step", "many steps a call"
COMPILED, JITTED = "loss compiled", "TinyJit"
TINYGRAD, HAND = "tinygrad", "hand-written C"
CASES = (*SHAPES, GPT)
LARGEST = max(SHAPES, key=lambda name: max(SHAPES[name][0]))
PLOT = Path(__file__).resolve().parent.parent / "docs" / "programs.png"

Trainer = tuple[Callable[[int], Any], Callable[[], float]]  # makes steps; gives the last loss


def steps_of_call(name: str) -> int:
    """Return how many steps one call makes, so that it takes some milliseconds."""
    return 2 if name == LARGEST else 200


# ---- the contestants: what makes so many steps, and what gives the loss of the last -------------


def eager(engine: str, form: str, name: str) -> Trainer:
    """Return a trainer of a library with PyTorch's names: ours, or torch."""
    functional, optimizer, weights, data = eager_parts(engine, name)

    def loss_of(x: Any, classes: Any) -> Any:
        return models.loss(functional, name, weights, x, classes)

    if form == COMPILED:
        loss_of = engines.load(TORCH).compile(loss_of)

    def step(x: Any, classes: Any) -> Any:
        loss = loss_of(x, classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    if form in (CALLED, MANY):
        step = engines.load(C_ENGINE).compile(step)
    losses: list[Any] = []

    def train(count: int) -> None:
        if form == MANY:
            losses[:] = [step.run(count, *data)]  # type: ignore[attr-defined]
            return
        for _ in range(count):
            losses[:] = [step(*data)]

    return train, lambda: float(losses[0].detach().item())


def jaxs(form: str, name: str) -> Trainer:
    """Return the trainer on JAX: a function for a step, or a scan."""
    jax = engines.load(JAX)
    step, state = models.jax_start(jax, name)
    held: list[Any] = [0.0, state]
    scans: dict[int, Any] = {}

    def scan_of(count: int) -> Any:
        if count not in scans:
            body = lambda state, _: step(state)[::-1]  # noqa: E731
            scans[count] = jax.jit(lambda state: jax.lax.scan(body, state, None, length=count))
        return scans[count]

    def train(count: int) -> None:
        if form == MANY:
            held[1], losses = scan_of(count)(held[1])
            held[0] = losses[-1]
        else:
            for _ in range(count):
                held[:] = step(held[1])
        jax.block_until_ready(held)

    return train, lambda: float(held[0])


def tinygrads(name: str) -> Trainer:
    """Return the trainer of an MLP on tinygrad, whose TinyJit replays a step."""
    if name == GPT:
        raise Missing("tinygrad has no step of the GPT here")
    tinygrad = engines.load(TINYGRAD)
    started = models.start(name)
    weights = [tinygrad.Tensor(p).is_param_(True) for p in started.weights]
    inputs = tinygrad.Tensor(started.inputs)
    classes = tinygrad.Tensor(started.classes.astype("int32"))
    (beta1, beta2), decay = models.BETAS, models.WEIGHT_DECAY
    optimizer = tinygrad.nn.optim.AdamW(weights, models.LR, beta1, beta2, models.ADAM_EPS, decay)
    activation = SHAPES[name][1]

    @tinygrad.TinyJit  # type: ignore[untyped-decorator]
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        for i in range(0, len(weights) - 2, 2):
            x = getattr(x.linear(weights[i].T, weights[i + 1]), activation)()
        loss = x.linear(weights[-2].T, weights[-1]).sparse_categorical_crossentropy(y)
        loss.backward()
        return loss.realize(*optimizer.schedule_step())

    losses: list[Any] = []

    def train(count: int) -> None:
        with tinygrad.Context(TRAINING=1):
            for _ in range(count):
                losses[:] = [step(inputs, classes)]
            losses[0].numpy()  # which waits for it

    return train, lambda: float(losses[0].item())


def references(name: str) -> Trainer:
    """Return the trainer in pure Python."""
    if name != SMALLEST:
        raise Missing("the reference takes part in the smallest network alone")
    engines.load(REFERENCE)
    tensor = importlib.import_module("pymicrograd.reference.tensor").Tensor
    updates = importlib.import_module("pymicrograd.reference.updates")
    started = models.start(name)
    weights = [tensor(p.tolist(), "float32", True) for p in started.weights]
    x, classes = tensor(started.inputs.tolist(), "float32"), tensor(started.classes.tolist())
    memories: list[dict[str, Any]] = [{} for _ in weights]
    numbers = {"lr": models.LR, "beta1": models.BETAS[0], "beta2": models.BETAS[1],
               "eps": models.ADAM_EPS, "weight_decay": models.WEIGHT_DECAY,
               "decoupled_weight_decay": True, "amsgrad": False, "maximize": False}  # fmt: skip
    losses: list[Any] = []

    def train(count: int) -> None:
        for _ in range(count):
            hidden = x.linear(*weights[:2]).tanh()
            losses[:] = [hidden.linear(*weights[2:]).cross_entropy(classes)]
            losses[0].backward()
            for i, (p, memory) in enumerate(zip(weights, memories, strict=True)):
                moved = updates.step("adam", numbers, p, p.grad, memory)
                weights[i] = tensor(moved.array, None, True)

    return train, lambda: float(losses[0].item())


def hands(name: str) -> Trainer:
    """Return the trainer in C that is written for the smallest network."""
    if name != SMALLEST:
        raise Missing("C was written by hand for the smallest network alone")
    numpy = engines.load(NUMPY)
    started = models.start(name)
    with scratch() as folder:
        library = Path(folder, "mlp.so")
        source = Path(__file__).with_name("mlp.c")
        # For this machine alone, as its author would: its bits are nobody's promise.
        options = ["-O3", "-march=native", "-shared", "-fPIC", str(source), "-o", str(library)]
        try:
            subprocess.run([compiler(), *options, "-lm"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Missing(f"mlp.c does not compile: {error}") from error
        train_in_c = ctypes.CDLL(str(library)).train
    train_in_c.restype = ctypes.c_float
    weights = numpy.concatenate([p.ravel() for p in started.weights])
    moments = numpy.zeros((2, weights.size), "float32")
    classes = started.classes.astype("int32")
    arrays = weights, moments, started.inputs, classes
    last, made = 0.0, 0

    def train(count: int) -> None:
        nonlocal last, made
        places = [ctypes.c_void_p(x.ctypes.data) for x in arrays]
        last = train_in_c(*places, ctypes.c_int(made), ctypes.c_int(count))
        made += count

    return train, lambda: last


def trainer(engine: str, form: str, name: str) -> Trainer:
    """Return a contestant's trainer of a network."""
    if engine in (C_ENGINE, TORCH):
        return eager(engine, form, name)
    if engine == JAX:
        return jaxs(form, name)
    return {TINYGRAD: tinygrads, REFERENCE: references, HAND: hands}[engine](name)


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case is a network."""
    train, last = trainer(engine, form, case)
    count = steps_of_call(case) if form == MANY or engine == HAND else 20
    count = 1 if engine == REFERENCE else count
    first: dict[str, float] = {}

    def step() -> tuple[float]:
        started = clock()
        train(count)
        return ((clock() - started) / count,)

    def digits() -> list[float]:
        found = []
        started = time.perf_counter()
        for _ in range(STEPS):
            train(1)
            found.append(last())
            first.setdefault("seconds", time.perf_counter() - started)
        return found

    return Job(step, digits, lambda: first)


# ---- what is printed and drawn -------------------------------------------------------------------

EVERYONE = {
    Contestant(C_ENGINE, MANY): "ours, many steps a call",
    Contestant(C_ENGINE, CALLED): "ours, a call a step",
    Contestant(C_ENGINE, EAGER): "ours, eager",
    Contestant(HAND): "hand-written C",
    Contestant(JAX, MANY): "JAX, scan of many steps",
    Contestant(JAX, CALLED): "JAX, a jitted step",
    Contestant(TORCH, EAGER): "torch, eager",
    Contestant(TORCH, COMPILED): "torch, loss compiled",
    Contestant(TINYGRAD, JITTED): "tinygrad, TinyJit",
    Contestant(REFERENCE): "pure Python",
}


def run(report: Report, effort: Effort) -> None:
    """Print a table for each network."""
    report.say(
        f"One thread. The first {STEPS} losses agree to {TOLERANCE:g}, ours to the bit. The first"
        " call compiles, the wall's seconds."
    )
    own = next(iter(EVERYONE))
    speeds: dict[str, dict[str, float]] = {}
    with contest("programs", EVERYONE, effort) as opened:
        for name in CASES:
            measured = opened.measure(name, None, TOLERANCE, collectors=(True,))
            first = {c: opened.facts(c)["seconds"] for c in measured}
            report.say(f"{name}, {models.count_of(name)} weights:")
            report.table(
                ["us a step, minimum / median", "time", "times as long", "first call, s"],
                rows(measured, own, first),
            )
            for c, results in measured.items():
                steps = 1.0 / results[True][0].minimum
                speeds.setdefault(EVERYONE[c], {})[name] = steps
        report.missing(reason for c, reason in opened.missing.items() if EVERYONE[c] not in speeds)
    draw(report, speeds)


def rows(
    measured: dict[Contestant, Measured], own: Contestant, first: dict[Contestant, float]
) -> list[list[str]]:
    """Return a row for each contestant."""
    base = measured[own][True][0]
    return [
        [EVERYONE[c], pair(x[True][0], 1e-6), ratio(x[True][0], base), figure(first[c])]
        for c, x in measured.items()
    ]


def draw(report: Report, speeds: dict[str, dict[str, float]]) -> None:
    """Draw steps a second by size into docs/programs.png, where matplotlib is installed."""
    try:
        plt = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        report.say("Not drawn: matplotlib is not installed.")
        return
    figure_, axes = plt.subplots(figsize=(7.0, 4.2), layout="constrained")
    for label, by_name in speeds.items():
        points = sorted((models.count_of(name), speed) for name, speed in by_name.items())
        style = {"linewidth": 2.4} if label.startswith("ours") else {"linewidth": 1.2}
        axes.loglog(*zip(*points, strict=True), marker="o", markersize=4, label=label, **style)
    axes.axvline(models.count_of(GPT), linestyle=":", color="gray", linewidth=1.0)
    axes.text(models.count_of(GPT), 1.0, " the GPT", va="bottom", fontsize=8,
              transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xlabel("weights")
    axes.set_ylabel("training steps a second, one core")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=8, ncols=2)
    figure_.savefig(PLOT, dpi=110)
    report.say(f"Drawn: {PLOT.relative_to(PLOT.parent.parent)}.")
