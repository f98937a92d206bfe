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
from typing import Any

from . import engines
from .engines import C_ENGINE, JAX, NUMPY, TORCH
from .report import Report, pair, ratio
from .runner import COLLECTOR, Contestant, Effort, Measured, contest
from .worker import Job, clock

# Networks by name: their layers, the activation between them, rows of a batch.
NETWORKS = {
    "MLP 2-8-3 on 80 rows": ((2, 8, 3), "tanh", 80),
    "MLP 784-512-512-10 on 128 rows": ((784, 512, 512, 10), "relu", 128),
}
# Those of programs.py, too.
SHAPES = {
    **NETWORKS,
    "MLP 2-16-16-2 on 100 rows": ((2, 16, 16, 2), "tanh", 100),
    "MLP 64-128-10 on 64 rows": ((64, 128, 10), "relu", 64),
}
# Programs of modules by name: the layers that `layers_of` makes, the input, classes. Their updates
# are Adam's as a library does them unless told otherwise.
PROGRAMS: dict[str, tuple[str, tuple[int, ...], int]] = {
    "digits: MLP 64-128-10 on 64 rows": ("mlp", (64, 64), 10),
    "CNN of 8 and 16 channels on 32 images of 28 x 28": ("cnn", (32, 1, 28, 28), 10),
}
PHASES = ("forward", "backward", "update", "whole step")
LR, BETAS, EPS, WEIGHT_DECAY = 1e-3, (0.9, 0.999), 1e-8, 1e-2
STEPS = 10  # whose losses are compared
TOLERANCE = 1e-3  # relative: rounding differs, and steps carry it on

Step = Callable[[], list[float]]


def start(name: str) -> tuple[list[Any], Any, Any]:
    """Return the weights and biases, layer by layer, the inputs and the classes, of NumPy."""
    numpy = engines.load(NUMPY)
    sizes, _, rows = SHAPES[name]
    rng = numpy.random.default_rng(42)
    parameters = []
    for nin, nout in itertools.pairwise(sizes):
        parameters.append(rng.uniform(-1.0, 1.0, (nout, nin)) * nin**-0.5)
        parameters.append(rng.uniform(-1.0, 1.0, nout) * nin**-0.5)
    inputs = rng.standard_normal((rows, sizes[0]))
    classes = rng.integers(0, sizes[-1], rows)
    return [p.astype("float32") for p in parameters], inputs.astype("float32"), classes


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


def eager_step(functional: Any, optimizer: Any, network: Any, data: Any) -> tuple[Step, list[Any]]:
    """Return a step of an eager library, and its latest loss.

    Args:
        functional: its linear, tanh, relu and cross_entropy.
        network: its parameters, and the name of the activation.
        data: its inputs and classes.
    """
    parameters, activation = network
    inputs, classes = data
    linear, cross_entropy = functional.linear, functional.cross_entropy
    activate = getattr(functional, activation)
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))

    def forward() -> Any:
        x = inputs
        for weight, bias in layers[:-1]:
            x = activate(linear(x, weight, bias))
        return cross_entropy(linear(x, *layers[-1]), classes)

    return timed(forward, optimizer)


def our_step(name: str) -> tuple[Step, list[Any]]:
    """Return the step on our Tensors."""
    package = engines.load(C_ENGINE)
    optim = importlib.import_module("pymicrograd.optim")
    weights, inputs, classes = start(name)
    parameters = [package.tensor(p, requires_grad=True) for p in weights]
    optimizer = optim.AdamW(parameters, LR, BETAS, EPS, WEIGHT_DECAY)
    data = package.tensor(inputs), package.tensor(classes)
    return eager_step(package.functional, optimizer, (parameters, SHAPES[name][1]), data)


def torch_parts(name: str) -> tuple[Any, Any, list[Any], tuple[Any, Any]]:
    """Return torch's functional, an optimizer and its parameters, and inputs and classes."""
    torch = engines.load(TORCH)
    weights, inputs, classes = start(name)
    parameters = [torch.tensor(p, requires_grad=True) for p in weights]
    optimizer = torch.optim.AdamW(parameters, LR, BETAS, EPS, WEIGHT_DECAY, fused=True)
    functional = torch.nn.functional
    functional.tanh = torch.tanh  # the one of functional is to be avoided
    return functional, optimizer, parameters, (torch.tensor(inputs), torch.tensor(classes))


def torch_step(name: str) -> tuple[Step, list[Any]]:
    """Return the step on torch's."""
    functional, optimizer, parameters, data = torch_parts(name)
    return eager_step(functional, optimizer, (parameters, SHAPES[name][1]), data)


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
    optimizer, criterion = optim.Adam(model.parameters(), lr=LR), nn.CrossEntropyLoss()
    inputs = library.tensor(rng.standard_normal(shape).astype("float32"))
    targets = library.tensor(rng.integers(0, classes, shape[0]))
    return timed(lambda: criterion(model(inputs), targets), optimizer)


def jax_step(name: str) -> tuple[Step, list[Any]]:
    """Return the step of JAX, one compiled function of parameters and moments."""
    jax = engines.load(JAX)
    weights, inputs, classes = (
        jax.tree_util.tree_map(jax.numpy.asarray, part) for part in start(name)
    )
    zeros = [jax.numpy.zeros_like(p) for p in weights]
    state = weights, zeros, zeros, jax.numpy.float32(0.0)
    train = jax_train(jax, name, inputs, classes)
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


def jax_train(jax: Any, name: str, inputs: Any, classes: Any) -> Callable[[Any], Any]:
    """Return the compiled function: of a state the loss and the next state."""
    jnp = jax.numpy
    activate = {"tanh": jnp.tanh, "relu": jax.nn.relu}[SHAPES[name][1]]
    beta1, beta2 = BETAS

    def loss_of(parameters: Any) -> Any:
        x = inputs
        for i in range(0, len(parameters) - 2, 2):
            x = activate(x @ parameters[i].T + parameters[i + 1])
        logits = jax.nn.log_softmax(x @ parameters[-2].T + parameters[-1])
        return -jnp.take_along_axis(logits, classes[:, None], 1).mean()

    def update(p: Any, g: Any, m: Any, v: Any, t: Any) -> Any:
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        divisor = jnp.sqrt(v) / jnp.sqrt(1 - beta2**t) + EPS
        return (1 - LR * WEIGHT_DECAY) * p - LR / (1 - beta1**t) * (m / divisor), m, v

    @jax.jit  # type: ignore[untyped-decorator]
    def train(state: Any) -> Any:
        parameters, first, second, t = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        moved = [
            update(*each, t + 1) for each in zip(parameters, gradients, first, second, strict=True)
        ]
        return loss, (*(list(part) for part in zip(*moved, strict=True)), t + 1)

    return train  # type: ignore[no-any-return]


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case is a network."""
    if case in PROGRAMS:
        step, losses = program_step(engine, case)
    else:
        step, losses = network_step(engine, case)

    def digits() -> list[float]:
        found = []
        for _ in range(STEPS):
            step()
            found += losses
        return found

    return Job(step, digits)


def network_step(engine: str, case: str) -> tuple[Step, list[Any]]:
    """Return the step of a contestant on a network."""
    makers = {C_ENGINE: our_step, TORCH: torch_step, JAX: jax_step}
    return makers[engine](case)


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
