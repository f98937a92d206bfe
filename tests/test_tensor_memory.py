"""Out of memory at every allocation of calls on Tensors: nothing changes and nothing is left."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg
from pymicrograd import autograd, optim
from pymicrograd._core import fail_allocation
from pymicrograd.autograd import Function
from pymicrograd.nn import functional as F

pytestmark = pytest.mark.all


class Square(Function):
    """x * x, whose gradient is written by hand."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 2 * ctx.saved_tensors[0] * g


class Subject:
    """What the calls work on."""

    def __init__(self) -> None:
        numbers = mg.RNG(3)
        self.w = mg.randn(4, 5, generator=numbers, requires_grad=True)
        self.b = mg.randn(5, generator=numbers, requires_grad=True)
        self.x = mg.randn(3, 4, generator=numbers)
        self.t = mg.tensor([1, 0, 4])
        self.m = self.x > 0
        self.n = np.arange(12.0).reshape(3, 4)
        self.h = mg.ones(4, dtype="float16")
        self.i = mg.tensor([[0, 1], [2, 2]])
        self.big = mg.ones(3, 2, 8, 8)
        self.k = mg.ones(4, 2, 3, 3, requires_grad=True)
        self.w.grad = mg.ones(4, 5)

    def state(self) -> Any:
        """Return all numbers that a call could change."""
        gradient = self.w.grad
        numbers = [x.tolist() for x in (self.x, self.w, self.b)]
        return (
            numbers,
            gradient if gradient is None else gradient.tolist(),
            self.b.grad,
            self.k.grad,
        )


def hooked(s: Subject) -> None:
    y = s.x @ s.w
    y.register_hook(lambda g: g * 2)
    y.sum().backward()


def recorded(s: Subject) -> Any:
    y = s.x @ s.w
    y[0] = 1.0
    y += 2
    return y


def set_key(key: Callable[[Subject], Any]) -> Callable[[Subject], None]:
    return lambda s: s.x.__setitem__(key(s), 7.0)


class Linear(mg.Module):
    """A module with the weight of a subject."""

    def __init__(self, s: Subject) -> None:
        self.weight = s.w


RULES = (
    "ASGD", "Adadelta", "Adagrad", "Adamax", "LAMB", "Lion", "NAdam", "RAdam", "RMSprop", "Rprop",
)  # fmt: skip


def step_of(name: str) -> Any:
    """Return a call that makes the first step of an optimizer."""
    return lambda s: getattr(optim, name)([s.w]).step()


CALLS: dict[str, Callable[[Subject], Any]] = {
    "add": lambda s: s.x + s.x,
    "number": lambda s: 2 * s.x,
    "broadcast": lambda s: s.x + s.x[0],
    "matmul": lambda s: s.x @ s.w,
    "linear": lambda s: F.linear(s.x, s.w.T, s.b),
    "tanh": lambda s: s.w.tanh(),
    "pow": lambda s: s.w**2.5,
    "half": lambda s: s.h * 2 + s.h,
    "cast": lambda s: s.x.double(),
    "cmp": lambda s: s.x > 1,
    "where": lambda s: mg.where(s.m, s.x, 0.0),
    "sum": lambda s: s.w.sum(0),
    "mean": lambda s: s.w.mean(),
    "max": lambda s: s.w.max(1),
    "var": lambda s: s.w.var(),
    "softmax": lambda s: s.w.softmax(1),
    "logsumexp": lambda s: s.w.logsumexp(1),
    "cumsum": lambda s: s.w.cumsum(0),
    "prod": lambda s: s.w.prod(1),
    "argmax": lambda s: s.w.argmax(),
    "any": lambda s: s.m.any(0),
    "reshape": lambda s: s.w.reshape(-1),
    "T": lambda s: s.w.T.reshape(-1),
    "expand": lambda s: s.b.expand(3, 5) * 1,
    "slice": lambda s: s.w[1:, ::-1],
    "int": lambda s: s.w[1],
    "mask": lambda s: s.x[s.m],
    "index": lambda s: s.w[s.i],
    "two": lambda s: s.x[[0, 1], [1, 2]],
    "cat": lambda s: mg.cat([s.x, s.x], 1),
    "stack": lambda s: mg.stack([s.b, s.b]),
    "pad": lambda s: s.x.pad((1, 1, 2, 0)),
    "flip": lambda s: s.x.flip(0) + 1,
    "roll": lambda s: s.x.roll(1, 0),
    "repeat": lambda s: s.b.repeat(2, 2),
    "tril": lambda s: s.x.tril(),
    "gather": lambda s: s.x.gather(1, mg.tensor([[0], [1], [2]])),
    "scatter": lambda s: s.x.scatter_add(1, mg.tensor([[0], [1], [2]]), mg.ones(3, 1)),
    "nonzero": lambda s: s.m.nonzero(),
    "zeros": lambda s: mg.zeros(3, 3),
    "tensor": lambda s: mg.tensor([[1.0, 2.0]]),
    "arange": lambda s: mg.arange(10),
    "randn": lambda s: mg.randn(3, 3, generator=mg.RNG(1)),
    "eye": lambda s: mg.eye(4),
    "full": lambda s: mg.full((2, 2), 3.0),
    "linspace": lambda s: mg.linspace(0, 1, 5),
    "randperm": lambda s: mg.randperm(5, generator=mg.RNG(1)),
    "np in": lambda s: mg.from_numpy(s.n),
    "np copy": lambda s: mg.tensor(s.n),
    "np out": lambda s: s.x.numpy(),
    "np op": lambda s: s.x + s.n,
    "dlpack": lambda s: mg.from_dlpack(s.x),
    "tolist": lambda s: s.x.tolist(),
    "repr": lambda s: repr(s.w),
    "pickle": lambda s: pickle.loads(pickle.dumps(s.w)),
    "deepcopy": lambda s: copy.deepcopy(s.w),
    "clone": lambda s: s.w.clone(),
    "detach": lambda s: s.w.detach(),
    "backward": lambda s: (s.x @ s.w + s.b).tanh().sum().backward(),
    "ce": lambda s: F.cross_entropy(s.x @ s.w, s.t).backward(),
    "ce none": lambda s: F.cross_entropy(s.x @ s.w, s.t, reduction="none").sum().backward(),
    "layernorm": lambda s: F.layer_norm(s.w, (5,), s.b, s.b).sum().backward(),
    "conv": lambda s: F.conv2d(s.big, s.k).sum().backward(),
    "create": lambda s: autograd.grad((s.w**3).sum(), s.w, create_graph=True),
    "hessian": lambda s: autograd.hessian(lambda b: (b**3).sum(), s.b.detach()),
    "jacobian": lambda s: autograd.jacobian(lambda b: b * b, s.b.detach()),
    "jvp": lambda s: autograd.jvp(lambda b: b * b, s.b.detach(), mg.ones(5)),
    "hook": hooked,
    "function": lambda s: Square.apply(s.w).sum().backward(),
    "index bw": lambda s: s.w[s.i].sum().backward(),
    "mask bw": lambda s: s.w[s.w > 0].sum().backward(),
    "setitem": set_key(lambda s: (0, slice(1, 3))),
    "setmask": set_key(lambda s: s.m),
    "setindex": set_key(lambda s: s.i),
    "recorded": recorded,
    "inplace": lambda s: s.x.mul_(2.0),
    "copy_": lambda s: s.x.copy_(s.x[0]),
    "fill": lambda s: s.x.fill_(2),
    "SGD": lambda s: mg.SGD([s.w], lr=0.1).step(),
    "momentum": lambda s: mg.SGD([s.w], momentum=0.9).step(),
    "Adam": lambda s: mg.Adam([s.w]).step(),
    "AdamW": lambda s: mg.AdamW([s.w]).step(),
    **{name: step_of(name) for name in RULES},
    "load": lambda s: Linear(s).load_state_dict({"weight": s.w + 1}),
    "retain": lambda s: (s.x @ s.w).retain_grad(),
    "setgrad": lambda s: setattr(s.w, "grad", mg.ones(4, 5)),
    "zero": lambda s: setattr(s.w, "grad", None),
    "gelu": lambda s: F.gelu(s.w).sum().backward(),
    "maxbw": lambda s: s.w.max().backward(),
    "cumbw": lambda s: s.w.cumsum(1).sum().backward(),
    "prodbw": lambda s: s.w.prod().backward(),
    "stdbw": lambda s: s.w.std().backward(),
    "catbw": lambda s: mg.cat([s.w, s.w]).sum().backward(),
    "padbw": lambda s: s.w.pad((1, 1)).sum().backward(),
    "slicebw": lambda s: s.w[1:, ::2].sum().backward(),
}


@pytest.mark.parametrize("is_persistent", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("name", CALLS)
def test_no_memory_at_every_allocation(
    name: str, is_persistent: bool, request: pytest.FixtureRequest
) -> None:
    """In the tier long at each; else at the first ten, and then at every fifth."""
    each = request.config.getoption("tier") == "long"
    CALLS[name](Subject())
    k = 0
    while True:
        subject = Subject()
        before = subject.state()
        gc.collect()
        start = mg.memory_usage()["nodes"]
        fail_allocation(k, is_persistent)
        try:
            CALLS[name](subject)
        except MemoryError as error:
            error.__traceback__ = None
        else:
            break
        finally:
            fail_allocation(-1)
        gc.collect()
        assert mg.memory_usage()["nodes"] == start, k
        assert subject.state() == before, k
        k += 1 if each or k < 10 else 5
    x = mg.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]
