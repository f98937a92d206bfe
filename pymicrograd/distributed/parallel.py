"""DataParallel: a step of training whose bits do not depend on who computes it.

csrc/SPEC.md, Batches in shards, says what a step computes. Each rank computes the shards that are
its own, one after the other; then all meet, add up in the tree's order and have the same gradients.

Dropout and whatever else draws from the default generator: every shard has a generator of its own,
whose seed follows from the shard's number and 64 bits that a step draws. Batch normalization: every
shard is normalized by itself, and begins with the running statistics from before the step; their
mean over the shards, weighted by examples, is what they are afterwards. No other buffer may change.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from .. import __version__, _core
from ..errors import ArgumentError
from ..nn.module import Module
from ..nn.parameter import UninitializedParameter
from ..random import get_rng_state
from ..recording import no_grad
from ..tensors.interchange import to_bytes
from .buffers import Layout, lay_out
from .exchange import Scratch, array_of
from .group import STEP, Group, world
from .shards import Node, as_shards, owners, pieces
from .statistics import Statistics
from .step import LossOf, Step

__all__ = ["DataParallel"]

# What ranks say of a step, in the order in which differences are told.
FACTS = (
    "which of the models makes a step",
    "the number of the step",
    "the number of examples in the batch",
    "the default generator, from which the step draws a seed",
    "the number of elements of the gradients",
    "the batch, by a check sum of its first and last example",
)


class Kept:
    """What stays the same from step to step, out of sight of those who look for parameters.

    Args:
        module: the model, with the parameters and layers that it has from then on.
        number: of the model, of those that the ranks train.
        pieces: of the tree, which this rank has.
    """

    def __init__(self, module: Module, number: int, pieces: list[Node]) -> None:
        self.number, self.steps, self.pieces = number, 0, pieces
        self.layouts: dict[Any, Layout] = {}
        self.parameters = list(module.parameters())
        self.statistics, self.scratch = Statistics(module), Scratch()


class DataParallel(Module):
    """A model that all ranks train together, on batches cut into shards.

    Parameters become views of one buffer for each type; all ranks get those of rank 0, and its
    buffers. A state has PyTorch's names, "module." and the model's.

    Args:
        module: the model, whose parameters are Tensors.
        shards: into how many parts every batch is cut: of it, the bits depend. There are as many
            ranks at most.
        group: an mpi4py communicator, or a Group; by default all ranks that mpiexec has started.

    Attributes:
        module: the model; shards: their number.
        own: the shards of this rank.

    Raises:
        ArgumentError: there are more ranks than shards.
        DistributedError: ranks differ in versions, model, shapes, shards or generators.
        ImportError: mpiexec has started several ranks, and mpi4py is not installed.

    Example:
        >>> from pymicrograd import nn, ones
        >>> model = nn.Linear(2, 1, bias=False)
        >>> parallel = DataParallel(model, shards=4)
        >>> loss = parallel.backward(lambda x: model(x).sum(), ones(6, 2), reduction="sum")
        >>> model.weight.grad
        tensor([[6., 6.]])
    """

    def __init__(self, module: Module, shards: int = 8, group: Any = None) -> None:
        group = world() if group is None else group
        self.group = group if isinstance(group, Group) else Group(group)
        check_parameters(module)
        self.module, self.shards = module, as_shards(shards)
        self._owned = tuple(map(tuple, owners(self.shards, self.group.size)))
        self.own = self._owned[self.group.rank]
        self.group.agree(facts_of(module, self.shards))
        self._broadcast()
        number = self.group.number_model()
        self._kept = Kept(module, number, pieces(self.shards, self.own))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the model makes of its arguments, all of them, on this rank."""
        return self.module(*args, **kwargs)

    def extra_repr(self) -> str:
        """Return the number of shards."""
        return f"shards={self.shards}"

    @no_grad()
    def _broadcast(self) -> None:
        """Lay out parameters; let them and the buffers be those of rank 0."""
        for buffer in lay_out(self.module.parameters()).values():
            self.group.broadcast(array_of(buffer))
        for buffer in self.module.buffers():
            copied = buffer.detach().clone().contiguous()
            self.group.broadcast(array_of(copied))
            if self.group.rank:
                buffer.copy_(copied)

    def verify(self) -> None:
        """Compare the bits of parameters and buffers of all ranks.

        Raises:
            DistributedError: a rank has others.
        """
        if self.group.size > 1:
            state = self.module.state_dict()
            sums = {name: f"{zlib.crc32(to_bytes(x)):08x}" for name, x in state.items()}
            self.group.agree({f"the bits of {name}": text for name, text in sums.items()})

    def local_size(self, batch_size: int) -> int:
        """Return how many examples of a batch are of this rank's shards.

        It is the batch_size of a DataLoader whose sampler is a `DistributedSampler` with shards.

        Raises:
            ArgumentError: the shards of a batch of this size are not equal.
        """
        if batch_size % self.shards:
            raise ArgumentError(f"{self.shards} shards do not divide batches of {batch_size}")
        return batch_size // self.shards * len(self.own)

    # ---- a step

    def backward(
        self, loss_of: LossOf, *batch: Any, reduction: str = "mean", is_part: bool = False
    ) -> Any:
        """Add the gradients of a batch's loss to the `grad` of every parameter.

        Args:
            loss_of: computes the loss of some examples by the model, a Tensor of one element; is
                called with the examples of a shard, cut from each of batch.
            batch: Tensors, arrays or lists of equally many examples, the same ones on all ranks.
            reduction: what loss_of returns: "mean" over the examples of a shard, or their "sum".
                A mean over something else, such as targets that are not ignored, is a sum divided
                by what is known of the whole batch.
            is_part: batch holds only the examples of this rank's shards, in the order of a
                `DistributedSampler` with shards.

        Returns:
            The loss of the batch, the same bits on every rank.

        Raises:
            ArgumentError: the lengths differ, or the model changes a buffer.
            DistributedError: a rank has failed, or does something else. No gradient has changed.
        """
        if reduction not in ("mean", "sum"):
            raise ArgumentError(f"reduction is 'mean' or 'sum', not {reduction!r}")
        step = Step(self, loss_of, batch, reduction == "mean", is_part)
        failure: Exception | None = None
        try:
            step.compute()
        except Exception as error:
            failure = error
        self._kept.steps += 1
        if failure is not None and self.group.is_over:
            raise failure
        said = self.group.meet(STEP, failure is not None, step.kind, *step.facts())
        if failure is not None:
            raise failure
        self._compare(said)
        return step.finish(said[0][1])

    def _compare(self, said: Sequence[Sequence[int]]) -> None:
        """Refuse to go on if ranks have failed or say different things."""
        failed = [rank for rank, facts in enumerate(said) if facts[0]]
        if failed:
            self.group.refuse(
                f"rank {failed[0]} has failed in step {self._kept.steps}, and says why"
            )
        for i, name in enumerate(FACTS, 2):
            for rank, facts in enumerate(said):
                if facts[i] != said[0][i]:
                    self.group.refuse(
                        f"the ranks differ in {name}: rank {rank} has {facts[i]}, rank 0 has "
                        f"{said[0][i]}"
                    )


# ---- checks ------------------------------------------------------------------------------------


def check_parameters(module: Any) -> None:
    """Refuse what cannot be trained in shards."""
    if not isinstance(module, Module):
        raise TypeError(f"DataParallel is for a Module, not {type(module).__name__}")
    for name, p in module.named_parameters():
        if not isinstance(p, _core.TensorBase):
            raise TypeError(f"DataParallel is for parameters that are Tensors: {name} is a Value")
        if isinstance(p, UninitializedParameter):
            raise ArgumentError(f"{name} has no shape yet: call the model with an input first")


def facts_of(module: Module, shards: int) -> dict[str, str]:
    """Return what has to be the same on all ranks."""
    build = dict(line.split(": ", 1) for line in _core.build_info().splitlines() if ": " in line)
    named = [*module.named_parameters(), *module.named_buffers()]
    return {
        "the version of pymicrograd": __version__,
        "the source of the core": build.get("source", ""),
        "the number of shards": str(shards),
        "the model": repr(module),
        "parameters and buffers": "\n".join(
            f"{name}: {x.dtype.name} {tuple(x.shape)}" + ", frozen" * (not x.requires_grad)
            for name, x in named
        ),
        "the default generator, which manual_seed() sets": (
            f"the state {zlib.crc32(to_bytes(get_rng_state())):08x}"
        ),
    }
