"""Hooks: functions of the user's that see, and replace, gradients on their way."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .. import _core
from ..errors import GradientError, ShapeError
from .ops import CAST, TensorBase, apply


class Hooks:
    """The hooks of a tensor, kept with its node, in the order of their registration."""

    __slots__ = ("__weakref__", "functions", "next")

    def __init__(self) -> None:
        self.functions: dict[int, Callable[[Any], Any]] = {}
        self.next = 0

    def add(self, function: Callable[[Any], Any]) -> RemovableHandle:
        self.functions[self.next] = function
        self.next += 1
        return RemovableHandle(self, self.next - 1)


class RemovableHandle:
    """What `register_hook` returns: it removes the hook, by `remove()` or at the end of a with."""

    def __init__(self, hooks: Hooks, number: int) -> None:
        self.hooks = weakref.ref(hooks)
        self.number = number

    def remove(self) -> None:
        """Let the hook not be called any more."""
        hooks = self.hooks()
        if hooks is not None:
            hooks.functions.pop(self.number, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def register_hook(x: Any, function: Callable[[Any], Any]) -> RemovableHandle:
    """Let a function see, and replace, the gradient of a tensor in every backward."""
    if not x.requires_grad:
        raise GradientError("cannot register a hook on a tensor that doesn't require gradient")
    if not callable(function):
        raise TypeError(f"a hook is a function, not {type(function).__name__}")
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
    for function in list(hooks.functions.values()):
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
