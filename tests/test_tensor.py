"""Tensor: attributes, arguments, shapes, dtypes, printing, creation; NumPy is the oracle."""

from __future__ import annotations

import gc
import math
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isolated import run_python

import pymicrograd as mg
from pymicrograd import _core
from pymicrograd.errors import (
    ArgumentError,
    DTypeError,
    GradientError,
    OutOfMemoryError,
    ScalarError,
    ShapeError,
    StaleNodeError,
    TensorIndexError,
)
from pymicrograd.tensors.dtypes import DTYPES, as_dtype

A = np.linspace(-2.0, 3.0, 24, dtype=np.float32).reshape(2, 3, 4)


def same(x: Any, expected: Any) -> bool:
    """Tell whether a Tensor has the shape, type and elements of an array; NaN is NaN."""
    expected = np.asarray(expected)
    array = x.numpy(force=True)
    assert array.shape == expected.shape
    assert array.dtype == expected.dtype
    return bool(np.array_equal(array, expected, equal_nan=expected.dtype.kind == "f"))


# ---- attributes ------------------------------------------------------------------------------


def test_attributes() -> None:
    x = mg.tensor(A)
    assert (x.shape, x.ndim, x.dim(), x.numel(), x.nelement()) == ((2, 3, 4), 3, 3, 24, 24)
    assert (x.size(), x.size(-1), len(x)) == ((2, 3, 4), 4, 2)
    assert (x.stride(), x.stride(0), x.T.stride()) == ((12, 4, 1), 12, (1, 4, 12))
    assert (x.dtype, x.device) == (mg.float32, "cpu")
    assert (x.itemsize, x.element_size(), x.nbytes) == (4, 4, 96)
    assert x.is_contiguous()
    assert not x.T.is_contiguous()
    assert x.contiguous() is x
    assert x.T.contiguous().is_contiguous()
    assert x.is_floating_point()
    assert not x.long().is_floating_point()
    with pytest.raises(TensorIndexError):
        x.size(3)
    for name in ("shape", "dtype", "ndim", "is_leaf", "device", "T"):
        with pytest.raises(AttributeError):
            setattr(x, name, None)
    with pytest.raises(AttributeError):
        del x.requires_grad
    x.label = "mine"  # type: ignore[attr-defined]
    assert weakref.ref(x)() is x


def test_numbers() -> None:
    items = mg.tensor(2.5).item(), mg.tensor([[3]]).item(), mg.tensor(True).item()
    assert items == (2.5, 3, True)
    assert (float(mg.tensor([2])), int(mg.tensor(-2.9))) == (2.0, -2)
    assert not mg.tensor([0.0])
    assert [10, 20, 30][mg.tensor(1)] == 20
    assert range(5)[mg.tensor([2]) : 4] == range(2, 4)
    assert f"{mg.tensor(3.14159):.2f}" == "3.14"
    assert f"{mg.tensor([1])}" == "tensor([1])"
    assert round(mg.tensor(2.567), 1).item() == pytest.approx(2.6)
    assert math.isclose(math.sqrt(mg.tensor(4.0)), 2.0)
    for kind in DTYPES:
        assert mg.tensor([[1, 0], [0, 1]], dtype=kind).tolist() == [[1, 0], [0, 1]]
    halves = [0.0, 1.5, -2.0, 65504.0, 2.0**-24, math.inf, -math.inf]
    assert mg.tensor(halves, dtype="float16").tolist() == halves
    assert [mg.tensor(h, dtype="float16").item() for h in halves] == halves
    assert math.isnan(mg.tensor(math.nan, dtype="float16").item())
    two = mg.tensor([1, 2])
    refused: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: two.item(), RuntimeError, "2 elements"),
        (lambda: float(two), RuntimeError, "2 elements"),
        (lambda: bool(two), RuntimeError, "more than one value is ambiguous"),
        (lambda: bool(mg.zeros(0)), RuntimeError, "no values is ambiguous"),
        (lambda: bool(two), ScalarError, "more than one value"),
        (lambda: float(two), ScalarError, "2 elements"),
        (lambda: int(mg.zeros(0)), ScalarError, "0 elements"),
        (lambda: [1][mg.tensor(0.0)], TypeError, "only integer tensors"),
        (lambda: [1][two], TypeError, "only integer tensors"),
        (lambda: len(mg.tensor(1)), TypeError, "0-d"),
        (lambda: list(mg.tensor(1)), TypeError, "0-d"),
    ]
    for call, error, text in refused:
        with pytest.raises(error, match=text):
            call()


def test_equality_is_by_element_and_hash_by_identity() -> None:
    x, y = mg.tensor([1, 2]), mg.tensor([1, 3])
    assert (x == y).tolist() == [True, False]
    assert (x != 1).tolist() == [False, True]
    assert len({x, y, x}) == 2
    assert 2 in x
    assert 3 not in x
    assert "a" not in x
    assert x.__reversed__().tolist() == [2, 1]


def test_a_tensor_without_data() -> None:
    x = mg.Tensor.__new__(mg.Tensor)
    assert repr(x) == "<Tensor without data>"
    calls = (lambda: x + 1, lambda: x.shape, x.exp, lambda: mg.ones(1) @ x, lambda: x[0])
    for call in calls:
        with pytest.raises(StaleNodeError):
            call()
    y = mg.ones(2)
    y.__init__([1, 2, 3])  # type: ignore[misc]
    assert y.tolist() == [1, 2, 3]
    assert mg.Tensor().shape == (0,)


# ---- dtypes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("a", DTYPES, ids=str)
@pytest.mark.parametrize("b", DTYPES, ids=str)
def test_promotion(a: Any, b: Any) -> None:
    expected = mg.promote_types(a, b).name
    x, y = mg.ones(2, dtype=a), mg.ones(2, dtype=b)
    assert (x + y).dtype.name == expected
    assert (x * y).dtype.name == expected
    assert mg.cat((x, y)).dtype.name == expected
    assert mg.where(x > 0, x, y).dtype.name == expected
    assert (x < y).dtype is mg.bool_
    quotient = expected if "float" in expected else "float32"
    assert (x / y).dtype.name == quotient
    zero = mg.ones(dtype=b)
    light = a.name if b.kind <= a.kind else b.name
    assert (x + zero).dtype.name == light
    assert mg.where(x > 0, x, zero).dtype.name == light
    for number in (True, 2, 2.0):
        kind = {bool: 0, int: 1, float: 2}[type(number)]
        known = a.name if kind <= a.kind else {1: "int64", 2: "float32"}[kind]
        assert (x + number).dtype.name == (number + x).dtype.name == known
        assert mg.where(x > 0, number, x).dtype.name == known


def test_numbers_are_exact_operands() -> None:
    x = mg.tensor([1.0], dtype="float64")
    results = x * 0.1, 0.1 * x, x.mul(0.1), x.clamp(0.1, 0.1), mg.where(x > 5, x, 0.1)
    for y in (*results, x.fill_(0.1)):
        assert y.item() == 0.1
    big = mg.tensor([2**53 + 1])
    assert (big + 1).item() == 2**53 + 2
    assert (big == 2**53 + 1).item()


def test_conversions() -> None:
    x = mg.tensor([1.7, -1.7, 0.0])
    assert x.to("int64").tolist() == x.long().tolist() == x.type(int).tolist() == [1, -1, 0]
    assert x.bool().tolist() == [True, True, False]
    assert x.to(mg.ones(1, dtype="float64")).dtype is mg.float64
    assert x.to("cpu") is x
    assert x.to(mg.float32) is x
    assert x.to(mg.float32, copy=True) is not x
    assert x.type() == "torch.FloatTensor" and x.type("torch.LongTensor").dtype is mg.int64
    kinds = (x.half(), x.double(), x.float(), x.int(), x.type_as(x.bool()))
    assert [y.dtype.name for y in kinds] == ["float16", "float64", "float32", "int32", "bool"]
    assert [y.dtype for y in (x.bfloat16(), x.char(), x.short())] == [
        mg.bfloat16,
        mg.int8,
        mg.int16,
    ]
    for wrong in ("cuda", "complex64", np.complex64, 5, [], None.__class__):
        with pytest.raises((DTypeError, ValueError)):
            x.to(wrong)
    assert as_dtype(np.dtype(">f4")) is mg.float32
    assert as_dtype(np.int64) is as_dtype(int) is mg.int64
    assert repr(mg.float64) == "pymicrograd.float64"


# ---- arguments of reductions -----------------------------------------------------------------

DIMS = [None, 0, -1, 1, (0, 2), (-1, 0, 1), [0, 1], ()]


@pytest.mark.parametrize("name", "sum mean prod amax amin any all std var".split())
@pytest.mark.parametrize("dim", DIMS, ids=str)
def test_reductions_over_any_axes(name: str, dim: Any) -> None:
    x = mg.tensor(A)
    axis = None if dim in ((), None) else tuple(dim) if isinstance(dim, list) else dim
    options = {"ddof": 1} if name in ("std", "var") else {}
    for keep in (False, True):
        expected = getattr(np, name)(A, axis=axis, keepdims=keep, **options)
        method = getattr(x, name)
        results = [
            method(dim, keepdim=keep),
            method(dim=dim, keepdim=keep),
            method(axis=dim, keepdims=keep),
        ]
        if name not in ("std", "var"):
            results.append(method(dim, keep))
        if dim is None and not keep:
            results.append(method())
        for result in results:
            assert result.shape == expected.shape
            assert np.allclose(result.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["sum", "amax", "argmax", "max", "cumsum", "softmax", "var"])
def test_axes_that_are_none(name: str) -> None:
    x = mg.tensor(A)
    for dim in (3, -4):
        with pytest.raises(TensorIndexError, match=rf"axis {dim} is out of range .* 3 axes"):
            getattr(x, name)(dim)
    with pytest.raises(TypeError):
        getattr(x, name)(1.5)
    with pytest.raises(TypeError):
        getattr(x, name)(0, axis=1)
    if name in ("sum", "amax", "var"):
        with pytest.raises(ShapeError, match="twice"):
            getattr(x, name)((0, 0))
        with pytest.raises(ShapeError, match="twice"):
            getattr(x, name)((0, -3))


def test_positions() -> None:
    x = mg.tensor([[3.0, 1.0, 3.0], [0.0, 0.0, -1.0]])
    values, indices = x.max(1)
    assert (values.tolist(), indices.tolist()) == ([3.0, 0.0], [0, 0])
    assert x.min(0, keepdim=True).indices.tolist() == [[1, 1, 1]]
    assert x.max().item() == 3.0
    assert x.max(mg.tensor(1.5)).tolist() == [[3.0, 1.5, 3.0], [1.5, 1.5, 1.5]]
    assert x.argmin().item() == 5
    assert x.argmax(1).tolist() == [0, 0]
    assert x.argmax(keepdim=True).tolist() == [[0]]
    assert mg.tensor(5.0).max(0) == (mg.tensor(5.0), mg.tensor(0))
    nan = mg.tensor([1.0, math.nan, 2.0])
    assert (nan.argmax().item(), nan.argmin().item()) == (1, 1)
    assert math.isnan(nan.amax().item())


def test_empty_reductions() -> None:
    x = mg.zeros(0, 3)
    assert x.sum(0).tolist() == [0.0] * 3
    assert x.prod().item() == 1.0
    assert x.sum(1).shape == (0,)
    assert x.all().item() is True
    assert all(map(math.isnan, x.mean(0).tolist()))
    for call in (x.amax, x.argmax, lambda: x.max(0), lambda: x.amin(0)):
        with pytest.raises((ShapeError, ValueError)):
            call()
    assert x.amax(1).shape == (0,)


def test_sums_of_integers_are_int64() -> None:
    for kind in ("uint8", "int32", "bool"):
        x = mg.ones(300, dtype=kind)
        assert x.sum().item() == 300
        assert x.sum().dtype is mg.int64
    assert mg.ones(3).sum(dtype="float64").dtype is mg.float64
    assert mg.arange(4).cumsum(0).tolist() == [0, 1, 3, 6]


# ---- shapes ----------------------------------------------------------------------------------

MOVES: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda x: x.reshape(4, 6), lambda a: a.reshape(4, 6)),
    (lambda x: x.reshape((3, -1)), lambda a: a.reshape(3, -1)),
    (lambda x: x.reshape([2, -1, 2]), lambda a: a.reshape(2, -1, 2)),
    (lambda x: x.T.reshape(-1), lambda a: a.T.reshape(-1)),
    (lambda x: x.view(6, 4), lambda a: a.reshape(6, 4)),
    (lambda x: x.flatten(), lambda a: a.reshape(-1)),
    (lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    (lambda x: x.flatten(0, -2), lambda a: a.reshape(6, 4)),
    (lambda x: x.unflatten(2, (2, -1)), lambda a: a.reshape(2, 3, 2, 2)),
    (lambda x: x.ravel(), np.ravel),
    (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    (lambda x: x.permute((-1, 0, 1)), lambda a: a.transpose(2, 0, 1)),
    (lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, 2)),
    (lambda x: x.swapaxes(0, 1), lambda a: a.swapaxes(0, 1)),
    (lambda x: x.T, lambda a: a.T),
    (lambda x: x.mT, lambda a: a.mT),
    (lambda x: x[0].H, lambda a: a[0].T),
    (lambda x: x[0].t(), lambda a: a[0].T),
    (lambda x: x.movedim(0, 2), lambda a: np.moveaxis(a, 0, 2)),
    (lambda x: x.movedim((0, 1), (-1, 0)), lambda a: np.moveaxis(a, (0, 1), (-1, 0))),
    (lambda x: x.unsqueeze(0), lambda a: a[None]),
    (lambda x: x.unsqueeze(-1), lambda a: a[..., None]),
    (lambda x: x[:, :1].squeeze(), lambda a: a[:, 0]),
    (lambda x: x[:, :1].squeeze(1), lambda a: a[:, 0]),
    (lambda x: x.squeeze(0), lambda a: a),
    (lambda x: x[:1, :, :1].squeeze((0, 2)), lambda a: a[0, :, 0]),
    (lambda x: x.expand(5, 2, -1, 4), lambda a: np.broadcast_to(a, (5, 2, 3, 4))),
    (lambda x: x[:, :1].broadcast_to(2, 7, 4), lambda a: np.broadcast_to(a[:, :1], (2, 7, 4))),
    (lambda x: x[0].expand_as(x), lambda a: np.broadcast_to(a[0], a.shape)),
    (lambda x: x.repeat(2, 1, 1, 3), lambda a: np.tile(a, (2, 1, 1, 3))),
    (lambda x: x.repeat(0, 1, 2), lambda a: np.tile(a, (0, 1, 2))),
    (lambda x: x.tile(2), lambda a: np.tile(a, 2)),
    (lambda x: x.tile((3, 2)), lambda a: np.tile(a, (3, 2))),
    (lambda x: x.flip(0), lambda a: a[::-1]),
    (lambda x: x.flip((1, -1)), lambda a: a[:, ::-1, ::-1]),
    (lambda x: x.roll(3), lambda a: np.roll(a, 3)),
    (lambda x: x.roll(-1, 1), lambda a: np.roll(a, -1, 1)),
    (lambda x: x.roll((1, 9), (0, 2)), lambda a: np.roll(a, (1, 9), (0, 2))),
    (lambda x: x.narrow(1, 1, 2), lambda a: a[:, 1:3]),
    (lambda x: x.narrow(-1, -2, 1), lambda a: a[..., -2:-1]),
    (lambda x: x.select(1, -1), lambda a: a[:, -1]),
    (lambda x: x.split(2, 1)[1], lambda a: a[:, 2:]),
    (lambda x: x.split([1, 3], -1)[1], lambda a: a[..., 1:]),
    (lambda x: x.chunk(3, 2)[1], lambda a: a[..., 2:4]),
    (lambda x: x.unbind(1)[2], lambda a: a[:, 2]),
    (lambda x: x.pad((1, 2)), lambda a: np.pad(a, ((0, 0), (0, 0), (1, 2)))),
    (lambda x: x.pad((0, 0, 1, 0), value=7), lambda a: np.pad(
        a, ((0, 0), (1, 0), (0, 0)), constant_values=7)),
    (lambda x: x.pad((-1, -1, 0, 1)), lambda a: np.pad(a[..., 1:-1], ((0, 0), (0, 1), (0, 0)))),
    (lambda x: x.tril(1), lambda a: np.tril(a, 1)),
    (lambda x: x.triu(-1), lambda a: np.triu(a, -1)),
    (lambda x: mg.cat((x, x[:, :1]), 1), lambda a: np.concatenate((a, a[:, :1]), 1)),
    (lambda x: mg.cat([x, x], axis=-1), lambda a: np.concatenate((a, a), -1)),
    (lambda x: mg.stack((x, x + 1)), lambda a: np.stack((a, a + 1))),
    (lambda x: mg.stack((x, x), -1), lambda a: np.stack((a, a), -1)),
    (lambda x: x.take_along_dim(x.argmax(1, keepdim=True), 1), lambda a: np.take_along_axis(
        a, a.argmax(1, keepdims=True), 1)),
    (lambda x: x.index_select(2, [3, 0, 3]), lambda a: a[..., [3, 0, 3]]),
    (lambda x: x.masked_select(x > 0), lambda a: a[a > 0]),
    (lambda x: x.nonzero(), lambda a: np.argwhere(a)),
    (lambda x: mg.stack(mg.where(x > 1)), lambda a: np.stack(np.where(a > 1))),
    (lambda x: x.masked_fill(x > 1, -5), lambda a: np.where(a > 1, np.float32(-5), a)),
    (lambda x: x.clip(-1, 1), lambda a: a.clip(-1, 1)),
    (lambda x: x[0, 0].outer(x[1, 0]), lambda a: np.outer(a[0, 0], a[1, 0])),
    (lambda x: x.isnan() | x.isinf() | ~x.isfinite(), lambda a: a != a),
]  # fmt: skip


@pytest.mark.parametrize("move", range(len(MOVES)))
def test_movement(move: int) -> None:
    ours, numpys = MOVES[move]
    assert same(ours(mg.tensor(A)), numpys(A))
    turned = mg.tensor(A.transpose(2, 1, 0).copy()).permute(2, 1, 0)
    if move != 4:  # view, which the strides may not allow
        assert same(ours(turned), numpys(A))
    empty = mg.tensor(A)[:0]
    if move in (10, 12, 14, 20, 33, 46):
        assert same(ours(empty), numpys(A[:0]))


SHARING: list[Callable[[Any], Any]] = [
    lambda x: x.reshape(4, 6), lambda x: x.view(-1), lambda x: x.T, lambda x: x.mT,
    lambda x: x.permute(1, 0, 2), lambda x: x.unsqueeze(1), lambda x: x[:1].squeeze(0),
    lambda x: x.expand(2, 2, 3, 4), lambda x: x.flip(0), lambda x: x.narrow(0, 1, 1),
    lambda x: x.select(2, 1), lambda x: x.split(1)[1], lambda x: x.unbind()[1],
    lambda x: x[..., ::-2], lambda x: x.detach(), lambda x: x.data, lambda x: x.flatten(0, 1),
    lambda x: x.unflatten(2, (2, 2)), lambda x: x.movedim(0, 2),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(SHARING)))
def test_views_share_memory(number: int) -> None:
    x = mg.tensor(A)
    view = SHARING[number](x)
    assert np.shares_memory(view.numpy(), x.numpy())
    view.mul_(0) if number != 7 else x.mul_(0)
    assert view.sum().item() == 0.0
    assert (x == 0).sum().item() >= view.numel() / 2


def test_errors_are_of_pytorchs_classes_too() -> None:
    x = mg.ones(2, 3)
    refused: list[tuple[Callable[[], Any], tuple[type[Exception], ...]]] = [
        (lambda: x @ x, (ShapeError, ValueError, RuntimeError)),
        (lambda: x.view(4), (ShapeError, ValueError, RuntimeError)),
        (lambda: x.bool().neg(), (DTypeError, TypeError, RuntimeError)),
        (lambda: x[2], (TensorIndexError, IndexError, RuntimeError)),
        (lambda: x.sum(2), (TensorIndexError, IndexError, RuntimeError)),
        (lambda: mg.linspace(0, 1, -1), (ArgumentError, ValueError, RuntimeError)),
        (lambda: mg.tensor(2) ** -1, (ArgumentError, ValueError, RuntimeError)),
    ]
    for call, kinds in refused:
        for kind in kinds:
            with pytest.raises(kind):
                call()


def test_tensors_without_axes_have_one_where_an_axis_is_named() -> None:
    x, zero = mg.tensor(5.0, requires_grad=True), mg.tensor(0)
    assert x.gather(0, zero).tolist() == 5.0
    assert x.gather(-1, mg.tensor([0])).tolist() == [5.0]
    assert mg.tensor([1, 2]).gather(0, mg.tensor(1)).tolist() == 2
    assert mg.tensor([1.0, 2.0]).gather(0, mg.zeros(2, 0, dtype=mg.int64)).shape == (2, 0)
    assert x.scatter_add(0, zero, mg.tensor(6.0)).tolist() == 11.0
    assert mg.tensor([1, 2]).scatter_add(0, mg.tensor(1), mg.tensor(3)).tolist() == [1, 5]
    assert x.index_select(0, mg.tensor([0])).tolist() == 5.0
    assert x.index_add(0, mg.tensor([0]), mg.tensor([2.0])).tolist() == 7.0
    assert x.take_along_dim(zero, 0).tolist() == 5.0
    assert [found.tolist() for found in x.nonzero(as_tuple=True)] == [[0]]
    assert x.nonzero().shape == (1, 0)
    assert [found.tolist() for found in mg.where(mg.tensor(False))] == [[]]
    assert [x.sum(0).item(), x.mean(-1).item(), x.cumsum(0).item(), x.argmax(0).item()] == [
        5,
        5,
        5,
        0,
    ]
    for call in (
        lambda: x.gather(0, mg.tensor(1)),
        lambda: mg.tensor([1.0]).gather(0, mg.tensor(-2)),
        lambda: x.scatter_add(0, mg.tensor(1), x),
        lambda: x.index_select(0, mg.tensor([1])),
    ):
        with pytest.raises(TensorIndexError, match=r"index (1|-2) is out of range .* of size 1"):
            call()
    with pytest.raises(ShapeError, match="index_select: 2 indices"):
        x.index_select(0, mg.tensor([0, 0]))
    (gradient,) = mg.grad(x.gather(0, zero) * 3 + x.scatter_add(0, zero, x), x)
    assert gradient.item() == 5.0


def test_empty_parts() -> None:
    empty = mg.tensor([])
    assert mg.cat([empty, mg.ones(1, 2)], 1).tolist() == [[1.0, 1.0]]
    assert mg.cat([mg.ones(1, 2), empty, mg.ones(1, 2)]).shape == (2, 2)
    assert mg.cat([empty, mg.tensor([1, 2])]).dtype is mg.float32
    assert mg.cat([empty, empty]).shape == (0,)
    with pytest.raises(ShapeError, match="number of axes"):
        mg.cat([mg.zeros(1), mg.ones(1, 2)])
    assert [part.shape for part in mg.zeros(2, 0).chunk(3, 1)] == [(2, 0)] * 3
    assert [part.shape for part in empty.split(0)] == [(0,)]
    assert [part.shape for part in mg.zeros(5).chunk(3)] == [(2,), (2,), (1,)]


def test_sixteen_axes() -> None:
    array = np.arange(2.0**14).reshape((2,) * 14)
    x = mg.tensor(array)
    assert same(x.permute(*range(13, -1, -1)), array.T)
    assert same(x[(slice(None, None, -1),) * 14], array[(slice(None, None, -1),) * 14])
    assert same(x.sum((0, 5, 13)), array.sum((0, 5, 13)))
    assert same(
        x[1, [0, 1], ..., [1, 0]].unsqueeze(3), array[1, [0, 1], ..., [1, 0]][:, :, :, None]
    )
    outer = mg.arange(2).reshape((2,) + (1,) * 15) + mg.ones((1,) * 15 + (2,))
    assert outer.shape == (2,) + (1,) * 14 + (2,)
    (gradient,) = mg.grad((x.requires_grad_() * x).mT.contiguous().sum((1, 3)).sum(), x)
    assert same(gradient, 2 * array)


def test_shapes_that_do_not_fit() -> None:
    x = mg.tensor(A)
    wrong: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: x @ mg.ones(5, 2), ShapeError,
         r"matmul: shapes \(2, 3, 4\) and \(5, 2\) do not fit: 4 != 5"),
        (lambda: x @ mg.ones(()), ShapeError, "at least one axis"),
        (lambda: x @ mg.ones(3, 4, 1), ShapeError, r"cannot be broadcast: 2 != 3 at axis -1"),
        (lambda: x + mg.ones(3), ShapeError,
         r"add: shapes \(2, 3, 4\) and \(3,\) cannot be broadcast: 4 != 3 at axis -1"),
        (lambda: x < mg.ones(2, 1, 1, 3, 3), ShapeError, "lt: .* 4 != 3 at axis -1"),
        (lambda: x.maximum(mg.ones(2)), ShapeError, "maximum"),
        (lambda: mg.where(x > 0, x, mg.ones(5)), ShapeError, "where: .* 4 != 5"),
        (lambda: x.reshape(5, 5), ShapeError,
         r"reshape: shape \(2, 3, 4\) has 24 elements, shape \(5, 5\) has 25"),
        (lambda: x.reshape(-1, 5), ShapeError, "reshape: 24 elements have no shape"),
        (lambda: x.reshape(-1, -1), ShapeError, "one -1 at most"),
        (lambda: x.reshape(-2, 12), ShapeError, "no shape"),
        (lambda: x.T.view(24), ShapeError, "use reshape"),
        (lambda: x.permute(0, 1), ShapeError, "does not name each of 3 axes once"),
        (lambda: x.permute(0, 1, 1), ShapeError, "once"),
        (lambda: x.permute(0, 1, 3), TensorIndexError, "axis 3"),
        (lambda: x.transpose(0, 5), TensorIndexError, "axis 5"),
        (lambda: x.expand(2, 3, 5), ShapeError,
         r"expand: shape \(2, 3, 4\) cannot be expanded to \(2, 3, 5\)"),
        (lambda: x.expand(3, 4), ShapeError, "cannot be expanded"),
        (lambda: x.unflatten(2, (3, -1)), ShapeError, "unflatten"),
        (lambda: x.flatten(2, 0), ShapeError, "comes after"),
        (lambda: x.narrow(0, 1, 2), TensorIndexError, "not within axis 0 of size 2"),
        (lambda: x.split([1, 1], 2), ShapeError, "do not add up"),
        (lambda: x.split(0), ShapeError, "a piece has at least 1 item"),
        (lambda: x.chunk(0), ShapeError, "at least 1, not 0"),
        (lambda: x.repeat(2), ShapeError, "repeat"),
        (lambda: x.pad((1,)), ShapeError, "pad"),
        (lambda: x.pad((1, 1), mode="wrap"), ValueError, "constant"),
        (lambda: mg.cat((x, x[..., :2]), 0), ShapeError, "cat: .* 4 != 2 at axis 2"),
        (lambda: mg.cat((x, x[0])), ShapeError, "number of axes"),
        (lambda: mg.cat(()), ShapeError, "no tensors"),
        (lambda: mg.cat((mg.tensor(1), mg.tensor(2))), ShapeError, "stack"),
        (lambda: mg.stack((x, x[:1])), ShapeError, "of one shape"),
        (lambda: x.dot(x), ShapeError, "not two vectors"),
        (lambda: x.gather(0, [[[5]]]), TensorIndexError,
         "index 5 is out of range for axis 0 of size 2"),
        (lambda: x.gather(0, [[[0.5]]]), DTypeError, "indices are integers"),
        (lambda: x.masked_fill(x, 0), DTypeError, "bool"),
        (lambda: mg.where(x, x, x), DTypeError, "bool"),
        (lambda: x.index_select(0, [[0]]), ShapeError, "vector"),
        (lambda: x & x, DTypeError, "bitwise_and: is for integers and bool, not float32 and"),
        (lambda: ~x, DTypeError, "bitwise_not: is for integers and bool, not float32"),
        (lambda: x.bool() << x.bool(), DTypeError, "is for integers, not bool and bool"),
        (lambda: x.clamp(), ValueError, "at least one"),
        (lambda: x.softmax(), TypeError, "needs an axis"),
        (lambda: x.add_(mg.ones(4, 2, 3, 4)), ShapeError, "add_: .* cannot be broadcast into"),
        (lambda: x.copy_(mg.ones(5)), ShapeError, "copy_: .* cannot be broadcast into"),
        (lambda: mg.arange(3).add_(0.5), DTypeError, "cannot be written into int64"),
        (lambda: mg.arange(3).exp_(), DTypeError, "exp_"),
        (lambda: mg.zeros(-1), ShapeError, "negative"),
        (lambda: mg.zeros(*[1] * 17), ShapeError, "at most 16 axes"),
        (lambda: mg.zeros(*[1] * 16)[None], ShapeError, "at most 16 axes"),
        (lambda: mg.zeros([1] * 16).unsqueeze(0), ShapeError, "unsqueeze"),
        (lambda: mg.zeros(2**61), MemoryError, "zeros: .* takes 9223372036854775808 bytes"),
        (lambda: mg.ones(2**44), OutOfMemoryError, r"ones: .* \(17592186044416,\) of float32"),
        (lambda: mg.rand(2**44), OutOfMemoryError, "random numbers: .* takes 70368744177664"),
        (lambda: mg.arange(2**44), OutOfMemoryError, "arange: .* of float64"),
        (lambda: mg.linspace(0, 1, 2**44), OutOfMemoryError, "linspace: .* of float64"),
        (lambda: mg.eye(2**22), OutOfMemoryError, r"eye: .* shape \(4194304, 4194304\)"),
        (lambda: mg.tensor([1]) // 0, ZeroDivisionError, "floor_divide"),
        (lambda: mg.tensor([2]) ** -1, ValueError, "pow: int64 to the power of a negative number"),
        (lambda: mg.zeros(2.0), TypeError, "zeros: ints are needed, .* not 2.0"),
        (lambda: mg.zeros(None), TypeError, "zeros: .* not None"),
        (lambda: mg.full(2.0, 1), TypeError, "full: ints are needed"),
        (lambda: mg.eye(-1), ShapeError, r"eye: shape \(-1, -1\) has a negative size"),
        (lambda: x.reshape(2.0, 12), TypeError, "reshape: ints are needed, .* not 2.0, 12"),
        (lambda: x.reshape(-2, 12), ShapeError, "sizes are not negative, but for -1"),
        (lambda: x.view(mg.int32), TypeError, "view: it takes sizes, not pymicrograd.int32"),
        (lambda: x.split(1.5), TypeError, "split: ints are needed"),
        (lambda: x.roll((1, 2), 0), ShapeError, "roll: .* differ in number"),
        (lambda: x.pad((-2, -3)), ShapeError, r"pad: \(-2, -3\) cuts off more than axis 2 has, 4"),
        (lambda: x.pad(1), ShapeError, "pad: .* two numbers an axis"),
        (lambda: x.index_select(1, [3]), TensorIndexError,
         "index_select: index 3 is out of range for axis 1 of size 3"),
        (lambda: x[:, mg.tensor([3])], TensorIndexError,
         r"x\[...\]: index 3 is out of range for an axis of size 3"),
        (lambda: x.__setitem__([2], 0.0), TensorIndexError, r"x\[...\] = value: index 2"),
        (lambda: x.index_add(0, [2], x[:1]), TensorIndexError, "index_add: index 2"),
        (lambda: x.masked_select(x), DTypeError, "masked_select: a mask is of bool, not float32"),
        (lambda: x.gather(0, [0]), ShapeError,
         r"gather: an index of shape \(1,\) has not as many axes as the input, 3"),
        (lambda: x.gather(0, mg.zeros(1, 3, 5).long()), ShapeError,
         r"gather: .* larger than the input \(2, 3, 4\) at axis 2: only at axis 0 may it be"),
        (lambda: x.scatter_add(0, mg.zeros(1, 3, 4).long(), x[:, :1]), ShapeError,
         r"scatter_add: .* or than its source \(2, 1, 4\)"),
        (lambda: x.to("cuda"), ValueError, "the only device is 'cpu', not 'cuda'"),
        (lambda: x.to("cpu:1"), ValueError, "the only device is 'cpu', not 'cpu:1'"),
        (lambda: x.sum(foo=1), TypeError, r"^Tensor\.sum\(\) got an unexpected keyword .*foo"),
        (lambda: x.transpose(1), TypeError, r"^Tensor\.transpose\(\) missing"),
        (lambda: mg.tensor([1]).mean(), DTypeError, r"mean: is for floats, not int64: .*dtype="),
        (lambda: mg.tensor([1]).var(), DTypeError, r"var: is for floats, .* float\(\)$"),
        (lambda: x.mm(x[0]), ShapeError, r"mm: .* are not two matrices"),
        (lambda: x.bmm(x[0].T), ShapeError, "bmm: .* not two batches of matrices"),
        (lambda: x[:1].bmm(x.mT), ShapeError, "bmm: .* differ in their batches"),
        (lambda: x[0].mv(x[0].T), ShapeError, "mv: .* not a matrix and a vector"),
        (lambda: x[0, 0].dot(x[0, 0].double()), DTypeError, "dot: float32 and float64"),
        (lambda: mg.set_num_threads("2"), TypeError, "set_num_threads: .* an int, not '2'"),
        (lambda: mg.set_memory_limit("a"), TypeError, "set_memory_limit: .* not 'a'"),
        (lambda: x.gelu("sigmoid"), ValueError, "approximate"),
    ]  # fmt: skip
    for call, error, text in wrong:
        with pytest.raises(error, match=text):
            call()
    assert same(x, A)
    number = mg.tensor(1.0)
    without_axes: dict[str, Callable[[], Any]] = {
        "chunk": lambda: number.chunk(2),
        "unbind": lambda: number.unbind(),
        "unflatten": lambda: number.unflatten(0, (1, 1)),
        "split": lambda: number.split(2),
        "narrow": lambda: number.narrow(0, 0, 1),
        "select": lambda: number.select(0, 0),
        "roll": lambda: number.roll(1, 0),
        "size": lambda: number.size(0),
        "stride": lambda: number.stride(0),
    }
    for name, call in without_axes.items():
        with pytest.raises(TensorIndexError, match=rf"^{name}: a tensor of shape \(\) has no axes"):
            call()


def test_products_of_known_ranks() -> None:
    array = np.arange(24).reshape(2, 3, 4)
    x = mg.tensor(array)
    assert same(x[0].mm(x[1].T), array[0] @ array[1].T)
    assert same(x.bmm(x.mT), array @ array.transpose(0, 2, 1))
    assert same(x[0].mv(x[1, 0]), array[0] @ array[1, 0])
    assert same(x[0, 0].dot(x[1, 0]), array[0, 0] @ array[1, 0])


def test_finite_infinite_and_not_a_number() -> None:
    for kind in DTYPES:
        x = mg.tensor([0, 1], dtype=kind)
        found = [y.tolist() for y in (x.isfinite(), x.isinf(), x.isnan())]
        assert found == [[True, True], [False, False], [False, False]]
    x = mg.tensor([1.0, math.inf, -math.inf, math.nan])
    assert x.isfinite().tolist() == [True, False, False, False]


def test_a_factor_of_an_operand() -> None:
    x = mg.tensor([1.0, 2.0])
    for other in ([1.0, 2.0], (1, 2), np.array([1.0, 2.0], np.float32), mg.tensor([1, 2])):
        assert x.add(other, alpha=2).tolist() == [3.0, 6.0]
        assert x.sub(other, alpha=2).tolist() == [-1.0, -2.0]
        assert x.clone().add_(other, alpha=2).tolist() == [3.0, 6.0]
    assert x.add(1, alpha=0.5).tolist() == [1.5, 2.5]
    with pytest.raises(TypeError, match="add: <class 'str'> is neither a tensor nor a number"):
        x.add("a", alpha=2)


def test_no_axes_are_squeezed_or_flipped() -> None:
    x = mg.tensor(A)[:, :1]
    assert same(x.squeeze(()), A[:, :1])
    assert same(x.flip(()), A[:, :1])
    assert same(x.flip(), A[:, :1])


# ---- printing --------------------------------------------------------------------------------

PRINTED = {
    "tensor([1., 2.])": lambda: mg.tensor([1.0, 2.0]),
    "tensor(1.5000)": lambda: mg.tensor(1.5),
    "tensor([ 1.5000, -2.2500])": lambda: mg.tensor([1.5, -2.25]),
    "tensor([[1, 2],\n        [3, 4]])": lambda: mg.tensor([[1, 2], [3, 4]]),
    "tensor([ True, False])": lambda: mg.tensor([True, False]),
    "tensor([1., 2.], dtype=pymicrograd.float64)": lambda: mg.tensor([1.0, 2.0], dtype="float64"),
    "tensor([1, 2], dtype=pymicrograd.int32)": lambda: mg.tensor([1, 2], dtype="int32"),
    "tensor([1., 2.], requires_grad=True)": lambda: mg.tensor([1.0, 2.0], requires_grad=True),
    "tensor([2., 4.], grad_fn=<MulBackward0>)": lambda: (
        mg.ones(2, requires_grad=True) * mg.tensor([2.0, 4.0])
    ),
    "tensor([])": lambda: mg.tensor([]),
    "tensor([], size=(0, 3))": lambda: mg.zeros(0, 3),
    "tensor([], dtype=pymicrograd.int64)": lambda: mg.tensor([], dtype="int64"),
    "tensor([1.0000e+00, 1.0000e+05, 5.0000e-01])": lambda: mg.tensor([1.0, 1e5, 0.5]),
    "tensor([nan, inf, -inf, 1.])": lambda: mg.tensor([math.nan, math.inf, -math.inf, 1.0]),
    "tensor([nan, inf])": lambda: mg.tensor([math.nan, math.inf]),
    "tensor([0., -0.])": lambda: mg.tensor([0.0, -0.0]),
    "tensor([1.0000e+00, 2.0000e+03])": lambda: mg.tensor([1.0, 2000.0]),
    "tensor([100000000.])": lambda: mg.tensor([1e8]),
    "tensor([1.0000e+09])": lambda: mg.tensor([1e9]),
    "tensor([0.0000, 1.5000])": lambda: mg.tensor([0.0, 1.5]),
    "tensor([[inf, 1.],\n        [0., 2.]])": lambda: mg.tensor([[math.inf, 1.0], [0.0, 2.0]]),
    "tensor([inf, -1.])": lambda: mg.tensor([math.inf, -1.0]),
    "tensor([9.9999e-05])": lambda: mg.tensor([9.9999e-5]),
}


@pytest.mark.parametrize("text", PRINTED)
def test_printing(text: str) -> None:
    found = repr(PRINTED[text]())
    assert found == text


def test_printing_of_many() -> None:
    text = repr(mg.arange(2000))
    assert text == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"
    text = repr(mg.zeros(40, 3, 50))
    assert text.count("...") == 1 + 6 * 3
    assert len(text) < 2500
    assert "\n\n" in text
    assert max(map(len, repr(mg.arange(100) / 7).splitlines())) <= 80


def test_print_options() -> None:
    x = mg.tensor([0.5, 1000.0])
    try:
        mg.set_printoptions(precision=2, sci_mode=False)
        assert repr(x) == "tensor([   0.50, 1000.00])"
        mg.set_printoptions(profile="short", threshold=4)
        assert repr(x) == "tensor([5.00e-01, 1.00e+03])"
        assert repr(mg.arange(6)) == "tensor([0, 1,  ..., 4, 5])"
        mg.set_printoptions(profile="full", linewidth=20)
        assert repr(mg.arange(6)) == "tensor([0, 1, 2, 3,\n        4, 5])"
        with pytest.raises(ValueError, match="profile is"):
            mg.set_printoptions(profile="long")
    finally:
        mg.set_printoptions(profile="default", linewidth=80)
    assert repr(x) == "tensor([5.0000e-01, 1.0000e+03])"


def test_numbers_format_as_python_formats_them() -> None:
    assert f"{mg.tensor(0.5)} {mg.tensor(3)} {mg.tensor(True)}" == "0.5 3 True"
    assert f"{mg.tensor(0.1)} {mg.tensor(2.0):6.2f}|{mg.tensor(7):03d}" == (
        "0.10000000149011612   2.00|007"
    )
    assert "%s" % mg.tensor(2.0) == str(mg.tensor(2.0)) == "tensor(2.)"  # noqa: UP031
    assert f"{mg.tensor([1.0])}" == "tensor([1.])"
    with pytest.raises(TypeError, match="format"):
        format(mg.tensor([1.0]), ".2f")


@given(st.lists(st.floats(width=32), min_size=1, max_size=30))
def test_printing_of_anything(numbers: list[float]) -> None:
    text = repr(mg.tensor(numbers))
    assert text.startswith("tensor([")
    words = text.replace("\n", "")[len("tensor([") : -2].split(",")
    assert len(words) == len(numbers)
    for word, number in zip(words, numbers, strict=True):
        printed = float(word)
        assert math.isnan(number) == math.isnan(printed)
        if math.isfinite(number):
            assert abs(printed - number) <= max(1e-4 * abs(number), 1e-4)


# ---- creation --------------------------------------------------------------------------------


def test_constants() -> None:
    assert same(mg.zeros(2, 3), np.zeros((2, 3), np.float32))
    assert same(mg.ones((2,), dtype="int64"), np.ones(2, np.int64))
    assert same(mg.full((2, 2), 7), np.full((2, 2), 7))
    assert same(mg.full((), 0.1, dtype="float64"), np.float64(0.1))
    assert mg.empty(3).shape == (3,)
    x = mg.ones(2, 3, dtype="uint8")
    assert same(mg.zeros_like(x), np.zeros((2, 3), np.uint8))
    assert same(mg.ones_like(x, dtype="float32"), np.ones((2, 3), np.float32))
    assert same(mg.full_like(x, 3), np.full((2, 3), 3, np.uint8))
    assert mg.empty_like(x).dtype is mg.uint8
    assert mg.zeros(2, requires_grad=True).requires_grad
    assert same(mg.eye(3), np.eye(3, dtype=np.float32))
    assert same(mg.eye(2, 4, dtype="int64"), np.eye(2, 4, dtype=np.int64))
    assert same(mg.eye(4, 2, dtype="bool"), np.eye(4, 2, dtype=bool))
    assert mg.eye(0).shape == (0, 0)
    with pytest.raises(ValueError, match="device"):
        mg.zeros(2, device="cuda")


@pytest.mark.parametrize(
    "arguments", [(5,), (2, 5), (5, 2, -1), (0,), (0, 10, 3), (0.0, 1.0, 0.25), (3, 0, -1)]
)
def test_ranges(arguments: Any) -> None:
    expected = np.arange(*arguments)
    found = mg.arange(*arguments)
    kind = np.float32 if expected.dtype.kind == "f" else np.int64
    assert same(found, expected.astype(kind))
    with pytest.raises(ValueError, match="arange"):
        mg.arange(0, 5, 0)
    with pytest.raises(ValueError, match="arange"):
        mg.arange(0, math.inf)
    for away in ((3, 0), (1, 0, 0.1), (0, 1, -1)):
        with pytest.raises(ValueError, match="lead away from"):
            mg.arange(*away)


def test_linspace() -> None:
    for steps in (0, 1, 2, 5, 100):
        found = mg.linspace(-1, 3, steps, dtype="float64")
        assert np.allclose(found.numpy(), np.linspace(-1, 3, steps))
        if steps > 1:
            assert found[-1].item() == 3.0
    symmetric = mg.linspace(-1, 1, 11)
    assert (symmetric + symmetric.flip(0)).abs().max().item() == 0.0


def test_random_numbers_are_those_of_the_scalar_generator() -> None:
    a, b = mg.RNG(7), mg.RNG(7)
    assert mg.rand(2, 3, generator=a).ravel().tolist() == [b.random() for _ in range(6)]
    normal = mg.randn(5, generator=a, dtype="float64").tolist()
    assert normal == [b.normal() for _ in range(5)]
    floats = mg.randn(3, generator=a).tolist()
    assert floats == [float(np.float32(b.normal())) for _ in range(3)]
    ints = mg.randint(-3, 9, (4,), generator=a).tolist()
    assert ints == [-3 + b.random_u32() % 12 for _ in range(4)]
    wide = mg.randint(-(2**62), 2**62, (2,), generator=a).tolist()
    assert wide == [-(2**62) + ((b.random_u32() << 32 | b.random_u32()) % 2**63) for _ in range(2)]
    order = list(range(6))
    b.shuffle(order)
    assert mg.randperm(6, generator=a).tolist() == order
    filled = mg.zeros(3).uniform_(-1, 1, generator=a).tolist()
    assert filled == [float(np.float32(b.uniform(-1, 1))) for _ in range(3)]
    assert mg.zeros(2, dtype="float64").normal_(1, 2, generator=a).tolist() == [
        b.normal(1, 2) for _ in range(2)
    ]
    assert a.state == b.state
    mg.manual_seed(5)
    first = mg.rand(3).tolist()
    mg.manual_seed(5)
    assert mg.rand_like(mg.ones(3)).tolist() == first
    assert mg.randn_like(mg.ones(2, dtype="float16")).dtype is mg.float16
    mg.manual_seed(5)
    filled = mg.zeros(3, dtype="bfloat16").uniform_()
    assert filled.tolist() == mg.tensor(first).bfloat16().tolist()
    assert {*mg.zeros(99, dtype="int8").random_(-3, 3).tolist()} == {-3, -2, -1, 0, 1, 2}
    assert mg.randint(-128, 128, (99,), dtype="int8").min() < -50
    with pytest.raises(DTypeError):
        mg.rand(2, dtype="int64")
    with pytest.raises(ValueError, match="randint"):
        mg.randint(5, 5, (1,))
    with pytest.raises(TypeError):
        mg.rand(2, generator=3)


# ---- the process -----------------------------------------------------------------------------


def test_instruction_sets_and_threads() -> None:
    before, threads = mg.isa(), mg.get_num_threads()
    try:
        x = mg.randn(100, 70, generator=mg.RNG(3))
        results = set()
        for name in ("baseline", "avx2", "avx512", None):
            for count in (1, 2, 3):
                try:
                    mg.set_isa(name)
                except ValueError:
                    continue
                mg.set_num_threads(count)
                assert mg.get_num_threads() == count
                results.add(((x @ x.T).tanh().logsumexp(0)).numpy().tobytes())
        assert len(results) == 1
    finally:
        mg.set_isa(before)
        mg.set_num_threads(threads)
    for wrong in (-1, 1025):
        with pytest.raises(ValueError, match="number of threads"):
            mg.set_num_threads(wrong)
    with pytest.raises(ValueError, match=r"no set of kernels named 'sse9'; here are baseline"):
        mg.set_isa("sse9")
    assert mg.isa() == before


def test_the_environment() -> None:
    source = "import pymicrograd as mg; print(mg.isa(), mg.get_num_threads())"
    assert run_python(source, MG_ISA="baseline", MG_NUM_THREADS="3") == "baseline 3\n"
    rows = (
        ("MG_ISA", "sse9", "here are baseline"),
        ("MG_NUM_THREADS", "many", "from 1 to 1024, or 0"),
        ("MG_NUM_THREADS", "-2", "from 1 to 1024, or 0"),
    )
    for name, value, rule in rows:
        source = f"""
try:
    import pymicrograd._core
except ValueError as error:
    print(str(error).startswith("{name}={value} in the environment") and "{rule}" in str(error))
"""
        assert run_python(source, **{name: value}) == "True\n"


def test_integers_are_rounded_to_themselves() -> None:
    x = mg.tensor([2**53 + 1, -3])
    for y in (x.floor(), x.ceil(), x.round(), x.trunc()):
        assert (y.dtype, y.tolist(), y.data_ptr() == x.data_ptr()) == (
            mg.int64, [2**53 + 1, -3], False,
        )  # fmt: skip


def test_repeat_copies() -> None:
    for x, counts in (
        (mg.tensor([1.0, 2.0]), (3, 1)), (mg.zeros(1), (3,)), (mg.tensor(5.0), (3,)),
        (mg.tensor([[1.0, 2.0]]), (1, 1)),
    ):  # fmt: skip
        y = x.repeat(*counts)
        before = y.tolist()
        x += 1
        assert y.tolist() == before
        y[..., 0] = 9
        assert (y == 9).sum().item() == math.prod(y.shape[:-1])


def test_memory_is_given_back() -> None:
    gc.collect()
    nodes = mg.memory_usage()["nodes"]
    for _ in range(300):
        x = mg.ones(1000, 1000)
        y = (x + 1).reshape(-1)[::2]
    assert mg.memory_usage()["peak_bytes"] < 2**30
    del x, y
    gc.collect()
    assert mg.memory_usage()["nodes"] == nodes


def test_running_out_of_memory_changes_nothing() -> None:
    x = mg.ones(50, 50)
    nodes = mg.memory_usage()["nodes"]
    calls: list[Callable[[], Any]] = [
        lambda: x + x, lambda: x @ x, lambda: x[:, [1, 2]], lambda: x.exp(), lambda: x.sum(0),
        lambda: mg.tensor([[1.0] * 500] * 3), lambda: mg.rand(500), lambda: mg.cat((x, x)),
    ]  # fmt: skip
    for call in calls:
        failures = 0
        for after in range(6):
            _core.fail_allocation(after)
            try:
                call()
            except OutOfMemoryError:
                failures += 1
            finally:
                _core.fail_allocation(-1)
            assert mg.memory_usage()["nodes"] == nodes
        call()
    assert x.sum().item() == 2500.0


def test_threads_share_tensors() -> None:
    x = mg.randn(300, 300, generator=mg.RNG(1))
    expected = (x @ x).sum().item()
    results: list[float] = []

    def work() -> None:
        for _ in range(10):
            y = x @ x
            y += 0
            results.append(y.sum().item())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 40


def test_objects_are_small_and_numpy_is_not_needed() -> None:
    assert sys.getsizeof(mg.ones(2)) <= 120
    source = """
import sys
import pymicrograd as mg
x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
(x @ x + x[0]).exp().mean().backward()
print(x.grad.tolist() != [], repr(x)[:6], "numpy" in sys.modules)
"""
    assert run_python(source) == "True tensor False\n"


def test_every_op_of_the_table_can_be_reached() -> None:
    """A method, or a function, for each row that is no part of another op."""
    inner = {
        "leaf", "pow_number", "gelu_tanh", "gelu_slope", "step", "share", "at_least", "below",
        "mask", "slice", "window", "argmax_window", "cast", "spread", "fold", "cat", "assign",
        "take", "add_at", "put_at", "linear", "convolve", "cross_entropy", "layer_norm", "rms_norm",
        "function", "output", "squared_difference", "group_norm", "group_back", "group_sums",
        "plane_means", "plane_scale", "plane_back",
    }  # fmt: skip
    for name in set(_core.OPS) - inner:
        assert callable(getattr(mg.Tensor, name)), name
    x = mg.ones(2, 2, dtype=mg.int64)
    for name, number in _core.OPS.items():
        arity = _core.ARITIES[number]
        if name in inner or arity not in (1, 2):
            continue
        assert getattr(x, name)(*[x] * (arity - 1)).shape == (2, 2)
        assert hasattr(x, name + "_")
    with pytest.raises(AttributeError):
        x.pow_number  # noqa: B018


def test_gradient_error_of_copies() -> None:
    w = mg.ones(2, requires_grad=True)
    with pytest.raises(GradientError):
        mg.tensor(w)
    assert mg.as_tensor(w) is w
