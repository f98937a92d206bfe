"""Pictures of the graphs of Tensors: names, shapes, each node once, what backward() goes to."""

from __future__ import annotations

from typing import Any

import pytest

import pymicrograd as mg
from pymicrograd import nn


def example() -> tuple[Any, dict[str, Any]]:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    loss = (model(mg.ones(4, 2)) * mg.full((3,), 2.0)).double().sum()
    return loss, dict(model.named_parameters())


def test_mermaid() -> None:
    loss, params = example()
    lines = mg.to_mermaid(loss, params=params).replace("#46;", ".").splitlines()
    text = "\n".join(lines).replace("#40;", "(").replace("#41;", ")").replace("#44;", ",")
    assert text.splitlines() == [
        "flowchart LR",
        '    n3(["ReluBackward0<br/>(4, 3)"])',
        '    n4(["MulBackward0<br/>(4, 3)"])',
        '    n5(["CastBackward0<br/>(4, 3) float64"])',
        '    n6(["SumBackward0<br/>() float64"])',
        '    subgraph m0["0"]',
        '        n0["0.weight<br/>(3, 2)"]',
        '        n1["0.bias<br/>(3,)"]',
        '        n2(["LinearBackward0<br/>(4, 3)"])',
        "    end",
        "    n0 --> n2",
        "    n1 --> n2",
        "    n2 --> n3",
        "    n3 --> n4",
        "    n4 --> n5",
        "    n5 --> n6",
    ]


def test_dot() -> None:
    loss, params = example()
    text = mg.to_dot(loss, rankdir="TB", params=params)
    assert text.startswith("digraph {\n\tgraph [rankdir=TB") and text.endswith("}\n")
    assert '\t\tn0 [label="0.weight\\n(3, 2)" shape=box style=filled fillcolor=lightgreen]' in text
    assert '\tn3 [label="ReluBackward0\\n(4, 3)" shape=ellipse]\n' in text
    assert "\tn5 -> n6\n" in text
    assert '"(3, 2)"' in mg.to_dot(loss)
    pytest.importorskip("graphviz")
    assert mg.draw_dot(loss, params=params).source == mg.to_dot(loss, params=params)


def test_modules_stand_around_their_nodes() -> None:
    """Ops without parameters are in the module that they lie within: attention's softmax."""
    block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
    model = nn.ModuleDict({"block": block, "head": nn.Linear(8, 1, bias=False)})
    loss = model["head"](block(mg.rand(3, 1, 8))).sum()
    stack, inside = [], {}
    for line in mg.to_mermaid(loss, params=model).splitlines():
        line = line.strip().replace("#46;", ".").replace("#58;", ":").replace("#95;", "_")
        if line.startswith("subgraph"):
            stack.append(line.split('"')[1])
        elif line == "end":
            stack.pop()
        elif "[" in line:
            name = line.split('"')[1].split("<")[0]
            inside.setdefault(name, set()).add(stack[-1] if stack else "")
    attention = "block.self_attn: MultiheadAttention"
    assert inside["SoftmaxBackward0"] == inside["SliceBackward0"] == {attention}
    assert inside["block.self_attn.in_proj_weight"] == {attention}
    assert inside["ReluBackward0"] == {"block: TransformerEncoderLayer"}
    assert inside["SumBackward0"] == {""}
    assert {"head: Linear", "block.linear1: Linear"} <= inside["LinearBackward0"]
    names = dict(model.named_parameters())
    assert 'subgraph cluster_0 { label="block" ' in mg.to_dot(loss, params=names)
    lines = mg.to_dot(loss, params=model).splitlines()
    assert sum("{" in line for line in lines) == sum(line.strip() == "}" for line in lines)


def test_a_node_is_there_once_and_depth_has_no_limit() -> None:
    x = mg.ones(2, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * y
    assert mg.to_mermaid(y).count(" --> ") == 3000
    assert mg.to_mermaid(x) == 'flowchart LR\n    n0["#40;2#44;#41;"]\n'


def test_what_has_no_graph() -> None:
    for call in (mg.to_dot, mg.to_mermaid):
        with pytest.raises(TypeError, match="requires no gradient"):
            call(mg.ones(2))
        with pytest.raises(ValueError, match="rankdir"):
            call(mg.ones(2, requires_grad=True), rankdir="UP")
