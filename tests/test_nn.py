"""Neurons, layers and perceptrons: what they are, and the same graphs from both engines."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from programs import assert_same_graphs, graph, load

import pymicrograd
from pymicrograd.reference.nn import ACTIVATIONS

ENGINES = load("c"), load("reference")
POINT = [0.7000000000000001, -1.3]
POINTS = [[0.1, -0.2], POINT, [2.0, 1.0000000000000002]]


def flat(result: Any) -> list[Any]:
    """Return the Values of nested lists."""
    return [v for r in result for v in flat(r)] if isinstance(result, list) else [result]


def assert_same(build: Callable[[Any], Any]) -> Any:
    """Call a function with each engine, compare the graphs of what it returns before and after a
    backward, and return the C engine's results."""
    results = [build(engine) for engine in ENGINES]
    values, others = map(flat, results)
    for mine, its in zip(values, others, strict=True):
        mine.backward(0.3)
        its.backward(0.3)
    assert_same_graphs(values, others)
    return results[0]


# ---- parameters ----------------------------------------------------------------------------------


def test_weights_are_drawn_in_llm101ns_order(engine: Any) -> None:
    model, rng = engine.MLP(3, [2, 1], rng=engine.RNG(7)), engine.RNG(7)
    expected = []
    for nin, nout in ((3, 2), (2, 1)):
        for _ in range(nout):
            expected += [rng.uniform(-1, 1) * nin**-0.5 for _ in range(nin)] + [0.0]
    parameters = model.parameters()
    assert isinstance(parameters, list)
    assert [p.data for p in parameters] == expected
    assert [name for name, _ in model.named_parameters()] == [
        "layers.0.neurons.0.w.0", "layers.0.neurons.0.w.1", "layers.0.neurons.0.w.2",
        "layers.0.neurons.0.b", "layers.0.neurons.1.w.0", "layers.0.neurons.1.w.1",
        "layers.0.neurons.1.w.2", "layers.0.neurons.1.b", "layers.1.neurons.0.w.0",
        "layers.1.neurons.0.w.1", "layers.1.neurons.0.b",
    ]  # fmt: skip
    assert parameters[0] is model.layers[0].neurons[0].w[0]
    assert {p._vis_color for p in parameters} == {"lightgreen"}


def test_weights_of_micrograd_are_those_of_any_generator(engine: Any) -> None:
    neuron = engine.Neuron(4, rng=random.Random(1), init="micrograd")
    generator = random.Random(1)
    assert [w.data for w in neuron.w] == [generator.uniform(-1, 1) for _ in range(4)]
    assert neuron.b.data == 0.0


def test_the_default_generator_is_seeded_with_42_and_can_be_seeded(engine: Any) -> None:
    def weights(**options: Any) -> list[float]:
        return [p.data for p in engine.Layer(2, 3, **options).parameters()]

    engine.manual_seed(42)
    first = weights()
    second = weights()
    assert first == weights(rng=engine.RNG(42)) != second
    assert type(engine.manual_seed(7)).__name__ == "RNG"
    assert weights() == weights(rng=engine.RNG(7))


def test_descriptions(engine: Any) -> None:
    assert repr(engine.MLP(2, [2, 1])) == (
        "MLP of [Layer of [TanHNeuron(2), TanHNeuron(2)], Layer of [LinearNeuron(2)]]"
    )
    assert repr(engine.Neuron(3, activation="relu")) == "ReLUNeuron(3)"
    assert repr(engine.Neuron(3, activation="gelu_tanh")) == "GeluTanhNeuron(3)"
    assert repr(engine.Neuron(3, nonlin=False)) == repr(engine.Neuron(3, activation=None))
    assert repr(engine.MLP(1, (2, 2), activation="relu")).count("ReLUNeuron") == 2


@pytest.mark.parametrize(
    ("make", "error"),
    [(lambda e: e.Neuron(0), ValueError), (lambda e: e.Neuron(2.0), TypeError),
     (lambda e: e.Neuron(-1), ValueError), (lambda e: e.Layer(2, 0), ValueError),
     (lambda e: e.MLP(2, []), ValueError), (lambda e: e.MLP(2, 3), TypeError),
     (lambda e: e.MLP(2, "3"), TypeError), (lambda e: e.MLP(2, [3, 0]), ValueError),
     (lambda e: e.Neuron(2, activation="swish"), ValueError),
     (lambda e: e.Neuron(2, init="xavier"), ValueError),
     (lambda e: e.Neuron(2, rng=42), TypeError)],
)  # fmt: skip
def test_wrong_arguments_are_refused(engine: Any, make: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        make(engine)
    assert type(caught.value) is error


# ---- calls ---------------------------------------------------------------------------------------


def by_hand(neuron: Any, x: Any) -> Any:
    """Compute a tanh neuron as LLM101n's does."""
    return sum((wi * xi for wi, xi in zip(neuron.w, x, strict=True)), neuron.b).tanh()


def test_a_call_records_llm101ns_nodes(engine: Any) -> None:
    model, same = (engine.MLP(2, [3, 2], rng=engine.RNG(3)) for _ in range(2))
    x = [engine.Value(0.5), engine.Value(-2.0)]
    y = [engine.Value(0.5), engine.Value(-2.0)]
    hidden = [by_hand(neuron, y) for neuron in same.layers[0].neurons]
    expected = [
        sum((wi * hi for wi, hi in zip(neuron.w, hidden, strict=True)), neuron.b)
        for neuron in same.layers[1].neurons
    ]
    result = model(x)
    for values in (result, expected):
        (values[0] * values[1]).backward()
    assert_same_graphs(result, expected)
    assert [p.grad for p in model.parameters()] == [p.grad for p in same.parameters()]


INPUTS: dict[str, Callable[[Any], Any]] = {
    "floats": lambda e: list(POINT),
    "ints": lambda e: (1, -2),
    "Values": lambda e: [e.Value(x) for x in POINT],
    "a mixture": lambda e: [e.Value(0.5), True],
    "one Value twice": lambda e: [e.Value(0.5)] * 2,
    "results": lambda e: [e.Value(0.5) * 2, e.Value(0.5).exp()],
    "NumPy scalars": lambda e: [np.float64(0.1), np.int64(-3)],
    "a NumPy row": lambda e: np.array(POINT),
    "a NumPy row of Values": lambda e: np.array([e.Value(x) for x in POINT]),
    "an iterator": lambda e: iter(POINT),
    "hostile numbers": lambda e: [float("-inf"), float("nan")],
    "rows of floats": lambda e: POINTS,
    "rows of Values": lambda e: [[e.Value(x) for x in point] for point in POINTS],
    "rows of a mixture": lambda e: [[e.Value(0.1), 0.2], (3, e.Value(-1.0)), POINT],
    "a NumPy matrix": lambda e: np.array(POINTS),
    "tuples": lambda e: tuple(map(tuple, POINTS)),
    "rows of NumPy": lambda e: [np.array(point) for point in POINTS],
    "one row": lambda e: [POINT],
}


@pytest.mark.parametrize("kind", INPUTS)
def test_any_kind_of_input(kind: str) -> None:
    assert_same(lambda e: e.MLP(2, [3, 2], rng=e.RNG(5))(INPUTS[kind](e)))
    assert_same(lambda e: e.MLP(2, [3, 1], rng=e.RNG(5))(INPUTS[kind](e)))
    assert_same(lambda e: e.Layer(2, 2, rng=e.RNG(5), activation="relu")(INPUTS[kind](e)))
    assert_same(lambda e: e.Neuron(2, rng=e.RNG(5))(INPUTS[kind](e)))


@pytest.mark.parametrize("activation", [*ACTIVATIONS, None])
def test_every_activation(activation: str) -> None:
    def build(engine: Any) -> Any:
        model = engine.MLP(2, [3, 3, 2], rng=engine.RNG(2), activation=activation)
        for layer in model.layers:
            for neuron in layer.neurons:
                neuron.b.data = 2.0  # where log is defined
        return [model(POINTS), model.layers[0]([engine.Value(0.1), 0.2])]

    assert all(value.data == value.data for value in flat(assert_same(build)))


@pytest.mark.parametrize(
    ("activation", "bias", "error"),
    [("log", -9.0, ValueError), ("exp", 800.0, OverflowError), ("log1p", -9.0, ValueError),
     ("sin", float("inf"), ValueError)],
)  # fmt: skip
def test_an_activation_that_raises(
    engine: Any, activation: str, bias: float, error: type[Exception]
) -> None:
    model = engine.MLP(2, [3, 1], rng=engine.RNG(2), activation=activation)
    model.layers[0].neurons[2].b.data = bias
    for x in (POINT, POINTS):
        with pytest.raises(error) as caught:
            model(x)
        assert type(caught.value) is error


def test_shapes_of_results(engine: Any) -> None:
    value = engine.Value
    many, one = engine.MLP(2, [3, 2]), engine.MLP(2, [3, 1])
    assert [type(v) for v in many(POINT)] == [value, value]
    assert [[type(v) for v in row] for row in many(POINTS)] == [[value] * 2] * 3
    assert type(one(POINT)) is value and [type(v) for v in one(POINTS)] == [value] * 3
    assert type(engine.Layer(2, 1)(POINT)) is type(engine.Neuron(2)(POINT)) is value
    assert [type(v) for v in engine.Neuron(2)(POINTS)] == [value] * 3
    assert type(engine.MLP(2, [1, 1, 1])(POINT)) is value


@pytest.mark.parametrize("x", [[], [1.0], [1.0, 2.0, 3.0], [[1.0, 2.0], [1.0]]], ids=repr)
def test_a_wrong_number_of_inputs_is_refused(engine: Any, x: Any) -> None:
    for module in (engine.MLP(2, [2, 1]), engine.Layer(2, 2), engine.Neuron(2)):
        with pytest.raises(ValueError, match="takes 2 inputs, got"):
            module(x)


@pytest.mark.parametrize("x", [["1", 2.0], [None, 1.0], [1j, 1.0]], ids=repr)
def test_inputs_that_are_no_numbers_are_refused(engine: Any, x: Any) -> None:
    for rows in (x, [POINT, x]):
        with pytest.raises(TypeError):
            engine.MLP(2, [2, 1])(rows)


# ---- identity ------------------------------------------------------------------------------------


def test_prev_reaches_the_very_objects(engine: Any) -> None:
    model = engine.MLP(2, [3, 2], rng=engine.RNG(4))
    x = [engine.Value(0.5), engine.Value(-1.0)]
    for out in ([model(x)], model([x, [x[1], 2.0]])):
        values = flat(out)
        nodes = list(graph(values))
        for mine in [*model.parameters(), *x]:
            assert sum(node is mine for node in nodes) == 1
        for number, node in enumerate(nodes):
            node.number = number
        assert [id(node) for node in graph(values)] == [id(node) for node in nodes]
        del nodes, node, mine
        gc.collect()
        numbers = [node.number for node in graph(values)]
        assert numbers == list(range(len(numbers)))
    assert model.parameters()[0]._vis_color == "lightgreen"


def test_a_neuron_is_walked_from_its_result_to_its_inputs(engine: Any) -> None:
    neuron, x, y = engine.Neuron(2), engine.Value(2.0), engine.Value(3.0)
    act = neuron([x, y])
    assert act._op == "tanh"
    (total,) = act._prev
    assert total is act._prev[0]
    inner, product = total._prev
    assert product._prev[0] is neuron.w[1] and product._prev[1] is y
    assert inner._prev[0] is neuron.b
    assert inner._prev[1]._prev[0] is neuron.w[0] and inner._prev[1]._prev[1] is x


def test_a_list_of_inputs_may_be_changed_after_the_call(engine: Any) -> None:
    model = engine.MLP(2, [2, 1])
    x, y = engine.Value(0.5), engine.Value(-1.0)
    row, rows = [x, y], [[x, y]]
    results = [model(row), *model(rows), engine.F.sum(row), engine.cross_entropy(row, 1)]
    row[0] = engine.Value(9.0)
    rows[0].clear()
    row.clear()
    for result in results:
        nodes = list(graph([result]))
        assert any(node is x for node in nodes) and any(node is y for node in nodes)


def test_layers_share_their_inputs_objects(engine: Any) -> None:
    first, second = engine.Layer(2, 3, rng=engine.RNG(1)), engine.Layer(3, 2, rng=engine.RNG(2))
    hidden = first(POINT)
    for node in hidden:
        node.label = "hidden"
    out = second(hidden)
    assert {id(node) for node in graph(out) if node.label == "hidden"} == {id(h) for h in hidden}


# ---- networks that are not plain -----------------------------------------------------------------


def changed_activation(e: Any) -> Any:
    model = e.MLP(2, [3, 2], rng=e.RNG(6))
    before = model(POINTS)
    model.layers[0].neurons[1].activation = "relu"
    mixed = model(POINTS)
    for neuron in model.layers[0].neurons:
        neuron.activation = "sigmoid"
    model.layers[1].neurons[0].activation = "exp"
    model.layers[1].neurons[1].activation = "exp"
    return [before, mixed, model(POINTS)]


def replaced_weights(e: Any) -> Any:
    model = e.MLP(2, [3, 2], rng=e.RNG(6))
    results = [model(POINTS)]
    model.layers[0].neurons[1].w[0] = e.Value(0.25)
    results.append(model(POINTS))
    model.layers[0].neurons[0].w = [e.Value(0.5), e.Value(-0.5)]
    results.append(model(POINT))
    model.layers[1].neurons[0].b = e.Value(1.5)
    results.append(model(POINT))
    model.layers[1].neurons[1].w[:] = (e.Value(float(i)) for i in range(3))
    results.append(model(POINT))
    model.layers[0].neurons[2].w.reverse()
    return [*results, model(POINT)]


def replaced_neurons_and_layers(e: Any) -> Any:
    model, rng = e.MLP(2, [3, 2], rng=e.RNG(6)), e.RNG(9)
    results = [model(POINTS)]
    model.layers[1].neurons.append(e.Neuron(3, rng, nonlin=False))
    results.append(model(POINTS))
    model.layers[1].neurons.pop(0)
    model.layers[0].neurons[0] = e.Neuron(2, rng)
    results.append(model(POINTS))
    model.layers.append(e.Layer(2, 1, rng, activation="relu"))
    results.append(model(POINTS))
    model.layers.insert(1, e.Layer(3, 3, rng, activation="relu"))
    results.append(model(POINTS))
    del model.layers[2:]
    return [*results, model(POINTS)]


def weights_that_are_results(e: Any) -> Any:
    model = e.MLP(2, [2, 1], rng=e.RNG(6))
    raw = e.Value(0.75)
    model.layers[0].neurons[0].w[1] = raw.tanh()
    results = [model(POINTS)]
    raw.data = 0.5  # what was computed from it before stays
    return [*results, model(POINT)]


def tied_weights(e: Any) -> Any:
    model = e.MLP(2, [2, 2], rng=e.RNG(6))
    for mine, its in zip(model.layers[0].neurons, model.layers[1].neurons, strict=True):
        its.w = mine.w
    model.layers[1].neurons[1] = model.layers[1].neurons[0]
    first = model(POINTS)
    model.layers[0].neurons[0].w[0] = e.Value(0.125)
    biases = np.asarray(model.state_dict()["layers.1.bias"]).tolist()
    return [first, model(POINTS), *map(e.Value, biases)]


def subclassed_neuron(e: Any) -> Any:
    class Square(e.Neuron):  # type: ignore[misc]
        def __call__(self, x: Any) -> Any:
            return super().__call__(x) ** 2

    model = e.MLP(2, [3, 2], rng=e.RNG(6))
    model.layers[0].neurons[1] = Square(2, e.RNG(3))
    return [model(POINT), model([[e.Value(1.0), 2.0]]), Square(2, e.RNG(3))(POINT)]


def subclassed_layer_and_mlp(e: Any) -> Any:
    class Residual(e.Layer):  # type: ignore[misc]
        def __call__(self, x: Any) -> Any:
            return [a + b for a, b in zip(x, super().__call__(x), strict=True)]

    class Twice(e.MLP):  # type: ignore[misc]
        def __call__(self, x: Any) -> Any:
            return super().__call__(super().__call__(x))

    model = Twice(2, [3, 2], rng=e.RNG(6))
    result = model(POINT)
    model.layers.insert(0, Residual(2, 2, e.RNG(3)))
    return [result, model(POINT)]


def an_array_of_weights(e: Any) -> Any:
    neuron = e.Neuron(2, rng=e.RNG(6))
    neuron.w = np.array([e.Value(0.5), e.Value(-0.25)], dtype=object)
    first = neuron(POINT)
    neuron.w[0] = e.Value(2.0)
    return [first, neuron(POINT)]


def other_sequences(e: Any) -> Any:
    class Pair(list):  # type: ignore[type-arg]
        pass

    layer = e.Layer(2, 2, rng=e.RNG(6))
    layer.neurons[0].w = Pair(layer.neurons[0].w)
    layer.neurons[1].w = tuple(layer.neurons[1].w)
    results = [layer(POINTS)]
    layer.neurons[0].w[0] = e.Value(2.0)
    layer.neurons = tuple(layer.neurons)
    return [*results, layer(POINTS)]


def layers_in_another_list(e: Any) -> Any:
    class Stack(e.MLP):  # type: ignore[misc]
        layers = property(lambda self: self.stack, lambda self, x: setattr(self, "stack", x))

    model = Stack(2, [3, 2], rng=e.RNG(6))
    first = model(POINT)
    model.stack[0].neurons[0].w[0] = e.Value(0.5)
    second = model(POINT)
    model.stack.append(e.Layer(2, 1, e.RNG(7)))
    return [first, second, model(POINT)]


def a_list_of_ones_own(e: Any) -> Any:
    neuron = e.Neuron(2, rng=e.RNG(6))
    weights = [e.Value(0.5), e.Value(-0.25)]
    neuron.w = weights
    first = neuron(POINT)
    weights[0] = e.Value(2.0)
    return [first, neuron(POINT)]


def data_set_through_load_state_dict(e: Any) -> Any:
    model, other = e.MLP(2, [3, 2], rng=e.RNG(6)), e.MLP(2, [3, 2], rng=e.RNG(7))
    first = model(POINTS)
    model.load_state_dict(other.state_dict())
    return [first, model(POINTS), other(POINTS)]


def inside_no_grad(e: Any) -> Any:
    model = e.MLP(2, [3, 2], rng=e.RNG(6))
    with e.no_grad():
        silent = model(POINTS)
    return [silent, model(silent[0])]


@pytest.mark.parametrize(
    "build",
    [changed_activation, replaced_weights, replaced_neurons_and_layers, weights_that_are_results,
     tied_weights, subclassed_neuron, subclassed_layer_and_mlp, an_array_of_weights,
     other_sequences, layers_in_another_list, a_list_of_ones_own,
     data_set_through_load_state_dict, inside_no_grad],
    ids=lambda build: build.__name__,
)  # fmt: skip
def test_networks_that_are_changed(build: Callable[[Any], Any]) -> None:
    assert_same(build)


def test_a_change_of_one_network_keeps_the_plans_of_others() -> None:
    model, other = pymicrograd.MLP(2, [3, 2]), pymicrograd.MLP(2, [3, 2])
    model(POINT)
    plan, listed = model._plan[1], model.parameters()
    changes: list[Callable[[], Any]] = [
        lambda: setattr(other.layers[0].neurons[0], "b", pymicrograd.Value(1.0)),
        lambda: other.layers.append(pymicrograd.Layer(2, 2)),
        lambda: pymicrograd.Neuron(2),
    ]
    for change in changes:
        change()
        model(POINT)
        assert model._plan[1] is plan and model.parameters() == listed
    model.layers[1].neurons[1].w.reverse()
    model(POINT)
    assert model._plan[1] is not plan and model.parameters() != listed


def test_an_activation_set_to_another_word_is_refused(engine: Any) -> None:
    for word in ("swish", "neg", "maximum", "leaf", "pow_number", "", None, 3):
        neuron = engine.Neuron(2)
        neuron.activation = word
        with pytest.raises(KeyError):
            neuron(POINT)


def test_networks_of_values_take_no_tensors() -> None:
    for network in (pymicrograd.MLP(2, [3]), pymicrograd.Layer(2, 1), pymicrograd.Neuron(2)):
        for shape in ((2,), (4, 2), ()):
            with pytest.raises(TypeError, match="takes numbers or Values, not a Tensor"):
                network(pymicrograd.ones(shape))
