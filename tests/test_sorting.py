"""Order of elements: against Python's sorted() and NumPy, NaN and equal elements, gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd.tensors import ordering

NAN = math.nan
NUMBERS = st.lists(st.sampled_from([-2.5, -1.0, -0.0, 0.0, 1.5, 3.0, math.inf, NAN]), max_size=12)


def key(x: float) -> tuple[bool, float]:
    """Return what floats are sorted by: NaN is last."""
    return math.isnan(x), 0.0 if math.isnan(x) else x


@given(NUMBERS, st.booleans())
def test_sorting_is_stable_and_puts_nan_last(row: list[float], descending: bool) -> None:
    found = mg.tensor(row, dtype="float64").sort(descending=descending)
    if descending:
        order = sorted(
            range(len(row)), key=lambda i: (key(row[i])[0], key(row[i])[1]), reverse=True
        )
        order.sort(key=lambda i: tuple(-k for k in map(float, key(row[i]))))
    else:
        order = sorted(range(len(row)), key=lambda i: key(row[i]))
    assert found.indices.tolist() == order
    assert repr(found.values.tolist()) == repr([row[i] for i in order])
    x = mg.tensor(row, dtype="float64")
    assert x.argsort(descending=descending).tolist() == order
    for k in {0, len(row) // 2, len(row)}:
        assert x.topk(k, largest=descending).indices.tolist() == order[:k]
    for k in range(1, len(row) + 1) if not descending else ():
        assert x.kthvalue(k).indices.item() == order[k - 1]


@pytest.mark.parametrize(
    "kind", ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]
)
def test_long_rows_are_in_the_same_order_as_short_ones(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long rows go another way: equal elements, -0, NaN, all bits of 64."""
    monkeypatch.setattr(ordering, "SHORT", 2)
    draw = np.random.default_rng(7)
    rows = draw.integers(-8, 8, (3, 300)).astype("f8")
    if kind.startswith("f"):
        rows *= 0.25
        rows[:, ::50], rows[:, 1::50], rows[0, ::7], rows[1, ::9] = -0.0, 0.0, NAN, -math.inf
    arrays = [rows.astype(kind) if kind != "uint8" else np.abs(rows).astype(kind)]
    if kind in ("int64", "float64"):
        wide = draw.integers(-(2**63), 2**63 - 1, 700)
        wide[::3] ^= wide[::3] & 0xFFFFFFFF  # halves that are equal
        wide[1::3] &= 0xFFFFFFFF
        arrays += [wide.view(kind) if kind == "float64" else wide]
    for array in arrays:
        x, back = mg.tensor(array, dtype=kind), np.flip(array, -1)
        up = np.argsort(array, -1, kind="stable")
        down = array.shape[-1] - 1 - np.flip(np.argsort(back, -1, kind="stable"), -1)
        assert np.array_equal(x.argsort().numpy(), up)
        assert np.array_equal(x.argsort(descending=True).numpy(), down)
        assert np.array_equal(x.T.sort(0).indices.numpy(), up.T)
        for k in (1, 5, 290):
            assert np.array_equal(x.topk(k).indices.numpy(), down[..., :k])
            assert np.array_equal(x.kthvalue(k).indices.numpy(), up[..., k - 1])


@given(NUMBERS.filter(bool))
def test_medians_ignore_nan_or_return_it(row: list[float]) -> None:
    x = mg.tensor(row, dtype="float64")
    known = sorted(v for v in row if not math.isnan(v))
    lower = known[(len(known) - 1) // 2] if known else NAN
    assert np.array_equal(x.nanmedian().item(), lower, equal_nan=True)
    assert np.array_equal(x.nanmedian(0).values.item(), lower, equal_nan=True)
    expected = NAN if len(known) < len(row) else lower
    assert np.array_equal(x.median().item(), expected, equal_nan=True)
    found = x.median(0)
    assert np.array_equal(row[int(found.indices.item())], expected, equal_nan=True)


@given(NUMBERS.filter(bool), st.sampled_from(["linear", "lower", "higher", "nearest", "midpoint"]))
def test_quantiles_are_those_of_numpy(row: list[float], way: str) -> None:
    finite = [v if math.isfinite(v) else 7.0 for v in row]
    q = [0.0, 0.25, 0.5, 0.77, 1.0]
    found = mg.tensor(finite, dtype="float64").quantile(
        mg.tensor(q, dtype="float64"), interpolation=way
    )
    assert np.allclose(found.numpy(), np.quantile(finite, q, method=way), rtol=1e-12)
    gaps = mg.tensor([*finite, NAN], dtype="float64")
    assert gaps.quantile(0.5).isnan().item()
    assert np.allclose(gaps.nanquantile(0.5).item(), np.quantile(finite, 0.5), rtol=1e-12)


def test_gradients_flow_to_where_values_came_from() -> None:
    x = mg.tensor([3.0, 1.0, 2.0, 1.0], requires_grad=True)
    (x.sort().values * mg.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [4.0, 1.0, 3.0, 2.0]
    x.grad = None
    x.median().backward()  # 1, of two
    assert x.grad.tolist() == [0.0, 0.5, 0.0, 0.5]
    x.grad = None
    x.quantile(0.9).backward()
    assert x.grad.tolist() == pytest.approx([0.7, 0.0, 0.3, 0.0], abs=1e-6)
    x.grad = None
    x.cummax(0).values.sum().backward()
    assert x.grad.tolist() == [4.0, 0.0, 0.0, 0.0]


def test_unique_elements_and_items() -> None:
    x = mg.tensor([[2, 1, 2], [2, 1, 2], [0, 5, 0]])
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values.tolist() == [0, 1, 2, 5] and counts.tolist() == [2, 2, 4, 1]
    assert values[inverse].tolist() == x.tolist()
    rows, inverse, counts = mg.unique(x, return_inverse=True, return_counts=True, dim=0)
    assert rows.tolist() == [[0, 5, 0], [2, 1, 2]] and counts.tolist() == [1, 2]
    assert rows[inverse].tolist() == x.tolist()
    rows, counts = x.unique_consecutive(return_counts=True, dim=0)
    assert rows.tolist() == [[2, 1, 2], [0, 5, 0]] and counts.tolist() == [2, 1]
    assert mg.tensor([NAN, NAN]).unique().shape == (2,)
    assert mg.tensor([]).unique().shape == mg.tensor([]).unique_consecutive().shape == (0,)


@given(NUMBERS, NUMBERS)
def test_places_in_sorted_rows(row: list[float], values: list[float]) -> None:
    edges = sorted(v for v in row if not math.isnan(v))
    known = [v for v in values if not math.isnan(v)]
    x, y = mg.tensor(edges, dtype="float64"), mg.tensor(known, dtype="float64")
    left = [sum(edge < v for edge in edges) for v in known]
    right = [sum(edge <= v for edge in edges) for v in known]
    assert mg.searchsorted(x, y).tolist() == mg.bucketize(y, x).tolist() == left
    assert (
        mg.searchsorted(x, y, side="right").tolist()
        == mg.bucketize(y, x, right=True).tolist()
        == right
    )
    assert mg.isin(y, x).tolist() == [v in edges for v in known]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.topk(3), ValueError, "topk: k is from 0 to 2"),
        (lambda x: x.kthvalue(0), ValueError, "kthvalue: k is from 1 to 2"),
        (lambda x: x.sort(1), IndexError, "sort: axis 1 is out of range"),
        (lambda x: x[:0].median(0), IndexError, "median: shape (0,) has no elements along axis 0"),
        (lambda x: x.long().quantile(0.5), TypeError, "quantile: is for float32 and float64"),
        (lambda x: x.quantile(1.5), ValueError, "quantile: q is from 0 to 1"),
        (lambda x: x.quantile(0.5, interpolation="x"), ValueError, "interpolation is one of"),
        (lambda x: mg.sort(x, out=(x, x)), TypeError, "sort: out= is not taken"),
        (lambda x: mg.bucketize(x, mg.eye(2)), ValueError, "boundaries are a vector"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call(mg.tensor([1.0, 2.0]))
    assert text in str(caught.value)
