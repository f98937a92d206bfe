"""Which type two operands are computed in."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ..scalars import is_number
from .conversion import as_tensor
from .dtypes import dtype, float32, int16
from .ops import TensorBase, cast

if TYPE_CHECKING:
    from .tensor import Tensor


def promoted(a: dtype, b: dtype) -> dtype:
    """Return the type that elements of two types are computed in."""
    first, second = (a.kind, a.itemsize), (b.kind, b.itemsize)
    if a is b or first != second:
        return max(a, b, key=lambda kind: (kind.kind, kind.itemsize))
    return int16 if a.kind == 1 else float32  # of int8 and uint8, float16 and bfloat16


def common(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two operands as Tensors of one type; numbers count by their kind."""
    left, right = as_tensor(a), as_tensor(b)
    numbers = [is_number(x) and not isinstance(x, TensorBase) for x in (a, b)]
    if numbers[0] != numbers[1]:
        number, beside = (left, right) if numbers[0] else (right, left)
        kind = beside.dtype if number.dtype.kind <= beside.dtype.kind else number.dtype
        if kind.kind == 2:  # a float keeps its digits, while an int keeps its last bits
            left, right = as_tensor(a, dtype=kind), as_tensor(b, dtype=kind)
    elif bool(left.ndim) != bool(right.ndim):
        strong, light = (left, right) if left.ndim else (right, left)
        kind = strong.dtype if light.dtype.kind <= strong.dtype.kind else light.dtype
    else:
        kind = promoted(left.dtype, right.dtype)
    return cast(left, kind), cast(right, kind)


def of_one_type(parts: list[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors cast to the highest of their types."""
    kinds = {x.dtype for x in parts}
    if len(kinds) > 1:
        highest = functools.reduce(promoted, kinds)
        parts = [cast(x, highest) for x in parts]
    return tuple(parts)
