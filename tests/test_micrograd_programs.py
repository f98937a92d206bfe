"""Programs as users of micrograd write them: changing the import changes no digit.

Each program is a function of the class Value and of print. It runs on both engines and, where it
can, on the Value of predecessors.py, in micrograd's own style: closures, recursion, a tuple of
operands.
"""

from __future__ import annotations

import copy
import math
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from predecessors import Closures
from programs import load

from pymicrograd import data

Program = Callable[[Any, Callable[[str], Any]], None]


def karpathys_demo(Value: Any, print: Callable[[str], Any]) -> None:
    """demo.ipynb: moons, an MLP of ReLU neurons, max-margin loss, SGD with a decaying rate."""
    rng = random.Random(1337)

    class Neuron:
        def __init__(self, nin: int, nonlin: bool = True) -> None:
            self.w = [Value(rng.uniform(-1, 1)) for _ in range(nin)]
            self.b = Value(0)
            self.nonlin = nonlin

        def __call__(self, x: list[Any]) -> Any:
            act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
            return act.relu() if self.nonlin else act

    sizes = [2, 6, 6, 1]
    layers = [
        [Neuron(nin, nonlin=i != 2) for _ in range(sizes[i + 1])]
        for i, nin in enumerate(sizes[:-1])
    ]
    parameters = [p for layer in layers for n in layer for p in [*n.w, n.b]]

    def model(x: list[Any]) -> Any:
        for layer in layers:
            x = [n(x) for n in layer]
        return x[0]

    points = [p for split in data.gen_data_moons(load("reference").RNG(3), 24) for p in split]
    X, y = np.array([p for p, _ in points]), np.array([2 * label - 1 for _, label in points])
    for k in range(12):
        picked = np.arange(len(X))[k % 2 :: 2]
        inputs = [list(map(Value, xrow)) for xrow in X[picked]]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y[picked], scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum(p * p for p in parameters)
        total_loss = data_loss + reg_loss
        right = [(yi > 0) == (s.data > 0) for yi, s in zip(y[picked], scores, strict=True)]
        for p in parameters:
            p.grad = 0
        total_loss.backward()
        learning_rate = 1.0 - 0.9 * k / 100
        for p in parameters:
            p.data -= learning_rate * p.grad
        print(f"step {k} loss {total_loss.data}, accuracy {sum(right) / len(right) * 100}%")
    print(" ".join(repr(p.data) for p in parameters))


def llm101n(Value: Any, print: Callable[[str], Any], steps: int = 100) -> None:
    """LLM101n's first program: three classes, tanh, cross-entropy, AdamW by hand."""
    rng = load("reference").RNG(42)
    train, val, _ = data.gen_data(rng, n=100)

    class Neuron:
        def __init__(self, nin: int, nonlin: bool) -> None:
            self.w = [Value(rng.uniform(-1, 1) * nin**-0.5) for _ in range(nin)]
            self.b = Value(0)
            self.nonlin = nonlin

        def __call__(self, x: list[Any]) -> Any:
            act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
            return act.tanh() if self.nonlin else act

    hidden = [Neuron(2, True) for _ in range(16)]
    out = [Neuron(16, False) for _ in range(3)]
    parameters = [p for n in hidden + out for p in [*n.w, n.b]]

    def cross_entropy(logits: list[Any], target: int) -> Any:
        max_val = max(val.data for val in logits)
        ex = [(x - max_val).exp() for x in logits]
        denom = sum(ex)
        probs = [x / denom for x in ex]
        return -(probs[target].log())

    def eval_split(split: Any) -> Any:
        loss = Value(0)
        for x, y in split:
            h = [n([Value(x[0]), Value(x[1])]) for n in hidden]
            loss += cross_entropy([n(h) for n in out], y)
        return loss * (1.0 / len(split))

    for p in parameters:
        p.m = p.v = 0
    for step in range(steps):
        if step % 10 == 0:
            print(f"step {step}, val loss {eval_split(val).data:.6f}")
        loss = eval_split(train)
        loss.backward()
        for p in parameters:
            p.m = 0.9 * p.m + (1 - 0.9) * p.grad
            p.v = 0.95 * p.v + (1 - 0.95) * p.grad**2
            m_hat, v_hat = p.m / (1 - 0.9 ** (step + 1)), p.v / (1 - 0.95 ** (step + 1))
            p.data -= 0.1 * (m_hat / (v_hat**0.5 + 1e-8) + 1e-4 * p.data)
        for p in parameters:
            p.grad = 0
        print(f"step {step}, train loss {loss.data}")


def linear_regression(Value: Any, print: Callable[[str], Any]) -> None:
    """A line through points, a step for each."""
    points = data.gen_data_linear(load("reference").RNG(7), 10)
    w, b = Value(0.1 + 0.2), Value(-0.7)
    print(f"Init w {w.data}, b {b.data}")
    for epoch in range(40):
        total = 0.0
        for x_value, y_value in points:
            y_pred = w * x_value + b
            loss = (y_value - y_pred) ** 2
            w.grad = b.grad = 0
            loss.backward()
            for p in (w, b):
                p.data -= 0.1 * p.grad
            total += loss.data
        print(f"Epoch {epoch} got loss: {total / 10}, w {w.data}, b {b.data}")
    print(f"{w} {b}")


def microgpt(Value: Any, print: Callable[[str], Any]) -> None:
    """A GPT of scalars: embeddings, rmsnorm, attention with two heads, an MLP, Adam by hand."""
    rng, vocabulary, n_embd, n_head, block = random.Random(42), 5, 4, 2, 4
    head = n_embd // n_head

    def matrix(nout: int, nin: int, std: float = 0.08) -> list[list[Any]]:
        return [[Value(rng.gauss(0, std)) for _ in range(nin)] for _ in range(nout)]

    state = {"wte": matrix(vocabulary, n_embd), "wpe": matrix(block, n_embd)}
    state |= {name: matrix(n_embd, n_embd) for name in ("wq", "wk", "wv", "wo")}
    state |= {"fc1": matrix(4 * n_embd, n_embd), "fc2": matrix(n_embd, 4 * n_embd)}
    state["lm_head"] = matrix(vocabulary, n_embd)
    params = [p for rows in state.values() for row in rows for p in row]

    def linear(x: list[Any], w: list[list[Any]]) -> list[Any]:
        return [sum(wi * xi for wi, xi in zip(wo, x, strict=True)) for wo in w]

    def softmax(logits: list[Any]) -> list[Any]:
        max_val = max(val.data for val in logits)
        exps = [(val - max_val).exp() for val in logits]
        total = sum(exps)
        return [e / total for e in exps]

    def rmsnorm(x: list[Any]) -> list[Any]:
        ms = sum(xi * xi for xi in x) / len(x)
        scale = (ms + 1e-5) ** -0.5
        return [xi * scale for xi in x]

    def gpt(token: int, pos: int, keys: list[Any], values: list[Any]) -> list[Any]:
        x = [t + p for t, p in zip(state["wte"][token], state["wpe"][pos], strict=True)]
        residual = x = rmsnorm(x)
        x = rmsnorm(x)
        q = linear(x, state["wq"])
        keys.append(linear(x, state["wk"]))
        values.append(linear(x, state["wv"]))
        attended = []
        for h in range(0, n_embd, head):
            logits = [sum(q[h + j] * k[h + j] for j in range(head)) / head**0.5 for k in keys]
            weights = softmax(logits)
            attended += [
                sum(weights[t] * values[t][h + j] for t in range(len(values))) for j in range(head)
            ]
        x = [a + b for a, b in zip(linear(attended, state["wo"]), residual, strict=True)]
        residual = x
        x = [xi.relu() for xi in linear(rmsnorm(x), state["fc1"])]
        x = [a + b for a, b in zip(linear(x, state["fc2"]), residual, strict=True)]
        return linear(x, state["lm_head"])

    m, v = [0.0] * len(params), [0.0] * len(params)
    for step in range(5):
        tokens = [0, *(rng.randrange(1, vocabulary) for _ in range(block - 1)), 0]
        keys: list[Any] = []
        values: list[Any] = []
        losses = []
        for pos in range(block):
            probs = softmax(gpt(tokens[pos], pos, keys, values))
            losses.append(-probs[tokens[pos + 1]].log())
        loss = (1 / block) * sum(losses)
        loss.backward()
        rate = 0.05 * (1 - step / 5)
        for i, p in enumerate(params):
            m[i] = 0.85 * m[i] + (1 - 0.85) * p.grad
            v[i] = 0.99 * v[i] + (1 - 0.99) * p.grad**2
            m_hat, v_hat = m[i] / (1 - 0.85 ** (step + 1)), v[i] / (1 - 0.99 ** (step + 1))
            p.data -= rate * m_hat / (v_hat**0.5 + 1e-8)
            p.grad = 0
        print(f"step {step + 1} / 5 | loss {loss.data}")
    print(" ".join(repr(p.data) for p in params))


def a_walk_through_the_graph(Value: Any, print: Callable[[str], Any]) -> None:
    """A notebook: the graph as sets of ids, colours, labels, moments kept on the nodes."""
    a, b, c = Value(2.0), Value(-3.0), Value(10.0)
    for name, v in zip("abc", (a, b, c), strict=True):
        v.label, v._vis_color = name, "lightgreen"
    e = a * b - c / a
    d = (e + a).tanh() * e + np.float64(0.5) * a - b * np.int64(2)
    nodes, edges, order = set(), set(), []

    def build(v: Any) -> None:
        if id(v) not in nodes:
            nodes.add(id(v))
            for child in v._prev:
                edges.add((id(child), id(v)))
                build(child)
            order.append(v)

    build(d)
    print(f"found {len(nodes)} nodes and {len(edges)} edges")
    for i, v in enumerate(order):
        v.number = i
        v.m = v.v = 0.0
    d.backward()
    for v in order:
        v.m = 0.9 * v.m + 0.1 * v.grad
        v.v = 0.9 * v.v + 0.1 * v.grad**2
    names = {id(v): f"n{v.number}" for v in order}
    for v in order:
        operands = " ".join(names[id(child)] for child in v._prev)
        label, color = getattr(v, "label", ""), getattr(v, "_vis_color", "-")
        print(f"{v.number} {label} {color} {v._op} [{operands}] {v.m} {v.v} {v}")
    assert all(v._prev[i] is v._prev[i] for v in order for i in range(len(v._prev)))
    seen = {a, b, d}
    print(f"{a in seen} {c in seen} {c not in [a, b]} {len({*order, *order})} {a in d._prev}")
    largest = max(order, key=lambda v: v.data)
    print(f"{largest.data:.4f} {sum(order).data} {sum(v.data for v in order)}")


def what_users_ask_for(Value: Any, print: Callable[[str], Any]) -> None:
    """What micrograd's own Value cannot do: order, conversions, copies."""
    values = [Value(x) for x in (0.1, -0.2, 0.3, math.pi)]
    results = [(v * v + 1).log() / 3 for v in values]
    print(" ".join(f"{v:.6f}" for v in sorted(results)))
    print(f"{max(results)} {min(results)} {float(sum(results))} {results[0] < results[1]}")
    print(f"{[v for v in values if v > 0]} {values[0] <= 0.1} {abs(values[1])} {2 ** values[0]}")
    for made in (copy.deepcopy(values), pickle.loads(pickle.dumps(values)), [*values]):
        total = sum(x * y for x, y in zip(made, values, strict=True))
        total.backward()
        print(f"{total} {made} {values}")
    print(f"{np.float64(2.5) * values[0]} {np.float32(0.1) - values[1]} {np.int64(3) / values[2]}")
    print(f"{np.array([1.0, 2.0]) * values[3]} {np.exp(np.array(values))} {np.mean(values)}")


def printed(program: Program, value: Any) -> list[str]:
    """Return what a program prints."""
    lines: list[str] = []
    program(value, lines.append)
    return lines


@pytest.fixture(autouse=True)
def deep_recursion() -> Iterator[None]:
    """Let micrograd's recursive walk go as deep as these programs' graphs."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    "program",
    [karpathys_demo, linear_regression, microgpt, a_walk_through_the_graph],
    ids=lambda program: program.__name__,
)
def test_a_program_prints_what_it_does_with_micrograds_value(engine: Any, program: Program) -> None:
    assert printed(program, engine.Value) == printed(program, Closures)


@pytest.mark.filterwarnings("ignore:the graph ends here")
def test_a_program_of_what_users_ask_for_prints_the_same_on_both_engines() -> None:
    lines = printed(what_users_ask_for, load("c").Value)
    assert lines == printed(what_users_ask_for, load("reference").Value)
    assert len(lines) == 8 and "nan" not in "".join(lines)


@pytest.mark.parametrize("name", ["c", pytest.param("reference", marks=pytest.mark.all)])
def test_llm101n_prints_the_golden_lines(name: str, golden: list[str]) -> None:
    assert printed(llm101n, load(name).Value) == golden


def test_llm101n_prints_its_first_lines_with_micrograds_value(golden: list[str]) -> None:
    first: list[str] = []
    llm101n(Closures, first.append, steps=4)
    assert len(first) == 5 and golden[:5] == first


@pytest.mark.parametrize("width", [4, 16])
def test_classes_of_the_package_print_the_lines_too(engine: Any, width: int) -> None:
    """The same program with nn.MLP, cross_entropy and AdamW, in bulk and one by one."""
    histories = []
    for bulk in (True, False):
        rng = engine.RNG(42)
        train, _, _ = data.gen_data(rng, n=100)
        model = engine.MLP(2, [width, 3], rng=rng)
        optimizer = engine.AdamW(model.parameters(), weight_decay=1e-4)
        history = []
        for _ in range(8):
            if bulk:
                loss = engine.cross_entropy(model([x for x, _ in train]), [y for _, y in train])
            else:
                loss = engine.Value(0.0)
                for x, y in train:
                    loss = loss + engine.cross_entropy(model(list(map(engine.Value, x))), y)
                loss = loss * (1.0 / len(train))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            history.append(repr(loss.data))
        histories.append(history)
    assert histories[0] == histories[1]
    if width == 16:
        lines = []
        llm101n(engine.Value, lines.append, steps=8)
        assert histories[0] == [line.split()[-1] for line in lines if "train" in line]
