"""Schedulers: rates by formulas, torch's sequences, both kinds of optimizers, saving, errors."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest

import pymicrograd
from pymicrograd import Value, optim, tensor
from pymicrograd.optim import lr_scheduler as ours
from pymicrograd.optim import swa_utils

Make = Callable[[Any, Any], Any]

# Schedulers of a module (ours or torch's) for an optimizer of two groups with rates 0.5 and 0.02.
CASES: dict[str, Make] = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda n: 0.9**n),
    "LambdaLR groups": lambda s, o: s.LambdaLR(o, [lambda n: 1 / (n + 1), lambda n: n + 1.0]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda n: 0.95 + 0.001 * n),
    "StepLR": lambda s, o: s.StepLR(o, 3, gamma=0.3),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 11], gamma=0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.25, 4),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.1, 0.8, 7),
    "LinearLR default": lambda s, o: s.LinearLR(o),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.87),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 9, 1.7),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 6, 0.01),
    "WarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.001),
    "WarmRestarts 1": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 3, 5),
    "CyclicLR 2": lambda s, o: s.CyclicLR(o, [0.01, 0.02], 0.1, 4, mode="triangular2"),
    "CyclicLR exp": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, 4, mode="exp_range", gamma=0.97, base_momentum=0.7
    ),
    "CyclicLR fn": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, 4, scale_fn=lambda x: 1 / (5 ** (x * 1e-2)), scale_mode="iterations",
        cycle_momentum=False,
    ),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.7, total_steps=25),
    "OneCycleLR groups": lambda s, o: s.OneCycleLR(
        o, [0.7, 0.1], epochs=5, steps_per_epoch=5, anneal_strategy="linear", pct_start=0.4
    ),
    "OneCycleLR three": lambda s, o: s.OneCycleLR(o, 0.7, total_steps=25, three_phase=True),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9), s.StepLR(o, 2, 0.5)], [4, 11]
    ),
    "SequentialLR warm": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.01, 1.0, 5), s.CosineAnnealingLR(o, 15)], [5]
    ),
    "SequentialLR at once": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9)], [0]
    ),
    "SequentialLR nested": lambda s, o: s.SequentialLR(
        o,
        [s.SequentialLR(o, [s.ConstantLR(o, 0.5, 2), s.StepLR(o, 2)], [3]),
         s.PolynomialLR(o, 5)],
        [8],
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.9), s.MultiStepLR(o, [7])], o
    ),
}  # fmt: skip
SWA: dict[str, Make] = {
    "SWALR": lambda s, o: s.SWALR(o, [0.05, 0.2], 6),
    "SWALR linear": lambda s, o: s.SWALR(o, 0.05, 5, "linear"),
    "SWALR at once": lambda s, o: s.SWALR(o, 0.05, 0),
}
STEPS = 24


def groups(params: Any) -> list[dict[str, Any]]:
    return [{"params": params[:1], "lr": 0.5}, {"params": params[1:], "lr": 0.02}]


def of_tensors(**options: Any) -> Any:
    params = [tensor([1.0], requires_grad=True) for _ in range(2)]
    return optim.SGD(groups(params), momentum=0.9, **options)


def of_values() -> Any:
    return optim.AdamW(groups([Value(1.0), Value(2.0)]))


def rates(scheduler: Any, optimizer: Any, steps: int = STEPS) -> list[Any]:
    """Return the rates of the steps, and the momenta that go with them."""
    found = []
    for _ in range(steps):
        optimizer.step()
        found.append([float(group["lr"]) for group in optimizer.param_groups])
        found.append(
            [g["momentum"] if "momentum" in g else g["betas"][0] for g in optimizer.param_groups]
        )
        scheduler.step()
        assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    return found


@pytest.mark.parametrize("case", [*CASES, *SWA])
def test_torch_agrees(case: str) -> None:
    torch = pytest.importorskip("torch")
    mine = of_tensors()
    its = torch.optim.SGD(groups([torch.ones(1), torch.ones(1)]), momentum=0.9)
    if case in SWA:
        made = SWA[case](swa_utils, mine), SWA[case](torch.optim.swa_utils, its)
    else:
        made = CASES[case](ours, mine), CASES[case](torch.optim.lr_scheduler, its)
    for a, b in zip(rates(made[0], mine), rates(made[1], its), strict=True):
        assert a == pytest.approx(b, rel=1e-9, abs=1e-15)


def product(factor: Callable[[int], float]) -> Callable[[int], float]:
    return lambda n: math.prod(factor(k) for k in range(1, n + 1))


@pytest.mark.parametrize("make", [of_tensors, of_values])
@pytest.mark.parametrize(
    ("case", "formula"),
    [
        ("LambdaLR", lambda n: 0.9**n),
        ("MultiplicativeLR", product(lambda n: 0.95 + 0.001 * n)),
        ("StepLR", lambda n: 0.3 ** (n // 3)),
        ("MultiStepLR", lambda n: 0.3 ** sum(m <= n for m in (2, 5, 5, 11))),
        ("ConstantLR", lambda n: 0.25 if n < 4 else 1.0),
        ("LinearLR", lambda n: 0.1 + 0.7 * min(n, 7) / 7),
        ("ExponentialLR", lambda n: 0.87**n),
        ("PolynomialLR", lambda n: (1 - min(n, 9) / 9) ** 1.7),
        ("WarmRestarts 1", lambda n: (1 + math.cos(math.pi * (n % 5) / 5)) / 2),
        ("SequentialLR", lambda n: 0.1 if n < 3 else 1.0 if n < 4 else 0.9 ** (n - 4) if n < 11
         else 0.5 ** ((n - 11) // 2)),
        ("ChainedScheduler", lambda n: (0.1 if n < 4 else 1) * 0.9**n * (0.1 if n > 6 else 1)),
    ],
)  # fmt: skip
def test_rates_are_their_formula(case: str, formula: Callable[[int], float], make: Any) -> None:
    optimizer = make()
    found = rates(CASES[case](ours, optimizer), optimizer)[::2]
    for n, pair in enumerate(found):
        assert pair == pytest.approx([0.5 * formula(n), 0.02 * formula(n)], rel=1e-12, abs=1e-15)


def test_plateau() -> None:
    metrics = [1.0, 0.9, 0.9, 0.95, 0.91, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.4, 0.4]
    options: list[dict[str, Any]] = [
        {"patience": 1}, {"patience": 2, "cooldown": 2, "factor": 0.5}, {"mode": "max"},
        {"mode": "max", "patience": 0, "min_lr": [0.1, 0.001]},
        {"patience": 1, "threshold": 0.2, "threshold_mode": "abs", "eps": 0.01},
    ]  # fmt: skip
    optimizer = of_values()
    scheduler = ours.ReduceLROnPlateau(optimizer, **options[0])
    found = []
    for metric in metrics:
        scheduler.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    expected = [0.5] * 3 + [0.05] * 4 + [5e-3] * 2 + [5e-4] * 2 + [5e-5] * 4 + [5e-6]
    assert found == pytest.approx(expected, rel=1e-12)
    torch = pytest.importorskip("torch")
    for named in options:
        mine, its = of_tensors(), torch.optim.SGD(groups([torch.ones(1), torch.ones(1)]))
        a = ours.ReduceLROnPlateau(mine, **named)
        b = torch.optim.lr_scheduler.ReduceLROnPlateau(its, **named)
        for metric in metrics:
            a.step(tensor(metric, dtype="float64"))
            b.step(metric)
            assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-12), named


@pytest.mark.parametrize("case", [*CASES, *SWA])
def test_a_resumed_scheduler_goes_on(case: str) -> None:
    home: Any = swa_utils if case in SWA else ours
    make = SWA.get(case) or CASES[case]
    optimizer = of_tensors()
    scheduler = make(home, optimizer)
    rates(scheduler, optimizer, 9)
    other = of_tensors()
    resumed = make(home, other)
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(copy.deepcopy(scheduler.state_dict()))
    assert rates(resumed, other, 14) == rates(scheduler, optimizer, 14)


def test_a_scheduler_that_begins_late_goes_on() -> None:
    optimizer = of_values()
    with pytest.raises(KeyError, match="initial_lr"):
        ours.ExponentialLR(optimizer, 0.5, last_epoch=3)
    whole = ours.ExponentialLR(optimizer, 0.5)
    rates(whole, optimizer, 4)
    late = ours.ExponentialLR(optimizer, 0.5, last_epoch=3)
    assert (late.last_epoch, late.base_lrs) == (4, [0.5, 0.02])
    assert late.get_last_lr() == [0.03125, 0.00125]


def test_a_rate_that_is_a_tensor_stays_it() -> None:
    rate = tensor(0.5, dtype="float64")
    p = tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=rate)
    scheduler = ours.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(2):
        p.grad = tensor([1.0])
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.125
    assert p.item() == 1.0 - 0.5 - 0.25 and scheduler.base_lrs == [0.5]


def test_a_scheduler_of_ones_own() -> None:
    class Halves(ours.LRScheduler):
        def get_lr(self) -> list[float]:
            return [base / 2**self.last_epoch for base in self.base_lrs]

    optimizer = of_values()
    found = rates(Halves(optimizer), optimizer, 3)[::2]
    assert found == [[0.5, 0.02], [0.25, 0.01], [0.125, 0.005]]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [(lambda o: ours.StepLR([o], 1), TypeError, "of an optimizer, not list"),
     (lambda o: ours.LambdaLR(o, [lambda n: 1.0]), ValueError, "1 items for 2 groups"),
     (lambda o: ours.LambdaLR(o, 0.5), TypeError, "a function, not float"),
     (lambda o: ours.ConstantLR(o, 1.5), ValueError, "from 0 to 1"),
     (lambda o: ours.LinearLR(o, 0.0), ValueError, "above 0 and at most 1"),
     (lambda o: ours.LinearLR(o, 0.5, 1.5), ValueError, "from 0 to 1"),
     (lambda o: ours.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0"),
     (lambda o: ours.CosineAnnealingWarmRestarts(o, 1, 0), ValueError, "T_mult"),
     (lambda o: ours.CosineAnnealingWarmRestarts(o, 1).step(-1), ValueError, "at least 0"),
     (lambda o: ours.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError, "'triangular'"),
     (lambda o: ours.OneCycleLR(o, 0.1), ValueError, "give total_steps"),
     (lambda o: ours.OneCycleLR(o, 0.1, 0), ValueError, "total_steps is an int above 0"),
     (lambda o: ours.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=1), ValueError, "epochs"),
     (lambda o: ours.OneCycleLR(o, 0.1, 9, pct_start=2.0), ValueError, "pct_start"),
     (lambda o: ours.OneCycleLR(o, 0.1, 9, anneal_strategy="up"), ValueError, "anneal_strategy"),
     (lambda o: rates(ours.OneCycleLR(o, 0.1, 9), o), ValueError, "step 10 of 9 steps"),
     (lambda o: ours.ReduceLROnPlateau(o, "low"), ValueError, "mode"),
     (lambda o: ours.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor is below 1"),
     (lambda o: ours.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold_mode"),
     (lambda o: ours.SequentialLR(o, [], []), ValueError, "at least one"),
     (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)], [1]), ValueError, "need 0 milestones"),
     (lambda o: ours.SequentialLR(o, [ours.StepLR(of_values(), 1)], []), ValueError, "not of its"),
     (lambda o: ours.ChainedScheduler([ours.ReduceLROnPlateau(o)]), ValueError, "need a metric"),
     (lambda o: swa_utils.SWALR(o, 0.1, -1), ValueError, "anneal_epochs"),
     (lambda o: swa_utils.SWALR(o, 0.1, 1, "up"), ValueError, "anneal_strategy")],
)  # fmt: skip
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make(of_tensors())


def test_cycles_need_a_momentum() -> None:
    p = [tensor([1.0], requires_grad=True)]
    for scheduler in (ours.CyclicLR, ours.OneCycleLR):
        with pytest.raises(ValueError, match="Adagrad has no momentum or betas"):
            scheduler(optim.Adagrad(p), 0.1, 9)


def test_averaged_models() -> None:
    nn = pymicrograd.nn
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = swa_utils.AveragedModel(model)
    ema = swa_utils.AveragedModel(model, avg_fn=swa_utils.get_ema_avg_fn(0.75), use_buffers=True)
    weights = []
    for n in range(3):
        model[0].weight.data.fill_(float(n * n))
        model[1].running_mean.fill_(float(n))
        weights.append(n * n)
        average.update_parameters(model)
        ema.update_parameters(model)
    assert average.module[0].weight[0, 0].item() == pytest.approx(5 / 3, rel=1e-6)
    assert average.module[1].running_mean[0].item() == 2.0
    assert ema.module[0].weight[0, 0].item() == 0.75 * 0.25 + 0.25 * 4.0
    assert int(average.n_averaged) == 3
    assert average(tensor([[1.0, 2.0], [0.0, 1.0]])).shape == (2, 2)
    with pytest.raises(ValueError, match="decay is from 0 to 1"):
        swa_utils.get_ema_avg_fn(1.5)


def test_update_bn() -> None:
    nn = pymicrograd.nn
    model = nn.Sequential(nn.BatchNorm1d(1)).eval()
    batches = [tensor([[1.0], [3.0]]), (tensor([[5.0], [9.0]]), "label")]
    swa_utils.update_bn(batches, model)
    assert model[0].running_mean.tolist() == [4.5]
    assert model[0].running_var.tolist() == [5.0]
    assert (model[0].momentum, model.training) == (0.1, False)
