"""Reading the examples of a batch and making the batch of them; in any process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from ..scalars import MASK
from ..tensors.interchange import tensor
from ..tensors.ops import TensorBase
from .collate import default_collate
from .datasets import Subset, TensorDataset, examples_of

__all__ = ["Reader", "seed_of_batch"]


def seed_of_batch(seed: int, number: int) -> int:
    """Return a seed for a batch of an epoch, by splitmix64.

    Source: Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195.
    """
    z = (seed + (number + 2) * 0x9E3779B97F4A7C15) & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31 or 1


class Reader:
    """Reads batches of a data set.

    Args:
        dataset: the data set.
        collate_fn: makes a batch of a list of examples.
        is_iterable: the data set gives examples one after the other.
        is_batched: what is read are lists of examples, not single ones.
        drop_last: of an iterable data set: leave a last batch out that is shorter.
    """

    def __init__(
        self,
        dataset: Any,
        collate_fn: Callable[[Any], Any],
        is_iterable: bool,
        is_batched: bool,
        drop_last: bool,
    ) -> None:
        self.dataset, self.collate_fn = dataset, collate_fn
        self.is_iterable, self.is_batched, self.drop_last = is_iterable, is_batched, drop_last
        self.examples: Iterator[Any] = iter(())

    def begin(self) -> None:
        """Start an epoch."""
        if self.is_iterable:
            self.examples = iter(self.dataset)

    def read(self, indices: Any) -> Any:
        """Return a batch, or one example.

        Raises:
            StopIteration: an iterable data set has no more.
        """
        if self.is_iterable:
            return self._read_next(indices)
        if not self.is_batched:
            return self.collate_fn(self.dataset[indices])
        if self.collate_fn is default_collate:
            rows = rows_of(self.dataset, indices)
            if rows is not None:
                return rows
        return self.collate_fn(examples_of(self.dataset, indices))

    def _read_next(self, indices: Any) -> Any:
        if not self.is_batched:
            return self.collate_fn(next(self.examples))
        found = list(itertools.islice(self.examples, len(indices)))
        if not found or (self.drop_last and len(found) < len(indices)):
            raise StopIteration
        return self.collate_fn(found)


def rows_of(dataset: Any, indices: Any) -> list[Any] | None:
    """Return a batch of a TensorDataset, or a part of one, by one call a tensor; else None.

    It is the batch that its examples would make.
    """
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not indices:
        return None
    if not all(isinstance(t, TensorBase) for t in dataset.tensors):
        return None
    places = tensor(indices)
    return [t[places] for t in dataset.tensors]
