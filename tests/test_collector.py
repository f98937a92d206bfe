"""What Python's collector sees of Values: nothing of a plain graph, and every cycle of a user's."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from isolated import run_function

from pymicrograd import MLP, Value, grad, memory_usage
from pymicrograd.nn import functional


class Own(Value):
    """A class of the user's."""


class Slotted(Value):
    __slots__ = ("parent",)
    parent: Any


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    gc.collect()
    before = memory_usage()["nodes"]
    yield
    gc.collect()
    assert memory_usage()["nodes"] == before


def is_freed(make: Callable[[], Any]) -> bool:
    """Tell whether what make() returns is freed, once by the collector, after it is dropped."""
    reference = weakref.ref(make())
    gc.collect()
    return reference() is None


# ---- what is untracked ---------------------------------------------------------------------------


def test_a_plain_graph_is_not_seen() -> None:
    a, b = Value(2.0), Value(3.0, label="b")
    nodes = [a, b, a * b, a - b, a / 2.0, a**2, a**b, a.exp(), a.maximum(b), 2.0 - a]
    nodes += [Value(1.0, (a, b), "x"), Value(1.0, (a, b, a), (1.0, 2.0, 3.0)), -nodes[-1]]
    nodes[2].label, nodes[2]._vis_color, nodes[2]._op, nodes[2].m = "c", "red", "x", 0.5
    for node in nodes:
        node.backward()
    assert all(node._prev is not None for node in nodes)
    nodes += [p for node in nodes for p in node._prev]
    grad(nodes[3], [a, b])
    assert [gc.is_tracked(node) for node in nodes] == [False] * len(nodes)


def test_what_is_seen() -> None:
    a = Value(2.0)
    b = a * 2.0
    kinds: list[Callable[[Any], Any]] = [
        lambda v: setattr(v, "x", []),
        lambda v: setattr(v, "x", Value(1.0)),
        lambda v: setattr(v, "_backward", lambda: None),
        lambda v: setattr(v, "_op", ["x"]),
        lambda v: vars(v),
        lambda v: setattr(v, "__dict__", {}),
        lambda v: setattr(v, "__class__", Own),
    ]
    for store in kinds:
        leaf = Value(1.0)
        below = leaf + a
        above = below * b + 1.0
        store(leaf)
        assert [gc.is_tracked(x) for x in (leaf, below, above)] == [True] * 3
        assert gc.is_tracked(above * 2.0) and gc.is_tracked(Value(1.0, (above,), (1.0,)))
        assert not gc.is_tracked(a) and not gc.is_tracked(b) and not gc.is_tracked(b * a)
    assert gc.is_tracked(Own(1.0)) and gc.is_tracked(Own(1.0) * 2.0)


# ---- cycles --------------------------------------------------------------------------------------


def parent_on_child() -> Any:
    a = Value(1.0)
    c = (a * 2.0 + 1.0).tanh()
    a.parent = c
    return a


def parents_on_all_children() -> Any:
    root = MLP(2, [3, 1])([Value(1.0), 2.0]) + (Value(1.0) - Value(2.0)) ** 2
    pending = [root]
    while pending:
        node = pending.pop()
        for child in node._prev:
            child.parents = [*getattr(child, "parents", []), node]
            pending.append(child)
    return root


def container_filled_later() -> Any:
    a = Value(1.0)
    c = a.exp() + 1.0
    users: list[Any] = []
    a.users = users
    users.append(c)
    return c


def closure() -> Any:
    a, b = Value(1.0), Value(2.0)
    out = Value(2.0, (a, b), "mine")

    def _backward() -> None:
        a.grad += out.grad

    out._backward = _backward
    (out * 2.0).backward()
    return out


def closure_on_old_node() -> Any:
    a = Value(1.0)
    b = a * 2.0
    c = b + a
    b._backward = lambda: c.data  # an older Value holds a newer one
    return b


def cycle_through_a_dict() -> Any:
    a = Value(1.0)
    b = -a
    vars(a)["up"] = b
    return b


def cycle_through_many_operands() -> Any:
    a = Value(1.0)
    b = Value(1.0, (a, a, Value(2.0), a * 3.0), "many")
    c = b + 1.0
    a.up = c
    return c


def cycle_through_a_bulk_builder() -> Any:
    a = Value(1.0)
    c = functional.softmax([a, Value(2.0)])[0] * 2.0
    a.up = c
    return c


def cycle_through_a_derivative() -> Any:
    a = Value(1.0)
    (d,) = grad(a**3, [a], create_graph=True)
    a.up = d * 2.0
    return a


def cycle_through_an_exponent() -> Any:
    class Number(float):
        pass

    k = Number(3.0)
    c = Value(2.0) ** k
    k.up = c * 2.0  # type: ignore[attr-defined]
    return c


def object_made_by_walking() -> Any:
    a, b = Value(1.0), Value(2.0)
    c = a - b
    c._prev[1].up = c
    return c


def subclass() -> Any:
    a = Own(1.0)
    b = a + 1.0
    a.up = b
    return b


def slots() -> Any:
    a = Slotted(1.0)
    a.parent = a * 2.0
    return a


def class_in_a_function() -> Any:
    class Inner(Value):
        zero: Any = None

    Inner.zero = Inner(0.0)
    return Inner.zero * 2.0


def deep_copy() -> Any:
    a = Value(1.0)
    a.me = a
    return copy.deepcopy(a)


def again() -> Any:
    a = Value(1.0)
    b = a * 2.0
    a.up = b
    a.__init__(3.0)  # type: ignore[misc]
    a.up = a * 2.0
    return a


CYCLES = [
    parent_on_child, parents_on_all_children, container_filled_later, closure, closure_on_old_node,
    cycle_through_a_dict, cycle_through_many_operands, cycle_through_a_bulk_builder,
    cycle_through_a_derivative, cycle_through_an_exponent, object_made_by_walking, subclass, slots,
    class_in_a_function, deep_copy, again,
]  # fmt: skip


@pytest.mark.parametrize("make", CYCLES, ids=lambda make: make.__name__)
def test_a_cycle_is_freed(make: Callable[[], Any]) -> None:
    assert is_freed(make)


def test_users_in_any_order_of_memory_are_found() -> None:
    """Slots are reused, so that neither way through memory is the way up."""
    chains = []
    for length in (300, 3000):
        keep = [Value(float(i)) for i in range(length)]
        for i in range(0, length, 3):
            keep[i] = keep[-i - 1] * 2.0  # frees slots here and there
        leaf = Value(1.0)
        top = leaf
        for i in range(length):
            top = top + keep[(i * 7919) % length]
            keep[(i * 7919) % length] = Value(0.0)
        leaf.top = top
        chains.append(weakref.ref(top))
        del leaf, top, keep
    gc.collect()
    assert [reference() for reference in chains] == [None, None]


def rounds() -> None:
    """Make cycles of old Values 10^6 times; say how many objects are left now and then."""
    bystanders = [Value(1.0) for _ in range(10_000)]
    counts = []
    for i in range(1_000_000):
        a = Value(1.0)
        b = a * 2.0
        a.parent = b
        if i % 250_000 == 50_000:
            gc.collect()
            counts.append(memory_usage()["nodes"])
    assert len(bystanders) == 10_000
    print(max(counts) - min(counts))


def test_a_million_cycles_leave_nothing() -> None:
    assert int(run_function(rounds)) == 0


def parents_in_a_large_graph() -> None:
    """Store a parent on every child of a graph of 10^5 nodes: time and memory stay linear."""
    before = memory_usage()["nodes"]
    nodes = [Value(float(i)) for i in range(50_000)]
    total = nodes[0]
    for node in nodes:
        total = total + node
        for child in total._prev:
            child.parent = total
    for node in nodes:
        node.again = total
    del nodes, node, child, total
    gc.collect()
    print(memory_usage()["nodes"] - before)


def test_parents_in_a_large_graph() -> None:
    assert int(run_function(parents_in_a_large_graph)) == 0


# ---- the end of long chains ----------------------------------------------------------------------


def chains_of_all_kinds() -> None:
    """Drop chains of 10^5 to 10^6 Values in a thread with the smallest stack."""
    gc.disable()

    def operands(n: int = 1_000_000) -> Any:
        x = Value(1.0)
        for _ in range(n):
            x = x + 1.0
        return x

    def attributes() -> Any:
        x = Value(1.0)
        for _ in range(100_000):
            y = Value(1.0)
            y.next = x
            x = y
        return x

    def closures() -> Any:
        x = Value(1.0)
        for _ in range(100_000):
            y = Value(1.0, (x,), "mine")
            y._backward = lambda x=x: None
            x = y
        return x

    def many() -> Any:
        x = Value(1.0)
        for _ in range(100_000):
            x = Value(1.0, (x, x, x), (1.0, 2.0, 3.0))
        return x

    def bulk() -> Any:
        x = Value(1.0)
        for _ in range(100_000):
            x = functional.sum([x, x])
        return x

    def classes() -> Any:
        x: Any = Own(1.0)
        for _ in range(100_000):
            x = Own(1.0, (x,), "own")
        return x

    def work() -> None:
        for make in (operands, attributes, closures, many, bulk, classes):
            make()

    threading.stack_size(64 * 1024)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    print(memory_usage()["nodes"])


def test_long_chains_are_dropped_in_a_small_stack() -> None:
    assert int(run_function(chains_of_all_kinds)) == 0


def test_what_frees_values_sees_whole_ones() -> None:
    """A callback while a graph is being freed may walk, store and free."""
    a = Value(1.0)
    seen = []

    class Watcher:
        def __init__(self, node: Any) -> None:
            self.node = node

        def __del__(self) -> None:
            inner = self.node * 2.0
            inner.me = inner
            seen.append((inner.data, len(self.node._prev)))

    for _ in range(20):
        b = a * 2.0
        c = b + 1.0
        c.watcher = Watcher(b)
        weakref.finalize(c, lambda: seen.append(len((a * 3.0)._prev)))
        d = c
        for _ in range(5):
            d = d + b
        del b, c, d
    gc.collect()
    assert seen == [2, (4.0, 2)] * 20
