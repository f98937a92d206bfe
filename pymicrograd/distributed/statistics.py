"""Running statistics of a model while shards are computed one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError
from ..nn.module import Module
from ..nn.normalization import ByChannel
from ..recording import no_grad

__all__ = ["Statistics"]


class Statistics:
    """The running statistics of a model, which every shard begins with as they were.

    Args:
        module: the model, with the layers that it has from then on.

    Attributes:
        layers: those that have statistics.
        before: these as they were at the beginning of the step, counts: the batches that were.
    """

    def __init__(self, module: Module) -> None:
        self.layers = [
            layer
            for layer in module.modules()
            if isinstance(layer, ByChannel) and layer.running_mean is not None
        ]
        own = {id(x) for x in self.arrays} | {id(a.num_batches_tracked) for a in self.layers}
        self.others = [(name, x) for name, x in module.named_buffers() if id(x) not in own]

    @property
    def arrays(self) -> list[Any]:
        """The statistics that are means."""
        return [x for layer in self.layers for x in (layer.running_mean, layer.running_var)]

    def begin(self) -> None:
        """Note how everything is before a step."""
        self.before = [x.detach().clone() for x in self.arrays]
        self.counts = [int(layer.num_batches_tracked.item()) for layer in self.layers]
        self.versions = [x._version for _, x in self.others]

    def changes(self) -> list[float]:
        """Return how many batches a shard has counted in each layer.

        Raises:
            ArgumentError: it has changed another buffer.
        """
        for (name, x), version in zip(self.others, self.versions, strict=True):
            if x._version != version:
                raise ArgumentError(
                    f"the model changes the buffer {name!r}: shards may change running statistics "
                    "only"
                )
        now = [layer.num_batches_tracked.item() for layer in self.layers]
        return [float(a - b) for a, b in zip(now, self.counts, strict=True)]

    def scaled(self, share: float) -> list[Any]:
        """Return what a shard with a share of the examples contributes."""
        return [x.detach() * share for x in self.arrays]

    def restore(self) -> None:
        """Let everything be as before the step."""
        self.set(self.before, [1.0] * len(self.layers), 1, 0.0)

    @no_grad()
    def set(
        self, arrays: Sequence[Any], counted: Sequence[float], shards: int, step: float = 1.0
    ) -> None:
        """Take over statistics where batches were counted, by some of the shards at least."""
        for i, (layer, count) in enumerate(zip(self.layers, counted, strict=True)):
            if count:
                layer.running_mean.copy_(arrays[2 * i])
                layer.running_var.copy_(arrays[2 * i + 1])
                layer.num_batches_tracked.fill_(self.counts[i] + step * -(-count // shards))
