"""What a Tensor says of itself: sizes, strides, type, place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .arguments import own_axis
from .ops import TensorBase

if TYPE_CHECKING:
    Methods = TensorBase
else:
    Methods = object  # tensor.py puts the methods of all topics into Tensor


class Attributes(Methods):
    """The attributes that are not C's."""

    __slots__ = ()

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one axis."""
        shape = self.shape
        return shape if dim is None else shape[own_axis(dim, len(shape), "size")]

    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)

    nelement = numel

    def dim(self) -> int:
        """Return the number of axes."""
        return self.ndim

    def stride(self, dim: int | None = None) -> Any:
        """Return how many elements lie between neighbours along each axis, or along one."""
        strides = self._info()[1]
        return strides if dim is None else strides[own_axis(dim, len(strides), "stride")]

    def element_size(self) -> int:
        """Return the bytes of an element."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.dtype.itemsize

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        return int(self._info()[2])

    def is_contiguous(self) -> bool:
        """Tell whether the elements lie in row-major order without gaps."""
        return bool(self._info()[6])

    def is_floating_point(self) -> bool:
        """Tell whether the elements are floats."""
        return self.dtype.is_floating_point

    @property
    def device(self) -> str:
        """Where the elements are: "cpu"."""
        return "cpu"
