"""Inputs with axes in space, (N, C, d...) or (C, d...): their arguments, windows and edges.

Functions of 1, 2 and 3 such axes are one, which takes their number s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError, ShapeError
from ...tensors.arguments import as_ints
from ...tensors.dtypes import HALVES, float32
from ...tensors.ops import OPS, apply, cast
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

PAD, WINDOW, FOLD = (OPS[name] for name in ("pad", "window", "fold"))
LAYOUTS = ("(N, C)", "(N, C, L) or (C, L)", "(N, C, H, W) or (C, H, W)",
           "(N, C, D, H, W) or (C, D, H, W)")  # fmt: skip
WORDS = {2: "two", 3: "three"}

Sizes = tuple[int, ...]
Around = Sequence[tuple[int, int]]  # for each axis what lies before and after; () for nothing
STEPS = [tuple(range(2, 2 + s)) for s in range(4)]  # of windows (N, C, steps..., size...) the axes
WITHIN = [tuple(range(2 + s, 2 + 2 * s)) for s in range(4)]


def per_axis(x: Any, s: int, call: str, what: str) -> Sizes:
    """Return a number for each of s axes: one for all, or as many as there are.

    Args:
        x: what is given as the argument `what` of the function `call`.
    """
    if type(x) is int:
        return (x,) * s
    items = tuple(as_ints((x,), f"{call}: {what}"))
    if len(items) == 1:
        return items * s
    if len(items) != s:
        several = "" if s == 1 else f", and no {WORDS.get(s, s)} of them"
        raise ArgumentError(f"{call}: {what}: {x!r} is no number{several}")
    return items


def positive(x: Any, s: int, call: str, what: str) -> Sizes:
    """Return a number above 0 for each of s axes; arguments as for `per_axis`."""
    found = per_axis(x, s, call, what)
    if min(found) < 1:
        raise ArgumentError(f"{call}: {what} {x!r} is not above 0")
    return found


def not_negative(x: Any, s: int, call: str, what: str) -> Sizes:
    """Return a number of 0 or more for each of s axes; arguments as for `per_axis`."""
    found = per_axis(x, s, call, what)
    if min(found) < 0:
        raise ArgumentError(f"{call}: {what} {x!r} is below 0")
    return found


def batched(call: str, input: Any, s: int) -> Tensor:
    """Return an input (N, C, d...); one without N as a batch of one."""
    x = tensor_of(call, input)
    if x.ndim not in (s + 1, s + 2):
        raise ShapeError(f"{call}: an input is {LAYOUTS[s]}, not {x.shape}")
    return x if x.ndim == s + 2 else x.unsqueeze(0)


def as_given(result: Any, input: Any, s: int) -> Tensor:
    """Return a result without N where the input has none."""
    found: Tensor = result if input.ndim == s + 2 else result.squeeze(0)
    return found


def widened(x: Any) -> Any:
    """Return float16 and bfloat16 as float32, in which sums are computed."""
    return cast(x, float32) if x.dtype in HALVES else x


def surround(x: Any, around: Around, value: float = 0.0) -> Tensor:
    """Return a tensor with a number before and after its last axes."""
    if not any(map(any, around)):
        return x  # type: ignore[no-any-return]
    before, after = zip(*around, strict=True)
    lead = (0,) * (x.ndim - len(around))
    return apply(PAD, (x,), (*lead, *before, *lead, *after), (value,))


def span(size: int, dilation: int) -> int:
    """Return over how many elements a window reaches."""
    return dilation * (size - 1) + 1


def check_windows(call: str, x: Any, size: Sizes, dilation: Sizes) -> None:
    """Refuse windows that do not fit into the last axes."""
    for n, k, d in zip(x.shape[-len(size) :], size, dilation, strict=True):
        if n <= d * (k - 1):
            raise ShapeError(
                f"{call}: a window of {span(k, d)} does not fit into {n} (padded) elements"
            )


def windows(call: str, x: Any, size: Sizes, stride: Sizes, dilation: Sizes) -> Tensor:
    """Return the view (N, C, steps..., size...) of all windows."""
    check_windows(call, x, size, dilation)
    return apply(WINDOW, (x,), (len(size), *size, *stride, *dilation))


def sum_windows(x: Any, sizes: Sizes, stride: Sizes, dilation: Sizes) -> Tensor:
    """Return (N, C, sizes...), the sums of windows (N, C, steps..., size...) where they lie."""
    return apply(FOLD, (x,), (len(sizes), *sizes, *stride, *dilation))
