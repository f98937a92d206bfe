"""DataLoader: batches of a data set, here or from worker processes.

The batches of an epoch follow from two seeds of 64 bits, the loader's and the sampler's. Each
batch is read with a generator of its own as the default one, so that random changes to examples
are the same for any number of workers; and an epoch goes on at any batch with the same numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..random import RNG, drawing_from
from .collate import default_collate, default_convert
from .datasets import IterableDataset
from .reading import Reader, seed_of_batch
from .samplers import BatchSampler, RandomSampler, SequentialSampler, draw_seed

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a data set in batches.

    Args:
        dataset: what has `__getitem__` and `__len__`, or an IterableDataset.
        batch_size: examples in a batch; None gives them one by one.
        shuffle: take them in random order, another one in every epoch.
        sampler: the order: an iterable of indices, instead of shuffle.
        batch_sampler: an iterable of lists of indices, instead of batch_size, shuffle, sampler
            and drop_last.
        num_workers: how many processes read; 0: this one.
        collate_fn: makes a batch of a list of examples.
        pin_memory: taken and without effect, as on PyTorch's CPU; pin_memory_device, too.
        drop_last: leave a last batch out that is shorter.
        timeout: seconds to wait for a worker's batch; 0: for ever.
        worker_init_fn: called with its number in each worker before it reads.
        multiprocessing_context: how processes are started: a name or a context.
        generator: which seeds come from, by default the package's.
        prefetch_factor: how many batches each worker reads ahead, 2 by default.
        persistent_workers: keep the workers from epoch to epoch.
        in_order: taken; batches always come in order.

    Raises:
        ValueError: arguments exclude each other, or a number is out of range.

    Example:
        >>> from pymicrograd import arange
        >>> [batch.tolist() for batch in DataLoader(arange(5), batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset, self.generator = dataset, generator
        self.num_workers, self.timeout = num_workers, timeout
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.worker_init_fn, self.persistent_workers = worker_init_fn, persistent_workers
        self.multiprocessing_context, self.in_order = multiprocessing_context, in_order
        self._is_iterable = isinstance(dataset, IterableDataset)
        if self._is_iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("an IterableDataset has its own order: no shuffle, no sampler")
        self._choose_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        batched = default_collate if self._is_batched else default_convert
        self.collate_fn = batched if collate_fn is None else collate_fn
        self._position = Position()
        self._resumed: Mapping[str, Any] | None = None
        self._pool: Any = None

    def _choose_order(
        self, batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
    ) -> None:
        """Set the samplers."""
        if sampler is not None and shuffle:
            raise ValueError("a sampler is an order already: no shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "a batch_sampler takes the place of batch_size, shuffle, sampler and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("without a batch_size there is no last batch to drop")
        if sampler is None and not self._is_iterable and batch_sampler is None:
            sampler = (
                RandomSampler(self.dataset, generator=self.generator)
                if shuffle
                else SequentialSampler(self.dataset)
            )
        if sampler is None and self._is_iterable:
            sampler = Endless()
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler

    @property
    def _is_batched(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _order(self) -> Any:
        return self.batch_sampler if self._is_batched else self.sampler

    def _reader(self) -> Reader:
        """Return what reads batches."""
        return Reader(
            self.dataset, self.collate_fn, self._is_iterable, self._is_batched, self.drop_last
        )

    def _source(self) -> Any:
        """Return what batches come from: this process, new workers, or those that there are."""
        if not self.num_workers:
            return Here(self._reader())
        if self._pool is not None and self._pool.is_open:
            return self._pool
        from .workers import Pool

        pool = Pool(self)
        if self.persistent_workers:
            self._pool = pool
        return pool

    def __iter__(self) -> Iterator[Any]:
        state, self._resumed = self._resumed, None
        return Epoch(self, state or {})

    def __len__(self) -> int:
        if not self._is_iterable:
            return len(self._order)
        count: int = len(self.dataset)
        if self.batch_size is not None:
            rest = 0 if self.drop_last else self.batch_size - 1
            count = (count + rest) // self.batch_size
        return count

    # ---- going on later

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is: after which batch of which epoch.

        It goes into a checkpoint beside `get_rng_state()`. A loader like this one that has loaded
        it gives, when next iterated over, the rest of that epoch.
        """
        return self._position.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next iteration be the rest of the epoch in which `state_dict` was asked.

        Raises:
            ValueError: it is no such state.
        """
        if set(state_dict) != {"batches", "seed", "sampler"}:
            raise ValueError(f"a loader's state has batches, seed, sampler, not {[*state_dict]}")
        if state_dict["seed"] is None:
            self._resumed = None
            return
        RNG(state_dict["seed"])  # which refuses what is no seed
        self._resumed = dict(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pool": None, "_position": Position()}


def check_workers(count: Any, timeout: float, prefetch: Any, persistent: bool) -> None:
    """Refuse numbers of workers, seconds and batches that make no sense."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError(f"num_workers is an int of at least 0, not {count!r}")
    if timeout < 0:
        raise ValueError(f"timeout is at least 0 seconds, not {timeout}")
    if not count and (prefetch is not None or persistent):
        raise ValueError("prefetch_factor and persistent_workers need num_workers above 0")
    if prefetch is not None and prefetch < 1:
        raise ValueError(f"prefetch_factor is at least 1, not {prefetch}")


class Endless:
    """The sampler of a data set that has no numbers."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class Position:
    """How far an epoch is; without a seed, there is none under way."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.sampler: dict[str, Any] = {}
        self.batches = 0

    def end(self) -> None:
        """Note that the epoch is over."""
        self.seed, self.sampler, self.batches = None, {}, 0

    def state_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"batches": self.batches, "seed": self.seed, "sampler": dict(self.sampler)}


class Here:
    """This process as the source of batches."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def begin(self, seed: int) -> None:
        """Start an epoch."""
        self.seed = seed
        with drawing_from(RNG(seed_of_batch(seed, -1))):
            self.reader.begin()

    def next(self, order: Iterator[tuple[int, Any]]) -> Any:
        """Return the next batch."""
        number, indices = next(order)
        with drawing_from(RNG(seed_of_batch(self.seed, number))):
            return self.reader.read(indices)

    def end(self) -> None:
        """Stop."""


class Epoch:
    """The batches of one epoch, or what is left of it."""

    def __init__(self, loader: DataLoader, state: Mapping[str, Any]) -> None:
        self.loader = loader
        position = self.position = loader._position = Position()
        sampler = loader._order
        if state and hasattr(sampler, "load_state_dict"):
            sampler.load_state_dict(state["sampler"])
        position.seed = state["seed"] if state else draw_seed(loader.generator)
        indices = iter(sampler)
        if hasattr(sampler, "state_dict"):
            position.sampler = sampler.state_dict()
        self.order = enumerate(indices)
        self.source = loader._source()
        self.source.begin(position.seed)
        self._skip(state.get("batches", 0))

    def _skip(self, count: int) -> None:
        """Leave out batches that have been."""
        if self.loader._is_iterable:
            for _ in itertools.islice(self, count):
                pass
        else:
            for _ in itertools.islice(self.order, count):
                pass
        self.position.batches = count

    def __iter__(self) -> Epoch:
        return self

    def __next__(self) -> Any:
        try:
            batch = self.source.next(self.order)
        except StopIteration:
            self.position.end()
            if not self.loader.persistent_workers:
                self.source.end()
            raise
        self.position.batches += 1
        return batch

    def __len__(self) -> int:
        return len(self.loader)
