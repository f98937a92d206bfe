"""Elements written, added or compared where indices and masks say; the results are new tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, DTypeError, ShapeError
from .arguments import axis_of, own_axis
from .attributes import Attributes
from .conversion import as_tensor
from .dtypes import bool_, int64
from .explain import call_as
from .indexing import as_mask, common_shape
from .leaves import constant, ramp
from .operators import in_place
from .ops import OPS, TensorBase, apply, cast
from .selection import as_indices

if TYPE_CHECKING:
    from .tensor import Tensor

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def flat_places(shape: tuple[int, ...], axis: int, index: Any, what: str) -> Any:
    """Return where in row-major order of a shape the elements of an index along an axis lie."""
    from ..errors import TensorIndexError

    size = shape[axis] if shape else 1
    if index.numel() and not bool((index.ge(-size).logical_and(index.lt(size))).all()):
        wrong = next(k for k in index.reshape(-1).tolist() if not -size <= k < size)
        raise TensorIndexError(
            f"{what}: index {wrong} is out of range for axis {axis} of size {size}"
        )
    index = index.remainder(max(size, 1))
    places, stride = index * math.prod(shape[axis + 1 :]), 1
    for i in range(len(shape) - 1, -1, -1):
        if i != axis:
            row = ramp(index.shape[i], 0, stride, what)
            places = places + row.reshape([-1 if k == i else 1 for k in range(len(shape))])
        stride *= shape[i]
    return places


def of_source(src: Any, index: Any, x: Any, what: str) -> Any:
    """Return what is scattered, in the shape of the index: a number, or part of a tensor."""
    if not isinstance(src, TensorBase):
        return constant(index.shape, src, x.dtype, what)
    if src.dtype is not x.dtype:
        raise DTypeError(f"{what}: src of {src.dtype.name} does not go into {x.dtype.name}")
    if src.ndim != index.ndim or any(a > b for a, b in zip(index.shape, src.shape, strict=True)):
        raise ShapeError(f"{what}: an index of shape {index.shape} is larger than src {src.shape}")
    part: Any = src
    for axis, size in enumerate(index.shape):
        part = part if part.shape[axis] == size else part.narrow(axis, 0, size)
    return part


def check_index(x: Any, axis: int, index: Any, what: str) -> None:
    """Refuse an index with other axes than x, or larger than x beside its axis."""
    if index.ndim != x.ndim:
        raise ShapeError(f"{what}: an index of shape {index.shape} for shape {x.shape}")
    for i, (a, b) in enumerate(zip(index.shape, x.shape, strict=True)):
        if i != axis and a > b:
            raise ShapeError(
                f"{what}: an index of shape {index.shape} is larger than {x.shape} at axis {i}"
            )


def reduced_at(flat: Any, places: Any, src: Any, reduce: str, include_self: bool) -> Any:
    """Return a vector with values reduced into its places."""
    size = flat.shape[0]
    if not include_self:
        start = {"sum": 0, "mean": 0, "prod": 1}.get(reduce)
        touched = constant((size,), 0, int64, "scatter").index_add(0, places, places * 0 + 1).gt(0)
        if start is not None:
            flat = constant((), start, flat.dtype, "scatter").where(touched, flat)
    if reduce in ("sum", "mean"):
        total = flat.index_add(0, places, src)
        if reduce == "sum":
            return total
        ones = constant((size,), int(include_self), int64, "scatter")
        counts = ones.index_add(0, places, places * 0 + 1).clamp_min(1)
        if flat.is_floating_point():
            return total / cast(counts, flat.dtype)
        return cast(cast(total, int64).floor_divide(counts), flat.dtype)
    return grouped(flat, places, src, reduce, include_self)


def grouped(flat: Any, places: Any, src: Any, reduce: str, include_self: bool) -> Any:
    """Return products or extremes: values are laid out as (places, most that meet in one)."""
    import numpy

    from .sorting import array_of, of_array

    at = array_of(places)
    order = numpy.argsort(at, kind="stable")
    ordered = at[order]
    first = numpy.ones(len(at), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    count = numpy.arange(len(at))
    rank = count - numpy.maximum.accumulate(numpy.where(first, count, 0))
    width = int(rank.max()) + 1 if len(at) else 0
    values = src[of_array(order)]
    seats = of_array(ordered * (width + 1) + rank + 1)
    neutral = neutral_of(flat.dtype, reduce)
    table = constant((flat.shape[0] * (width + 1),), neutral, flat.dtype, "scatter")
    touched = numpy.zeros(flat.shape[0], bool)
    touched[at] = True
    own = ramp(flat.shape[0], 0, width + 1, "scatter")
    kept = flat if include_self else table[:1].reshape(()).where(of_array(touched), flat)
    table = apply(OPS["put_at"], (apply(OPS["put_at"], (table, own, kept)), seats, values))
    rows = table.reshape(flat.shape[0], width + 1)
    return cast(getattr(rows, reduce)(1), flat.dtype)


def neutral_of(kind: Any, reduce: str) -> Any:
    """Return the number that changes no product or extreme of a type."""
    if reduce == "prod":
        return 1
    if kind.is_floating_point:
        return -math.inf if reduce == "amax" else math.inf
    bits = 8 * kind.itemsize
    if kind.name in ("bool", "uint8"):
        return 0 if reduce == "amax" else (1 if kind is bool_ else 255)
    return -(2 ** (bits - 1)) if reduce == "amax" else 2 ** (bits - 1) - 1


class ScatteringMethods(Attributes):
    """Methods that write by indices."""

    __slots__ = ()

    def scatter(
        self: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None
    ) -> Tensor:
        """Return a copy y with y[index[i, j], j] = src[i, j] for dim 0, and so on.

        The inverse of `gather`. Where an element is written several times, the last value stays,
        and all of them get its gradient.

        Args:
            src: a tensor, not smaller than the index; or a number, also under the name value.
            reduce: "add" or "multiply" in place of writing.

        Raises:
            TensorIndexError: the axis or an index is out of range.
            ShapeError: index has not as many axes, or is larger than src, or than x beside dim.
            DTypeError: index is not of integers, or src of another type.
        """
        src = value if src is None else src
        if reduce is not None:
            if reduce not in ("add", "multiply"):
                raise ArgumentError(f"scatter: reduce is 'add' or 'multiply', not {reduce!r}")
            way = "sum" if reduce == "add" else "prod"
            return call_as("scatter", self._scatter, dim, index, src, way, True)
        return self._scatter(dim, index, src, "", True)

    def scatter_reduce(
        self: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
    ) -> Tensor:
        """Return a copy y with src[i, j] reduced into y[index[i, j], j] for dim 0, and so on.

        Args:
            reduce: "sum", "prod", "mean", "amax" or "amin".
            include_self: whether the elements that were there count, too.

        Raises:
            TensorIndexError, ShapeError, DTypeError: as for `scatter`.
            ValueError: reduce is another.
        """
        if reduce not in REDUCTIONS:
            raise ArgumentError(f"scatter_reduce: reduce is one of {REDUCTIONS}, not {reduce!r}")
        return call_as("scatter_reduce", self._scatter, dim, index, src, reduce, include_self)

    def _scatter(self: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool) -> Any:
        axis = axis_of(dim, self.ndim, "scatter")
        index = as_indices(index, "scatter")
        if not index.numel():
            return self.clone()
        x = self if self.ndim else self.reshape(1)
        index = index if index.ndim else index.reshape(1)
        if isinstance(src, TensorBase) and not src.ndim:
            src = src.reshape(1)
        check_index(x, axis, index, "scatter")
        source = of_source(src, index, x, "scatter").reshape(-1)
        places = flat_places(tuple(x.shape), axis, index, "scatter").reshape(-1)
        flat = x.reshape(-1)
        if reduce:
            made = reduced_at(flat, places, source, reduce, include_self)
        else:
            made = apply(OPS["put_at"], (flat, places, source))
        return made.reshape(self.shape)

    def index_reduce(
        self: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True
    ) -> Tensor:
        """Return a copy with the items of source reduced into items index along an axis.

        Args:
            reduce: "prod", "mean", "amax" or "amin".
            include_self: whether the items that were there count, too.

        Raises:
            TensorIndexError, ShapeError, DTypeError: as for `scatter`.
            ValueError: reduce is another.
        """
        if reduce not in REDUCTIONS[1:]:
            raise ArgumentError(f"index_reduce: reduce is one of {REDUCTIONS[1:]}, not {reduce!r}")
        axis = axis_of(dim, self.ndim, "index_reduce")
        x = self if self.ndim else self.reshape(1)
        source = source if source.ndim else source.reshape(1)
        rows = as_indices(index, "index_reduce").reshape(
            [-1 if i == axis else 1 for i in range(x.ndim)]
        )
        rows = call_as("index_reduce", rows.expand, source.shape)
        found = call_as("index_reduce", x._scatter, axis, rows, source, reduce, include_self)
        return found.reshape(self.shape)

    def index_fill(self: Any, dim: int, index: Any, value: Any) -> Tensor:
        """Return a copy with one value in the items index along an axis.

        Raises:
            TensorIndexError: the axis or an index is out of range.
            ShapeError: index is no vector, or the value has axes.
            DTypeError: index is not of integers.
        """
        value = call_as("index_fill", as_tensor, value, dtype=self.dtype)
        if value.ndim:
            raise ShapeError(f"index_fill: a value has no axes, not shape {value.shape}")
        return self._items_written("index_fill", dim, index, value)

    def index_copy(self: Any, dim: int, index: Any, source: Any) -> Tensor:
        """Return a copy with the items of source written over items index along an axis.

        Raises:
            TensorIndexError: the axis or an index is out of range.
            ShapeError: index is no vector, or the shapes do not fit.
            DTypeError: index is not of integers, or source of another type.
        """
        if source.dtype is not self.dtype:
            names = f"{source.dtype.name} does not go into {self.dtype.name}"
            raise DTypeError(f"index_copy: {names}")
        return self._items_written("index_copy", dim, index, source)

    def _items_written(self: Any, name: str, dim: int, index: Any, value: Any) -> Any:
        axis = axis_of(dim, self.ndim, name)
        index = as_indices(index, name)
        if index.ndim > 1:
            raise ShapeError(f"{name}: indices are a vector, not of shape {index.shape}")
        index = index.reshape(-1)
        x = self if self.ndim else self.reshape(1)
        rows = x.movedim(axis, 0)
        if value.ndim:
            value = value.movedim(axis, 0)
        elif name == "index_copy":
            value = value.reshape(1)
        value = call_as(name, value.expand, (index.shape[0], *rows.shape[1:]))
        made = call_as(name, apply, OPS["put_at"], (rows, index, value))
        return made.movedim(0, axis).reshape(self.shape)

    def index_put(self: Any, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
        """Return a copy y with y[indices] = values, or with accumulate += values.

        Args:
            indices: a tuple of tensors of integers or bools, one for each axis; None for all.

        Raises:
            TensorIndexError: an index is out of range.
            ShapeError: values cannot be broadcast to the shape of y[indices].
        """
        key = tuple(slice(None) if index is None else index for index in indices)
        values = call_as("index_put", as_tensor, values, dtype=self.dtype)
        if not accumulate:
            made = self.clone()
            call_as("index_put", made.__setitem__, key, values)
            return made
        places = ramp(self.numel(), 0, 1, "index_put").reshape(self.shape)
        chosen = call_as("index_put", places.__getitem__, key)
        spread = call_as("index_put", values.expand, chosen.shape).reshape(-1)
        return self.reshape(-1).index_add(0, chosen.reshape(-1), spread).reshape(self.shape)

    def put(self: Any, index: Any, source: Any, accumulate: bool = False) -> Tensor:
        """Return a copy with elements of source at flat indices, in row-major order.

        Raises:
            TensorIndexError: an index is out of range.
            ShapeError: there are not as many indices as elements of source.
        """
        index, source = as_indices(index, "put"), as_tensor(source)
        if index.numel() != source.numel():
            raise ShapeError(f"put: {index.numel()} indices for {source.numel()} elements")
        flat, rows = self.reshape(-1), index.reshape(-1)
        if source.dtype is not self.dtype:
            raise DTypeError(f"put: {source.dtype.name} does not go into {self.dtype.name}")
        op = "add_at" if accumulate else "put_at"
        if not rows.numel():
            return self.clone()
        return call_as("put", apply, OPS[op], (flat, rows, source.reshape(-1))).reshape(self.shape)

    def take(self: Any, index: Any) -> Tensor:
        """Return the elements at flat indices, in row-major order, in the shape of the indices.

        Raises:
            TensorIndexError: an index is out of range.
            DTypeError: the indices are no integers.
        """
        index = as_indices(index, "take")
        found = call_as("take", self.reshape(-1).index_select, 0, index.reshape(-1))
        return found.reshape(index.shape)

    def masked_scatter(self: Any, mask: Any, source: Any) -> Tensor:
        """Return a copy with the elements of source, in row-major order, where a mask holds.

        Raises:
            ShapeError: the shapes cannot be broadcast, or source has too few elements.
            DTypeError: the mask is not of bool, or source of another type.
        """
        mask = as_mask(as_tensor(mask), "masked_scatter")
        shape = call_as("masked_scatter", common_shape, [self.shape, mask.shape])
        if source.dtype is not self.dtype:
            names = f"{source.dtype.name} does not go into {self.dtype.name}"
            raise DTypeError(f"masked_scatter: {names}")
        x, mask = self.expand(shape), mask.expand(shape)
        places = mask.reshape(-1).nonzero().reshape(-1)
        if places.shape[0] > source.numel():
            raise ShapeError(
                f"masked_scatter: {source.numel()} elements for {places.shape[0]} places"
            )
        if not places.shape[0]:
            return x.clone()
        values = source.reshape(-1)[: places.shape[0]]
        return apply(OPS["put_at"], (x.reshape(-1), places, values)).reshape(shape)

    def select_scatter(self: Any, src: Any, dim: int, index: int) -> Tensor:
        """Return a copy with src written over item index along an axis: `select`'s inverse.

        Raises:
            TensorIndexError: the axis or the index is out of range.
            ShapeError: src has not the shape of the item.
        """
        axis = own_axis(dim, self.ndim, "select_scatter")
        key = (slice(None),) * axis + (index,)
        return self._part_written("select_scatter", key, src)

    def slice_scatter(
        self: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
    ) -> Tensor:
        """Return a copy with src written over items start:end:step along an axis.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: src has not the shape of these items.
        """
        axis = own_axis(dim, self.ndim, "slice_scatter")
        key = (slice(None),) * axis + (slice(start, end, step),)
        return self._part_written("slice_scatter", key, src)

    def _part_written(self: Any, name: str, key: Any, src: Any) -> Any:
        part = call_as(name, self.detach().__getitem__, key)
        if tuple(part.shape) != tuple(src.shape):
            raise ShapeError(
                f"{name}: src has shape {src.shape}, not that of the part, {part.shape}"
            )
        made = self.clone()
        made[key] = src
        return made

    def diagonal_scatter(
        self: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1
    ) -> Tensor:
        """Return a copy with src written over a `diagonal`.

        Raises:
            TensorIndexError: an axis is out of range.
            ShapeError: src has not the shape of the diagonal.
        """
        places = ramp(self.numel(), 0, 1, "diagonal_scatter").reshape(self.shape)
        chosen = call_as("diagonal_scatter", places.diagonal, offset, dim1, dim2)
        if tuple(chosen.shape) != tuple(src.shape):
            raise ShapeError(
                f"diagonal_scatter: src has shape {src.shape}, the diagonal {chosen.shape}"
            )
        if not chosen.numel():
            return self.clone()
        values = cast(src, self.dtype).reshape(-1)
        made = apply(OPS["put_at"], (self.reshape(-1), chosen.reshape(-1), values))
        return made.reshape(self.shape)

    scatter_, scatter_reduce_, index_reduce_ = map(
        in_place, ("scatter", "scatter_reduce", "index_reduce")
    )
    index_fill_, index_copy_, index_put_ = map(in_place, ("index_fill", "index_copy", "index_put"))
    masked_scatter_, put_ = map(in_place, ("masked_scatter", "put"))
