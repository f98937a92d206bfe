"""Runs that end in the middle and go on in another process have the bits of those that do not."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import test_lr_scheduler
import test_optim_rules
from isolated import run_python

import pymicrograd
from pymicrograd import data, nn, optim
from pymicrograd.nn import functional
from pymicrograd.optim import lr_scheduler, swa_utils

STEPS, PERIOD = 100, 10  # of half a run; between two of its scheduler, of which some end at 25

OPTIMIZERS: dict[str, Any] = {
    **test_optim_rules.CASES,
    **test_optim_rules.PLAIN,
    **test_optim_rules.COMPOSED,
}
SCHEDULERS: dict[str, Any] = {**test_lr_scheduler.CASES, **test_lr_scheduler.SWA}
ROWS = data.TensorDataset(*data.blobs(128, generator=pymicrograd.Generator().manual_seed(3)))
SEARCH = ("LBFGS", "ReduceLROnPlateau")  # of one group; with the loss


def pairs() -> Iterator[tuple[str, str]]:
    """Return an optimizer and a scheduler for each run, so that all are there."""
    yield SEARCH
    cyclic = [name for name in SCHEDULERS if name.startswith(("CyclicLR", "OneCycleLR"))]
    yield from zip(itertools.cycle(["SGD", "AdamW amsgrad"]), cyclic)  # which have a momentum
    others = [name for name in SCHEDULERS if name not in cyclic]
    longer = max(len(others), len(OPTIMIZERS))
    yield from itertools.islice(zip(itertools.cycle(OPTIMIZERS), itertools.cycle(others)), longer)


class Run:
    """A network with dropout on shuffled batches of 128 rows, 6 an epoch."""

    def __init__(self, number: int, optimizer: str, scheduler: str) -> None:
        pymicrograd.manual_seed(number)
        self.model = nn.Sequential(
            nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3)
        )
        self.loader = data.DataLoader(ROWS, batch_size=24, shuffle=True)
        params = list(self.model.parameters())
        self.searches = (optimizer, scheduler) == SEARCH
        if self.searches:
            self.optimizer: Any = optim.LBFGS(params, lr=0.5, max_iter=2)
            self.scheduler: Any = lr_scheduler.ReduceLROnPlateau(self.optimizer, patience=1)
        else:
            name, options = OPTIMIZERS[optimizer]
            if name == "Muon":  # which moves matrices only
                params = [p for p in params if p.ndim == 2]
            half = len(params) // 2
            groups = [{"params": params[:half]}, {"params": params[half:], "lr": 0.03}]
            self.optimizer = getattr(optim, name)(groups, **options)
            home = swa_utils if scheduler in test_lr_scheduler.SWA else lr_scheduler
            self.scheduler = SCHEDULERS[scheduler](home, self.optimizer)
        self.count = 0
        self.inputs = self.batches()

    def batches(self) -> Iterator[Any]:
        while True:
            yield from self.loader

    def go_on(self) -> None:
        """Make the steps of half a run."""
        for inputs, labels in itertools.islice(self.inputs, STEPS):
            loss = self.step(inputs, labels)
            self.count += 1
            if self.count % PERIOD == 0:
                self.scheduler.step(*[loss.item()] * self.searches)

    def step(self, inputs: Any, labels: Any) -> Any:
        def closure() -> Any:
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.model(inputs), labels)
            loss.backward()
            return loss

        return self.optimizer.step(closure)

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "loader": self.loader.state_dict(),
            "rng": pymicrograd.get_rng_state(),
            "count": self.count,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.loader.load_state_dict(state["loader"])
        pymicrograd.set_rng_state(state["rng"])
        self.count = state["count"]

    def digest(self) -> str:
        """Return a hash of all that the run has come to; text tells floats apart."""
        state = self.state()
        plain = repr([(key, x.tolist()) for key, x in state.pop("model").items()])
        return hashlib.sha256((plain + repr(state)).encode()).hexdigest()


OF_VALUES: dict[str, Any] = {
    "SGD": ("SGD", {}), "SGD momentum": ("SGD", {"momentum": 0.9, "weight_decay": 0.01}),
    "Adam": ("Adam", {"weight_decay": 0.01}), "AdamW": ("AdamW", {"weight_decay": 0.1}),
}  # fmt: skip


def pairs_of_values() -> Iterator[tuple[str, str]]:
    """Return an optimizer of Values for each scheduler, so that each optimizer has several."""
    yield "SGD momentum", "ReduceLROnPlateau"
    yield from zip(itertools.cycle(["AdamW", "SGD momentum", "Adam"]), SCHEDULERS)
    yield "SGD", "StepLR"


class RunOfValues(Run):
    """A network of Values that meets drawn points, two a step."""

    steps, period = 12, 2

    def __init__(self, number: int, optimizer: str, scheduler: str) -> None:
        pymicrograd.manual_seed(number)
        self.model: Any = nn.MLP(2, [3, 1])
        self.searches = scheduler == "ReduceLROnPlateau"
        params = list(self.model.parameters())
        name, options = OF_VALUES[optimizer]
        groups = [{"params": params[:5]}, {"params": params[5:], "lr": 0.03}]
        self.optimizer = getattr(optim, name)(groups, **options)
        if self.searches:
            self.scheduler = lr_scheduler.ReduceLROnPlateau(self.optimizer, patience=1)
        else:
            home = swa_utils if scheduler in test_lr_scheduler.SWA else lr_scheduler
            self.scheduler = SCHEDULERS[scheduler](home, self.optimizer)
        self.loader: Any = data.RandomSampler(ROWS)
        self.count = 0

    def go_on(self) -> None:
        rng = pymicrograd.random.default_generator()
        for _ in range(self.steps):
            self.optimizer.zero_grad()
            points = [[rng.normal(), rng.normal()] for _ in range(2)]
            scores = [self.model(x) for x in points]
            loss = functional.mse_loss(scores, [x[0] * x[1] for x in points])
            loss.backward()
            self.optimizer.step()
            self.count += 1
            if self.count % self.period == 0:
                self.scheduler.step(*[loss.data] * self.searches)


KINDS = (Run, pairs), (RunOfValues, pairs_of_values)


def numbered() -> Iterator[tuple[str, int, type[Run], tuple[str, str]]]:
    """Return of every run its name, number, class and arguments."""
    for kind, found in KINDS:
        for number, names in enumerate(found()):
            yield " ".join([kind.__name__, *names]), number, kind, names


def resume() -> None:
    """Go on with all runs of a checkpoint, and print what they come to."""
    saved, found = pymicrograd.load(os.environ["CHECKPOINT"]), {}
    for name, number, kind, names in numbered():
        run = kind(1000 + number, *names)  # other numbers, all of which the checkpoint has
        run.load(saved[name])
        run.go_on()
        found[name] = run.digest()
    json.dump(found, sys.stdout)


def test_a_run_goes_on_in_another_process_with_the_same_bits(tmp_path: Path) -> None:
    saved, expected = {}, {}
    for name, number, kind, names in numbered():
        run = kind(number, *names)
        run.go_on()
        saved[name] = copy.deepcopy(run.state())
        run.go_on()
        expected[name] = run.digest()
    pymicrograd.save(saved, tmp_path / "half.npz")
    source = "import test_resuming; test_resuming.resume()"
    found = json.loads(run_python(source, CHECKPOINT=str(tmp_path / "half.npz")))
    assert [name for name in expected if found[name] != expected[name]] == []
    assert len(set(expected.values())) == len(expected) > 60


def test_all_optimizers_and_schedulers_are_there() -> None:
    of_values = {name for pair in pairs_of_values() for name in pair}
    assert {*SCHEDULERS, *OF_VALUES, "ReduceLROnPlateau"} - of_values == set()
    names = {name for pair in pairs() for name in pair}
    classes = {OPTIMIZERS[name][0] if name in OPTIMIZERS else name.split()[0] for name in names}
    classes |= {"AdamW", "CosineAnnealingWarmRestarts"} if "WarmRestarts" in names else set()
    needed = {*optim.__all__, *lr_scheduler.__all__, "SWALR"}
    assert needed - {"Optimizer", "LRScheduler", "lr_scheduler", "swa_utils"} <= classes
