"""NumPy's names that PyTorch does not have, for programs that come from NumPy or HIPS autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import as_int, axis_of
from .conversion import as_tensor
from .explain import call_as
from .joining import cat

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "append", "degrees", "iscomplex", "iscomplexobj", "partition", "radians", "real_if_close",
    "rollaxis",
]  # fmt: skip


def append(arr: Any, values: Any, axis: Any = None) -> Tensor:
    """Return values behind a tensor along an axis, or both flattened; as `cat`."""
    parts = [as_tensor(arr), as_tensor(values)]
    if axis is None:
        return cat([x.reshape(-1) for x in parts], 0)
    return call_as("append", cat, parts, axis)


def degrees(x: Any) -> Tensor:
    """Return radians as degrees, as `rad2deg`."""
    return as_tensor(x).rad2deg()


def radians(x: Any) -> Tensor:
    """Return degrees as radians, as `deg2rad`."""
    return as_tensor(x).deg2rad()


def iscomplex(x: Any) -> Tensor:
    """Return a tensor of bool in this shape, all False: there are no complex numbers."""
    return as_tensor(x).isreal().logical_not()


def iscomplexobj(x: Any) -> bool:
    """Return False: there are no complex tensors."""
    return isinstance(x, complex)


def real_if_close(a: Any, tol: float = 100) -> Tensor:
    """Return the tensor itself: there are no complex tensors."""
    return as_tensor(a)


def partition(a: Any, kth: int, axis: int = -1) -> Tensor:
    """Return the elements along an axis, those before place kth not larger than those behind.

    They come in order altogether.
    """
    x = as_tensor(a)
    as_int(kth, "partition: kth")
    made: Tensor = x.sort(axis).values
    return made


def rollaxis(a: Any, axis: int, start: int = 0) -> Tensor:
    """Return a view with an axis moved before place start; as `movedim`."""
    x = as_tensor(a)
    axis = axis_of(axis, x.ndim, "rollaxis")
    start = start + x.ndim if start < 0 else start
    return x.movedim(axis, start - 1 if axis < start else start)
