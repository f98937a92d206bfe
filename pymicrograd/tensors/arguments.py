"""Arguments of calls: axes counted from the front, shapes, ints, one thing or several."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from .. import _core
from ..errors import ShapeError, TensorIndexError


def as_ints(items: tuple[Any, ...], what: str) -> list[int]:
    """Return ints given as one sequence or as several."""
    try:
        row = items if len(items) != 1 or hasattr(items[0], "__index__") else tuple(items[0])
        return [operator.index(item) for item in row]
    except TypeError:
        given = ", ".join(map(shorten, items))
        raise TypeError(f"{what}: ints are needed, or one sequence of them, not {given}") from None


def as_int(x: Any, what: str) -> int:
    """Return an int; `what` says which argument of which call it is."""
    try:
        return operator.index(x)
    except TypeError:
        raise TypeError(f"{what} is an int, not {shorten(x)}") from None


def as_float(x: Any, what: str) -> float:
    """Return a float; `what` says which argument of which call it is."""
    try:
        return float(x)
    except (TypeError, ValueError):
        raise TypeError(f"{what} is a number, not {shorten(x)}") from None


def part_of(x: Any, name: str, what: str) -> Any:
    """Return the shape or dtype of a tensor, or of another library's array."""
    if not hasattr(x, name):
        raise TypeError(f"{what}: a tensor is needed, not {shorten(x)}")
    return getattr(x, name)


def as_shape(sizes: tuple[Any, ...], what: str) -> tuple[int, ...]:
    """Return a shape given as one sequence or as several ints."""
    shape = tuple(as_ints(sizes, what))
    if any(size < 0 for size in shape):
        raise ShapeError(f"{what}: shape {shape} has a negative size")
    if len(shape) > _core.MAX_RANK:
        raise ShapeError(f"{what}: a tensor has at most {_core.MAX_RANK} axes, not {len(shape)}")
    return shape


def given_as(name: str, items: tuple[Any, ...], named: dict[str, Any], what: str) -> Any:
    """Return the arguments of a method, which may be one argument under its name instead."""
    if not named:
        return items
    if items or len(named) > 1 or name not in named:
        wrong = next((key for key in named if key != name), name)
        raise TypeError(f"{what}() got an unexpected keyword argument {wrong!r}")
    return (named[name],)


def operand_as(name: str, items: tuple[Any, ...], named: dict[str, Any], what: str) -> Any:
    """Return the one operand of a method, given by its place or under its name."""
    found = given_as(name, items, named, what)
    if len(found) != 1:
        raise TypeError(f"{what}() takes one argument, {name}, not {len(found)}")
    return found[0]


def as_tuple(items: Any) -> tuple[Any, ...]:
    """Return one thing, or several, as a tuple."""
    return tuple(items) if isinstance(items, (list, tuple)) else (items,)


# ---- axes ------------------------------------------------------------------------------------


def axis_of(dim: Any, rank: int, what: str) -> int:
    """Return an axis counted from the front; for a tensor without axes 0."""
    axis = as_int(dim, f"{what}: an axis")
    span = max(rank, 1)
    if not -span <= axis < span:
        raise TensorIndexError(
            f"{what}: axis {axis} is out of range for a tensor of {plural(rank, 'axis', 'axes')}, "
            f"from {-span} to {span - 1}"
        )
    return axis % span


def axes_of(dims: Any, rank: int, what: str) -> tuple[int, ...]:
    """Return axes counted from the front, for one of them or several; None and () for all."""
    if dims is None or (isinstance(dims, (tuple, list)) and not dims):
        return tuple(range(rank))
    if not hasattr(dims, "__iter__") or hasattr(dims, "__index__"):
        dims = (dims,)
    axes = [axis_of(dim, rank, what) for dim in dims]
    if len(axes) > 1 and len(set(axes)) < len(axes):
        raise ShapeError(f"{what}: an axis stands twice in {tuple(dims)}")
    return tuple(axes) if rank else ()


def one_of(dim: Any, axis: Any) -> Any:
    """Return the argument that is given, under either of its names."""
    if axis is None:
        return dim
    if dim is not None:
        raise TypeError("dim and axis are two names of one argument")
    return axis


def own_axis(dim: Any, rank: int, what: str) -> int:
    """Return an axis counted from the front, which the tensor is to have."""
    if not rank:
        raise TensorIndexError(f"{what}: a tensor of shape () has no axes")
    return axis_of(dim, rank, what)


def spread_sizes(sizes: Sequence[int], known: int, what: str) -> tuple[int, ...]:
    """Return a shape with its one -1 replaced, for a number of elements."""
    rest = math.prod(size for size in sizes if size != -1)
    if any(size < -1 for size in sizes):
        raise ShapeError(f"{what}: {tuple(sizes)} is no shape: sizes are not negative, but for -1")
    if sizes.count(-1) > 1:
        raise ShapeError(f"{what}: {tuple(sizes)} is no shape: it has one -1 at most")
    if -1 not in sizes:
        return tuple(sizes)
    if rest == 0 or known % rest:
        raise ShapeError(
            f"{what}: {plural(known, 'element has', 'elements have')} no shape {tuple(sizes)}"
        )
    return tuple(known // rest if size == -1 else size for size in sizes)


def one_at(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return a shape with size 1 at an axis."""
    return (*shape[:axis], 1, *shape[axis + 1 :])


def plural(count: int, one: str, more: str = "") -> str:
    """Return a number of things in words."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def shorten(x: Any) -> str:
    """Return repr(x), or its beginning."""
    text = repr(x)
    return text if len(text) <= 40 else text[:37] + "..."
