"""Functions of functions, as `torch.func` has them: of numbers, containers, batches, and nested."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg
from pymicrograd import func, nn

X = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]]


def near(ours: Any, theirs: Any) -> None:
    """Compare results, and the containers that they are in."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for x, y in zip(ours, theirs, strict=True):
            near(x, y)
        return
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 1e-10, 1e-12)


def predicted(p: Any, x: Any) -> Any:
    return ((x @ p["w"]).tanh() * p["b"]).sum()


# Of a namespace, torch's or ours, and its func: results, in containers.
CASES: dict[str, Any] = {
    "grad": lambda m, f, x: f.grad(lambda a: (a**3).sum())(x),
    "second": lambda m, f, x: f.grad(lambda a: f.grad(lambda b: (b**4).sum())(a).sum())(x),
    "argnums": lambda m, f, x: f.grad(lambda a, b: (a * b * b).sum(), argnums=(1, 0))(x, x + 1),
    "same twice": lambda m, f, x: f.grad(lambda a, b: (a * b).sum())(x, x),
    "value": lambda m, f, x: f.grad_and_value(lambda a: a.exp().sum())(x),
    "aux": lambda m, f, x: f.grad(lambda a: ((a * a).sum(), a + 1), has_aux=True)(x),
    "dict": lambda m, f, x: f.grad(predicted)({"w": x[0], "b": x[1, 0]}, x),
    "jacrev": lambda m, f, x: f.jacrev(lambda a: a.sin() * a.sum())(x),
    "jacfwd": lambda m, f, x: f.jacfwd(lambda a, b: (a * b, b.exp()), (0, 1))(x[0], x[1]),
    "hessian": lambda m, f, x: f.hessian(lambda a: (a**3).prod())(x[0]),
    "vmap": lambda m, f, x: f.vmap(lambda a: (a.sum(), a * 2))(x),
    "vmap dims": lambda m, f, x: f.vmap(lambda a, b: a * b, (1, None), 1)(x, x[:, 0]),
    "vmap dict": lambda m, f, x: f.vmap(lambda d: {"s": d["a"] + d["b"]}, ({"a": 0, "b": None},))(
        {"a": x, "b": x[0]}
    ),
    "vmap twice": lambda m, f, x: f.vmap(f.vmap(lambda a, b: a * b, (0, None)), (None, 0))(x, x),
    "by example": lambda m, f, x: f.vmap(f.grad(predicted), (None, 0))(
        {"w": x[0], "b": x[1, 0]}, x
    ),
    "batched jacobian": lambda m, f, x: f.vmap(f.jacrev(lambda a: a.tanh()))(x),
}


@pytest.mark.parametrize("case", CASES)
def test_results_are_those_of_pytorch(case: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle: pip install torch")
    theirs = CASES[case](torch, importlib.import_module("torch.func"), torch.tensor(X).double())
    x = mg.tensor(X, dtype=mg.float64)
    ours = CASES[case](mg, func, x)
    near(ours, theirs)
    assert not any(y.requires_grad for y in mg.autograd.composable.tensors_in(ours))
    assert not x.requires_grad and x.grad is None


def test_what_depends_on_a_recorded_argument_is_recorded() -> None:
    x = mg.tensor(2.0, requires_grad=True)
    y = func.grad(lambda a: a**3)(x)
    y.backward()
    assert (y.item(), x.grad.item()) == (12.0, 12.0)
    with mg.no_grad():
        assert func.grad(lambda a: a**3)(x).item() == 12.0


def test_gradients_by_example_of_a_module() -> None:
    model = nn.Linear(3, 2)
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def loss(p: Any, x: Any, y: Any) -> Any:
        out = func.functional_call(model, p, (x.unsqueeze(0),))
        return nn.functional.cross_entropy(out, y.unsqueeze(0))

    x, y = mg.randn(4, 3), mg.tensor([0, 1, 1, 0])
    found = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(weights, x, y)
    assert found["weight"].shape == (4, 2, 3)
    nn.functional.cross_entropy(model(x), y).backward()
    mg.testing.assert_close(found["weight"].mean(0), model.weight.grad)


def test_wrong_calls_are_refused() -> None:
    x = mg.ones(2, 3)
    wrong: list[tuple[Any, type[Exception], str]] = [
        (lambda: func.vmap(mg.add)(x, mg.ones(3)), ValueError, r"one size above 0, not \[2, 3\]"),
        (lambda: func.vmap(mg.exp)(x[:0]), ValueError, r"not \[0\]"),
        (lambda: func.vmap(mg.exp, None)(x), ValueError, r"not \[\]"),
        (lambda: func.vmap(mg.exp, (0, 1))(x), ValueError, "2 in_dims for 1 arguments"),
        (lambda: func.vmap(lambda a: 1.0)(x), TypeError, "returned float, not a Tensor"),
        (lambda: func.grad(lambda a: 1.0)(x), TypeError, "returned float, not a Tensor"),
        (lambda: func.grad(mg.exp)(x), RuntimeError, "only for scalar outputs"),
    ]
    for call, error, text in wrong:
        with pytest.raises(error, match=text):
            call()
