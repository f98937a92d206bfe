"""The demo: LLM101n's classifier of points in the plane, trained on either engine.

This file is the training program alone: what `pymicrograd demo` prints comes from
`Training.run`, the same code for both engines. Options and messages are in commands.py.
"""

from __future__ import annotations

import importlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import data

__all__ = ["DATASETS", "ENGINES", "Dataset", "Settings", "Training", "first_difference"]

Point = tuple[Sequence[float], int]

ENGINES = {"c": "pymicrograd", "reference": "pymicrograd.reference"}


@dataclass(frozen=True)
class Dataset:
    """A set of labelled points: how it is made, split into three, and how many classes it has."""

    make: Callable[[Any, int], tuple[list[Any], list[Any], list[Any]]]
    class_count: int


DATASETS = {
    "quadrants": Dataset(data.gen_data, 3),
    "yinyang": Dataset(data.gen_data_yinyang, 3),
    "moons": Dataset(data.gen_data_moons, 2),
}


@dataclass(frozen=True)
class Settings:
    """What a training run depends on besides the engine; the defaults are LLM101n's."""

    data: str = "quadrants"
    points: int = 100
    layers: tuple[int, ...] = (16,)
    steps: int = 100
    lr: float = 0.1
    weight_decay: float = 1e-4
    seed: int = 42
    math: str = "library"


class Training:
    """One run of the training program on one engine.

    Args:
        engine: "c" or "reference".
        settings: the data set, the network, the optimizer's numbers, the seed.

    Attributes:
        model: the MLP, changed by `run`.
        splits: the points by name: "train", "val", "test".
        train_losses: one number a step.
        val_losses: by step, every 10 steps.
        seconds: time spent in the steps of `run`, without the time its caller took.

    Raises:
        ImportError: the engine cannot be loaded.
    """

    def __init__(self, engine: str, settings: Settings) -> None:
        self.settings = settings
        self.engine: Any = importlib.import_module(ENGINES[engine])
        self.engine.set_math(settings.math)
        dataset = DATASETS[settings.data]
        rng = self.engine.RNG(settings.seed)  # one generator: first the points, then the weights
        parts = dataset.make(rng, settings.points)
        self.splits = dict(zip(("train", "val", "test"), parts, strict=True))
        self.sizes = [*settings.layers, dataset.class_count]
        self.model = self.engine.MLP(2, self.sizes, rng=rng)
        self.optimizer = self.engine.AdamW(
            self.model.parameters(),
            lr=settings.lr,
            betas=(0.9, 0.95),
            weight_decay=settings.weight_decay,
        )
        self.train_losses: list[float] = []
        self.val_losses: dict[int, float] = {}
        self.seconds = 0.0

    def run(self) -> Iterator[str]:
        """Train, and yield the lines to print: validation loss every 10 steps, loss every step."""
        train, val = (self._batch(self.splits[name]) for name in ("train", "val"))
        started = time.perf_counter()
        for step in range(self.settings.steps):
            lines = []
            if step % 10 == 0:
                self.val_losses[step] = self._loss(*val).data
                lines.append(f"step {step}, val loss {self.val_losses[step]:.6f}")
            loss = self._loss(*train)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.train_losses.append(loss.data)
            lines.append(f"step {step}, train loss {loss.data!r}")
            del loss  # its nodes make room for the next step's
            self.seconds += time.perf_counter() - started
            yield from lines
            started = time.perf_counter()

    def correct(self, split: str) -> int:
        """Count the points of a split whose largest logit is that of their class."""
        points = self.splits[split]
        scores = self.logits([point for point, _ in points])
        return sum(
            max(range(len(row)), key=row.__getitem__) == label
            for row, (_, label) in zip(scores, points, strict=True)
        )

    def logits(self, points: Sequence[Sequence[float]]) -> list[list[float]]:
        """Compute the network's outputs, of shape (len(points), classes), without recording."""
        with self.engine.no_grad():
            return [[logit.data for logit in row] for row in self.model([[*p] for p in points])]

    def weights(self) -> list[float]:
        """Return the parameters' numbers in the model's order."""
        return [parameter.data for parameter in self.model.parameters()]

    def example_loss(self) -> Any:
        """Return the loss of the first training point, with gradients, coloured for a picture."""
        from ..pictures.graphs import vis_color

        (x, y), label = self.splits["train"][0]
        inputs = [self.engine.Value(x), self.engine.Value(y)]
        loss = self.engine.cross_entropy(self.model(inputs), label)
        self.model.zero_grad()
        loss.backward()
        vis_color(self.model.parameters(), "lightgreen")
        vis_color(inputs, "lightblue")
        return loss

    def _batch(self, points: list[Point]) -> tuple[list[list[Any]], list[int]]:
        """Return a split's inputs as Values, made once, and its classes."""
        value = self.engine.Value
        return [[value(x) for x in point] for point, _ in points], [label for _, label in points]

    def _loss(self, inputs: list[list[Any]], labels: list[int]) -> Any:
        """Compute the mean cross-entropy of a batch."""
        return self.engine.cross_entropy(self.model(inputs), labels)


def first_difference(
    lines: Sequence[str], other: Sequence[str]
) -> tuple[int, str | None, str | None] | None:
    """Find the first place, counted from 1, where two texts differ; None where they are equal."""
    for number, (mine, its) in enumerate(itertools.zip_longest(lines, other), start=1):
        if mine != its:
            return number, mine, its
    return None


def write_graph(root: Any, path: str) -> int:
    """Write a graph as text or picture, by extension, and return the number of its nodes."""
    from ..files import replacing
    from ..pictures import graphs

    extension = os.path.splitext(path)[1].lower()
    if extension == ".dot":
        picture = graphs.to_dot(root).encode()
    elif extension == ".mmd":
        picture = graphs.to_mermaid(root).encode()
    elif extension == ".md":
        picture = f"```mermaid\n{graphs.to_mermaid(root)}```\n".encode()
    else:
        picture = graphs.draw_dot(root, format=extension[1:]).pipe()
    with replacing(path) as file:
        file.write(picture)
    return len(graphs.trace(root)[0])
