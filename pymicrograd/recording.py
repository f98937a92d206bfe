"""Whether operations are recorded: one answer for each context of Python, for all engines.

A thread has a context of its own, and so has a task of asyncio (see `contextvars`). A function
that is written in Python can be left by a signal's exception before it has begun; the C core has
these classes with methods of its own, `_core.recording`, which cannot.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, overload

    Function = TypeVar("Function", bound=Callable[..., Any])

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]

GENERATOR, COROUTINE = 0x20, 0x80  # flags of a function's code


class Silence:
    """What stands for no_grads.

    Attributes:
        depth: how many.
        was_made: whether there was one ever; the C core counts those of its own type.
    """

    was_made = False

    def __init__(self, depth: int) -> None:
        Silence.was_made = True
        self.depth = depth


silence: Callable[[int], Any] = Silence  # of the C core, once it is loaded
mode: ContextVar[Any] = ContextVar("recording", default=None)  # None, or a Silence


def is_grad_enabled() -> bool:
    """Tell whether operations are recorded here: this context is not inside `no_grad`."""
    return mode.get() is None


def put_depth(depth: int) -> None:
    """Be inside so many no_grads."""
    mode.set(silence(depth) if depth > 0 else None)


class Decorator:
    """A context that is also a decorator: every call of the function is in one of its own.

    So is all that a generator or a coroutine does, though not what is done between its parts.
    """

    def __call__(self, function: Function) -> Function:
        scope: Any = type(self)
        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with scope():
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Any:
            return (yield from resumed(scope, function(*args, **kwargs)))

        @functools.wraps(function)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            with scope():
                return await function(*args, **kwargs)

        found: Any = generate if flags & GENERATOR else wait if flags & COROUTINE else call
        return found  # type: ignore[no-any-return]


def resumed(scope: Any, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Run a generator, each part of it inside a context."""
    step, argument = generator.send, None
    while True:
        try:
            with scope():
                item = step(argument)
        except StopIteration as stop:
            return stop.value
        try:
            step, argument = generator.send, (yield item)
        except GeneratorExit:
            with scope():
                generator.close()
            raise
        except BaseException as error:
            step, argument = generator.throw, error


class no_grad(Decorator):
    """Compute without recording: results are leaves, until the block ends.

    Example:
        >>> from pymicrograd import Value
        >>> x = Value(3.0)
        >>> with no_grad():
        ...     y = x * x
        >>> y, y._prev
        (Value(data=9.0, grad=0.0), ())

    It holds for the thread, or the task of asyncio, that is in the block. As a decorator,
    `@no_grad` or `@no_grad()`, it does so for every call of a function.
    """

    if TYPE_CHECKING:

        @overload
        def __new__(cls) -> no_grad: ...

        @overload
        def __new__(cls, function: Function) -> Function: ...  # type: ignore[misc]

    def __new__(cls, function: Any = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __enter__(self) -> Any:
        before = mode.get()
        put_depth(1 if before is None else before.depth + 1)
        return self

    def __exit__(self, *exception: Any) -> None:
        before = mode.get()
        put_depth(0 if before is None else before.depth - 1)


class Switch(Decorator):
    """A context that changes the mode, and at its end brings back the one that was."""

    mode = True
    is_switched = False

    def __init__(self) -> None:
        self.before: list[Any] = []

    def switch(self) -> None:
        """Change the mode."""
        before = mode.get()
        self.before.append(before)
        if self.mode is not (before is None):
            put_depth(not self.mode)

    def __enter__(self) -> Any:
        if not self.is_switched:
            self.switch()
        self.is_switched = False
        return self

    def __exit__(self, *exception: Any) -> None:
        self.is_switched = False
        mode.set(self.before.pop())


class enable_grad(Switch):
    """Record operations, even inside `no_grad`; a context, or the decorator of a function.

    Example:
        >>> with no_grad(), enable_grad():
        ...     is_grad_enabled()
        True
    """

    if TYPE_CHECKING:

        @overload
        def __new__(cls) -> enable_grad: ...

        @overload
        def __new__(cls, function: Function) -> Function: ...  # type: ignore[misc]

    def __new__(cls, function: Any = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)


class set_grad_enabled(Switch):
    """Record operations or not, from the call on; as a context, until it ends.

    Args:
        mode: whether to record.

    Example:
        >>> with set_grad_enabled(False):
        ...     is_grad_enabled()
        False
    """

    scopes: tuple[Any, Any] = no_grad, enable_grad

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self.switch()
        self.is_switched = True

    def __call__(self, function: Function) -> Function:
        self.__exit__()  # the mode is the function's, not its definition's
        return self.scopes[self.mode]()(function)  # type: ignore[no-any-return]
