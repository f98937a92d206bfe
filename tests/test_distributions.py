"""Distributions: their formulas against PyTorch's, draws against their means, refusals."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg
from pymicrograd import distributions

# Arguments of each, and a value; a row of parameters, so that shapes count.
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "Normal": ({"loc": [0.5, -2.0], "scale": [1.5, 0.25]}, [[0.0, -1.5], [2.0, 7.0]]),
    "Uniform": ({"low": [0.0, -1.0], "high": [2.0, 3.0]}, [[0.5, 0.0], [1.25, -1.0]]),
    "Exponential": ({"rate": [0.5, 2.0]}, [[0.0, 1.5], [3.0, 0.25]]),
    "Bernoulli": ({"probs": [0.25, 0.9]}, [[0.0, 1.0], [1.0, 1.0]]),
    "Bernoulli logits": ({"logits": [-1.0, 3.0]}, [1.0, 0.0]),
    "Categorical": ({"probs": [[1.0, 2.0, 1.0], [0.5, 0.1, 0.4]]}, [[0, 2], [1, 1]]),
    "Categorical logits": ({"logits": [0.5, -1.0, 4.0]}, [2, 1]),
    "Multinomial": ({"total_count": 5, "probs": [0.2, 0.3, 0.5]}, [[1.0, 2.0, 2.0], [5.0, 0, 0]]),
    "Multinomial logits": ({"total_count": 3, "logits": [0.5, 1.0, 2.0]}, [0.0, 1.0, 2.0]),
}
OF_VALUES = ("log_prob", "cdf")
OF_NOTHING = ("entropy", "perplexity", "enumerate_support")
ATTRIBUTES = ("probs", "logits", "mean", "variance", "stddev", "mode")
# What PyTorch gives as NaN, and here raises NotImplementedError.
NONE_HERE = {"Categorical": ("mean", "variance", "stddev"), "Uniform": ("mode",)}


def made(case: str, module: Any, home: Any, needs: bool) -> tuple[Any, list[Any], Any]:
    """Return a distribution of ours or PyTorch's, its parameters, and a value."""
    options, value = CASES[case]
    tensors = {
        name: home.tensor(x, dtype=home.float64, requires_grad=needs)
        for name, x in options.items()
        if isinstance(x, list)
    }
    of = getattr(module, case.split()[0])(**{**options, **tensors})
    kind = None if case.startswith("Categorical") else home.float64
    return of, list(tensors.values()), home.tensor(value, dtype=kind)


def answer(of: Any, name: str, value: Any, chance: Any) -> Any:
    """Return what a method or an attribute gives; None where there is none."""
    try:
        found = getattr(of, name)
        if name in OF_NOTHING:
            return found()
        return found if name in ATTRIBUTES else found(value if name in OF_VALUES else chance)
    except (AttributeError, NotImplementedError):
        return None


@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_formulas_are_those_of_pytorch(case: str, expanded: bool) -> None:
    torch = pytest.importorskip("torch", reason="the oracle: pip install torch")
    theirs = importlib.import_module("torch.distributions")
    (mine, ours, x), (its, others, y) = (
        made(case, distributions, mg, True), made(case, theirs, torch, True)
    )  # fmt: skip
    if expanded:
        shape = (2, *mine.batch_shape)
        mine, its = mine.expand(shape), its.expand(shape)
    assert mine.batch_shape == tuple(its.batch_shape)
    assert mine.event_shape == tuple(its.event_shape)
    chances = [home.tensor([0.25, 0.75], dtype=home.float64) for home in (mg, torch)]
    for name in (*OF_VALUES, "icdf", *OF_NOTHING, *ATTRIBUTES):
        a, b = answer(mine, name, x, chances[0]), answer(its, name, y, chances[1])
        if a is None:
            assert b is None or name in NONE_HERE.get(case.split()[0], ()), name
            continue
        if b is None:  # PyTorch's fails when it is expanded
            assert expanded and "Multinomial" in case and name in OF_NOTHING, name
            continue
        # In its entropy of a Multinomial PyTorch computes log(total_count!) in float32.
        near = 1e-7 if "Multinomial" in case and name in OF_NOTHING else 1e-9
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), near, 1e-12)
        if a.requires_grad and b.requires_grad:
            found = mg.autograd.grad(a.sum(), ours, materialize_grads=True)
            expected = torch.autograd.grad(
                b.sum(), others, retain_graph=True, materialize_grads=True
            )
            for p, q in zip(found, expected, strict=True):
                np.testing.assert_allclose(p.numpy(), q.numpy(), 10 * near, 1e-10)


@pytest.mark.parametrize("case", CASES)
def test_draws_have_the_mean_and_the_shape(case: str) -> None:
    mg.manual_seed(4)
    mine, _, _ = made(case, distributions, mg, False)
    drawn = mine.sample((4000,))
    assert drawn.shape == (4000, *mine.batch_shape, *mine.event_shape) == mine.sample((4000,)).shape
    if "Categorical" in case:
        counts = mg.functional.one_hot(drawn, 3).double().mean(0)
        assert (counts - mine.probs).abs().amax() < 0.03 and mine.sample().shape == mine.batch_shape
        return
    assert ((drawn.double().mean(0) - mine.mean) / mine.stddev).abs().amax() < 0.06
    assert (drawn.double().var(0) / mine.variance - 1).abs().amax() < 0.15
    if case == "Multinomial":
        assert drawn.sum(-1).unique().tolist() == [5.0]


def test_gradients_of_draws_and_of_policies() -> None:
    loc = mg.tensor(1.0, requires_grad=True)
    scale = mg.tensor(2.0, requires_grad=True)
    normal = distributions.Normal(loc, scale)
    assert not normal.sample((3,)).requires_grad and normal.has_rsample
    y = normal.rsample((5,))
    y.sum().backward()
    assert loc.grad == 5 and scale.grad.item() == pytest.approx(((y - 1) / 2).sum().item())
    logits = mg.zeros(4, 2, requires_grad=True)
    policy = distributions.Categorical(logits=logits)
    action = policy.sample()
    (-policy.log_prob(action) * 3.0).mean().backward()
    assert logits.grad[0, action[0]].item() == pytest.approx(-0.375)
    with pytest.raises(NotImplementedError, match="Bernoulli has no gradients of draws"):
        distributions.Bernoulli(0.5).rsample()


def test_divergences() -> None:
    torch = pytest.importorskip("torch", reason="the oracle: pip install torch")
    theirs = importlib.import_module("torch.distributions")
    for case, other in (
        ("Normal", {"loc": 0.0, "scale": 1.0}), ("Exponential", {"rate": [1.0, 3.0]}),
        ("Uniform", {"low": [-1.0, 0.0], "high": 3.0}), ("Bernoulli", {"probs": 0.5}),
        ("Bernoulli", {"probs": 0.0}), ("Categorical", {"probs": [0.2, 0.2, 0.6]}),
        ("Categorical", {"probs": [0.0, 0.5, 0.5]}),
        ("Categorical logits", {"logits": [-np.inf, 1.0, 2.0]}),
    ):  # fmt: skip
        found = []
        for module, home in ((distributions, mg), (theirs, torch)):
            given = {k: home.tensor(v, dtype=home.float64) for k, v in other.items()}
            p, q = made(case, module, home, False)[0], getattr(module, case.split()[0])(**given)
            found.append(module.kl_divergence(p, q).tolist())
        assert found[0] == pytest.approx(found[1], rel=1e-9)
    masked = mg.tensor([-np.inf, 1.0, 1.0])
    p, q = distributions.Categorical(logits=masked), distributions.Categorical(mg.ones(3))
    assert distributions.kl_divergence(p, q).item() == pytest.approx(np.log(1.5))
    counts = distributions.Multinomial(2, logits=masked)
    assert counts.log_prob([0.0, 1.0, 1.0]).exp().item() == pytest.approx(0.5)
    assert counts.log_prob([1.0, 1.0, 0.0]) == -np.inf
    with pytest.raises(NotImplementedError, match="Normal and Bernoulli it is not known"):
        distributions.kl_divergence(distributions.Normal(0, 1), distributions.Bernoulli(0.5))


def test_wrong_parameters_and_values_are_refused() -> None:
    d = distributions
    wrong: list[tuple[Any, str]] = [
        (lambda: d.Normal(0.0, 0.0), "Normal: scale is above 0"),
        (lambda: d.Normal(np.nan, 1.0), "Normal: loc is no NaN"),
        (lambda: d.Normal(0.0, 1.0).log_prob(np.nan), "Normal: a value is no NaN"),
        (lambda: d.Bernoulli(logits=np.nan), "logits is no NaN"),
        (lambda: d.Categorical(logits=[np.nan, 1.0]), "logits are no NaN"),
        (lambda: d.Categorical(mg.ones(2)).log_prob(0.5), "a whole number from 0 to 1"),
        (lambda: d.Exponential(1.0).log_prob(-1.0), "a value is at least 0"),
        (lambda: d.Exponential(1.0).cdf(-1.0), "a value is at least 0"),
        (lambda: d.Multinomial(-1, mg.ones(2)), "total_count is at least 0, not -1"),
        (lambda: d.Multinomial(2, mg.ones(2)).log_prob([2.0]), r"of shape \(1,\) are \(2,\)"),
        (lambda: d.Uniform(1.0, 0.0), "low is below high"),
        (lambda: d.Exponential(-1.0), "rate is above 0"),
        (lambda: d.Bernoulli(1.5), "probs is from 0 to 1"),
        (lambda: d.Bernoulli(), "either probs or logits"),
        (lambda: d.Categorical(mg.ones(2), mg.ones(2)), "and not both"),
        (lambda: d.Categorical(mg.tensor([0.0, 0.0])), "not all 0"),
        (lambda: d.Categorical(mg.ones(2)).log_prob(2), "from 0 to 1"),
        (lambda: d.Bernoulli(0.5).log_prob(0.5), "is 0 or 1"),
        (lambda: d.Multinomial(2, mg.ones(2)).log_prob([1, 2]), "whose sum is 2"),
        (lambda: d.Uniform(0.0, 1.0).log_prob(2.0), "from low to high"),
    ]
    for call, text in wrong:
        with pytest.raises(ValueError, match=text):
            call()
    assert d.Normal(0.0, -1.0, validate_args=False).scale == -1
    assert d.Uniform(0.0, 1.0, validate_args=False).log_prob([-1.0, 0.5]).tolist() == [-np.inf, 0.0]
    with pytest.raises(TypeError, match=r"total_count is an int, not 2\.5"):
        d.Multinomial(2.5, mg.ones(2))
    for name in ("mean", "mode", "variance"):
        with pytest.raises(NotImplementedError, match=f"^Distribution has no {name}$"):
            getattr(d.Distribution(), name)
    assert repr(d.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"
    assert (
        importlib.import_module("pymicrograd.distributions.multinomial")
        .Multinomial(100, mg.ones(6) / 6)
        .sample()
        .sum()
        == 100
    )
