"""The shape of a Tensor: a tuple of ints, with PyTorch's name and its `numel`."""

from __future__ import annotations

import math

__all__ = ["Size"]


class Size(tuple[int, ...]):
    """The sizes of the axes, a tuple; what is cut off or joined of it is a plain tuple.

    Example:
        >>> Size((2, 3)).numel()
        6
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements, the product of the sizes."""
        return math.prod(self)
