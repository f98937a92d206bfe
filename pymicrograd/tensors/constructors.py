"""PyTorch's old constructors of a type: `LongTensor([1, 2])`, or of a shape, `LongTensor(2, 3)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .conversion import as_tensor
from .creation import empty
from .dtypes import bfloat16, bool_, float16, float32, float64, int8, int16, int32, int64, uint8

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "ShortTensor",
]  # fmt: skip


def constructor(name: str, kind: Any) -> Callable[..., Tensor]:
    """Return the constructor of a type."""

    def make(*data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            return as_tensor(data[0], dtype=kind).clone()
        return empty(*data or (0,), dtype=kind)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Return data as a Tensor of {kind.name}; of sizes, one of zeros."
    return make


BFloat16Tensor = constructor("BFloat16Tensor", bfloat16)
BoolTensor = constructor("BoolTensor", bool_)
ByteTensor = constructor("ByteTensor", uint8)
CharTensor = constructor("CharTensor", int8)
DoubleTensor = constructor("DoubleTensor", float64)
FloatTensor = constructor("FloatTensor", float32)
HalfTensor = constructor("HalfTensor", float16)
IntTensor = constructor("IntTensor", int32)
LongTensor = constructor("LongTensor", int64)
ShortTensor = constructor("ShortTensor", int16)
