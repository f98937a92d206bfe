"""autograd.Function of Values; of Tensors: test_autograd.py."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import weakref
from typing import Any

import pytest
from programs import bits

from pymicrograd import Value, grad, no_grad, tensor
from pymicrograd.autograd import Function
from pymicrograd.errors import GradientError


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


class Polar(Function):
    """From (r, angle) to (x, y), with a number that is no Value and one that is nobody's."""

    calls: list[Any] = []  # noqa: RUF012

    @staticmethod
    def forward(ctx: Any, r: Any, scale: float, angle: Any) -> Any:
        ctx.scale, ctx.known = scale, ctx.needs_input_grad
        x = scale * r.data * math.cos(angle.data)
        y = scale * r * angle.sin()
        ctx.save_for_backward(r, angle, None, y)
        return x, y, "text", 7

    @staticmethod
    def backward(ctx: Any, gx: Any, gy: Any, *others: Any) -> Any:
        Polar.calls.append((gx, gy, *others))
        r, angle, _, y = ctx.saved_tensors
        gx, gy = gx or Value(0.0), gy or Value(0.0)
        cosine, sine = math.cos(angle.data), math.sin(angle.data)
        assert not (gx * 1.0)._prev and y.data == ctx.scale * r.data * sine
        dr = ctx.scale * (gx * cosine + gy * sine)
        return dr, None, ctx.scale * r.data * (gy.data * cosine - gx.data * sine)


class Straight(Function):
    """Round with a setup_context, and pass the gradient straight on."""

    @staticmethod
    def forward(x: Any) -> Any:
        return float(round(x.data))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.output = output

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


def test_one_output() -> None:
    x = Value(2.0)
    y = Cube.apply(x) + x
    assert type(y._prev[0]) is Value and (y.data, y._prev[0]._op) == (10.0, "Cube")
    y.backward()
    y.backward()
    assert x.grad == 26.0
    z = Straight.apply(x * 1.3)
    z.backward()
    assert (z.data, x.grad) == (3.0, 27.3)
    assert [d.data for d in grad(Cube.apply(x), [x])] == [12.0] and x.grad == 27.3


def test_several_outputs() -> None:
    r, angle = Value(1.5), Value(0.7)
    Polar.calls.clear()
    x, y, text, seven = Polar.apply(r, 2.0, angle)
    assert (text, seven) == ("text", 7)
    assert type(x) is type(y) is Value
    (x * x + y).backward()
    ((gx, gy, *others),) = Polar.calls
    assert bits(gx.data, gy.data) == bits(2.0 * x.data, 1.0) and others == [None, None]
    first = r.grad, angle.grad
    a, b = Value(1.5), Value(0.7)
    u, v = 2.0 * a * b.cos(), 2.0 * a * b.sin()
    (u * u + v).backward()
    assert [first] == [pytest.approx((a.grad, b.grad), rel=1e-15)]
    r.grad = angle.grad = 0.0
    x.backward()  # the other output has no gradient now
    y.backward()
    assert [[g.data for g in call[:2]] for call in Polar.calls[1:]] == [[1.0, 0.0], [0.0, 1.0]]
    assert r.grad == pytest.approx(2.0 * (math.cos(0.7) + math.sin(0.7)), rel=1e-15)


class Options(Function):
    @staticmethod
    def forward(ctx: Any, x: Any, count: int) -> Any:
        assert ctx.needs_input_grad == (True, False)
        ctx.set_materialize_grads(False)
        aside = x * 100.0
        ctx.mark_non_differentiable(aside)
        return x * 2.0, aside, x

    @staticmethod
    def backward(ctx: Any, g: Any, g_aside: Any, g_same: Any) -> Any:
        assert g_aside is None and (g is None) != (g_same is None)
        return (2.0 if g_same is None else 5.0), None, None


def test_options() -> None:
    x = Value(3.0)
    y, aside, same = Options.apply(x, 1)
    assert aside.is_leaf and aside.data == 300.0 and same is not x and same.data == 3.0
    y.backward()
    assert x.grad == 2.0
    same.backward()
    assert x.grad == 7.0
    with no_grad():
        assert all(v.is_leaf for v in Options.apply(x, 1))


class Twice(Function):
    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        return a * 1.0

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 0.1, 1e17


def test_additions_are_in_the_order_of_the_arguments() -> None:
    x = Value(1.0)
    y = Twice.apply(x, x) + x
    y.backward()
    assert x.grad == 1.0 + 0.1 + 1e17
    other = Value(1.0)
    node = Value(1.0, (other, other), (0.1, 1e17)) + other
    node.backward()
    assert bits(x.grad) == bits(other.grad)


class Failing(Function):
    wrong: Any = None

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x + 1.0, x + 2.0

    @staticmethod
    def backward(ctx: Any, a: Any, b: Any) -> Any:
        if isinstance(Failing.wrong, Exception):
            raise Failing.wrong
        return Failing.wrong if Failing.wrong is not None else 10.0 * a.data + b.data


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ((1.0, 2.0), GradientError, "Failing.backward returned 2 gradients for 1 argument"),
        ((), GradientError, "returned 0"),
        ("1", TypeError, "Failing.backward returns Values or numbers, not str"),
        (tensor([1.0, 2.0]), TypeError, "not Tensor"),
        (KeyError("stop"), KeyError, "stop"),
    ],
)
def test_what_fails_leaves_no_gradients(wrong: Any, error: Any, words: str) -> None:
    x = Value(3.0)
    x.grad = 0.5
    a, b = Failing.apply(x)
    total = a * b
    Failing.wrong = wrong
    try:
        with pytest.raises(error, match=words):
            total.backward()
    finally:
        Failing.wrong = None
    assert (x.grad, a.grad, b.grad) == (0.5, 0.0, 0.0)
    b.backward()  # what a noted before is forgotten
    assert x.grad == 1.5
    a.backward()
    assert x.grad == 11.5


def test_what_is_refused() -> None:
    x = Value(2.0)
    with pytest.raises(TypeError, match=r"Polar.apply got Values and Tensors.*item\(\)"):
        Polar.apply(x, 1.0, tensor(1.0))
    with pytest.raises(GradientError, match="create_graph"):
        grad(Cube.apply(x), [x], create_graph=True)
    with pytest.raises(TypeError, match="save_for_backward is for Values"):
        Saving.apply(x)
    assert x.grad == 0.0


class Saving(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x.data)


def test_one_step_at_a_time() -> None:
    """A program's own loop over nodes does what backward does."""
    r, angle = Value(1.5), Value(0.7)
    x, y, *_ = Polar.apply(r, 2.0, angle)
    root = x * y
    order: list[Any] = []

    def build(v: Any) -> None:
        if v not in order:
            for child in v._prev:
                build(child)
            order.append(v)

    build(root)
    for _ in range(2):
        for v in order:
            v.grad = 0.0
        root.grad = 1.0
        for v in reversed(order):
            v._backward()
    by_hand = r.grad, angle.grad
    r.grad = angle.grad = 0.0
    root.backward()
    assert bits(*by_hand) == bits(r.grad, angle.grad)


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_functions_are_copied(copying: Any) -> None:
    r, angle = Value(1.5), Value(0.7)
    x, y, *_ = Polar.apply(r, 2.0, angle)
    total = Cube.apply(x) * y
    made, r2, angle2 = copying([total, r, angle])
    made.backward()
    assert (r.grad, angle.grad) == (0.0, 0.0)
    total.backward()
    assert bits(r.grad, angle.grad) == bits(r2.grad, angle2.grad)


def test_a_function_is_freed_at_once() -> None:
    """Nothing is a cycle: no collection is needed."""
    x = Value(2.0)
    gc.disable()
    try:
        y = Cube.apply(x)
        y.backward()
        hub = weakref.ref(y._prev[0])
        assert hub() is not None
        del y
        assert hub() is None
    finally:
        gc.enable()
