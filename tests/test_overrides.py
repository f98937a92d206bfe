"""What users override, replace or add is obeyed: in classes, subclasses and objects."""

from __future__ import annotations

import math
from types import MethodType
from typing import Any

import pytest

import pymicrograd as mg
from pymicrograd import MLP, RNG, Value, cross_entropy
from pymicrograd.nn import Layer, Module, Neuron, functional

ROW = [1.0, 2.0]


def model() -> MLP:
    return MLP(2, [3, 1], rng=RNG(1))


def call_all(make: Any) -> list[float]:
    """Return what all bulk builders give for Values that make() makes."""
    x = [make(0.5), make(-1.5)]
    found = [
        model()(x), Neuron(2, rng=RNG(2))(x), functional.sum(x), functional.mean(x),
        functional.dot(x, x), *functional.softmax(x), *functional.rmsnorm(x),
        cross_entropy(x, 1), cross_entropy(x, 1, False), cross_entropy([x, x], [0, 1]),
    ]  # fmt: skip
    return [value.data for value in found]


# The loops call these on no Value of the user's: what operators give is a plain Value.
UNUSED = {("class", "__rmul__")}
UNUSED |= {("subclass", name) for name in ("__add__", "__pow__", "__truediv__", "__neg__")}


@pytest.mark.parametrize(
    "name",
    ["__add__", "__mul__", "__radd__", "__rmul__", "__sub__", "__pow__", "__truediv__", "__neg__"],
)
@pytest.mark.parametrize("where", ["class", "subclass"])
def test_operators_of_the_users(name: str, where: str, monkeypatch: Any) -> None:
    calls = []
    plain = getattr(Value, name)
    expected = call_all(Value)

    def counted(self: Any, *args: Any) -> Any:
        calls.append(name)
        return plain(self, *args)

    kind: Any = Value
    if where == "class":
        monkeypatch.setattr(Value, name, counted)
    else:
        kind = type("Own", (Value,), {name: counted})
    assert call_all(kind) == expected
    assert bool(calls) == ((where, name) not in UNUSED)
    monkeypatch.undo()
    calls.clear()
    assert call_all(Value) == expected and not calls


@pytest.mark.parametrize("name", ["tanh", "exp", "log"])
def test_functions_of_the_users(name: str, monkeypatch: Any) -> None:
    plain, calls = getattr(Value, name), []
    expected = call_all(Value)
    monkeypatch.setattr(Value, name, lambda self: calls.append(name) or plain(self))
    assert call_all(Value) == expected and calls


def test_a_function_of_an_object(monkeypatch: Any) -> None:
    x: Any = Value(1.0)
    x.exp = lambda: Value(100.0)
    assert cross_entropy([x, Value(0.0)], 1, False).data > 4.0


def test_methods_may_be_added(monkeypatch: Any) -> None:
    expected = call_all(Value)
    monkeypatch.setattr(Value, "square", lambda self: self * self, raising=False)
    assert Value(3.0).square().data == 9.0  # type: ignore[attr-defined]
    assert call_all(Value) == expected


@pytest.mark.parametrize("kind", [Neuron, Layer])
@pytest.mark.parametrize("name", ["__call__", "forward"])
def test_calls_of_parts_that_are_replaced(kind: Any, name: str, monkeypatch: Any) -> None:
    plain, calls, net = getattr(kind, name), [], model()
    expected = net(ROW).data

    def counted(self: Any, x: Any) -> Any:
        calls.append(self)
        return plain(self, x)

    monkeypatch.setattr(kind, name, counted)
    assert net(ROW).data == model()(ROW).data == expected
    assert len(calls) == (2 * 4 if kind is Neuron else 2 * 2)


def test_forward_of_an_object() -> None:
    net: Any = model()
    expected, before = net(ROW).data, net.forward
    net.forward = lambda x: before(x) * 2.0
    assert net(ROW).data == 2.0 * expected
    net = model()
    part = net.layers[0].neurons[1]
    part.forward = MethodType(lambda self, x: Value(0.0), part)
    assert net(ROW).data != expected
    del part.forward
    assert net(ROW).data == expected


class Frozen(Neuron):
    def parameters(self, recurse: bool = True) -> list[Any]:
        return []


def test_parameters_of_parts_are_asked_for(engine: Any) -> None:
    layer = engine.Layer(2, 2, rng=engine.RNG(1))
    frozen = type("Frozen", (engine.Neuron,), {"parameters": lambda self: []})
    layer.neurons = [frozen(2), engine.Neuron(2)]
    assert len(layer.parameters()) == 3
    net = engine.MLP(2, [3, 1])
    assert len(net.parameters()) == 13
    net.layers[0].parameters = lambda: []
    assert len(net.parameters()) == 4
    first = net.layers[0].neurons[0].w[0]
    net.layers[0].parameters = lambda: [first]
    assert next(name for name, _ in net.named_parameters()) == "layers.0.neurons.0.w.0"
    assert net.parameters()[0] is first
    assert len(net.state_dict()) == 4  # what is kept is another matter


def test_parameters_replaced_after_they_were_listed(monkeypatch: Any) -> None:
    net = model()
    assert len(net.parameters()) == 13
    monkeypatch.setattr(Neuron, "parameters", lambda self: [])
    assert net.parameters() == []
    monkeypatch.undo()
    assert len(net.parameters()) == 13


def test_train_of_a_part_is_called(engine: Any) -> None:
    """The way to keep a part as in use: its train() does nothing."""

    class Kept(engine.Module):  # type: ignore[misc, name-defined]
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    class Net(engine.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.kept, self.other = Kept(), engine.Module()

    net = Net().train()
    assert (net.training, net.kept.training, net.other.training) == (True, False, True)


def test_zero_grad_of_objects_of_the_users(engine: Any) -> None:
    class Vector:
        def __init__(self) -> None:
            self.data, self.grad = [1.0, 2.0], [3.0, 4.0]

    class Net(engine.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.w, self.v = Vector(), engine.Value(1.0)

        def parameters(self) -> list[Any]:
            return [self.w, self.v]

    net = Net()
    net.v.grad = 3.0
    net.zero_grad()
    assert net.w.grad == 0 and net.v.grad == 0.0


def test_optimizers_refuse_data_of_the_users() -> None:
    class Own(Value):
        data = property(lambda self: 1.0)  # type: ignore[assignment]

    with pytest.raises(TypeError, match="an optimizer sets data in C, and Own has a data of its"):
        mg.SGD([Own(1.0)], lr=0.1)


def test_modules_hold_values_of_subclasses() -> None:
    class Own(Value):
        pass

    class Net(Module):
        def __init__(self) -> None:
            self.w = Own(2.0)

        def forward(self, x: Any) -> Any:
            return self.w * x

    net = Net()
    net(3.0).backward()
    assert net.w.grad == 3.0 and len(net.parameters()) == 1
    mg.SGD(net.parameters(), lr=1.0).step()
    net.zero_grad()
    assert (net.w.data, net.w.grad) == (-1.0, 0.0)


def test_a_state_of_the_users_is_part_of_the_whole(engine: Any) -> None:
    class Scaled(engine.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.w, self.loads = engine.Value(2.0), []

        def state_dict(self) -> Any:
            return {"log": math.log(self.w.data), "epoch": 7.0}

        def load_state_dict(self, state: Any, strict: bool = True) -> Any:
            self.w.data = math.exp(state["log"])
            self.loads.append((dict(state), strict))

    class Net(engine.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.b, self.inner = engine.Value(1.0), [Scaled()]

    net, other = Net(), Net()
    net.inner[0].w.data = 3.0
    state = net.state_dict()
    assert set(state) == {"b", "inner.0.log", "inner.0.epoch"}
    other.load_state_dict(state)
    assert other.inner[0].w.data == pytest.approx(3.0, rel=1e-15)
    assert other.inner[0].loads == [({"log": state["inner.0.log"], "epoch": 7.0}, True)]
    with pytest.raises(ValueError, match=r'Unexpected .*: "c"'):
        other.load_state_dict({**state, "c": 1.0})
    assert len(other.inner[0].loads) == 1

    layer = engine.Layer(2, 2, rng=engine.RNG(1))
    layer.neurons[1].state_dict = lambda: {"all": 5.0}
    assert set(layer.state_dict()) == {"neurons.0.weight", "neurons.0.bias", "neurons.1.all"}
