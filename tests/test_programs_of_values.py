"""Programs of Values do, to the last bit, what the loop does that they stand for."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import itertools
import math
import random
import re
import signal
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import pymicrograd
from pymicrograd import RNG, Value, _core, at, compile, largest, nn, optim, programs
from pymicrograd.errors import GradientError, OutOfMemoryError, RecordingError
from pymicrograd.nn import functional as F

ISAS = ("baseline", "avx2", "avx512")
ERRORS = (ArithmeticError, ValueError)
HOSTILE = (0.0, -0.0, 1.0, -1.0, 2.0, 1e-320, 1e200, -1e200, math.inf, -math.inf, math.nan)


def bits(numbers: Sequence[float]) -> list[Any]:
    """Return what tells numbers apart; every NaN is the same."""
    return [None if math.isnan(x) else struct.pack("d", x) for x in numbers]


def state(values: Sequence[Value]) -> list[Any]:
    return bits([x for v in values for x in (v.data, v.grad)])


@pytest.fixture(params=ISAS)
def every_isa(request: pytest.FixtureRequest) -> Any:
    before = pymicrograd.isa()
    try:
        pymicrograd.set_isa(request.param)
    except ValueError:
        pytest.skip(f"this machine has no {request.param}")
    yield request.param
    pymicrograd.set_isa(before)


# ---- training --------------------------------------------------------------------------------


def points(count: int) -> tuple[list[list[float]], list[int]]:
    rng = random.Random(5)
    rows = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(count)]
    return rows, [int(x > 0) + int(y > 0.5) for x, y in rows]


def classifier(optimizer: Any, hidden: int = 5, count: int = 7) -> Any:
    """Return a model, its optimizer and a function that computes its loss."""
    model = nn.MLP(2, [hidden, 3], rng=RNG(7))
    xs, ys = points(count)
    return model, optimizer(model.parameters()), lambda: F.cross_entropy(model(xs), ys)


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.3),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "nesterov": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.8, nesterov=True),
    "adam": lambda ps: optim.Adam(ps, lr=0.05, weight_decay=0.02),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.05, weight_decay=0.02),
    "groups": lambda ps: optim.AdamW(
        [{"params": list(ps)[:4], "lr": 0.01}, {"params": list(ps)[4:], "betas": (0.5, 0.6)}]
    ),
}


def loop(loss_of: Callable[[], Value], optimizer: Any, steps: int) -> list[float]:
    """Do what a program stands for."""
    losses = []
    for _ in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.data)
    return losses


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_is_the_loop(name: str) -> None:
    model, optimizer, loss_of = classifier(OPTIMIZERS[name])
    twin, twin_optimizer, twin_loss_of = classifier(OPTIMIZERS[name])
    loss = loss_of()
    program = compile(loss, optimizer)
    losses = program.run(3) + program.run(9)
    expected = loop(twin_loss_of, twin_optimizer, 12)
    assert bits(losses) == bits(expected)
    assert state(model.parameters()) == state(twin.parameters())
    assert loss.data == losses[-1] and loss.grad == 1.0
    saved, twin_saved = optimizer.state_dict(), twin_optimizer.state_dict()
    assert saved == twin_saved
    assert loop(loss_of, optimizer, 2) == loop(twin_loss_of, twin_optimizer, 2)


def test_every_set_gives_the_same_bits(every_isa: str) -> None:
    model, optimizer, loss_of = classifier(OPTIMIZERS["adamw"], 9, 21)
    twin, twin_optimizer, twin_loss_of = classifier(OPTIMIZERS["adamw"], 9, 21)
    assert compile(loss_of(), optimizer).run(8) == loop(twin_loss_of, twin_optimizer, 8)
    assert state(model.parameters()) == state(twin.parameters())


def test_a_loss_that_is_a_parameter_is_what_that_was() -> None:
    """Its data is written from where the next step has the parameter's."""
    w = Value(2.0)
    optimizer, loss = optim.SGD([w], lr=0.5), w * 1.0
    assert compile(loss, optimizer).run(3) == [2.0, 1.5, 1.0]
    assert (loss.data, w.data, w.grad) == (1.0, 0.5, 1.0)

    @compile(values=True)
    def step() -> Any:
        optimizer.zero_grad()
        (w * 1.0).backward()
        before = w * 1.0
        optimizer.step()
        return before, w * 1.0

    assert [[x.data for x in step()] for _ in range(3)] == [[0.5, 0.0], [0.0, -0.5], [-0.5, -1.0]]


def test_options_and_state_are_read_at_each_run() -> None:
    model, optimizer, loss_of = classifier(OPTIMIZERS["adam"])
    twin, twin_optimizer, twin_loss_of = classifier(OPTIMIZERS["adam"])
    program = compile(loss_of(), optimizer)
    for lr in (0.1, 0.01):
        for each in (optimizer, twin_optimizer):
            each.lr = lr
            each.m = [0.25] * len(each.m)
        assert program.run(2) == loop(twin_loss_of, twin_optimizer, 2)
    assert state(model.parameters()) == state(twin.parameters())


def test_two_programs_share_parameters() -> None:
    model, optimizer, loss_of = classifier(OPTIMIZERS["sgd"])
    twin, twin_optimizer, twin_loss_of = classifier(OPTIMIZERS["sgd"])
    first = compile(loss_of(), optimizer)
    second = compile(sum(p * p for p in model.parameters()), optimizer)
    for _ in range(3):
        first.run(2)
        second.run()
        loop(twin_loss_of, twin_optimizer, 2)
        loop(lambda: sum(p * p for p in twin.parameters()), twin_optimizer, 1)
    assert state(model.parameters()) == state(twin.parameters())


def test_a_program_says_what_it_does() -> None:
    _, optimizer, loss_of = classifier(OPTIMIZERS["adamw"], 16, 80)
    text = compile(loss_of(), optimizer).explain()
    assert "times tanh\n" in text and "gradient of tanh\n" in text
    assert text.endswith("update: 99 parameters")
    assert re.search(r"chain: \d+ times [148] sums of 80 products", text)
    assert text.count("\n") < 60


def test_a_program_does_not_need_its_graph() -> None:
    gc.collect()
    before = pymicrograd.memory_usage()
    model, optimizer, loss_of = classifier(OPTIMIZERS["adamw"])
    program = compile(loss_of(), optimizer)
    gc.collect()
    held = pymicrograd.memory_usage()["nodes"] - before["nodes"]
    assert held == len(list(model.parameters()))
    program.run(2)
    del program, model, optimizer, loss_of
    gc.collect()
    after = pymicrograd.memory_usage()
    assert after["nodes"] == before["nodes"]
    assert after["bytes"] - before["bytes"] <= 1 << 19  # chunks of nodes stay


# ---- any graph -------------------------------------------------------------------------------

UNARY = (
    "tanh", "relu", "exp", "log", "sin", "cos", "expm1", "log1p", "sigmoid", "softplus", "gelu",
    "_gelu_tanh", "silu", "erf", "abs", "neg", "square",
)  # fmt: skip
EXPONENTS = (2, -1, 0.5, 3, -2, 1, 0, 1.7, -0.5)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.5)


class Graph:
    """A random expression, computed in the order in which backward walks it.

    Args:
        seed: what it is drawn from.
        leaves: so many.
        size: of operations, about.
    """

    def __init__(self, seed: int, leaves: int, size: int) -> None:
        self.rng, self.leaves, self.steps = random.Random(seed), leaves, []
        self.roots: list[int] = []
        while len(self.steps) < size:
            self.roots.append(self.draw(self.rng.randint(2, 6)))

    def operand(self, depth: int) -> int:
        used = self.leaves + len(self.steps)
        if depth == 0 or self.rng.random() < 0.3:
            recent = self.rng.random() < 0.5
            return self.rng.randrange(max(0, used - 5) if recent else 0, used)
        return self.draw(depth - 1)

    def draw(self, depth: int) -> int:
        rng, first = self.rng, self.operand(depth)
        kind = rng.choice("+*+*+*-/mMufffpPnN")
        second: Any = None
        if kind in "+*-/mMP":
            second = first if rng.random() < 0.1 else self.operand(depth)
        elif kind in "uf":
            second = rng.choice(UNARY)
        elif kind in "nN":
            second = rng.choice(NUMBERS)
        elif kind == "p":
            second = rng.choice(EXPONENTS)
        self.steps.append((kind, first, second))
        return self.leaves + len(self.steps) - 1

    def compute(self, leaves: Sequence[Value]) -> Value:
        values = list(leaves)
        for kind, a, b in self.steps:
            values.append(apply(kind, values[a], values[b] if kind in "+*-/mMP" else b))
        total = values[self.roots[0]]
        for root in self.roots[1:]:
            total = total + values[root]
        return total


def apply(kind: str, a: Value, b: Any) -> Value:
    """Do a step of a graph."""
    if kind in "uf":
        plain = {"abs": lambda: abs(a), "neg": lambda: -a, "square": lambda: a * a}
        return plain[b]() if b in plain else getattr(a, b)()  # type: ignore[no-any-return]
    steps: dict[str, Callable[[], Any]] = {
        "+": lambda: a + b, "*": lambda: a * b, "-": lambda: a - b, "/": lambda: a / b,
        "m": lambda: a.maximum(b), "M": lambda: a.minimum(b), "p": lambda: a**b,
        "P": lambda: a**b, "n": lambda: a * b, "N": lambda: a + b,
    }  # fmt: skip
    return steps[kind]()  # type: ignore[no-any-return]


def outcome(run: Callable[[], Any]) -> Any:
    """Return the class of the exception that a function raises, or None."""
    try:
        run()
    except ERRORS as error:
        return type(error)
    return None


def in_order_of_walk(graph: Graph, leaves: Sequence[Value]) -> Value:
    """Compute a graph with leaves that let it, to be walked."""
    with pymicrograd.ieee():
        return graph.compute(leaves)


def backward(graph: Graph, leaves: Sequence[Value], steps: int, losses: list[float]) -> None:
    """Do steps on a graph, whose gradients add up."""
    for _ in range(steps):
        loss = graph.compute(leaves)
        loss.backward()
        losses.append(loss.data)


def compare(seed: int, size: int, hostile: bool) -> bool:
    """Compare a program with the loop on data that come after it is made; whether it raised."""
    graph, rng = Graph(seed, 4, size), random.Random(seed)
    data = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(4)]
    if hostile:
        data[1:] = [[rng.choice((x, rng.choice(HOSTILE))) for x in row] for row in data[1:]]
    leaves = [Value(x) for x in data[0]]
    twins = [Value(x) for x in data[0]]
    program = compile(in_order_of_walk(graph, leaves))
    raised = False
    for steps, row in enumerate(data, 1):
        for leaf, twin, x in zip(leaves, twins, row, strict=True):
            leaf.data = twin.data = x
        found: list[float] = []
        expected = outcome(functools.partial(backward, graph, twins, steps, found))
        assert outcome(functools.partial(program.run, steps)) == expected, (seed, row)
        assert bits(program.losses) == bits(found), (seed, row)
        assert state(leaves) == state(twins), (seed, row)
        raised |= expected is not None
    return raised


def test_random_graphs() -> None:
    raised = [compare(seed, (8, 30, 120)[seed % 3], seed % 2 == 1) for seed in range(120)]
    assert 20 < sum(raised) < 110


@pytest.mark.all
def test_many_random_graphs(every_isa: str) -> None:
    for seed in range(1000, 4000):
        compare(seed, (8, 30, 120, 400)[seed % 4], seed % 2 == 1)


def test_infinities_go_on_where_ieee_says_so() -> None:
    x, y = Value(0.0), Value(0.0)
    with pymicrograd.ieee():
        loss = (y.log() + y**-1).exp()
        program = compile((x.log() + x**-1).exp())
        loss.backward()
        assert bits(program.run()) == bits([loss.data])
    assert state([x]) == state([y])
    with pytest.raises(ValueError, match=r"step 1, log\(0\.0\): math domain error"):
        program.run()


def test_softmax_looks_for_the_largest_logit_each_time() -> None:
    xs, ys = [Value(1.0), Value(2.0), Value(-1.0)], [Value(1.0), Value(2.0), Value(-1.0)]
    program = compile(F.softmax(xs)[0] + F.cross_entropy(xs, 1))
    for data in ([300.0, -3.0, 5.0], [-900.0, -901.0, -902.5], [0.0, -0.0, 0.0]):
        for x, y, number in zip(xs, ys, data, strict=True):
            x.data = y.data = number
        loss = F.softmax(ys)[0] + F.cross_entropy(ys, 1)
        loss.backward()
        assert bits(program.run()) == bits([loss.data])
        assert state(xs) == state(ys)


# ---- errors ----------------------------------------------------------------------------------


def test_an_error_leaves_what_the_loop_leaves() -> None:
    def parts() -> Any:
        w, x = Value(1.0), Value(0.5)
        return w, x, optim.SGD([w], lr=0.25, momentum=0.5), lambda: (w * x).log() + x * x

    w, x, optimizer, loss_of = parts()
    program = compile(loss_of(), optimizer)
    v, y, twin, twin_loss_of = parts()
    x.data = y.data = 0.7
    with pytest.raises(ValueError, match="log"):
        program.run(10)
    with pytest.raises(ValueError):
        loop(twin_loss_of, twin, 10)
    assert 0 < len(program.losses) < 10
    assert state([w, x]) == state([v, y])
    assert optimizer.state_dict() == twin.state_dict()


def test_an_update_that_fails_changes_nothing() -> None:
    w, x, other = Value(1.0), Value(1e200), Value(2.0)
    optimizer = optim.Adam([{"params": [other]}, {"params": [w]}], lr=0.1)
    program = compile(w * x + other, optimizer)
    with pytest.raises(OverflowError, match="step 1, update 1"):
        program.run(2)
    assert (w.data, w.grad, other.grad) == (1.0, 1e200, 1.0)
    assert other.data != 2.0  # the first group has made its step
    assert [optimizer.state[p].get("step", 0) for p in (other, w)] == [1, 0]


def test_what_a_program_refuses() -> None:
    w = Value(1.0)
    own = Value(2.0, (w,), (3.0,))
    with pytest.raises(GradientError):
        compile(own * w)
    hooked = optim.SGD([w], lr=0.1)
    hooked.register_step_pre_hook(lambda *_: None)
    with pytest.raises(ValueError, match="hooks"):
        compile(w * w, hooked)
    with pytest.raises(TypeError, match="of Tensors"):
        compile(w * w, optim.SGD([pymicrograd.ones(2, requires_grad=True)], lr=0.1))
    with pytest.raises(TypeError, match="optimizer"):
        compile(w * w, "SGD")
    optimizer = optim.SGD([w], lr=0.1)
    program = compile(w * w, optimizer)
    optimizer.params = [w, Value(2.0)]
    with pytest.raises(ValueError, match="compile again"):
        program.run()
    with pytest.raises(ValueError, match="at least 0"):
        program.run(-1)
    assert w.data == 1.0 and compile(w * w).run(0) == []


def test_what_is_recorded_already_stays_as_it_is() -> None:
    step = compile(math.sin, values=True)
    assert compile(step) is step and compile(step, values=True) is step
    assert compile(math.sin, values=True, disable=True) is math.sin


def test_a_backward_of_the_same_values_is_busy_no_longer_than_it_lasts() -> None:
    """A rule of the user's may run a program in the middle of a backward."""
    w, x = Value(3.0), Value(2.0)
    program = compile(x * x)
    y = w * 2.0
    y._backward = lambda: program.run()
    (y * 1.0).backward()
    assert x.grad == 4.0


# ---- functions -------------------------------------------------------------------------------


def make_steps(decorate: Callable[[Any], Any]) -> tuple[Any, list[Any], Any]:
    """Return a training step of a few floats, its parameters and its optimizer."""
    model = nn.MLP(2, [4, 3], rng=RNG(3))
    optimizer = optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.01)

    @decorate
    def step(rows: Any, targets: tuple[int, ...], scale: float) -> Any:
        logits = model(rows)
        loss = F.cross_entropy(logits, list(targets)) * scale
        optimizer.zero_grad()
        loss.backward()
        before = logits[0][0] * 1.5  # with the parameters as they were
        optimizer.step()
        return loss, [before, model(rows)[0][1]]

    return step, list(model.parameters()), optimizer


def test_a_function_is_the_function() -> None:
    step, parameters, optimizer = make_steps(compile(values=True))
    twin, twins, twin_optimizer = make_steps(lambda function: function)
    rng = random.Random(1)
    for turn in range(9):
        count = 2 + turn % 2
        rows = [[rng.gauss(0, 2), rng.gauss(0, 2)] for _ in range(count)]
        targets = tuple([turn % 3, 1, 2][:count])
        optimizer.lr = twin_optimizer.lr = 0.1 / (1 + turn)
        loss, others = step(rows, targets, 0.5 + turn)
        expected, twin_others = twin(rows, targets, 0.5 + turn)
        values, twin_values = [loss, *others], [expected, *twin_others]
        assert bits([v.data for v in values]) == bits([v.data for v in twin_values])
        assert state(parameters) == state(twins)
    assert optimizer.state_dict() == twin_optimizer.state_dict()
    assert [len(family._variants) for family in step._families.values()] == [1, 1]


def test_whatever_a_function_does_with_gradients() -> None:
    def parts(decorate: Callable[[Any], Any]) -> Any:
        w, v = Value(0.7), Value(-0.3)
        first, second = optim.SGD([w], lr=0.1, momentum=0.5), optim.Adam([v, w], lr=0.2)

        @decorate
        def step(x: float) -> Any:
            y = (w * x + v).tanh()
            y.backward()
            y.backward(2.0)  # gradients add up
            first.step()
            z = (w * v).exp() + y
            z.backward()
            second.step()
            v.grad = 0.25
            v.data = 0.5
            return [y, z, w * v]

        return step, [w, v]

    step, leaves = parts(compile(values=True))
    twin, twins = parts(lambda function: function)
    for x in (1.0, -2.0, 0.0, 3.5):
        for leaf in (leaves[1], twins[1]):
            leaf.grad += x
        found, expected = step(x), twin(x)
        assert bits([a.data for a in found]) == bits([a.data for a in expected])
        assert state(leaves) == state(twins)


def test_a_function_stops_where_the_loop_does() -> None:
    def parts(decorate: Callable[[Any], Any]) -> Any:
        w = Value(1.0)
        optimizer = optim.SGD([w], lr=0.5)

        @decorate
        def step(x: float) -> Any:
            for factor in (1.0, x):
                optimizer.zero_grad()
                loss = (w * factor).log() * factor
                loss.backward()
                optimizer.step()
            return loss

        return step, w

    step, w = parts(compile(values=True))
    twin, v = parts(lambda function: function)
    for x in (0.5, -1.0, 0.25):
        assert outcome(functools.partial(step, x)) == outcome(functools.partial(twin, x))
        assert state([w]) == state([v])


FREE: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "square": (lambda x: x**2, [3.0, 4.0, -0.0]),
    "input": (lambda x: x, [3.0, -1.5]),
    "constant": (lambda: Value(3.0) * 2.0, []),
    "nothing": (lambda x: None, [3.0, 4.0]),
    "made": (lambda x: Value(x) * x + Value(x), [3.0, 4.0, -0.0]),
}


@pytest.mark.parametrize("name", FREE)
def test_a_function_needs_no_values_from_outside(name: str) -> None:
    function, inputs = FREE[name]
    program = compile(function, values=True)
    for arguments in [(x,) for x in inputs] or [(), ()] * (name == "constant"):
        found = program(*arguments)
        expected = function(*arguments)
        if expected is None:
            assert found is None
        else:
            number = expected.data if isinstance(expected, Value) else expected
            assert bits([found.data]) == bits([number])


def test_inputs_may_be_made_values() -> None:
    def parts(decorate: Callable[[Any], Any]) -> Any:
        w = Value(2.0)
        optimizer = optim.Adam([w], lr=0.1)

        @decorate
        def step(rows: list[float], y: float) -> Any:
            first, second = [Value(x) for x in rows]
            loss = (first * w + second * first - Value(y) * first) ** 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step, w

    step, w = parts(compile(values=True))
    twin, v = parts(lambda function: function)
    for i in range(5):
        arguments = [0.3 * i, -1.0], -0.5
        assert bits([step(*arguments).data]) == bits([twin(*arguments).data])
        assert state([w]) == state([v])


def test_portable_functions_serve_programs_too() -> None:
    before = pymicrograd.get_math()
    pymicrograd.set_math("portable")
    try:
        loss, optimizer, parameters = powers()
        program = compile(loss(), optimizer)
        twin_loss, twin_optimizer, twins = powers()
        for _ in range(4):
            root = twin_loss()
            twin_optimizer.zero_grad()
            root.backward()
            twin_optimizer.step()
            assert bits(program.run()) == bits([root.data])
        assert state(parameters) == state(twins)
    finally:
        pymicrograd.set_math(before)


def powers() -> tuple[Callable[[], Value], Any, list[Value]]:
    """Return a loss with the exponents that programs compute without pow, and its optimizer."""
    rng = random.Random(3)
    parameters = [Value(rng.uniform(0.5, 2.0)) for _ in range(40)]

    def loss() -> Value:
        terms = [p ** (2, -1, 0.5, 3, -2)[i % 5] for i, p in enumerate(parameters)]
        return sum((t.tanh() for t in terms), Value(0.0)).exp() * 1e-9

    return loss, optim.AdamW(parameters, lr=0.01), parameters


# ---- choices ---------------------------------------------------------------------------------


class Choosing:
    """A random function of Values that chooses from lists by ints among its arguments.

    Args:
        seed: what it is drawn from.
    """

    def __init__(self, seed: int) -> None:
        self.seed, rng = seed, random.Random(seed)
        self.leaves = [Value(rng.gauss(0, 1)) for _ in range(6)]
        self.table = [[Value(rng.gauss(0, 1)) for _ in range(2)] for _ in range(4)]

    def state(self) -> list[Any]:
        return state([*self.leaves, *(v for row in self.table for v in row)])

    def __call__(self, indices: Sequence[int], x: float) -> Value:
        rng = random.Random(self.seed)
        values: list[Any] = [*self.leaves, Value(x), *at(self.table, indices[0])]
        for _ in range(rng.randint(1, 5)):
            values.append(self.draw(rng, values, indices))
        loss = values[-1]
        for v in rng.sample(values, 3):
            loss = loss + v if rng.random() < 0.7 else v * loss
        loss.backward()
        if rng.random() < 0.3:
            (loss * values[-1]).backward()
        return loss

    def draw(self, rng: random.Random, values: list[Any], indices: Sequence[int]) -> Value:
        """Return a choice among rows of numbers that are alike, or something of it."""
        shared = [rng.choice(values) for _ in range(3)]
        own = [[rng.choice(self.leaves) for _ in shared] for _ in range(4)]
        rows = [sum((w * x for w, x in zip(row, shared, strict=True)), Value(0.0)) for row in own]
        index, kind = rng.choice(indices), rng.choice("rtsStcmx")
        if kind == "c":
            return F.cross_entropy(rows, index)
        if kind == "s":
            return at(F.softmax(rows), index).log()
        rows = [v.tanh() for v in rows]
        if kind == "x":  # not alike
            rows[1] = rows[2] * 0.5
        chosen = at(rows, index)
        if kind == "S":
            return chosen * chosen + at(rows, rng.choice(indices)) * 0.25
        if kind == "m":
            return sum(rows, Value(0.0)) * chosen - largest(rows)
        return chosen * sum(rows, Value(0.0)) if kind == "t" else chosen**2


def compare_choices(seed: int) -> int:
    """Compare a function that chooses with its program; return how many programs there are."""
    found, expected = Choosing(seed), Choosing(seed)
    step, rng = compile(found, values=True), random.Random(seed)
    for turn in range(6):
        indices, x = [rng.randrange(4) for _ in range(3)], rng.gauss(0, 1)
        if turn == 4:
            for leaf in (*found.leaves, *expected.leaves):
                leaf.grad = -0.0
        losses = [step(indices, x), expected(indices, x)]
        assert bits([losses[0].data]) == bits([losses[1].data]), (seed, indices)
        assert found.state() == expected.state(), (seed, indices)
    return sum(len(family._variants) for family in step._families.values())


def test_choices_are_those_of_lists() -> None:
    counts = [compare_choices(seed) for seed in range(60)]
    assert counts.count(1) > 20  # one program for all indices; else one for each


@pytest.mark.all
def test_many_choices_are_those_of_lists(every_isa: str) -> None:
    for seed in range(100, 1500):
        compare_choices(seed)


def small_gpt(decorate: Callable[[Any], Any]) -> tuple[Any, list[Value], Any]:
    """Return a step on tokens: an embedding, a layer, a softmax of one's own; and what it moves."""
    rng = random.Random(2)
    first, table, head = (
        [[Value(rng.gauss(0, 0.5)) for _ in range(3)] for _ in range(n)] for n in (3, 5, 5)
    )
    parameters = [p for matrix in (first, table, head) for row in matrix for p in row]
    optimizer = optim.Adam(parameters, lr=0.05)

    def linear(x: list[Value], w: list[list[Value]]) -> list[Value]:
        return [sum((a * b for a, b in zip(row, x, strict=True)), Value(0.0)) for row in w]

    def loss_of(token: int, target: int) -> Value:
        x = [v.tanh() for v in linear(at(table, token), first)]
        logits = linear(x, head)
        top = largest(logits)
        exponentials = [(v - top).exp() for v in logits]
        total = sum(exponentials[1:], exponentials[0])
        return -at([e / total for e in exponentials], target).log()

    @decorate
    def step(tokens: list[int]) -> Value:
        losses = [loss_of(token, target) for token, target in itertools.pairwise(tokens)]
        loss = sum(losses[1:], losses[0]) * (1 / len(losses))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, parameters, optimizer


def test_one_program_serves_all_tokens() -> None:
    step, parameters, _ = small_gpt(compile(values=True))
    twin, twins, _ = small_gpt(lambda function: function)
    rng = random.Random(1)
    for turn in range(20):
        tokens = [rng.randrange(5) for _ in range(4 + turn % 2)]
        assert bits([step(tokens).data]) == bits([twin(tokens).data])
        assert state(parameters) == state(twins)
    assert [len(family._variants) for family in step._families.values()] == [1, 1]
    before = state(parameters)
    with pytest.raises(IndexError):
        step([0, 1, 2, 5])
    assert state(parameters) == before
    assert bits([step([0, -1, 2, 3]).data]) == bits([twin([0, -1, 2, 3]).data])


def test_an_int_that_does_more_than_choose_is_none_of_the_inputs() -> None:
    w = [Value(1.0), Value(2.0), Value(3.0)]

    def function(count: int, index: int, offset: int) -> Value:
        total = at(w, index)
        for _ in range(count):
            total = total * 2.0 + offset
        return total + (1.0 if isinstance(index, int) else 0.0)

    step = compile(function, values=True)
    rng = random.Random(1)
    for _ in range(20):
        arguments = rng.randrange(3), rng.randrange(3), rng.choice((1, -7))
        assert step(*arguments).data == function(*arguments).data
    (family,) = step._families.values()
    assert set(family._variants) == {(n, k) for n in range(3) for k in (1, -7)}


def test_what_was_chosen_ends_with_a_step() -> None:
    w = [Value(1.0), Value(2.0)]
    sgd = optim.SGD(w, lr=0.5)

    @compile(values=True)
    def step(index: int) -> Value:
        chosen = at(w, index)
        (chosen * chosen).backward()
        sgd.step()
        return chosen * 2.0  # the leaf as it is now, or as it was?

    step(0)
    with pytest.raises(RecordingError, match="cannot do it again"):
        step(0)


def test_errors_where_nothing_was_chosen_do_not_come() -> None:
    def function(leaves: list[Value], index: int) -> Value:
        loss = at([v**0.5 for v in leaves], index) * 3.0  # whose slope at 0 is an error
        loss.backward()
        return loss

    for turn in ((1, 1, 1), (1, 1, 0)):
        found, expected = ([Value(0.0), Value(4.0)] for _ in range(2))
        step = compile(functools.partial(function, found), values=True)
        for index in turn:
            error = outcome(functools.partial(function, expected, index))
            assert outcome(functools.partial(step, index)) == error
            assert state(found) == state(expected)


def test_a_detached_value_is_a_copy() -> None:
    def parts(decorate: Callable[[Any], Any]) -> tuple[Any, Value]:
        w = Value(0.5)

        @decorate
        def step(x: float) -> Value:
            y = (w * x).tanh()
            kept = y.detach()
            loss = (y - kept * 0.5) * largest([y, w * 1.0, Value(0.25)])
            loss.backward()
            w.data = 0.75
            return loss + kept * w.detach()

        return step, w

    step, w = parts(compile(values=True))
    twin, v = parts(lambda function: function)
    for x in (1.0, -2.0, 0.1, 5.0):
        assert bits([step(x).data]) == bits([twin(x).data])
        assert state([w]) == state([v])


# ---- loops -----------------------------------------------------------------------------------


def fitted(decorate: Callable[[Any], Any]) -> tuple[Any, list[Value], Any]:
    """Return a step on rows and labels."""
    model = nn.MLP(2, [4, 3], rng=RNG(3))
    optimizer = optim.AdamW(model.parameters(), lr=0.05)

    @decorate
    def step(rows: Any, labels: list[int]) -> Value:
        loss = F.cross_entropy(model(rows), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, list(model.parameters()), optimizer


@pytest.mark.parametrize("shuffle", [False, True])
def test_fit_is_the_loop_written_out(shuffle: bool) -> None:
    step, parameters, optimizer = fitted(compile(values=True))
    twin, twins, twin_optimizer = fitted(lambda function: function)
    xs, ys = points(23)
    seen: list[tuple[int, float]] = []

    def slower(made: int, loss: float) -> None:
        seen.append((made, loss))
        optimizer.lr *= 0.5

    generator = pymicrograd.Generator().manual_seed(7) if shuffle else None
    losses = step.fit(xs, ys, epochs=3, batch_size=5, shuffle=generator, every=4, callback=slower)
    expected: list[float] = []
    generator = pymicrograd.Generator().manual_seed(7)
    for _ in range(3):
        order = pymicrograd.randperm(23, generator=generator).tolist() if shuffle else range(23)
        for first in range(0, 23, 5):
            rows = order[first : first + 5]
            expected.append(twin([xs[i] for i in rows], [ys[i] for i in rows]).data)
            if len(expected) % 4 == 0:
                twin_optimizer.lr *= 0.5
    assert bits(losses) == bits(expected)
    assert state(parameters) == state(twins)
    assert seen == [(n, losses[n - 1]) for n in (4, 8, 12)]
    assert bits([step.run(4, xs[:5], ys[:5]).data]) == bits(
        [[twin(xs[:5], ys[:5]) for _ in range(4)][-1].data]
    )
    assert state(parameters) == state(twins)
    with pytest.raises(ValueError, match=r"\[2, 3\] rows"):
        step.fit(xs[:2], ys[:3])
    assert step.fit([], []) == step.fit(xs, ys, epochs=0) == [] and step.run(0, xs, ys) is None


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "data": lambda x, w: x * w.data,
    "grad": lambda x, w: x * w.grad,
    "compare": lambda x, w: x if x > 0.0 else w,
    "float": lambda x, w: Value(float(x * w)),
    "derivatives": lambda x, w: pymicrograd.autograd.grad(x * w, [w])[0],
    "own": lambda x, w: Value(2.0, (x, w), (1.0, 2.0)),
    "array": lambda x, w: 2.0,
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:the graph ends here")
def test_what_a_function_may_not_do(name: str) -> None:
    w = Value(3.0)
    step = compile(lambda x: REFUSED[name](x, w), values=True)
    for _ in range(2):
        with pytest.raises(TypeError if name == "array" else RecordingError) as refusal:
            step(2.0)
        assert name == "array" or "test_programs_of_values.py:" in str(refusal.value)
        assert name != "data" or "softmax() and largest()" in str(refusal.value)
    loss = w * 2.0
    loss.backward()
    assert (loss.data, w.grad) == (6.0, 2.0)


def test_an_exception_ends_the_recording() -> None:
    w = Value(-1.0)
    step = compile(lambda x: (w * x).log(), values=True)
    with pytest.raises(ValueError, match="log"):
        step(1.0)
    w.data = 2.0
    assert step(1.0).data == step(1.0).data == math.log(2.0)
    assert step(-1.0 if False else 3.0).data == math.log(6.0)


def test_a_backward_that_fails_inside_of_a_function_is_refused() -> None:
    w = Value(0.0)

    def function(x: Any) -> Any:
        with contextlib.suppress(ZeroDivisionError):
            ((w * x) ** 0.5).backward()
        return w * x

    with pytest.raises(RecordingError):
        compile(function, values=True)(1.0)
    assert (w * 2.0).data == 0.0


def test_recording_leaves_no_nodes() -> None:
    gc.collect()
    before = pymicrograd.memory_usage()["nodes"]
    step, parameters, _ = make_steps(compile(values=True))
    for _ in range(3):
        result = step([[0.5, 1.5]], (1,), 1.0)
    step._families.clear()
    del result
    gc.collect()
    assert pymicrograd.memory_usage()["nodes"] == before + len(parameters)


# ---- interrupts, memory ----------------------------------------------------------------------


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals are the main's"
)
def test_an_interrupt_falls_between_steps() -> None:
    model, optimizer, loss_of = classifier(OPTIMIZERS["adamw"])
    program = compile(loss_of(), optimizer)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        with pytest.raises(KeyboardInterrupt):
            program.run(10**9)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert program.losses
    assert optimizer.t == len(program.losses)
    again = copy.deepcopy(model)
    assert state(again.parameters()) == state(model.parameters())


def heard(call: Callable[[], Any]) -> bool:
    """Tell whether a signal that comes after 10 ms ends a call."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        call()
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return False


def large_sum(w: Value, count: int) -> Any:
    return sum((w * (i * 1e-5)).tanh() for i in range(count))


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals are the main's"
)
def test_an_interrupt_is_heard_while_a_program_is_made_and_within_a_step() -> None:
    """Nothing has happened then; a signal that raises nothing changes nothing."""
    w = Value(0.5)
    optimizer, loss = optim.SGD([w], lr=0.1), large_sum(w, 60_000)
    assert heard(lambda: compile(loss, optimizer))
    program, before = compile(loss, optimizer), state([w])
    expected = program.run()
    after, w.data, w.grad = state([w]), 0.5, 0.0
    signals = []
    handler = signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        assert program.run() == expected
        while not signals:
            pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert state([w]) == after != before


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals are the main's"
)
def test_a_signal_while_a_backward_is_recorded_changes_no_digit() -> None:
    """One that raises ends the call; after another the call is as ever, recorded or not."""

    def trained(compiled: bool) -> Any:
        w = Value(0.5)
        optimizer = optim.SGD([w], lr=1e-9)

        def step(x: Any) -> Any:
            loss = large_sum(w, 15_000) * x
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        if not compiled:
            return [step(Value(2.0)).data for _ in range(3)], state([w])
        f = compile(step, values=True)
        assert heard(lambda: f(2.0))
        w.data = 0.5
        signals: list[int] = []
        handler = signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            losses = [f(2.0).data for _ in range(3)]
            while not signals:
                pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
        return losses, state([w])

    assert trained(True) == trained(False)


@pytest.mark.parametrize("way", ["graph", "function", "file"])
def test_a_signal_as_soon_as_a_program_is_made_leaves_nothing(
    way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    w, path = Value(0.5), tmp_path / "step.mgp"
    loss = large_sum(w, 300)
    compile(loss, optim.SGD([w], lr=0.1)).save(path)
    make = {
        "graph": lambda: compile(loss, optim.SGD([w], lr=0.1)),
        "function": lambda: compile(lambda x: large_sum(w, 60) * x, values=True)(2.0),
        "file": lambda: programs.load(path),
    }[way]

    def leave(*_: Any) -> None:
        raise KeyboardInterrupt

    def interrupted() -> int:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(_core.Script, "__init__", leave)
            make()
        gc.collect()
        return int(pymicrograd.memory_usage()["bytes"])

    assert interrupted() == interrupted()


def test_no_memory_at_any_point_of_compiling() -> None:
    model, optimizer, loss_of = classifier(OPTIMIZERS["adamw"])
    loss = loss_of()
    gc.collect()
    before = pymicrograd.memory_usage()["nodes"]
    grads = state(model.parameters())
    for after in range(1000):
        pymicrograd._core.fail_allocation(after)
        try:
            program = compile(loss, optimizer)
        except OutOfMemoryError:
            continue
        finally:
            pymicrograd._core.fail_allocation(-1)
        break
    assert 10 < after < 999
    assert pymicrograd.memory_usage()["nodes"] == before
    assert state(model.parameters()) == grads
    assert math.isfinite(program.run()[0])


def test_no_memory_at_any_point_of_choosing() -> None:
    gc.collect()
    before = pymicrograd.memory_usage()["nodes"]
    function = Choosing(4)  # with one program for all indices
    held, numbers, refused = pymicrograd.memory_usage()["nodes"], ([1, 2, 3], 0.5), 0
    for after in range(3000):
        step = compile(function, values=True)
        step(*numbers)  # which finds out that it chooses
        pymicrograd._core.fail_allocation(after)
        try:
            step(*numbers)
        except OutOfMemoryError:
            refused += 1
            del step
            continue
        finally:
            pymicrograd._core.fail_allocation(-1)
        break
    assert 10 < refused < 2999
    del step
    gc.collect()
    assert pymicrograd.memory_usage()["nodes"] == held
    del function
    gc.collect()
    assert pymicrograd.memory_usage()["nodes"] == before


def test_a_function_runs_within_a_recording() -> None:
    """Its runs are part of the program that is recorded."""
    w = Value(0.5)
    inner = compile(lambda x: (x * w).tanh(), values=True)
    outer = compile(lambda x: inner.run(2, x) + x, values=True)
    assert [outer(x).data for x in (0.5, 2.0)] == [(x * w).tanh().data + x for x in (0.5, 2.0)]
    assert outer.explain().startswith("test_a_function_runs_within_a_recording.<locals>.<lambda>")
    assert "us" in outer.explain(times=True)


def test_compiling_takes_time_in_proportion() -> None:
    """Instructions and bytes of a program do not grow faster than its graph."""
    w = Value(0.5)
    sizes = {}
    for count in (1000, 4000):
        x = w
        for _ in range(count):
            x = (x * 0.5 + w).tanh()
        text = compile(x).explain()
        sizes[count] = int(text.split()[3])
    assert 3.5 < sizes[4000] / sizes[1000] < 4.5
