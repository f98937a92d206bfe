"""What a Tensor says of itself: sizes, strides, type, place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .arguments import own_axis
from .devices import CPU, device
from .ops import TensorBase

if TYPE_CHECKING:
    Methods = TensorBase
else:
    Methods = object  # tensor.py puts the methods of all topics into Tensor


class Attributes(Methods):
    """The attributes that are not C's."""

    __slots__ = ()

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, a tuple of ints; with dim the size of that axis, an int.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        shape = self.shape
        return shape if dim is None else shape[own_axis(dim, len(shape), "size")]

    def numel(self) -> int:
        """Return the number of elements, the product of the shape: 1 for shape (), an int."""
        return math.prod(self.shape)

    nelement = numel

    def dim(self) -> int:
        """Return the number of axes, as the attribute ndim."""
        return self.ndim

    def stride(self, dim: int | None = None) -> Any:
        """Return how far neighbours along each axis lie apart, in elements; with dim along one.

        A shape (2, 3) in row-major order has strides (3, 1); views may have any, 0 and negative.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        strides = self._info()[1]
        return strides if dim is None else strides[own_axis(dim, len(strides), "stride")]

    def element_size(self) -> int:
        """Return how many bytes an element takes: 4 for float32; as the attribute itemsize."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """How many bytes an element takes: 4 for float32."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """numel() * itemsize; a view with strides of 0 has fewer bytes of its own."""
        return self.numel() * self.dtype.itemsize

    def data_ptr(self) -> int:
        """Return the address in memory of the first element, an int; views may share it."""
        return int(self._info()[2])

    def is_contiguous(self) -> bool:
        """Return whether the elements lie in row-major order without gaps.

        Then flat element i lies i * itemsize bytes after data_ptr().
        """
        return bool(self._info()[6])

    def is_floating_point(self) -> bool:
        """Return whether dtype is float16, bfloat16, float32 or float64."""
        return self.dtype.is_floating_point

    @property
    def device(self) -> device:
        """Where the elements are: device("cpu"), the only one."""
        return CPU

    @property
    def is_cuda(self) -> bool:
        """Whether the elements are on a GPU: False."""
        return False
