"""A whole training step: forward, backward and AdamW of MLP(2, [16, 3]) on 80 points.

One program in three forms: plain arithmetic on Values, as a user of micrograd writes it; nn.MLP,
cross_entropy and AdamW called once an example; and called once a batch. All of them record the
same nodes, so that their digits are equal. PyPI's micrograd has only the first; torch trains the
same network on float64 tensors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from pymicrograd import data
from pymicrograd.reference import RNG

from . import engines
from .engines import C_ENGINE, MICROGRAD, REFERENCE, TORCH
from .report import Report, contest_table
from .runner import Contestant, Effort, contest
from .worker import Job, timed

PLAIN, LOOP, BATCH, TENSORS = "plain", "loop", "batch", "tensors"
SIZES = (2, 16, 3)
BETAS = (0.9, 0.95)
LR, EPS, WEIGHT_DECAY = 0.1, 1e-8, 1e-4

# Layers of neurons, each of which is its weights and its bias: Values, or numbers.
Network = list[list[tuple[list[Any], Any]]]


def start() -> tuple[Network, list[list[float]], list[int]]:
    """Return LLM101n's first weights, and the inputs and classes of its 80 training points."""
    rng = RNG(42)
    points, _, _ = data.gen_data(rng, 100)
    weights: Network = [
        [([rng.uniform(-1, 1) * nin**-0.5 for _ in range(nin)], 0.0) for _ in range(nout)]
        for nin, nout in itertools.pairwise(SIZES)
    ]
    return weights, [x for x, _ in points], [label for _, label in points]


# ---- plain arithmetic on Values ----------------------------------------------------------------


def plain_network(value: Any) -> Network:
    """Return the network with Values for its weights."""
    return [[([value(w) for w in ws], value(b)) for ws, b in layer] for layer in start()[0]]


def parameters_of(network: Network) -> list[Any]:
    """Return the Values of a network in their order."""
    return [p for layer in network for ws, b in layer for p in (*ws, b)]


def plain_logits(network: Network, x: Sequence[Any]) -> list[Any]:
    """Return the outputs of the network for one point."""
    hidden, last = network
    h = [sum((wi * xi for wi, xi in zip(w, x, strict=True)), b).tanh() for w, b in hidden]
    return [sum((wi * xi for wi, xi in zip(w, h, strict=True)), b) for w, b in last]


def plain_cross_entropy(logits: Sequence[Any], target: int) -> Any:
    """Return -log(softmax(logits)[target]); the largest logit is taken by its data."""
    largest = max(v.data for v in logits)
    exponentials = [(v - largest).exp() for v in logits]
    total = sum(exponentials)
    probabilities = [e / total for e in exponentials]
    return -(probabilities[target].log())


def plain_loss(value: Any, network: Network, inputs: Any, labels: Sequence[int]) -> Any:
    """Return the mean loss of all points."""
    loss = value(0.0)
    for x, label in zip(inputs, labels, strict=True):
        loss = loss + plain_cross_entropy(plain_logits(network, x), label)
    return loss * (1.0 / len(labels))


class PlainAdamW:
    """LLM101n's AdamW, whose state is attributes of the Values."""

    def __init__(self, parameters: list[Any]) -> None:
        self.parameters = parameters
        self.t = 0
        for p in parameters:
            p.m = p.v = 0.0

    def step(self) -> None:
        """Move every parameter once, and clear its gradient."""
        self.t += 1
        beta1, beta2 = BETAS
        for p in self.parameters:
            p.m = beta1 * p.m + (1 - beta1) * p.grad
            p.v = beta2 * p.v + (1 - beta2) * (p.grad**2)
            m_hat = p.m / (1 - beta1**self.t)
            v_hat = p.v / (1 - beta2**self.t)
            p.data -= LR * (m_hat / (v_hat**0.5 + EPS) + WEIGHT_DECAY * p.data)
            p.grad = 0.0


def plain_step(engine: Any, form: str) -> tuple[Callable[[], float], list[Any]]:
    """Return a step that returns the loss, and the parameters."""
    _, points, labels = start()
    network = plain_network(engine.Value)
    parameters = parameters_of(network)
    optimizer = PlainAdamW(parameters)
    inputs = [[engine.Value(x) for x in point] for point in points]

    def step() -> float:
        loss = plain_loss(engine.Value, network, inputs, labels)
        loss.backward()
        optimizer.step()
        return float(loss.data)

    return step, parameters


# ---- nn.MLP, cross_entropy and AdamW -----------------------------------------------------------


def model_step(engine: Any, form: str) -> tuple[Callable[[], float], list[Any]]:
    """Return a step that returns the loss, and the parameters."""
    weights, points, labels = start()
    model = engine.MLP(SIZES[0], list(SIZES[1:]))
    parameters = model.parameters()
    for p, number in zip(parameters, parameters_of(weights), strict=True):
        p.data = number
    optimizer = engine.AdamW(parameters, lr=LR, betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY)
    inputs = [[engine.Value(x) for x in point] for point in points]
    cross_entropy = engine.cross_entropy

    def loss_of_loop() -> Any:
        loss = engine.Value(0.0)
        for x, label in zip(inputs, labels, strict=True):
            loss = loss + cross_entropy(model(x), label)
        return loss * (1.0 / len(labels))

    def loss_of_batch() -> Any:
        return cross_entropy(model(inputs), labels)

    loss_of = loss_of_loop if form == LOOP else loss_of_batch

    def step() -> float:
        loss = loss_of()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.data)

    return step, parameters


def tensor_step(torch: Any) -> tuple[Callable[[], float], Callable[[], list[float]]]:
    """Return a step of torch that returns the loss, and what lists the weights as they are."""
    weights, points, labels = start()
    functional = torch.nn.functional
    inputs, targets = torch.tensor(points, dtype=torch.float64), torch.tensor(labels)
    parameters: list[Any] = []
    for layer in weights:
        for part in ([ws for ws, _ in layer], [b for _, b in layer]):
            parameters.append(torch.tensor(part, dtype=torch.float64, requires_grad=True))
    w1, b1, w2, b2 = parameters
    optimizer = torch.optim.AdamW(
        parameters, lr=LR, betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY
    )

    def step() -> float:
        hidden = torch.tanh(functional.linear(inputs, w1, b1))
        loss = functional.cross_entropy(functional.linear(hidden, w2, b2), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    def numbers() -> list[float]:
        return [
            number
            for w, b in ((w1, b1), (w2, b2))
            for ws, bias in zip(w.tolist(), b.tolist(), strict=True)
            for number in (*ws, bias)
        ]

    return step, numbers


# ---- the contest -------------------------------------------------------------------------------


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant."""
    module = engines.load(engine)
    if form == TENSORS:
        step, numbers = tensor_step(module)
        return Job(timed(step), lambda: [step() for _ in range(5)] + numbers())
    make_step: Callable[[Any, str], Any] = plain_step if form == PLAIN else model_step
    step, parameters = make_step(module, form)
    return Job(
        timed(step), lambda: [step() for _ in range(5)] + [float(p.data) for p in parameters]
    )


def run(report: Report, effort: Effort) -> None:
    """Print a table for each form; all are of one run."""
    everyone = [Contestant(MICROGRAD, PLAIN)]
    everyone += [Contestant(e, f) for f in (PLAIN, LOOP, BATCH) for e in (REFERENCE, C_ENGINE)]
    everyone.append(Contestant(TORCH, TENSORS))
    with contest("train", everyone, effort) as training:
        measured = training.measure("step")
    report.say(
        "Forward, backward and AdamW of MLP(2, [16, 3]) on 80 points. Five losses and the weights"
        " after them are equal to the bit between C engine and reference, in all forms; where"
        " micrograd, whose order of additions varies, and torch take part, they agree to"
        f" {engines.TOLERANCE:g}. With the collector off, micrograd's graphs stay: nobody frees"
        " them while the clock runs."
    )
    titles = {
        PLAIN: "Plain arithmetic on Values, sums of generators, AdamW as a loop:",
        LOOP: "nn.MLP, cross_entropy and AdamW, called once an example; micrograd as above:",
        BATCH: "nn.MLP, cross_entropy and AdamW, called once a batch; micrograd as above:",
    }
    for form, title in titles.items():
        report.say(title)
        names = {
            Contestant(MICROGRAD, PLAIN): f"{engines.version_of(MICROGRAD)}, plain",
            Contestant(REFERENCE, form): f"reference, {form}",
            Contestant(C_ENGINE, form): f"C engine, {form}",
        }
        if form == BATCH:
            names[Contestant(TORCH, TENSORS)] = f"{engines.version_of(TORCH)}, float64 tensors"
        contest_table(report, measured, Contestant(C_ENGINE, form), names, 1e-3, "ms a step")
    report.missing(training.missing.values())
