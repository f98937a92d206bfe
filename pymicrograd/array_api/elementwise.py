"""Functions of elements that are not what PyTorch's of the same name are, or have another name."""

from __future__ import annotations

from typing import Any

from ..tensors.conversion import as_tensor

__all__ = ["bitwise_invert", "clip", "equal", "sign"]


def bitwise_invert(x: Any, /) -> Any:
    """Return each element with all bits turned; of bools, what is not."""
    return x.bitwise_not()


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Return each element, or the bound that it is beyond; x's copy, if there are none."""
    return x.clone() if min is None and max is None else x.clamp(min, max).to(x.dtype)


def equal(x1: Any, x2: Any, /) -> Any:
    """Return which elements are equal: an array of bools."""
    return as_tensor(x1).eq(x2)


def sign(x: Any, /) -> Any:
    """Return -1, 0 or 1; of NaN NaN, where PyTorch's is 0."""
    found = x.sign()
    return found.where(x == x, x) if x.is_floating_point() else found
