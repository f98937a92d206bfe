"""Elements chosen by indices and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DTypeError, ShapeError, TensorIndexError
from . import indexing
from .arguments import axis_of, one_at
from .attributes import Attributes
from .conversion import as_tensor
from .dtypes import bool_, int64
from .explain import call_as
from .ops import OPS, apply, cast

if TYPE_CHECKING:
    from .tensor import Tensor


def as_indices(index: Any, what: str) -> Any:
    """Return indices as a Tensor of int64."""
    index = call_as(what, as_tensor, index)
    if index.dtype.kind != 1 and index.numel():
        raise DTypeError(f"{what}: indices are integers, not {index.dtype.name}")
    return cast(index, int64)


def added(x: Any, to: Any, what: str) -> Tensor:
    """Return what is added to some elements in their type; refuse floats beside integers."""
    x = call_as(what, as_tensor, x)
    if x.dtype.kind > to.dtype.kind:
        raise DTypeError(f"{what}: {x.dtype.name} cannot be added to {to.dtype.name}")
    return cast(x, to.dtype)


def with_axis(*tensors: Any) -> tuple[Any, ...]:
    """Return tensors with one axis where they have none, as what selects along it needs."""
    return tuple(x if x.ndim else x.reshape(1) for x in tensors)


class SelectionMethods(Attributes):
    """Methods that select elements."""

    __slots__ = ()

    def gather(self, dim: int, index: Any, *, sparse_grad: bool = False) -> Tensor:
        """Return y of index's shape: y[i, j] = x[index[i, j], j] for dim 0, and so on.

        Raises:
            TensorIndexError: the axis or an index is out of range.
            ShapeError: index has not as many axes, or is larger along another axis than dim.
            DTypeError: index is not of integers.
        """
        axis = axis_of(dim, self.ndim, "gather")
        index = as_indices(index, "gather")
        if index.ndim != self.ndim and not index.numel():
            return self.ravel()[:0].reshape(index.shape)
        x, row = with_axis(self, index)
        found = apply(OPS["gather"], (x, row), (axis,))
        return found if row is index else found.reshape(())

    def take_along_dim(self, indices: Any, dim: int | None = None) -> Tensor:
        """Return `gather(dim, indices)`, the shapes broadcast along all axes but dim.

        Without dim both are flattened.

        Raises:
            TensorIndexError: the axis or an index is out of range.
            ShapeError: the shapes do not fit.
            DTypeError: indices are not of integers.
        """
        indices = as_indices(indices, "take_along_dim")
        if dim is None:
            return call_as("take_along_dim", self.ravel().gather, 0, indices.ravel())
        if not self.ndim or not indices.ndim:
            return call_as("take_along_dim", self.gather, dim, indices)
        axis = axis_of(dim, self.ndim, "take_along_dim")
        if indices.ndim != self.ndim:
            raise ShapeError(
                f"take_along_dim: indices of shape {indices.shape} have not as many axes as the "
                f"input, {self.ndim}"
            )
        shapes = [one_at(self.shape, axis), one_at(indices.shape, axis)]
        shape = list(call_as("take_along_dim", indexing.common_shape, shapes))
        own, other = list(shape), list(shape)
        own[axis], other[axis] = self.shape[axis], indices.shape[axis]
        indices = indices.expand(other)
        return call_as("take_along_dim", self.expand(own).gather, axis, indices)

    def scatter_add(self, dim: int, index: Any, src: Any) -> Tensor:
        """Return a copy y with y[index[i, j], j] += src[i, j] for dim 0, and so on.

        The inverse of `gather`: an element may be added to several times.

        Raises:
            TensorIndexError: the axis or an index is out of range.
            ShapeError: index has not as many axes, or is larger than src, or than x beside dim.
            DTypeError: index is not of integers, or src of floats and this is not.
        """
        axis = axis_of(dim, self.ndim, "scatter_add")
        index = as_indices(index, "scatter_add")
        src = added(src, self, "scatter_add")
        if index.ndim != self.ndim and not index.numel():
            return self.clone()
        x, row, src = with_axis(self, index, src)
        found = apply(OPS["scatter_add"], (x, row, src), (axis,))
        return found if x is self else found.reshape(())

    def scatter_add_(self, dim: int, index: Any, src: Any) -> Tensor:
        """Write `scatter_add` over the elements; return the tensor.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
            TensorIndexError, ShapeError, DTypeError: as for `scatter_add`.
        """
        made = call_as("scatter_add_", self.scatter_add, dim, index, src)
        changed: Tensor = call_as("scatter_add_", self.copy_, made)
        return changed

    def index_select(self, dim: int, index: Any) -> Tensor:
        """Return the items index[0], index[1], ... along an axis, whose size is then len(index).

        Raises:
            TensorIndexError: the axis or an index is out of range.
            ShapeError: index is no vector.
            DTypeError: index is not of integers.
        """
        axis = axis_of(dim, self.ndim, "index_select")
        index = as_indices(index, "index_select")
        if index.ndim > 1:
            raise ShapeError(f"index_select: indices are a vector, not of shape {index.shape}")
        if not self.ndim:
            if index.numel() != 1:
                raise ShapeError(f"index_select: {index.numel()} indices for a tensor of shape ()")
            return self.reshape(1).index_select(0, index).reshape(())
        if axis:  # of a later axis, gather reads in the order in which elements lie
            row, shape = [1] * self.ndim, list(self.shape)
            row[axis] = shape[axis] = index.numel()
            index = apply(OPS["expand"], (index.reshape(row),), tuple(shape))
            return call_as("index_select", self.gather, axis, index)
        try:
            return self[index.reshape(-1)]
        except TensorIndexError as error:
            reason = str(error).replace("x[...]", "index_select").replace("an axis", "axis 0")
            raise TensorIndexError(reason) from None

    def index_add_(self, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Tensor:
        """Write `index_add` over the elements; return the tensor.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            TensorIndexError, ShapeError, DTypeError: as for `index_add`.
        """
        made = call_as("index_add_", self.index_add, dim, index, source, alpha=alpha)
        changed: Tensor = call_as("index_add_", self.copy_, made)
        return changed

    def index_add(self, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Tensor:
        """Return a copy y with y[index[i]] += alpha * source[i], items counted along an axis.

        Raises:
            TensorIndexError: the axis or an index is out of range.
            ShapeError: index is no vector, or the shapes do not fit.
            DTypeError: index is not of integers, or source of floats and this is not.
        """
        axis = axis_of(dim, self.ndim, "index_add")
        index = as_indices(index, "index_add")
        source = added(source, self, "index_add")
        if index.ndim > 1:
            raise ShapeError(f"index_add: indices are a vector, not of shape {index.shape}")
        source = source if alpha == 1 else added(source * alpha, self, "index_add")
        if not self.ndim:
            whole = self.reshape(1).index_add(0, index.reshape(-1), source.reshape(-1))
            return whole.reshape(())
        index = index if index.ndim else index.reshape(1)
        source = source if source.ndim else source.reshape(1)
        if not axis:
            return apply(OPS["add_at"], (self, index, source))
        source = call_as("index_add", source.movedim, axis, 0)
        return apply(OPS["add_at"], (self.movedim(axis, 0), index, source)).movedim(0, axis)

    def masked_select(self, mask: Any) -> Tensor:
        """Return a copy, of shape (count,), of the elements where a mask holds.

        The shapes are broadcast; the order is row-major.

        Raises:
            DTypeError: the mask is not of bool.
            ShapeError: the shapes cannot be broadcast.
        """
        mask = call_as("masked_select", as_tensor, mask)
        if mask.dtype is not bool_:
            raise DTypeError(
                f"masked_select: a mask is of bool, not {mask.dtype.name}; bool() makes one"
            )
        shape = call_as("masked_select", indexing.common_shape, [mask.shape, self.shape])
        return self.expand(shape)[mask.expand(shape)]

    def nonzero(self, as_tuple: bool = False) -> Any:
        """Return the indices of the elements that are not 0, in row-major order, as int64.

        The shape is (count, ndim); with as_tuple there are ndim tensors of shape (count,), with
        which x[...] gives these elements: one for a tensor without axes.
        """
        if as_tuple and not self.ndim:
            return self.reshape(1).nonzero(as_tuple=True)
        found = indexing.nonzero(self)
        return tuple(found.unbind(1)) if as_tuple else found
