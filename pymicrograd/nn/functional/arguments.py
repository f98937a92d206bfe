"""Arguments of functions of Tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._core import ValueBase
from ...tensors.ops import TensorBase

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor


def tensor_of(call: str, x: Any, what: str = "input") -> Tensor:
    """Return an argument that is a Tensor, or refuse it."""
    if not isinstance(x, TensorBase):
        given = type(x).__name__
        raise TypeError(f"{call}: {what} is a Tensor, not {given}; as_tensor() makes one")
    found: Any = x
    return found  # type: ignore[no-any-return]


def operand_of(call: str, x: Any) -> Any:
    """Return an argument that is a Tensor or a Value, or refuse it."""
    return x if isinstance(x, ValueBase) else tensor_of(call, x)


def in_place_if(inplace: bool, input: Any, result: Any) -> Tensor:
    """Return a result; with inplace the input, over which the result is written."""
    if inplace and isinstance(input, ValueBase):
        raise TypeError("a Value stays what it is: leave inplace out")
    found: Tensor = input.copy_(result) if inplace else result
    return found
