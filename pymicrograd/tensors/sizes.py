"""The shape of a Tensor: a tuple of ints, printed as one, with PyTorch's name and its `numel`."""

from __future__ import annotations

import math

from .. import _core

__all__ = ["Size"]


class Size(_core.SizeBase):
    """The sizes of the axes, a tuple; slices of it, and sums with tuples, are sizes, too.

    Example:
        >>> (Size((2, 3))[1:] + (4,)).numel()
        12
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements, the product of the sizes."""
        return math.prod(self)
