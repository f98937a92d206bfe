"""Sums, softmax, losses: each records the nodes of the loop it stands for, on both engines."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from programs import assert_same_graphs, graph

NUMBERS = [0.30000000000000004, -1.7, 2.6000000000000005, 0.1, -0.0]

# ---- the loops, in plain arithmetic --------------------------------------------------------------


def sum_loop(values: list[Any]) -> Any:
    total = values[0] + 0.0
    for value in values[1:]:
        total = total + value
    return total


def exponentials(logits: list[Any], shifted: bool = True) -> list[Any]:
    largest = max(logit.data for logit in logits)
    return [(logit - largest).exp() if shifted else logit.exp() for logit in logits]


def softmax_loop(logits: list[Any]) -> list[Any]:
    exps = exponentials(logits)
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm_loop(x: list[Any]) -> list[Any]:
    mean_square = sum(xi * xi for xi in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def cross_entropy_loop(logits: list[Any], target: int, shifted: bool = True) -> Any:
    exps = exponentials(logits, shifted)
    total = sum(exps)
    return -((exps[target] / total).log())


def batch_loop(engine: Any, rows: list[list[Any]], targets: list[int]) -> Any:
    loss = engine.Value(0.0)
    for row, target in zip(rows, targets, strict=True):
        loss = loss + cross_entropy_loop(row, target)
    return loss * (1.0 / len(rows))


def margin_loop(scores: list[Any], targets: list[int]) -> Any:
    losses = [(1.0 + -float(t) * s).relu() for t, s in zip(targets, scores, strict=True)]
    return sum(losses) * (1.0 / len(losses))


def mse_loop(prediction: list[Any], target: list[Any]) -> Any:
    return sum((p - t) ** 2 for p, t in zip(prediction, target, strict=True)) / len(target)


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sum": (lambda e, x: e.F.sum(x), lambda e, x: sum_loop(x)),
    "mean": (lambda e, x: e.F.mean(x), lambda e, x: sum_loop(x) / len(x)),
    "dot": (
        lambda e, x: e.F.dot(x, x[::-1]),
        lambda e, x: sum(a * b for a, b in zip(x, x[::-1], strict=True)),
    ),
    "square": (lambda e, x: e.F.dot(x, x), lambda e, x: sum(a * a for a in x)),
    "softmax": (lambda e, x: e.F.softmax(x), lambda e, x: softmax_loop(x)),
    "rmsnorm": (lambda e, x: e.F.rmsnorm(x), lambda e, x: rmsnorm_loop(x)),
    "cross_entropy": (
        lambda e, x: e.F.cross_entropy(x, len(x) - 1),
        lambda e, x: cross_entropy_loop(x, len(x) - 1),
    ),
    "unshifted": (
        lambda e, x: e.F.cross_entropy(x, 0, shifted=False),
        lambda e, x: cross_entropy_loop(x, 0, False),
    ),
    "batch": (
        lambda e, x: e.F.cross_entropy([x, x[::-1], x], [0, len(x) - 1, 0]),
        lambda e, x: batch_loop(e, [x, x[::-1], x], [0, len(x) - 1, 0]),
    ),
    "batch sum": (
        lambda e, x: e.F.cross_entropy([x, x], [0, 0], reduction="sum"),
        lambda e, x: (e.Value(0.0) + cross_entropy_loop(x, 0)) + cross_entropy_loop(x, 0),
    ),
    "batch of losses": (
        lambda e, x: e.F.cross_entropy([x, x], [0, len(x) - 1], reduction="none"),
        lambda e, x: [cross_entropy_loop(x, 0), cross_entropy_loop(x, len(x) - 1)],
    ),
    "unequal rows": (
        lambda e, x: e.F.cross_entropy([x, [*x, x[0]]], [0, 1]),
        lambda e, x: batch_loop(e, [x, [*x, x[0]]], [0, 1]),
    ),
    "margin_loss": (
        lambda e, x: e.F.margin_loss(x, [1, -1, 1, 1, -1][: len(x)]),
        lambda e, x: margin_loop(x, [1, -1, 1, 1, -1][: len(x)]),
    ),
    "mse_loss": (
        lambda e, x: e.F.mse_loss(x, x[::-1]),
        lambda e, x: mse_loop(x, x[::-1]),
    ),
    "mse_loss of numbers": (
        lambda e, x: e.F.mse_loss(x, [0.5] * len(x)),
        lambda e, x: mse_loop(x, [0.5] * len(x)),
    ),
}


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("case", CASES)
def test_a_function_records_the_nodes_of_its_loop(engine: Any, case: str, count: int) -> None:
    if case == "unequal rows" and count == 1:
        count = 2  # the second row's target is the class 1
    results = []
    for function in CASES[case]:
        leaves = [engine.Value(x) for x in NUMBERS[:count]]
        made = function(engine, [leaf * 1.1 for leaf in leaves])
        made = made if isinstance(made, list) else [made]
        for i, value in enumerate(made):
            value.backward(0.3 + i)
        results.append([*made, *leaves])
    assert_same_graphs(*results)


@pytest.mark.parametrize("case", CASES)
def test_one_value_many_times(engine: Any, case: str) -> None:
    results = []
    for function in CASES[case]:
        x = engine.Value(0.30000000000000004)
        made = function(engine, [x, x, x])
        made = made if isinstance(made, list) else [made]
        made[-1].backward()
        results.append([*made, x])
    assert_same_graphs(*results)


@pytest.mark.parametrize("case", [case for case in CASES if not case.endswith("_loss")])
def test_numbers_among_the_values_become_leaves(engine: Any, case: str) -> None:
    function, loop = CASES[case]
    x = engine.Value(0.75)
    made = function(engine, [x, 0.1, 2, np.float64(-1.3)])
    y = engine.Value(0.75)
    same = loop(engine, [y, *map(engine.Value, (0.1, 2, -1.3))])
    for value in (made, same):
        (value[0] if isinstance(value, list) else value).backward()
    assert x.grad == y.grad
    numbers = [v.data if not isinstance(v, list) else [w.data for w in v] for v in (made, same)]
    assert numbers[0] == numbers[1]


def test_a_mean_is_a_power_and_a_mean_loss_a_quotient(engine: Any) -> None:
    """1923 is the first count at which the two factors are not the same float."""
    count = 1923
    power, quotient = float(count) ** -1.0, 1.0 / count
    assert power != quotient
    one = engine.Value(1.0)
    assert engine.F.mean([one] * count)._prev[1].data == power
    assert engine.F.mse_loss([one] * count, [0.0] * count)._prev[1].data == power
    assert engine.F.rmsnorm([one] * count)[0]._prev[1]._prev[0]._prev[0]._prev[1].data == power
    assert engine.F.cross_entropy([[one]] * count, [0] * count)._prev[1].data == quotient
    assert engine.F.margin_loss([one] * count, [1] * count)._prev[1].data == quotient


def test_losses_of_values_and_numbers_mixed(engine: Any) -> None:
    x = engine.Value(0.75)
    loss = engine.F.mse_loss([x, 0.5, engine.Value(2.0)], [1.0, x, 1])
    assert type(loss) is engine.Value
    assert loss.data == (0.0625 + 0.0625 + 1.0) * 3.0**-1
    assert type(engine.F.mse_loss([1.0, 2.0], [0.5, 1.0])) is engine.Value
    loss = engine.F.margin_loss([x, 0.5], [1, engine.Value(-1.0)])
    assert type(loss) is engine.Value and loss.data == (0.25 + 1.5) * 0.5


def test_any_iterable_and_array(engine: Any) -> None:
    leaves = [engine.Value(x) for x in NUMBERS]
    for make in (tuple, iter, np.array, lambda x: (v for v in x)):
        assert engine.F.sum(make(leaves)).data == sum_loop(leaves).data
        assert engine.F.mean(make(leaves)).data == (sum_loop(leaves) / 5).data
        assert engine.F.dot(make(leaves), make(leaves)).data == sum(x * x for x in leaves).data
        assert [v.data for v in engine.F.softmax(make(leaves))] == [
            v.data for v in softmax_loop(leaves)
        ]
        assert [v.data for v in engine.F.rmsnorm(make(leaves))] == [
            v.data for v in rmsnorm_loop(leaves)
        ]
        loss = cross_entropy_loop(leaves, 2).data
        assert engine.F.cross_entropy(make(leaves), 2).data == loss
    rows = np.array([leaves, leaves])
    for targets in ([2, 2], (2, 2), np.array([2, 2]), [np.int64(2), np.uint8(2)]):
        assert engine.F.cross_entropy(rows, targets, reduction="sum").data == loss + loss
        assert engine.F.cross_entropy(rows.tolist(), targets).data == (loss + loss) * 0.5
    assert engine.F.cross_entropy(np.array([0.5, 0.5]), True).data == -math.log(2.0 * 2.0**-2)


def test_prev_reaches_the_arguments(engine: Any) -> None:
    for case, (function, _) in CASES.items():
        x = [engine.Value(number) * 1.1 for number in NUMBERS]
        made = function(engine, x)
        roots = made if isinstance(made, list) else [made]
        for number, node in enumerate(graph(roots)):
            node.number = number
        del node
        gc.collect()
        found = list(graph(roots))
        assert [node.number for node in found] == list(range(len(found))), case
        assert {id(v) for v in x} <= {id(node) for node in found}, case


def test_the_shift_is_a_constant_and_prevents_overflow(engine: Any) -> None:
    x = [engine.Value(1000.0), engine.Value(999.0)]
    loss = engine.F.cross_entropy(x, 1)
    assert loss.data == -math.log(math.exp(-1.0) * (1.0 + math.exp(-1.0)) ** -1)
    assert sum(v.data for v in engine.F.softmax(x)) == pytest.approx(1.0, rel=1e-15)  # rounding
    for rows, targets in ((x, 1), ([x, x], [0, 1])):
        with pytest.raises(OverflowError) as caught:
            engine.F.cross_entropy(rows, targets, shifted=False)
        assert type(caught.value) is OverflowError
    tiny = [engine.Value(-800.0), engine.Value(-801.0)]
    with pytest.raises(ZeroDivisionError):
        engine.F.cross_entropy(tiny, 0, shifted=False)
    with pytest.raises(ValueError):  # log of a probability that is 0.0
        engine.F.cross_entropy([engine.Value(-800.0), engine.Value(0.0)], 0)


@pytest.mark.parametrize("numbers", [[math.inf, 1.0], [math.nan, 1.0], [1.0, math.nan, 2.0]])
def test_hostile_logits(engine: Any, numbers: list[float]) -> None:
    """Python's max keeps a NaN that comes first, and passes over one that comes later."""
    x = [engine.Value(number) for number in numbers]
    assert [math.isnan(v.data) for v in engine.F.softmax(x)] == [True] * len(x)
    assert math.isnan(engine.F.cross_entropy(x, 1).data)
    assert math.isnan(engine.F.rmsnorm(x)[0].data)


@pytest.mark.parametrize(
    ("call", "error"),
    [(lambda F, x: F.sum([]), ValueError), (lambda F, x: F.mean(()), ValueError),
     (lambda F, x: F.dot([], []), ValueError), (lambda F, x: F.dot(x, x[:1]), ValueError),
     (lambda F, x: F.softmax([]), ValueError), (lambda F, x: F.rmsnorm([]), ValueError),
     (lambda F, x: F.cross_entropy([], 0), ValueError),
     (lambda F, x: F.cross_entropy([[]], [0]), ValueError),
     (lambda F, x: F.cross_entropy([[], x], [0, 0]), ValueError),
     (lambda F, x: F.cross_entropy([x, x], [0]), ValueError),
     (lambda F, x: F.cross_entropy([x, x], [0, 1], reduction="max"), ValueError),
     (lambda F, x: F.cross_entropy(x, 2), IndexError),
     (lambda F, x: F.cross_entropy(x, -1), IndexError),
     (lambda F, x: F.cross_entropy(x, 2**64), IndexError),
     (lambda F, x: F.cross_entropy([x, x], [0, 2]), IndexError),
     (lambda F, x: F.cross_entropy(x, 0.0), TypeError),
     (lambda F, x: F.cross_entropy(x, None), TypeError),
     (lambda F, x: F.cross_entropy(x, [0]), TypeError),
     (lambda F, x: F.cross_entropy([x, x], 0), TypeError),
     (lambda F, x: F.cross_entropy([x, x], [0, 1.0]), TypeError),
     (lambda F, x: F.cross_entropy([x[0], None], 0), TypeError),
     (lambda F, x: F.sum([x[0], "1"]), TypeError), (lambda F, x: F.sum(3), TypeError),
     (lambda F, x: F.softmax([x[0], None]), TypeError),
     (lambda F, x: F.rmsnorm(x, eps="small"), TypeError),
     (lambda F, x: F.margin_loss(x, [1]), ValueError),
     (lambda F, x: F.margin_loss([], []), ValueError),
     (lambda F, x: F.mse_loss(x, []), ValueError), (lambda F, x: F.mse_loss([], []), ValueError)],
)  # fmt: skip
def test_wrong_arguments_are_refused(engine: Any, call: Any, error: type[Exception]) -> None:
    x = [engine.Value(1.0), engine.Value(2.0)]
    with pytest.raises(error) as caught:
        call(engine.F, x)
    assert type(caught.value) is error
    assert engine.F.sum(x).data == 3.0


def test_eps_of_rmsnorm(engine: Any) -> None:
    x = [engine.Value(3.0), engine.Value(4.0)]
    scale = (12.5 + 0.5) ** -0.5
    for eps in (0.5, np.float64(0.5)):
        assert [v.data for v in engine.F.rmsnorm(x, eps)] == [3.0 * scale, 4.0 * scale]
    assert [v.data for v in engine.F.rmsnorm(x, 0)] == [3.0 * 12.5**-0.5, 4.0 * 12.5**-0.5]
    with pytest.raises(ZeroDivisionError):
        engine.F.rmsnorm([engine.Value(0.0)], 0.0)
    with pytest.raises(TypeError):
        engine.F.rmsnorm(x, 1j)


def test_an_eps_that_is_a_value_is_refused_or_gets_its_gradient(engine: Any) -> None:
    x, eps = [engine.Value(3.0), engine.Value(4.0)], engine.Value(0.5)
    try:
        out = engine.F.rmsnorm(x, eps)
    except TypeError:
        return
    out[0].backward()
    assert eps.grad != 0.0
