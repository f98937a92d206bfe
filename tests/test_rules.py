"""Values of the user's own operands, local gradients and rules, in both engines."""

from __future__ import annotations

import gc
import math
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

import pymicrograd
from pymicrograd import memory_usage
from pymicrograd.errors import BusyError, GradientError
from pymicrograd.pictures.graphs import to_dot
from pymicrograd.reference import value as reference


def softsign(x: Any) -> Any:
    """Return x / (1 + |x|), as one writes an op for micrograd."""
    out = type(x)(x.data / (1 + abs(x.data)), (x,), "softsign")

    def _backward() -> None:
        x.grad += out.grad / (1 + abs(x.data)) ** 2

    out._backward = _backward
    return out


# ---- the constructor -----------------------------------------------------------------------------


def test_operands_in_any_number_are_kept(engine: Any) -> None:
    a, b, c = (engine.Value(x) for x in (1.0, 2.0, 3.0))
    for operands in ((a,), (a, b), (a, b, c), (c, a, a, b, c), (a, a), tuple([b] * 70)):
        node = engine.Value(0.5, operands, "mine")
        assert (node.data, node.grad, node._op) == (0.5, 0.0, "mine")
        assert node._prev == operands == node._children
        assert all(x is y for x, y in zip(node._prev, operands, strict=True))
        assert not node.is_leaf
        node.backward()
        assert (a.grad, b.grad, c.grad) == (0.0, 0.0, 0.0)  # nothing is passed on
    assert engine.Value(1.0, [a, b])._prev == (a, b)
    assert engine.Value(1.0, {a})._prev == {a}
    assert engine.Value(1.0, (x for x in (a, b)))._prev == (a, b)


def test_arguments_have_the_names_of_micrograd_and_microgpt(engine: Any) -> None:
    a = engine.Value(1.0, label="a")
    assert (a.label, a._label, a._op, a._prev) == ("a", "a", "", ())
    assert engine.Value(1.0, (), "", "b").label == "b"
    node = engine.Value(data=2.0, _children=(a,), _op="x", label="n")
    assert (node._prev, node._op, node.label) == ((a,), "x", "n")
    node = engine.Value(2.0, children=(a,), local_grads=(3.0,))
    assert (node._children, node._local_grads) == ((a,), (3.0,))
    for children in ((), [], set()):
        leaf = engine.Value(1.0, children, "input")
        assert (leaf._prev, leaf._op, leaf.is_leaf) == ((), "input", True)


WRONG: list[tuple[Any, Any, str]] = [
    (lambda V, a: V(1.0, 2), TypeError, "operands are a tuple of Values, not int"),
    (lambda V, a: V(1.0, (a, 2.0)), TypeError, "an operand of a Value is a Value, not .*float"),
    (lambda V, a: V(1.0, "ab"), TypeError, "operands are a tuple of Values, not str"),
    (lambda V, a: V(1.0, (a,), (1.0, 2.0)), ValueError, "local gradient .* 2 of 1"),
    (lambda V, a: V(1.0, (), (1.0,)), ValueError, "local gradient .* 1 of 0"),
    (lambda V, a: V(1.0, (a,), ("x",)), TypeError, "real number"),
    (lambda V, a: V(1.0, (a,), 3), TypeError, "_op is text, or numbers"),
    (lambda V, a: V(1.0, (a,), children=(a,)), TypeError, "children is given twice"),
    (lambda V, a: V(1.0, size=1), TypeError, "no argument 'size'"),
    (lambda V, a: V(a, (a,)), TypeError, "real number"),
    (lambda V, a: V(), TypeError, "."),
    (lambda V, a: V(1.0, (), "", "", 0), TypeError, "."),
    (lambda V, a: setattr(a * a, "_backward", 3), TypeError, "a function without arguments"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG)
def test_wrong_arguments_are_refused(engine: Any, call: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call(engine.Value, engine.Value(1.0))


def test_no_grad_makes_a_leaf(engine: Any) -> None:
    a = engine.Value(2.0)
    with engine.no_grad():
        node, given = engine.Value(3.0, (a,), "x"), engine.Value(3.0, (a,), (1.0,))
    assert node.is_leaf and given.is_leaf and node._prev == ()
    node.backward()
    assert a.grad == 0.0


# ---- rules ---------------------------------------------------------------------------------------


def test_a_rule_is_called_at_its_place(engine: Any) -> None:
    x = engine.Value(-3.0)
    y = softsign(x) * 2.0 + x
    y.backward()
    assert (y.data, x.grad) == (-4.5, 1.125)
    assert y._prev[0]._prev[0]._op == "softsign"
    assert engine.grad(y, [x])[0].data == 1.125
    assert x.grad == 1.125
    assert "softsign" in to_dot(y)
    with pytest.raises(GradientError, match="create_graph: a node on the way has a _backward"):
        engine.grad(y, [x], create_graph=True)


def test_local_gradients_stay_numbers(engine: Any) -> None:
    a, b = engine.Value(2.0), engine.Value(5.0)
    y = engine.Value(a.data * b.data, (a, b), (b.data, a.data)) + a
    for _ in range(2):
        y.backward()
    assert (a.grad, b.grad) == (12.0, 4.0)
    assert engine.grad(y, [a, b, engine.Value(1.0)])[0].data == 6.0
    with pytest.raises(GradientError, match="local gradients"):
        engine.grad(y, [a], create_graph=True)
    many = [engine.Value(float(i)) for i in range(9)]
    engine.Value(0.0, (*many, many[0]), [0.1 * i for i in range(10)]).backward()
    assert [v.grad for v in many] == [0.1 * 0 + 0.1 * 9, *(0.1 * i for i in range(1, 9))]


def test_local_gradients_of_every_op(engine: Any) -> None:
    a, b = engine.Value(0.5), engine.Value(3.0)
    assert (a * b)._local_grads == (3.0, 0.5)
    assert (a * a)._local_grads == (0.5, 0.5)
    assert (b**2)._local_grads == (6.0,)
    assert a.exp()._local_grads == (math.exp(0.5),)
    assert a._local_grads == engine.Value(1.0, (a,), "x")._local_grads == ()


def test_a_replaced_rule_is_obeyed(engine: Any) -> None:
    x = engine.Value(0.3)
    y = x * 1.0

    def straight_through() -> None:
        x.grad += 7.0 * y.grad

    y._backward = straight_through
    assert y._backward is straight_through
    (y * 2.0).backward()
    assert x.grad == 14.0
    del y._backward
    (y * 2.0).backward()
    assert x.grad == 16.0


def test_a_rule_may_call_the_one_before(engine: Any) -> None:
    x = engine.Value(3.0)
    made = [x * x, x**3, engine.Value(1.0, (x, x, x), (1.0, 2.0, 3.0)), x.tanh()]
    for node in made:
        x.grad = 0.0
        node.backward()
        expected, seen, before = x.grad, [], node._backward

        def rule(before: Any = before, seen: Any = seen, node: Any = node) -> None:
            seen.append(node.grad)
            before()

        node._backward = rule
        x.grad = 0.0
        node.backward()
        assert (x.grad, seen) == (expected, [1.0])


def test_steps_one_at_a_time(engine: Any) -> None:
    a, b = engine.Value(2.0), engine.Value(-3.0)
    c = a * b
    d = c + a
    d.grad = 1.0
    d._backward()
    assert (c.grad, a.grad) == (1.0, 1.0)
    c._backward()
    assert (a.grad, b.grad) == (-2.0, 2.0)
    a._backward()
    many = engine.Value(1.0, (a, b, a), (1.0, 2.0, 3.0))
    many.grad = 2.0
    many._backward()
    assert (a.grad, b.grad) == (6.0, 6.0)
    root = engine.Value(0.0) ** 0.5
    root.grad = 1.0
    with pytest.raises(ZeroDivisionError):
        root._backward()


def test_a_leaf_may_have_a_rule(engine: Any) -> None:
    x, seen = engine.Value(2.0), []
    x._backward = lambda: seen.append(x.grad)
    y = x * x
    y.backward()
    y.backward()
    assert (x.grad, seen, x.is_leaf) == (8.0, [4.0, 8.0], True)
    assert engine.grad(y, [x])[0].data == 4.0
    assert x.grad == 8.0
    x.backward()
    assert seen[3] == 1.0


def test_a_class_may_have_a_rule(engine: Any) -> None:
    class Twice(engine.Value):  # type: ignore[misc, name-defined]
        def _backward(self) -> None:
            for operand in self._prev:
                operand.grad += 2.0 * self.grad

    class Twofold(Twice):
        def _backward(self) -> None:
            super()._backward()
            super()._backward()

    x = engine.Value(3.0)
    y = Twice(6.0, (x,), "2x") + Twofold(12.0, (x,))
    y.backward()
    assert x.grad == 6.0


def test_a_rule_that_raises_changes_no_leaf(engine: Any) -> None:
    x = engine.Value(3.0)
    x.grad = 0.25
    y = x * 2.0
    z = y + x

    def rule() -> None:
        x.grad += 100.0
        raise LookupError("mine")

    y._backward = rule
    for attempt in (z.backward, lambda: engine.grad(z, [x])):
        y.grad = 5.0
        with pytest.raises(LookupError, match="mine"):
            attempt()
        assert x.grad == 0.25
    z.grad = 1.0
    (x * 3.0).backward()  # nothing is left under way
    assert x.grad == 3.25


def test_a_rule_may_run_a_backward_of_its_own(engine: Any) -> None:
    """What a checkpoint does: compute again, and go backward through that."""
    x = engine.Value(1.5)

    def checkpoint(function: Callable[[Any], Any], x: Any, depth: int) -> Any:
        with engine.no_grad():
            data = function(x).data
        out = engine.Value(data, (x,), "checkpoint")

        def rule() -> None:
            inner = engine.Value(x.data)
            y = checkpoint(function, inner, depth - 1) if depth else function(inner)
            y.backward(out.grad)
            x.grad += inner.grad
            assert engine.grad(inner * inner, [inner])[0].data == 2 * inner.data

        out._backward = rule
        return out

    def function(v: Any) -> Any:
        return v * v * v

    (checkpoint(function, x, 2) * 3.0 + x).backward()
    y = engine.Value(1.5)
    (function(y) * 3.0 + y).backward()
    assert x.grad == y.grad


def in_thread(function: Callable[[], object]) -> threading.Thread:
    """Start a thread that a test which fails may leave behind."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def expect_ended(thread: threading.Thread) -> None:
    thread.join(60.0)
    assert not thread.is_alive()


def expect_set(event: threading.Event) -> None:
    assert event.wait(60.0)


def test_a_rule_may_wait_for_a_backward_of_another_thread() -> None:
    v, other = pymicrograd.Value(1.0), pymicrograd.Value(2.0)
    y = v * 2.0
    square = other * other

    def rule() -> None:
        expect_ended(in_thread(square.backward))
        expect_ended(in_thread(lambda: pymicrograd.grad(other * 7.0, [other])))
        expect_ended(in_thread(lambda: pymicrograd.grad(v * v, [v], create_graph=True)))
        v.grad += 2.0 * y.grad

    y._backward = rule
    (y * 3.0).backward()
    assert (v.grad, other.grad) == (6.0, 4.0)


@pytest.mark.all
def test_a_rule_may_wait_for_a_backward_that_shares_leaves() -> None:
    """It begins when the rule has lasted a second."""
    v = pymicrograd.Value(3.0)
    y = v * 2.0

    def rule() -> None:
        expect_ended(in_thread((v * v).backward))
        v.grad += 2.0 * y.grad

    y._backward = rule
    (y * 3.0).backward()
    assert v.grad == 12.0


def test_a_backward_of_another_thread_waits_for_shared_leaves() -> None:
    """The rule's backward fails and puts its leaves back: what the other adds comes after."""
    v, threads = pymicrograd.Value(1.0), []
    y, product = v * 2.0, v * 5.0

    def rule() -> None:
        threads.append(in_thread(product.backward))
        v.grad += 100.0
        raise KeyError("rule")

    y._backward = rule
    with pytest.raises(KeyError, match="rule"):
        (y * 3.0).backward()
    expect_ended(threads[0])
    assert v.grad == 5.0


@pytest.mark.parametrize("fails", [False, True])
def test_backwards_that_call_rules_end_in_any_order(fails: bool) -> None:
    """The one that began first ends, or fails, while the other one's rule runs."""
    v, other = pymicrograd.Value(1.0), pymicrograd.Value(2.0)
    y, z, threads = v * 2.0, other * 2.0, []
    begins, ends = threading.Event(), threading.Event()

    def inner() -> None:
        begins.set()
        expect_set(ends)
        other.grad += 2.0 * z.grad

    def outer() -> None:
        threads.append(in_thread((z * 5.0 + other).backward))
        expect_set(begins)
        v.grad += 2.0 * y.grad
        if fails:
            raise KeyError("rule")

    y._backward, z._backward = outer, inner
    try:
        (y * 3.0 + v).backward()
    except KeyError:
        assert fails
    assert v.grad == (0.0 if fails else 7.0)
    ends.set()
    expect_ended(threads[0])
    assert other.grad == 11.0 and other.data == 2.0
    v.data = other.data = 3.0  # nothing is under way


@pytest.mark.parametrize("shared", ["leaves", "nodes"])
def test_rules_of_two_threads_that_wait_for_each_other(shared: str) -> None:
    """Where only leaves are shared both go on, else one of them is told."""
    leaves = [pymicrograd.Value(1.0), pymicrograd.Value(2.0)]
    stops = [leaf * 1.0 for leaf in leaves]
    roots = [stop * 3.0 for stop in stops]
    barrier, refused = threading.Barrier(2), []

    def rule(own: int) -> None:
        barrier.wait(60.0)
        root = leaves[1 - own] * 10.0 if shared == "leaves" else roots[1 - own]
        try:
            root.backward()
        except BusyError:
            refused.append(own)
            barrier.abort()
        leaves[own].grad += stops[own].grad

    for own in range(2):
        stops[own]._backward = lambda own=own: rule(own)
    if shared == "leaves":
        threads = [in_thread(root.backward) for root in roots]
        for thread in threads:
            expect_ended(thread)
        assert [leaf.grad for leaf in leaves] == [13.0, 13.0]
        return
    errors: list[BaseException] = []

    def run(root: Any) -> None:
        try:
            root.backward()
        except threading.BrokenBarrierError as error:  # of the one that waited
            errors.append(error)

    for thread in [in_thread(lambda root=root: run(root)) for root in roots]:
        expect_ended(thread)
    assert len(refused) == 1 and len(errors) == 1
    stops[0]._backward = lambda: None
    roots[0].backward()


def test_a_rule_may_write_data() -> None:
    x = pymicrograd.Value(2.0)
    y = x * 3.0
    y._backward = lambda: setattr(x, "data", 5.0)
    y.backward()
    assert x.data == 5.0
    y._backward = lambda: pymicrograd.SGD([x], lr=1.0).zero_grad()
    y.backward()


def test_names_of_ops_may_be_set(engine: Any) -> None:
    x = engine.Value(2.0)
    y = x * (1 / (1 + (x * -1).exp()))
    y._op = "swish"
    assert y._op == "swish" and "swish" in to_dot(y)
    assert (x**2)._op == "**2"
    y.backward()
    assert x.grad != 0.0


def test_operands_are_a_set_too(engine: Any) -> None:
    a, b = engine.Value(1.0), engine.Value(2.0)
    y = a * b
    assert y._prev == {a, b} and y._prev != {a} and {a, b} == y._prev
    assert y._prev | {y} == {a, b, y} and y._prev & {a} == {a} and y._prev - {a} == {b}
    assert {a, b, y} - y._prev == {y} and y._prev ^ {a} == {b} and y._prev.issubset({a, b, y})
    assert y._prev.union([y]) == {a, b, y} and (a * a)._prev.union() == {a}
    assert y._prev.isdisjoint([y]) and y._prev.issuperset([a])
    assert y._prev.intersection([a]) == {a} and y._prev.difference([a]) == {b}


# ---- the same numbers in both engines ------------------------------------------------------------


def program(engine: Any, seed: int) -> list[str]:
    """Make a random graph of the engine's ops and of the user's own; say all its numbers."""
    rng = random.Random(seed)
    nodes = [engine.Value(rng.uniform(-2, 2)) for _ in range(5)]
    leaves, log = nodes[:], []
    for _ in range(40):
        a, b, c = rng.choice(nodes), rng.choice(nodes), rng.choice(nodes[-6:])
        kind = rng.randrange(8)
        if kind == 0:
            node = a * b
        elif kind == 1:
            node = (a - c).tanh()
        elif kind == 2:
            node = engine.Value(rng.uniform(-1, 1), (a, b, c), [rng.gauss(0, 1) for _ in "abc"])
        elif kind == 3:
            node = softsign(c)
        elif kind == 4:
            operands = tuple(rng.choice(nodes) for _ in range(rng.randrange(1, 6)))
            node = engine.Value(rng.uniform(-1, 1), operands, [rng.gauss(0, 1)] * len(operands))
        elif kind == 5:
            node = c + a * 0.5
            before = node._backward
            node._backward = lambda before=before, node=node: (log.append(node.grad), before())
        elif kind == 6:
            node = engine.Value(0.25, tuple(rng.sample(nodes, 3)), "nothing")
        else:
            node = a.maximum(c).sigmoid()
        nodes.append(node)
    root = sum(nodes[-8:], engine.Value(0.0))
    derived = [x.data.hex() for x in engine.grad(root, leaves)]
    root.backward()
    numbers = [x.hex() for v in nodes for x in (v.data, v.grad)]
    assert derived == [leaf.grad.hex() for leaf in leaves]
    return [*numbers, *(x.hex() for x in log)]


@pytest.mark.parametrize("seed", range(60))
def test_both_engines_give_the_same_bits(seed: int) -> None:
    assert program(pymicrograd, seed) == program(reference, seed)


def test_a_negative_base(engine: Any) -> None:
    a, b = engine.Value(-2.0), engine.Value(2.0)
    y = a**b
    assert engine.grad(y, [a])[0].data == -4.0
    da, db = engine.grad(y, [a, b], create_graph=True)
    assert da.data == -4.0 and math.isnan(db.data)
    y.backward()
    assert a.grad == -4.0 and math.isnan(b.grad)


# ---- in C ----------------------------------------------------------------------------------------


def test_nothing_is_left_of_nodes_of_the_users() -> None:
    gc.collect()
    before = memory_usage()["nodes"]
    for _ in range(50):
        x = pymicrograd.Value(1.0)
        y = softsign(x) + pymicrograd.Value(1.0, (x, x, x, x), (1.0, 2.0, 3.0, 4.0))
        y.backward()
        z = pymicrograd.Value(1.0, (x, y, y), "z")
        pymicrograd.grad(z, [x])
    del x, y, z
    gc.collect()
    assert memory_usage()["nodes"] == before


def test_a_rule_may_write_any_gradient() -> None:
    x = pymicrograd.Value(1.0)
    y = x
    for _ in range(1000):
        y = y * 1.0
    seen = []

    def rule() -> None:
        x.grad = 0.5
        seen.append(x.grad)

    y._backward = rule
    (y * 1.0).backward()
    assert seen == [0.5]


# ---- operands that are set afterwards ------------------------------------------------------------


def test_prev_may_be_set_as_in_micrograd(engine: Any) -> None:
    V = engine.Value
    a, b = V(2.0), V(3.0)
    out = V(a.data * b.data)
    out.grad, out.label = 0.5, "product"
    out._prev = {a, b}
    out._op = "mine"

    def rule() -> None:
        a.grad += b.data * out.grad
        b.grad += a.data * out.grad

    out._backward = rule
    assert (out.data, out.grad, out.label, out._op) == (6.0, 0.5, "product", "mine")
    assert out._prev == {a, b}
    (out * 2.0).backward()
    assert (a.grad, b.grad) == (6.0, 4.0)
    late = V(1.0)
    late._backward = lambda: setattr(a, "grad", 100.0)
    late._prev = (a,)  # the rule stays
    late.backward()
    assert a.grad == 100.0
    given = V(1.0, (a,), (0.5,))
    given._children = [b]  # and so do local gradients
    given.backward()
    assert b.grad == 4.5


def test_operands_that_cannot_be_set_are_refused(engine: Any) -> None:
    V = engine.Value
    a, b = V(2.0), V(3.0)
    product, given, bare = a * b, V(1.0, (a,), (0.5,)), V(1.0, (a,), "bare")
    for value, operands, error, words in (
        (product, (a,), ValueError, r"result of '\*' .* set _backward first"),
        (given, (a, b), ValueError, "a local gradient for each operand"),
        (bare, (a, 1.0), TypeError, "an operand of a Value is a Value"),
        (bare, 3, TypeError, "iterable"),
        (bare, (bare,), ValueError, "no operand of itself"),
    ):
        before = value._prev
        with pytest.raises(error, match=words):
            value._prev = operands
        assert value._prev == before and value.grad == 0.0


def test_operands_of_a_value_in_use_are_refused() -> None:
    """Its users have the node that it was."""
    a, b = pymicrograd.Value(2.0), pymicrograd.Value(3.0)
    _user = a * b
    with pytest.raises(ValueError, match="that another one has as an operand"):
        a._prev = (b,)


def test_one_step_goes_on_in_ieee(engine: Any) -> None:
    """What backward does there, each step alone does, too."""
    x = engine.Value(0.0)
    y = x**0.5
    y.grad = 1.0
    for raising in (y._backward, lambda: y._local_grads):
        with pytest.raises(ZeroDivisionError):
            raising()
    assert x.grad == 0.0
    with pymicrograd.ieee():
        assert y._local_grads == (math.inf,)
        y._backward()
    assert x.grad == math.inf
