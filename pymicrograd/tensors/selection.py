"""Elements chosen by indices and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DTypeError, ShapeError, TensorIndexError
from . import indexing
from .arguments import axis_of, one_at
from .attributes import Attributes
from .conversion import as_tensor
from .dtypes import bool_, int64
from .ops import OPS, apply, cast

if TYPE_CHECKING:
    from .tensor import Tensor


def as_indices(index: Any) -> Any:
    """Return indices as a Tensor of int64."""
    index = as_tensor(index)
    if index.dtype.kind != 1 and index.numel():
        raise DTypeError(f"indices are integers, not {index.dtype.name}")
    return cast(index, int64)


class SelectionMethods(Attributes):
    """Methods that select elements."""

    __slots__ = ()

    def gather(self, dim: int, index: Any) -> Tensor:
        """Return, for each element of index, the item that it names along an axis."""
        axis = axis_of(dim, self.ndim, "gather")
        return apply(OPS["gather"], (self, as_indices(index)), (axis,))

    def take_along_dim(self, indices: Any, dim: int | None = None) -> Tensor:
        """Return `gather`, with the other axes broadcast; without dim, of all elements."""
        indices = as_indices(indices)
        if dim is None:
            return self.ravel().gather(0, indices.ravel())
        axis = axis_of(dim, self.ndim, "take_along_dim")
        shape = list(indexing.common_shape([one_at(self.shape, axis), one_at(indices.shape, axis)]))
        own, other = list(shape), list(shape)
        own[axis], other[axis] = self.shape[axis], indices.shape[axis]
        return self.expand(own).gather(axis, indices.expand(other))

    def scatter_add(self, dim: int, index: Any, src: Any) -> Tensor:
        """Return self with each element of src added where index says along an axis."""
        axis = axis_of(dim, self.ndim, "scatter_add")
        src = as_tensor(src, dtype=self.dtype)
        return apply(OPS["scatter_add"], (self, as_indices(index), src), (axis,))

    def scatter_add_(self, dim: int, index: Any, src: Any) -> Tensor:
        """Add in place where index says along an axis; return the tensor."""
        changed: Tensor = self.copy_(self.scatter_add(dim, index, src))
        return changed

    def index_select(self, dim: int, index: Any) -> Tensor:
        """Return the items along an axis that a vector of indices names."""
        axis = axis_of(dim, self.ndim, "index_select")
        index = as_indices(index)
        if index.ndim > 1:
            raise ShapeError(f"index_select: indices are a vector, not of shape {index.shape}")
        try:
            return self[(slice(None),) * axis + (index.reshape(-1),)]
        except TensorIndexError as error:
            reason = str(error).replace("x[...]", "index_select").replace("an axis", f"axis {axis}")
            raise TensorIndexError(reason) from None

    def index_add(self, dim: int, index: Any, source: Any) -> Tensor:
        """Return self with the items of source added where a vector says along an axis."""
        axis = axis_of(dim, self.ndim, "index_add")
        index, x = as_indices(index), self.movedim(axis, 0)
        if index.ndim > 1:
            raise ShapeError(f"index_add: indices are a vector, not of shape {index.shape}")
        source = as_tensor(source, dtype=self.dtype).movedim(axis, 0)
        return apply(OPS["add_at"], (x, index, source)).movedim(0, axis)

    def masked_select(self, mask: Any) -> Tensor:
        """Return the elements where a mask holds, along one axis."""
        mask = as_tensor(mask)
        if mask.dtype is not bool_:
            raise DTypeError(f"masked_select: a mask is of bool, not {mask.dtype.name}")
        try:
            shape = indexing.common_shape([self.shape, mask.shape])
        except TensorIndexError:
            raise TensorIndexError(
                f"masked_select: a mask of shape {mask.shape} and shape {self.shape} "
                "cannot be broadcast"
            ) from None
        return self.expand(shape)[mask.expand(shape)]

    def nonzero(self, as_tuple: bool = False) -> Any:
        """Return the indices of elements that are not 0: (count, ndim), or a tuple by axis."""
        found = apply(OPS["nonzero"], (self,))
        return tuple(found.unbind(1)) if as_tuple else found
