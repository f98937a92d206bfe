"""micrograd, LLM101n's module and microgpt's Value: a program changes its import and no digit."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import predecessors
import pytest

from pymicrograd import Value, llm101n, micrograd, nn
from pymicrograd.llm101n import first

GOLDEN = Path(__file__).parent / "golden" / "llm101n.txt"
PROGRAMS: dict[str, tuple[str, dict[str, int]]] = {
    "demo": (predecessors.DEMO, {"POINTS": 20, "STEPS": 3}),
    "llm101n": (predecessors.LLM101N, {"POINTS": 40, "STEPS": 11}),
    "llm101n plain": (predecessors.LLM101N_PLAIN, {"POINTS": 40, "STEPS": 2}),
    "llm101n first": (predecessors.LLM101N_FIRST, {"POINTS": 40, "STEPS": 2}),
    "microgpt": (predecessors.MICROGPT, {"STEPS": 2}),
}


@pytest.fixture(autouse=True)
def deep_recursion() -> Iterator[None]:
    """Let the recursive walks of the originals go deep enough; keep generators as they are."""
    limit, state, weights = sys.getrecursionlimit(), random.getstate(), llm101n.random
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)
    random.setstate(state)
    llm101n.random = weights


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_it_does_with_the_original(name: str) -> None:
    program, sizes = PROGRAMS[name]
    lines = predecessors.run(program, predecessors.ours(), **sizes)
    assert lines == predecessors.run(program, predecessors.pure(), **sizes)
    assert len(lines) > 3


def test_llm101ns_first_program_prints_the_golden_lines() -> None:
    golden = [line for line in GOLDEN.read_text().splitlines() if line]
    lines = predecessors.run(predecessors.LLM101N_FIRST, predecessors.ours(), POINTS=100, STEPS=5)
    assert lines[:-1] == golden[: len(lines) - 1]


# ---- micrograd ----------------------------------------------------------------------------------


def test_micrograds_weights_are_of_pythons_random() -> None:
    random.seed(1337)
    model = micrograd.MLP(2, [16, 16, 1])
    assert model.layers[0].neurons[0].w[0].data == 0.23550571390294128
    assert model([1.0, 2.0]).data == -1.530358061910418
    assert repr(model).startswith("MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2), ")
    assert repr(micrograd.Neuron(2, False)) == "LinearNeuron(2)"
    assert micrograd.Value is micrograd.engine.Value is Value
    assert isinstance(model, micrograd.Module) and isinstance(model, nn.MLP)


def test_nonlin_counts_when_it_is_changed() -> None:
    random.seed(1)
    model = micrograd.MLP(2, [4, 1])
    before = model([1.0, -2.0]).data
    for neuron in model.layers[0].neurons:
        neuron.nonlin = False
    act = [
        neuron.b.data + neuron.w[0].data * 1.0 + neuron.w[1].data * -2.0
        for neuron in model.layers[0].neurons
    ]
    last = model.layers[1].neurons[0]
    expected = last.b.data
    for w, x in zip(last.w, act, strict=True):
        expected = expected + w.data * x
    assert model([1.0, -2.0]).data == expected != before
    assert "LinearNeuron(2), LinearNeuron(2)" in repr(model)
    last.nonlin = True
    assert model([1.0, -2.0]).data == max(expected, 0.0)


def test_parameters_are_what_classes_say() -> None:
    class Scaled(micrograd.Module):
        def __init__(self) -> None:
            self.scale, self.part = micrograd.Value(2.0), micrograd.Neuron(2)

        def __call__(self, x: Any) -> Any:
            return self.part(x) * self.scale

    model = Scaled()
    assert model.parameters() == [] and model([0.0, 0.0]).data == 0.0

    class Frozen(micrograd.Neuron):
        def parameters(self, recurse: bool = True) -> list[Any]:
            return []

    layer = micrograd.Layer(2, 2, nonlin=False)
    layer.neurons[0] = Frozen(2)
    layer.note = micrograd.Value(1.0)
    assert layer.parameters() == layer.neurons[1].parameters()
    assert len(layer.parameters()) == 3
    for p in layer.neurons[1].parameters():
        p.grad = 1.0
    layer.neurons[0].b.grad = 1.0
    layer.zero_grad()
    assert [p.grad for p in layer.parameters()] == [0.0] * 3
    assert layer.neurons[0].b.grad == 1.0


def test_a_subclass_of_a_neuron_is_called() -> None:
    class Loud(micrograd.Neuron):
        def __call__(self, x: Any) -> Any:
            return super().__call__(x) * 0.0 + 7.0

    layer = micrograd.Layer(2, 2)
    layer.neurons[1] = Loud(2)
    assert layer([1.0, 1.0])[1].data == 7.0


def test_the_package_can_stand_for_micrograd_in_sys_modules() -> None:
    code = """
import sys
import pymicrograd.micrograd as micrograd
sys.modules.update({"micrograd": micrograd, "micrograd.engine": micrograd.engine,
                    "micrograd.nn": micrograd.nn})
from micrograd.engine import Value
from micrograd.nn import MLP
import micrograd.nn as nn
import random
random.seed(1337)
print(nn.MLP(2, [16, 16, 1])([Value(1.0), 2.0]).data, MLP is micrograd.MLP)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "-1.530358061910418 True\n"


# ---- LLM101n ------------------------------------------------------------------------------------


def test_weights_are_of_the_last_rng_or_the_one_that_is_set() -> None:
    rng = llm101n.RNG(42)
    train, _, _ = llm101n.gen_data_yinyang(rng, n=100)
    assert rng.state == 40890607258806830 and len(train) == 80
    assert llm101n.random is rng and first.random is rng
    a = llm101n.Neuron(4).w[0].data
    llm101n.random = llm101n.RNG(7)
    state = llm101n.random.state
    assert llm101n.Neuron(4).w[0].data != a and llm101n.random.state != state


def test_a_layer_gives_a_list_and_the_firsts_one_neuron_a_value() -> None:
    llm101n.RNG(1)
    model, single = llm101n.MLP(2, [3, 1]), llm101n.Layer(2, 1)
    assert [type(x) for x in (model([1.0, 2.0]), single([1.0, 2.0]))] == [list, list]
    assert [len(row) for row in model([[1.0, 2.0], [0.0, 1.0]])] == [1, 1]
    model.layers[0].neurons[0].nonlin = False  # no longer plain
    assert type(model([1.0, 2.0])) is list
    assert type(first.MLP(2, [3, 1])([1.0, 2.0])) is Value is type(first.Layer(2, 1)([1.0, 2.0]))


def test_the_losses_shift_or_do_not() -> None:
    logits = [Value(800.0), Value(0.0)]
    assert first.cross_entropy(logits, 0).data == 0.0
    with pytest.raises(OverflowError):
        llm101n.cross_entropy(logits, 0)


def test_adamw_has_llm101ns_arguments() -> None:
    parameters = llm101n.MLP(2, [2, 1]).parameters()
    optimizer = llm101n.AdamW(parameters=parameters)
    assert (optimizer.lr, optimizer.betas, optimizer.eps) == (0.1, (0.9, 0.95), 1e-8)
    assert optimizer.weight_decay == 0.0 and list(optimizer.parameters) == parameters


def test_draw_dot_prints_what_the_original_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    llm101n.RNG(42)
    model = llm101n.MLP(2, [8, 3])
    llm101n.vis_color(model.parameters(), "lightgreen")
    x = (Value(0.0), Value(0.0))
    loss = (Value(0.0) + llm101n.cross_entropy(model(x), 0)) * 1.0  # the program's loss_fun
    loss.backward()
    monkeypatch.setitem(sys.modules, "graphviz", None)
    assert llm101n.draw_dot(loss) is None
    assert capsys.readouterr().out.splitlines() == [
        "found a total of  157 nodes and 187 edges",
        "graphviz not installed? skipped visualization",
    ]


def test_microgpts_value_tells_its_children_and_local_gradients() -> None:
    value = importlib.import_module("pymicrograd.microgpt").Value
    a, b = value(2.0), value(-3.0)
    assert (a * b)._local_grads == (-3.0, 2.0) and (a * b)._children == (a, b)
    assert (a**3)._local_grads == (12.0,) and a._children == () == a._local_grads
    made = value(data=5.0, children=(a, b), local_grads=(0.25, 4.0))
    (made * 2).backward()
    assert (a.grad, b.grad, made._children, made._local_grads) == (0.5, 8.0, (a, b), (0.25, 4.0))


# ---- teenygrad -----------------------------------------------------------------------------------


def test_teenygrads_methods_are_functions_of_pytorchs_names() -> None:
    tensor = importlib.import_module("pymicrograd").Tensor
    F: Any = nn.functional
    tensor.manual_seed(3)
    x, y, v = tensor.randn(2, 3), tensor.rand(2, 3), tensor.uniform(4, low=2, high=3)
    images, kernels = tensor.rand(1, 2, 6, 6), tensor.glorot_uniform(4, 2, 3, 3)
    labels = tensor([1, -1]).long()
    same: list[tuple[Any, Any]] = [
        (images.conv2d(kernels, stride=2), F.conv2d(images, kernels, stride=2)),
        (images.conv_transpose2d(tensor.ones(2, 4, 3, 3), output_padding=1, stride=2),
         F.conv_transpose2d(images, tensor.ones(2, 4, 3, 3), output_padding=1, stride=2)),
        (images.max_pool2d(), F.max_pool2d(images, 2)),
        (images.avg_pool2d((3, 3), 1), F.avg_pool2d(images, 3, 1)),
        (images.layernorm(-2), F.layer_norm(images, (6, 6))),
        (images.batchnorm(None, None, v[:2], v[2:]),
         (images - v[:2].reshape(1, 2, 1, 1)) * v[2:].reshape(1, 2, 1, 1)),
        (x.linear(y.T, v[:2]), x @ y.T + v[:2]), (x.linear(y[0]), x * y[0]),
        (x.sequential([tensor.relu, tensor.exp]), x.relu().exp()),
        (x.sparse_categorical_crossentropy(labels), F.cross_entropy(x[:1], labels[:1])),
        (y.binary_crossentropy(y), F.binary_cross_entropy(y, y)),
        (x.binary_crossentropy_logits(y), F.binary_cross_entropy_with_logits(x, y)),
        (x.leakyrelu(0.2), F.leaky_relu(x, 0.2)), (x.swish(), x.silu()), (x.mish(), F.mish(x)),
        (x.shrink((None, (1, 3))), x[:, 1:]), (x.pad2d((1, 0, 0, 2)), F.pad(x, (1, 0, 0, 2))),
        (x.slice(((-1, 1), (1, 5)), 7.0), F.pad(x[:1, 1:], (0, 2, 1, 0), value=7.0)),
        (x.cat(y, dim=1)[:, 3:], y), (tensor.stack([x, y])[1], y), (x.zeros_like(), x * 0),
        (x.cast("float64"), x.double()), (x.realize(), x), (x.dropout(0.9), x),
    ]  # fmt: skip
    for found, expected in same:
        assert found.tolist() == expected.tolist()
    with tensor.train():
        assert 0 < (tensor.ones(100).dropout(0.9) == 0).sum() <= 100
    assert not tensor.training and ((v >= 2) & (v < 3)).all()
    assert tensor.scaled_uniform(100).abs().amax() <= 0.1
    assert tensor.kaiming_uniform(9, 6).abs().amax() <= 1 < tensor.kaiming_normal(999, 2).amax()
    assert tensor.randint(50, low=3, high=5).unique().tolist() == [3, 4]
    w = tensor.eye(2).requires_grad_()
    assert w.assign(w.detach() * 2) is w and w.is_leaf and w.tolist() == [[2, 0], [0, 2]]
    assert tensor.arange(1, 3).tolist() == [1, 2] and tensor.full((2,), 1).tolist() == [1, 1]
    assert tensor.normal(3, mean=5.0, std=0.0).tolist() == [5.0] * 3
