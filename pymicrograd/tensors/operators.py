"""Operators with operands that C does not read, and in place where the change is recorded."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, ShapeError
from ..scalars import is_number
from .arguments import operand_as
from .conversion import as_tensor, is_array, is_numpy_scalar, new
from .explain import NAMES, call_as
from .indexing import check_recorded, rebind
from .ops import OPS, TensorBase, apply, cast, needs_recording

OPERATORS: dict[int, Callable[[Any, Any], Any]] = {
    OPS[name]: getattr(operator, python)
    for name, python in {
        "add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "pow": "pow",
        "floor_divide": "floordiv", "remainder": "mod", "eq": "eq", "ne": "ne", "lt": "lt",
        "le": "le", "gt": "gt", "ge": "ge", "bitwise_and": "and_", "bitwise_or": "or_",
        "bitwise_xor": "xor", "bitwise_left_shift": "lshift", "bitwise_right_shift": "rshift",
    }.items()
}  # fmt: skip


def fallback_operator(op: int, left: Any, right: Any) -> Any:
    """Apply an operator to a Tensor and what is neither a Tensor nor a plain number."""
    other = right if isinstance(left, TensorBase) else left
    if not isinstance(other, TensorBase):
        other = as_operand(other, left if other is right else right)
        if other is NotImplemented:
            return NotImplemented
        left, right = (left, other) if isinstance(left, TensorBase) else (other, right)
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


OPERANDS = {"pow": "exponent", "clamp_min": "min", "clamp_max": "max"}  # the others': "other"


def call_named(x: Any, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Call a method of two operands whose arguments C does not read."""
    op = name.removesuffix("_")
    rounding = named.pop("rounding_mode", None) if op == "div" else None
    other = operand_as(OPERANDS.get(op, "other"), args, named, f"Tensor.{name}")
    if rounding is None:
        return getattr(x, name)(other)
    found = rounded_quotient(x, other, rounding)
    return found if op == name else x.copy_(as_written(x, found, name))


def rounded_quotient(x: Any, other: Any, rounding: Any) -> Any:
    """Return x / other rounded down ("floor") or towards 0 ("trunc")."""
    if rounding == "floor":
        return x.floor_divide(other)
    if rounding != "trunc":
        raise ValueError(f"div: rounding_mode is None, 'trunc' or 'floor', not {rounding!r}")
    found = x.floor_divide(other)
    if found.dtype.kind == 2:
        return x.div(other).trunc()
    above = (x - found * other).ne(0).logical_and(found.lt(0))  # the remainder is not 0
    return found + cast(above, found.dtype)


def fallback_in_place(op: int, self: Any, other: Any) -> Any:
    """Apply an op over self where C does not: to other operands, or where it is recorded.

    A recorded change is a new node, which the object is bound to: views that were made before keep
    the old elements. A change of x[key] goes on to x, whether the object has a name or not.
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
    check_recorded(self, name)
    rebind(self, as_written(self, getattr(TensorBase, NAMES[op])(*operands), name))
    return self


def as_written(self: Any, result: Any, name: str) -> Any:
    """Return a result in self's type, to be written over it; refuse another shape or kind."""
    if result.shape != self.shape:
        raise ShapeError(f"{name}: cannot write shape {result.shape} into shape {self.shape}")
    if result.dtype.kind > self.dtype.kind:
        raise DTypeError(f"{name}: cannot write {result.dtype.name} into {self.dtype.name}")
    return cast(result, self.dtype)


def in_place(name: str) -> Callable[..., Any]:
    """Return the method that writes what another method returns over the elements."""

    def method(self: Any, *args: Any, **named: Any) -> Any:
        given = [x for x in (*args, *named.values()) if isinstance(x, TensorBase)]
        if needs_recording(self, *given):
            check_recorded(self, f"{name}_")
        x = self._alias()  # which stays the operand when self becomes the result
        made = call_as(f"{name}_", getattr(x, name), *args, **named)
        made = as_written(self, made, f"{name}_")
        if needs_recording(made):
            rebind(self, made)
        else:
            call_as(f"{name}_", self._write, made)
        return self

    method.__doc__ = (
        f"Write `{name}` over the elements; return the tensor, whose dtype stays.\n\n"
        "Raises:\n    GradientError: this is a leaf that requires a gradient; use no_grad().\n"
        "    ReadOnlyError: the memory is read-only.\n"
        f"    ShapeError, DTypeError: the result does not fit, or as for `{name}`."
    )
    method.__name__, method.__qualname__ = f"{name}_", f"Tensor.{name}_"
    return method


def scaled(x: Any, alpha: Any, beside: Any) -> Any:
    """Return alpha * x for another operand."""
    if alpha == 1:
        return x
    other = x if isinstance(x, TensorBase) else as_operand(x, beside)
    return x if other is NotImplemented else other * alpha  # x, for the op to refuse
