"""Modules, on both engines: what their parameters are, state that goes out and in, copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from programs import load

import pymicrograd as mg
from pymicrograd import saving
from pymicrograd.errors import StateError

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
    names = ["scale", "blocks.0.weight", "blocks.0.bias", "blocks.1.0", "table.a", "table.b.0"]
    assert list(state) == [*names, "again"]  # what has two names has two entries, as in PyTorch
    other.load_state_dict({**state, "scale": np.float64(1.5)})
    numbers = [p.data for p in net.parameters()]
    assert [p.data for p in other.parameters()] == numbers
    for wrong, error, text in (
        ({}, StateError, r'\tMissing key\(s\) in state_dict: "scale", "blocks.0.weight"'),
        ({**state, "more": 1.0}, StateError, r'\tUnexpected key\(s\) in state_dict: "more"\.'),
        ({**state, "table.a": "1"}, TypeError, "table.a: a real number is needed, not str"),
        ({**state, "table.a": None}, TypeError, "table.a: "),
        (
            {**state, "blocks.0.weight": [[1.0]]},
            RuntimeError,
            r"size mismatch for blocks.0.weight: .* \(1, 1\)",
        ),
        ({**state, "blocks.0.weight": [1.0, 2.0]}, ValueError, r"shape \(2,\) .* \(1,\)\."),
    ):
        with pytest.raises(error, match=text):
            other.load_state_dict(wrong)
        assert [p.data for p in other.parameters()] == numbers
    found = other.load_state_dict({"table.a": 9, "more": 1.0}, strict=False)
    assert found == ([*names[:4], *names[5:], "again"], ["more"])
    assert found.unexpected_keys == ["more"] and other.table["a"].data == 9.0


def test_a_state_goes_into_a_dict_under_a_prefix() -> None:
    net, whole = mg.nn.Linear(2, 1), {"epoch": 3}
    assert net.state_dict(destination=whole, prefix="net.") is whole
    assert list(whole) == ["epoch", "net.weight", "net.bias"]
    assert net.state_dict(keep_vars=True)["weight"] is net.weight
    assert not net.state_dict()["weight"].requires_grad


def test_a_state_fits_modules_of_both_engines_and_files(tmp_path: Any) -> None:
    engines = [load("c"), load("reference")]
    for source, target in (engines, engines[::-1]):
        mine = source.MLP(2, [4, 3], rng=source.RNG(1))
        its = target.MLP(2, [4, 3], rng=target.RNG(2))
        state = mine.state_dict()
        its.load_state_dict(state)
        assert [p.data for p in its.parameters()] == [p.data for p in mine.parameters()]
        saving.save(state, tmp_path / "state.npz")
        saving.save(mine, tmp_path / "module.npz")
        assert (tmp_path / "state.npz").read_bytes() == (tmp_path / "module.npz").read_bytes()
        its = target.MLP(2, [4, 3], rng=target.RNG(3))
        its.load_state_dict(saving.load(tmp_path / "state.npz"))
        assert [p.data for p in its.parameters()] == [p.data for p in mine.parameters()]
    with pytest.raises(ValueError, match="lists of unequal lengths"):
        engines[0].Layer(2, 2).load_state_dict({"weight": [[1.0, 2.0], [3.0]], "bias": [0, 0]})


def test_a_layer_of_unequal_neurons_gives_each_its_own_entries(engine: Any) -> None:
    layer = engine.Layer(2, 2)
    layer.neurons.append(engine.Neuron(3))
    assert list(layer.state_dict())[-2:] == ["neurons.2.weight", "neurons.2.bias"]
    layer.neurons[0].w[0] = engine.Value(1.0) * 2.0  # no parameter any more
    assert [n for n in layer.state_dict() if "neurons.0" in n] == ["neurons.0.w.1", "neurons.0.b"]


class Linear(mg.Module):
    """A module of Tensors."""

    def __init__(self, nin: int, nout: int) -> None:
        self.weight = mg.ones(nout, nin, requires_grad=True)
        self.bias = mg.zeros(nout, requires_grad=True)
        self.register_buffer("calls", mg.tensor(0))
        self.register_buffer("cache", mg.ones(1), persistent=False)
        self.result: Any = None

    def forward(self, x: Any) -> Any:
        self.calls += 1
        self.result = self.weight @ x + self.bias
        return self.result

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]} to {self.weight.shape[0]}"


class Mixed(mg.Module):
    """A module of Tensors, of Values, and of modules of both."""

    def __init__(self) -> None:
        self.layers = [Linear(2, 3), Linear(3, 1)]
        self.gain = mg.Value(2.0)
        self.head = mg.Neuron(1)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return self.head([x.item()]) * self.gain


def test_a_network_of_tensors_and_values() -> None:
    net = Mixed()
    assert [name for name, _ in net.named_parameters()] == [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "gain",
        "head.w.0", "head.b",
    ]  # fmt: skip
    assert [name for name, _ in net.named_buffers()] == [
        "layers.0.calls", "layers.0.cache", "layers.1.calls", "layers.1.cache",
    ]  # fmt: skip
    assert net(mg.ones(2)).is_leaf is False and net.layers[1].calls.item() == 1
    assert len(list(net.buffers())) == 4 and len(net.parameters()) == 7  # results are neither
    assert [name for name, _ in net.named_children()] == ["layers.0", "layers.1", "head"]
    assert [name for name, _ in net.named_modules(prefix="net")] == [
        "net", "net.layers.0", "net.layers.1", "net.head",
    ]  # fmt: skip
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == ["net.gain"]
    assert net.layers[0].parameters(recurse=False) == net.layers[0].parameters()
    state = net.state_dict()
    assert {name: x.shape for name, x in state.items() if name.startswith(("gain", "head"))} == {
        "gain": (), "head.weight": (1,), "head.bias": (),
    }  # fmt: skip
    assert "layers.0.calls" in state and "layers.0.cache" not in state
    other = Mixed()
    net.layers[0].weight.detach().fill_(0.25)
    other.load_state_dict({name: x.tolist() for name, x in net.state_dict().items()})
    assert other.layers[0].weight.tolist() == [[0.25, 0.25]] * 3
    assert other.layers[0].calls.item() == 1 and other.layers[0].calls.dtype is mg.int64
    before = other.layers[0].bias.tolist()
    with pytest.raises(ValueError, match=r"mismatch for layers.1.weight: .* \(3,\) .* \(1, 3\)"):
        other.load_state_dict({**state, "layers.0.bias": [5.0] * 3, "layers.1.weight": [1.0] * 3})
    assert other.layers[0].bias.tolist() == before
    assert repr(net) == (
        "Mixed(\n  (layers.0): Linear(2 to 3)\n  (layers.1): Linear(3 to 1)\n"
        "  (head): TanHNeuron(1)\n)"
    )


def test_what_has_two_paths_comes_once_or_twice() -> None:
    tied, net = Linear(2, 2), mg.Module()
    net.first, net.rest = tied, [tied]
    net.rest.append(net.rest)  # which holds itself
    for find, one in (
        (net.named_parameters, ["first.weight", "first.bias"]),
        (net.named_buffers, ["first.calls", "first.cache"]),
        (net.named_modules, ["", "first"]),
    ):
        assert [name for name, _ in find()] == one
        two = [name.replace("first", "rest.0") for name in one if name]
        assert [name for name, _ in find(remove_duplicate=False)] == one + two
    assert list(net.modules(remove_duplicate=False)) == [net, tied, tied]
    assert repr(net).count("Linear(2 to 2)") == 2
    memo = {tied}
    assert [name for name, _ in net.named_modules(memo, "net")] == ["net"] and net in memo
    net.set_submodule("rest.0", mg.Neuron(1))
    net.set_submodule("first.inner", tied)
    assert type(net.rest[0]) is mg.Neuron and net.first.inner is tied
    with pytest.raises(AttributeError, match="no attribute `second`"):
        net.set_submodule("second", tied, strict=True)


def test_a_state_is_assigned() -> None:
    net, optimizer = Mixed(), None
    optimizer = mg.optim.SGD(list(net.layers[0].parameters()), lr=1.0)
    weight = net.layers[0].weight
    state = {name: x.clone().to(mg.float64) for name, x in Mixed().state_dict().items()}
    state["gain"] = mg.tensor(5.0)
    assert not any(net.load_state_dict(state, assign=True))
    assert net.layers[0].weight is weight and weight.dtype is mg.float64 and weight.requires_grad
    assert weight.data_ptr() == state["layers.0.weight"].data_ptr() and net.gain.data == 5.0
    weight.sum().backward()
    optimizer.step()  # which knows the parameter still
    assert state["layers.0.weight"].tolist() == weight.tolist()
    with pytest.raises(ValueError, match="size mismatch for layers"):
        net.load_state_dict({**state, "layers.0.bias": mg.ones(1)}, assign=True)


def test_gradients_of_a_mixed_network() -> None:
    net = Mixed()
    net(mg.ones(2)).backward()
    net.layers[0](mg.ones(2)).sum().backward()
    assert net.gain.grad != 0.0 and net.layers[0].weight.grad is not None
    net.zero_grad(set_to_none=False)
    assert net.gain.grad == 0.0 and net.layers[0].weight.grad.tolist() == [[0.0, 0.0]] * 3
    net.zero_grad()
    assert net.layers[0].weight.grad is None
    layer = net.layers[0]
    layer.requires_grad_(False)
    assert not layer.weight.requires_grad and len(layer.parameters()) == 2
    assert [name for name, _ in layer.named_buffers()] == ["calls", "cache"]
    assert layer.requires_grad_() is layer and layer.weight.requires_grad
    with pytest.raises(TypeError, match="a Value always has a gradient"):
        net.requires_grad_(False)


def test_training_and_what_is_applied_to_all(engine: Any) -> None:
    model = engine.MLP(2, [2, 1])
    assert model.training and model.eval() is model
    assert not any(module.training for module in model.modules())
    assert model.train().layers[0].neurons[1].training
    with pytest.raises(ValueError, match="train\\(\\) takes True or False"):
        model.train(1)
    names: list[str] = []
    assert model.apply(lambda module: names.append(type(module).__name__)) is model
    assert names == ["Neuron", "Neuron", "Layer", "Neuron", "Layer", "MLP"]
    assert list(model.children()) == model.layers


def test_registering(engine: Any) -> None:
    net = engine.Module()
    net.register_parameter("w", engine.Value(1.0))
    net.add_module("inner", engine.Neuron(2))
    net.add_module("none", None)
    names = ["w", "inner.w.0", "inner.w.1", "inner.b"]
    assert [name for name, _ in net.named_parameters()] == names
    for name, item, error in (
        ("a.b", None, KeyError), ("", None, KeyError), ("train", None, KeyError),
        (3, None, TypeError), ("x", 3, TypeError),
    ):  # fmt: skip
        for register in (net.register_parameter, net.register_buffer, net.add_module):
            with pytest.raises(error):
                register(name, item)
    with pytest.raises(NotImplementedError, match="Module does not define forward"):
        net(1)


def test_forward_of_a_subclass_is_what_a_call_runs(engine: Any) -> None:
    class Twice(engine.Neuron):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return super().forward(x) * 2.0

    neuron = Twice(2, engine.RNG(1))
    assert neuron(POINT).data == engine.Neuron(2, engine.RNG(1))(POINT).data * 2.0
    assert neuron.forward(POINT).data == neuron(POINT).data


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


def hooked_net(nn: Any, seen: list[str]) -> Any:
    """Return a network, ours or torch's, whose modules note what their hooks are told."""
    net = nn.Sequential(nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1)), nn.Linear(1, 1))
    for name, module in net.named_modules():
        module.register_state_dict_pre_hook(lambda m, *a, n=name: seen.append(f"pre {n} {a}"))
        module.register_state_dict_post_hook(
            lambda m, state, prefix, _, n=name: seen.append(f"post {n} {prefix}")
        )
        module.register_load_state_dict_pre_hook(
            lambda m, state, prefix, _, *a, n=name: seen.append(f"load {n} {prefix} {a}")
        )
        module.register_load_state_dict_post_hook(
            lambda m, keys, n=name: seen.append(f"loaded {n} {tuple(keys)}")
        )
    return net


def test_hooks_of_a_state_come_in_pytorchs_order() -> None:
    ours: list[str] = []
    net = hooked_net(mg.nn, ours)
    net.load_state_dict(net.state_dict(prefix="a.", keep_vars=True) and net.state_dict())
    names = ["", "0", "0.0", "0.1", "1"]
    inner = ["0.0", "0.1", "0", "1", ""]
    kinds = [(line.split(" ")[0], line.split(" ")[1]) for line in ours]
    assert kinds[:10] == [("pre", n) for n in names] + [("post", n) for n in inner]
    assert kinds[20:] == [("load", n) for n in names] + [("loaded", n) for n in inner]
    assert ours[1] == "pre 0 ('a.0.', True)" and ours[5] == "post 0.0 a.0.0."
    torch = pytest.importorskip("torch")
    theirs: list[str] = []
    net = hooked_net(torch.nn, theirs)
    net.load_state_dict(net.state_dict(prefix="a.", keep_vars=True) and net.state_dict())
    for kind in ("pre", "post", "load", "loaded"):  # theirs: each before its own module
        told = [[line for line in lines if line.startswith(f"{kind} ")] for lines in (ours, theirs)]
        assert told[0] == told[1]


def test_hooks_change_a_state() -> None:
    net = mg.nn.Sequential(mg.nn.Linear(1, 1), mg.nn.Linear(1, 1))
    old = net.state_dict()
    before = {name: x.tolist() for name, x in old.items()}
    renamed = {name.replace("weight", "w"): x + 1.0 for name, x in old.items()}

    def rename(module: Any, state: Any, prefix: str, *rest: Any) -> None:
        if prefix + "w" in state:
            state[prefix + "weight"] = state.pop(prefix + "w")

    handles = [module.register_load_state_dict_pre_hook(rename) for module in net.children()]
    assert not any(net.load_state_dict(renamed)) and len(renamed) == 4
    assert net[0].weight.item() == before["0.weight"][0][0] + 1.0
    handles[1].remove()
    with pytest.raises(StateError, match=r"Missing key.*1.weight.*\n.*Unexpected key.*1.w"):
        net.load_state_dict({name: x + 1.0 for name, x in renamed.items()})
    assert net[0].weight.item() == before["0.weight"][0][0] + 1.0  # it is as it was
    net.register_load_state_dict_post_hook(
        lambda m, keys: [found.clear() for found in keys] and None
    )
    assert not any(net.load_state_dict({}))
    net[0].register_load_state_dict_pre_hook(lambda *told: told[-1].append("too old"))
    with pytest.raises(StateError, match="too old"):
        net.load_state_dict(net.state_dict())
    net[1].register_state_dict_post_hook(
        lambda m, state, prefix, _: state.pop(prefix + "bias") and None
    )
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight"]
