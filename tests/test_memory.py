"""Memory: all of it comes back, nothing hangs in cycles, and running out of it breaks nothing."""

from __future__ import annotations

import copy
import gc
import itertools
import os
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from isolated import run_function

import pymicrograd as mg
from pymicrograd import MLP, RNG, Value, _core, cross_entropy, grad, memory_usage, no_grad
from pymicrograd.nn import functional


def nodes() -> int:
    return memory_usage()["nodes"]


def resident_pages() -> int:
    """Return the process's pages in memory, 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) if statm.exists() else 0


# ---- everything comes back -------------------------------------------------------------------


def one_round(x: Value) -> None:
    y = (x * x + 2.0).tanh()
    y.backward()


FAILURES: list[tuple[type[Exception], Callable[[Value], object]]] = [
    (ValueError, lambda x: (x * 0.0).log()),
    (ZeroDivisionError, lambda x: (x * 0.0) ** -1),
    (ZeroDivisionError, lambda x: ((x * 0.0) ** 0.5 + x).backward()),
    (OverflowError, lambda x: (x * 1e4).exp()),
    (TypeError, lambda x: x * x + "text"),  # type: ignore[operator]
    (IndexError, lambda x: cross_entropy([x * 2.0, x], 2)),
    (OverflowError, lambda x: cross_entropy([x * 1e4, x], 0, shifted=False)),
    (ZeroDivisionError, lambda x: grad((x * 0.0) ** 0.5, [x], create_graph=True)),
    (ValueError, lambda x: functional.softmax([])),
]


def million_rounds() -> None:
    """Run 10**6 rounds; the nodes, bytes and pages of the last are those of the 1000th."""
    gc.disable()
    x = Value(0.5)
    start = nodes()
    for i in range(1_000_000):
        one_round(x)
        if i % 100 == 0:
            kind, fails = FAILURES[i // 100 % len(FAILURES)]
            with pytest.raises(kind):
                fails(x)
        if i == 10_000:
            settled = memory_usage(), resident_pages()
    assert memory_usage() == settled[0]
    assert nodes() == start
    assert (resident_pages() - settled[1]) * os.sysconf("SC_PAGE_SIZE") < 1 << 20
    assert x.grad == x.grad != 0.0
    print(memory_usage()["bytes"])


def test_a_million_rounds_leave_nothing() -> None:
    assert int(run_function(million_rounds)) < 1 << 20


def training(steps: int) -> None:
    rng = RNG(5)
    model = MLP(2, [16, 3], rng=rng)
    optimizer = mg.AdamW(model.parameters())
    points = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(40)]
    targets = [i % 3 for i in range(40)]
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(model(points), targets).backward()
        optimizer.step()


def test_training_does_not_grow() -> None:
    gc.collect()
    start = nodes()
    training(3)
    held = memory_usage()["bytes"]
    training(30)
    assert memory_usage()["bytes"] == held
    assert nodes() == start


# ---- bytes a node ----------------------------------------------------------------------------


def bulk_bytes() -> None:
    rng = RNG(9)
    model = MLP(8, [32, 32, 4], rng=rng)
    rows = [[rng.uniform() for _ in range(8)] for _ in range(400)]
    outputs = model(rows)
    loss = cross_entropy(outputs, [i % 4 for i in range(400)])
    held = memory_usage()
    assert held["nodes"] > 1_000_000
    loss.backward()
    done = memory_usage()
    print(held["bytes"] / held["nodes"], done["bytes"] / held["nodes"])
    print(done["peak_bytes"] / held["nodes"])


def test_bytes_of_a_bulk_built_node() -> None:
    at_rest, after, peak = map(float, run_function(bulk_bytes).split())
    assert at_rest <= 48.0
    assert after <= 48.0
    assert peak <= 64.0


STEPS: dict[str, Callable[[Value, Value], Value]] = {
    "value": lambda last, x: last + x,
    "number": lambda last, x: last * 0.5,
    "function": lambda last, x: last.tanh(),
    "python function": lambda last, x: last.sin(),
    "power": lambda last, x: last**2,
}


def object_bytes() -> None:
    count = 100_000
    for name, step in STEPS.items():
        x = last = Value(0.5)
        before = memory_usage()
        tracemalloc.start()
        for _ in range(count):
            last = step(last, x)
        traced = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        after = memory_usage()
        recorded = after["nodes"] - before["nodes"]
        page = after["bytes"] / after["capacity"]
        print(f"{name}:{traced / count + page * recorded / count}")


def test_bytes_of_a_value() -> None:
    """A Value costs at most 200 bytes, its object, node and constant operand together."""
    lines = run_function(object_bytes).splitlines()
    assert [line.split(":")[0] for line in lines] == list(STEPS)
    for line in lines:
        assert float(line.split(":")[1]) <= 200.0, line


# ---- no cycles -------------------------------------------------------------------------------


def walked(root: Value) -> Value:
    """Walk the whole graph by _prev, as notebooks do, which makes all objects; returns root."""
    seen = {root}
    waiting = [root]
    while waiting:
        for operand in waiting.pop()._prev:
            operand.label = "seen"
            if operand not in seen:
                seen.add(operand)
                waiting.append(operand)
    return root


def hessian(x: Value, y: Value) -> list[Value]:
    first = grad((x * y).tanh() ** 3, [x, y], create_graph=True)
    return [second for d in first for second in grad(d, [x, y])]


def with_exception(x: Value, y: Value) -> str:
    try:
        (x * y - y * x).log()
    except ValueError as error:
        return str(error)
    raise AssertionError("log of 0 went well")


GRAPHS: dict[str, Callable[[Value, Value, Any], object]] = {
    "arithmetic": lambda x, y, m: (x * y + x / y - 3.0) ** 2 + 2**x,
    "functions": lambda x, y, m: x.exp() + y.log() + x.sin().gelu().maximum(y) + abs(x),
    "attributes": lambda x, y, m: setattr(x * y, "friend", x + y),
    "backward": lambda x, y, m: ((x * y).relu() + x).backward(),
    "walked": lambda x, y, m: walked(x / y - y + 2.0 * x),
    "detached": lambda x, y, m: (x * y).detach(),
    "no_grad": lambda x, y, m: no_grad()(lambda: x * y + 1.0)(),
    "no_grad walked": lambda x, y, m: walked(no_grad()(lambda: x / y)()),
    "exception": lambda x, y, m: with_exception(x, y),
    "gradients": lambda x, y, m: grad(x * y, [x, y]),
    "recorded gradients": lambda x, y, m: grad((x * y).tanh(), [x, y], create_graph=True),
    "hessian": lambda x, y, m: hessian(x, y),
    "walked gradients": lambda x, y, m: [
        walked(d) for d in grad((x * y).exp() / y, [x, y], create_graph=True)
    ],
    "neurons": lambda x, y, m: m([x, y]),
    "batch": lambda x, y, m: m([[x, 1.0], [0.5, y]]),
    "walked neurons": lambda x, y, m: [walked(v) for row in m([[x, y], [y, 2.0]]) for v in row],
    "losses": lambda x, y, m: cross_entropy(m([[x, y], [y, x]]), [0, 1]),
    "walked losses": lambda x, y, m: walked(cross_entropy([[x, y], [y, x]], [0, 1])),
    "each loss": lambda x, y, m: cross_entropy([[x, y]], [1], reduction="none", shifted=False),
    "unequal rows": lambda x, y, m: walked(cross_entropy([[x, y], [y, x, x]], [0, 2])),
    "other losses": lambda x, y, m: mg.margin_loss([x, y], [1, -1]) + mg.mse_loss([x], [y]),
    "softmax": lambda x, y, m: [walked(v) for v in functional.softmax([x, y, 2.0])],
    "rmsnorm": lambda x, y, m: [walked(v) for v in functional.rmsnorm([x, y])],
    "sums": lambda x, y, m: walked(
        functional.sum([x, y]) + functional.mean([x, 1.0]) * functional.dot([x, y], [y, 2.0])
    ),
    "modules": lambda x, y, m: MLP(2, [3, 1], rng=RNG(1))([x, y]),
    "copies": lambda x, y, m: copy.deepcopy(m)([x, y]),
    "pickles": lambda x, y, m: pickle.loads(pickle.dumps([x, y, m])),
    "optimizer": lambda x, y, m: mg.AdamW(copy.deepcopy(m).parameters()).step(),
    "pictures": lambda x, y, m: mg.to_dot(walked(x * y + 1.0)) + mg.to_mermaid(m([x, y])[0]),
}


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Switch the collector of cycles off."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", GRAPHS)
def test_no_cycles(name: str, uncollected: None) -> None:
    """What is dropped is freed at once: the collector finds nothing."""
    x, y, model = Value(0.5), Value(1.5), MLP(2, [3, 2], rng=RNG(3))
    GRAPHS[name](x, y, model)  # once for what is made at first use
    gc.collect()
    start = nodes()
    GRAPHS[name](x, y, model)
    assert nodes() == start
    assert gc.collect() == 0


def test_long_chains_of_objects_are_dropped(uncollected: None) -> None:
    """A million Values, each held by the next, with bulk-built ones among them."""
    start = nodes()
    x = last = Value(0.5)
    for i in range(1_000_000):
        last = last + x if i % 1000 else functional.sum([last, x])
    assert nodes() - start > 1_000_000
    last.backward()
    assert x.grad == 1_000_001.0
    del x, last
    assert nodes() == start
    assert gc.collect() == 0


def test_a_walked_bulk_chain_is_dropped(uncollected: None) -> None:
    """Objects made on the way down, two hundred thousand deep, go without recursion."""
    start = nodes()
    walked(functional.sum([Value(1.0)] * 200_000))
    assert nodes() == start


# ---- running out of memory -------------------------------------------------------------------


class Fixture:
    """What a call works on.

    Args:
        depth: of the graph `deep`; beyond 65,536 a backward keeps no room for it.
    """

    def __init__(self, depth: int) -> None:
        self.x, self.y = Value(0.5), Value(1.5)
        self.model = MLP(2, [3, 2], rng=RNG(3))
        self.walk = self.x * 2.0 - self.y / 3.0
        deep = self.x
        for _ in range(depth):
            deep = deep + self.y
        self.deep = deep
        parameters = self.model.parameters()
        for i, parameter in enumerate(parameters):
            parameter.grad = i / 8.0
        self.optimizers = {
            "SGD": mg.SGD(parameters, momentum=0.9),
            "Adam": mg.Adam(parameters),
            "AdamW": mg.AdamW(parameters, weight_decay=0.1),
        }
        self.pickled = pickle.dumps([self.x, self.model])

    def state(self) -> object:
        """Return all there is to see of it; a failed backward may clear the gradient of deep."""
        leaves = [self.x, self.y, *self.model.parameters()]
        moments = [optimizer.__getstate__() for optimizer in self.optimizers.values()]
        numbers = [(v.data, v.grad) for v in (*leaves, self.walk)]
        return numbers, self.deep.data, self.walk._op, len(self.walk._prev), str(moments), nodes()


FUNCTIONS = (
    "relu", "tanh", "exp", "log", "sigmoid", "sqrt", "sin", "cos", "log1p", "expm1", "softplus",
    "gelu", "silu", "erf", "detach",
)  # fmt: skip

CALLS: dict[str, Callable[[Fixture], object]] = {
    "Value(float)": lambda f: Value(1.0),
    "Value(bool)": lambda f: Value(True),
    "Value.__init__": lambda f: f.x.__init__(f.x.data),  # type: ignore[misc]
    "a + b": lambda f: f.x + f.y,
    "a + 1": lambda f: f.x + 1,
    "True + a": lambda f: True + f.x,
    "a - b": lambda f: f.x - f.y,
    "1 - a": lambda f: 1.0 - f.x,
    "a * b": lambda f: f.x * f.y,
    "2.5 * a": lambda f: 2.5 * f.x,
    "a / b": lambda f: f.x / f.y,
    "a / 3": lambda f: f.x / 3,
    "1 / a": lambda f: 1 / f.x,
    "-a": lambda f: -f.x,
    "abs(a)": lambda f: abs(f.x),
    "a ** 3": lambda f: f.x**3,
    "a ** b": lambda f: f.x**f.y,
    "2 ** a": lambda f: 2**f.x,
    **{
        name: lambda f, name=name: getattr(f.x, name)()  # type: ignore[misc]
        for name in FUNCTIONS
    },
    "gelu tanh": lambda f: f.x.gelu("tanh"),
    "maximum": lambda f: f.x.maximum(f.y),
    "minimum": lambda f: f.x.minimum(2.0),
    "no_grad": lambda f: no_grad()(lambda: f.x * f.y)(),
    "backward": lambda f: f.deep.backward(),
    "grad": lambda f: grad(f.walk, [f.x, f.y]),
    "deep grad": lambda f: grad(f.deep, [f.x]),
    "create_graph": lambda f: grad(f.walk.tanh(), [f.x, f.y], create_graph=True),
    "neuron": lambda f: f.model.layers[0].neurons[0]([f.x, 2.0]),
    "layer": lambda f: f.model.layers[0]([f.x, True]),
    "MLP": lambda f: f.model([1.0, 2.0]),
    "MLP of Values": lambda f: f.model([[f.x, f.y], [f.y, 1.0]]),
    "cross_entropy": lambda f: cross_entropy([f.x, f.y], 1),
    "cross_entropy mean": lambda f: cross_entropy([[f.x, f.y], [f.y, f.x]], [1, 0]),
    "cross_entropy none": lambda f: cross_entropy([[f.x, f.y]] * 3, [1] * 3, reduction="none"),
    "cross_entropy rows": lambda f: cross_entropy([[f.x, f.y], [f.y]], [1, 0], shifted=False),
    "margin_loss": lambda f: mg.margin_loss([f.x, f.y], [1, -1]),
    "mse_loss": lambda f: mg.mse_loss([f.x, f.y], [1.0, f.x]),
    "sum": lambda f: functional.sum([f.x, f.y, 2.0]),
    "mean": lambda f: functional.mean([f.x, f.y]),
    "dot": lambda f: functional.dot([f.x, f.y], [1.0, f.x]),
    "softmax": lambda f: functional.softmax([f.x, f.y]),
    "rmsnorm": lambda f: functional.rmsnorm([f.x, f.y]),
    "SGD.step": lambda f: f.optimizers["SGD"].step(),
    "Adam.step": lambda f: f.optimizers["Adam"].step(),
    "AdamW.step": lambda f: f.optimizers["AdamW"].step(),
    "new MLP": lambda f: MLP(2, [2, 1], rng=RNG(1)),
    "deepcopy": lambda f: copy.deepcopy([f.x, f.model]),
    "unpickle": lambda f: pickle.loads(f.pickled),
}

DEEP = ("backward", "deep grad")

# These need no memory of the arena: they work when there is none.
FREE_CALLS: dict[str, Callable[[Fixture], object]] = {
    "data": lambda f: f.x.data,
    "set data": lambda f: setattr(f.x, "data", f.x.data),
    "set grad": lambda f: setattr(f.x, "grad", f.x.grad),
    "zero_grad": lambda f: f.deep.zero_grad(),
    "repr": lambda f: repr(f.deep),
    "_prev": lambda f: walked(f.walk),
    "comparison": lambda f: f.x < f.y,
    "float": lambda f: no_grad(float)(f.x),
    "Module.zero_grad": lambda f: copy.copy(f.model).parameters(),
    "memory_usage": lambda f: memory_usage(),
    "to_dot": lambda f: mg.to_dot(f.walk),
    "drop": lambda f: vars(f).pop("deep"),
}


def fill_up(held: list[Value]) -> None:
    """Record leaves until the next node needs another page."""
    while (usage := memory_usage())["nodes"] < usage["capacity"]:
        held.extend(Value(0.0) for _ in range(usage["capacity"] - usage["nodes"]))


def refuse_everywhere(name: str, persistent: bool, held: list[Value]) -> int:
    """Refuse each allocation of a call in turn; returns how many there were."""
    call, fixture = CALLS[name], Fixture(70_000 if name in DEEP else 10)
    for k in itertools.count():
        fill_up(held)
        state = fixture.state()
        _core.fail_allocation(k, persistent)
        try:
            call(fixture)
        except mg.errors.OutOfMemoryError as error:
            _core.fail_allocation(-1)
            assert isinstance(error, MemoryError)
            assert "out of memory" in str(error)
        else:
            _core.fail_allocation(-1)
            return k
        assert fixture.state() == state, (name, k)
        call(fixture)
    raise AssertionError("it never ends")


def refuse_all() -> None:
    held: list[Value] = []
    for name in CALLS:
        counts = [refuse_everywhere(name, persistent, held) for persistent in (False, True)]
        print(f"{name}:{min(counts)}")
    fixture = Fixture(10)
    fill_up(held)
    _core.fail_allocation(0, persistent=True)
    for call in FREE_CALLS.values():
        call(fixture)
    _core.fail_allocation(-1)


def test_no_memory_at_every_allocation() -> None:
    counts = dict(line.split(":") for line in run_function(refuse_all).splitlines())
    assert list(counts) == list(CALLS)
    assert all(int(count) > 0 for count in counts.values()), counts


@pytest.fixture
def no_limit() -> Iterator[None]:
    """Take the limit away again."""
    yield
    mg.set_memory_limit(None)


def meet_a_limit() -> None:
    x = Value(1.0)
    kept = [x]
    mg.set_memory_limit(memory_usage()["bytes"] + 300_000)
    with pytest.raises(mg.errors.OutOfMemoryError, match="byte limit"):
        while True:
            kept.append(kept[-1] + x)
    assert memory_usage()["bytes"] <= memory_usage()["peak_bytes"]
    count = len(kept)
    with pytest.raises(MemoryError):
        kept[-1] * 2.0
    assert len(kept) == count
    assert kept[-1].data == count
    del kept[count // 2 :]
    assert (kept[-1] * 2.0).data == 2.0 * len(kept)
    mg.set_memory_limit(None)
    kept[-1].backward()
    assert x.grad == len(kept)


def test_a_limit_is_an_error_not_the_end() -> None:
    run_function(meet_a_limit)  # whose process has no room left from others


def drop_many_small_tensors() -> None:
    """Memory that small tensors had serves tensors of any size."""
    mg.set_memory_limit(16 << 20)
    kept = []
    with pytest.raises(MemoryError):
        while True:
            kept.append(mg.ones(4))
    kept.clear()
    for size in (4, 100, 1000, 100_000, 2_000_000):
        assert mg.ones(size).sum().item() == size


def make_from_python_under_a_limit() -> None:
    """What is made of a list, or by a generator, counts before it is there."""
    items = [0.5] * 1_000_000
    mg.ones(1)
    mg.set_memory_limit(memory_usage()["bytes"] + (2 << 20))
    peak = memory_usage()["peak_bytes"]
    generator = mg.RNG(3)
    for call in (lambda: mg.tensor(items), lambda: mg.randperm(1_000_000, generator=generator)):
        with pytest.raises(MemoryError):
            call()
    assert memory_usage()["peak_bytes"] <= peak + (2 << 20)
    assert generator.state == mg.RNG(3).state
    mg.set_memory_limit(None)
    assert mg.tensor(items).sum().item() == 500_000


@pytest.mark.parametrize("function", [drop_many_small_tensors, make_from_python_under_a_limit])
def test_a_limit_and_tensors(function: Callable[[], None]) -> None:
    run_function(function)


def hold_more_than_the_limit() -> None:
    x = Value(3.0)
    held = [Value(0.0)]
    mg.set_memory_limit(1)
    with pytest.raises(MemoryError):
        while True:
            held.append(Value(0.0))
    assert x.data == 3.0


def test_a_limit_below_what_is_held() -> None:
    run_function(hold_more_than_the_limit)


@pytest.mark.parametrize(
    ("size", "kind"),
    [(0, ValueError), (-1, ValueError), (2**64, OverflowError), ("1", TypeError), (1.5, TypeError)],
)
def test_limits_that_are_none(size: Any, kind: type[Exception], no_limit: None) -> None:
    with pytest.raises(kind):
        mg.set_memory_limit(size)
    assert Value(1.0).data == 1.0
