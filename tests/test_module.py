"""Modules, on both engines: what their parameters are, state that goes out and in, copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

POINT = [0.7000000000000001, -1.3]


def nested(engine: Any) -> Any:
    """Return a module of lists, dicts, tuples, modules, a cycle and a shared parameter."""

    class Net(engine.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.scale = engine.Value(1.0)
            self.blocks = [engine.Neuron(1, engine.RNG(1)), (engine.Value(2.0), 3.0, None)]
            self.table = {"a": engine.Value(3.0), "b": [engine.Value(4.0)]}
            self.again = self.scale
            self.result = self.scale * 2  # no leaf, so no parameter
            self.me = self
            self.name = "net"

    return Net()


def test_parameters_are_found_once_wherever_they_are(engine: Any) -> None:
    net = nested(engine)
    names = [name for name, _ in net.named_parameters()]
    assert names == ["scale", "blocks.0.w.0", "blocks.0.b", "blocks.1.0", "table.a", "table.b.0"]
    for parameter in net.parameters():
        parameter.grad = 1.0
    net.zero_grad()
    assert [p.grad for p in net.parameters()] == [0.0] * 6
    assert engine.Module().parameters() == []


def test_a_list_that_is_filled_later_counts(engine: Any) -> None:
    class Net(engine.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            weights: list[Any] = []
            self.weights = weights
            for i in range(3):
                weights.append(engine.Value(float(i)))

    assert [p.data for p in Net().parameters()] == [0.0, 1.0, 2.0]


def test_parameters_follow_every_change(engine: Any) -> None:
    net = nested(engine)
    value, expected = engine.Value, [p.data for p in net.parameters()]

    def check(*changed: float) -> None:
        assert [p.data for p in net.parameters()] == list(changed)
        net.parameters().clear()  # the list is the caller's

    check(*expected)
    net.table["b"].append(value(5.0))
    check(*expected, 5.0)
    net.table["c"] = value(6.0)
    check(*expected, 5.0, 6.0)
    net.blocks[0].w[0] = value(7.0)
    expected[1] = 7.0
    check(*expected, 5.0, 6.0)
    del net.table
    check(*expected[:4])
    net.blocks.insert(0, value(8.0))
    check(1.0, 8.0, *expected[1:4])
    net.blocks[1].b = net.scale
    check(1.0, 8.0, 7.0, 2.0)
    net.scale = 1.0
    check(8.0, 7.0, 1.0, 2.0)
    inner = net.blocks[1].w
    inner += [value(9.0)]
    check(8.0, 7.0, 9.0, 1.0, 2.0)


def test_modules_may_know_each_other(engine: Any) -> None:
    class Part(engine.Module):  # type: ignore[misc]
        def __init__(self, whole: Any) -> None:
            self.whole, self.weight = whole, engine.Value(2.0)

    class Whole(engine.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.parts = [Part(self), Part(self)]
            self.weight = engine.Value(1.0)

    whole = Whole()
    assert [p.data for p in whole.parameters()] == [2.0, 2.0, 1.0]
    assert [p.data for p in whole.parts[0].parameters()] == [2.0, 1.0, 2.0]
    assert len(copy.deepcopy(whole).parts[1].whole.parameters()) == 3
    chain = engine.Module()
    for _ in range(2000):
        outer = engine.Module()
        outer.inner, chain = chain, outer
    chain.weight = engine.Value(3.0)
    assert [p.data for p in chain.parameters()] == [3.0]


def test_state_goes_out_and_in(engine: Any) -> None:
    net, other = nested(engine), nested(engine)
    for p in net.parameters():
        p.data += 0.5
    state = net.state_dict()
    other.load_state_dict({**state, "scale": np.float64(state["scale"])})
    assert other.state_dict() == state
    before = other.state_dict()
    for wrong, error in (
        ({}, ValueError),
        ({**state, "more": 1.0}, ValueError),
        ({**state, "table.a": "1"}, TypeError),
    ):
        with pytest.raises(error):
            other.load_state_dict(wrong)
    assert other.state_dict() == before


@pytest.fixture(params=["deepcopy", "pickle"])
def copying(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    yield copy.deepcopy if request.param == "deepcopy" else lambda m: pickle.loads(pickle.dumps(m))


def test_a_copied_module_is_independent_and_the_same(engine: Any, copying: Any) -> None:
    model = engine.MLP(2, [3, 2], rng=engine.RNG(8))
    model.layers[1].neurons[1].w[0] = model.layers[0].neurons[0].b  # shared
    expected = [v.data for v in model(POINT)]
    copied = copying(model)
    assert [v.data for v in copied(POINT)] == expected
    assert copied.layers[1].neurons[1].w[0] is copied.layers[0].neurons[0].b
    assert not {id(p) for p in copied.parameters()} & {id(p) for p in model.parameters()}
    for p in copied.parameters():
        p.data = 0.0
    copied.layers[0].neurons[0].w[0] = engine.Value(1.0)
    assert [v.data for v in model(POINT)] == expected
    assert [v.data for v in copied(POINT)] == [0.0, 0.0]
    assert copied.parameters()[1]._vis_color == "lightgreen"
