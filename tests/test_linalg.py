"""Linear algebra: what defines each result, gradients against differences, singular cases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg
from pymicrograd import linalg

rng = np.random.default_rng(7)


def well(n: int, *batch: int) -> Any:
    """Return symmetric positive definite matrices."""
    a = rng.standard_normal((*batch, n, n))
    return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)


def differences(f: Callable[..., Any], arrays: list[Any], seed: Any) -> list[Any]:
    """Return the gradients of sum(seed * f) by central differences."""
    found = []
    for k, a in enumerate(arrays):
        gradient = np.zeros_like(a)
        for place in np.ndindex(a.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [b.copy() for b in arrays]
                moved[k][place] += step
                ends.append((seed * f(*map(mg.tensor, moved)).numpy()).sum())
            gradient[place] = (ends[0] - ends[1]) / 2e-6
        found.append(gradient)
    return found


def squares_of_svd(a: Any) -> Any:
    """Return what does not depend on the signs of singular vectors."""
    u, _, vh = linalg.svd(a, full_matrices=False)
    return u.square() @ vh.square()


A, B = rng.standard_normal((2, 3, 3)) + 2 * np.eye(3), rng.standard_normal((2, 3, 2))
TALL, WIDE = rng.standard_normal((4, 3)), rng.standard_normal((3, 4))
FUNCTIONS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "inv": (linalg.inv, [A]),
    "solve": (linalg.solve, [A, B]),
    "solve from the right": (lambda a, b: linalg.solve(a, b.mT, left=False), [A, B]),
    "solve a vector": (linalg.solve, [A[0], B[0, :, 0]]),
    "triangle": (lambda a, b: linalg.solve_triangular(a, b, upper=True), [A, B]),
    "det": (linalg.det, [A]),
    "det of rank 2": (linalg.det, [TALL @ WIDE[:, :4] @ np.eye(4)]),
    "logabsdet": (lambda a: linalg.slogdet(a).logabsdet, [A]),
    "cholesky": (lambda a: linalg.cholesky((a + a.mT) / 2), [well(3, 2)]),
    "eigenvalues": (lambda a: linalg.eigvalsh((a + a.mT) / 2), [well(3)]),
    "eigenvectors": (lambda a: linalg.eigh((a + a.mT) / 2).eigenvectors.square(), [well(3)]),
    "singular values": (linalg.svdvals, [TALL]),
    "svd": (squares_of_svd, [TALL]),
    "svd of wide": (squares_of_svd, [WIDE]),
    "qr": (lambda a: mg.cat(list(linalg.qr(a)), 0), [TALL]),
    "qr of wide": (lambda a: mg.cat(list(linalg.qr(a)), 1), [WIDE]),
    "pinv": (linalg.pinv, [TALL]),
    "lstsq": (lambda a, b: linalg.lstsq(a, b).solution, [TALL, rng.standard_normal((4, 2))]),
    "matrix_exp": (linalg.matrix_exp, [A]),
    "power": (lambda a: linalg.matrix_power(a, 5), [A / 3]),
    "inverse power": (lambda a: linalg.matrix_power(a, -2), [A]),
    "nuclear": (lambda a: linalg.matrix_norm(a, "nuc"), [TALL]),
    "norm 3": (lambda a: linalg.vector_norm(a, 3, 1), [TALL]),
    "norm inf": (lambda a: a.norm(math.inf), [TALL]),
    "cdist": (lambda a, b: mg.cdist(a, b), [TALL, rng.standard_normal((2, 3))]),
    "pdist": (lambda a: mg.nn.functional.pdist(a, 3.0), [TALL]),
    "renorm": (lambda a: a.renorm(2, 0, 0.5), [TALL]),
    "cond": (linalg.cond, [TALL]),
    "householder": (linalg.householder_product, [TALL, rng.standard_normal(3)]),
    "tensorinv": (lambda a: linalg.tensorinv(a.reshape(3, 3, 9), 2), [rng.standard_normal((9, 9))]),
    "vander": (linalg.vander, [TALL[0]]),
    "cholesky_solve": (lambda b, a: mg.cholesky_solve(b, a.tril()), [B[0], well(3)]),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name: str) -> None:
    f, arrays = FUNCTIONS[name]
    leaves = [mg.tensor(a, requires_grad=True) for a in arrays]
    y = f(*leaves)
    seed = rng.standard_normal(y.shape)
    found = mg.grad([y], leaves, [mg.tensor(seed)], create_graph=True)
    for x, expected in zip(found, differences(f, arrays, seed), strict=True):
        assert np.allclose(x.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    if name == "det of rank 2":  # whose derivative is a constant of NumPy's
        return
    directions = [rng.standard_normal(a.shape) for a in arrays]

    def slope(*tensors: Any) -> Any:
        inner = [x.requires_grad_() for x in tensors]
        grads = mg.grad([f(*inner)], inner, [mg.tensor(seed)])
        return sum((g * mg.tensor(d)).sum() for g, d in zip(grads, directions, strict=True))

    pairs = zip(found, directions, strict=True)
    total = sum((g * mg.tensor(d)).sum() for g, d in pairs)
    if not total.requires_grad:
        return
    second = mg.grad([total], leaves, allow_unused=True)
    for x, expected in zip(second, differences(slope, arrays, 1.0), strict=True):
        value = np.zeros_like(expected) if x is None else x.numpy()
        assert np.allclose(value, expected, rtol=1e-4, atol=1e-4)


def test_results_are_what_defines_them() -> None:
    a = mg.tensor(rng.standard_normal((2, 4, 3)))
    for full in (False, True):
        u, s, vh = linalg.svd(a, full_matrices=full)
        middle = mg.zeros(2, u.shape[-1], vh.shape[-2], dtype="float64")
        middle[:, range(3), range(3)] = s
        assert (u @ middle @ vh).allclose(a) and (u.mT @ u).allclose(mg.eye(u.shape[-1]).double())
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(a, mode)
        assert (q @ r).allclose(a) and r.triu().equal(r)
    values, vectors = linalg.eigh(mg.tensor(well(4)))
    assert values.sort().values.equal(values)
    assert (vectors @ values.diag() @ vectors.mT).det().allclose(values.prod())
    assert linalg.matrix_rank(a).tolist() == [3, 3] and linalg.matrix_rank(a @ a.mT).tolist() == [
        3,
        3,
    ]
    assert linalg.matrix_exp(mg.zeros(2, 2)).equal(mg.eye(2))
    b = mg.tensor(well(3))
    assert mg.cholesky_inverse(b.cholesky()).allclose(b.inverse())
    assert b.logdet().allclose(b.det().log()) and mg.pinverse(b).allclose(b.inverse())
    assert linalg.inv(mg.ones(0, 2, 2)).shape == (0, 2, 2)


def test_matrices_without_an_inverse() -> None:
    singular = mg.tensor([[[1.0, 2.0], [2.0, 4.0]], [[2.0, 0.0], [0.0, 1.0]]])
    found, info = linalg.inv_ex(singular)
    assert (
        info.tolist() == [1, 0] and found[0].isnan().all() and found[1].equal(singular[1].inverse())
    )
    with pytest.raises(linalg.LinAlgError, match=r"linalg\.inv: singular matrix"):
        linalg.inv(singular)
    with pytest.raises(RuntimeError, match=r"linalg\.solve: singular"):
        linalg.solve(singular, mg.ones(2, 2))
    with pytest.raises(linalg.LinAlgError, match=r"linalg\.cholesky"):
        linalg.cholesky(mg.tensor([[1.0, 2.0], [2.0, 1.0]]))
    assert linalg.cholesky_ex(mg.tensor([[1.0, 2.0], [2.0, 1.0]])).info.item() > 0
    assert linalg.cond(singular, 1).tolist()[0] == math.inf
    x = mg.zeros(3, requires_grad=True)
    x.norm().backward()  # PyTorch's subgradient
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: linalg.inv(mg.ones(2, 3)), "linalg.inv: matrices of shape (2, 3) are not square"),
        (lambda: linalg.det(mg.ones(2)), "linalg.det: a matrix has two axes at least"),
        (lambda: linalg.qr(mg.ones(2, 2).long()), "is for float32 and float64, not int64"),
        (lambda: linalg.solve(mg.eye(2), mg.ones(3, 1)), "do not fit"),
        (lambda: linalg.eig, "linalg' has no attribute 'eig': its results are complex"),
        (lambda: mg.fft.rfft, "fft' has no attribute 'rfft': its results are complex"),
        (lambda: linalg.matrix_norm(mg.ones(2, 2), 3), "there is no order 3"),
        (lambda: linalg.eigh(mg.eye(2), "X"), "UPLO is 'L' or 'U'"),
        (lambda: linalg.inv(mg.eye(2), out=mg.eye(2)), "inv: out= is not taken"),
        (lambda: mg.ones(2, 2).as_strided((1,), (1,)), "as_strided: a tensor does not say"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, text: str) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError, AttributeError)) as caught:
        call()
    assert text in str(caught.value)


def test_real_transforms_and_their_gradients() -> None:
    for shape, call, expected in (
        ((2, 5), lambda x: mg.fft.irfft(x), lambda a: np.fft.irfft(a)),
        (
            (2, 5),
            lambda x: mg.fft.irfft(x, 7, norm="ortho"),
            lambda a: np.fft.irfft(a, 7, norm="ortho"),
        ),
        ((3, 4), lambda x: mg.fft.hfft(x, 5, 0), lambda a: np.fft.hfft(a, 5, 0)),
        ((3, 4), lambda x: mg.fft.irfftn(x), lambda a: np.fft.irfftn(a)),
        ((3, 4), lambda x: mg.fft.irfft2(x, (4, 5)), lambda a: np.fft.irfft2(a, (4, 5))),
        ((5,), lambda x: mg.fft.ifftshift(mg.fft.fftshift(x)), lambda a: a),
    ):
        a = rng.standard_normal(shape)
        x = mg.tensor(a, requires_grad=True)
        y = call(x)
        assert np.allclose(y.detach().numpy(), expected(a), atol=1e-12)
        seed = rng.standard_normal(y.shape)
        (found,) = mg.grad([y], [x], [mg.tensor(seed)])
        assert np.allclose(found.numpy(), differences(call, [a], seed)[0], atol=1e-6)
    assert mg.fft.fftfreq(5, 0.5).tolist() == pytest.approx(np.fft.fftfreq(5, 0.5).tolist())
    assert mg.fft.rfftfreq(5).tolist() == pytest.approx(np.fft.rfftfreq(5).tolist())
