"""`compile(..., fullgraph=False)`: a call that is refused goes on, and does everything once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd import nn, optim
from pymicrograd.errors import RecordingError
from pymicrograd.nn import functional as F
from pymicrograd.optim import lr_scheduler

CALLS = 3


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x * 2.0


class World:
    """A training whose function does some things before and after a line that is refused."""

    def __init__(self, make: Callable[..., Any], rate: Any, hooked: bool) -> None:
        self.default = mg.manual_seed(3)
        self.rng = mg.RNG(5)
        self.linear, self.norm = nn.Linear(4, 3), nn.BatchNorm1d(3)
        self.dropout, self.counting = nn.Dropout(0.3), Counting()
        self.parameters = [*self.linear.parameters(), *self.norm.parameters()]
        self.optimizer = make(self.parameters, lr=rate)
        self.hooked = optim.SGD([self.linear.weight], lr=0.01)
        if hooked:
            self.hooked.register_step_post_hook(lambda *_: self.count())
        self.scheduler = lr_scheduler.ExponentialLR(self.optimizer, 0.9)
        self.counter, self.seen = 0, list[Any]()

    def count(self) -> None:
        self.counter += 1

    def state(self) -> Any:
        tensors = [*self.parameters, *self.norm.buffers()]
        return (
            [x.tolist() for x in tensors],
            [None if p.grad is None else p.grad.tolist() for p in self.parameters],
            repr(self.optimizer.state_dict()),
            repr(self.scheduler.state_dict()),
            (self.default.state, self.rng.state),
            (self.counter, self.counting.calls, self.seen, self.norm.training),
        )


def step(w: World, x: Any) -> Any:
    w.optimizer.zero_grad()
    loss = (w.linear(x) ** 2).mean()
    loss.backward()
    w.optimizer.step()
    return x


def norm(w: World, x: Any) -> Any:
    y = w.norm(w.linear(x))
    y.sum().backward()
    return x + y.detach().mean()


PARTS: dict[str, Callable[[World, Any], Any]] = {
    "step": step,
    "norm": norm,
    "dropout": lambda w, x: w.dropout(x),
    "draw": lambda w, x: x + mg.rand(4, generator=w.rng),
    "default": lambda w, x: x + mg.randn(4),
    "module": lambda w, x: w.counting(x),
    "counter": lambda w, x: (w.count(), x)[1],
    "in place": lambda w, x: (x * 1.0).add_(1.0),
}


def in_backward(w: World, x: Any) -> Any:
    y = w.linear(x)
    y.register_hook(lambda g: w.seen.append(g.sum().item()))
    (y * y).sum().backward()
    return x


def masked(w: World, x: Any) -> Any:
    y = w.linear(x)
    y[y > 0].sum().backward()
    return x


def seeded_inside(w: World, x: Any) -> Any:
    return x + mg.rand(4, generator=mg.RNG(8))


def new_optimizer(w: World, x: Any) -> Any:
    w.linear(x).sum().backward()
    optim.AdamW(w.linear.parameters(), lr=0.1).step()
    return x


def early_schedule(w: World, x: Any) -> Any:
    w.scheduler.step()
    return step(w, x)


def noted(read: Callable[[Any], Any]) -> Callable[[World, Any], Any]:
    def line(w: World, x: Any) -> Any:
        w.seen.append(read(x))
        return x

    return line


REFUSED: dict[str, Callable[[World, Any], Any]] = {
    "item": noted(lambda x: x.sum().item()),
    "float": noted(lambda x: float(x.sum())),
    "int": noted(lambda x: int(x.sum())),
    "print": noted(str),
    "tolist": noted(lambda x: x.tolist()),
    "numpy": noted(lambda x: x.detach().numpy().tolist()),
    "sort": lambda w, x: x + x.sort()[0],
    "bool": lambda w, x: x if x.sum() > 0 else -x,
    "nonzero": lambda w, x: x + x.nonzero().sum(),
    "mask": masked,
    "one_hot": lambda w, x: x + F.one_hot((x > 0).long()).sum(),
    "in backward": in_backward,
    "hooks": lambda w, x: (w.hooked.step(), x)[1],
    "option": lambda w, x: (w.optimizer.param_groups[0].update(weight_decay=0.2), x)[1],
    "lr": lambda w, x: (setattr(w.optimizer, "lr", 0.01), x)[1],
    "state": lambda w, x: (setattr(w.optimizer, "state", {}), x)[1],
    "load": lambda w, x: (w.optimizer.load_state_dict(w.optimizer.state_dict()), x)[1],
    "seed": lambda w, x: (mg.manual_seed(9), x)[1],
    "seed of another": lambda w, x: (w.rng.manual_seed(9), x)[1],
    "generator": seeded_inside,
    "optimizer": new_optimizer,
    "scheduler": lambda w, x: (lr_scheduler.StepLR(w.hooked, 1), x)[1],
    "schedule": early_schedule,
    "Tensor as lr": step,
}
OPTIMIZERS = (optim.SGD, optim.Adam, optim.AdamW, lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9))


def function_of(w: World, before: Sequence[str], line: str, after: Sequence[str]) -> Any:
    def function(x: Any) -> Any:
        for name in before:
            x = PARTS[name](w, x)
        x = REFUSED[line](w, x)
        for name in after:
            x = PARTS[name](w, x)
        return x

    return function


def outcomes(
    compiled: bool, make: Any, before: Sequence[str], line: str, after: Sequence[str]
) -> Any:
    """Return what some calls give and leave."""
    w = World(make, mg.tensor(0.05) if line == "Tensor as lr" else 0.05, line == "hooks")
    call = function_of(w, before, line, after)
    if compiled:
        call = mg.compile(call, fullgraph=False)
    found = []
    for i in range(CALLS):
        x = mg.arange(20.0).reshape(5, 4) / 10.0 - 1.0
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append((call(x).tolist(), w.state()))
        told = [str(each.message) for each in caught if "runs eagerly" in str(each.message)]
        assert len(told) == (compiled and i == 0) or "module" in (*before, *after)
        assert all(f"{__name__}.py:" in text for text in told)
    return found


@pytest.mark.parametrize("line", REFUSED)
def test_each_refusal_leaves_what_eager_leaves(line: str) -> None:
    case = optim.AdamW, ("step", "norm", "dropout", "draw", "default", "counter"), line
    after = ("in place", "norm", "step", "dropout", "draw", "default", "counter", "module")
    assert outcomes(True, *case, after) == outcomes(False, *case, after)


parts = st.lists(st.sampled_from(sorted(PARTS)), max_size=6)


@given(st.sampled_from(OPTIMIZERS), parts, st.sampled_from(sorted(REFUSED)), parts)
def test_what_surrounds_a_refusal_happens_once(
    make: Any, before: list[str], line: str, after: list[str]
) -> None:
    assert outcomes(True, make, before, line, after) == outcomes(False, make, before, line, after)


def test_an_error_after_a_refusal_comes_once_and_stays() -> None:
    w = World(optim.AdamW, 0.05, False)

    def fails(x: Any) -> Any:
        w.seen.append(step(w, x).sum().item())
        raise KeyError("a line after it")

    call = mg.compile(fails, fullgraph=False)
    with pytest.warns(UserWarning, match="runs eagerly"), pytest.raises(KeyError):
        call(mg.ones(5, 4))
    assert len(w.seen) == 1
    with pytest.raises(KeyError):  # no warning any more
        call(mg.ones(5, 4))
    assert len(w.seen) == 2
    assert mg.compile(lambda x: x * 2.0)(mg.ones(2)).tolist() == [2.0, 2.0]  # others are recorded


def test_results_of_a_call_that_went_on_have_their_graph() -> None:
    weight = mg.ones(3, requires_grad=True)

    def loss_of(x: Any) -> Any:
        loss = (weight * x).sum()
        float(loss)
        return loss

    with pytest.warns(UserWarning, match="runs eagerly"):
        mg.compile(loss_of, fullgraph=False)(mg.ones(3)).backward()
    assert weight.grad.tolist() == [1.0, 1.0, 1.0]


def test_a_tensor_as_rate_is_refused_as_such() -> None:
    w = World(optim.AdamW, mg.tensor(0.05), False)
    with pytest.raises(RecordingError, match=r"a Tensor as lr: .*: give a float"):
        mg.compile(lambda x: step(w, x))(mg.ones(5, 4))


def test_functions_of_values_are_recorded_or_raise() -> None:
    with pytest.raises(ValueError, match="fullgraph=False is of functions of Tensors"):
        mg.compile(lambda x: x, values=True, fullgraph=False)
    with pytest.raises(ValueError, match="fullgraph=False is of functions of Tensors"):
        mg.compile(values=True, fullgraph=False)


def test_a_refusal_without_source_names_the_line() -> None:
    found: dict[str, Any] = {}
    exec("def function(x):\n    return x.sum().item()", found)
    with pytest.raises(RecordingError, match=r"^<string>:2: item: "):
        mg.compile(found["function"])(mg.ones(3))
