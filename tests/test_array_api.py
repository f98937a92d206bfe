"""The array API standard's namespace against NumPy's, which follows it: names, results, types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg

xp: Any = mg.array_api
X = np.array([[1.5, -2.0, 0.25, -0.0], [3.0, 0.5, -1.0, 2.0], [-0.75, 4.0, 1.0, 0.5]])
Y = np.array([[0.5, 2.0, -1.0, 3.0], [1.0, 1.0, 2.0, -2.0], [2.5, 0.5, 1.0, 0.25]])
N = np.array([[3, 1, 3, 2], [0, -5, 1, 7], [7, 7, 2, 1]])

UNARY = (
    "abs acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor isfinite isinf isnan log "
    "log10 log1p log2 negative positive reciprocal round sign signbit sin sinh sqrt square tan "
    "tanh trunc"
).split()
BINARY = (
    "add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal "
    "logaddexp maximum minimum multiply nextafter not_equal pow remainder subtract"
).split()
INTEGRAL = (
    "add bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor equal "
    "floor_divide greater less maximum minimum multiply not_equal pow remainder subtract"
).split()
LOGICAL = ("logical_and", "logical_or", "logical_xor", "bitwise_and", "equal")

# Of a namespace n and arrays x, y of floats, i of integers.
CALLS = {
    "all": lambda n, x, y, i: (n.all(i), n.all(i, axis=(0, 1), keepdims=True), n.all(x, axis=1)),
    "any": lambda n, x, y, i: (n.any(i), n.any(x > 9, axis=0), n.any(i, axis=-1, keepdims=True)),
    "argmax": lambda n, x, y, i: (n.argmax(x), n.argmax(i, axis=1), n.argmin(x, axis=0)),
    "arange": lambda n, x, y, i: (
        n.arange(5), n.arange(1, 7, 2), n.arange(5, 0, -2), n.arange(3, 1),
        n.arange(1.0, 2.0, 0.25, dtype=n.float64),
    ),
    "argsort": lambda n, x, y, i: (n.argsort(i, axis=0, stable=True), n.sort(x), n.sort(i, axis=0)),
    "asarray": lambda n, x, y, i: (n.asarray(x), n.asarray([1, 2]), n.asarray(x, dtype=n.int32)),
    "astype": lambda n, x, y, i: (n.astype(x, n.int64), n.astype(i, n.float64, copy=False)),
    "broadcast": lambda n, x, y, i: (
        *n.broadcast_arrays(x[:1], i[:, :1]), n.broadcast_to(x[0], (2, 4)),
    ),
    "clip": lambda n, x, y, i: (n.clip(x, -1.0, 1.0), n.clip(x, y, None), n.clip(i, max=3)),
    "concat": lambda n, x, y, i: (
        n.concat([x, y]), n.concat((x, y), axis=-1), n.concat([x, i], axis=None),
        n.stack([x, y], axis=1), n.stack((x, y)), *n.unstack(x, axis=1),
    ),
    "count_nonzero": lambda n, x, y, i: (n.count_nonzero(i), n.count_nonzero(x, axis=0)),
    "cumulative": lambda n, x, y, i: (
        n.cumulative_sum(x, axis=0), n.cumulative_sum(i, axis=1, include_initial=True),
        n.cumulative_prod(x, axis=1), n.cumulative_prod(x[0], include_initial=True),
        n.cumulative_sum(i[0], dtype=n.float64),
    ),
    "diff": lambda n, x, y, i: (n.diff(x), n.diff(i, axis=0, n=2), n.diff(x, prepend=y)),
    "expand_dims": lambda n, x, y, i: (n.expand_dims(x, axis=1), n.expand_dims(x, axis=-1)),
    "eye": lambda n, x, y, i: (n.eye(3, dtype=n.float64), n.eye(2, 4, k=1, dtype=n.int64)),
    "flip": lambda n, x, y, i: (n.flip(x), n.flip(x, axis=0), n.flip(x, axis=(0, 1))),
    "full": lambda n, x, y, i: (
        n.full((2, 3), 5), n.full_like(x, 2), n.ones_like(i), n.zeros((2,), dtype=n.int32),
        n.zeros_like(x, dtype=n.int64), n.ones(3, dtype=n.float64), n.full(2, True),
    ),
    "isdtype": lambda n, x, y, i: (
        n.isdtype(x.dtype, "real floating"), n.isdtype(i.dtype, ("bool", "integral")),
        n.isdtype(n.uint8, "signed integer"), n.isdtype(n.bool, n.bool),
    ),
    "linspace": lambda n, x, y, i: (
        n.linspace(0, 1, 5, dtype=n.float64), n.linspace(2, 0, 4, dtype=n.float64, endpoint=False),
    ),
    "matmul": lambda n, x, y, i: (
        n.matmul(x, n.matrix_transpose(y)), n.matmul(x, y[0]), n.vecdot(x, y), n.vecdot(x, y[0]),
        n.tensordot(x, y), n.tensordot(x, y, axes=((0,), (0,))), n.vecdot(x, y, axis=-2),
    ),
    "max": lambda n, x, y, i: (
        n.max(x), n.max(i, axis=0), n.min(x, axis=(0, 1), keepdims=True), n.min(i, axis=-1),
    ),
    "mean": lambda n, x, y, i: (
        n.mean(x), n.mean(x, axis=0), n.std(x), n.std(x, axis=1, correction=1.0, keepdims=True),
        n.var(x, axis=(0, 1)), n.var(x, axis=0, correction=2),
    ),
    "meshgrid": lambda n, x, y, i: (*n.meshgrid(x[0], y[0, :3]), *n.meshgrid(i[0], indexing="ij")),
    "moveaxis": lambda n, x, y, i: (n.moveaxis(x, 0, -1), n.permute_dims(x, (1, 0))),
    "nonzero": lambda n, x, y, i: n.nonzero(i),
    "prod": lambda n, x, y, i: (
        n.prod(x), n.prod(i, axis=0), n.prod(x, axis=(0, 1), keepdims=True), n.sum(x, axis=1),
        n.sum(i), n.sum(i, dtype=n.float64), n.sum(n.astype(i, n.bool), axis=0, keepdims=True),
    ),
    "repeat": lambda n, x, y, i: (
        n.repeat(x, 2), n.repeat(x, 3, axis=1), n.repeat(x, n.asarray([1, 0, 2]), axis=0),
        n.tile(x, (2, 1)), n.tile(x, (2, 1, 2)), n.roll(x, 3), n.roll(x, (1, -1), axis=(0, 1)),
    ),
    "reshape": lambda n, x, y, i: (
        n.reshape(x, (4, -1)), n.reshape(x, (2, 6), copy=True),
        n.squeeze(n.reshape(x, (1, 12, 1)), axis=(0, -1)),
    ),
    "searchsorted": lambda n, x, y, i: (
        n.searchsorted(n.sort(x[0]), y[0]), n.searchsorted(n.sort(x[0]), x[0], side="right"),
    ),
    "take": lambda n, x, y, i: (
        n.take(x, n.asarray([2, -1]), axis=1), n.take(x[0], n.asarray([0, -4])),
        n.take_along_axis(x, i * 0 - 1), n.take_along_axis(x, i * 0 + 1, axis=0),
    ),
    "tril": lambda n, x, y, i: (n.tril(x), n.tril(i, k=1), n.triu(x, k=-1), n.triu(i)),
    "unique": lambda n, x, y, i: (
        *n.unique_all(i), *n.unique_counts(i), *n.unique_inverse(x), n.sort(n.unique_values(i)),
    ),
    "where": lambda n, x, y, i: (
        n.where(x > 0, x, y), n.bitwise_invert(i), n.bitwise_invert(x > 0),
    ),
    "linalg": lambda n, x, y, i: (
        n.linalg.det(x[:, :3]), n.linalg.inv(x[:, :3]), n.linalg.solve(x[:, :3], y[:, 0]),
        n.linalg.solve(x[:, :3], y), n.linalg.matrix_norm(x), n.linalg.trace(x, offset=1),
        n.linalg.matrix_norm(x, ord=1, keepdims=True), n.linalg.vector_norm(x, axis=0, ord=3),
        n.linalg.vector_norm(x), n.linalg.outer(x[0], y[0]), n.linalg.diagonal(x, offset=-1),
        n.linalg.cross(x[:, :3], y[:, :3]), n.linalg.matrix_rank(x), n.linalg.pinv(x),
        n.linalg.matrix_power(x[:, :3], 3), n.linalg.svdvals(x), n.linalg.eigh(x.T @ x)[0],
        *n.linalg.slogdet(x[:, :3]), n.linalg.cholesky(x @ x.T), n.linalg.trace(i, dtype=n.float64),
        n.linalg.cholesky(x @ x.T, upper=True), abs(n.linalg.qr(x)[1]), n.linalg.svd(x)[1],
    ),
}  # fmt: skip


def compare(found: Any, wanted: Any) -> None:
    """Compare a result of ours with NumPy's."""
    if isinstance(wanted, bool):
        assert found is wanted
        return
    array = found.detach().numpy()
    assert array.shape == np.shape(wanted) and array.dtype == np.asarray(wanted).dtype
    assert np.allclose(array, wanted, rtol=1e-12, atol=1e-13, equal_nan=True)


@pytest.mark.parametrize("name", CALLS)
def test_results_are_those_of_numpy(name: str) -> None:
    ours = [mg.tensor(a, dtype=a.dtype.name) for a in (X, Y, N)]
    found, wanted = CALLS[name](xp, *ours), CALLS[name](np, X, Y, N)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        compare(one, other)


@pytest.mark.filterwarnings(
    "ignore:invalid value:RuntimeWarning", "ignore:divide by:RuntimeWarning"
)
def test_functions_of_elements_are_those_of_numpy() -> None:
    special = np.array([math.nan, math.inf, -math.inf, -0.0, 0.0, 2.5, -2.5, 3.5])
    x, z = mg.tensor(X, dtype="float64"), mg.tensor(special, dtype="float64")
    y, n = mg.tensor(Y, dtype="float64"), mg.tensor(N)
    for name in UNARY:
        ours, theirs = getattr(xp, name), getattr(np, name)
        compare(ours(x), theirs(X))
        compare(ours(z), theirs(special))
    for name in BINARY:
        ours, theirs = getattr(xp, name), getattr(np, name)
        compare(ours(x, y), theirs(X, Y))
        compare(ours(x, 2.0), theirs(X, 2.0))
    for name in INTEGRAL:
        b = abs(N) + 1
        compare(getattr(xp, name)(n, mg.tensor(b)), getattr(np, name)(N, b))
    for name in LOGICAL:
        compare(getattr(xp, name)(x > 0, y > 1), getattr(np, name)(X > 0, Y > 1))
    compare(xp.logical_not(x > 0), ~(X > 0))


def test_what_a_program_asks_of_the_namespace() -> None:
    x = mg.ones(2, 3)
    assert x.__array_namespace__() is xp is x.__array_namespace__(api_version="2024.12")
    with pytest.raises(ValueError, match="not 1999"):
        x.__array_namespace__(api_version="1999")
    info = xp.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] is mg.float32 and info.devices() == ["cpu"]
    assert set(info.dtypes(kind="integral")) == {"int16", "int32", "int64", "int8", "uint8"}
    assert info.capabilities()["max dimensions"] >= 8 and info.default_device() == x.device
    assert x.to_device("cpu") is x and (xp.pi, xp.newaxis) == (math.pi, None)
    assert xp.result_type(mg.int64, x, 2.0) is mg.float32 and xp.finfo(mg.float64).bits == 64
    assert xp.can_cast(mg.int32, mg.int64) and not xp.can_cast(mg.float64, mg.float32)
    assert xp.arange(0.0).dtype is mg.float32 and xp.clip(x) is not x
    assert xp.from_dlpack(np.ones(2)).dtype is mg.float64
    names = {*UNARY, *BINARY, *INTEGRAL, *LOGICAL, *CALLS}
    assert sum(name in dir(xp) for name in names) > 80
    for name in dir(xp):
        assert getattr(xp, name) is not None or name == "newaxis"


def test_gradients_flow() -> None:
    x = mg.tensor(X, dtype="float64", requires_grad=True)
    (xp.std(xp.concat([x, xp.flip(x)]), axis=0) * xp.sort(x, axis=0)[0]).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: xp.squeeze(x, axis=0), ValueError, "size 1"),
        (lambda x: xp.take(x, mg.tensor([0])), ValueError, "has to be named"),
        (lambda x: xp.take(x, mg.tensor([[0]]), axis=0), ValueError, "a vector"),
        (lambda x: xp.cumulative_sum(x), ValueError, "has to be named"),
        (lambda x: xp.expand_dims(x, axis=5), IndexError, "does not fit"),
        (lambda x: xp.isdtype(x.dtype, "real"), ValueError, "a kind is one of"),
        (lambda x: xp.result_type(1.0), ValueError, "is needed"),
        (lambda x: xp.nonzero(x[0, 0]), ValueError, "no places"),
        (lambda x: xp.concat([x[0, 0]]), ValueError, "without axes"),
        (lambda x: xp.vecdot(x, x, axis=2), IndexError, "out of range"),
        (lambda x: xp.complex64, AttributeError, "no complex numbers"),
        (lambda x: xp.fft, AttributeError, "complex"),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(mg.ones(2, 3))
