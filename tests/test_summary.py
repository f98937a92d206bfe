"""summary(model): what there is, shapes and counts, and a module that is as before."""

from __future__ import annotations

import pytest

import pymicrograd as mg
from pymicrograd import nn
from pymicrograd.pictures.modules import summary


def test_a_module_of_modules() -> None:
    inner = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    model = nn.Sequential(nn.Flatten(), inner, nn.Dropout(0.5), nn.Linear(4, 2, bias=False))
    model[3].requires_grad_(False)
    assert str(summary(model, (3, 2, 2))).splitlines() == [
        "module      class        output  parameters",
        "(this one)  Sequential   (3, 2)",
        "0           Flatten      (3, 4)",
        "1           Sequential   (3, 4)",
        "1.0         Linear       (3, 4)  20",
        "1.1         BatchNorm1d  (3, 4)  8",
        "2           Dropout      (3, 4)",
        "3           Linear       (3, 2)  8",
        "36 parameters, 28 of them trained, and 9 numbers in buffers; 184 bytes",
    ]


def test_the_module_is_as_before() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(2, 2))
    model[1].eval()
    state = {name: x.tolist() for name, x in model.state_dict().items()}
    rng = mg.get_rng_state().tolist()
    summary(model, input_data=mg.ones(4, 2))
    assert {name: x.tolist() for name, x in model.state_dict().items()} == state
    assert [part.training for part in model.modules()] == [True, True, False, True]
    assert mg.get_rng_state().tolist() == rng and mg.is_grad_enabled()
    with pytest.raises(ValueError):
        summary(model, (4, 3))
    assert model.training


def test_networks_of_values() -> None:
    text = summary(mg.MLP(2, [3, 1]), input_data=[1.0, 2.0])
    assert repr(text).splitlines() == [
        "module      class  output    parameters",
        "(this one)  MLP    Value",
        "layers.0    Layer  3 Values  9",
        "layers.1    Layer  Value     4",
        "13 parameters, 13 of them trained; 104 bytes",
    ]


def test_without_inputs_there_are_no_shapes() -> None:
    assert str(summary(nn.LSTM(2, 3))).splitlines()[:2] == [
        "module      class  parameters",
        "(this one)  LSTM   84",
    ]
    assert "(5, 1, 3), (1, 1, 3), (1, 1, 3)" in summary(nn.LSTM(2, 3), (5, 1, 2))


def test_several_inputs() -> None:
    assert "(4, 5)" in summary(nn.Bilinear(2, 3, 5), [(4, 2), (4, 3)])
