"""Operators with operands that C does not read, and in place where the change is recorded."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, ShapeError
from ..scalars import is_number
from .conversion import as_tensor, is_array, is_numpy_scalar, new
from .dtypes import bool_
from .explain import NAMES
from .indexing import check_recorded
from .ops import OPS, TensorBase, apply, cast, needs_recording

OPERATORS: dict[int, Callable[[Any, Any], Any]] = {
    OPS[name]: getattr(operator, python)
    for name, python in {
        "add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "pow": "pow",
        "floor_divide": "floordiv", "remainder": "mod", "eq": "eq", "ne": "ne", "lt": "lt",
        "le": "le", "gt": "gt", "ge": "ge",
    }.items()
}  # fmt: skip
BITWISE = {OPS["logical_and"]: "&", OPS["logical_or"]: "|", OPS["logical_xor"]: "^"}


def slow_operator(op: int, left: Any, right: Any) -> Any:
    """Apply an operator to a Tensor and what is neither a Tensor nor a plain number."""
    if op == OPS["logical_not"]:
        raise DTypeError(f"~ is for bool, not {left.dtype.name}")
    other = right if isinstance(left, TensorBase) else left
    if not isinstance(other, TensorBase):
        other = as_operand(other, left if other is right else right)
        if other is NotImplemented:
            return NotImplemented
        left, right = (left, other) if isinstance(left, TensorBase) else (other, right)
    if op in BITWISE:
        return apply_to_truths(op, left, right)
    if isinstance(other, TensorBase):
        return apply(op, (left, right))
    if op == OPS["matmul"]:
        return NotImplemented
    if op in OPERATORS:
        return OPERATORS[op](left, right)
    return getattr(TensorBase, NAMES[op])(left, right)


def as_operand(x: Any, beside: Any) -> Any:
    """Return another operand as a plain number or a Tensor."""
    if is_numpy_scalar(x):
        x = x.item()
    elif is_array(x):
        return as_tensor(x)
    elif isinstance(x, (list, tuple)):
        return new(x, None)
    if not is_number(x):
        return NotImplemented
    if isinstance(x, bool):
        return x
    if not hasattr(type(x), "__index__"):
        return float(x)
    x = operator.index(x)
    if -(2**63) <= x < 2**63:
        return x
    if beside.dtype.is_floating_point:
        return float(x)
    raise OverflowError(f"{x} is outside int64")


def apply_to_truths(op: int, left: Any, right: Any) -> Any:
    """Apply & | ^, which are for bools; no op knows the bits of an integer."""
    operands = [x if isinstance(x, TensorBase) else new(x, None) for x in (left, right)]
    if any(x.dtype is not bool_ for x in operands):
        kinds = " and ".join(x.dtype.name for x in operands)
        raise DTypeError(f"{BITWISE[op]} is for bool, not {kinds}")
    return apply(op, tuple(operands))


def slow_in_place(op: int, self: Any, other: Any, named: bool) -> Any:
    """Apply an op over self where C does not: to other operands, or where it is recorded.

    A recorded change is a new node, which the object takes on; views that were made before keep
    the old elements. What has a name is no view; `x[i]` in `x[i] += y` is one, and is written back.
    """
    operands = (self,) if other is None else (self, other)
    if other is not None and not isinstance(other, TensorBase):
        other = as_operand(other, self)
        if other is NotImplemented:
            return NotImplemented
        if not needs_recording(self, other if isinstance(other, TensorBase) else self):
            return getattr(TensorBase, NAMES[op] + "_")(self, other)
        operands = (self, other)
    name = NAMES[op] + "_"
    if (self.is_leaf and self.requires_grad) or named:
        check_recorded(self, name)
    result = getattr(TensorBase, NAMES[op])(*operands)
    take_on(self, result, name)
    return self


def take_on(self: Any, result: Any, name: str) -> None:
    """Let an object become a result that is to be written over it."""
    if result.shape != self.shape:
        raise ShapeError(f"{name}: a result of shape {result.shape} is none for {self.shape}")
    if result.dtype.kind > self.dtype.kind:
        raise DTypeError(f"{name}: a result of {result.dtype.name} is none for {self.dtype.name}")
    self._become(cast(result, self.dtype))


def scaled(x: Any, alpha: Any, beside: Any) -> Any:
    """Return alpha * x for another operand."""
    if alpha == 1:
        return x
    other = x if isinstance(x, TensorBase) else as_operand(x, beside)
    return x if other is NotImplemented else other * alpha  # x, for the op to refuse
