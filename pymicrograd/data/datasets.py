"""Data sets: what has examples by number, or gives them one after the other."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ..errors import ShapeError
from ..tensors.creation import randperm

__all__ = [
    "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset",
    "TensorDataset", "random_split",
]  # fmt: skip

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Examples by number: a subclass defines `__getitem__`, and `__len__` where it has one.

    A subclass may define `__getitems__(indices)`, which returns a list of examples at once.
    """

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__()")

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Examples one after the other: a subclass defines `__iter__`.

    In a worker process of a DataLoader `get_worker_info()` says which part of them to give; else
    each worker gives all.
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__()")

    def __add__(self, other: Any) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Tensors of equal length: example i is the tuple of their rows i.

    Raises:
        TypeError: there is no tensor.
        ShapeError: they differ in length.
    """

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise TypeError("a TensorDataset needs at least one tensor")
        shapes = [tuple(t.shape) for t in tensors]
        if any(shape[:1] != shapes[0][:1] or not shape for shape in shapes):
            raise ShapeError(f"the tensors of a TensorDataset are of one length, not {shapes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class StackDataset(Dataset[Any]):
    """Data sets of equal length: example i is the tuple, or dict, of their examples i."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("a StackDataset takes data sets either by place or by name")
        self.datasets: Any = kwargs or args
        lengths = {len(dataset) for dataset in (kwargs.values() if kwargs else args)}
        if len(lengths) > 1:
            raise ValueError(f"data sets of lengths {sorted(lengths)} do not stack")
        self._length = lengths.pop()

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __len__(self) -> int:
        return self._length


class Subset(Dataset[T]):
    """The examples of a data set that indices name, in their order."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        places = [self.indices[i] for i in indices]
        return examples_of(self.dataset, places)

    def __len__(self) -> int:
        return len(self.indices)


def examples_of(dataset: Any, indices: Sequence[Any]) -> list[Any]:
    """Return the examples of these numbers."""
    if hasattr(dataset, "__getitems__"):
        return dataset.__getitems__(indices)  # type: ignore[no-any-return]
    return [dataset[i] for i in indices]


class ConcatDataset(Dataset[Any]):
    """Data sets with `__len__`, one behind the other.

    Raises:
        ValueError: there are none.
        TypeError: one is an IterableDataset.
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("a ConcatDataset needs at least one data set")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise TypeError("a ConcatDataset takes no IterableDataset: ChainDataset does")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index: int) -> Any:
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"there is no example {index} among {len(self)}")
        which = bisect.bisect_right(self.cumulative_sizes, place)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][place - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[Any]):
    """Iterable data sets, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(f"a ChainDataset chains IterableDatasets, not {name_of(dataset)}")
            yield from dataset

    def __len__(self) -> int:
        return sum(map(len, self.datasets))


def name_of(thing: Any) -> str:
    """Return the name of a thing's class."""
    return type(thing).__name__


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Any = None
) -> list[Subset[Any]]:
    """Cut a data set at random into parts.

    Args:
        dataset: with `__len__`.
        lengths: of the parts; or shares of the whole, which sum up to 1: rounded down, and what
            is left over goes to the first parts, one each.
        generator: by default the package's.

    Raises:
        ValueError: the lengths do not sum up to the data set's.
    """
    count = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = shares(count, lengths)
    if sum(lengths) != count or any(length < 0 for length in lengths):
        raise ValueError(f"parts of {list(lengths)} examples do not make up the {count} there are")
    order = randperm(count, generator=generator).tolist()
    ends = itertools.accumulate(map(int, lengths))
    return [
        Subset(dataset, order[end - int(length) : end])
        for end, length in zip(ends, lengths, strict=True)
    ]


def shares(count: int, fractions: Sequence[float]) -> list[int]:
    """Return how many of count examples belong to each fraction."""
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ValueError(f"a share is from 0 to 1, not {fraction}")
    lengths = [math.floor(count * fraction) for fraction in fractions]
    for i in range(count - sum(lengths)):
        lengths[i % len(lengths)] += 1
    return lengths
