"""The order in which a DataLoader takes examples.

A sampler that draws takes one seed an epoch from its generator and the order from that seed alone.
So an epoch is told by 64 bits, which `state_dict` returns, and whoever draws from the same
generator meanwhile, dropout for one, changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, Generic, TypeVar

from ..random import RNG, default_generator
from ..tensors.creation import randint, randperm

__all__ = [
    "BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler",
    "WeightedRandomSampler",
]  # fmt: skip

T = TypeVar("T", covariant=True)


def draw_seed(generator: Any) -> int:
    """Draw 64 bits, not all of them 0."""
    generator = default_generator() if generator is None else generator
    return generator.random_u32() << 32 | generator.random_u32() or 1


class Sampler(Generic[T]):
    """An order of examples: a subclass defines `__iter__`, which yields indices.

    A DataLoader goes on within an epoch by making its order again; a subclass whose order is
    another one each time says by `state_dict` what that takes.
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__()")

    def state_dict(self) -> dict[str, Any]:
        """Return what the order of the epoch under way is made from."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next epoch be the one that `state_dict` was asked in."""


class SequentialSampler(Sampler[int]):
    """0, 1, 2 ... up to the length of a data set."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class DrawingSampler(Sampler[int]):
    """A sampler whose order comes from a seed, one an epoch: a subclass defines `draw`."""

    generator: Any
    _seed: int | None = None  # of the epoch under way
    _resumed: int | None = None  # of the epoch that comes next

    def draw(self, generator: RNG) -> Iterator[int]:
        """Return the order that a generator gives."""
        raise NotImplementedError(f"{type(self).__name__} does not define draw()")

    def __iter__(self) -> Iterator[int]:
        seed, self._resumed = self._resumed, None
        self._seed = draw_seed(self.generator) if seed is None else seed
        return self.draw(RNG(self._seed))

    def state_dict(self) -> dict[str, Any]:
        """Return the seed of the epoch under way."""
        return {} if self._seed is None else {"seed": self._seed}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next epoch be the one that `state_dict` was asked in."""
        self._resumed = RNG(state_dict["seed"]).state if "seed" in state_dict else None


def as_count(count: Any) -> int:
    """Return a number of samples, which is an int above 0."""
    if isinstance(count, bool) or not isinstance(count, int) or count <= 0:
        raise ValueError(f"num_samples is an int above 0, not {count!r}")
    return count


class RandomSampler(DrawingSampler):
    """The examples of a data set in random order.

    Args:
        data_source: what has a length.
        replacement: whether an example may come again before all have come.
        num_samples: how many an epoch has, by default as many as there are.
        generator: which the epochs' seeds come from, by default the package's.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement is True or False, not {replacement!r}")
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = None if num_samples is None else as_count(num_samples)

    @property
    def num_samples(self) -> int:
        """How many examples an epoch has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def draw(self, generator: RNG) -> Iterator[int]:
        """Return permutations, or independent numbers."""
        count, wanted = len(self.data_source), self.num_samples
        if not count:
            return iter(())

        def drawn() -> Any:
            if self.replacement:  # some at a time: 10**10 may be wanted, to go on for ever
                return randint(count, (1024,), generator=generator).tolist()
            return randperm(count, generator=generator).tolist()

        orders = (drawn() for _ in itertools.count())
        return itertools.islice(itertools.chain.from_iterable(orders), wanted)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(DrawingSampler):
    """Given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def draw(self, generator: RNG) -> Iterator[int]:
        """Return a permutation of the indices."""
        order = randperm(len(self.indices), generator=generator).tolist()
        return (self.indices[i] for i in order)

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(DrawingSampler):
    """Indices drawn with probabilities in proportion to weights.

    Args:
        weights: of index 0, 1, ...: numbers of at least 0, or a Tensor of them.
        num_samples: how many an epoch has.
        replacement: whether an index may come again.
        generator: which the epochs' seeds come from, by default the package's.

    Raises:
        ValueError: a weight is negative or not finite, or fewer than num_samples are above 0.
    """

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement is True or False, not {replacement!r}")
        self.num_samples, self.replacement = as_count(num_samples), replacement
        weights = weights.tolist() if hasattr(weights, "tolist") else list(weights)
        self.weights = [float(weight) for weight in weights]
        if not all(0.0 <= weight < float("inf") for weight in self.weights):
            raise ValueError("weights are finite numbers of at least 0")
        possible = sum(weight > 0.0 for weight in self.weights)
        if possible < (1 if replacement else num_samples):
            raise ValueError(f"{possible} weights above 0 are too few for {num_samples} samples")
        self.generator = generator

    def draw(self, generator: RNG) -> Iterator[int]:
        """Yield indices, each from a tree of sums, in which a drawn one may become 0."""
        size = 1 << (len(self.weights) - 1).bit_length()
        sums = [0.0] * size + self.weights + [0.0] * (size - len(self.weights))
        for i in range(size - 1, 0, -1):
            sums[i] = sums[2 * i] + sums[2 * i + 1]
        for _ in range(self.num_samples):
            bits = generator.random_u32() << 21 | generator.random_u32() >> 11
            index = find(sums, size, bits * 2.0**-53 * sums[1])
            yield index
            if not self.replacement:
                clear(sums, size + index)

    def __len__(self) -> int:
        return self.num_samples


def find(sums: list[float], size: int, place: float) -> int:
    """Return the leaf of a tree of sums at a place from 0 to the whole."""
    node = 1
    while node < size:
        node *= 2
        if place >= sums[node] and sums[node + 1] > 0.0:
            place -= sums[node]
            node += 1
    return node - size


def clear(sums: list[float], node: int) -> None:
    """Set a leaf of a tree of sums to 0."""
    sums[node] = 0.0
    while node > 1:
        node //= 2
        sums[node] = sums[2 * node] + sums[2 * node + 1]


class BatchSampler(Sampler[list[int]]):
    """Lists of batch_size indices of another sampler.

    Args:
        sampler: the indices.
        batch_size: an int above 0.
        drop_last: leave a last batch out that is shorter.
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError(f"batch_size is an int above 0, not {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last is True or False, not {drop_last!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        return self._cut(iter(self.sampler))

    def _cut(self, indices: Iterator[Any]) -> Iterator[list[int]]:
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        count: int = len(self.sampler)  # type: ignore[arg-type]
        rest = 0 if self.drop_last else self.batch_size - 1
        return (count + rest) // self.batch_size

    def state_dict(self) -> dict[str, Any]:
        """Return what the sampler's does."""
        return self.sampler.state_dict() if hasattr(self.sampler, "state_dict") else {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the sampler load its state."""
        if hasattr(self.sampler, "load_state_dict"):
            self.sampler.load_state_dict(state_dict)
