"""Tensors joined along an axis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import ShapeError
from .arguments import axis_of, shorten
from .conversion import as_tensor
from .explain import call_as
from .ops import OPS, apply
from .promotion import of_one_type

if TYPE_CHECKING:
    from .tensor import Tensor


def as_parts(tensors: Any, what: str) -> list[Tensor]:
    """Return tensors given as an iterable."""
    if not hasattr(tensors, "__iter__"):
        raise TypeError(f"{what}: a sequence of tensors is needed, not {shorten(tensors)}")
    return [as_tensor(x) for x in tensors]


def cat(tensors: Iterable[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return tensors one after the other along an axis."""
    parts = as_parts(tensors, "cat")
    if not parts:
        raise ShapeError("cat: there are no tensors")
    if not all(x.ndim for x in parts):
        raise ShapeError("cat: tensors without axes; stack() gives them one")
    shaped = [x for x in of_one_type(parts) if x.shape != (0,)]  # PyTorch passes over tensor([])
    shaped = shaped or [of_one_type(parts)[0]]
    where = axis_of(dim if axis is None else axis, shaped[0].ndim, "cat")
    return apply(OPS["cat"], tuple(shaped), (where,))


def stack(tensors: Iterable[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return tensors of one shape next to each other along a new axis."""
    parts = as_parts(tensors, "stack")
    if not parts:
        raise ShapeError("stack: there are no tensors")
    shapes = {x.shape for x in parts}
    if len(shapes) > 1:
        given = ", ".join(sorted(map(str, shapes)))
        raise ShapeError(f"stack: tensors are of one shape, not {given}")
    (shape,) = shapes
    where = axis_of(dim if axis is None else axis, len(shape) + 1, "stack")
    wanted = (*shape[:where], 1, *shape[where:])
    rows = [call_as("stack", x.reshape, wanted) for x in of_one_type(parts)]
    return call_as("stack", apply, OPS["cat"], tuple(rows), (where,))
