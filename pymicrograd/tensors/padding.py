"""Items around a tensor: a number, or the tensor's own, mirrored or repeated.

An item of its own is found by its index, so that its gradients add up where it came from.
"""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, ShapeError
from .arguments import as_ints
from .conversion import new
from .dtypes import int64
from .ops import OPS, apply

if TYPE_CHECKING:
    from .tensor import Tensor


def reflected(size: int, low: int, high: int) -> list[int]:
    """Return the indices of items mirrored in the first and the last, which are not repeated."""
    if max(low, high) >= max(size, 1):
        raise ShapeError(
            f"pad: mode 'reflect' takes fewer than the {size} items of an axis, not {low}, {high}"
        )
    last = size - 1
    return [last - abs(last - abs(i)) for i in range(-low, size + high)]


def replicated(size: int, low: int, high: int) -> list[int]:
    """Return the indices of items, of those beyond an edge the one at the edge."""
    if size < 1:
        raise ShapeError("pad: mode 'replicate' needs an item to repeat, an axis has size 0")
    return [min(max(i, 0), size - 1) for i in range(-low, size + high)]


def circular(size: int, low: int, high: int) -> list[int]:
    """Return the indices of items that follow on each other in a circle."""
    if max(low, high) > size:
        raise ShapeError(
            f"pad: mode 'circular' goes around once, over {size} items of an axis, not {low}, "
            f"{high}"
        )
    first, kept = max(-low, 0), size + min(low, 0) + min(high, 0)
    return [first + i % max(kept, 1) for i in range(-max(low, 0), kept + max(high, 0))]


MODES: dict[str, Callable[[int, int, int], list[int]] | None] = {
    "constant": None,
    "reflect": reflected,
    "replicate": replicated,
    "circular": circular,
}


def pad(x: Any, pad: Sequence[int], mode: str, value: Any) -> Tensor:
    """Return a tensor with more items around it, or fewer: `Tensor.pad`."""
    if mode not in MODES:
        raise ArgumentError(f"pad: mode {mode!r} is none of {', '.join(map(repr, MODES))}")
    sizes = as_ints((pad,), "pad")
    if len(sizes) % 2 or len(sizes) > 2 * x.ndim:
        raise ShapeError(
            f"pad: {tuple(sizes)} does not go with shape {x.shape}: two numbers an axis"
        )
    around = [(0, 0)] * (x.ndim - len(sizes) // 2)
    around += [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 2, -1, -2)]
    for axis, (low, high) in enumerate(around):
        cut = (low, high) if mode != "constant" else (min(low, 0), min(high, 0))
        if x.shape[axis] + sum(cut) < 0 or x.shape[axis] + min(low, 0) + min(high, 0) < 0:
            raise ShapeError(
                f"pad: {tuple(sizes)} cuts off more than axis {axis} has, {x.shape[axis]}"
            )
    places = MODES[mode]
    if places is None:
        return with_number(x, around, 0.0 if value is None else value)
    if value is not None and value != 0:
        raise ArgumentError(f"pad: value is an argument of mode 'constant', not of {mode!r}")
    found = x.clone()
    for axis, (low, high) in enumerate(around):
        if low or high:
            indices = new(places(x.shape[axis], low, high), int64)
            found = found.index_select(axis, indices)
    return found  # type: ignore[no-any-return]


def with_number(x: Any, around: list[tuple[int, int]], value: Any) -> Tensor:
    """Return a tensor with a number around it, and without what negative sizes cut off."""
    if type(value) is not float and x.dtype.kind == 1:
        check_value(value)
    for axis, (low, high) in enumerate(around):
        if low < 0 or high < 0:
            length = x.shape[axis] + min(low, 0) + min(high, 0)
            x = x.narrow(axis, max(-low, 0), length)
    before, after = zip(*around, strict=True) if around else ((), ())
    counts = tuple(max(n, 0) for n in (*before, *after))
    return apply(OPS["pad"], (x,), counts, (float(value),))


def check_value(value: Any) -> None:
    """Refuse an int that does not reach C exactly: as float64, from which int64 is clamped."""
    if not isinstance(value, numbers.Integral):
        return
    whole = operator.index(value)
    if float(whole) != whole != 2**63 - 1:
        raise OverflowError(f"pad: {whole} has more digits than float64 holds")
