"""Derivatives, on both engines: backward, grad of any order, no_grad, detach, long chains."""

from __future__ import annotations

import gc
import math
import random
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from programs import OPS, bits, graph

import pymicrograd

# ---- backward ------------------------------------------------------------------------------------


def test_gradients_add_up_in_leaves_and_interior_ones_are_cleared(engine: Any) -> None:
    a = engine.Value(3.0)
    b = 2 * a
    c = b * b
    c.backward()
    assert (a.grad, b.grad, c.grad) == (24.0, 12.0, 1.0)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (48.0, 12.0, 1.0)  # micrograd's own says 72, 24, 1
    a.zero_grad()
    c.backward(0.5)
    assert (a.grad, b.grad, c.grad) == (12.0, 6.0, 0.5)


def test_the_gradient_of_a_leaf_root_becomes_the_seed(engine: Any) -> None:
    leaf = engine.Value(2.0)
    leaf.grad = 5.0
    leaf.backward()
    assert leaf.grad == 1.0
    leaf.backward(-0.25)
    assert leaf.grad == -0.25


def test_a_result_used_on_several_ways_is_visited_once(engine: Any) -> None:
    a, b = engine.Value(-2.0), engine.Value(3.0)
    d = a * b
    e = a + b
    f = d * e
    f.backward()
    assert (a.grad, b.grad, d.grad, e.grad) == (-3.0, -8.0, 1.0, -6.0)


def test_readme_of_micrograd(engine: Any) -> None:
    """The numbers that micrograd's README prints."""
    a, b = engine.Value(-4.0), engine.Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert (f"{a.grad:.4f}", f"{b.grad:.4f}") == ("138.8338", "645.5773")


@pytest.mark.parametrize(
    ("order", "gradient"), [((0, 1, 2, 3), 1.0 + 1.0 + 1.0 + 1e16), ((3, 2, 1, 0), 1e16)]
)
def test_gradients_are_added_in_reversed_depth_first_order(
    engine: Any, order: tuple[int, ...], gradient: float
) -> None:
    """Not in reversed order of creation, which is the same in both cases; 1e16 + 1 is 1e16."""
    x = engine.Value(1.0)
    terms = [x * factor for factor in (1e16, 1.0, 1.0, 1.0)]
    total = engine.Value(0.0)
    for i in order:
        total = total + terms[i]
    total.backward()
    assert x.grad == gradient


def test_data_is_read_when_backward_runs(engine: Any) -> None:
    a, b = engine.Value(2.0), engine.Value(3.0)
    c = a * b
    a.data, b.data, c.data = 5.0, 7.0, 100.0
    c.backward()
    assert (a.grad, b.grad, c.data) == (7.0, 5.0, 100.0)


@pytest.mark.parametrize(
    ("code", "changed", "error"),
    [("x ** 0.5", 0.0, ZeroDivisionError), ("x ** 0.5", -1.0, ValueError),
     ("x ** 400", 1e3, OverflowError), ("x.log()", 0.0, ZeroDivisionError),
     ("x.log1p()", -1.0, ZeroDivisionError), ("x.sin()", math.inf, ValueError),
     ("x.expm1()", 1e3, OverflowError),
     ("x ** zero", 0.0, ZeroDivisionError)],
)  # fmt: skip
def test_a_formula_that_raises_undoes_the_backward(
    engine: Any, code: str, changed: float, error: type[Exception]
) -> None:
    x, w = engine.Value(1.0), engine.Value(2.0)
    root = (w * 3 + eval(code, {"x": x, "zero": engine.Value(0.0)})) * w
    root.backward()
    x.grad, w.grad = 0.125, -0.0
    x.data = changed
    with pytest.raises(error) as caught:
        root.backward()
    assert type(caught.value) is error
    assert bits(x.grad, w.grad) == bits(0.125, -0.0)
    assert [node.grad for node in graph([root]) if node._prev] == [0.0] * 4
    x.data = 1.0
    root.backward()
    assert root.grad == 1.0 and w.grad != 0.0


def numerical(function: Callable[..., Any], at: list[float], i: int) -> float:
    """Return a central difference, Richardson-extrapolated once."""

    def slope(h: float) -> float:
        up, down = list(at), list(at)
        up[i] += h
        down[i] -= h
        return (function(*up) - function(*down)) / (up[i] - down[i])

    h = 1e-3
    return (4.0 * slope(h / 2) - slope(h)) / 3.0


@pytest.mark.parametrize("op", [op for op in OPS if "grad" not in OPS[op][0]])
def test_a_gradient_is_the_limit_of_differences(engine: Any, op: str) -> None:
    rng = random.Random(op)
    for template in OPS[op]:
        code = compile(template.format(a="a", b="b", x="1.7", k="3"), "<op>", "eval")

        def function(a: Any, b: Any, code: Any = code) -> Any:
            return eval(code, {"a": a, "b": b})

        for _ in range(20):
            at = [rng.uniform(0.3, 2.0), rng.uniform(0.3, 2.0)]
            if abs(at[0] - at[1]) < 0.01:
                continue  # a tie has no derivative
            leaves = [engine.Value(x) for x in at]
            function(*leaves).backward()
            for i, leaf in enumerate(leaves):

                def number(*x: float) -> float:
                    return function(*map(engine.Value, x)).data

                # h**4 and rounding / h leave about 1e-11 of functions as smooth as these
                assert leaf.grad == pytest.approx(numerical(number, at, i), rel=1e-8, abs=1e-9)


# ---- grad ----------------------------------------------------------------------------------------


def test_grad_reads_and_writes_no_gradient_attribute(engine: Any) -> None:
    x, y = engine.Value(2.0), engine.Value(3.0)
    z = x * y + x**2
    x.grad, z.grad = 5.0, 6.0
    middle = z._prev[0]
    dx, dy, dz, dm, unused = engine.grad(z, [x, y, z, middle, engine.Value(1.0)])
    assert [d.data for d in (dx, dy, dz, dm, unused)] == [7.0, 2.0, 1.0, 1.0, 0.0]
    assert (x.grad, y.grad, z.grad, middle.grad) == (5.0, 0.0, 6.0, 0.0)
    assert all(d._prev == () and d._op == "" and d.grad == 0.0 for d in (dx, dy, dz))
    assert engine.grad(z, x)[0].data == 7.0
    assert engine.grad(z, iter([x]))[0].data == 7.0
    assert engine.grad(z, []) == ()


@pytest.mark.parametrize("create_graph", [False, True])
def test_inputs_may_be_given_twice(engine: Any, create_graph: bool) -> None:
    x = engine.Value(3.0)
    first, second = engine.grad(x * x, [x, x], create_graph=create_graph)
    assert first.data == second.data == 6.0


def test_leaves_of_grad_are_independent(engine: Any) -> None:
    a, b = engine.Value(1.0), engine.Value(2.0)
    da, db = engine.grad(a + b, [a, b])
    da.data, da.label = 5.0, "da"
    assert (db.data, db.label) == (1.0, "")


@pytest.mark.parametrize("wrong", [1.0, None, "x"])
def test_grad_is_of_values_by_values(engine: Any, wrong: Any) -> None:
    x = engine.Value(1.0)
    for arguments in ((wrong, [x]), (x * x, [x, wrong])):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            engine.grad(*arguments)


def test_a_grad_that_raises_changes_nothing(engine: Any) -> None:
    x = engine.Value(0.0)
    y = x**0.5
    x.grad = 0.5
    for create_graph in (False, True):
        with pytest.raises(ZeroDivisionError):
            engine.grad(y * 2, [x], create_graph=create_graph)
    assert (x.grad, y.grad) == (0.5, 0.0)


def test_third_derivative(engine: Any) -> None:
    x = y = engine.Value(2.0)
    derivatives = []
    y = x**4
    for _ in range(5):
        (y,) = engine.grad(y, [x], create_graph=True)
        derivatives.append(y.data)
    assert derivatives == [32.0, 48.0, 48.0, 24.0, 0.0]


def test_hessian_of_rosenbrocks_function(engine: Any) -> None:
    x, y = engine.Value(-1.5), engine.Value(2.0)
    f = (1 - x) ** 2 + 100 * (y - x**2) ** 2
    gradient = engine.grad(f, [x, y], create_graph=True)
    assert [g.data for g in gradient] == [-155.0, -50.0]
    hessian = [[d.data for d in engine.grad(g, [x, y])] for g in gradient]
    assert hessian == [[1902.0, 600.0], [600.0, 200.0]]


def test_newtons_method_finds_a_root(engine: Any) -> None:
    x = engine.Value(1.0)
    for _ in range(6):
        f = x.cos() - x
        (slope,) = engine.grad(f, x)
        x = engine.Value(x.data - f.data / slope.data)
    assert abs(math.cos(x.data) - x.data) <= 2e-16


def test_backward_through_a_gradient(engine: Any) -> None:
    """A penalty on a gradient: d/dx of (d(x**3)/dx)**2 is 36 x**3."""
    x = engine.Value(0.5)
    (slope,) = engine.grad(x**3, x, create_graph=True)
    (slope**2).backward()
    assert x.grad == 36 * 0.5**3


def test_gradients_refer_to_the_very_objects(engine: Any) -> None:
    x, y = engine.Value(2.0), engine.Value(3.0)
    product = x * y
    product.label = "product"
    z = product.tanh() * x
    dx, dy = engine.grad(z, [x, y], create_graph=True)
    below = list(graph([dx, dy]))
    for mine in (x, y, product):
        assert any(node is mine for node in below)
    for node in below:
        node.marks = getattr(node, "marks", 0) + 1
    del below, node
    gc.collect()
    again = list(graph([dx, dy]))
    assert all(node.marks == 1 for node in again)
    assert {id(node) for node in graph([dx, dy])} == {id(node) for node in again}
    (ddx,) = engine.grad(dx, [x], create_graph=True)
    assert {id(x), id(y), id(product)} <= {id(node) for node in graph([ddx])}
    assert product.marks == 1 and product.label == "product"


def test_torch_agrees(engine: Any) -> None:
    """An oracle that shares no code: values and first and second derivatives."""
    torch = pytest.importorskip("torch")
    rng = random.Random(3)
    for _ in range(50):
        numbers = [rng.uniform(0.2, 2.0) for _ in range(3)]

        def program(a: Any, b: Any, c: Any) -> Any:
            d = (a * b).tanh() + c.exp() * a.log() - b / c
            e = (d * d + 1.0) ** 0.5 + (a - b) * (a - b).sigmoid()
            return e * a.sin() + (c * d).cos() + a**b

        ours = [engine.Value(x) for x in numbers]
        theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in numbers]
        y, z = program(*ours), program(*theirs)
        # the order of operations and the library's exp, tanh, pow differ: about 1e-15 each
        assert y.data == pytest.approx(z.item(), rel=1e-12)
        first = engine.grad(y, ours, create_graph=True)
        other = torch.autograd.grad(z, theirs, create_graph=True)
        assert [d.data for d in first] == pytest.approx([d.item() for d in other], rel=1e-11)
        for d, o in zip(first, other, strict=True):
            second = [x.data for x in engine.grad(d, ours)]
            expected = [x.item() for x in torch.autograd.grad(o, theirs, retain_graph=True)]
            assert second == pytest.approx(expected, rel=1e-9, abs=1e-12)


# ---- no_grad and detach --------------------------------------------------------------------------


def test_nothing_is_recorded_inside_no_grad(engine: Any) -> None:
    x, y = engine.Value(2.0), engine.Value(3.0)
    with engine.no_grad() as block:
        results = [x + y, x * 2, x - y, 2 - x, x / y, 1 / x, -x, x**2, x**y, x.exp(), x.maximum(1),
                   engine.F.sum([x, y]), engine.F.softmax([x, y])[0]]  # fmt: skip
        assert isinstance(block, engine.no_grad)
        assert +x is x
    assert all((r._prev, r._op) == ((), "") for r in results)
    results[0].backward()
    assert (x.grad, results[0].grad) == (0.0, 1.0)
    assert (x * y)._prev == (x, y)


def test_no_grad_nests_and_ends_with_an_exception(engine: Any) -> None:
    x = engine.Value(2.0)
    block = engine.no_grad()
    with block:
        with block, engine.no_grad():
            assert (x * x)._prev == ()
        assert (x * x)._prev == ()
    assert (x * x)._prev == (x, x)
    with pytest.raises(ZeroDivisionError), engine.no_grad():
        x / 0
    assert (x * x)._prev == (x, x)


def test_no_grad_decorates_with_and_without_parentheses(engine: Any) -> None:
    x = engine.Value(2.0)

    @engine.no_grad
    def square(value: Any, depth: int = 0) -> Any:
        """Square."""
        if depth:
            assert square(value, depth - 1)._prev == ()
        return value * value

    @engine.no_grad()
    def cube(value: Any) -> Any:
        return value**3

    for _ in range(2):
        assert square(x, depth=2)._prev == () == cube(x)._prev
        assert (x * x)._prev == (x, x)
    assert (square.__name__, square.__doc__) == ("square", "Square.")


def test_no_grad_is_of_one_thread(engine: Any) -> None:
    x = engine.Value(2.0)
    inside, done = threading.Event(), threading.Event()
    found = []

    def other() -> None:
        found.append((x * x)._prev)
        with engine.no_grad():
            found.append((x * x)._prev)
            inside.set()
            done.wait()
        found.append((x * x)._prev)

    with engine.no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait()
        assert (x * x)._prev == ()
    assert (x * x)._prev == (x, x)
    done.set()
    thread.join()
    assert found == [(x, x), (), (x, x)]


def test_looking_at_a_graph_inside_no_grad_leaves_it_whole(engine: Any) -> None:
    gradients = []
    for look in (False, True):
        x, y = engine.Value(2.0), engine.Value(3.0)
        root = engine.F.softmax([(x - y) / y, x])[0] + engine.F.sum([2 / x])
        with engine.no_grad():
            ops = sorted(node._op for node in graph([root] if look else []))
            root.backward()
        gradients.append((x.grad, y.grad))
    assert ops == sorted(node._op for node in graph([root])) and len(ops) == 24
    assert gradients[0] == gradients[1] and 0.0 not in gradients[0]


def test_a_gradient_is_recorded_inside_no_grad_too(engine: Any) -> None:
    x = engine.Value(2.0)
    y = x**3
    with engine.no_grad():
        (dx,) = engine.grad(y, x, create_graph=True)
        assert (x * x)._prev == ()
    assert engine.grad(dx, x)[0].data == 12.0


def test_a_detached_value_is_a_new_leaf(engine: Any) -> None:
    x = engine.Value(2.0)
    y = x * 3
    y.label, y.grad = "y", 4.0
    leaf = y.detach()
    assert (leaf.data, leaf.grad, leaf._prev, leaf._op, leaf.label) == (6.0, 0.0, (), "", "")
    (leaf * y).backward()
    assert (x.grad, leaf.grad) == (18.0, 6.0)
    leaf.data = 0.0
    assert y.data == 6.0


# ---- life and death ------------------------------------------------------------------------------


def test_a_graph_is_freed_as_soon_as_its_root_is_dropped(engine: Any) -> None:
    """Without the help of the cyclic collector: micrograd's graphs are reference cycles."""
    x = engine.Value(1.0)
    gc.collect()
    gc.disable()
    try:
        middle = x * 2
        root = engine.F.sum([middle - x, middle / 3]).exp()
        root.backward()
        _ = list(graph([root]))
        watched = [weakref.ref(middle), weakref.ref(root)]
        del middle, root, _
        assert [reference() for reference in watched] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_that_are_dropped_leave_no_nodes(create_graph: bool) -> None:
    x, y = pymicrograd.Value(2.0), pymicrograd.Value(3.0)
    z = (x * y).tanh() / x + x.maximum(y) ** y
    gc.collect()
    before = pymicrograd.memory_usage()["nodes"]
    gradients = pymicrograd.grad(z, [y], create_graph=create_graph)
    assert pymicrograd.memory_usage()["nodes"] > before
    del gradients
    assert pymicrograd.memory_usage()["nodes"] == before
    with pytest.raises(ZeroDivisionError):
        pymicrograd.grad((x - x) ** 0.5 * z, [x], create_graph=create_graph)
    gc.collect()
    assert pymicrograd.memory_usage()["nodes"] == before


def test_attributes_that_close_a_cycle_are_collected(engine: Any) -> None:
    x = engine.Value(1.0)
    x.result = engine.F.sum([x * 2, x - 1])
    x.result.inner = x.result._prev[0]._prev
    watched = [weakref.ref(x), weakref.ref(x.result)]
    del x
    assert watched[0]() is not None
    gc.collect()
    assert [reference() for reference in watched] == [None, None]


@pytest.mark.parametrize("kind", ["add", "sub", "sum"])
def test_a_chain_of_a_million_is_built_walked_and_dropped(engine: Any, kind: str) -> None:
    count = 10**6 if kind == "add" else 4 * 10**4
    x = y = engine.Value(1e-6)
    for _ in range(count):
        if kind == "add":
            y = y + x
        elif kind == "sub":
            y = y - x
        else:
            y = engine.F.sum([y, x])
    y.backward()
    assert x.grad == {"add": count + 1.0, "sub": 1.0 - count, "sum": count + 1.0}[kind]
    if kind != "add":
        assert engine.grad(y, x)[0].data == x.grad
        assert sum(node._op == "+" for node in graph([y])) == count * (1 + (kind == "sum"))
    watched = weakref.ref(y)
    del y
    assert watched() is None
    (x * x).backward()
    assert x.grad != 0.0
