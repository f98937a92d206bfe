"""DistributedSampler: the examples of an epoch that one of several ranks reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from typing import Any

from ..data.samplers import Sampler
from ..errors import ArgumentError
from ..random import RNG
from ..scalars import as_any_seed
from ..tensors.creation import randperm
from .group import get_rank, get_world_size
from .shards import as_shards, owners

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """The examples of one rank, in an order that all ranks share.

    Examples are repeated from the beginning, or left out at the end, so that all ranks, or shards,
    have equally many. The order follows from seed and epoch alone.

    Args:
        dataset: what has a length.
        num_replicas: how many ranks there are; rank: which one this is. By default those of MPI.
        shuffle: random order, another one in each epoch that `set_epoch` names.
        seed: of the order, the same on all ranks.
        drop_last: leave examples out, in place of repeating some.
        shards: of a DataParallel: a rank gets the examples of its shards, so that batches are the
            same for any number of ranks; see `DataParallel.local_size`. By default each rank is
            one shard, which is PyTorch's order.

    Raises:
        ArgumentError: rank is none of the ranks, or there are more of them than shards.

    Example:
        >>> list(DistributedSampler(range(10), 4, 1, shuffle=False))
        [1, 5, 9]
        >>> list(DistributedSampler(range(10), 2, 1, shuffle=False, shards=4))
        [1, 3, 5, 7, 9, 1]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        *,
        shards: int | None = None,
    ) -> None:
        self.num_replicas = get_world_size() if num_replicas is None else num_replicas
        self.rank = get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ArgumentError(
                f"rank is from 0 to {self.num_replicas - 1}, with num_replicas="
                f"{self.num_replicas}, not {self.rank}"
            )
        self.shards = self.num_replicas if shards is None else as_shards(shards)
        self.own = owners(self.shards, self.num_replicas)[self.rank]
        as_any_seed(seed)
        self.dataset, self.shuffle, self.seed, self.drop_last = dataset, shuffle, seed, drop_last
        self.epoch = 0

    @property
    def total_size(self) -> int:
        """How many examples an epoch has on all ranks together."""
        rest = 0 if self.drop_last else self.shards - 1
        return (len(self.dataset) + rest) // self.shards * self.shards

    @property
    def num_samples(self) -> int:
        """How many examples an epoch has on this rank."""
        return self.total_size // self.shards * len(self.own)

    def set_epoch(self, epoch: int) -> None:
        """Let the next order be that of an epoch; call it on all ranks, before each."""
        self.epoch = int(epoch)

    def __iter__(self) -> Iterator[int]:
        count, own = len(self.dataset), set(self.own)
        order = list(range(count))
        if self.shuffle:
            order = randperm(count, generator=RNG(as_any_seed(self.seed + self.epoch))).tolist()
        return (order[i % count] for i in range(self.total_size) if i % self.shards in own)

    def __len__(self) -> int:
        return self.num_samples

    def state_dict(self) -> dict[str, Any]:
        """Return which epoch is under way."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next order be that of the epoch in which `state_dict` was asked."""
        self.set_epoch(state_dict.get("epoch", 0))
