"""Diagonals: of the matrices in a tensor, and of matrices made for them.

In row-major order the elements of a diagonal of an (m, n) matrix lie n + 1 apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ShapeError
from .arguments import as_int, own_axis
from .attributes import Attributes
from .ops import OPS, apply

if TYPE_CHECKING:
    from .tensor import Tensor


def matrix_axes(dim1: Any, dim2: Any, rank: int, what: str) -> tuple[int, int]:
    """Return two different axes counted from the front."""
    first, second = own_axis(dim1, rank, what), own_axis(dim2, rank, what)
    if first == second:
        raise ShapeError(f"{what}: a diagonal has two axes, not {dim1} and {dim2}, the same one")
    return first, second


class DiagonalMethods(Attributes):
    """Methods about diagonals."""

    __slots__ = ()

    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
        """Return x[i, i + offset] of two axes, which become one, the last.

        A view where the elements lie in row-major order, otherwise a copy.

        Args:
            offset: which diagonal; above 0 those above the main one.
            dim1, dim2: the axes of i and of i + offset.

        Raises:
            TensorIndexError: an axis is out of range.
            ShapeError: both axes are the same.
        """
        offset = as_int(offset, "diagonal: the offset")
        axes = matrix_axes(dim1, dim2, self.ndim, "diagonal")
        x = self.movedim(axes, (-2, -1))
        *batch, m, n = x.shape
        count = max(min(m + min(offset, 0), n - max(offset, 0)), 0)
        flat = x.reshape(*batch, m * n)
        if not count:
            return flat[..., :0]
        first = offset if offset >= 0 else -offset * n
        return flat[..., first : first + (count - 1) * (n + 1) + 1 : n + 1]

    def trace(self) -> Tensor:
        """Return the sum of x[i, i] of a matrix.

        Raises:
            ShapeError: there are not two axes.
        """
        if self.ndim != 2:
            raise ShapeError(f"trace: a matrix has two axes, not shape {self.shape}")
        return self.diagonal().sum()

    def diag(self, diagonal: int = 0) -> Tensor:
        """Return a diagonal of a matrix, a copy; or of a vector the matrix that has it.

        Raises:
            ShapeError: there are neither two axes nor one.
        """
        if self.ndim not in (1, 2):
            raise ShapeError(f"diag: a vector or a matrix is needed, not shape {self.shape}")
        if self.ndim == 1:
            return self.diag_embed(diagonal)
        return self.diagonal(diagonal).clone()

    def diag_embed(self, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
        """Return matrices of zeros that have the vectors along the last axis as a diagonal.

        Args:
            offset: which diagonal; above 0 those above the main one.
            dim1, dim2: where the axes of a matrix stand in the result.

        Raises:
            TensorIndexError: an axis is out of range.
            ShapeError: there are no axes, or both axes are the same.
        """
        if not self.ndim:
            raise ShapeError("diag_embed: the elements of a diagonal lie along an axis, not ()")
        offset = as_int(offset, "diag_embed: the offset")
        axes = matrix_axes(dim1, dim2, self.ndim + 1, "diag_embed")
        *batch, count = self.shape
        n = count + abs(offset)
        first = offset if offset >= 0 else -offset * n
        shape, still = (*batch, n * n), (0,) * len(batch)
        steps = (*[1] * len(batch), n + 1)
        spread = apply(OPS["spread"], (self,), (*shape, *still, first if count else 0, *steps))
        return spread.reshape(*batch, n, n).movedim((-2, -1), axes)
