"""The C engine against the reference, bit for bit: every op, random programs, whole trainings."""

from __future__ import annotations

import itertools
import math
import operator
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from programs import (
    EXPONENTS,
    HOSTILE,
    OPS,
    Program,
    assert_same_graphs,
    assert_same_runs,
    bits,
    graph,
    is_builtin,
    load,
    programs,
)

from pymicrograd import _core, data, get_math, set_math
from pymicrograd.reference.value import OPS as REFERENCE_OPS

ENGINES = load("c"), load("reference")


@contextmanager
def functions_of(name: str) -> Iterator[None]:
    """Let both engines take the functions of "library" or "portable"."""
    before = get_math()
    set_math(name)
    try:
        yield
    finally:
        set_math(before)


# ---- every op ------------------------------------------------------------------------------------


def numbers(literals: list[str]) -> list[float]:
    """Return the floats of number literals, each once, and a few with full mantissas."""
    names = {"np": __import__("numpy"), "inf": float("inf"), "nan": float("nan")}
    rng = random.Random(5)
    listed = [float(eval(text, names)) for text in literals]
    listed += [rng.uniform(-4.0, 4.0) * 1.1 for _ in range(8)]
    return list({bits(x): x for x in listed}.values())


NUMBERS = numbers(HOSTILE)
# Where all pairs of pairs would be too many.
FEW = [0.0, -0.0, 1.0, -2.0, 0.7000000000000001, -0.3333333333333333, float("inf"), float("nan"),
       5e-324, -1e308, 2.5, 745.5]  # fmt: skip


def apply(op: str, a: Any, b: Any = None) -> Any:
    """Record an op of the table by the expression of its first row."""
    names = {"a": a, "b": b, "k": b}
    return eval(OPS[op][0].format(a="a", b="b", k="k"), names)


RECORDED_BY_GRADIENTS: dict[str, tuple[Callable[[Any], Any], Callable[..., float]]] = {
    "sub": (lambda x: x.tanh(), operator.sub),
    "div": (lambda x: x.log(), operator.truediv),
    "neg": (lambda x: x.cos(), operator.neg),
}


def apply_in_a_gradient(engine: Any, op: str, numbers: tuple[float, ...]) -> Any:
    """Find an op in the gradient of a function, and give it and its operands other data."""
    function, python = RECORDED_BY_GRADIENTS[op]
    x = engine.Value(0.75)
    (slope,) = engine.grad(function(x), x, create_graph=True)
    (node,) = (node for node in graph([slope]) if node._op == REFERENCE_OPS[op].symbol)
    for operand, number in zip(node._prev, numbers, strict=True):
        operand.data = number
    node.data = python(*numbers)
    return node


def record(engine: Any, op: str, numbers: tuple[float, ...]) -> tuple[Any, list[Any]]:
    """Return the node of an op, and its operands."""
    if op in RECORDED_BY_GRADIENTS:
        node = apply_in_a_gradient(engine, op, numbers)
        return node, list(node._prev)
    if op == "pow_number":
        x = engine.Value(numbers[0])
        return apply(op, x, numbers[1]), [x]
    leaves = [engine.Value(x) for x in numbers]
    return apply(op, *leaves), leaves


def outcome(compute: Callable[[], Any]) -> Any:
    """Return the bits of the numbers that are computed, or the class of what is raised."""
    try:
        return bits(*compute())
    except Exception as error:
        assert is_builtin(type(error)), error
        return type(error)


TWO_NUMBERS = {"add", "mul", "pow_number", "pow", "maximum", "minimum", "sub", "div"}


def operands_of(op: str, few: bool = False) -> list[tuple[float, ...]]:
    """Return all numbers that an op is tried on."""
    if op == "pow_number":
        return list(itertools.product(FEW if few else NUMBERS, numbers(EXPONENTS)))
    if op not in TWO_NUMBERS:
        return [(x,) for x in NUMBERS]
    return list(itertools.product(FEW if few else NUMBERS, repeat=2))


def test_the_library_the_reference_and_the_tests_have_the_same_ops() -> None:
    of_numbers = {n for n, op in _core.OPS.items() if op < _core.library.lib.mg_scalar_op_count()}
    assert of_numbers - {"leaf"} == set(REFERENCE_OPS) == set(OPS)
    for name, op in REFERENCE_OPS.items():
        assert op.symbol == _core.SYMBOLS[_core.OPS[name]]
        assert op.name == name


@pytest.mark.parametrize("op", OPS)
def test_each_expression_of_the_table_records_its_op(op: str, engine: Any) -> None:
    symbol = REFERENCE_OPS[op].symbol
    for template in OPS[op]:
        a, b = engine.Value(0.75), engine.Value(0.5)
        names = {"a": a, "b": b, "Value": engine.Value, "grad": engine.grad}
        result = eval(template.format(a="a", b="b", x="2.0", k="3"), names)
        found = [node for node in graph([result]) if node._op.startswith(symbol)]
        assert found, template
        if op != "pow":
            assert all(a in node._prev or op in ("sub", "div", "neg") for node in found)


@pytest.mark.parametrize("functions", ["library", "portable"])
@pytest.mark.parametrize("op", OPS)
def test_values_and_gradients_of_an_op(op: str, functions: str) -> None:
    def compute(engine: Any, numbers: tuple[float, ...]) -> list[Any]:
        try:
            node, operands = record(engine, op, numbers)
        except Exception as error:
            assert is_builtin(type(error)), error
            return [type(error)]
        assert [*node._prev] == operands

        def gradients() -> list[float]:
            node.backward(0.7071067811865475)
            return [x.grad for x in operands]

        return [bits(node.data), outcome(gradients), bits(node.grad, *(x.grad for x in operands))]

    with functions_of(functions):
        for numbers in operands_of(op):
            assert compute(ENGINES[0], numbers) == compute(ENGINES[1], numbers), numbers


@pytest.mark.parametrize("op", OPS)
def test_a_gradient_reads_the_data_that_are_there(op: str) -> None:
    """A formula that reads the result is told from one that computes it anew."""

    def compute(engine: Any, number: float, which: int) -> Any:
        node, operands = record(engine, op, (0.75, 2.0)[: 1 + (op in TWO_NUMBERS)])
        [*operands, node][which].data = number

        def numbers() -> list[float]:
            node.backward()
            return [x.grad for x in operands]

        return outcome(numbers)

    for which in (0, -1, -2):
        for number in NUMBERS:
            mine, its = (compute(engine, number, which) for engine in ENGINES)
            assert mine == its, (which, number)


@pytest.mark.parametrize("op", ["add", "mul", "pow", "maximum", "minimum"])
def test_an_op_of_one_value_twice(op: str) -> None:
    def compute(engine: Any, x: float) -> Any:
        leaf = engine.Value(x)

        def numbers() -> list[float]:
            y = apply(op, leaf, leaf)
            assert y._prev == (leaf, leaf)
            y.backward()
            return [y.data, leaf.grad]

        return outcome(numbers)

    for x in NUMBERS:
        assert compute(ENGINES[0], x) == compute(ENGINES[1], x), x


@pytest.mark.parametrize("op", OPS)
def test_higher_derivatives_of_an_op(op: str) -> None:
    def compute(engine: Any, numbers: tuple[float, ...]) -> list[Any]:
        try:
            node, operands = record(engine, op, numbers)
        except Exception as error:
            return [type(error)]

        def derivatives(order: int) -> list[float]:
            found = [node]
            for _ in range(order):
                found = [d for y in found for d in engine.grad(y, operands, create_graph=True)]
            return [d.data for d in found]

        results = [outcome(lambda order=order: derivatives(order)) for order in (1, 2, 3)]
        assert [x.grad for x in operands] == [0.0] * len(operands)
        return results

    for numbers in operands_of(op, few=True):
        assert compute(ENGINES[0], numbers) == compute(ENGINES[1], numbers), numbers


@pytest.mark.parametrize("op", OPS)
def test_backward_and_grad_give_the_same_bits(op: str, engine: Any) -> None:
    for numbers in operands_of(op, few=True):
        try:
            node, operands = record(engine, op, numbers)
        except (ArithmeticError, ValueError):
            continue  # no node, no gradient

        def by_backward(node: Any = node, operands: Any = operands) -> list[float]:
            node.backward()
            return [x.grad for x in operands]

        def by_grad(create_graph: bool, node: Any = node, operands: Any = operands) -> list[float]:
            return [x.data for x in engine.grad(node, operands, create_graph=create_graph)]

        expected = outcome(by_backward)
        assert outcome(lambda by_grad=by_grad: by_grad(False)) == expected, numbers
        assert outcome(lambda by_grad=by_grad: by_grad(True)) == expected, numbers


# ---- random programs -----------------------------------------------------------------------------


@given(programs())
def test_long_programs(program: Program) -> None:
    assert_same_runs(program, ENGINES)


@given(programs(hostile=True))
def test_programs_of_hostile_numbers(program: Program) -> None:
    assert_same_runs(program, ENGINES)


@given(programs(hostile=True))
def test_programs_in_portable_math(program: Program) -> None:
    with functions_of("portable"):
        assert_same_runs(program, ENGINES)


@given(programs(max_steps=40, orders=2))
def test_programs_with_gradients_of_gradients(program: Program) -> None:
    assert_same_runs(program, ENGINES)


@given(programs(max_steps=40, hostile=True, orders=2))
def test_hostile_programs_with_gradients_of_gradients(program: Program) -> None:
    assert_same_runs(program, ENGINES)


@given(programs(max_steps=12, orders=3))
def test_programs_of_third_derivatives(program: Program) -> None:
    assert_same_runs(program, ENGINES)


def test_the_programs_are_worth_their_time() -> None:
    """Programs have all ops and many nodes; few lines raise; gradients flow."""
    counts: Counter[str] = Counter()
    ops = set()
    sizes = []

    def look(program: Program) -> None:
        run = program.run(ENGINES[1])
        nodes = list(graph(run.values.values()))
        sizes.append(len(nodes))
        ops.update(node._op.split("*")[0] for node in nodes)
        counts.update(lines=len(run.errors), raising=sum(e is not None for e in run.errors))
        finite = [node for node in nodes if math.isfinite(node.data)]
        counts.update(nodes=len(nodes), finite=len(finite))
        counts.update(live=sum(node.grad != 0.0 for node in finite))

    settings(max_examples=200)(given(programs(max_steps=40, orders=2))(look))()
    assert ops >= {op.symbol.split("*")[0] for op in REFERENCE_OPS.values()}
    sizes.clear()
    settings(max_examples=50)(given(programs())(look))()
    assert max(sizes) > 400 and sum(sizes) > 100 * len(sizes)
    assert 0 < counts["raising"] < 0.1 * counts["lines"]
    assert counts["finite"] > 0.9 * counts["nodes"]
    assert counts["live"] > 0.25 * counts["finite"]


# ---- whole trainings -----------------------------------------------------------------------------

DATASETS = {
    "quadrants": (data.gen_data, 3),
    "yinyang": (data.gen_data_yinyang, 3),
    "moons": (data.gen_data_moons, 2),
}
OPTIMIZERS: dict[str, Callable[[Any, list[Any]], Any]] = {
    "sgd": lambda e, p: e.SGD(p, lr=0.3),
    "momentum": lambda e, p: e.SGD(p, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=1e-3),
    "nesterov": lambda e, p: e.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda e, p: e.Adam(p, lr=0.1, weight_decay=1e-3),
    "adamw": lambda e, p: e.AdamW(p, lr=0.1, betas=(0.9, 0.95), weight_decay=1e-4),
}


ROUNDS = 12


def train(engine: Any, dataset: str, optimizer: str, bulk: bool) -> tuple[list[str], Any]:
    """Train a small classifier; return what it prints, first its losses, and its last loss."""
    make, classes = DATASETS[dataset]
    rng = engine.RNG(42)
    train_split, val_split, _ = make(rng, 40)
    model = engine.MLP(2, [6, classes], rng=rng, activation="relu" if bulk else "tanh")
    steps = OPTIMIZERS[optimizer](engine, model.parameters())

    def loss_of(split: list[Any]) -> Any:
        if bulk:
            return engine.cross_entropy(model([x for x, _ in split]), [label for _, label in split])
        total = engine.Value(0)
        for (x, y), label in split:
            total += engine.cross_entropy(model([engine.Value(x), engine.Value(y)]), label)
        return total * (1.0 / len(split))

    printed = []
    for _ in range(ROUNDS):
        steps.zero_grad()
        loss = loss_of(train_split)
        loss.backward()
        steps.step()
        printed.append(f"{loss.data}")
    printed.append(f"val loss {loss_of(val_split).data}")
    printed += [f"{p.data!r} {p.grad!r}" for p in model.parameters()]
    return printed, loss


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "single"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dataset", DATASETS)
def test_a_training_prints_the_same(dataset: str, optimizer: str, bulk: bool) -> None:
    (printed, loss), (expected, other) = (train(e, dataset, optimizer, bulk) for e in ENGINES)
    assert printed == expected
    assert_same_graphs([loss], [other])
    assert float(printed[ROUNDS - 1]) < float(printed[0])
