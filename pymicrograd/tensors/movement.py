"""Views and copies in other shapes: axes named, split, joined, moved, repeated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ShapeError, TensorIndexError
from . import padding
from .arguments import (
    as_int,
    as_ints,
    as_tuple,
    axes_of,
    axis_of,
    given_as,
    one_of,
    own_axis,
    part_of,
    plural,
    spread_sizes,
)
from .attributes import Attributes
from .dtypes import dtype
from .explain import alias, call_as
from .indexing import check_recorded
from .joining import cat
from .leaves import tril, triu
from .ops import OPS, TensorBase, apply, needs_recording

if TYPE_CHECKING:
    from typing_extensions import Self

    from .tensor import Tensor


class MovementMethods(Attributes):
    """Methods that move elements."""

    __slots__ = ()

    def _reshape(self, *shape: Any, **named: Any) -> Tensor:
        shape = given_as("shape", shape, named, "Tensor.reshape")
        sizes = as_ints(shape, "reshape")
        if -1 in sizes:
            sizes = list(spread_sizes(sizes, self.numel(), "reshape"))
        elif any(size < 0 for size in sizes):
            spread_sizes(sizes, self.numel(), "reshape")
        return apply(OPS["reshape"], (self,), tuple(sizes))

    def view(self, *shape: Any, **named: Any) -> Tensor:
        """Return the elements in another shape, sharing memory.

        Raises:
            ShapeError: the number of elements differs, or strides do not allow it; `reshape`
                copies then.
        """
        shape = given_as("size", shape, named, "Tensor.view")
        if len(shape) == 1 and isinstance(shape[0], (str, dtype, type)):
            raise TypeError(f"view: it takes sizes, not {shape[0]!r}; a dtype is for to()")
        made = call_as("view", self.reshape, *shape)
        if made.data_ptr() != self.data_ptr() and made.numel():
            raise ShapeError(
                f"view: a tensor of shape {self.shape} and strides {self.stride()} has no view "
                f"of shape {made.shape}; use reshape()"
            )
        return made

    def view_as(self, other: Any) -> Tensor:
        """Return a view in the shape of another tensor.

        Raises:
            ShapeError: the number of elements differs, or strides do not allow a view.
            TypeError: other is no tensor.
        """
        return call_as("view_as", self.view, part_of(other, "shape", "view_as"))

    def reshape_as(self, other: Any) -> Tensor:
        """Return the elements in the shape of another tensor: a view where strides allow it.

        Raises:
            ShapeError: the number of elements differs.
            TypeError: other is no tensor.
        """
        return call_as("reshape_as", self.reshape, part_of(other, "shape", "reshape_as"))

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Return the tensor with axes start_dim to end_dim, both included, merged into one.

        Of shape (2, 3, 4) flatten(1) has shape (2, 12). A view where strides allow it; a tensor of
        shape () becomes one of shape (1,).

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: start_dim comes after end_dim.
        """
        if not self.ndim:
            return self.reshape(1)
        first = axis_of(start_dim, self.ndim, "flatten")
        last = axis_of(end_dim, self.ndim, "flatten")
        if first > last:
            raise ShapeError(f"flatten: axis {start_dim} comes after {end_dim}")
        shape = self.shape
        one = math.prod(shape[first : last + 1])
        return self.reshape(*shape[:first], one, *shape[last + 1 :])

    def ravel(self) -> Tensor:
        """Return the elements in row-major order, of shape (numel(),): a view if possible."""
        return self.reshape(-1) if self.numel() else self.reshape(0)

    def unflatten(self, dim: int, sizes: Sequence[int]) -> Tensor:
        """Return the tensor with one axis split into several: the inverse of `flatten`.

        Of shape (2, 12) unflatten(1, (3, -1)) has shape (2, 3, 4).

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: the product of sizes is not that of the axis, or -1 stands in them twice.
        """
        axis = own_axis(dim, self.ndim, "unflatten")
        shape = self.shape
        cut = spread_sizes(as_ints((sizes,), "unflatten"), shape[axis], "unflatten")
        if math.prod(cut) != shape[axis]:
            raise ShapeError(f"unflatten: axis {axis} of size {shape[axis]} has no shape {cut}")
        return call_as("unflatten", self.reshape, *shape[:axis], *cut, *shape[axis + 1 :])

    def squeeze(self, dim: Any = None, *, axis: Any = None) -> Tensor:
        """Return a view without axes of size 1: all of them, or those of dim that have size 1.

        Of shape (1, 2, 1) squeeze() has shape (2,), squeeze(0) shape (2, 1).

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: an axis stands twice in dim.
        """
        dim, shape = one_of(dim, axis), self.shape
        if dim is None:
            return self.reshape([size for size in shape if size != 1])
        none = isinstance(dim, (tuple, list)) and not dim
        axes = () if none else axes_of(dim, len(shape), "squeeze")
        return self.reshape([s for i, s in enumerate(shape) if s != 1 or i not in axes])

    def unsqueeze(self, dim: int) -> Tensor:
        """Return a view with a new axis of size 1 before axis dim.

        Of shape (2, 3) unsqueeze(0) has shape (1, 2, 3), unsqueeze(-1) shape (2, 3, 1).

        Raises:
            TensorIndexError: dim is not within -ndim - 1 to ndim.
        """
        shape = self.shape
        axis = axis_of(dim, len(shape) + 1, "unsqueeze")
        return call_as("unsqueeze", self.reshape, (*shape[:axis], 1, *shape[axis:]))

    def _permute(self, *dims: Any, **named: Any) -> Tensor:
        dims = given_as("dims", dims, named, "Tensor.permute")
        order = tuple(axis_of(dim, self.ndim, "permute") for dim in as_ints(dims, "permute"))
        if sorted(order) != list(range(self.ndim)):
            raise ShapeError(f"permute: {dims} does not name each of {self.ndim} axes once")
        return apply(OPS["permute"], (self,), order)

    def _transpose(self, dim0: int, dim1: int) -> Tensor:
        order = list(range(self.ndim))
        first = axis_of(dim0, self.ndim, "transpose")
        second = axis_of(dim1, self.ndim, "transpose")
        if order:
            order[first], order[second] = order[second], order[first]
        return apply(OPS["permute"], (self,), tuple(order))

    swapaxes = alias("swapaxes", TensorBase.transpose)

    swapdims = alias("swapdims", TensorBase.transpose)

    def t(self) -> Tensor:
        """Return a view of a matrix (m, n) as (n, m); of fewer axes, the same shape.

        Raises:
            ShapeError: there are more than two axes.
        """
        if self.ndim > 2:
            raise ShapeError(f"t: shape {self.shape} has more than two axes")
        return self.T

    @property
    def mT(self) -> Tensor:
        """A view with the last two axes swapped: of (..., m, n) as (..., n, m).

        Raises:
            ShapeError: there are fewer than two axes.
        """
        if self.ndim < 2:
            raise ShapeError(f"mT: shape {self.shape} has no two axes")
        return self.transpose(-2, -1)

    @property
    def H(self) -> Tensor:
        """A view of a matrix (m, n) as (n, m); real numbers are their own conjugates.

        Raises:
            ShapeError: the number of axes is neither 0 nor 2.
        """
        if self.ndim not in (0, 2):
            raise ShapeError(f"H: shape {self.shape} is no matrix's")
        return self.T

    def movedim(self, source: Any, destination: Any) -> Tensor:
        """Return a view with axes source, an int or several, moved to places destination.

        The other axes keep their order: of shape (2, 3, 4) movedim(0, -1) has shape (3, 4, 2).

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: an axis stands twice, or the two differ in number.
        """
        rank = self.ndim
        start = axes_of(source, rank, "movedim")
        end = axes_of(destination, rank, "movedim")
        if len(start) != len(end):
            raise ShapeError(f"movedim: {source} and {destination} differ in number")
        rest = iter(axis for axis in range(rank) if axis not in start)
        goals = dict(zip(end, start, strict=True))
        order = tuple(goals[i] if i in goals else next(rest) for i in range(rank))
        return apply(OPS["permute"], (self,), order)

    moveaxis = alias("moveaxis", movedim)

    def expand(self, *sizes: Any, **named: Any) -> Tensor:
        """Return a view with axes of size 1 repeated to the sizes given, without a copy.

        Of shape (3, 1) expand(3, 4) has shape (3, 4), expand(2, -1, 4) shape (2, 3, 4): new axes
        stand in front, -1 keeps a size.

        Raises:
            ShapeError: an axis of another size than 1 would change.
        """
        wanted, shape = (
            as_ints(given_as("size", sizes, named, "Tensor.expand"), "expand"),
            self.shape,
        )
        new = len(wanted) - len(shape)
        if new < 0 or any([size < 0 for size in wanted[:new]]):
            raise ShapeError(f"expand: shape {shape} cannot be expanded to {tuple(wanted)}")
        for i, size in enumerate(shape, new):
            if wanted[i] == -1:
                wanted[i] = size
        return apply(OPS["expand"], (self,), tuple(wanted))

    broadcast_to = alias("broadcast_to", expand)

    def _moved(self, name: str, made: Tensor) -> None:
        """Let the tensor be another view of its memory; refuse where that would be recorded."""
        if needs_recording(self):
            check_recorded(self, name)
        required = self.is_leaf and self.requires_grad
        self._become(made)
        if required:
            self.requires_grad = True

    def squeeze_(self, dim: Any = None, *, axis: Any = None) -> Self:
        """Make this tensor its own `squeeze`; return it. The memory stays.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        self._moved("squeeze_", call_as("squeeze_", self.squeeze, dim, axis=axis))
        return self

    def unsqueeze_(self, dim: int) -> Self:
        """Make this tensor its own `unsqueeze`; return it. The memory stays.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        self._moved("unsqueeze_", call_as("unsqueeze_", self.unsqueeze, dim))
        return self

    def transpose_(self, dim0: int, dim1: int) -> Self:
        """Make this tensor its own `transpose`; return it. The memory stays.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        self._moved("transpose_", call_as("transpose_", self.transpose, dim0, dim1))
        return self

    swapaxes_ = swapdims_ = transpose_

    def t_(self) -> Self:
        """Make this tensor its own `t`; return it. The memory stays.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        self._moved("t_", call_as("t_", self.t))
        return self

    def tril_(self, diagonal: int = 0) -> Self:
        """Write `tril` over the elements; return the tensor.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        call_as("tril_", self.copy_, call_as("tril_", self.tril, diagonal))
        return self

    def triu_(self, diagonal: int = 0) -> Self:
        """Write `triu` over the elements; return the tensor.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        call_as("triu_", self.copy_, call_as("triu_", self.triu, diagonal))
        return self

    def expand_as(self, other: Any) -> Tensor:
        """Return a view expanded to the shape of another tensor.

        Raises:
            ShapeError: an axis of another size than 1 would change.
            TypeError: other is no tensor.
        """
        return call_as("expand_as", self.expand, part_of(other, "shape", "expand_as"))

    def repeat(self, *sizes: Any, **named: Any) -> Tensor:
        """Return a copy repeated sizes[i] times along axis i.

        Of shape (3,) repeat(2) has shape (6,), repeat(4, 2) shape (4, 6).

        Raises:
            ShapeError: there are fewer sizes than axes, or a negative one.
        """
        counts, shape = (
            as_ints(given_as("repeats", sizes, named, "Tensor.repeat"), "repeat"),
            self.shape,
        )
        new = len(counts) - len(shape)
        if new < 0 or any(count < 0 for count in counts):
            raise ShapeError(f"repeat: {tuple(counts)} does not say how often for shape {shape}")
        x = call_as("repeat", self.reshape, (1,) * new + shape)
        for axis, count in enumerate(counts):
            if count != 1:
                before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
                size = x.shape[axis]
                copies = x.reshape(before, 1, size * after).expand(before, count, size * after)
                x = copies.reshape(*x.shape[:axis], count * size, *x.shape[axis + 1 :])
        return x.clone() if x.data_ptr() == self.data_ptr() else x

    def tile(self, *dims: Any, **named: Any) -> Tensor:
        """Return `repeat` with ones put in front of the sizes for axes that are not named.

        Of shape (2, 3) tile(2) has shape (2, 6).

        Raises:
            ShapeError: a size is negative.
        """
        counts = as_ints(given_as("dims", dims, named, "Tensor.tile"), "tile")
        return call_as("tile", self.repeat, *[1] * (self.ndim - len(counts)), *counts)

    def flip(self, *dims: Any, **named: Any) -> Tensor:
        """Return a view with the order of the elements along axes reversed; the shape stays.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: an axis stands twice.
        """
        given = as_ints(given_as("dims", dims, named, "Tensor.flip"), "flip")
        axes = axes_of(given, self.ndim, "flip") if given else ()
        shape = self.shape
        start, step = [0] * len(shape), [1] * len(shape)
        for axis in axes:
            if shape[axis] > 0:
                start[axis], step[axis] = shape[axis] - 1, -1
        return apply(OPS["slice"], (self,), (*start, *step, *shape))

    def roll(self, shifts: Any, dims: Any = None) -> Tensor:
        """Return a copy with elements moved on by shifts along dims, the last ones to the front.

        result[i] = x[(i - shift) mod size] along an axis. Without dims the flat elements are moved.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: shifts and dims differ in number.
        """
        if dims is None:
            if len(as_ints((shifts,), "roll")) != 1:
                raise ShapeError(f"roll: shifts {shifts} need as many axes, in dims")
            return self.ravel().roll(shifts, 0).reshape(self.shape)
        x: Any = self
        steps, axes = as_ints((shifts,), "roll"), as_tuple(dims)
        if len(steps) != len(axes):
            raise ShapeError(f"roll: shifts {shifts} and axes {dims} differ in number")
        for shift, dim in zip(steps, axes, strict=True):
            axis = own_axis(dim, self.ndim, "roll")
            size = self.shape[axis]
            cut = -shift % size if size else 0
            if cut:
                x = cat((x.narrow(axis, cut, size - cut), x.narrow(axis, 0, cut)), axis)
        made: Tensor = x.clone() if x is self else x
        return made

    def narrow(self, dim: int, start: int, length: int) -> Tensor:
        """Return a view of items start to start + length - 1 along an axis.

        A negative start counts from the end; the axis has size length in the result.

        Raises:
            TensorIndexError: the axis is out of range, or the items are not within it.
        """
        axis = own_axis(dim, self.ndim, "narrow")
        shape = self.shape
        size = shape[axis]
        start, length = as_int(start, "narrow: the start"), as_int(length, "narrow: the length")
        first = start + size if start < 0 else start
        if not 0 <= first <= size or not 0 <= length <= size - first:
            raise TensorIndexError(
                f"narrow: {plural(length, 'item')} from {start} on, not within axis {axis} of "
                f"size {size}"
            )
        starts = [0] * len(shape)
        starts[axis] = first if length else 0
        counts = (*shape[:axis], length, *shape[axis + 1 :])
        return apply(OPS["slice"], (self,), (*starts, *[1] * len(shape), *counts))

    def select(self, dim: int, index: int) -> Tensor:
        """Return a view of item index along axis dim, without that axis: x[index] for dim 0.

        Raises:
            TensorIndexError: the axis or the index is out of range.
        """
        axis = own_axis(dim, self.ndim, "select")
        key = (slice(None),) * axis + (as_int(index, "select: an index"),)
        return call_as("select", self.__getitem__, key)

    def split(self, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        """Return a tuple of views of consecutive pieces along an axis.

        Args:
            split_size: the size of each piece, the last may be smaller; or a list of all sizes.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: split_size is below 1, or a list does not add up to the axis.
        """
        axis = own_axis(dim, self.ndim, "split")
        size = self.shape[axis]
        if not hasattr(split_size, "__index__"):
            sizes = as_ints((split_size,), "split")
            if any(length < 0 for length in sizes):
                raise ShapeError(f"split: sizes are not negative, as in {sizes}")
            if sum(sizes) != size:
                raise ShapeError(f"split: {sizes} do not add up to axis {axis} of size {size}")
        elif split_size < (1 if size else 0):
            raise ShapeError(f"split: a piece has at least 1 item, not {split_size}")
        else:
            sizes = [min(split_size, size - i) for i in range(0, size, split_size or 1)] or [0]
        before = (slice(None),) * axis
        ends = [0, *itertools.accumulate(sizes)]
        keys = [(*before, slice(i, j)) for i, j in itertools.pairwise(ends)]
        return tuple([self[key] for key in keys])

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """Return a tuple of at most so many views of pieces along an axis.

        Pieces have size ceil(size / chunks), the last may be smaller; of nothing there are chunks.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: chunks is below 1.
        """
        axis = own_axis(dim, self.ndim, "chunk")
        chunks = as_int(chunks, "chunk: the number of pieces")
        if chunks < 1:
            raise ShapeError(f"chunk: the number of pieces is at least 1, not {chunks}")
        size = -(-self.shape[axis] // chunks)
        return self.split(size or [0] * chunks, axis)

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        """Return a tuple of views of all items along an axis, each without that axis.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        axis = own_axis(dim, self.ndim, "unbind")
        if axis == 0:
            return tuple([self[i] for i in range(self.shape[0])])
        before = (slice(None),) * axis
        keys: list[tuple[Any, ...]] = [(*before, i) for i in range(self.shape[axis])]
        return tuple([self[key] for key in keys])

    def pad(self, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Tensor:
        """Return the tensor with more items around it.

        Args:
            pad: how many items before and after the last axis, then the one before it, and so
                on; fewer than 0 cut off.
            mode: "constant" for a number; "reflect" for the items behind the edge, mirrored in it;
                "replicate" for the item at the edge; "circular" for those at the other end.
            value: the number of "constant", by default 0; for integers one that float64 holds.

        Raises:
            ShapeError: pad does not go with the axes, cuts off more than there is, or reaches
                beyond the items that are mirrored or repeated.
            ValueError: the mode is another, or has no value.
        """
        return padding.pad(self, pad, mode, value)

    def tril(self, diagonal: int = 0) -> Tensor:
        """Return a copy with 0 at [..., i, j] where j > i + diagonal.

        Raises:
            ShapeError: there are fewer than two axes.
        """
        return tril(self, diagonal)

    def triu(self, diagonal: int = 0) -> Tensor:
        """Return a copy with 0 at [..., i, j] where j < i + diagonal.

        Raises:
            ShapeError: there are fewer than two axes.
        """
        return triu(self, diagonal)
