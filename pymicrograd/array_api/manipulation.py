"""Shapes: joining, moving, repeating, picking."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, ShapeError
from ..tensors import arrangement, joining
from ..tensors.arguments import as_tuple

__all__ = [
    "broadcast_arrays", "concat", "expand_dims", "flip", "permute_dims", "repeat", "reshape",
    "roll", "squeeze", "stack", "take", "take_along_axis", "tile", "unstack",
]  # fmt: skip


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """Return views of all in their common shape."""
    return tuple(arrangement.broadcast_tensors(*arrays)) if arrays else ()


def concat(arrays: Any, /, *, axis: int | None = 0) -> Any:
    """Return arrays joined along an axis; without one, as vectors."""
    if axis is None:
        arrays, axis = [x.reshape(-1) for x in arrays], 0
    if any(not x.ndim for x in arrays):
        raise ShapeError("concat: an array without axes cannot be joined along one; axis=None can")
    return joining.cat(list(arrays), axis)


def stack(arrays: Any, /, *, axis: int = 0) -> Any:
    """Return arrays of one shape joined along a new axis."""
    return joining.stack(list(arrays), axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Return views of all items along an axis."""
    return tuple(x.unbind(axis))


def expand_dims(x: Any, /, axis: Any = 0) -> Any:
    """Return x with a new axis of size 1, or with several."""
    rank = x.ndim + len(as_tuple(axis))
    places = [a + rank if a < 0 else a for a in as_tuple(axis)]
    if not all(0 <= a < rank for a in places) or len(set(places)) < len(places):
        raise IndexError(f"expand_dims: axis {axis} does not fit {rank} axes")
    for place in sorted(places):
        x = x.unsqueeze(place)
    return x


def squeeze(x: Any, /, axis: Any) -> Any:
    """Return x without axes of size 1.

    Raises:
        ShapeError: one is larger.
    """
    found = x.squeeze(tuple(as_tuple(axis)))
    if found.ndim != x.ndim - len(as_tuple(axis)):
        raise ShapeError(f"squeeze: shape {x.shape} has not the size 1 along axis {axis}")
    return found


def flip(x: Any, /, *, axis: Any = None) -> Any:
    """Return x backwards along axes, all by default."""
    return x.flip(tuple(range(x.ndim)) if axis is None else tuple(as_tuple(axis)))


def permute_dims(x: Any, /, axes: Any) -> Any:
    """Return x with its axes in another order: a view."""
    return x.permute(tuple(axes))


def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Any:
    """Return x in another shape: a view where it can be, or with copy=True never.

    Raises:
        ValueError: copy is False, and no view has this shape.
    """
    if copy is False:
        return x.view(tuple(as_tuple(shape)))
    return (x.clone() if copy else x).reshape(tuple(as_tuple(shape)))


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Any:
    """Return x moved along axes, from the end to the start; without axes, as a vector."""
    if axis is not None and isinstance(shift, int) and isinstance(axis, (list, tuple)):
        shift = (shift,) * len(axis)
    return x.roll(shift, axis)


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Return x with each item along an axis several times; without axis, as a vector."""
    return x.repeat_interleave(repeats, dim=axis)


def tile(x: Any, repetitions: Any, /) -> Any:
    """Return x several times along each axis."""
    return x.tile(tuple(repetitions))


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """Return the items of x with these indices along an axis, which a vector needs not name."""
    if axis is None:
        if x.ndim != 1:
            raise ArgumentError(f"take: an axis of {x.ndim} has to be named")
        axis = 0
    if indices.ndim != 1:
        raise ShapeError(f"take: indices are a vector, not of shape {indices.shape}")
    return x.index_select(axis, indices.where(indices >= 0, indices + x.shape[axis]))


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Return x's elements with these indices along an axis; other axes are broadcast."""
    return x.take_along_dim(indices.where(indices >= 0, indices + x.shape[axis]), axis)
