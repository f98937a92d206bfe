"""A training step of a GPT on scalars, in the manner and the sizes of microgpt.

One layer, 4 heads, 16 numbers a token, 27 tokens: 4192 weights, and about 80 000 nodes for a name
of 8 letters. The program uses operators, exp, log and relu only, as microgpt does; it is written
here for any Value. The contestant to beat is a Value like microgpt's: slots, and the derivative by
each operand computed when the node is made.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.predecessors import Slots

from . import engines
from .engines import C_ENGINE, REFERENCE
from .report import Report, contest_table
from .runner import Contestant, Effort, contest
from .worker import Job, timed

SLOTS = "slots Value"
WIDTH, HEADS, BLOCK, TOKENS = 16, 4, 16, 27
HEAD = WIDTH // HEADS
NAMES = ("isabella", "victoria", "penelope", "savannah", "brooklyn", "caroline")
BOUNDARY = TOKENS - 1  # the token before and after a name

Matrix = list[list[Any]]
SHAPES = {
    "token": (TOKENS, WIDTH),
    "position": (BLOCK, WIDTH),
    "query": (WIDTH, WIDTH),
    "key": (WIDTH, WIDTH),
    "value": (WIDTH, WIDTH),
    "out": (WIDTH, WIDTH),
    "up": (4 * WIDTH, WIDTH),
    "down": (WIDTH, 4 * WIDTH),
    "head": (TOKENS, WIDTH),
}


# ---- the model ---------------------------------------------------------------------------------


def first_weights(value: Any) -> dict[str, Matrix]:
    """Return the weights before the first step."""
    generator = random.Random(42)
    return {
        name: [[value(generator.gauss(0.0, 0.08)) for _ in range(nin)] for _ in range(nout)]
        for name, (nout, nin) in SHAPES.items()
    }


def linear(x: Sequence[Any], w: Matrix) -> list[Any]:
    """Return the product of a matrix and a vector."""
    return [sum(wi * xi for wi, xi in zip(row, x, strict=True)) for row in w]


class Choosing(NamedTuple):
    """How a program takes a place of a list, and the largest of some Values."""

    at: Callable[[Sequence[Any], int], Any] = operator.getitem
    largest: Callable[[Sequence[Any]], Any] = lambda values: max(v.data for v in values)


PLAIN = Choosing()


def softmax(logits: Sequence[Any], by: Choosing = PLAIN) -> list[Any]:
    """Return the shares of exp(logit); the largest logit is taken by its data."""
    largest = by.largest(logits)
    exponentials = [(v - largest).exp() for v in logits]
    total = sum(exponentials)
    return [e / total for e in exponentials]


def rmsnorm(x: Sequence[Any]) -> list[Any]:
    """Return x divided by the root of its mean square."""
    mean_square = sum(xi * xi for xi in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def attend(query: list[Any], keys: Matrix, values: Matrix, by: Choosing) -> list[Any]:
    """Return, head by head, the values weighted by how well their keys fit the query."""
    result = []
    for first in range(0, WIDTH, HEAD):
        part = slice(first, first + HEAD)
        q = query[part]
        scores = [
            sum(qi * ki for qi, ki in zip(q, key[part], strict=True)) / HEAD**0.5 for key in keys
        ]
        weights = softmax(scores, by)
        for j in range(first, first + HEAD):
            result.append(sum(w * v[j] for w, v in zip(weights, values, strict=True)))
    return result


def next_logits(
    weights: dict[str, Matrix],
    token: int,
    position: int,
    keys: Matrix,
    values: Matrix,
    by: Choosing,
) -> list[Any]:
    """Return the scores of what follows a token; keys and values of earlier ones grow by one."""
    embeddings = zip(by.at(weights["token"], token), weights["position"][position], strict=True)
    x = rmsnorm([t + p for t, p in embeddings])
    normal = rmsnorm(x)
    keys.append(linear(normal, weights["key"]))
    values.append(linear(normal, weights["value"]))
    attended = attend(linear(normal, weights["query"]), keys, values, by)
    x = [a + b for a, b in zip(linear(attended, weights["out"]), x, strict=True)]
    hidden = [v.relu() for v in linear(rmsnorm(x), weights["up"])]
    x = [a + b for a, b in zip(linear(hidden, weights["down"]), x, strict=True)]
    return linear(x, weights["head"])


def tokens_of(name: str) -> list[int]:
    """Return a name between boundaries."""
    return [BOUNDARY, *(ord(letter) - ord("a") for letter in name), BOUNDARY]


def loss_of(weights: dict[str, Matrix], tokens: Sequence[int], by: Choosing = PLAIN) -> Any:
    """Return the mean of -log(probability) of the letters of a name and its end."""
    keys: Matrix = []
    values: Matrix = []
    losses = []
    for position, token in enumerate(tokens[:-1]):
        probabilities = softmax(next_logits(weights, token, position, keys, values, by), by)
        losses.append(-by.at(probabilities, tokens[position + 1]).log())
    return (1 / len(losses)) * sum(losses)


def make_step(value: Any) -> tuple[Callable[[], float], list[Any]]:
    """Return a training step that returns the loss, and the parameters."""
    weights = first_weights(value)
    parameters = [p for matrix in weights.values() for row in matrix for p in row]
    m, v = [0.0] * len(parameters), [0.0] * len(parameters)
    beta1, beta2, lr, eps = 0.85, 0.99, 0.01, 1e-8
    steps = 0

    def step() -> float:
        nonlocal steps
        loss = loss_of(weights, tokens_of(NAMES[steps % len(NAMES)]))
        loss.backward()
        steps += 1
        for i, p in enumerate(parameters):
            m[i] = beta1 * m[i] + (1 - beta1) * p.grad
            v[i] = beta2 * v[i] + (1 - beta2) * p.grad**2
            m_hat = m[i] / (1 - beta1**steps)
            v_hat = v[i] / (1 - beta2**steps)
            p.data -= lr * m_hat / (v_hat**0.5 + eps)
            p.grad = 0.0
        return float(loss.data)

    return step, parameters


# ---- the contest -------------------------------------------------------------------------------


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant."""
    step, parameters = make_step(Slots if form == SLOTS else engines.load(engine).Value)

    def digits() -> list[float]:
        return [step() for _ in range(3)] + [float(p.data) for p in parameters]

    return Job(timed(step), digits)


def run(report: Report, effort: Effort) -> None:
    """Print the table."""
    ours = Contestant(C_ENGINE)
    names = {
        Contestant(REFERENCE, SLOTS): "slots Value in microgpt's style",
        Contestant(REFERENCE): "reference",
        ours: "C engine",
    }
    with contest("microgpt", names, effort) as training:
        measured = training.measure("step")
    report.say(
        "Forward, backward and Adam of a GPT in plain arithmetic on Values: 4192 weights, names of"
        " 8 letters. Three losses and all weights after them are equal to the bit."
    )
    contest_table(report, measured, ours, names, 1e-3, "ms a step")
    report.missing(training.missing.values())
