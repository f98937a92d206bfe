"""The standard's linear algebra, on `pymicrograd.linalg`; eigenvalues are of symmetric matrices."""

from __future__ import annotations

from typing import Any

from ..tensors import linear_algebra as own
from ..tensors.linear_algebra import det, eigvalsh, inv, matrix_power, slogdet, svdvals
from .products import matmul, matrix_transpose, tensordot, vecdot

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve",
    "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """Return L of x = L L^T, or L^T."""
    return own.cholesky(x, upper=upper)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the cross products of vectors of 3 along an axis."""
    return own.cross(x1, x2, dim=axis)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Return a view of a diagonal of the last two axes."""
    return own.diagonal(x, offset=offset)


def eigh(x: Any, /) -> Any:
    """Return eigenvalues, in rising order, and eigenvectors of symmetric matrices."""
    return own.eigh(x)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return the norms of the matrices in the last two axes."""
    return own.matrix_norm(x, ord, keepdim=keepdims)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """Return how many singular values are above rtol times the largest."""
    return own.matrix_rank(x, rtol=rtol)


def outer(x1: Any, x2: Any, /) -> Any:
    """Return all products of the elements of two vectors."""
    return own.outer(x1, x2)


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """Return pseudo-inverses; singular values below rtol times the largest count as 0."""
    return own.pinv(x, rtol=rtol)


def qr(x: Any, /, *, mode: str = "reduced") -> Any:
    """Return Q, of orthogonal columns, and R, upper triangular, of x = Q R."""
    return own.qr(x, mode)


def solve(x1: Any, x2: Any, /) -> Any:
    """Return x of x1 @ x = x2; x2 of one axis is a vector, else matrices."""
    return own.solve(x1, x2.unsqueeze(1)).squeeze(-1) if x2.ndim == 1 else own.solve(x1, x2)


def svd(x: Any, /, *, full_matrices: bool = True) -> Any:
    """Return U, S and Vh of x = U diag(S) Vh."""
    return own.svd(x, full_matrices)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Return the sums of diagonals of the last two axes."""
    found = own.diagonal(x if dtype is None else x.to(dtype), offset=offset).sum(-1)
    return found if dtype is None else found.to(dtype)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return norms over axes, all by default, as of vectors."""
    return own.vector_norm(x, ord, axis, keepdims)
