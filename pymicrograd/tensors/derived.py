"""Functions of elements that are made of others, with gradients given by formulas.

A value is computed in float64 by the package's ops, and rounded once to the type of the elements;
the formulas of gradients are recorded ops themselves, so that they can be differentiated in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DTypeError
from .dtypes import float32, float64
from .explain import call_as
from .function import Function
from .indexing import common_shape
from .ops import OPS, apply, cast
from .promotion import common

__all__ = ["Formula", "derived", "floats", "pair", "spread_over"]

Formula = Callable[..., Any]


def floats(x: Any) -> Any:
    """Return a tensor of integers or bools as float32, one of floats as it is."""
    return x if x.is_floating_point() else cast(x, float32)


def spread_over(*tensors: Any) -> tuple[Any, ...]:
    """Return tensors expanded to their common shape."""
    shape = common_shape([x.shape for x in tensors])
    return tuple(x if x.shape == shape else apply(OPS["expand"], (x,), shape) for x in tensors)


def pair(name: str, a: Any, b: Any) -> tuple[Any, ...]:
    """Return two operands as tensors of one type of floats and of one shape."""
    left, right = call_as(name, common, a, b)
    return call_as(name, spread_over, floats(left), floats(right))


def same_pair(name: str, a: Any, b: Any) -> tuple[Any, ...]:
    """Return two operands as tensors of one type, whichever it is, and of one shape."""
    return call_as(name, spread_over, *call_as(name, common, a, b))


def check_integers(name: str, *tensors: Any) -> None:
    """Refuse floats and bools."""
    for x in tensors:
        if x.dtype.kind != 1:
            raise DTypeError(f"{name}: is for integers, not {x.dtype.name}")


def derived(name: str, value: Formula, *slopes: Formula, exact: bool = False) -> Formula:
    """Return a function of tensors of one shape and type of floats.

    Args:
        value: computes the elements of float64 tensors, unless exact, which leaves their type.
        slopes: for each operand a formula of (operands ..., result) for the derivative, in the
            type of the operands.
    """

    def forward(ctx: Any, *operands: Any) -> Any:
        kind = operands[0].dtype
        wide = operands if exact else [cast(x, float64) for x in operands]
        result = cast(value(*wide), kind)
        ctx.save_for_backward(*operands, result)
        return result

    def backward(ctx: Any, g: Any) -> Any:
        saved = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return tuple(
            g * slope(*saved) if needed else None
            for slope, needed in zip(slopes, needs, strict=True)
        )

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    made = type(name, (Function,), members)
    return made.apply  # type: ignore[attr-defined, no-any-return]
