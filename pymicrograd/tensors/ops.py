"""The ops of arrays: how one is applied, and the few that every file here uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .. import _core
from ..recording import is_grad_enabled
from .dtypes import dtype

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["OPS", "TensorBase", "apply", "cast", "needs_recording", "zeros_of"]

TensorBase = _core.TensorBase
T = TypeVar("T", bound=TensorBase)  # the type of self, in methods that return it
OPS = _core.OPS
apply = TensorBase._apply
CAST, DETACH, CLONE = OPS["cast"], OPS["detach"], OPS["clone"]


def cast(x: Any, to: dtype) -> Tensor:
    """Return x with elements of another type, or x itself if it has them."""
    return x if x.dtype is to else apply(CAST, (x,), (to.number,))


def needs_recording(*tensors: Any) -> bool:
    """Tell whether what is computed from tensors is recorded: one requires a gradient."""
    return is_grad_enabled() and any([x.requires_grad for x in tensors])


def zeros_of(x: Any) -> Any:
    """Return zeros like x."""
    return TensorBase._new(x.dtype.number, x.shape, None)
