"""Classes as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core
from ...errors import ArgumentError, DTypeError
from ...tensors.creation import arange
from ...tensors.dtypes import int64
from ...tensors.ops import cast
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["one_hot"]


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Return a vector for each class, of int64: 1 at its number, else 0.

    Args:
        tensor: classes from 0 on, of any type of integers and any shape.
        num_classes: the length of the vectors; -1 for one more than the largest class.

    Returns:
        The shape of tensor with num_classes as a last axis.

    Raises:
        DTypeError: the classes are no integers.
        ValueError: a class is below 0, or not below num_classes; or there are no classes to count.
    """
    x = tensor_of("one_hot", tensor, "tensor")
    if x.dtype.kind != 1:
        raise DTypeError(f"one_hot: classes are integers, not {x.dtype.name}")
    if not x.numel() and num_classes < 1:
        raise ArgumentError("one_hot: num_classes is needed, as there is no class to count them by")
    count = num_classes
    if num_classes == -1:
        _core.refuse_recording("one_hot without num_classes")
        count = max(int(x.amax()) + 1, 1)
    inside = x.ge(0).logical_and(x.lt(count))
    _core.require(inside, ArgumentError, f"one_hot: {{}} is no class, from 0 to {count - 1}", x)
    return cast(x.unsqueeze(-1) == arange(count), int64)
