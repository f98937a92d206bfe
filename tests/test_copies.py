"""Copies of Values, on both engines: whole graphs by copy, deepcopy and pickle."""

from __future__ import annotations

import copy
import functools
import gc
import io
import math
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import ENGINES, bits, load

import pymicrograd as mg
from pymicrograd import copies, llm101n, microgpt, micrograd, reference
from pymicrograd.errors import StaleNodeError


def by_pickle(x: Any, protocol: int | None = None) -> Any:
    return pickle.loads(pickle.dumps(x, protocol))


def by_python(x: Any) -> Any:
    """Pickle as the classes in Python do, which subclasses of other packages are made of."""
    file = io.BytesIO()
    pickle._Pickler(file).dump(x)  # type: ignore[attr-defined]
    return pickle._Unpickler(io.BytesIO(file.getvalue())).load()  # type: ignore[attr-defined]


COPYING = {"deepcopy": copy.deepcopy, "pickle": by_pickle, "python's pickle": by_python}


@pytest.fixture(params=COPYING)
def copying(request: pytest.FixtureRequest) -> Any:
    return COPYING[request.param]


def local_grads(node: Any) -> str:
    try:
        return bits(*node._local_grads)
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__


def structure(roots: list[Any]) -> list[Any]:
    """Return all of a graph, nodes numbered in their order."""
    numbers: dict[int, int] = {}
    found, path = [], [*reversed(roots)]
    while path:
        node = path.pop()
        if id(node) in numbers:
            found.append(numbers[id(node)])
            continue
        numbers[id(node)] = len(numbers)
        attributes = (node.label, getattr(node, "tag", None))
        numbers_of = bits(node.data, node.grad), local_grads(node)
        found.append((type(node), node._op, numbers_of, attributes))
        path += reversed(node._prev)
    return found


UNARY = (
    "relu tanh exp log sin cos expm1 log1p sigmoid softplus silu erf gelu sqrt __neg__ __abs__"
).split()


def grow(V: Any, draws: list[tuple[int, int, int]]) -> list[Any]:
    """Make a graph of all kinds of nodes, as numbers tell."""
    nodes = [V(0.75, label="a"), V(-1.25)]
    for kind, i, j in draws:
        a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
        makers: list[Callable[[], Any]] = [
            lambda a=a, b=b: a * b,
            lambda a=a, b=b: a + b,
            lambda a=a, b=b: a - b,
            lambda a=a, b=b: a / b,
            lambda a=a: a + 2,
            lambda a=a: 3 - a,
            lambda a=a: a**3,
            lambda a=a: a ** np.float32(-1.5),
            lambda a=a, b=b: a**b,
            lambda a=a, b=b: a.maximum(b),
            lambda a=a, b=b: b.minimum(a),
            lambda a=a, b=b: V(0.5, (a, b), "mine"),
            lambda a=a, b=b: V(0.5, (a, b, a), (1.5, -0.25, 2.0)),
            lambda a=a: V(-0.5, (a,), (0.1,)),
            lambda a=a, b=b: V(0.5, (a, b, a, b), label="four"),
            *(lambda name=name, a=a: getattr(a, name)() for name in UNARY),
        ]
        try:
            made = makers[kind % len(makers)]()
        except (ArithmeticError, ValueError):
            continue
        made.tag = kind if kind % 3 else None
        nodes.append(made)
    return nodes


DRAWS = st.lists(st.tuples(*[st.integers(0, 999)] * 3), min_size=1, max_size=40)


@given(draws=DRAWS, name=st.sampled_from(sorted(ENGINES)), how=st.sampled_from(sorted(COPYING)))
@settings(deadline=None, max_examples=150)
def test_graphs_are_copied_whole(draws: list[tuple[int, int, int]], name: str, how: str) -> None:
    V = load(name).Value
    nodes = grow(V, draws)
    nodes[0].grad, nodes[-1].grad = 0.125, -3.0
    before = structure(nodes)
    made = COPYING[how](nodes)
    assert structure(nodes) == structure(made) == before
    assert not {id(x) for x in nodes} & {id(x) for x in made}
    outcomes = []
    for graph in (nodes, made):
        try:
            graph[-1].backward()
            outcomes.append((structure(graph), None))
        except (ArithmeticError, ValueError) as error:
            outcomes.append((structure(graph), type(error)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(engine: Any, protocol: int) -> None:
    nodes = grow(engine.Value, [(i, 7 * i, 5 * i + 1) for i in range(64)])
    assert structure(by_pickle(nodes, protocol)) == structure(nodes)


def test_what_stands_for_each_op_is_copied(engine: Any, copying: Any) -> None:
    """Derivatives have ops that no user records."""
    nodes = grow(engine.Value, [(i, 3 * i, i) for i in range(31)])
    x, y = nodes[0], nodes[2] * nodes[0].tanh() * nodes[1] / nodes[0]
    (dx,) = engine.grad(y, [x], create_graph=True)
    made, again = copying([dx, x])
    assert structure([made]) == structure([dx])
    assert bits(*[g.data for g in engine.grad(made, [again])]) == bits(
        *[g.data for g in engine.grad(dx, [x])]
    )


@pytest.mark.parametrize("V", [micrograd.engine.Value, llm101n.Value, microgpt.Value,
                               reference.Value])  # fmt: skip
def test_a_model_with_its_last_output(V: Any, copying: Any) -> None:
    """A copy's loss depends on the copy's parameters, and pickles of parts share them."""
    w, b = V(0.5), V(-0.25)
    model = {"loss": None, "w": w, "b": b, "outputs": []}
    model["outputs"] = [w * x + b for x in (1.0, 2.0)]
    model["loss"] = sum((y - 1) ** 2 for y in model["outputs"])
    best = copying(model)
    best["loss"].backward()
    assert (w.grad, b.grad) == (0.0, 0.0)
    gradients = best["w"].grad, best["b"].grad
    model["loss"].backward()
    assert bits(*gradients) == bits(w.grad, b.grad)
    assert best["outputs"][0]._prev[1] is best["b"] is best["outputs"][1]._prev[1]


def test_bulk_results_are_copied(copying: Any) -> None:
    model = mg.MLP(2, [3, 1], rng=mg.RNG(3))
    model.last = model([1.0, 2.0])
    best = copying(model)
    best.last.backward()
    model.last.backward()
    ours, theirs = ([p.grad for p in m.parameters()] for m in (best, model))
    assert bits(*ours) == bits(*theirs) and any(ours)


def test_a_shallow_copy_has_the_same_operands(engine: Any) -> None:
    a = engine.Value(2.0)
    b = a**3
    b.grad, b.tags = 0.5, [1]
    c = copy.copy(b)
    assert c is not b and c._prev[0] is a and c.tags is b.tags
    assert (c.data, c.grad, c._op) == (8.0, 0.5, "**3")
    c.backward()
    assert (a.grad, b.grad) == (12.0, 0.5)


def test_copies_are_recorded_even_in_no_grad(engine: Any, copying: Any) -> None:
    y = engine.Value(2.0) * 3.0
    with engine.no_grad():
        made = copying(y)
        assert len(made._prev) == len(copy.copy(y)._prev) == 2


def test_data_and_errors_are_as_they_are(engine: Any, copying: Any) -> None:
    """Nothing is computed again, neither what was changed since nor what would raise."""
    x = engine.Value(2.0)
    y = x.log()
    x.data, y.data = -1.0, 7.5
    made = copying(y)
    assert (made.data, made._prev[0].data) == (7.5, -1.0)
    with mg.ieee():
        infinite = engine.Value(1000.0).exp()
    assert copying(infinite).data == math.inf


# ---- size ------------------------------------------------------------------------------------


def in_thread(work: Callable[[], Any]) -> Any:
    """Do work in a thread with a small stack."""
    results: list[Any] = []
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: results.append(work()))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert results
    return results[0]


def chain(V: Any, count: int) -> tuple[Any, Any]:
    x = y = V(1.0)
    for _ in range(count):
        y = y + x
    return x, y


def test_long_chains(engine: Any, copying: Any) -> None:
    count = 20_000

    def work() -> Any:
        x, y = copying(chain(engine.Value, count))
        y.backward()
        return x.grad

    assert in_thread(work) == count + 1


@pytest.mark.all
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_chain_of_a_million(how: str) -> None:
    def work() -> Any:
        x, y = COPYING[how](chain(mg.Value, 10**6))
        y.backward()
        return x.grad

    limit = sys.getrecursionlimit()
    assert in_thread(work) == 10**6 + 1 and sys.getrecursionlimit() == limit


def test_parents_on_children(engine: Any, copying: Any) -> None:
    """What users store may lead up again, through as many nodes."""
    x = y = engine.Value(1.0)
    for i in range(3000):
        leaf = engine.Value(0.0)
        leaf.up = y = y + leaf
        if i % 2:
            y._prev[0].users = [y]
    made = copying(x)
    x.users, y.top = [y], True
    made = copying({"deep": [x]})["deep"][0]
    node, count = made.users[0], 0
    assert node.top
    while node._prev:
        assert node._prev[1].up is node
        node, count = node._prev[0], count + 1
    assert node is made and count == 3000


def test_pickles_of_many_results_are_linear(engine: Any) -> None:
    """A list of what a loop has made, in the order of the loop, is no list of graphs."""
    sizes = []
    for count in (500, 2000):
        x = y = engine.Value(1.0)
        results = []
        for _ in range(count):
            y = y * x
            results.append(y)
        sizes.append(len(pickle.dumps(results)))
        made = by_pickle(results)
        assert all(made[i]._prev[0] is made[i - 1] for i in range(1, count))
    assert sizes[1] < 4.5 * sizes[0]


# ---- what users add --------------------------------------------------------------------------


class Slotted(mg.Value):
    __slots__ = ("__secret", "height")

    def hide(self, x: Any) -> None:
        self.__secret = x

    def secret(self) -> Any:
        return self.__secret


class Stated(mg.Value):
    def __getstate__(self) -> dict[str, Any]:
        return {"kept": self.kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.kept, self.loaded = state["kept"], True


class Reduced(mg.Value):
    def __reduce__(self) -> Any:
        return Reduced, (self.data, self._children, "reduced")


class Deep(mg.Value):
    def __deepcopy__(self, memo: Any) -> Any:
        made = super().__deepcopy__(memo)
        made.is_deep = True
        return made


class Ruled(mg.Value):
    def _backward(self) -> None:  # type: ignore[override]
        for x in self._prev:
            x.grad += 10.0 * self.grad


class ReferenceSlotted(reference.Value):
    __slots__ = ("height",)


def test_subclasses(copying: Any) -> None:
    a = mg.Value(2.0)
    values = [kind(1.5, (a,), "mine") for kind in (Slotted, Stated, Reduced, Deep, Ruled)]
    slotted, stated = values[:2]
    slotted.height, slotted.free = 3, a
    slotted.hide("x")
    stated.kept, stated.lost = a, 1
    total = sum(values) * 2.0
    made = copying(total)
    found = made._prev[0]
    copied: list[Any] = []
    while type(found) is mg.Value and found._prev:
        copied.append(found._prev[1])
        found = found._prev[0]
    by_kind = {type(x): x for x in [found, *copied]}
    (base,) = by_kind[Slotted]._prev
    assert base is by_kind[Stated].kept is by_kind[Slotted].free is not a and base.data == 2.0
    assert (by_kind[Slotted].height, by_kind[Slotted].secret()) == (3, "x")
    assert by_kind[Stated].loaded and not hasattr(by_kind[Stated], "lost")
    assert by_kind[Reduced]._op == "reduced"
    assert hasattr(by_kind[Deep], "is_deep") == (copying is copy.deepcopy)
    made.backward()
    assert base.grad == 20.0 and a.grad == 0.0
    assert copy.copy(values[2])._op == "reduced" and copy.copy(stated).loaded
    tall = ReferenceSlotted(1.0)
    tall.height = 5
    assert copying(tall).height == 5


def ten(node: Any) -> None:
    node._prev[0].grad += 10.0 * node.grad


def nothing() -> None:
    """Pass nothing on."""


@pytest.mark.parametrize("rule", ["function", "partial"])
def test_rules_with_a_name_are_copied(engine: Any, copying: Any, rule: str) -> None:
    a = engine.Value(2.0)
    b = a * 3.0
    b._backward = nothing if rule == "function" else functools.partial(ten, b)
    made, x = copying([b + a, a])
    made.backward()
    assert x.grad == (1.0 if rule == "function" else 11.0) and a.grad == 0.0
    leaf = engine.Value(1.0)
    leaf._backward = functools.partial(setattr, leaf, "seen", True)
    made = copying(leaf)
    made.backward()
    assert made.seen and not hasattr(leaf, "seen")


def test_closures_are_atoms_of_deepcopy_and_refused_by_pickle(engine: Any) -> None:
    a = engine.Value(2.0)
    b = engine.Value(4.0, (a,), "double")

    def rule() -> None:
        a.grad += 2.0 * b.grad

    b._backward = rule
    c = b * 3.0
    for held in (c, [c], {"y": b}):
        with pytest.raises(TypeError, match=r"'double'.*rule.*detach\(\).*local gradients"):
            pickle.dumps(held)
    assert by_pickle(c.detach()).data == 12.0
    made = copy.deepcopy(c)
    assert made._prev[0]._backward is rule
    del b._backward
    assert by_pickle(c)._prev[0]._op == "double"
    assert structure([by_pickle(engine.Value(1.0, (a,), (0.5,)))])


# ---- picklers --------------------------------------------------------------------------------


def test_picklers_that_live_on(engine: Any) -> None:
    """Each pickler has met what it has met, and no other one is asked."""
    x = engine.Value(2.0)
    y = x * 3.0
    z = y + x
    y.tag, z.tag = "y", "z"
    files = [io.BytesIO(), io.BytesIO()]
    first, second = map(pickle.Pickler, files)
    first.dump(z)
    second.dump([y, z])
    w = z * y
    first.dump([w, y])
    second.dump([w, x])
    made = []
    for file in files:
        file.seek(0)
        loader = pickle.Unpickler(file)
        made.append((loader.load(), loader.load()))
    (z1, (w1, y1)), ((y2, z2), (w2, x2)) = made
    assert w1._prev[0] is z1 and w1._prev[1] is y1 is z1._prev[0]
    assert w2._prev[0] is z2 and w2._prev[1] is y2 and z2._prev[1] is x2
    assert (y1.tag, z1.tag, y2.tag, z2.tag) == ("y", "z", "y", "z")
    assert structure([w1]) == structure([w2]) == structure([w])


class Full(io.BytesIO):
    """A file that has room for so many writes, or raises when it is read."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: Any) -> int:
        self.room -= 1
        if self.room < 0:
            raise OSError("full")
        return super().write(data)


class Trap:
    def __reduce__(self) -> Any:
        raise OSError("trap")


def test_a_failure_leaves_nothing_behind(engine: Any) -> None:
    x = engine.Value(2.0)
    nodes = [x]
    for i in range(50):
        nodes.append(nodes[-1] + nodes[i // 2])
        nodes[-1].tag = i
    nodes[20].trap = Trap()
    for room in range(0, 200, 7):
        pickler = pickle._Pickler(Full(room))  # type: ignore[attr-defined]
        with pytest.raises(OSError, match=r"full|trap") as raised:
            pickler.dump(nodes[-1])
        trap = nodes[20].__dict__.pop("trap")
        for node in (nodes[-1], nodes[1], nodes[30]):
            assert structure([by_pickle(node)]) == structure([node])
            assert by_pickle(node).tag == node.tag
        nodes[20].trap = trap
        del raised
    gc.collect()


def test_threads_pickle_one_graph(engine: Any) -> None:
    _, y = chain(engine.Value, 2000)
    expected = structure([y])
    made: list[Any] = []
    threads = [threading.Thread(target=lambda: made.append(by_pickle(y))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4 and all(structure([x]) == expected for x in made)


# ---- pickles that nobody made ----------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        (int, "leaf", 1.0, 0.0), ("Value", "leaf", 1.0, 0.0), (None,),
        ("V", "matmul", 1.0, 0.0, ("v",)), ("V", "no such op", 1.0, 0.0, ("v",)),
        ("V", ["mul"], 1.0, 0.0, ("v", "v")), ("V", 3, 1.0, 0.0, ("v", "v")),
        ("V", "mul", 1.0, 0.0, ("v",)), ("V", "mul", 1.0, 0.0, ("v",) * 3),
        ("V", "tanh", 1.0, 0.0, ()), ("V", "tanh", 1.0, 0.0, (1.0,)),
        ("V", "tanh", 1.0, 0.0, ("unmade",)), ("V", "tanh", "1", 0.0, ("v",)),
        ("V", "tanh", 1.0, None, ("v",)), ("V", "tanh", 1.0, 0.0, ["v"]),
        ("V", "leaf", 1.0, 0.0, ("v",)), ("V", "pow_number", 1.0, 0.0, ("v",)),
        ("V", "pow_number", 1.0, 0.0, ("v",), (2.0,)),
        ("V", "pow_number", 1.0, 0.0, ("v", "v"), (2.0, 2)),
        ("V", "pow_number", 1.0, 0.0, ("v",), ("2", 2)),
        ("V", "given", 1.0, 0.0, (), ()), ("V", "given", 1.0, 0.0, ("v",), None),
        ("V", "given", 1.0, 0.0, ("v",), (1.0, 2.0)), ("V", "given", 1.0, 0.0, ("v",), ("1",)),
        ("V", "given", 1.0, 0.0, (1.0,), ()), ("V", "given", 1.0, 0.0, ("unmade",), ()),
    ],
)  # fmt: skip
def test_hostile_nodes_are_refused(engine: Any, arguments: tuple[Any, ...]) -> None:
    V = engine.Value
    stands = {"V": V, "v": V(2.0), "unmade": V.__new__(V)}

    def put(x: Any) -> Any:
        if isinstance(x, (tuple, list)):
            return type(x)(map(put, x))
        return stands.get(x, x) if isinstance(x, str) else x

    with pytest.raises((TypeError, ValueError, StaleNodeError, AttributeError)):
        copies.make(*put(arguments))


def test_hostile_states_are_refused(engine: Any) -> None:
    v = engine.Value(2.0)
    for state in (None, 1.0, (1.0, 2.0, {}), [("a", 1)]):
        with pytest.raises(TypeError):
            v.__setstate__(state)
    with pytest.raises(ValueError, match="made"):
        v._fill("leaf", 1.0, 0.0, (), None)
    with pytest.raises(TypeError):
        copies.take([v], v)
    with pytest.raises(TypeError):
        copies.take(copies.Graph([v]), None)
    with pytest.raises(TypeError):
        copies.Graph([v])[0] = {}
    assert (v.data, v.grad) == (2.0, 0.0)


def test_damaged_pickles_raise(engine: Any) -> None:
    """Whatever a byte is changed to, the answer is an exception or an object."""
    x = engine.Value(2.0)
    y = (x * 3.0 + x) ** 2
    y.tag = [x]
    data = pickle.dumps(y, 2)
    for i in range(len(data)):
        for change in (1, 0x40):
            damaged = bytearray(data)
            damaged[i] ^= change
            try:
                made = pickle.loads(bytes(damaged))
            except Exception:
                continue
            repr(made)
