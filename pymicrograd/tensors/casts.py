"""The same elements in other types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import part_of
from .attributes import Attributes
from .devices import check_device, is_device
from .dtypes import (
    TYPES,
    as_dtype,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
)
from .ops import T, TensorBase, cast

if TYPE_CHECKING:
    from .tensor import Tensor


# Inside the class these names are methods.
Int = int
Bool = bool
Float = float


class CastMethods(Attributes):
    """Methods that cast; `cast` is what they call."""

    __slots__ = ()

    def to(
        self,
        *to: Any,
        dtype: Any = None,
        device: Any = None,
        other: Any = None,
        non_blocking: Bool = False,
        copy: Bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """Return the tensor with another dtype: a dtype, another Tensor's, or a device's.

        Args:
            copy: whether to copy where nothing changes.
            non_blocking: nothing; it may come by its place, before copy.
            memory_format: nothing; a hint of PyTorch's, axes lie in their order.

        Example:
            >>> from pymicrograd import Tensor
            >>> Tensor([1.7, -1.7]).to("int64")
            tensor([ 1, -1])
        """
        flags = [item for item in to if item is True or item is False]
        copy = flags[1] if len(flags) > 1 else copy
        for item in (*to, other):
            if item is True or item is False:
                continue
            if isinstance(item, TensorBase):
                dtype = item.dtype
            elif is_device(item):
                device = item
            elif item is not None:
                dtype = as_dtype(item)
        check_device(device)
        result = cast(self, self.dtype if dtype is None else as_dtype(dtype))
        return self.clone() if copy and result is self else result

    def type(self, dtype: Any = None, non_blocking: Bool = False) -> Any:
        """Return the elements cast to a dtype, as `to` does; without one PyTorch's name of it.

        That is "torch.FloatTensor" of float32, and is understood as a dtype, too.

        Raises:
            DTypeError: there is no such dtype.
        """
        return TYPES[self.dtype] if dtype is None else cast(self, as_dtype(dtype))

    astype = type

    def type_as(self, other: Any) -> Tensor:
        """Return the elements cast to the dtype of another tensor, as `to(other.dtype)` does.

        Raises:
            TypeError: other is no tensor.
        """
        return cast(self, as_dtype(part_of(other, "dtype", "type_as")))

    def float(self, memory_format: Any = None) -> Tensor:
        """Return the elements as float32; this tensor if they are. Gradients flow through."""
        return cast(self, float32)

    def double(self, memory_format: Any = None) -> Tensor:
        """Return the elements as float64; this tensor if they are. Gradients flow through."""
        return cast(self, float64)

    def half(self, memory_format: Any = None) -> Tensor:
        """Return the elements as float16; this tensor if they are. Gradients flow through."""
        return cast(self, float16)

    def bfloat16(self, memory_format: Any = None) -> Tensor:
        """Return the elements as bfloat16; this tensor if they are. Gradients flow through."""
        return cast(self, bfloat16)

    def char(self, memory_format: Any = None) -> Tensor:
        """Return the elements as int8, floats cut towards 0; no gradient flows through."""
        return cast(self, int8)

    def short(self, memory_format: Any = None) -> Tensor:
        """Return the elements as int16, floats cut towards 0; no gradient flows through."""
        return cast(self, int16)

    def int(self, memory_format: Any = None) -> Tensor:
        """Return the elements as int32, floats cut towards 0; no gradient flows through."""
        return cast(self, int32)

    def long(self, memory_format: Any = None) -> Tensor:
        """Return the elements as int64, floats cut towards 0; no gradient flows through."""
        return cast(self, int64)

    def bool(self, memory_format: Any = None) -> Tensor:
        """Return the elements as bool: True where they are not 0; no gradient flows through."""
        return cast(self, bool_)

    def cpu(self: T, memory_format: Any = None) -> T:
        """Return this tensor: the CPU is the only device."""
        return self

    def pin_memory(self: T, device: Any = None) -> T:
        """Return this tensor: no GPU copies it."""
        return self

    def cuda(
        self, device: Any = None, non_blocking: Bool = False, memory_format: Any = None
    ) -> Tensor:
        """Refuse: the CPU is the only device."""
        raise ValueError("cuda: there is no GPU here, the only device is 'cpu'; leave .cuda() out")
