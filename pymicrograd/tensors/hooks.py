"""Hooks: functions of the user's that see, and replace, gradients on their way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _core
from ..errors import GradientError, ShapeError
from ..handles import Hooks, RemovableHandle, check_hook
from .ops import CAST, TensorBase, apply


def register_hook(x: Any, function: Callable[[Any], Any]) -> RemovableHandle:
    """Let a function see, and replace, the gradient of a tensor in every backward."""
    if not x.requires_grad:
        raise GradientError("cannot register a hook on a tensor that doesn't require gradient")
    check_hook(function)
    hooks = x._attached()
    if hooks is None:
        hooks = Hooks()
        _core.watch_gradient(x._handle)
        x._attach(hooks)
    handle: RemovableHandle = hooks.add(function)
    return handle


def run_hooks(at: Any, node: Any) -> None:
    """Call the hooks of the tensor that a sweep stopped at."""
    hooks = node._attached()
    first = gradient = TensorBase._sweep_gradient(at, node._handle)
    if hooks is None or first is None:
        return
    for function in list(hooks.values()):
        result = function(gradient)
        if result is not None:
            gradient = as_gradient(result, gradient.shape, gradient.dtype, "a hook")
    if gradient is not first:
        TensorBase._sweep_replace(at, gradient)


def as_gradient(x: Any, shape: tuple[int, ...], kind: Any, whose: str) -> Any:
    """Return what Python gave for a gradient, in its type, or refuse it."""
    if not isinstance(x, TensorBase):
        raise TypeError(f"{whose} returned {type(x).__name__} for the gradient of a Tensor")
    if x.shape != shape:
        raise ShapeError(f"{whose} returned a gradient of shape {x.shape} for shape {shape}")
    return x if x.dtype is kind else apply(CAST, (x,), (kind.number,))
