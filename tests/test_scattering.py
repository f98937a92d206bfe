"""Elements written by indices: against loops over elements, gradients by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg

rng = np.random.default_rng(11)
COMBINE: dict[str, Any] = {
    "sum": sum, "prod": np.prod, "mean": np.mean, "amax": max, "amin": min,
}  # fmt: skip


@given(st.data())
def test_scattering_is_a_loop_over_elements(data: Any) -> None:
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 4)))
    axis = data.draw(st.integers(0, 1))
    count = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    count = tuple(n if k == axis else min(n, shape[k]) for k, n in enumerate(count))
    index = rng.integers(0, shape[axis], count)
    x, src = (
        rng.integers(-3, 4, shape).astype("float64"),
        rng.integers(-3, 4, count).astype("float64"),
    )
    way = data.draw(st.sampled_from(["", *COMBINE]))
    own = data.draw(st.booleans())
    expected, meets = x.copy(), {}
    for place in np.ndindex(count):
        to = tuple(index[place] if k == axis else i for k, i in enumerate(place))
        meets.setdefault(to, []).append(src[place])
    for to, row in meets.items():
        expected[to] = COMBINE[way]([x[to], *row] if own else row) if way else row[-1]
    a, b, i = mg.tensor(x), mg.tensor(src), mg.tensor(index)
    if way:
        found = a.scatter_reduce(axis, i, b, way, include_self=own)
        assert a.clone().scatter_reduce_(axis, i, b, way, include_self=own).equal(found)
    else:
        found = mg.scatter(a, axis, i, b)
        assert a.clone().scatter_(axis, i, b).equal(found)
    assert np.allclose(found.numpy(), expected, rtol=1e-12)


INDEX = mg.tensor([[0, 2, 0], [1, 1, 0]])
X, SRC = rng.standard_normal((3, 3)), rng.standard_normal((2, 3))
CALLS: dict[str, Any] = {
    "scatter": lambda x, y: x.scatter(0, mg.tensor([[0, 2, 0], [1, 1, 1]]), y),
    "add": lambda x, y: x.scatter(0, INDEX, y, reduce="add"),
    **{way: lambda x, y, way=way: x.scatter_reduce(0, INDEX, y, way) for way in COMBINE},
    "without own": lambda x, y: x.scatter_reduce(0, INDEX, y, "prod", include_self=False),
    "index_copy": lambda x, y: x.index_copy(0, mg.tensor([2, 0]), y),
    "index_reduce": lambda x, y: x.index_reduce(0, mg.tensor([2, 2]), y, "mean"),
    "index_fill": lambda x, y: x.index_fill(1, mg.tensor([1]), y[0, 0]),
    "index_put": lambda x, y: x.index_put((mg.tensor([0, 0]),), y, accumulate=True),
    "put": lambda x, y: x.put(mg.tensor([[0, 4, 8], [1, 2, -2]]), y),
    "take": lambda x, y: x.take(mg.tensor([[0, -1], [4, 4]])) * y[0, 0],
    "masked_scatter": lambda x, y: x.masked_scatter(mg.eye(3).bool(), y),
    "select_scatter": lambda x, y: x.select_scatter(y[0], 1, 2),
    "slice_scatter": lambda x, y: x.slice_scatter(y, 0, 0, 3, 2),
    "diagonal_scatter": lambda x, y: x.diagonal_scatter(y[0]),
    "repeat_interleave": lambda x, y: x.repeat_interleave(mg.tensor([2, 0, 1]), 0) * y[0, 1],
    "unfold": lambda x, y: x.unfold(1, 2, 1) * y[1, 1],
    "rot90": lambda x, y: x.rot90() * y[1, 1],
    "meshgrid": lambda x, y: mg.stack(list(mg.meshgrid(x[0], y[0], indexing="xy"))),
    "block_diag": lambda x, y: mg.block_diag(x, y),
    "cov": lambda x, y: x.cov() * y[0, 0],
    "gradient": lambda x, y: mg.gradient(x, spacing=0.5, dim=1, edge_order=2)[0] * y[0, 0],
    "trapezoid": lambda x, y: mg.trapezoid(x, y[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_gradients(name: str) -> None:
    leaves = [mg.tensor(a, requires_grad=True) for a in (X, SRC)]
    y = CALLS[name](*leaves)
    seed = rng.standard_normal(y.shape)
    found = mg.grad([y], leaves, [mg.tensor(seed)], allow_unused=True)
    for k, x in enumerate(found):
        expected = np.zeros_like((X, SRC)[k])
        for place in np.ndindex(expected.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [X.copy(), SRC.copy()]
                moved[k][place] += step
                ends.append((seed * CALLS[name](*map(mg.tensor, moved)).numpy()).sum())
            expected[place] = (ends[0] - ends[1]) / 2e-6
        assert np.allclose(np.zeros_like(expected) if x is None else x.numpy(), expected, atol=1e-6)


def test_pieces_grids_and_stacks_are_those_of_numpy() -> None:
    a = rng.standard_normal((4, 6))
    x = mg.tensor(a)
    for name, cuts in (("hsplit", 3), ("vsplit", [1, 3]), ("hsplit", [2, 2, 9])):
        pieces = getattr(x, name)(cuts)
        for piece, wanted in zip(pieces, getattr(np, name)(a, cuts), strict=True):
            assert np.array_equal(piece.numpy(), wanted)
    for cut in (4, [1, 3], mg.tensor([2, 5])):
        wanted = np.array_split(a, cut if isinstance(cut, int) else list(map(int, cut)), 1)
        assert [p.tolist() for p in x.tensor_split(cut, 1)] == [p.tolist() for p in wanted]
    for name in ("hstack", "vstack", "dstack", "column_stack"):
        assert np.array_equal(getattr(mg, name)([x, x]).numpy(), getattr(np, name)([a, a]))
        row = a[0]
        assert np.array_equal(
            getattr(mg, name)([mg.tensor(row)] * 2).numpy(), getattr(np, name)([row, row])
        )
    for k in range(-4, 5):
        assert np.array_equal(x.rot90(k).numpy(), np.rot90(a, k))
        assert np.array_equal(mg.tril_indices(3, 4, k).numpy(), np.stack(np.tril_indices(3, k, 4)))
    assert mg.cartesian_prod(mg.tensor([1, 2]), mg.tensor([3, 4])).tolist() == [
        [1, 3],
        [1, 4],
        [2, 3],
        [2, 4],
    ]
    assert mg.combinations(mg.arange(3)).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert mg.broadcast_shapes((2, 1), 3, (1, 1, 3)) == (1, 2, 3)
    assert [int(i) for i in mg.unravel_index(mg.tensor(7), (2, 5))] == [1, 2]
    assert np.array_equal(mg.fliplr(x).numpy(), np.fliplr(a))
    assert mg.zeros(4, 3).fill_diagonal_(1, wrap=True).tolist()[-1] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: x.scatter(0, mg.tensor([[3]]), x), "index 3 is out of range for axis 0"),
        (lambda x: x.scatter(0, mg.zeros(1, 4).long(), x), "is larger than (3, 3) at axis 1"),
        (lambda x: x.scatter(0, mg.zeros(4, 3).long(), x), "is larger than src (3, 3)"),
        (lambda x: x.scatter(0, mg.zeros(1, 1).long(), x.float()), "src of float32 does not go"),
        (lambda x: x.scatter_reduce(0, mg.zeros(1, 1).long(), x, "max"), "reduce is one of"),
        (lambda x: x.masked_scatter(mg.ones(3, 3).bool(), x[0]), "3 elements for 9 places"),
        (lambda x: x.take(mg.tensor([9])), "take: index 9 is out of range"),
        (lambda x: x.select_scatter(x, 0, 0), "not that of the part, (3,)"),
        (lambda x: x.hsplit(2), "axis 1 of shape (3, 3) has not 2 equal parts"),
        (lambda x: x.repeat_interleave(mg.tensor([1, 2]), 0), "2 repeats of int64, 3 items"),
        (lambda x: x.unfold(0, 4, 1), "windows of 4 items"),
        (lambda x: mg.meshgrid(x), "vectors are needed, not shape (3, 3)"),
        (lambda x: mg.broadcast_tensors(x, mg.ones(2)), "broadcast_tensors: shapes (3, 3)"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, text: str) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError, IndexError)) as caught:
        call(mg.tensor(X))
    assert text in str(caught.value)
