"""One contiguous buffer of all parameters of a type, one of all that a step adds up.

Parameters become views of theirs and stay the objects that optimizers know. What shards contribute
is added in a buffer made for the step, whose views are the parameters' gradients afterwards.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from .. import _core
from ..errors import ArgumentError
from ..recording import no_grad
from ..tensors.creation import zeros, zeros_like
from ..tensors.joining import cat

__all__ = ["Contribution", "Layout", "lay_out"]


class Layout:
    """Where Tensors lie, one after the other, in one buffer for each type.

    Args:
        items: shape and type of each.

    Attributes:
        lengths: how many elements each type has.
    """

    def __init__(self, items: Sequence[tuple[tuple[int, ...], Any]]) -> None:
        self.lengths: dict[Any, int] = {}
        self.places: list[tuple[Any, int, int, tuple[int, ...]]] = []
        for shape, kind in items:
            begin = self.lengths.get(kind, 0)
            end = self.lengths[kind] = begin + math.prod(shape)
            self.places.append((kind, begin, end, tuple(shape)))

    def views(self, buffers: dict[Any, Any]) -> list[Any]:
        """Return the Tensors that lie in buffers."""
        return [buffers[kind][a:b].reshape(shape) for kind, a, b, shape in self.places]


class Contribution:
    """What a shard contributes, or the sum of several.

    Gradients are added up in the memory that they came in, and copied into buffers at the end.

    Args:
        items: the Tensors; None stands for zeros.
    """

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def add(self, other: Contribution) -> Contribution:
        """Return the sum of this one and another one, which is this one from then on."""
        for i, (item, more) in enumerate(zip(self.items, other.items, strict=True)):
            if item is None and more is None:
                continue
            if item is None:
                item = zeros_like(more)
            elif _core.memory_handles(item._handle) > 1 or not item.is_contiguous():
                # Others have this memory, too, or it has elements more than once.
                item = item.clone().contiguous()
            self.items[i] = item.add_(0.0 if more is None else more)
        return self

    def packed(self, layout: Layout) -> dict[Any, Any]:
        """Return buffers with the items."""
        parts: dict[Any, list[Any]] = {kind: [] for kind in layout.lengths}
        for item, (kind, begin, end, _) in zip(self.items, layout.places, strict=True):
            parts[kind].append(zeros(end - begin, dtype=kind) if item is None else item.reshape(-1))
        return {kind: cat(found) for kind, found in parts.items()}


@no_grad()
def lay_out(parameters: Sequence[Any]) -> dict[Any, Any]:
    """Let parameters be views of one buffer for each type; return the buffers.

    Raises:
        ArgumentError: two of them show the same memory, which they would not do afterwards.
    """
    spans = sorted((p.data_ptr(), p.numel() * p.dtype.itemsize) for p in parameters if p.numel())
    for (begin, size), (following, _) in itertools.pairwise(spans):
        if begin + size > following:
            raise ArgumentError(
                "two parameters are views of the same memory: use one of them twice"
            )
    layout = Layout([(tuple(p.shape), p.dtype) for p in parameters])
    buffers = {
        kind: cat([p.detach().reshape(-1) for p in parameters if p.dtype is kind])
        for kind in layout.lengths
    }
    for p, view in zip(parameters, layout.views(buffers), strict=True):
        needs, gradient = p.requires_grad, p.grad
        p._become(view)
        p.requires_grad = needs
        if gradient is not None:
            p.grad = gradient
    return buffers
