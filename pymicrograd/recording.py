"""Whether operations are recorded: one answer for each thread, for all engines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from threading import get_ident
from typing import Any

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]

# By thread, how many times it is inside no_grad. The C types look here, too.
no_grad_depth: dict[int, int] = {}


class no_grad(ContextDecorator):
    """Compute without recording: results in this thread are leaves, until the block ends.

    Example:
        >>> from pymicrograd import Value
        >>> x = Value(3.0)
        >>> with no_grad():
        ...     y = x * x
        >>> y, y._prev
        (Value(data=9.0, grad=0.0), ())

    As a decorator, `@no_grad` or `@no_grad()`, it does so for every call of a function.
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __enter__(self) -> no_grad:
        thread = get_ident()
        no_grad_depth[thread] = no_grad_depth.get(thread, 0) + 1
        return self

    def __exit__(self, *exception: Any) -> None:
        thread = get_ident()
        depth = no_grad_depth.pop(thread) - 1
        if depth:
            no_grad_depth[thread] = depth


def is_grad_enabled() -> bool:
    """Tell whether this thread records operations: it is not inside `no_grad`."""
    return not no_grad_depth or get_ident() not in no_grad_depth


class set_grad_enabled(ContextDecorator):
    """Record operations of this thread or not, from the call on; as a context, until it ends.

    Args:
        mode: whether to record.

    Example:
        >>> with set_grad_enabled(False):
        ...     is_grad_enabled()
        False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.before = [self._switch()]
        self.entered = False

    def _switch(self) -> int:
        """Set the mode; return how many no_grads it takes the place of."""
        thread = get_ident()
        depth = no_grad_depth.pop(thread, 0)
        if not self.mode:
            no_grad_depth[thread] = depth or 1
        return depth

    def __call__(self, function: Callable[..., Any]) -> Any:
        restore(self.before.pop())
        self.entered = True
        return super().__call__(function)

    def __enter__(self) -> set_grad_enabled:
        if self.entered:  # again, or in a call of a decorated function
            self.before.append(self._switch())
        self.entered = True
        return self

    def __exit__(self, *exception: Any) -> None:
        restore(self.before.pop())


class enable_grad(ContextDecorator):
    """Record operations, even inside `no_grad`; a context, or the decorator of a function.

    Example:
        >>> with no_grad(), enable_grad():
        ...     is_grad_enabled()
        True
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self) -> None:
        self.before: list[int] = []

    def __enter__(self) -> enable_grad:
        self.before.append(no_grad_depth.pop(get_ident(), 0))
        return self

    def __exit__(self, *exception: Any) -> None:
        restore(self.before.pop())


def restore(depth: int) -> None:
    """Be inside as many no_grads as before."""
    if depth:
        no_grad_depth[get_ident()] = depth
    else:
        no_grad_depth.pop(get_ident(), None)
