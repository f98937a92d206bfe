"""A step: what this rank's shards contribute, and what is made of the sum of all.

csrc/SPEC.md, Batches in shards, says what a step computes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from ..data.reading import seed_of_batch
from ..data.samplers import draw_seed
from ..errors import ArgumentError, DistributedError, ScalarError
from ..random import RNG, drawing_from
from ..recording import no_grad
from ..tensors.conversion import as_tensor
from ..tensors.creation import empty
from ..tensors.dtypes import DTYPES, float32
from ..tensors.interchange import tensor, to_bytes
from ..tensors.sweeps import grad
from ..tensors.tensor import Tensor
from .buffers import Contribution, Layout
from .exchange import summed
from .group import COUNT
from .shards import joined, rows_of, sizes
from .statistics import Statistics

__all__ = ["LossOf", "Step"]

LossOf = Callable[..., Any]


class Step:
    """One step of a DataParallel.

    Args:
        parallel: the model; loss_of, batch, is_part: as for `DataParallel.backward`.
        is_mean: losses are means.

    Attributes:
        count: the examples of the whole batch; seed: what the step draws.
        kind: the number of the loss's type; 0, as any, where a rank has no shard.
    """

    def __init__(
        self, parallel: Any, loss_of: LossOf, batch: tuple[Any, ...], is_mean: bool, is_part: bool
    ) -> None:
        self.parallel, self.loss_of, self.batch = parallel, loss_of, batch
        self.is_mean, self.is_part = is_mean, is_part
        self.parameters = [p for p in parallel._kept.parameters if p.requires_grad]
        self.statistics: Statistics = parallel._kept.statistics
        self.statistics.begin()
        self.seed = draw_seed(None)
        self.count = self.kind = self.digest = 0
        self.sizes: list[int] = []
        self.sums: list[Contribution] = []

    def facts(self) -> tuple[int, ...]:
        """Return what FACTS names."""
        kept, elements = self.parallel._kept, sum(p.numel() for p in self.parameters)
        return kept.number, kept.steps, self.count, self.seed, elements, self.digest

    def compute(self) -> None:
        """Compute the sums of this rank's pieces of the tree."""
        self.count_examples()
        self.sizes = sizes(self.count, self.parallel.shards)
        try:
            for node in self.parallel._kept.pieces:
                if node[0] < len(self.sizes):
                    self.sums.append(
                        joined(len(self.sizes), node, self.contribution, Contribution.add)
                    )
        finally:
            self.statistics.restore()

    def count_examples(self) -> None:
        """Count the examples of the whole batch, and of a part see that it has its own."""
        group, own, shards = self.parallel.group, self.parallel.own, self.parallel.shards
        try:
            count = length_of(self.batch)
        except Exception:
            if self.is_part:
                group.meet(COUNT, 1, 0)
            raise
        self.count = count
        if not self.is_part:
            self.digest = digest_of(self.batch) if group.size > 1 else 0
        else:
            said = group.meet(COUNT, 0, count)
            if any(failed for failed, _ in said):
                raise DistributedError("another rank has failed to count its examples")
            self.count = sum(number for _, number in said)
            whole = sizes(self.count, shards)
            fit = sum(whole[shard] for shard in own if shard < len(whole))
            if count != fit:
                raise ArgumentError(
                    f"{count} examples are not those of shards {list(own)}, which have {fit} of a "
                    f"batch of {self.count}"
                )
        if not self.count:
            raise ArgumentError("a batch has one example at least")

    def contribution(self, shard: int) -> Contribution:
        """Compute what a shard contributes: gradients, statistics, the loss, and flags."""
        own, shards = self.parallel.own, self.parallel.shards
        rows = [rows_of(x, shard, own, shards, self.is_part) for x in self.batch]
        self.statistics.restore()
        with drawing_from(RNG(seed_of_batch(self.seed, shard))):
            loss = self.loss_of(*rows)
        check_loss(loss)
        share = self.sizes[shard] / self.count
        weight = tensor(share if self.is_mean else 1.0, dtype=loss.dtype)
        gradients = grad(loss, self.parameters, weight.reshape(loss.shape), allow_unused=True)
        with no_grad():
            changed = self.statistics.changes()
            flags = [float(g is not None) for g in gradients] + changed
            items = [*gradients, *self.statistics.scaled(share), loss.detach().reshape(()) * weight]
        self.kind = loss.dtype.number
        return Contribution([*items, tensor(flags, dtype=float32)])

    def layout(self, kind: Any) -> Layout:
        """Return where contributions lie, whose loss is of a type."""
        shown = [*self.parameters, *self.statistics.arrays]
        items = (*((tuple(x.shape), x.dtype) for x in shown), ((), kind))
        layouts: dict[Any, Layout] = self.parallel._kept.layouts
        if items not in layouts:
            flags = len(self.parameters) + len(self.statistics.layers)
            layouts[items] = Layout([*items, ((flags,), float32)])
        return layouts[items]

    @no_grad()
    def finish(self, kind: int) -> Any:
        """Add up over the ranks, set gradients and statistics, and return the loss.

        Args:
            kind: the number of the loss's type, which rank 0 has, for it has shard 0.
        """
        parallel, layout = self.parallel, self.layout(DTYPES[kind])
        packed = [piece.packed(layout) for piece in self.sums]
        if parallel.group.size == 1:
            (total,) = packed
        else:
            total = {
                kind: summed(
                    parallel.group.comm,
                    len(self.sizes),
                    parallel._owned,
                    [buffers[kind] for buffers in packed] or [empty(length, dtype=kind)],
                    parallel._kept.scratch,
                )
                for kind, length in layout.lengths.items()
            }
        *found, loss, flags = layout.views(total)
        used = flags.tolist()
        for p, gradient, flag in zip(self.parameters, found, used, strict=False):
            if flag:
                p.grad = gradient if p.grad is None else p.grad.detach() + gradient
        count = len(self.parameters)
        self.statistics.set(found[count:], used[count:], len(self.sizes))
        return loss.clone()


# ---- checks ------------------------------------------------------------------------------------


def length_of(batch: Sequence[Any]) -> int:
    """Return how many examples a batch has."""
    lengths = []
    for x in batch:
        if not isinstance(x, (list, tuple)) and not getattr(x, "ndim", 0):
            raise TypeError(f"a batch is of Tensors, arrays or lists, not {type(x).__name__}")
        lengths.append(len(x))
    if not lengths or min(lengths) != max(lengths):
        raise ArgumentError(f"a batch has equally many inputs and targets, not {lengths}")
    return lengths[0]


def digest_of(batch: Sequence[Any]) -> int:
    """Return 32 bits of the first and the last example, which other batches hardly have."""
    found = 0
    for x in batch:
        for example in (x[0], x[-1]) if len(x) else ():
            if isinstance(x, (list, tuple)) and not hasattr(example, "dtype"):
                content = repr(example).encode()
            else:
                content = to_bytes(as_tensor(example).detach())
            found = zlib.crc32(content, found)
    return found


def check_loss(loss: Any) -> None:
    """Refuse what is no loss."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"a loss is a Tensor, not {type(loss).__name__}")
    if loss.numel() != 1:
        raise ScalarError(f"a loss has one element, not shape {tuple(loss.shape)}")
