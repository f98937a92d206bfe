"""Loops of a compiled function: many runs in one call of the core."""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from ..errors import ArgumentError, ShapeError
from ..tensors.creation import empty, randperm
from ..tensors.ops import TensorBase
from .signatures import Unrecorded

__all__ = ["Fitting", "Pace"]

SLICE = 0.02  # seconds between two looks at signals


def as_count(name: str, number: Any, least: int = 0) -> int:
    """Return a whole number that is not too small."""
    if not hasattr(number, "__index__"):
        raise TypeError(f"{name} is a whole number, not {number!r}")
    count = operator.index(number)
    if count < least:
        raise ArgumentError(f"{name} is at least {least}, not {count}")
    return count


class Pace:
    """How many steps are made in one call, so that it takes about as long as a slice."""

    def __init__(self) -> None:
        self.steps = 1

    def took(self, steps: int, seconds: float) -> None:
        """Learn from a call."""
        if steps:
            wanted = int(steps * SLICE / max(seconds, 1e-6))
            self.steps = max(1, min(wanted, 4 * self.steps))


class Fitting:
    """The loops of a compiled function."""

    lock: Any
    call: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    once: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    like_last: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    signature: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    ready: Callable[[Sequence[Any], Any], Any]

    def run(self, count: int, *args: Any, **named: Any) -> Any:
        """Call the function so many times with the same arguments; return the last result.

        It is `for _ in range(count): result = step(*args)`, in few calls of C.
        """
        left = as_count("count", count)
        result = None
        with self.lock:
            while left:
                result, left = self.once(args, named), left - 1
                variant = self.found(args, named) if left > 1 else None
                while variant is not None and left > 1:
                    done = self.advance(variant, min(left - 1, variant.pace.steps))
                    left -= done
                    if not done or variant.changes:
                        break
        return result

    def found(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return a program that has these arguments, or None."""
        variant = self.like_last(args, named)
        if variant is not None:
            return variant
        try:
            key, tensors = self.signature(args, named)
        except Unrecorded:
            return None
        return self.ready(tensors, key)

    @staticmethod
    def advance(variant: Any, steps: int) -> int:
        """Run a program; returns how often it ran."""
        if variant.acts:
            steps = 1
        begin = time.perf_counter()
        status, done = TensorBase._program_run(variant.program.address, steps, variant.is_long)
        variant.pace.took(done, time.perf_counter() - begin)
        if done and variant.acts:
            variant.act()
            variant.refresh()
        if status not in (0, *_core.OTHER):
            variant.program.fail(status)
        return done

    def fit(
        self,
        *data: Any,
        epochs: int = 1,
        batch_size: int | None = None,
        shuffle: Any = None,
        every: int = 1,
        callback: Callable[[int, float], Any] | None = None,
        progress: bool = False,
    ) -> list[float]:
        """Call the function with batches of the rows of Tensors, many in one call of C.

        The bits are those of the loop

            for epoch in range(epochs):
                order = randperm(n, generator=shuffle)  # arange(n) without shuffle
                for first in range(0, n, batch_size):
                    rows = order[first : first + batch_size]
                    loss = step(x[rows], y[rows])

        Args:
            data: Tensors with as many rows each, n.
            epochs: how often all rows are gone through.
            batch_size: rows of a batch, all by default; the last batch of an epoch may be smaller.
            shuffle: a generator, or True for the package's.
            every: after how many steps callback is called.
            callback: gets the number of steps made and the loss of the last one; it may change
                options of optimizers.
            progress: show a bar, where tqdm is installed.

        Returns:
            The loss of every step, of a function that returns a Tensor of one element; else [].

        Raises:
            ShapeError: the Tensors have other numbers of rows.
        """
        epochs, every = as_count("epochs", epochs), as_count("every", every, 1)
        rows = rows_of(data)
        size = rows if batch_size is None else as_count("batch_size", batch_size, 1)
        fit = Fit(self, data, size, every if callback is not None else 0, callback)
        steps = epochs * (-(-rows // size) if rows else 0)
        with self.lock, bar(steps, progress) as fit.bar:
            for _ in range(epochs):
                fit.epoch(rows, shuffled(rows, shuffle))
        return fit.losses


def shuffled(rows: int, shuffle: Any) -> Any:
    """Return the order of the rows of an epoch, a Tensor; None: that in which they are."""
    if shuffle is None or shuffle is False:
        return None
    return randperm(rows, generator=None if shuffle is True else shuffle)


def rows_of(data: Sequence[Any]) -> int:
    """Return the number of rows of Tensors."""
    if not data or not all(isinstance(x, TensorBase) and x.ndim for x in data):
        raise ArgumentError("fit() takes Tensors with rows")
    counts = {x.shape[0] for x in data}
    if len(counts) > 1:
        raise ShapeError(f"fit: the data have {sorted(counts)} rows")
    return int(counts.pop())


class Fit:
    """A fit on its way.

    Attributes:
        step: the compiled function.
        data: Tensors, contiguous.
        losses: so far.
        made: how many steps were made.
    """

    bar: Any

    def __init__(
        self,
        step: Fitting,
        data: Sequence[Any],
        size: int,
        every: int,
        callback: Callable[[int, float], Any] | None,
    ) -> None:
        self.step, self.size, self.every, self.callback = step, size, every, callback
        self.data = tuple(x.detach().contiguous() for x in data)
        self.losses: list[float] = []
        self.made = 0
        self.batches: dict[int, tuple[Any, ...]] = {}

    def epoch(self, rows: int, order: Any) -> None:
        """Go through all rows."""
        full = rows // self.size if self.size else 0
        self.steps(self.size, 0, full, order)
        if rows - full * self.size:
            self.steps(rows - full * self.size, full * self.size, 1, order)

    def batch(self, size: int) -> tuple[Any, ...]:
        """Return the Tensors that rows are copied to."""
        if size not in self.batches:
            self.batches[size] = tuple(
                empty((size, *x.shape[1:]), dtype=x.dtype) for x in self.data
            )
        return self.batches[size]

    def steps(self, size: int, first: int, count: int, order: Any) -> None:
        """Make steps with batches of a size, from a row on."""
        batch = self.batch(size)
        while count:
            done = 0
            variant = self.step.found(batch, {})  # anew: a callback may change anything
            if variant is not None:
                wanted = min(count, variant.pace.steps, self.until_callback())
                done = self.advance(variant, size, first, wanted, order)
            if not done:
                self.call(batch, size, first, order)
                done = 1
            first, count = first + done * size, count - done
            self.report(done)

    def until_callback(self) -> int:
        """Return how many steps there are to the next call."""
        return self.every - self.made % self.every if self.every else 1 << 30

    def call(self, batch: tuple[Any, ...], size: int, first: int, order: Any) -> None:
        """Make one step by a call."""
        rows = slice(first, first + size)
        for x, to in zip(self.data, batch, strict=True):
            to.copy_(x[rows] if order is None else x[order[rows]])
        loss: Any = self.step.call(batch, {})
        if isinstance(loss, TensorBase) and math.prod(loss.shape) == 1:
            self.losses.append(float(loss))  # type: ignore[arg-type]

    def advance(self, variant: Any, size: int, first: int, count: int, order: Any) -> int:
        """Make steps by a program; returns how many."""
        program = variant.program
        if variant.acts:
            count = 1
        begin = time.perf_counter()
        status, done, losses = program.fit(
            self.data, size, first, count, order, variant.gives_number, variant.is_long
        )
        variant.pace.took(done, time.perf_counter() - begin)
        self.losses += losses
        if done:
            variant.act()
        if status not in (0, *_core.OTHER):
            program.fail(status)
        return int(done)

    def report(self, done: int) -> None:
        """Count steps, and tell of them."""
        self.made += done
        if self.bar is not None:
            self.bar.update(done)
        if self.callback is not None and self.made % self.every == 0:
            self.callback(self.made, self.losses[-1] if self.losses else float("nan"))


class bar:
    """A progress bar of tqdm's, where that is wanted and installed; else None."""

    def __init__(self, count: int, wanted: bool) -> None:
        self.made = None
        if wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self.made = tqdm(total=count)

    def __enter__(self) -> Any:
        return self.made

    def __exit__(self, *error: Any) -> None:
        if self.made is not None:
            self.made.close()
