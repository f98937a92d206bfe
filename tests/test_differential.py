"""The C engine against the reference, bit for bit: every op, random programs, whole trainings."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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

from pymicrograd import _core, data
from pymicrograd.reference.value import OPS as REFERENCE_OPS
from pymicrograd.value import wrap

ENGINES = load("c"), load("reference")

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


def record_c(op: str, a: Any, b: Any = None) -> Any:
    """Record an op of the C engine, those among them that only gradients record."""
    arena, number = _core.arena, _core.OPS[op]
    if op == "pow_number":
        handle = _core.lib.mg_record_number(arena, number, a._handle, b)
    else:
        handle = _core.lib.mg_record(arena, number, a._handle, b._handle if b is not None else 0)
    _core.check(handle, op)
    return wrap(handle, a, b)


def record_reference(op: str, a: Any, b: Any = None) -> Any:
    """Record an op of the reference, those among them that only gradients record."""
    if op == "pow_number":
        return a**b
    return REFERENCE_OPS[op].node(a) if b is None else REFERENCE_OPS[op].node(a, b)


def outcome(compute: Callable[[], Any]) -> Any:
    """Return the bits of the numbers that are computed, or the class of what is raised."""
    try:
        return bits(*compute())
    except Exception as error:
        assert is_builtin(type(error)), error
        return type(error)


def operands_of(op: str, few: bool = False) -> list[tuple[float, ...]]:
    """Return all operands that an op is tried on; b == b is `x op x`."""
    if op == "pow_number":
        return list(itertools.product(FEW if few else NUMBERS, numbers(EXPONENTS)))
    if _core.ARITIES[_core.OPS[op]] == 1:
        return [(x,) for x in NUMBERS]
    return list(itertools.product(FEW if few else NUMBERS, repeat=2))


def nodes_of(engine: Any, op: str, operands: tuple[float, ...]) -> tuple[Any, list[Any]]:
    """Return a function that records an op, and the leaves."""
    record = record_c if engine.name == "c" else record_reference
    if op == "pow_number":
        x, k = engine.Value(operands[0]), operands[1]
        return lambda: record(op, x, k), [x]
    leaves = [engine.Value(x) for x in operands]
    return lambda: record(op, *leaves), leaves


def test_the_library_the_reference_and_the_tests_have_the_same_ops() -> None:
    assert set(_core.OPS) - {"leaf"} == set(REFERENCE_OPS) == set(OPS)
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


@pytest.mark.parametrize("op", OPS)
def test_values_and_gradients_of_an_op(op: str) -> None:
    def compute(engine: Any, operands: tuple[float, ...]) -> list[Any]:
        make, leaves = nodes_of(engine, op, operands)
        made: list[Any] = []

        def value() -> list[float]:
            made.append(make())
            return [made[0].data]

        def gradients() -> list[float]:
            made[0].backward(0.7071067811865475)
            return [leaf.grad for leaf in leaves]

        found = [outcome(value)]
        if made:
            found += [outcome(gradients), bits(made[0].grad, *(leaf.grad for leaf in leaves))]
            assert [*made[0]._prev] == leaves
        return found

    for operands in operands_of(op):
        assert compute(ENGINES[0], operands) == compute(ENGINES[1], operands), operands


@pytest.mark.parametrize("op", OPS)
def test_an_op_of_one_value_twice(op: str) -> None:
    if _core.ARITIES[_core.OPS[op]] != 2:
        return  # the table has such a row for every op of two operands

    def compute(engine: Any, x: float) -> Any:
        leaf = engine.Value(x)
        record = record_c if engine.name == "c" else record_reference

        def numbers() -> list[float]:
            y = record(op, leaf, leaf)
            assert y._prev == (leaf, leaf)
            y.backward()
            return [y.data, leaf.grad]

        return outcome(numbers)

    for x in NUMBERS:
        assert compute(ENGINES[0], x) == compute(ENGINES[1], x), x


@pytest.mark.parametrize("op", OPS)
def test_higher_derivatives_of_an_op(op: str) -> None:
    def compute(engine: Any, operands: tuple[float, ...]) -> list[Any]:
        make, leaves = nodes_of(engine, op, operands)
        found = []

        def numbers(order: int) -> list[float]:
            derivatives = [make()]
            for _ in range(order):
                derivatives = [
                    d for y in derivatives for d in engine.grad(y, leaves, create_graph=True)
                ]
            return [d.data for d in derivatives]

        for order in range(1, 4):
            found.append(outcome(lambda order=order: numbers(order)))
        assert [leaf.grad for leaf in leaves] == [0.0] * len(leaves)
        return found

    for operands in operands_of(op, few=True):
        assert compute(ENGINES[0], operands) == compute(ENGINES[1], operands), operands


@pytest.mark.parametrize("op", OPS)
def test_backward_and_grad_give_the_same_bits(op: str, engine: Any) -> None:
    for operands in operands_of(op, few=True):
        make, leaves = nodes_of(engine, op, operands)

        def by_backward(make: Any = make, leaves: Any = leaves) -> list[float]:
            make().backward()
            return [leaf.grad for leaf in leaves]

        def by_grad(create_graph: bool, make: Any = make, leaves: Any = leaves) -> list[float]:
            return [x.data for x in engine.grad(make(), leaves, create_graph=create_graph)]

        expected = outcome(by_backward)
        assert outcome(lambda by_grad=by_grad: by_grad(False)) == expected, operands
        if isinstance(expected, bytes) or op != "pow_number":
            assert outcome(lambda by_grad=by_grad: by_grad(True)) == expected, operands


# ---- random programs -----------------------------------------------------------------------------


@given(programs())
def test_long_programs(program: Program) -> None:
    assert_same_runs(program, ENGINES)


@given(programs(hostile=True))
def test_programs_of_hostile_numbers(program: Program) -> None:
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
    ops: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    sizes = []

    @settings(max_examples=60)
    @given(st.one_of(programs(), programs(max_steps=40, orders=2)))
    def look(program: Program) -> None:
        run = program.run(ENGINES[1])
        nodes = list(graph(run.values.values()))
        sizes.append(len(nodes))
        ops.update(node._op.split("*")[0] for node in nodes)
        lines.update(all=len(run.errors), raising=sum(e is not None for e in run.errors))
        finite = [node for node in nodes if math.isfinite(node.data)]
        lines.update(nodes=len(nodes), finite=len(finite), live=sum(n.grad != 0.0 for n in finite))

    look()
    assert set(ops) >= {op.symbol.split("*")[0] for op in REFERENCE_OPS.values()}
    assert max(sizes) > 600 and sum(sizes) > 100 * len(sizes)
    assert 0 < lines["raising"] < 0.1 * lines["all"]
    assert lines["finite"] > 0.9 * lines["nodes"] and lines["live"] > 0.25 * lines["finite"]


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
    for _ in range(25):
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
    assert float(printed[24]) < float(printed[0])
