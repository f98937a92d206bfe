"""Which type two operands are computed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..scalars import is_number
from .conversion import as_tensor
from .dtypes import dtype
from .ops import TensorBase, cast

if TYPE_CHECKING:
    from .tensor import Tensor


def promotion(kind: dtype) -> tuple[int, ...]:
    """Return the place of a type in the order of PROMOTION."""
    return kind.kind, kind.itemsize


def common(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two operands as Tensors of one type; numbers count by their kind."""
    left, right = as_tensor(a), as_tensor(b)
    numbers = [is_number(x) and not isinstance(x, TensorBase) for x in (a, b)]
    if numbers[0] != numbers[1]:
        number, beside = (left, right) if numbers[0] else (right, left)
        kind = beside.dtype if number.dtype.kind <= beside.dtype.kind else number.dtype
        left, right = as_tensor(a, dtype=kind), as_tensor(b, dtype=kind)
    elif bool(left.ndim) != bool(right.ndim):
        strong, light = (left, right) if left.ndim else (right, left)
        kind = strong.dtype if light.dtype.kind <= strong.dtype.kind else light.dtype
    else:
        kind = max(left.dtype, right.dtype, key=promotion)
    return cast(left, kind), cast(right, kind)


def of_one_type(parts: list[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors cast to the highest of their types."""
    kinds = {x.dtype for x in parts}
    if len(kinds) > 1:
        highest = max(kinds, key=promotion)
        parts = [cast(x, highest) for x in parts]
    return tuple(parts)
