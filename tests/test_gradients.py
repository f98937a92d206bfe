"""Gradients of Tensors: recording, backward and grad, hooks, Functions, whole derivatives."""

from __future__ import annotations

import gc
import math
import operator
import os
import random
import signal
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd import _core, autograd, functional
from pymicrograd.autograd import gradcheck, gradgradcheck
from pymicrograd.errors import (
    ChangedError,
    DTypeError,
    GradientError,
    OutOfMemoryError,
    ShapeError,
    ViewError,
)

F = mg.functional


def leaf(*shape: int, low: float = -1.0, high: float = 1.0, seed: int = 3) -> Any:
    """Return full-mantissa numbers of float64, that no op has a kink at."""
    generator = mg.RNG(seed)
    numbers = [generator.uniform(low, high) + generator.random() * 2.0**-24 for _ in range(100)]
    x = mg.tensor(numbers[: math.prod(shape)], dtype="float64").reshape(shape)
    return x.requires_grad_()


def vector(*numbers: float) -> Any:
    return mg.tensor(numbers, requires_grad=True)


def grads(*tensors: Any) -> list[Any]:
    return [None if x.grad is None else x.grad.tolist() for x in tensors]


# ---- every op --------------------------------------------------------------------------------

ANYWHERE = (
    "abs cos cosh erf exp exp2 expm1 asinh atan gelu neg relu sigmoid silu sin sinh "
    "softplus square tan tanh floor ceil round trunc sign"
)
ONE: dict[str, tuple[float, float]] = {name: (-0.9, 0.9) for name in ANYWHERE.split()}
ONE |= {name: (0.2, 2.0) for name in ("log", "log1p", "log2", "sqrt", "rsqrt", "reciprocal")}
ONE |= {name: (-0.8, 0.8) for name in ("asin", "acos", "atanh")} | {"acosh": (1.2, 3.0)}


@pytest.mark.parametrize("name", ONE)
def test_ops_of_one_operand(name: str) -> None:
    x = leaf(7, low=ONE[name][0], high=ONE[name][1])
    assert gradcheck(lambda x: getattr(x, name)(), x)
    assert gradgradcheck(lambda x: getattr(x, name)(), x)


TWO = "add sub mul div pow maximum minimum clamp_min clamp_max remainder".split()


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0, 3), (3,))])
def test_ops_of_two_operands(name: str, shapes: tuple[Any, Any]) -> None:
    a = leaf(*shapes[0], low=0.5, high=3.0)
    b = leaf(*shapes[1], low=0.6, high=2.0, seed=7)
    assert gradcheck(lambda a, b: getattr(a, name)(b), (a, b))
    assert gradgradcheck(lambda a, b: getattr(a, name)(b), (a, b))


MANY: dict[str, Callable[..., Any]] = {
    "x op x": lambda x: x * x + x / x - x**x,
    "number op x": lambda x: 2.0 - x + 3.0 / x + 2.0**x + x**3 + x**-1.5 + x % 0.7,
    "sum": lambda x: x.sum(),
    "sum of axes": lambda x: x.sum((0, -1)) * x.sum(1, keepdim=True).exp().sum(),
    "mean": lambda x: x.mean(1),
    "prod": lambda x: x.prod(2),
    "prod of all": lambda x: x.prod(),
    "amax": lambda x: x.amax((0, 1)),
    "amin": lambda x: x.amin(),
    "max": lambda x: x.max(1).values,
    "min": lambda x: x.min(2, keepdim=True)[0],
    "var": lambda x: x.var((0, 2)),
    "std": lambda x: x.std(1, correction=0),
    "logsumexp": lambda x: x.logsumexp((1, 2)),
    "cumsum": lambda x: x.cumsum(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "reshape": lambda x: (x.reshape(4, 6) ** 2).T.reshape(-1),
    "permute": lambda x: x.permute(2, 0, 1) * x.movedim(0, 2).transpose(0, 1).mT,
    "expand": lambda x: x.unsqueeze(1).expand(2, 5, 3, 4) ** 2,
    "repeat": lambda x: x.repeat(2, 1, 1, 2) ** 2,
    "flip": lambda x: x.flip(0, -1) * x,
    "roll": lambda x: x.roll((1, -2), (0, 2)) * x,
    "pad": lambda x: x.pad((1, 2, -1, 1), value=2.0) ** 2,
    "narrow": lambda x: x.narrow(2, 1, 2) ** 2,
    "split": lambda x: x.split((1, 2), 1)[1] ** 2,
    "unbind": lambda x: x.unbind(1)[0] * x.unbind(1)[2],
    "cat": lambda x: mg.cat((x, x * x, x[:1]), 0),
    "stack": lambda x: mg.stack((x, x * x), -1),
    "gather": lambda x: x.gather(2, mg.tensor([[[0, 0], [1, 3], [2, 2]]] * 2)) ** 2,
    "scatter_add": lambda x: x.scatter_add(1, mg.tensor([[[0] * 4, [2] * 4]] * 2), x[:, :2]) ** 2,
    "index_select": lambda x: x.index_select(1, [2, 0, 2]) ** 2,
    "index_add": lambda x: x.index_add(1, [2, 0, 2], x * x) ** 2,
    "take_along_dim": lambda x: x.take_along_dim(x.detach().argmax(2, keepdim=True), 2) ** 2,
    "masked": lambda x: x.masked_fill(x > 1.0, 3.0) * x[x > 1.0].sum(),
    "where": lambda x: mg.where(x > 1.0, x * x, -x),
    "clamp": lambda x: x.clamp(0.7, 1.3) ** 2,
    "tril": lambda x: x.tril() ** 2 + x.triu(1),
    "matmul": lambda x: x @ x.mT,
    "matmul of vectors": lambda x: (x @ x[0, 0]) @ x[0, :, 0] + x[0, 0] @ x[1, 0],
    "matmul broadcast": lambda x: x @ x.mT[0] + x.mT.reshape(2, 1, 4, 3)[:, 0].mT @ x[1].mT,
    "outer": lambda x: x[0, 0].outer(x[1, 1]) * x[0, 0].dot(x[1, 1]),
    "to": lambda x: (x.float() * 2.0).double().contiguous().clone() * 0.0 + x,
    "linear": lambda x: F.linear(x, x[0] * 2, x[1, :, 0]),
    "layer_norm": lambda x: F.layer_norm(x, (3, 4), x[0] * 2, x[1]),
    "rms_norm": lambda x: F.rms_norm(x, 4, x[0, 0]),
    "cross_entropy": lambda x: F.cross_entropy(
        x, [[0, 2, 1, 1], [2, 2, 0, 1]], label_smoothing=0.1, ignore_index=1
    ),
    "cross_entropy of each": lambda x: F.cross_entropy(x[0], [0, 3, 1], reduction="none"),
    "conv2d": lambda x: F.conv2d(
        x.unsqueeze(0), x[:, :, :2].reshape(1, 2, 2, 3), x[0, 0, :1], padding=1
    ),
    "conv_transpose2d": lambda x: F.conv_transpose2d(
        x.unsqueeze(0), x[:, :, :2].reshape(2, 1, 2, 3), stride=2, padding=1
    ),
    "max_pool2d": lambda x: F.max_pool2d(x, 2, 1, padding=1) ** 2,
    "avg_pool2d": lambda x: F.avg_pool2d(x, (2, 3), 1) ** 2,
}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_other_ops(name: str) -> None:
    x = leaf(2, 3, 4, low=0.5, high=1.5)
    loose = {"atol": 1e-4, "eps": 1e-4} if name == "to" else {}
    assert gradcheck(MANY[name], x, **loose)
    assert gradgradcheck(MANY[name], x, **loose)
    turned = leaf(4, 3, 2, low=0.5, high=1.5).detach().permute(2, 1, 0).requires_grad_()
    assert gradcheck(MANY[name], turned, **loose)


# Each has a part that does not contribute, and what follows has an infinite slope, or none, there.
MASKED: dict[str, tuple[Callable[[Any], Any], list[float], list[float], list[float]]] = {
    "clamp min": (lambda x: x.clamp(min=0.0).sqrt(), [-1.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]),
    "clamp max": (lambda x: (1.0 - x.clamp(max=1.0)).sqrt(), [2.0, 0.0], [0.0, -0.5], [0.0, -0.25]),
    "clamp": (lambda x: x.clamp(-1, 1).acos(), [2.0, 0.0], [0.0, -1.0], [0.0, 0.0]),
    "relu": (lambda x: x.relu().log(), [-1.0, 4.0], [0.0, 0.25], [0.0, -1 / 16]),
    "abs": (lambda x: x.abs().sqrt(), [0.0, -4.0], [0.0, -0.25], [0.0, -1 / 32]),
    "maximum": (
        lambda x: x.maximum(mg.zeros_like(x)).log(), [-1.0, 4.0], [0.0, 0.25], [0.0, -1 / 16]
    ),
    "minimum": (
        lambda x: (-x).minimum(mg.zeros_like(x)).neg().sqrt(),
        [-1.0, 4.0], [0.0, 0.25], [0.0, -1 / 32],
    ),
    "where": (
        lambda x: mg.where(x > 0, x, 0.0).log(), [-1.0, 4.0], [0.0, 0.25], [0.0, -1 / 16]
    ),
    "masked_fill": (
        lambda x: x.masked_fill(x < 0, 0.0).sqrt(), [-1.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]
    ),
    "amin": (lambda x: x.amin(0).sqrt(), [0.0, 4.0], [math.inf, 0.0], [-math.inf, 0.0]),
    "amax": (lambda x: x.neg().amax(0).neg().log(), [4.0, 0.0], [0.0, math.inf], [0.0, -math.inf]),
    "min": (lambda x: x.min(0)[0].sqrt(), [0.0, 4.0], [math.inf, 0.0], [-math.inf, 0.0]),
    "max_pool2d": (
        lambda x: F.max_pool2d(-x.reshape(1, 1, 2), (1, 2)).neg().sqrt(),
        [4.0, 0.0], [0.0, math.inf], [0.0, -math.inf],
    ),
    "ignored": (
        lambda x: F.cross_entropy(x.reshape(2, 1), [0, -100]), [0.0, math.nan], [0.0, 0.0],
        [0.0, 0.0],
    ),
    "silu": (lambda x: x.silu(), [-math.inf, math.inf, -1e30], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]),
    "gelu": (lambda x: x.gelu(), [-math.inf, math.inf, -1e30], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]),
    "gelu tanh": (
        lambda x: x.gelu("tanh"), [-math.inf, math.inf, -1e30, 1e30],
        [0.0, 1.0, 0.0, 1.0], [0.0] * 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MASKED)
def test_masks_select(name: str, dtype: str) -> None:
    function, numbers, first, second = MASKED[name]
    x = mg.tensor(numbers, dtype=dtype, requires_grad=True)
    (plain,) = mg.grad(function(x).sum(), x)
    assert plain.tolist() == first
    (recorded,) = mg.grad(function(x).sum(), x, create_graph=True)
    assert recorded.tolist() == first
    if recorded.requires_grad:
        parts = [mg.grad(d, x, retain_graph=True)[0].tolist() for d in recorded]
        assert [parts[i][i] for i in range(len(numbers))] == second


def rowwise(shape: tuple[int, ...], x: Any, p: Any, q: Any) -> dict[str, tuple[Any, list[Any]]]:
    """Return ops along rows, with what they depend on."""
    n = shape[-1]
    targets = [-100 if i % 5 == 3 else i * 7 % n for i in range(shape[0])]
    made = {
        "softmax": (x.softmax(1), [x]),
        "log_softmax": (x.log_softmax(1), [x]),
        "layer_norm": (F.layer_norm(x, n, p, q), [x, p, q]),
        "layer_norm of all": (F.layer_norm(x, shape), [x]),
        "rms_norm": (F.rms_norm(x, n, p), [x, p]),
        "rms_norm alone": (F.rms_norm(x, n), [x]),
    }
    for reduction in ("none", "sum", "mean"):
        for smoothing in (0.0, 0.1):
            loss = F.cross_entropy(x, targets, reduction=reduction, label_smoothing=smoothing)
            made[f"cross_entropy {reduction} {smoothing}"] = (loss, [x])
    return made


def same_bits(a: Any, b: Any) -> bool:
    """Tell whether two tensors have the same bits; all NaNs are one."""
    a, b = a.detach().numpy(), b.detach().numpy()
    nan = a != a
    return (nan == (b != b)).all() and np.where(nan, 0, a).tobytes() == np.where(
        nan, 0, b
    ).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 1), (7, 3), (40, 33), (3, 513), (2, 4097), (4100, 3)]
)
def test_kernels_of_rows_give_the_bits_of_recorded_ops(shape: tuple[int, int], dtype: str) -> None:
    rng = np.random.default_rng(7)
    numbers = rng.standard_normal(shape) * 3.0
    numbers[rng.random(shape) < 0.02] = 0.0
    numbers[0, 0] = np.nan if shape[0] > 3 else 1.0
    x = mg.tensor(numbers, dtype=dtype, requires_grad=True)
    p, q = (mg.tensor(rng.standard_normal(shape[1]), dtype=dtype, requires_grad=True)
            for _ in range(2))  # fmt: skip
    for name, (y, of) in rowwise(shape, x, p, q).items():
        numbers = rng.standard_normal(y.shape)
        numbers = np.where(rng.random(y.shape) < 0.1, -0.0, numbers)
        g = mg.tensor(numbers, dtype=dtype)
        plain = mg.grad(y, of, g, retain_graph=True)
        recorded = mg.grad(y, of, g, create_graph=True)
        for a, b in zip(plain, recorded, strict=True):
            assert same_bits(a, b), name


@pytest.mark.parametrize("scale", [1e30, 1e-30, 1e38, 1e-42])
@pytest.mark.parametrize("epsilon", [1e-5, 0.0, 1e-30])
def test_norms_keep_the_range_of_float32(scale: float, epsilon: float) -> None:
    rng = np.random.default_rng(3)
    numbers = (rng.uniform(0.1, 1.0, (3, 40)) * np.float32(scale)).astype(np.float32)
    numbers[1] = rng.standard_normal(40)
    g = rng.standard_normal((3, 40))
    for norm in (F.layer_norm, F.rms_norm):
        found = []
        for dtype in ("float32", "float64"):
            x, p = (mg.tensor(a, dtype=dtype, requires_grad=True) for a in (numbers, g[2]))
            y = norm(x, 40, p, eps=epsilon)
            seed = mg.tensor(g, dtype=dtype)
            plain = mg.grad(y, [x, p], seed, retain_graph=True)
            recorded = mg.grad(y, [x, p], seed, create_graph=True)
            assert all(same_bits(a, b) for a, b in zip(plain, recorded, strict=True))
            found.append([t.detach().numpy() for t in (y, *plain)])
        for a, b in zip(*found, strict=True):
            rough = 1e-2 if scale < 1e-40 else 2e-4
            within = np.where(abs(b) < 3e38, b, np.copysign(np.inf, b))
            np.testing.assert_allclose(a, within, rtol=rough, atol=rough * abs(b[b < 3e38]).max())


@pytest.mark.parametrize("n", [1, 2, 3, 5, 32, 33, 70])
@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_products_have_all_derivatives_where_factors_are_0(n: int, zeros: int) -> None:
    """The third derivative by three factors is the product of the others, whatever is 0."""
    numbers = [0.5 + (i * 7 % n) / n for i in range(n)]
    for i in range(min(zeros, n)):
        numbers[i * 11 % n] = 0.0
    x = mg.tensor(numbers, dtype="float64", requires_grad=True)
    at: list[int] = [i * 11 % n for i in range(min(n, 3))]
    d = x.prod()
    for i, k in enumerate(at):
        (all_of_them,) = mg.grad(d, x, create_graph=True)
        others = [math.prod(numbers[j] for j in range(n) if j not in (*at[:i], m))
                  if m not in at[:i] else 0.0 for m in range(n)]  # fmt: skip
        np.testing.assert_allclose(all_of_them.tolist(), others, rtol=1e-12)
        d = all_of_them[k]


@pytest.mark.parametrize("scale", [1e20, 1e-30, 1e38, 1e-43])
def test_deviations_keep_the_range_of_float32(scale: float) -> None:
    numbers = np.float32([1.0, -1.0, 0.0, 0.25]) * np.float32(scale)
    x = mg.tensor(numbers, requires_grad=True)
    right = numbers.astype(np.float64).std(ddof=1)
    y = x.std()
    assert y.item() == pytest.approx(right, rel=1e-6, abs=1e-45)
    assert mg.stack((x, x, x * 0.5), 1).std(0)[1].item() == y.item()
    assert x.expand(3, 4).std(1).tolist() == [y.item()] * 3
    if scale > 1e-40:
        (d,) = mg.grad(y, x)
        wide = mg.tensor(numbers.astype(np.float64), requires_grad=True)
        np.testing.assert_allclose(d.numpy(), mg.grad(wide.std(), wide)[0].numpy(), rtol=1e-5)
    many = mg.tensor(np.float32([1e18, -1e18] * 5000))
    assert many.var(correction=0).item() == pytest.approx(1e36, rel=1e-6)


def test_kinks_and_ties() -> None:
    x = vector(-1.0, 0.0, -0.0, 2.0)
    cases: list[tuple[Any, list[float]]] = [
        (x.relu(), [0, 0, 0, 1]),
        (x.abs(), [-1, 0, 0, 1]),
        (x.maximum(mg.zeros(4)), [0, 0.5, 0.5, 1]),
        (x.clamp(min=0.0), [0, 1, 1, 1]),
        (x.clamp(-1.0, 0.0), [1, 1, 1, 0]),
        (x.sign(), [0, 0, 0, 0]),
        (x.amax() + (x * 0).amax(), [0, 0, 0, 1]),
        ((x * x).amin(), [0, 0, 0, 0]),
        (x**2, [-2, 0, 0, 4]),
        (x**0, [0, 0, 0, 0]),
    ]
    for y, expected in cases:
        (g,) = autograd.grad(y, x, mg.ones_like(y))
        assert g.tolist() == expected
    a = vector(1.0, 3.0, 3.0)
    assert autograd.grad(a.amax(), a)[0].tolist() == [0.0, 0.5, 0.5]
    assert autograd.grad(a.max(0).values, a)[0].tolist() == [0.0, 1.0, 0.0]


# ---- recording -------------------------------------------------------------------------------


def test_what_is_recorded() -> None:
    w, x = vector(1.0, 2.0), mg.ones(2)
    assert (w.is_leaf, w.grad_fn, x.requires_grad) == (True, None, False)
    y = w * x
    assert y.requires_grad
    assert not y.is_leaf
    assert (x + x).is_leaf
    assert not (w > 1).requires_grad
    assert not w.detach().requires_grad
    assert w.data.data_ptr() == w.data_ptr()
    assert repr(y.grad_fn) == "<MulBackward0>"
    assert [repr(f) for f, _ in y.sum().grad_fn.next_functions] == ["<MulBackward0>"]
    assert y.grad_fn.next_functions[0][0].variable.data_ptr() == w.data_ptr()


def test_only_floats_require_gradients() -> None:
    for x in (mg.tensor([1]), mg.tensor([True])):
        with pytest.raises(DTypeError, match="only tensors of floats"):
            x.requires_grad = True
    with pytest.raises(GradientError, match="requires_grad of leaves"):
        (vector(1.0) * 2).requires_grad = False
    w = vector(1.0)
    assert not w.requires_grad_(False).requires_grad


def test_no_grad_and_its_kin() -> None:
    w = vector(1.0)

    @mg.no_grad()
    def silent() -> Any:
        return w * 2

    @mg.no_grad
    def silent_too() -> Any:
        return w * 2

    @mg.set_grad_enabled(False)
    def never(depth: int) -> Any:
        return never(depth - 1) if depth else w * 2

    @mg.enable_grad()
    def loud() -> Any:
        return w * 2

    assert (w * 2).requires_grad
    for result in (silent(), silent_too(), never(2)):
        assert not result.requires_grad
        assert result.is_leaf
    with mg.no_grad():
        assert not mg.is_grad_enabled()
        assert loud().requires_grad
        with mg.enable_grad(), mg.no_grad():
            assert not (w * 2).requires_grad
        with mg.set_grad_enabled(True):
            assert (w * 2).requires_grad
        assert not (mg.Value(2.0) * 2)._prev
        assert not (w * 2).requires_grad
    assert mg.is_grad_enabled()
    mg.set_grad_enabled(False)
    assert not (w * 2).requires_grad
    mg.set_grad_enabled(True)
    assert (w * 2).requires_grad
    seen: list[bool] = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append((w * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


# ---- backward and grad -----------------------------------------------------------------------


def test_gradients_add_up() -> None:
    w = vector(1.0, 2.0)
    y = w * w
    y.sum().backward()
    kept = w.grad
    assert grads(w) == [[2.0, 4.0]]
    y.backward(mg.tensor([1.0, 10.0]))
    assert grads(w) == [[4.0, 44.0]]
    assert w.grad is kept
    w.grad = None
    assert w.grad is None
    w.grad = mg.tensor([5.0, 5.0])
    y.sum().backward()
    assert grads(w) == [[7.0, 9.0]]
    w.grad.zero_()
    assert grads(w) == [[0.0, 0.0]]
    with pytest.raises(ShapeError):
        w.grad = mg.ones(3)
    with pytest.raises(DTypeError):
        w.grad = mg.ones(2, dtype="float64")
    for wrong in (1.0, w):
        with pytest.raises(TypeError):
            w.grad = wrong
    assert grads(w) == [[0.0, 0.0]]


def test_backward_with_inputs_and_retained_gradients() -> None:
    a, b = vector(2.0), vector(3.0)
    y = a * b
    y.retain_grad()
    z = (y * y).sum()
    z.backward(inputs=[a])
    assert grads(a, b) == [[36.0], None]
    assert grads(y) in ([[12.0]], [None])
    z.backward()
    assert grads(a, b) == [[72.0], [24.0]]
    assert y.retains_grad
    z.backward(inputs=y)
    assert y.grad is not None


def test_what_has_no_gradient() -> None:
    w = vector(1.0, 2.0)
    with pytest.raises(GradientError, match="does not require grad"):
        mg.ones(1).backward()
    with pytest.raises(GradientError, match="only for scalar outputs"):
        (w * 2).backward()
    with pytest.raises(ShapeError, match=r"shape \(2,\), but its gradient shape \(3,\)"):
        (w * 2).backward(mg.ones(3))
    with pytest.raises(GradientError, match="does not require grad"):
        autograd.grad(w.sum(), mg.ones(2))
    other = vector(1.0)
    with pytest.raises(GradientError, match="do not depend on input 1"):
        autograd.grad(w.sum(), [w, other])
    assert autograd.grad(w.sum(), [w, other], allow_unused=True)[1] is None
    assert autograd.grad(w.sum(), other, materialize_grads=True)[0].tolist() == [0.0]
    with pytest.raises(TypeError):
        autograd.grad(w.sum(), 1.0)
    assert w.grad is None


def test_grad_of_values_is_the_same_function() -> None:
    x = mg.Value(3.0)
    (dx,) = mg.grad(x * x, [x], True)
    (ddx,) = mg.grad(dx, x)
    assert (dx.data, ddx.data) == (6.0, 2.0)


def test_gradients_of_any_order() -> None:
    x = mg.tensor(0.7, dtype="float64", requires_grad=True)
    y = x.sin()
    for k in range(1, 6):
        (y,) = autograd.grad(y, x, create_graph=True)
        assert math.isclose(y.item(), math.sin(0.7 + k * math.pi / 2), rel_tol=1e-14)
    x.grad = None
    (x**3).backward(create_graph=True)
    assert x.grad is not None
    assert x.grad.requires_grad
    x.grad.backward()


def test_backward_and_grad_give_the_same_bits() -> None:
    w = leaf(5, 4).detach().float().requires_grad_()
    loss = (w.tanh() @ w.T).logsumexp(1).mean()
    (g,) = autograd.grad(loss, w)
    (recorded,) = autograd.grad(loss, w, create_graph=True)
    loss.backward()
    assert w.grad is not None
    assert g.tolist() == recorded.tolist() == w.grad.tolist()


def test_a_saved_value_that_was_changed() -> None:
    w = vector(1.0, 2.0)
    x = mg.ones(2)
    y = (w * x).sum()
    x.add_(1)
    with pytest.raises(ChangedError, match=r"changed in place .*\(by mul, shape \(2,\)\)"):
        y.backward()
    assert w.grad is None
    z = w.exp()
    with mg.no_grad():
        z.mul_(2)
    with pytest.raises(RuntimeError):
        z.sum().backward()
    s = (w + x).sum()
    x.add_(1)  # a sum does not need it
    s.backward()
    assert grads(w) == [[1.0, 1.0]]


# ---- changes in place ------------------------------------------------------------------------


def test_leaves_are_updated_under_no_grad() -> None:
    w = vector(1.0, 2.0)
    (w * w).sum().backward()
    before = w.data_ptr()
    with mg.no_grad():
        w -= 0.5 * w.grad
    assert w.tolist() == [0.0, 0.0]
    assert w.is_leaf
    assert w.requires_grad
    assert w.data_ptr() == before
    w.data += 1.0
    assert w.tolist() == [1.0, 1.0]
    w.data = mg.tensor([3.0, 4.0])
    assert (w.tolist(), w.data_ptr() == before) == ([3.0, 4.0], True)
    changes: list[Callable[[], Any]] = [
        lambda: w.add_(1), lambda: w.exp_(), lambda: w.zero_(), lambda: w.copy_(mg.ones(2)),
        lambda: w.__iadd__(1), lambda: w.clamp_(0, 1), lambda: w.normal_(),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(GradientError, match="a leaf Tensor that requires grad"):
            change()
    assert w.tolist() == [3.0, 4.0]


def test_recorded_changes() -> None:
    w = vector(1.0, 2.0)
    y = w * 2
    same = y
    y += w
    y *= y
    assert same is y
    y.sum().backward()
    assert grads(w) == [[18.0, 36.0]]
    buffer = mg.zeros(2)
    buffer += w
    assert buffer.requires_grad
    counts = mg.tensor([1, 2])
    with pytest.raises(DTypeError):
        counts += w
    with pytest.raises(DTypeError):
        counts += 0.5
    with pytest.raises(ShapeError):
        y += mg.ones(3, 2)
    assert counts.tolist() == [1, 2]


def test_methods_refuse_views() -> None:
    """A recorded change of a view would not reach the tensor that the memory belongs to."""
    w = vector(1.0, 2.0)
    y = w * 2
    first, whole = y[0], y.view(2)
    with pytest.raises(ViewError):
        whole.add_(1)
    with pytest.raises(ViewError):
        y.reshape(1, 2).exp_()
    del whole
    y[1].add_(1)  # of y[key] it does
    y.mul_(2)
    assert (y.tolist(), first.item()) == ([4.0, 10.0], 2.0)
    y.sum().backward()
    assert grads(w) == [[4.0, 4.0]]


def test_changes_of_what_is_not_recorded() -> None:
    x = mg.arange(4).float()
    row = x.reshape(2, 2)[1]
    row += 10
    x.mul_(2).sub_(1)
    assert x.tolist() == [-1.0, 1.0, 23.0, 25.0]
    x.fill_(0.1)
    assert x.double().tolist() == mg.full((4,), 0.1).double().tolist()
    y = mg.zeros(2, dtype="float64").fill_(0.1)
    assert y.tolist() == [0.1, 0.1]
    x += mg.arange(4)
    x /= 2
    x **= 2
    x //= 1
    x %= 2
    assert x.tolist() == [0.0, 0.0, 1.0, 0.0]
    m = mg.arange(9).reshape(3, 3)
    m += m.T
    assert m.tolist() == [[0, 4, 8], [4, 8, 12], [8, 12, 16]]


# ---- hooks -----------------------------------------------------------------------------------


def test_hooks_see_and_replace_gradients() -> None:
    w = vector(1.0, 2.0)
    y = w * 3
    seen: list[Any] = []
    first = y.register_hook(lambda g: seen.append(g.tolist()))
    second = y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert (seen, grads(w)) == ([[1.0, 1.0]], [[30.0, 30.0]])
    first.remove()
    first.remove()
    second.remove()
    w.grad = None
    y.sum().backward()
    assert (len(seen), grads(w)) == (1, [[3.0, 3.0]])
    with w.register_hook(lambda g: -g):
        (w * w).sum().backward()
    assert grads(w) == [[1.0, -1.0]]
    with pytest.raises(GradientError):
        mg.ones(1).register_hook(print)
    with pytest.raises(TypeError):
        w.register_hook(1)


def test_a_hook_outlives_its_tensor() -> None:
    w = vector(1.0)
    y = w * 2
    y.register_hook(lambda g: g * 5)
    z = y.sum()
    del y
    gc.collect()
    z.backward()
    assert grads(w) == [[10.0]]


def test_hooks_that_hold_their_tensor_are_collected() -> None:
    class Big:
        pass

    def build(keep: bool) -> tuple[Any, Any]:
        w = vector(1.0)
        y = w * 2
        big = Big()
        y.register_hook(lambda g: (y, big) and g * 5)
        return weakref.ref(big), (y.sum(), w) if keep else None

    gc.collect()
    before = mg.memory_usage()["nodes"]
    gone, _ = build(False)
    gc.collect()
    assert gone() is None
    kept, (z, w) = build(True)
    gc.collect()
    assert kept() is not None  # z's graph still needs the hook
    z.backward()
    assert grads(w) == [[10.0]]
    del z, w, _
    gc.collect()
    assert kept() is None
    assert mg.memory_usage()["nodes"] == before


def test_hooks_may_fail_and_start_backwards_of_their_own() -> None:
    w, v = vector(1.0), vector(2.0)
    y = w * 2

    @mg.enable_grad()
    def nested(g: Any) -> None:
        (v * v).sum().backward()

    handle = y.register_hook(nested)
    y.sum().backward()
    assert grads(w, v) == [[2.0], [4.0]]
    handle.remove()
    wrong: list[tuple[Callable[[Any], Any], type[Exception]]] = [
        (lambda g: 1 / 0, ZeroDivisionError),
        (lambda g: 1.0, TypeError),
        (lambda g: mg.ones(3), ShapeError),
    ]
    for hook, error in wrong:
        with y.register_hook(hook), pytest.raises(error):
            (y * w).sum().backward()
        assert grads(w) == [[2.0]]
    assert mg.is_grad_enabled()
    (y * w).sum().backward()
    assert grads(w) == [[6.0]]


def test_hooks_record_only_in_create_graph() -> None:
    w = vector(3.0)
    y = w * w
    recorded: list[bool] = []

    def hook(g: Any) -> Any:
        recorded.append((g * w).requires_grad)
        return g * w

    y.register_hook(hook)
    autograd.grad(y.sum(), w)
    (g,) = autograd.grad(y.sum(), w, create_graph=True)
    assert recorded == [False, True]
    assert autograd.grad(g, w)[0].tolist() == [12.0]  # d 2w**2 / dw


# ---- Functions -------------------------------------------------------------------------------


class Exp(mg.Function):
    """exp, whose backward uses its output."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


class Two(mg.Function):
    """a * b and a + b * scale; the third output has no gradient."""

    @staticmethod
    def forward(ctx: Any, a: Any, scale: float, b: Any) -> Any:
        ctx.save_for_backward(a, b, None)
        ctx.scale = scale
        order = a > b
        ctx.mark_non_differentiable(order)
        return a * b, a + b * scale, order

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any, none: Any) -> Any:
        a, b, nothing = ctx.saved_tensors
        assert nothing is None
        assert none is None
        assert ctx.needs_input_grad[1] is False
        return g * b + h, None, g * a + h * ctx.scale


def test_functions_of_the_users() -> None:
    x = leaf(4)
    assert gradcheck(Exp.apply, x)
    assert gradgradcheck(Exp.apply, x)
    y = Exp.apply(x)
    assert repr(y.grad_fn) == "<ExpBackward>"
    first, *_ = autograd.grad(y.sum(), x, create_graph=True)
    second, *_ = autograd.grad(first.sum(), x, create_graph=True)
    third, *_ = autograd.grad(second.sum(), x)
    assert third.tolist() == x.exp().tolist()
    a, b = leaf(3), leaf(3, seed=9)
    assert gradcheck(lambda a, b: Two.apply(a, 2.5, b)[:2], (a, b))
    assert gradgradcheck(lambda a, b: Two.apply(a, 2.5, b)[:2], (a, b))
    outputs = Two.apply(a, 2.5, b)
    assert not outputs[2].requires_grad
    with mg.no_grad():
        assert not Exp.apply(x).requires_grad
    assert not Exp.apply(x.detach()).requires_grad


def test_only_some_outputs_are_used() -> None:
    a, b = leaf(3), leaf(3, seed=9)
    product, _, _ = Two.apply(a, 2.5, b)
    del _
    product.sum().backward()
    assert grads(a, b) == [b.tolist(), a.tolist()]


def test_functions_with_setup_context() -> None:
    class Cube(mg.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    assert gradcheck(Cube.apply, leaf(3))
    assert gradgradcheck(Cube.apply, leaf(3))


def test_functions_that_are_wrong() -> None:
    def function(result: Callable[[Any], Any]) -> Any:
        class Wrong(mg.Function):
            @staticmethod
            def forward(ctx: Any, a: Any, b: Any) -> Any:
                ctx.save_for_backward(a)
                return a * b

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                ctx.saved_tensors  # noqa: B018
                return result(g)

        return Wrong.apply

    a, b = vector(1.0, 2.0), mg.ones(2)
    wrong: list[tuple[Callable[[Any], Any], type[Exception]]] = [
        (lambda g: g, GradientError),
        (lambda g: (g, g, g), GradientError),
        (lambda g: (g[:1], None), ShapeError),
        (lambda g: (1.0, None), TypeError),
        (lambda g: 1 / 0, ZeroDivisionError),
    ]
    for result, error in wrong:
        with pytest.raises(error):
            function(result)(a, b).sum().backward()
    assert a.grad is None
    function(lambda g: (g, g, None))(a, b).sum().backward()
    function(lambda g: (None, None))(a, b).sum().backward()
    function(lambda g: (g.double(), None))(a, b).sum().backward()
    assert grads(a) == [[2.0, 2.0]]
    y = function(lambda g: (g, None))(b, a * 1)
    c = mg.ones(2, requires_grad=True)
    y = function(lambda g: (g, None))(c, b)
    with mg.no_grad():
        c.add_(1)
    with pytest.raises(ChangedError):
        y.sum().backward()
    with pytest.raises(NotImplementedError):
        mg.Function.apply(a)


def test_functions_let_go_of_what_they_saved() -> None:
    gc.collect()
    before = mg.memory_usage()["nodes"]
    x = leaf(4)
    y = Exp.apply(x)
    autograd.grad(y.sum(), x, create_graph=True)[0].sum().backward()
    del x, y
    assert mg.memory_usage()["nodes"] == before


# ---- derivatives of functions ----------------------------------------------------------------


def test_recorded_changes_share_no_memory_with_their_operands() -> None:
    w = mg.ones(3, requires_grad=True)
    for size in ((3,), (2, 3)):
        copy = mg.zeros(*size)
        copy.copy_(w)
        with mg.no_grad():
            copy[...] += 1
        assert copy.tolist() == mg.full(size, 2.0).tolist()
        assert w.tolist() == [1.0, 1.0, 1.0]
    y = w * 2
    y.zero_()
    y[0] = w[1]
    y.add_(w)
    y.sum().backward()
    assert (y.tolist(), w.grad.tolist()) == ([2.0, 1.0, 1.0], [1.0, 2.0, 1.0])


def test_a_recorded_change_of_a_view_is_refused() -> None:
    """It would not reach what it is a view of; that of x[key] does."""
    x = mg.ones(3, requires_grad=True)
    y = x * 2
    view = y.narrow(0, 0, 2)
    for change in (lambda v: v.mul_(5), lambda v: operator.imul(v, 5)):
        with pytest.raises(ViewError, match="would not reach"):
            change(view)
    with pytest.raises(ViewError):
        for row in y.reshape(3, 1):
            row *= 3
    del view, row
    y[:2] *= 5
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([10.0, 10.0, 2.0], [10.0, 10.0, 2.0])


@pytest.mark.parametrize("kind", [mg.float16, mg.bfloat16], ids=str)
def test_two_bytes_count_in_float32(kind: Any) -> None:
    """More elements than the type can count have gradients all the same."""
    x = mg.ones(70000, dtype=kind, requires_grad=True)
    x.mean().backward()
    assert x.grad.tolist() == [mg.tensor(1 / 70000, dtype=kind).item()] * 70000
    if kind is mg.bfloat16:
        return
    y = mg.tensor([1.0, 3.0] * 1025, dtype=mg.float16, requires_grad=True)
    (slope,) = autograd.grad(y.var(correction=2), y, mg.tensor(1024.0, dtype=mg.float16))
    assert slope[:2].tolist() == [-1.0, 1.0]
    (slope,) = autograd.grad(y.std(correction=0), y, mg.tensor(2050.0, dtype=mg.float16))
    assert slope[:2].tolist() == [-1.0, 1.0]


def test_a_norm_with_a_wider_weight_differentiates_what_it_computes() -> None:
    """The weight is rounded to the type of the input, forward and backward."""
    x = mg.randn(3, 5, requires_grad=True)
    wide = mg.randn(5, dtype=mg.float64)
    g = mg.randn(3, 5)
    for norm in (functional.layer_norm, functional.rms_norm):
        found = [
            autograd.grad(norm(x, (5,), weight), x, g)[0].tolist()
            for weight in (wide, wide.to(mg.float32))
        ]
        assert found[0] == found[1]


def test_vjp_and_jvp() -> None:
    x, y = leaf(3).detach(), leaf(3, seed=5).detach()

    def function(x: Any, y: Any) -> Any:
        return x * y, (x.sin() * y).sum()

    (p, _), pull = autograd.vjp(function, x, y)
    assert p.tolist() == (x * y).tolist()
    dx, dy = pull(mg.ones_like(x), mg.tensor(2.0, dtype="float64"))
    assert dx.tolist() == (y + 2.0 * x.cos() * y).tolist()
    v, w = leaf(3, seed=11).detach(), mg.zeros_like(y)
    _, (dp, ds) = autograd.jvp(function, (x, y), (v, w))
    assert dp.tolist() == (y * v).tolist()
    assert math.isclose(ds.item(), (x.cos() * y * v).sum().item(), rel_tol=1e-14)
    assert not dp.requires_grad
    assert not dy.requires_grad
    with pytest.raises(ShapeError):
        autograd.jvp(function, (x, y), (v, mg.ones(4)))
    x.requires_grad_()
    slope = autograd.jvp(lambda x: x**3, x, v)[1]
    (second,) = autograd.grad(slope.sum(), x)
    assert np.allclose(second.numpy(), (6 * x * v).numpy(force=True), rtol=1e-14)
    constant = autograd.jvp(lambda x: mg.ones(2), x, v)
    assert constant[1].tolist() == [0.0, 0.0]


def test_the_gradient_of_a_result_is_asked_for_with_a_warning() -> None:
    x = mg.ones(2, requires_grad=True)
    y, kept = x * 2, x * 3
    kept.retain_grad()
    (y + kept).sum().backward()
    with pytest.warns(UserWarning, match="not a leaf") as caught:
        assert y.grad is None
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept.grad is not None
        assert x.grad is not None
        assert mg.ones(2).grad is None
        x.grad = None
        assert x.grad is None


def test_recorded_gradients_leave_nothing_behind() -> None:
    gc.collect()
    before = mg.memory_usage()["nodes"]
    for _ in range(20):
        x = mg.ones(3, requires_grad=True)
        (x**3).sum().backward(create_graph=True)
        assert x.grad is not None
        (x.grad * x.grad).sum().backward()
    alias = (x * 2).sum().grad_fn.next_functions[0][0].next_functions[0][0].variable
    assert alias.grad.tolist() == x.grad.tolist()
    del alias
    assert x.grad is not None
    del x
    gc.collect()
    assert mg.memory_usage()["nodes"] == before


def test_what_no_input_changes_has_a_hessian_of_zeros() -> None:
    x, y = mg.ones(2), mg.ones(1)
    assert autograd.hessian(lambda x: mg.tensor(2.0), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert autograd.hessian(lambda x: (3 * x).sum(), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    (xx, xy), (yx, yy) = autograd.hessian(lambda x, y: (x**2).sum(), (x, y))
    assert xx.tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert (xy.tolist(), yx.tolist(), yy.tolist()) == ([[0.0], [0.0]], [[0.0, 0.0]], [[0.0]])
    assert autograd.hvp(lambda x: mg.tensor(2.0), x, x)[1].tolist() == [0.0, 0.0]
    with pytest.raises(GradientError, match="does not require grad"):
        autograd.hessian(lambda x: mg.ones(2), x)


def test_jacobian_hessian_and_hvp() -> None:
    x = leaf(3).detach()
    j = autograd.jacobian(lambda x: x.outer(x), x)
    assert j.shape == (3, 3, 3)
    for i in range(3):
        for k in range(3):
            expected = [(i == m) * x[k].item() + (k == m) * x[i].item() for m in range(3)]
            assert j[i, k].tolist() == expected
    h = autograd.hessian(lambda x: (x**3).sum() + x[0] * x[1], x)
    expected = [[6 * x[i].item() * (i == k) for k in range(3)] for i in range(3)]
    expected[0][1] = expected[1][0] = 1.0
    assert h.tolist() == expected
    v = mg.tensor([1.0, 10.0, 100.0], dtype="float64")
    value, product = autograd.hvp(lambda x: (x**3).sum() + x[0] * x[1], x, v)
    assert all(math.isclose(a, b) for a, b in zip(product.tolist(), (h @ v).tolist(), strict=True))
    assert value.ndim == 0
    pair = autograd.hessian(lambda x, y: (x * y).sum(), (x, x))
    assert pair[0][1].tolist() == mg.eye(3, dtype="float64").tolist()
    assert pair[0][0].tolist() == mg.zeros(3, 3).tolist()
    assert autograd.jacobian(lambda x: x * mg.ones(0, 1), x).shape == (0, 3, 3)
    assert not autograd.jacobian(lambda x: x * x, x).requires_grad
    assert autograd.jacobian(lambda x: x * x, leaf(2), create_graph=True).requires_grad


def test_gradcheck_finds_wrong_gradients() -> None:
    class Wrong(mg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = leaf(2)
    with pytest.raises(GradientError, match="gradcheck: output 0 by input 0"):
        gradcheck(Wrong.apply, x)
    assert not gradcheck(Wrong.apply, x, raise_exception=False)
    assert not gradgradcheck(lambda x: Exp.apply(x.detach()) * x, x, raise_exception=False)
    with pytest.raises(ValueError, match="no input requires"):
        gradcheck(lambda x: x, x.detach())


# ---- interruptions ---------------------------------------------------------------------------


def test_out_of_memory_changes_nothing() -> None:
    w = leaf(20)
    loss = (w.exp() * w).sum()
    for after in range(12):
        _core.fail_allocation(after, persistent=True)
        try:
            loss.backward()
        except OutOfMemoryError:
            pass
        finally:
            _core.fail_allocation(-1)
        if w.grad is not None:
            break
        assert w.grad is None
    loss.backward()
    assert w.grad is not None


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise, which jobs in the background ignore."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


def test_ctrl_c_stops_a_backward_and_changes_nothing(interruptible: None) -> None:
    w = mg.ones(1 << 20, requires_grad=True)
    y = w
    for _ in range(60):
        y = y.sin()
    loss = y.sum()
    under_way = threading.Event()
    loss.register_hook(lambda gradient: under_way.set())

    def interrupt() -> None:
        under_way.wait()
        os.kill(os.getpid(), signal.SIGINT)

    for _ in range(50):  # until it comes in the middle, not after a thread that was late
        w.grad = None
        under_way.clear()
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            loss.backward()
            while True:
                pass
        thread.join()
        if w.grad is None:
            break
    assert w.grad is None
    loss.backward()
    assert w.grad is not None


def test_backwards_of_threads_take_turns() -> None:
    results: list[float] = []

    def work(seed: int) -> None:
        x = leaf(30, 3, seed=seed)
        for _ in range(20):
            (x.T @ x).exp().sum().backward()
        assert x.grad is not None
        results.append(x.grad.sum().item())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 1, 1, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len(set(results)) == 1


@given(st.data(), st.sampled_from([(6,), (4, 5), (3, 2, 4)]))
def test_slices_add_up_to_the_bit_what_their_whole_contributions_would(
    data: Any, shape: tuple[int, ...]
) -> None:
    rng = random.Random(data.draw(st.integers(0, 2**20)))
    y = mg.ones(*shape, requires_grad=True) * 1.0
    parts: list[Any] = []
    for _ in range(rng.randint(1, 6)):
        key: list[Any] = []
        for n in shape:
            first = rng.randrange(n)
            end = rng.randint(first, n)
            key.append(rng.choice([first, slice(None), slice(first, end), slice(first, end, 2)]))
        part = y[tuple(key)]
        parts.append(rng.choice([part, part, part, part.flip(0) if part.ndim else part, y * 2]))
    numbers = [-0.0, -0.0, 0.0, 1.5, -2.25, math.inf]
    seeds = [
        mg.tensor([rng.choice(numbers) for _ in range(part.numel())], dtype=mg.float32)
        for part in parts
    ]
    seeds = [seed.reshape(part.shape) for seed, part in zip(seeds, parts, strict=True)]
    (plain,) = mg.grad(parts, [y], seeds)
    (recorded,) = mg.grad(parts, [y], seeds, create_graph=True)
    assert str(plain.tolist()) == str(recorded.tolist())


def test_parts_of_a_cat_take_over_its_gradient_and_stay_apart() -> None:
    parts = [mg.rand(i + 1, 3, requires_grad=True) for i in range(4)]
    weights = mg.rand(10, 3)
    for times in (1, 2):
        (mg.cat(parts) * weights).sum().backward()
        for i, part in enumerate(parts):
            first = i * (i + 1) // 2
            assert part.grad.tolist() == (times * weights)[first : first + i + 1].tolist()
    parts[1].grad.zero_()
    assert parts[2].grad.tolist() == (2 * weights)[3:6].tolist()
    seed = mg.ones(10, 3)
    mg.cat([part.detach().requires_grad_() for part in parts]).backward(seed)
    twice = mg.cat([parts[0], parts[0]])
    twice.backward(seed[:2])
    parts[0].grad.zero_()
    assert seed.tolist() == [[1.0] * 3] * 10


def test_a_cat_of_many_operands_is_passed_on_in_linear_time() -> None:
    parts = [mg.ones(1, requires_grad=True) for _ in range(30_000)]
    mg.cat(parts).backward(mg.arange(30_000, dtype=mg.float32))
    assert [part.grad.item() for part in parts[::9_999]] == [0.0, 9_999.0, 19_998.0, 29_997.0]
