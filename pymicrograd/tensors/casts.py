"""The same elements in other types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import check_device, is_device
from .attributes import Attributes
from .dtypes import as_dtype, bool_, float16, float32, float64, int32, int64
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

    def to(self, *to: Any, dtype: Any = None, device: Any = None, copy: Bool = False) -> Tensor:
        """Return the tensor with another dtype: a dtype, another Tensor's, or a device's.

        Example:
            >>> from pymicrograd import Tensor
            >>> Tensor([1.7, -1.7]).to("int64")
            tensor([ 1, -1])
        """
        for item in to:
            if isinstance(item, TensorBase):
                dtype = item.dtype
            elif is_device(item):
                device = item
            elif item is not None:
                dtype = as_dtype(item)
        check_device(device)
        result = cast(self, self.dtype if dtype is None else as_dtype(dtype))
        return self.clone() if copy and result is self else result

    def type(self, dtype: Any = None) -> Any:
        """Return the tensor with another dtype, or without one the name of its own."""
        return self.dtype.name if dtype is None else cast(self, as_dtype(dtype))

    astype = type

    def type_as(self, other: Any) -> Tensor:
        """Return the tensor with another's dtype."""
        return cast(self, other.dtype)

    def float(self) -> Tensor:
        """Return the tensor as float32."""
        return cast(self, float32)

    def double(self) -> Tensor:
        """Return the tensor as float64."""
        return cast(self, float64)

    def half(self) -> Tensor:
        """Return the tensor as float16."""
        return cast(self, float16)

    def int(self) -> Tensor:
        """Return the tensor as int32."""
        return cast(self, int32)

    def long(self) -> Tensor:
        """Return the tensor as int64."""
        return cast(self, int64)

    def bool(self) -> Tensor:
        """Return the tensor as bool: what is not 0."""
        return cast(self, bool_)

    def cpu(self: T) -> T:
        """Return this tensor."""
        return self
