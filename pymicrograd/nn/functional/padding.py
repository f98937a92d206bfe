"""Items around a Tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["pad"]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Tensor:
    """Return the tensor with more items around it.

    Args:
        input: a Tensor.
        pad: how many items before and after the last axis, then the one before it, and so on;
            fewer than 0 cut off. Of shape (2, 3) pad (1, 0) gives (2, 4).
        mode: "constant" for a number; "reflect" for the items behind the edge, mirrored in it;
            "replicate" for the item at the edge; "circular" for those at the other end.
        value: the number of "constant", by default 0.

    Raises:
        ShapeError: pad does not go with the axes, cuts off more than there is, or reaches beyond
            the items that are mirrored or repeated.
        ValueError: mode is another, or has no value.
    """
    return tensor_of("pad", input).pad(pad, mode, value)
