"""Whether tensors are near each other or the same, and how many elements are not 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from .attributes import Attributes
from .conversion import as_tensor
from .explain import call_as

if TYPE_CHECKING:
    from .tensor import Tensor


class ComparisonMethods(Attributes):
    """Methods that compare whole tensors."""

    __slots__ = ()

    def isclose(
        self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> Tensor:
        """Return where |self - other| <= atol + rtol * |other|; infinities are near themselves.

        Args:
            equal_nan: whether NaN is near NaN.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            ValueError: a tolerance is below 0.
        """
        if rtol < 0 or atol < 0:
            raise ArgumentError(f"isclose: tolerances are 0 or more, not rtol {rtol}, atol {atol}")
        other = call_as("isclose", as_tensor, other).detach()
        mine = self.detach()
        found = call_as("isclose", mine.eq, other)
        if equal_nan:
            found = found.logical_or(mine.isnan().logical_and(other.isnan()))
        wide = other if other.is_floating_point() else other.float()
        distance = (mine - wide).abs()
        near = distance.le((wide.abs() * rtol) + atol).logical_and(distance.lt(math.inf))
        return found.logical_or(near)

    def allclose(
        self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> bool:
        """Return whether all elements are near each other, as `isclose` says.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            ValueError: a tolerance is below 0.
        """
        return bool(call_as("allclose", self.isclose, other, rtol, atol, equal_nan).all().item())

    def equal(self, other: Any) -> bool:
        """Return whether another tensor has the same shape and elements; NaN equals nothing."""
        other = call_as("equal", as_tensor, other)
        return self.shape == other.shape and bool(self.eq(other).all().item())

    def count_nonzero(self, dim: Any = None) -> Tensor:
        """Return how many elements over axes are not 0, as int64; NaN is not 0.

        Raises:
            TensorIndexError: an axis is out of range.
        """
        return call_as("count_nonzero", self.ne(0).sum, dim)
