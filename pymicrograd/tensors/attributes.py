"""What a Tensor says of itself: sizes, strides, type, place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from . import layouts
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

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Return whether the elements lie in row-major order without gaps.

        Then flat element i lies i * itemsize bytes after data_ptr().

        Args:
            memory_format: `channels_last`, of (N, C, H, W): whether (N, H, W, C) lies so.
        """
        if memory_format in (layouts.channels_last, layouts.channels_last_3d):
            axes = 4 if memory_format is layouts.channels_last else 5
            return self.ndim == axes and bool(self.movedim(1, -1)._info()[6])
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

    @property
    def is_cpu(self) -> bool:
        """Whether the elements are in the CPU's memory: True."""
        return True

    @property
    def layout(self) -> layouts.layout:
        """How the elements lie in memory: `strided`, the only way."""
        return layouts.strided

    def get_device(self) -> int:
        """Return -1, the number of the CPU among devices."""
        return -1

    def to_dense(self: Any, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
        """Return this tensor, cast to a dtype: there are no sparse ones."""
        return self if dtype is None else self.to(dtype)


def never(name: str, what: str, is_method: bool) -> Any:
    """Return the attribute or method that is False of every Tensor."""

    def told(self: Any, *args: Any) -> bool:
        return False

    told.__name__, told.__qualname__ = name, f"Attributes.{name}"
    told.__doc__ = f"{'Return whether' if is_method else 'Whether'} {what}: False."
    return told if is_method else property(told)


for name, what in {
    "is_mps": "the elements are on a GPU",
    "is_xpu": "the elements are on a GPU", "is_meta": "there are no elements",
    "is_mkldnn": "the layout is a library's", "is_nested": "it is a list of tensors",
    "is_quantized": "the elements are quantized", "is_sparse": "only some elements are kept",
    "is_sparse_csr": "only some elements are kept",
}.items():  # fmt: skip
    setattr(Attributes, name, never(name, what, False))
for name, what in {
    "is_conj": "a conjugate is still to be taken", "is_neg": "a negative is still to be taken",
    "is_inference": "it is made in inference_mode for good",
    "is_pinned": "a GPU reads the memory", "is_shared": "processes share the memory",
}.items():  # fmt: skip
    setattr(Attributes, name, never(name, what, True))
