"""Products of vectors and matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DTypeError, ShapeError
from .attributes import Attributes
from .conversion import as_tensor

if TYPE_CHECKING:
    from .tensor import Tensor


def of_ranks(what: str, x: Any, other: Any, ranks: tuple[int, int], kinds: str) -> Any:
    """Return another operand as a Tensor, if the two have so many axes."""
    other = as_tensor(other)
    if (x.ndim, other.ndim) != ranks:
        raise ShapeError(f"{what}: shapes {x.shape} and {other.shape} are not {kinds}")
    return other


def product(what: str, x: Any, other: Any) -> Tensor:
    """Return x @ other; errors name the method."""
    try:
        found: Tensor = x @ other
    except (ShapeError, DTypeError) as error:
        raise type(error)(str(error).replace("matmul", what, 1)) from None
    return found


class ProductMethods(Attributes):
    """Products with PyTorch's names."""

    __slots__ = ()

    def matmul(self, other: Any) -> Tensor:
        """Return self @ other."""
        product: Tensor = self @ other
        return product

    def mm(self, other: Any) -> Tensor:
        """Return the product of two matrices."""
        return product("mm", self, of_ranks("mm", self, other, (2, 2), "two matrices"))

    def bmm(self, other: Any) -> Tensor:
        """Return the products of two batches of matrices, one by one."""
        other = of_ranks("bmm", self, other, (3, 3), "two batches of matrices")
        if self.shape[0] != other.shape[0]:
            raise ShapeError(f"bmm: shapes {self.shape} and {other.shape} differ in their batches")
        return product("bmm", self, other)

    def mv(self, other: Any) -> Tensor:
        """Return the product of a matrix and a vector."""
        other = of_ranks("mv", self, other, (2, 1), "a matrix and a vector")
        return product("mv", self, other)

    def dot(self, other: Any) -> Tensor:
        """Return the sum of the products of two vectors' elements, which are of one type."""
        other = of_ranks("dot", self, other, (1, 1), "two vectors")
        if self.dtype is not other.dtype:
            raise DTypeError(f"dot: {self.dtype.name} and {other.dtype.name} are not one type")
        return product("dot", self, other)

    def outer(self, other: Any) -> Tensor:
        """Return the matrix of the products of two vectors' elements."""
        other = of_ranks("outer", self, other, (1, 1), "two vectors")
        return self.reshape(-1, 1).mul(other)
