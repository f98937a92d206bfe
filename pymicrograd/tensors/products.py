"""Products of vectors and matrices."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from ..errors import DTypeError, ShapeError
from .attributes import Attributes
from .conversion import as_tensor
from .explain import call_as

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
    found: Tensor = call_as(what, operator.matmul, x, other)
    return found


class ProductMethods(Attributes):
    """Products with PyTorch's names."""

    __slots__ = ()

    def matmul(self, other: Any) -> Tensor:
        """Return self @ other: shapes (..., m, k) and (..., k, n) give (..., m, n).

        Leading axes are broadcast. A vector (k,) counts as (1, k) on the left, (k, 1) on the right,
        and its axis of size 1 goes from the result.

        Raises:
            ShapeError: inner sizes differ, leading axes cannot be broadcast, or one has no axes.
            DTypeError: both are of bool.
            TypeError: other is a number.
        """
        found: Tensor = self @ other
        return found

    def mm(self, mat2: Any) -> Tensor:
        """Return the product of matrices: (m, k) and (k, n) give (m, n).

        Raises:
            ShapeError: one is no matrix, or the inner sizes differ.
        """
        return product("mm", self, of_ranks("mm", self, mat2, (2, 2), "two matrices"))

    def bmm(self, mat2: Any) -> Tensor:
        """Return the product of each pair of matrices: (b, m, k) and (b, k, n) give (b, m, n).

        Raises:
            ShapeError: one has not three axes, or the batches or inner sizes differ.
        """
        mat2 = of_ranks("bmm", self, mat2, (3, 3), "two batches of matrices")
        if self.shape[0] != mat2.shape[0]:
            raise ShapeError(f"bmm: shapes {self.shape} and {mat2.shape} differ in their batches")
        return product("bmm", self, mat2)

    def mv(self, vec: Any) -> Tensor:
        """Return the product of a matrix and a vector: (m, k) and (k,) give (m,).

        Raises:
            ShapeError: they are no matrix and vector, or the inner sizes differ.
        """
        vec = of_ranks("mv", self, vec, (2, 1), "a matrix and a vector")
        return product("mv", self, vec)

    def dot(self, tensor: Any) -> Tensor:
        """Return sum_i a[i] b[i] of two vectors (n,) as a tensor of shape ().

        Raises:
            ShapeError: one is no vector, or their sizes differ.
            DTypeError: their dtypes differ.
        """
        tensor = of_ranks("dot", self, tensor, (1, 1), "two vectors")
        if self.dtype is not tensor.dtype:
            raise DTypeError(f"dot: {self.dtype.name} and {tensor.dtype.name} are not one type")
        return product("dot", self, tensor)

    def outer(self, vec2: Any) -> Tensor:
        """Return the matrix of a[i] b[j]: vectors (m,) and (n,) give (m, n).

        Raises:
            ShapeError: one is no vector.
        """
        vec2 = of_ranks("outer", self, vec2, (1, 1), "two vectors")
        return self.reshape(-1, 1).mul(vec2)
