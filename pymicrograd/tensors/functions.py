"""Methods of Tensors as functions of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .conversion import as_tensor
from .elementwise import choose

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["maximum", "minimum", "where"]


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return input where the condition holds, else other; or, of the condition alone, `nonzero`.

    Example:
        >>> from pymicrograd import Tensor
        >>> where(Tensor([True, False]), Tensor([1.0, 2.0]), 0.0)
        tensor([1., 0.])
    """
    if (input is None) != (other is None):
        raise TypeError("where: input and other go together: where(condition, input, other)")
    if input is None:
        return as_tensor(condition).nonzero(as_tuple=True)
    return choose(condition, input, other)


def maximum(a: Any, b: Any) -> Tensor:
    """Return the larger of two elements; equal ones share the gradient."""
    return as_tensor(a).maximum(b)


def minimum(a: Any, b: Any) -> Tensor:
    """Return the smaller of two elements; equal ones share the gradient."""
    return as_tensor(a).minimum(b)
