"""x[key] and x[key] = value, by PyTorch's rules, in terms of the core's ops.

A key of integers, slices, None and `...` is a SLICE and a RESHAPE: a view. Arrays of integers and
masks of bools select what is left by TAKE, over the indexed axes brought to the front and seen as
one, with one linear index; writing is PUT_AT in the same place. Where they stand next to each
other in the key, integers apart, their axes come where they stand, else first. (NumPy takes an
integer beside an array for an array.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import _core
from ..errors import DTypeError, GradientError, ShapeError, TensorIndexError, ViewError
from .conversion import from_object, is_array, is_sequence, new
from .dtypes import bool_, int64, uint8
from .explain import listed
from .ops import OPS, TensorBase, apply, cast, needs_recording
from .warning import warn

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["get", "put"]

SLICE, RESHAPE, PERMUTE, EXPAND = (OPS[name] for name in ("slice", "reshape", "permute", "expand"))
TAKE, PUT_AT, ASSIGN, NONZERO = (OPS[name] for name in ("take", "put_at", "assign", "nonzero"))
CONTIGUOUS = OPS["contiguous"]


# ---- what a key says -------------------------------------------------------------------------


class Selection:
    """A key, read against the shape of a Tensor.

    Attributes:
        key: its parts, plain: None, Ellipsis, slices, ints, and Tensors of int64 or bool.
        starts, steps, counts: the slice of each axis; an integer is a slice of one.
        places: what the key makes, from left to right: the axis of a slice, None for a new axis,
            -1 for an integer, -2 for an array.
        arrays: for each array, int64 indices and the axes that they index together.
    """

    def __init__(self, x: Any, key: Any) -> None:
        self.shape = x.shape
        self.key = tuple(as_index(item) for item in (key if isinstance(key, tuple) else (key,)))
        self.starts, self.steps, self.counts, self.places, arrays = x._select(self.key)
        self.arrays = [(rows_of(array), range(at, at + count)) for array, at, count in arrays]

    def has_slice(self) -> bool:
        """Tell whether anything is sliced off."""
        return any(step != 1 for step in self.steps) or self.counts != self.shape

    def integers(self) -> tuple[int, ...]:
        """Return the integers of SLICE."""
        return (*self.starts, *self.steps, *self.counts)

    def kept(self) -> tuple[int, ...]:
        """Return the shape where no arrays are in the key."""
        return self.sizes(self.places)

    def sizes(self, places: Sequence[int | None]) -> tuple[int, ...]:
        """Return the sizes of slices and new axes."""
        return tuple(
            1 if place is None else self.counts[place]
            for place in places
            if place is None or place >= 0
        )


def as_index(item: Any) -> Any:
    """Return part of a key as None, Ellipsis, a slice, an int or a Tensor."""
    if item is None or item is Ellipsis or isinstance(item, slice) or type(item) is int:
        return item
    if isinstance(item, bool):
        return new(item, None)
    if isinstance(item, TensorBase):
        return as_index_tensor(item)
    if is_array(item):
        return as_index_tensor(from_object(item, share=True))
    if hasattr(type(item), "__index__"):
        return item.__index__()
    if not is_sequence(item):
        raise TensorIndexError(f"{type(item).__name__} {item!r} is no index of a tensor")
    indices = new(list(item), None)
    return cast(indices, int64) if 0 in indices.shape else as_index_tensor(indices)


def as_index_tensor(indices: Any) -> Any:
    """Return a Tensor of ints or bools; one int without axes is an int."""
    kind = indices.dtype.kind
    if indices.dtype is uint8:
        return as_mask(indices, "x[...]")
    if kind == 2:
        raise TensorIndexError(f"indices are integers or bools, not {indices.dtype.name}")
    return indices.item() if kind == 1 and indices.ndim == 0 else indices


def as_mask(x: Any, what: str) -> Any:
    """Return a Tensor of bool as it is, one of uint8 as bool, as PyTorch reads it."""
    if x.dtype is bool_:
        return x
    if x.dtype is not uint8:
        raise DTypeError(f"{what}: a mask is of bool, not {x.dtype.name}")
    warn(f"{what}: uint8 is read as a mask, as in PyTorch; say bool(), or long() for indices")
    return cast(x, bool_)


def check_index(index: int, size: int, axis: int) -> int:
    """Return an index counted from the front, or refuse it."""
    if not -size <= index < size:
        raise TensorIndexError(f"index {index} is out of range for axis {axis} of size {size}")
    return index + size if index < 0 else index


def column(pairs: Any) -> Tensor:
    """Return the only column of an (n, 1) Tensor."""
    return apply(RESHAPE, (pairs,), (pairs.shape[0],))


def rows_of(array: Any) -> Any:
    """Return integers, or where a mask is true, as int64."""
    return cast(rows_of_mask(array) if array.dtype is bool_ else array, int64)


def rows_of_mask(mask: Any) -> Tensor:
    """Return where a mask is true, counted in row-major order."""
    return column(nonzero(apply(RESHAPE, (mask,), (math.prod(mask.shape),))))


def nonzero(array: Any) -> Any:
    """Return the indices of the elements that are not 0, of shape (count, rank)."""
    _core.refuse_recording("nonzero")
    return apply(NONZERO, (array,))


# ---- reading ---------------------------------------------------------------------------------


def get(x: Tensor, key: Any) -> Tensor:
    """Return x[key]: a view, or where arrays are in the key a copy."""
    shape = x.shape
    if isinstance(key, TensorBase) and key.ndim and shape:
        if key.dtype is int64:
            return apply(TAKE, (x, key))
        if key.dtype is bool_ and key.shape == shape:
            return apply(TAKE, (apply(RESHAPE, (x,), (math.prod(shape),)), rows_of_mask(key)))
    selection = Selection(x, key)
    if selection.arrays:
        return Lookup(selection).read(x)
    return x[selection.key]


class Lookup:
    """A selection with arrays.

    Sliced, x has an axis for each of its own, of size 1 where the key has an integer. The axes
    that arrays index come first and become one: (rows, others ...). The result is (B ..., others
    ...), B being the common shape of the arrays; it is then put in the order of the key.

    Attributes:
        index: the rows, of shape B.
        order: x's axes, those of the arrays first; indexed: how many these are.
        final: the order of the result's axes; result: its shape after that.
    """

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        indexed = [axis for _, axes in selection.arrays for axis in axes]
        others = [axis for axis in range(len(selection.shape)) if axis not in indexed]
        self.order = (*indexed, *others)
        self.others = tuple(selection.counts[axis] for axis in others)
        self.rows = math.prod(selection.shape[axis] for axis in indexed)
        self.indexed = len(indexed)
        self.index = self.find_rows()
        self.arrange(others)

    def find_rows(self) -> Any:
        """Return one index in place of all arrays'."""
        arrays = self.selection.arrays
        if len(arrays) == 1 and arrays[0][1]:
            return arrays[0][0]
        try:
            shape = common_shape([index.shape for index, _ in arrays])
        except ShapeError as error:
            raise TensorIndexError(f"indices of {error}") from None
        sizes = tuple(math.prod(self.selection.shape[i] for i in axes) for _, axes in arrays)
        indices = tuple(apply(CONTIGUOUS, (apply(EXPAND, (index,), shape),)) for index, _ in arrays)
        found = TensorBase._linear_index(indices, sizes)
        if isinstance(found, tuple):
            which, wrong = found
            check_index(wrong, sizes[which], arrays[which][1][0] if arrays[which][1] else 0)
        return found

    def arrange(self, others: list[int]) -> None:
        """Find where the axes of the arrays belong among the others: at the place of the arrays
        where these stand together, integers apart, else in front."""
        places = [place for place in self.selection.places if place != -1]
        arrays = [i for i, place in enumerate(places) if place == -2]
        together = arrays[-1] - arrays[0] + 1 == len(arrays)
        before = places[: arrays[0]] if together else []
        after = [place for place in places[len(before) :] if place != -2]
        rank = self.index.ndim
        first = [p for p in before if p is not None and p >= 0]
        rest = [axis for axis in others if axis not in first]
        where = {axis: rank + i for i, axis in enumerate(others)}
        self.final = (
            *(where[axis] for axis in first),
            *range(rank),
            *(where[axis] for axis in rest),
        )
        sizes = self.selection.sizes
        self.result = (*sizes(before), *self.index.shape, *sizes(after))

    def rows_of(self, x: Any) -> Tensor:
        """Return x as (rows, others ...): a view, where its strides allow it."""
        if self.selection.has_slice():
            x = apply(SLICE, (x,), self.selection.integers())
        if self.order != tuple(range(len(self.order))):
            x = apply(PERMUTE, (x,), self.order)
        shape = (self.rows, *self.others)
        return x if self.indexed == 1 else apply(RESHAPE, (x,), shape)

    def read(self, x: Any) -> Tensor:
        """Return x[key]."""
        found = apply(TAKE, (self.rows_of(x), self.index))
        if self.final != tuple(range(len(self.final))):
            found = apply(PERMUTE, (found,), self.final)
        return found if found.shape == self.result else apply(RESHAPE, (found,), self.result)

    def spread(self, value: Any) -> Tensor:
        """Return a value for x[key] as (B ..., others ...)."""
        value = apply(EXPAND, (value,), self.result)
        sizes = (*self.index.shape, *self.others)
        value = apply(RESHAPE, (value,), tuple(sizes[axis] for axis in self.final))
        return apply(PERMUTE, (value,), inverse(self.final))

    def written(self, x: Any, value: Any) -> Tensor:
        """Return a copy of x with x[key] replaced; recorded."""
        rows = apply(PUT_AT, (self.rows_of(x), self.index, self.spread(value)))
        counts = self.selection.counts
        found = apply(RESHAPE, (rows,), tuple(counts[axis] for axis in self.order))
        found = apply(PERMUTE, (found,), inverse(self.order))
        if not self.selection.has_slice():
            return found
        return apply(ASSIGN, (x, found), self.selection.integers())

    def write(self, x: Any, value: Any) -> None:
        """Write x[key] where nothing is recorded."""
        if self.selection.has_slice():
            view = apply(SLICE, (x,), self.selection.integers())
        else:
            view = x
        ordered = apply(PERMUTE, (view,), self.order)
        rows = apply(RESHAPE, (ordered,), (self.rows, *self.others))
        rows = apply(CONTIGUOUS, (rows,))
        TensorBase._apply_over(PUT_AT, (rows, self.index, self.spread(value)), ())
        if rows.data_ptr() != ordered.data_ptr():  # a copy, as PUT_AT wants rows without gaps
            ordered._write(apply(RESHAPE, (rows,), ordered.shape))


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return the order that undoes a permutation."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def common_shape(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape that all of these can be broadcast to.

    Raises:
        ShapeError: there is none.
    """
    common: list[int] = []
    for axis in range(-max(map(len, shapes)), 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        if len(sizes) > 1:
            raise ShapeError(
                f"shapes {listed(list(map(str, shapes)))} cannot be broadcast together"
            )
        common.append(sizes.pop() if sizes else 1)
    return tuple(common)


# ---- writing ---------------------------------------------------------------------------------


def put(x: Any, key: Any, value: Any) -> None:
    """Let x[key] = value: in x's memory, or, if x or value requires a gradient, as a new node.

    Raises:
        GradientError: x is a leaf that requires a gradient, and recording is on.
        ViewError: the change is to be recorded, and other tensors share the memory.
        ShapeError: value cannot be broadcast to the shape of x[key].
    """
    selection = Selection(x, key)
    lookup = Lookup(selection) if selection.arrays else None
    if isinstance(value, TensorBase) and is_part(value, x, selection):
        return  # as after x[key] += ..., which has written to x
    value = fitting(value, x.dtype, lookup.result if lookup else selection.kept())
    if needs_recording(x, value):
        check_recorded(x, "x[...] = value")
        rebind(x, lookup.written(x, value) if lookup else sliced_in(x, selection, value))
    elif lookup:
        lookup.write(x, value)
    else:
        write_slice(x, selection, value)


def is_part(value: Any, x: Any, selection: Selection) -> bool:
    """Tell whether a value is x[key] itself."""
    found = value._origin()
    if found is None or found[0] is not x or selection.arrays:
        return False
    integers = (selection.starts, selection.steps, selection.counts, selection.places)
    return bool(x._select(found[1])[:4] == integers)


def check_recorded(x: Any, what: str) -> None:
    """Refuse a recorded in-place change of a leaf, or where other tensors share the memory.

    The change is a new node. It reaches x and what x is a part of, x[key], along any chain of
    keys; no other views. Of a result views that were made before keep the old elements; beside a
    constant nothing may be left that would not follow it.
    """
    own = 1  # objects that follow the change
    found = x._origin()
    while found is not None:
        x, own = found[0], own + 1
        found = x._origin()
    if x.is_leaf and x.requires_grad:
        raise GradientError(
            f"{what}: a leaf Tensor that requires grad is being used in an in-place operation; "
            "do it inside no_grad()"
        )
    if x._info()[8] and (
        _core.memory_handles(x._handle) > own if x.is_leaf else has_living_base(x)
    ):
        raise ViewError(
            f"{what}: the tensor shares its memory with another, which a recorded change would "
            "not reach: write x[key] = value to the whole one, before other views of it are "
            "made, or to a clone()"
        )


def rebind(x: Any, made: Any) -> None:
    """Let x be a new node, which nobody else has, and so the part of another that x is."""
    found = x._origin()
    x._become(made)
    if found is None:
        return
    base, key = found
    selection = Selection(base, key)
    part = fitting(x, base.dtype, selection.kept())
    rebind(base, sliced_in(base, selection, part))
    x._become(base[key])


def has_living_base(x: Any) -> bool:
    """Tell whether x is a view of a tensor that anything but x uses."""
    while x._info()[4] in _core.VIEWS:
        x = TensorBase._adopt(_core.operand_of(x._handle, 0))
        if _core.references(x._handle) > 2:  # the view's, and that of this object
            return True
    return False


def sliced_in(x: Any, selection: Selection, value: Any) -> Tensor:
    """Return x with x[key] replaced; recorded, in x's memory where no views would show it."""
    value = apply(EXPAND, (as_slice(value, selection),), tuple(selection.counts))
    try:
        return TensorBase._apply_over(ASSIGN, (x, value), selection.integers())
    except ViewError:
        return apply(ASSIGN, (x, value), selection.integers())


def fitting(value: Any, kind: Any, shape: tuple[int, ...]) -> Tensor:
    """Return a value as a Tensor of a type that can be broadcast to a shape, of its rank."""
    if not isinstance(value, TensorBase):
        value = from_object(value, True) if is_array(value) else new(value, kind)
    value = cast(value, kind)
    given = value.shape
    sizes = given
    while len(sizes) > len(shape) and sizes[0] == 1:
        sizes = sizes[1:]
    padded = (1,) * (len(shape) - len(sizes)) + sizes
    if len(padded) != len(shape) or any(
        a not in (1, b) for a, b in zip(padded, shape, strict=True)
    ):
        raise ShapeError(f"a value of shape {given} cannot be broadcast to x[...] of shape {shape}")
    return value if padded == given else apply(RESHAPE, (value,), padded)


def as_slice(value: Any, selection: Selection) -> Tensor:
    """Return a value with an axis for each of x's own."""
    sizes = iter(value.shape)
    by_axis = {place: next(sizes) for place in selection.places if place is None or place >= 0}
    shape = tuple(by_axis.get(axis, 1) for axis in range(len(selection.shape)))
    return value if shape == value.shape else apply(RESHAPE, (value,), shape)


def write_slice(x: Any, selection: Selection, value: Any) -> None:
    """Write x[key] where nothing is recorded and no arrays are in the key."""
    value = as_slice(value, selection)
    view = apply(SLICE, (x,), selection.integers()) if selection.has_slice() else x
    view._write(value)
