"""Hooks in the order in which they are called, and the handles that end them."""

from __future__ import annotations

import itertools
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Hooks", "RemovableHandle", "check_hook"]

NUMBERS = itertools.count()


class Hooks(dict):  # type: ignore[type-arg]
    """Hooks, or what else belongs to each, by the number of its handle."""

    __slots__ = ("__weakref__",)

    def add(self, item: Any, prepend: bool = False) -> RemovableHandle:
        """Add one behind the others, or before them."""
        handle = RemovableHandle(self)
        others = dict(self) if prepend else {}
        if prepend:
            self.clear()
        self[handle.id] = item
        self.update(others)
        return handle


class RemovableHandle:
    """What registering a hook returns: it ends the hook, by `remove()` or at the end of a with.

    It does not keep the hooks.
    """

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = weakref.ref(hooks)
        self.id = next(NUMBERS)

    def remove(self) -> None:
        """Let the hook not be called any more; again, nothing happens."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def check_hook(hook: Any) -> None:
    """Refuse what cannot be called."""
    if not callable(hook):
        raise TypeError(f"a hook is a function, not {type(hook).__name__}")
