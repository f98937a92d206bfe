"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

from ..tensors import contraction, linear_algebra
from ..tensors.arguments import axis_of

__all__ = ["matmul", "matrix_transpose", "tensordot", "vecdot"]


def matmul(x1: Any, x2: Any, /) -> Any:
    """Return the products of matrices in the last two axes, or of vectors."""
    return x1.matmul(x2)


def matrix_transpose(x: Any, /) -> Any:
    """Return a view with the last two axes swapped."""
    return x.mT


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """Return sums of products over axes: so many last and first ones, or two lists of them."""
    return contraction.tensordot(x1, x2, axes)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the sums of products along an axis, counted from the end."""
    if axis >= 0:
        axis_of(axis, min(x1.ndim, x2.ndim), "vecdot")
    return linear_algebra.vecdot(x1, x2, dim=axis)
