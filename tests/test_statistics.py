"""Counts, histograms, covariances, draws with given chances, and what is known of types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd.tensors.dtypes import DTYPES

rng = np.random.default_rng(13)
NAN = math.nan


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(0, 12))
def test_counts(row: list[int], least: int) -> None:
    x = mg.tensor(row, dtype="int64")
    weights = rng.integers(0, 9, len(row)).astype("float64")
    assert (
        x.bincount(minlength=least).tolist()
        == np.bincount(np.array(row, "int64"), minlength=least).tolist()
    )
    if row:
        found = x.bincount(mg.tensor(weights))
        assert found.tolist() == np.bincount(row, weights).tolist()


def test_histograms_are_those_of_numpy() -> None:
    a = rng.standard_normal(200)
    x = mg.tensor(a)
    for bins, ends in ((10, None), (7, (-1.0, 2.0))):
        hist, edges = mg.histogram(x, bins, range=ends)
        wanted, wanted_edges = np.histogram(a, bins, range=ends)
        assert hist.tolist() == wanted.tolist() and np.allclose(edges, wanted_edges)
        dense = mg.histogram(x, bins, range=ends, density=True).hist
        assert np.allclose(dense, np.histogram(a, bins, range=ends, density=True)[0])
    assert x.histc(5, -1, 1).tolist() == np.histogram(a, 5, (-1, 1))[0].tolist()
    assert mg.histc(mg.tensor([1.0, NAN, 1.0]), 2, 0, 2).tolist() == [0.0, 2.0]
    points = rng.standard_normal((50, 2))
    hist, edges = mg.histogramdd(mg.tensor(points), [3, 4])
    assert hist.tolist() == np.histogramdd(points, [3, 4])[0].tolist() and len(edges) == 2


def test_moments_covariances_and_running_results() -> None:
    a = rng.standard_normal((3, 8))
    x = mg.tensor(a)
    assert np.allclose(x.cov(), np.cov(a)) and np.allclose(x.corrcoef(), np.corrcoef(a))
    counts, weights = rng.integers(1, 4, 8), rng.random(8)
    found = x.cov(fweights=mg.tensor(counts), aweights=mg.tensor(weights))
    assert np.allclose(found, np.cov(a, fweights=counts, aweights=weights))
    spread, mean = mg.std_mean(x, dim=1, keepdim=True)
    assert np.allclose(spread, a.std(1, ddof=1, keepdims=True)) and mean.shape == (3, 1)
    assert np.allclose(mg.var_mean(x, 0, correction=0)[0], a.var(0))
    gaps = mg.tensor([[1.0, NAN], [NAN, NAN]])
    assert gaps.nansum(1).tolist() == [1.0, 0.0] and gaps.nanmean(0).isnan().tolist() == [
        False,
        True,
    ]
    assert mg.cumprod(mg.tensor([2, 3, 4]), 0).tolist() == [2, 6, 24]
    assert np.allclose(x.logcumsumexp(1), np.logaddexp.accumulate(a, 1))
    assert mg.tensor([1.0, -math.inf]).logcumsumexp(0).tolist() == [1.0, 1.0]
    for n in range(10):
        assert np.allclose(x.diff(n, 1), np.diff(a, n, 1)) if n < 8 else x.diff(n, 1).numel() == 0
    assert np.allclose(mg.gradient(x)[1], np.gradient(a, axis=1), atol=1e-12)
    place = mg.tensor(np.cumsum(rng.random(8)))
    rule = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
    assert np.allclose(mg.trapezoid(x, place), rule(a, place.numpy()))
    assert mg.cumulative_trapezoid(x, dx=2.0)[:, -1].allclose(mg.trapezoid(x, dx=2.0))


def test_draws_have_their_chances_and_are_the_generators() -> None:
    mg.manual_seed(5)
    weights = mg.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]])
    found = weights.multinomial(4000, replacement=True)
    counts = [row.bincount(minlength=3).tolist() for row in found]
    assert counts[0][1] == 0 and counts[1] == [0, 4000, 0]
    assert abs(counts[0][2] / 4000 - 0.75) < 0.04
    firsts = [int(weights[0].multinomial(2)[0]) for _ in range(1000)]
    assert set(firsts) == {0, 2} and abs(sum(firsts) / 2000 - 0.75) < 0.06
    g = mg.RNG(9)
    again = mg.RNG(9)
    one = mg.multinomial(mg.ones(10), 10, generator=g)
    assert one.equal(mg.multinomial(mg.ones(10), 10, generator=again))
    assert one.sort().values.equal(mg.arange(10))
    coins = mg.full((4000,), 0.3).bernoulli()
    assert abs(coins.mean().item() - 0.3) < 0.04 and set(coins.tolist()) == {0.0, 1.0}
    assert mg.bernoulli(mg.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
    x = mg.normal(mg.tensor([0.0, 100.0]).expand(2000, 2), 2.0)
    assert abs(x[:, 1].mean().item() - 100) < 0.3 and abs(x[:, 0].std().item() - 2) < 0.2
    assert abs(mg.zeros(4000).exponential_(2.0).mean().item() - 0.5) < 0.05
    assert abs(mg.poisson(mg.full((4000,), 3.0)).mean().item() - 3) < 0.15
    assert abs(mg.zeros(4000).geometric_(0.25).mean().item() - 4) < 0.3
    assert mg.zeros(100).long().random_(5).amax().item() <= 4
    assert mg.randint_like(mg.zeros(3), 5).dtype is mg.float32


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mg.multinomial(mg.ones(2), 3), "from 1 to the number of weights, 2"),
        (lambda: mg.multinomial(mg.tensor([1.0, 0.0]), 2), "fewer than 2 weights above 0"),
        (lambda: mg.multinomial(mg.tensor([1.0, -1.0]), 1), "weights are 0 or more, and finite"),
        (lambda: mg.multinomial(mg.ones(2).long(), 1), "multinomial: is for floats"),
        (lambda: mg.bernoulli(mg.tensor([1.5])), "bernoulli: probabilities are from 0 to 1"),
        (lambda: mg.normal(mg.ones(2), -mg.ones(2)), "deviations are at least 0"),
        (lambda: mg.bincount(mg.tensor([-1])), "elements and minlength are 0 or more"),
        (lambda: mg.histc(mg.ones(2), 0), "there is 1 bin at least, not 0"),
        (lambda: mg.set_default_dtype("float64"), "the default is float32, not float64"),
        (lambda: mg.set_default_device("cuda"), "the only device is 'cpu'"),
        (lambda: mg.iinfo("float32"), "iinfo: is for integers, not float32"),
        (lambda: mg.finfo(mg.int64), "finfo: is for floats, not int64"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, text: str) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        call()
    assert text in str(caught.value)


def test_types_know_their_ranges_and_what_two_make() -> None:
    for name in ("float16", "float32", "float64"):
        ours, theirs = mg.finfo(name), np.finfo(name)
        assert (ours.max, ours.eps, ours.tiny) == (theirs.max, theirs.eps, theirs.tiny)
    assert mg.finfo("bfloat16").max == 3.3895313892515355e38
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        assert (mg.iinfo(name).min, mg.iinfo(name).max) == (np.iinfo(name).min, np.iinfo(name).max)
    for a in DTYPES:
        for b in DTYPES:
            assert mg.promote_types(a, b) is (mg.zeros(1, dtype=a) + mg.zeros(1, dtype=b)).dtype
            x, y = mg.zeros(1, dtype=a), mg.zeros((), dtype=b)
            assert mg.result_type(x, y) is (x + y).dtype
        assert mg.result_type(mg.zeros(1, dtype=a), 1.5) is (mg.zeros(1, dtype=a) + 1.5).dtype
        assert mg.can_cast(a, mg.int64) is (a.kind < 2)
    assert mg.get_default_dtype() is mg.float32 and mg.set_default_dtype(mg.float32) is None
    assert mg.typename(mg.ones(1)) == "torch.FloatTensor" and mg.is_tensor(mg.ones(1))
    assert (mg.pi, mg.e, mg.inf) == (math.pi, math.e, math.inf) and mg.ones(2)[mg.newaxis].ndim == 2
    assert not mg.cuda.is_available() and mg.accelerator.current_accelerator() is None
    x = mg.ones(1, requires_grad=True)
    with mg.inference_mode():
        assert not (x * 2).requires_grad and mg.is_inference_mode_enabled()
    assert mg.inference_mode()(lambda: x * 2)().requires_grad is False and (x * 2).requires_grad
    assert complex(mg.tensor(2.0)) == 2
    made = mg.empty_strided((2, 3), (1, 4), dtype="int64")
    assert made.stride() == (1, 4) and made.tolist() == [[0] * 3] * 2
    assert mg.logspace(0, 2, 3).tolist() == [1.0, 10.0, 100.0]
    assert x.new_zeros(2, 3).shape == (2, 3) and x.new_full((2,), 7).tolist() == [7.0, 7.0]
