"""Sums of products: einsum and its kin against NumPy, gradients against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg

rng = np.random.default_rng(5)


def both(*shapes: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    """Return arrays of these shapes, and as tensors that require gradients."""
    arrays = [rng.standard_normal(shape) for shape in shapes]
    return arrays, [mg.tensor(a, requires_grad=True) for a in arrays]


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("i,j->ji", (2,), (3,)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("...ij->...ji", (2, 3, 4)),
    ("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 2)),
    ("i,i,i->", (4,), (4,), (4,)),
    ("bn,anm,bm->ba", (2, 3), (5, 3, 4), (2, 4)),
    ("abc->b", (2, 3, 4)),
    ("ij,kl->", (2, 3), (2, 2)),
    ("i,->i", (3,), ()),
    ("iij,jkk->ik", (2, 2, 3), (3, 4, 4)),
    ("ij,ij->ij", (2, 0), (2, 0)),
]


@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: case[0])
def test_einsum_is_that_of_numpy(case: Any) -> None:
    arrays, tensors = both(*case[1:])
    found = mg.einsum(case[0], *tensors)
    assert np.allclose(found.detach().numpy(), np.einsum(case[0], *arrays), rtol=1e-12)
    weight = mg.tensor(rng.standard_normal(found.shape))
    (found * weight).sum().backward()
    for k, (a, x) in enumerate(zip(arrays, tensors, strict=True)):  # it is linear in each
        change = rng.standard_normal(a.shape)
        moved = [change if i == k else b for i, b in enumerate(arrays)]
        expected = (np.einsum(case[0], *moved) * weight.numpy()).sum()
        assert np.isclose((x.grad.numpy() * change).sum(), expected, rtol=1e-10)


def test_einsum_takes_lists_of_axes() -> None:
    (a, b), (x, y) = both((2, 3), (3, 4))
    assert np.allclose(mg.einsum(x, [0, 1], y, [1, 2], [2, 0]).detach().numpy(), (a @ b).T)
    assert np.allclose(mg.einsum("ij,jk->ik", [x, y]).detach().numpy(), a @ b)


@given(st.data())
def test_tensordot_and_kron(data: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    count = data.draw(st.integers(0, len(shape)))
    other = (*shape[len(shape) - count :], *data.draw(st.lists(st.integers(1, 3), max_size=2)))
    a, b = rng.standard_normal(shape), rng.standard_normal(other)
    found = mg.tensordot(mg.tensor(a), mg.tensor(b), count)
    assert np.allclose(found.numpy(), np.tensordot(a, b, count), rtol=1e-12)
    assert np.allclose(mg.kron(mg.tensor(a), mg.tensor(b)).numpy(), np.kron(a, b), rtol=1e-12)


def test_products_with_something_added() -> None:
    (m, a, b), (x, y, z) = both((2, 4), (2, 3), (3, 4))
    assert np.allclose(mg.addmm(x, y, z, beta=0.5, alpha=2).detach(), 0.5 * m + 2 * (a @ b))
    nothing = mg.full((2, 4), float("nan"), dtype="float64")
    assert np.allclose(mg.addmm(nothing, y, z, beta=0).detach(), a @ b)  # no NaN * 0
    with mg.no_grad():
        assert np.allclose(x.clone().addmm_(y, z), m + a @ b)
    assert mg.chain_matmul(y, z, z.mT).shape == (2, 3)
    assert mg.linalg.multi_dot([y[0], z, z.mT, y[1]]).shape == ()
    assert mg.inner(y, y).shape == (2, 2) and mg.vdot(y[0], y[1]).shape == ()
    v = mg.tensor([[1.0, 0.0, 0.0]])
    assert mg.cross(v, mg.tensor([[0.0, 1.0, 0.0]])).tolist() == [[0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mg.einsum("ij,jk", mg.ones(2, 3)), "names 2 operands, 1 are given"),
        (lambda: mg.einsum("ij->k", mg.ones(2, 3)), "'k' of the result"),
        (lambda: mg.einsum("i1->i", mg.ones(2, 3)), "other signs than letters"),
        (lambda: mg.einsum("ij,jk", mg.ones(2, 3), mg.ones(2, 3)), "has sizes 3 and 2"),
        (lambda: mg.einsum("i", mg.ones(2, 3)), "names 1 axes, the operand has 2"),
        (lambda: mg.tensordot(mg.ones(2, 3), mg.ones(2, 3), 1), "axes 1 of (2, 3) and 0 of (2, 3)"),
        (lambda: mg.ones(2).cross(mg.ones(2)), "cross: no axis of shape (2,) has size 3"),
        (lambda: mg.ones(2, 2).long().addmm(mg.ones(2, 2).long(), mg.ones(2, 2).long(), beta=0.5),
         "addmm: beta and alpha are ints beside int64"),
        (lambda: mg.linalg.multi_dot([mg.ones(2, 3)]), "two tensors at least, not 1"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, text: str) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        call()
    assert text in str(caught.value)
