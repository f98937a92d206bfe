"""State that Python changes in a compiled function, or between its calls: as eager, or refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import pymicrograd as mg
from pymicrograd import Value, nn, optim
from pymicrograd.errors import RecordingError
from pymicrograd.nn import functional as F
from pymicrograd.optim import lr_scheduler

Change = Callable[[Any], None]


def option(name: str, x: Any) -> Change:
    return lambda s: s.optimizer.param_groups[0].__setitem__(name, x)


def set_lr(s: Any) -> None:
    s.optimizer.lr = 0.01


def decay(s: Any) -> None:
    s.optimizer.param_groups[0]["lr"] *= 0.5


def update(s: Any) -> None:
    s.optimizer.param_groups[0].update(lr=0.01, weight_decay=0.5)


def merge(s: Any) -> None:
    s.optimizer.param_groups[0] |= {"lr": 0.01}


def make_optimizer(s: Any) -> None:
    s.optimizer = type(s.optimizer)(s.optimizer.params, lr=0.1)


def make_scheduler(s: Any) -> None:
    lr_scheduler.StepLR(s.optimizer, 1)


def load(s: Any) -> None:
    s.optimizer.load_state_dict(s.saved)


def forget(s: Any) -> None:
    s.optimizer.state = {}


def schedule(s: Any) -> None:
    s.scheduler.step()


class OfTensors:
    """Two steps of a small model, and what is done in between."""

    def __init__(self) -> None:
        mg.manual_seed(3)
        self.generator = mg.Generator().manual_seed(4)
        self.model = nn.Sequential(
            nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 2)
        )
        self.optimizer: Any = optim.AdamW(self.model.parameters(), lr=0.1)
        self.scheduler = lr_scheduler.StepLR(self.optimizer, 1, 0.5)
        self.x = mg.randn(5, 3)
        self.saved = copy.deepcopy(self.optimizer.state_dict())

    def half(self, x: Any) -> Any:
        noise = mg.rand(5, 3, generator=self.generator)
        loss = (self.model(x + noise) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def call(self, step: Any) -> Any:
        return step(self.x).tolist()

    def state(self) -> Any:
        model = self.model
        tensors = [*model.parameters(), *model.buffers()]
        return repr(
            (
                [(x.tolist(), x.requires_grad) for x in tensors],
                [None if x.grad is None else x.grad.tolist() for x in model.parameters()],
                [(m.training, getattr(m, "p", 0), getattr(m, "eps", 0)) for m in model.modules()],
                [{**g, "params": 0} for g in self.optimizer.param_groups],
                mg.get_rng_state().tolist(),
            )
        )


class OfValues:
    """The same of Values."""

    def __init__(self) -> None:
        self.w = [Value(0.5), Value(-0.3)]
        self.optimizer: Any = optim.AdamW(self.w, lr=0.1)
        self.scheduler = lr_scheduler.StepLR(self.optimizer, 1, 0.5)
        self.saved = copy.deepcopy(self.optimizer.state_dict())

    def half(self, x: Any) -> Any:
        loss = (self.w[0] * x + self.w[1] * x * x - 1.0) ** 2
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def call(self, step: Any) -> Any:
        return step(0.3 if isinstance(step, mg.programs.Recorded) else Value(0.3)).data

    def state(self) -> Any:
        numbers = [(p.data, p.grad) for p in self.w]
        groups = [{**g, "params": 0} for g in self.optimizer.param_groups]
        return repr((numbers, groups, self.optimizer.t, self.optimizer.m, self.optimizer.v))


def outcomes(kind: Any, compiled: bool, place: str, change: Change) -> list[Any]:
    """Return what five calls give and leave."""
    s = kind()

    def step(x: Any) -> Any:
        if place == "before":
            change(s)
        loss = s.half(x)
        if place == "between":
            change(s)
        loss = loss + s.half(x)
        if place == "after":
            change(s)
        return loss

    f = mg.compile(step, values=kind is OfValues) if compiled else step
    found = []
    for i in range(5):
        if place == "outside" and i == 3:
            change(s)
        found.append((s.call(f), s.state()))
    return found


REFUSED: dict[str, Change] = {
    "lr": set_lr,
    "lr in a group": option("lr", 0.01),
    "lr as it is": option("lr", 0.1),
    "weight_decay": option("weight_decay", 0.3),
    "betas": option("betas", (0.5, 0.6)),
    "eps": option("eps", 0.01),
    "decay": decay,
    "update": update,
    "merge": merge,
    "optimizer": make_optimizer,
    "a scheduler": make_scheduler,
    "load": load,
    "state": forget,
}


@pytest.mark.parametrize("kind", [OfTensors, OfValues])
@pytest.mark.parametrize("name", REFUSED)
def test_what_runs_would_not_do_is_refused_by_its_line(kind: Any, name: str) -> None:
    for place in ("before", "between", "after"):
        if (name, place) == ("optimizer", "after"):
            continue  # makes no step
        with pytest.raises(RecordingError, match=rf"^{__name__}\.py:\d+: .*: .* (outside|before)"):
            outcomes(kind, True, place, REFUSED[name])
    if name not in ("optimizer", "a scheduler"):
        assert outcomes(kind, True, "outside", REFUSED[name]) == outcomes(
            kind, False, "outside", REFUSED[name]
        )


@pytest.mark.parametrize("kind", [OfTensors, OfValues])
def test_a_scheduler_comes_last(kind: Any) -> None:
    for place in ("before", "between"):
        with pytest.raises(RecordingError, match=r"AdamW after LRScheduler\.step"):
            outcomes(kind, True, place, schedule)
    for place in ("after", "outside"):
        assert outcomes(kind, True, place, schedule) == outcomes(kind, False, place, schedule)


def test_a_scheduler_of_values_in_a_loop() -> None:
    made = []
    for compiled in (False, True):
        s = OfValues()

        def step(x: Any, s: Any = s) -> Any:
            loss = s.half(x)
            s.scheduler.step()
            return loss

        if compiled:
            made.append((mg.compile(step, values=True).run(6, 0.3).data, s.state()))
        else:
            made.append(([step(Value(0.3)) for _ in range(6)][-1].data, s.state()))
    assert made[0] == made[1]


def dropout(s: Any) -> None:
    s.model[1].p *= 0.5


def frozen(s: Any) -> None:
    s.model[0].requires_grad_(False)


def less_eps(s: Any) -> None:
    s.model[2].eps = 0.1


def no_data(s: Any) -> None:
    s.model[0].weight.data = s.model[0].weight.data * 0.5


AS_EAGER: dict[str, Change] = {
    "eval": lambda s: s.model.eval(),
    "train": lambda s: s.model.train(),
    "another mode": lambda s: s.model.train(not s.model.training),
    "dropout": dropout,
    "eps": less_eps,
    "requires_grad": frozen,
    "data": no_data,
}


@pytest.mark.parametrize("name", AS_EAGER)
@pytest.mark.parametrize("place", ["before", "between", "after", "outside"])
def test_modes_and_numbers_of_modules_are_as_eager(name: str, place: str) -> None:
    change = AS_EAGER[name]
    assert outcomes(OfTensors, True, place, change) == outcomes(OfTensors, False, place, change)


class Choosing(nn.Module):
    """What others set may hide what its class has, be no number at first, or be another part."""

    flipped = False

    def __init__(self) -> None:
        super().__init__()
        self.scale: float | None = None
        self.shift: float | None = None
        self.inner: Any = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))

    def forward(self, x: Any) -> Any:
        y = self.inner(x)
        if self.scale is not None:
            y = y * self.scale
        if self.shift is not None:
            y = y + self.shift
        y = y.neg() if self.flipped else y
        return y.exp() if getattr(self, "is_log", False) else y


def other_weight(model: Any) -> None:
    model.inner[0].weight = nn.Parameter(mg.ones(2, 2))


SETTINGS: list[Change] = [
    lambda model: model.eval(),
    lambda model: model.inner.eval(),
    lambda model: setattr(model, "scale", 2.0),
    lambda model: vars(model).update(scale=None, shift=2.0),
    lambda model: setattr(model, "flipped", True),
    lambda model: setattr(model, "is_log", True),
    lambda model: delattr(model, "flipped"),
    other_weight,
    lambda model: setattr(model, "inner", nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.25))),
    lambda model: model.inner.eval(),
    lambda model: setattr(model.inner[1], "p", 0.75),
    lambda model: model.train(),
]


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_what_is_set_between_calls_that_are_alike_is_noticed(calls: int) -> None:
    made = []
    for compiled in (False, True):
        mg.manual_seed(1)
        model, x = Choosing(), mg.ones(3, 2)
        step = lambda x: model(x).detach()  # noqa: B023, E731
        step = mg.compile(step) if compiled else step
        results = []
        for change in [lambda model: None, *SETTINGS]:
            change(model)
            results += [step(x).tolist() for _ in range(calls)]
        made.append(results)
    assert made[0] == made[1]


def test_the_first_to_draw_from_the_default_generator_has_not_made_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    for of in (lambda f: f, mg.compile):
        for name in ("default", "own"):
            monkeypatch.setattr(mg.random, name, None)
        step = of(lambda: mg.rand(3))
        made.append([step().tolist() for _ in range(3)])
    assert made[0] == made[1]


def seed_all(s: Any) -> None:
    mg.manual_seed(9)


def seed_one(s: Any) -> None:
    s.generator.manual_seed(9)


def set_state(s: Any) -> None:
    s.generator.set_state(mg.Generator().manual_seed(2).get_state())


@pytest.mark.parametrize("seed", [seed_all, seed_one, set_state])
def test_generators_are_seeded_outside(seed: Change) -> None:
    assert outcomes(OfTensors, True, "outside", seed) == outcomes(OfTensors, False, "outside", seed)
    with pytest.raises(RecordingError):
        outcomes(OfTensors, True, "between", seed)


def test_a_generator_of_a_call_is_refused() -> None:
    step = mg.compile(lambda: mg.rand(3, generator=mg.Generator().manual_seed(1)))
    with pytest.raises(RecordingError, match="make it once, outside"):
        step()


def losses_of_loops(compiled: bool) -> Any:
    """Return the losses of two loops over a function that changes modes, and what it leaves."""
    mg.manual_seed(1)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 1))

    def step(x: Any) -> Any:
        with mg.no_grad():
            y = model(x).sum()
        model.train(not model.training)
        model[0].p = 0.25 + model[0].p % 0.5
        return y

    x = mg.ones(8, 3)
    if compiled:
        f = mg.compile(step)
        losses = [*f.fit(x, epochs=3, batch_size=2), f.run(5, x[:2]).item()]
    else:
        f = step
        losses = [step(x[i : i + 2]).item() for _ in range(3) for i in range(0, 8, 2)]
        losses.append([step(x[:2]).item() for _ in range(5)][-1])
    losses += [f(x[:2]).item() for _ in range(9)]
    return losses, model[0].p, model.training


def test_loops_follow_what_a_function_does_to_modes() -> None:
    assert losses_of_loops(True) == losses_of_loops(False)


class Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.state, self.scale, self.calls = mg.zeros(3), 2, 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        self.seen = x * self.scale
        return self.seen + self.state


def test_what_replaces_what_it_reads_is_refused() -> None:
    cell = Cell()

    def step(x: Any) -> Any:
        cell.state = cell(x)
        return cell.state

    with pytest.raises(RecordingError, match=r"step\(\) reads Cell\.state, and lets it be another"):
        mg.compile(step)(mg.ones(3))
    with pytest.warns(UserWarning, match="runs eagerly"):
        assert mg.compile(step, fullgraph=False)(mg.ones(3)).tolist() == [4.0, 4.0, 4.0]


def test_ints_of_modules_are_constants_or_count() -> None:
    cell = Cell()
    step = mg.compile(lambda x: cell(x))
    for _ in range(5):
        assert step(mg.ones(3)).tolist() == [2.0, 2.0, 2.0]
    assert len(step.variants) == 2 and cell.calls == 2
    cell.scale = 3
    assert step(mg.ones(3)).tolist() == [3.0, 3.0, 3.0]


def test_a_generator_stays_where_it_is() -> None:
    rng = mg.RNG(1)
    first = rng.random()
    rng.state = 5
    rng.manual_seed(1)
    assert rng.random() == first
    default = mg.manual_seed(7)
    assert mg.manual_seed(8) is default and mg.initial_seed() == 8
    assert F.dropout(mg.ones(4), 0.5).shape == (4,)
