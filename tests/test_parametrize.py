"""Parameters that are computed of others: norms of weights, and modules of the user's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg
from pymicrograd import nn
from pymicrograd.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.triu() + x.triu(1).mT


class Exp(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.exp()

    def right_inverse(self, x: Any) -> Any:
        return x.log()


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_is_that_of_pytorch(dim: int | None) -> None:
    torch = pytest.importorskip("torch", reason="the oracle: pip install torch")
    ours, theirs = nn.Conv1d(3, 4, 2), torch.nn.Conv1d(3, 4, 2)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    mine = parametrizations.weight_norm(ours, dim=dim)
    its = torch.nn.utils.parametrizations.weight_norm(theirs, dim=dim)
    assert mine is ours and list(mine.state_dict()) == list(its.state_dict())
    x = mg.randn(2, 3, 5)
    y, z = mine(x), its(torch.tensor(x.numpy()))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), 1e-5, 1e-6)
    y.sum().backward()
    z.sum().backward()
    for p, q in zip(mine.parameters(), its.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), 1e-4, 1e-5)


def test_spectral_norm() -> None:
    layer = nn.utils.spectral_norm(nn.ConvTranspose2d(3, 5, 2), n_power_iterations=50)
    rows = layer.weight.detach().movedim(1, 0).flatten(1).numpy()
    assert np.linalg.svd(rows, compute_uv=False)[0] == pytest.approx(1.0, rel=1e-4)
    assert [name for name, _ in layer.named_buffers()] == [
        "parametrizations.weight.0._u", "parametrizations.weight.0._v",
    ]  # fmt: skip
    layer.eval()
    before = layer.weight.tolist()
    layer(mg.randn(1, 3, 2, 2)).sum().backward()
    original = layer.parametrizations.weight.original
    assert layer.weight.tolist() == before and original.grad.abs().sum() > 0
    assert nn.utils.remove_spectral_norm(layer) is layer and layer.weight.tolist() == before
    assert type(layer) is nn.ConvTranspose2d and isinstance(layer.weight, nn.Parameter)


def test_a_module_of_the_users() -> None:
    layer = nn.Linear(3, 3)
    weight = layer.weight
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert parametrize.is_parametrized(layer, "weight") and not layer.weight.is_leaf
    assert layer.weight.tolist() == layer.weight.T.tolist()
    names = [name for name, _ in layer.named_parameters()]
    assert names == ["bias", "parametrizations.weight.original"]
    assert layer.parametrizations.weight.original.data_ptr() == weight.data_ptr()
    assert repr(layer).startswith("ParametrizedLinear(") and isinstance(layer, nn.Linear)
    optimizer = mg.optim.SGD(layer.parameters(), lr=0.1)
    before = layer.weight.tolist()
    layer(mg.ones(2, 3)).sum().backward()
    optimizer.step()
    assert layer.weight.tolist() != before
    copied = copy.deepcopy(layer)
    assert copied.weight.tolist() == layer.weight.tolist()
    copied.load_state_dict(layer.state_dict())
    with pytest.raises(NotImplementedError, match="Symmetric has no right_inverse"):
        layer.weight = mg.ones(3, 3)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and type(copied) is not nn.Linear
    assert layer.weight.tolist() == copied.weight.tolist() and len(layer.parameters()) == 2


def test_several_and_what_is_set() -> None:
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data.copy_(mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    parametrize.register_parametrization(layer, "weight", Exp())
    assert layer.weight.tolist() == pytest.approx(np.array([[1.0, 2.0], [3.0, 4.0]]), rel=1e-6)
    layer.weight = mg.full((2, 2), 5.0)
    assert layer.parametrizations.weight.original.tolist() == mg.full((2, 2), 5.0).log().tolist()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert len(layer.parametrizations.weight) == 2
    with parametrize.cached():
        assert layer.weight.shape == (2, 2)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.tolist() == mg.full((2, 2), 5.0).log().tolist()


def test_wrong_parametrizations_are_refused() -> None:
    layer = nn.Linear(2, 3)
    wrong: list[tuple[Any, str]] = [
        (lambda: parametrize.register_parametrization(layer, "none", Exp()), "no parameter or"),
        (lambda: parametrize.register_parametrization(layer, "weight", nn.Linear(2, 1)),
         r"has the shape \(3, 2\), and what is computed \(3, 1\)"),
        (lambda: parametrize.remove_parametrizations(layer, "weight"), "is not parametrized"),
        (lambda: nn.utils.remove_weight_norm(layer), "has no norm to be removed"),
        (lambda: parametrize.remove_parametrizations(
            nn.utils.weight_norm(nn.Linear(1, 1)), "weight", False), "is computed of several"),
    ]  # fmt: skip
    for call, text in wrong:
        with pytest.raises(ValueError, match=text):
            call()
    assert type(layer) is nn.Linear and len(layer.parameters()) == 2
