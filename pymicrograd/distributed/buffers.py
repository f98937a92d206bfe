"""One contiguous buffer of all parameters of a type, one of all that a step adds up.

Parameters become views of theirs and stay the objects that optimizers know. What shards contribute
is added in a buffer made for the step, whose views are the parameters' gradients afterwards.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError
from ..recording import no_grad
from ..tensors.creation import empty
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

    def new(self) -> dict[Any, Any]:
        """Return buffers by type, whose elements are nothing yet."""
        return {kind: empty(length, dtype=kind) for kind, length in self.lengths.items()}

    def views(self, buffers: dict[Any, Any]) -> list[Any]:
        """Return the Tensors that lie in buffers."""
        return [buffers[kind][a:b].reshape(shape) for kind, a, b, shape in self.places]


class Contribution:
    """What a shard contributes, or the sum of several.

    It is copied into buffers when something is to be added to it, and not before: of two shards
    one is added where it is.

    Args:
        layout: of the buffers.
        items: the Tensors; None stands for zeros.
    """

    def __init__(self, layout: Layout, items: list[Any]) -> None:
        self.layout, self.items = layout, items
        self.buffers: dict[Any, Any] | None = None

    def pack(self) -> dict[Any, Any]:
        """Return the buffers."""
        if self.buffers is None:
            self.buffers = self.layout.new()
            views = self.layout.views(self.buffers)
            for view, item in zip(views, self.items, strict=True):
                view.zero_() if item is None else view.copy_(item)
            self.items = views
        return self.buffers

    def add(self, other: Contribution) -> Contribution:
        """Return the sum of this one and another one, which is this one from then on."""
        buffers = self.pack()
        if other.buffers is None:
            for view, item in zip(self.items, other.items, strict=True):
                view.add_(0.0 if item is None else item)
        else:
            for kind, buffer in buffers.items():
                buffer.add_(other.buffers[kind])
        return self


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
