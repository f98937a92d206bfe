"""Threads: on one graph they take turns, and the result is that of some order of their calls."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from isolated import run_function

import pymicrograd as mg
from pymicrograd import MLP, RNG, Value, _core, cross_entropy, grad, memory_usage, no_grad
from pymicrograd._core import nodes
from pymicrograd.nn import functional


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Let the interpreter change threads as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def run_threads(*functions: Callable[[], object]) -> list[Any]:
    """Run functions at the same time, all started at once; returns what they return."""
    results: list[Any] = [None] * len(functions)
    barrier = threading.Barrier(len(functions))

    def run(i: int) -> None:
        barrier.wait()
        try:
            results[i] = functions[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


class BetweenSlices:
    """The library, with a function called after each slice of a backward but the last.

    Args:
        library: the library.
        function: called with the number of slices done.
    """

    def __init__(self, library: Any, function: Callable[[int], object]) -> None:
        self.library = library
        self.function = function
        self.slices = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def seen(self, status: int) -> int:
        if status == self.library.MG_MORE:
            self.slices += 1
            self.function(self.slices)
        return status

    def mg_backward(self, arena: Any, root: int, seed: float, budget: int) -> int:
        return self.seen(self.library.mg_backward(arena, root, seed, budget))

    def mg_backward_resume(self, arena: Any, budget: int) -> int:
        return self.seen(self.library.mg_backward_resume(arena, budget))


def backward_in_slices(root: Value, function: Callable[[int], object], budget: int = 1) -> int:
    """Run a backward in slices of so many nodes, a function between them; returns their number."""
    with pytest.MonkeyPatch.context() as patch:
        between = BetweenSlices(nodes.lib, function)
        patch.setattr(nodes, "lib", between)
        patch.setattr(nodes, "SLICE", budget)
        root.backward()
    return between.slices


def powers(x: Value, count: int) -> Value:
    """Return x + x**2 + ... + x**count, by products."""
    power = total = x
    for _ in range(count - 1):
        power = power * x
        total = total + power
    return total


def slope(x: float, count: int) -> float:
    """Return the gradient of powers() as one thread computes it."""
    leaf = Value(x)
    powers(leaf, count).backward()
    return leaf.grad


# ---- one graph, several threads --------------------------------------------------------------


def test_backwards_of_one_graph_add_up() -> None:
    """Each addition to a gradient counts: none is lost and none doubled."""
    x = Value(1.0)
    root = powers(x, 50)
    once = slope(1.0, 50)

    def work() -> None:
        for _ in range(200):
            root.backward()

    run_threads(*[work] * 4)
    assert x.grad == 800 * once


def test_forward_and_backward_of_shared_leaves() -> None:
    x = Value(1.0)

    def work() -> int:
        for i in range(100):
            root = powers(x, 20 + i % 3)
            assert root.data == 20 + i % 3
            root.backward()
        return 100

    run_threads(*[work] * 4)
    expected = sum(slope(1.0, 20 + i % 3) for i in range(100))
    assert x.grad == 4 * expected


def test_recorded_gradients_from_threads() -> None:
    x = Value(1.5)
    expected = [d.data for d in grad(grad(powers(x, 9), [x], create_graph=True)[0], [x])]

    def work() -> list[float]:
        found: list[float] = []
        for _ in range(60):
            (first,) = grad(powers(x, 9), [x], create_graph=True)
            found = [d.data for d in grad(first, [x])]
            assert found == expected
        return found

    assert run_threads(*[work] * 3) == [expected] * 3
    assert x.grad == 0.0


def test_trainings_of_their_own() -> None:
    """Threads that share nothing get what one thread gets."""

    def train() -> list[float]:
        rng = RNG(11)
        model = MLP(2, [6, 2], rng=rng)
        optimizer = mg.AdamW(model.parameters(), lr=0.05)
        points = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(12)]
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = cross_entropy(model(points), [i % 2 for i in range(12)])
            loss.backward()
            optimizer.step()
            losses.append(loss.data)
        return losses

    alone = train()
    assert run_threads(*[train] * 4) == [alone] * 4


def test_objects_are_the_same_in_all_threads() -> None:
    """Nodes without an object get one, and only one, whoever walks there first."""
    for _ in range(30):
        x = Value(2.0)
        root = functional.sum([x, x * 3.0, 4.0])

        def walk(root: Value = root) -> list[int]:
            found, waiting = [], [root]
            while waiting:
                value = waiting.pop()
                found.append(id(value))
                waiting.extend(value._prev)
            return found

        first, *others = run_threads(*[walk] * 4)
        assert others == [first] * 3


def test_no_grad_is_a_threads_own() -> None:
    x = Value(3.0)
    inside, outside = threading.Barrier(2), threading.Barrier(2)

    def silent() -> tuple[Value, ...]:
        with no_grad():
            inside.wait()
            result = (x * 2.0)._prev
            outside.wait()
        return result

    def loud() -> tuple[Value, ...]:
        inside.wait()
        result = (x * 2.0)._prev
        outside.wait()
        return result

    assert [len(operands) for operands in run_threads(silent, loud)] == [0, 2]


# ---- while a backward is under way -----------------------------------------------------------


def test_recording_between_slices() -> None:
    """Other threads record, read and drop in every slice; the backward does not notice."""
    x = Value(0.75)
    root = powers(x, 200)
    expected = slope(0.75, 200)
    start = memory_usage()["nodes"]

    def record() -> None:
        value = (x * 2.0 + root).tanh()
        value.grad = 1.0
        assert value._prev[0]._prev[1] is root
        assert functional.softmax([x, root])[0].data < 1.0
        assert x.data == 0.75

    assert backward_in_slices(root, lambda done: run_threads(record)) > 300
    assert x.grad == expected
    assert memory_usage()["nodes"] == start


def test_writing_between_slices_is_refused() -> None:
    x = Value(0.75)
    y = x * 2.0
    root = y * y + x
    optimizer = mg.SGD([x])
    refused: list[str] = []

    def write() -> None:
        for change in (
            lambda: setattr(x, "data", 9.0),
            lambda: setattr(x, "grad", 9.0),
            lambda: setattr(x, "grad", 9),
            x.zero_grad,
            optimizer.zero_grad,
            optimizer.step,
        ):
            with pytest.raises(mg.errors.BusyError, match="backward") as caught:
                change()
            assert isinstance(caught.value, RuntimeError)
            refused.append(str(caught.value))

    backward_in_slices(root, lambda done: run_threads(write))
    assert refused
    assert (x.data, x.grad) == (0.75, 7.0)
    x.data = 1.0
    optimizer.step()
    assert x.data == 1.0 - 0.1 * 7.0


def test_a_second_backward_waits() -> None:
    """It begins when the first is done, whichever graph it is of."""
    x, y = Value(0.75), Value(2.0)
    first, second = powers(x, 50), powers(y, 5)
    thread = threading.Thread(target=second.backward)

    def start(done: int) -> None:
        if done == 3:
            thread.start()
        if done > 3:
            assert y.grad == 0.0
            assert thread.is_alive()

    assert backward_in_slices(first, start) > 10
    thread.join()
    assert x.grad == slope(0.75, 50)
    assert y.grad == slope(2.0, 5)


def test_gradients_to_record_wait_too() -> None:
    x = Value(0.75)
    root = powers(x, 30)
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.append(grad(root, [x])[0].data))

    def start(done: int) -> None:
        if done == 1:
            thread.start()
        assert not found

    backward_in_slices(root, start)
    thread.join()
    assert found == [x.grad] == [slope(0.75, 30)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_exception_in_any_slice(error: type[BaseException]) -> None:
    """Gradients of leaves are as before, the others 0.0, and the graph is as good as new."""
    x, y = Value(0.75), Value(0.5)
    middle = x * y
    root = powers(middle, 40)
    x.grad = y.grad = 0.125
    slices = backward_in_slices(root, lambda done: None)
    once = x.grad, y.grad
    assert slices > 70

    def stop_after(count: int) -> Callable[[int], None]:
        def stop(done: int) -> None:
            if done == count:
                raise error

        return stop

    for count in range(1, slices + 1):
        x.grad = y.grad = 0.125
        with pytest.raises(error):
            backward_in_slices(root, stop_after(count))
        assert (x.grad, y.grad, middle.grad, root.grad) == (0.125, 0.125, 0.0, 0.0)
        root.backward()
        assert (x.grad, y.grad) == once


# ---- ops on Tensors ---------------------------------------------------------------------------


TRIES = 1000  # in which another thread, awake, is given a processor: one or two are the rule


def others_run_during(call: Callable[[], object]) -> bool:
    """Tell whether another thread comes to run in a call, by the call's own doing."""
    sys.setswitchinterval(1000)  # `restless` sets it back
    gate, seen = threading.Lock(), []
    gate.acquire()
    thread = threading.Thread(target=lambda: (gate.acquire(), seen.append(True)))
    thread.start()
    gate.release()
    call()
    ran = bool(seen)
    thread.join()
    return ran


# What takes long, though its operands are small: column (4096, 1) and row (1, 4096).
LARGE: dict[str, Callable[[Any, Any], object]] = {
    "mul": lambda column, row: column * row,
    "maximum": lambda column, row: mg.maximum(column, row),
    "where": lambda column, row: mg.where(column > 0, row, 0.0),
    "matmul": lambda column, row: column @ row,
    "linear": lambda column, row: mg.functional.linear(column, row.mT),
    "pad": lambda column, row: row[:, :2].pad((0, 4096, 4096, 0)),
    "fold": lambda column, row: _core.TensorBase._apply(
        _core.OPS["fold"], (row[:, :4].reshape(2, 2, 1, 1),), (2, 4096, 4096, 4095, 4095, 1, 1)
    ),
    "contiguous": lambda column, row: row.expand(4096, 4096).contiguous(),
    "zeros": lambda column, row: mg.zeros(4096, 4096),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_takes_long_lets_other_threads_run(name: str) -> None:
    column, row = mg.ones(4096, 1), mg.ones(1, 4096)
    assert any(others_run_during(lambda: LARGE[name](column, row)) for _ in range(TRIES))


def test_writing_into_a_recorded_tensor_lets_other_threads_run() -> None:
    x, leaf = mg.ones(2048, 2048), mg.ones(1, requires_grad=True)

    def write() -> bool:
        recorded = x * leaf
        return others_run_during(lambda: recorded.__setitem__(slice(1, None), x[1:]))

    assert any(write() for _ in range(TRIES))


def test_what_is_short_does_not() -> None:
    x, y, m = mg.ones(2000), mg.ones(2000), mg.ones(32, 32)
    where = x > 0

    def work() -> None:
        x + y, x * 2.0, m + m[0], m @ m, x.sum(), x.pad((1, 1)), x.reshape(40, 50)
        mg.where(where[:200], x[:200], y[:200]), mg.functional.linear(m, m, m[0])

    work()  # which imports what it names: others run while files are read
    assert not any(others_run_during(work) for _ in range(20))


def test_what_waits_for_a_long_op_lets_other_threads_run() -> None:
    large, one = mg.ones(1200, 1200), mg.ones(1, requires_grad=True)
    one.grad = mg.ones(1)
    calls: list[Callable[[], object]] = [
        lambda: one + one, lambda: one + 1.0, lambda: one.shape, lambda: one.grad, lambda: -one,
        lambda: mg.tensor([1.0]), lambda: one.sum(),
    ]  # fmt: skip

    def waits(call: Callable[[], object]) -> bool:
        sys.setswitchinterval(1000)
        begun = threading.Lock()
        begun.acquire()
        thread = threading.Thread(target=lambda: (begun.release(), large @ large))
        thread.start()
        begun.acquire()  # the other thread is inside its product when this one runs again
        ran = others_run_during(call)
        thread.join()
        return ran

    for call in calls:
        assert any(waits(call) for _ in range(TRIES))


def test_threads_take_turns() -> None:
    """Who waits for an op of a thread that makes one after the other gets its turn next."""
    large, one, done, seen = mg.ones(1000, 1000), mg.ones(1, requires_grad=True), 0, set()

    def work() -> None:
        nonlocal done
        for _ in range(100):
            large @ large
            done += 1

    thread = threading.Thread(target=work)
    thread.start()
    while done < 100:
        one.sum()
        seen.add(done)
    thread.join()
    assert len(seen) >= 25  # some 100; where turns are not given up, three


# ---- everything at once ----------------------------------------------------------------------


def storm() -> None:
    """Do all there is to do in eight threads at once."""
    sys.setswitchinterval(1e-6)
    shared = [Value(0.25 * i + 0.5) for i in range(6)]
    model = MLP(2, [3, 2], rng=RNG(4))
    optimizer = mg.AdamW(model.parameters())
    gc.set_threshold(50, 2, 2)

    def record(rng: RNG) -> None:
        a, b = (shared[rng.random_u32() % 6] for _ in range(2))
        value = (a * b + a / b - b).tanh().sin()
        value.friend = value  # a cycle: the collector's to free
        value._prev[0]._prev[0].label = "seen"

    def differentiate(rng: RNG) -> None:
        a, b = (shared[rng.random_u32() % 6] for _ in range(2))
        (a * b + a).backward()
        grad((a * b).exp(), [a, b], create_graph=True)

    def train(rng: RNG) -> None:
        try:
            cross_entropy(model([[shared[0], 1.0], [0.5, shared[1]]]), [0, 1]).backward()
            optimizer.step()
            optimizer.zero_grad()
        except mg.errors.BusyError:
            pass

    def write(rng: RNG) -> None:
        value = shared[rng.random_u32() % 6]
        try:
            value.data = value.data
            value.grad = 0.0
        except mg.errors.BusyError:
            pass

    def work(seed: int) -> None:
        rng = RNG(seed)
        for _ in range(600):
            (record, differentiate, train, write)[rng.random_u32() % 4](rng)

    run_threads(*[lambda seed=seed: work(seed) for seed in range(1, 9)])  # type: ignore[misc]
    gc.collect()
    for value in shared:
        assert value.data == value.data
    print(memory_usage()["nodes"])


def test_a_storm_of_threads() -> None:
    parameters = 3 * 3 + 2 * 4
    assert int(run_function(storm)) == 6 + parameters


def small_stack() -> None:
    """Build, walk and drop a chain of a million Values in a thread with a stack of 256 KiB."""
    gc.disable()
    start = memory_usage()["nodes"]

    def work() -> float:
        x = last = Value(0.5)
        for _ in range(1_000_000):
            last = last + x
        last.backward()
        return x.grad

    threading.stack_size(256 * 1024)
    print(run_threads(work)[0])
    assert memory_usage()["nodes"] == start


# ---- memory that was lent --------------------------------------------------------------------

ITEMS = 50_000


class Lent:
    """Operands whose indices a second thread writes to, in memory lent to NumPy."""

    def __init__(self) -> None:
        self.index = mg.zeros(ITEMS, dtype="int64")
        self.mask = mg.zeros(ITEMS, dtype="bool")
        self.table, self.rows = mg.ones(16, 4, requires_grad=True), mg.ones(ITEMS, 4)
        self.flat, self.plain = mg.ones(ITEMS), mg.ones(16, 4)
        self.logits = mg.zeros(ITEMS, 2, requires_grad=True)


# Each reads self.index or self.mask, some again in a backward.
READERS: dict[str, Callable[[Lent], object]] = {
    "take": lambda s: s.table[s.index],
    "take backward": lambda s: s.table[s.index].sum().backward(),
    "two axes": lambda s: s.table[s.index, s.index],
    "put": lambda s: s.plain.__setitem__(s.index, s.rows),
    "gather": lambda s: s.flat.gather(0, s.index),
    "scatter_add": lambda s: s.flat.scatter_add(0, s.index, s.flat),
    "scatter_add_": lambda s: mg.zeros(ITEMS).scatter_add_(0, s.index, s.flat),
    "index_select": lambda s: s.table.index_select(0, s.index),
    "cross_entropy": lambda s: mg.functional.cross_entropy(s.logits, s.index).backward(),
    "nonzero": lambda s: s.mask.nonzero(),
    "mask": lambda s: s.flat[s.mask],
    "mask put": lambda s: s.flat.__setitem__(s.mask, 1.0),
    "divide": lambda s: s.index // s.index,
    "remainder": lambda s: s.index % s.index,
}


@pytest.mark.parametrize("name", READERS)
def test_lent_indices_that_another_thread_changes(name: str) -> None:
    """They are right or refused; nothing outside of the operands is read or written."""
    subject = Lent()
    indices, masks = subject.index.numpy(), subject.mask.numpy()
    over = threading.Event()
    refusals = IndexError, ValueError, ZeroDivisionError, mg.errors.ChangedError

    def write() -> None:
        while not over.is_set():
            indices[ITEMS // 2 :] = 1 << 44
            masks[:] = True
            indices[ITEMS // 2 :] = 1
            masks[ITEMS // 3 :] = False

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(60):
            with contextlib.suppress(*refusals):
                READERS[name](subject)
    finally:
        over.set()
        thread.join()


# ---- what a hook may do ----------------------------------------------------------------------


def test_a_hook_waits_for_the_backward_of_another_thread() -> None:
    x = mg.ones(3, requires_grad=True)
    y = x * 2.0

    def backward() -> None:
        (x * 5.0).sum().backward()

    def hook(gradient: Any) -> None:
        thread = threading.Thread(target=backward)
        thread.start()
        thread.join()

    y.register_hook(hook)
    (y * y).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [13.0] * 3


def test_hooks_stay_while_others_work_and_garbage_is_collected() -> None:
    """The collector asks twice who refers to a node; an op may take a reference between."""
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            gc.collect()

    def use() -> int:
        calls: list[int] = []
        x = mg.ones(70_000, requires_grad=True)
        x.register_hook(lambda gradient, kept=x: calls.append(1))
        del x
        for _ in range(30):
            y = mg.ones(70_000, requires_grad=True)
            y.register_hook(lambda gradient, kept=y: calls.append(1))
            (y * 2.0).sum().backward()
        return len(calls)

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        assert run_threads(use, use) == [30, 30]
    finally:
        over.set()
        thread.join()


def test_a_long_chain_in_a_small_stack() -> None:
    assert float(run_function(small_stack)) == 1_000_001.0
