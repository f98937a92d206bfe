"""Hooks of `state_dict` and `load_state_dict`: functions that change names, or see what comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..handles import Hooks, RemovableHandle, check_hook
from ..modules import IncompatibleKeys, has_own_state, state_error

__all__ = ["StateHooks", "hooked", "load_with_hooks", "state_with_hooks"]


class StateHooks:
    """The hooks of one module's state."""

    kinds = ("state_dict_pre", "state_dict_post", "load_pre", "load_post")

    def __init__(self) -> None:
        self.of = {kind: Hooks() for kind in self.kinds}

    def add(self, kind: str, hook: Any) -> RemovableHandle:
        """Add a hook behind the others."""
        check_hook(hook)
        return self.of[kind].add(hook)


def hooked(module: Any) -> list[tuple[str, Any]]:
    """Return the modules with such hooks and their paths, outer ones first.

    What is below a module that makes its own state is that one's matter.
    """
    found = []
    own = None
    for path, item in module.named_modules():
        if own is not None and path.startswith(own):
            continue
        if item is not module and has_own_state(item):
            own = below(path)
        elif getattr(item, "_state_hooks", None):
            found.append((path, item))
    return found


def inner_first(found: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield modules as recursion leaves them: each behind those below it."""
    outer: list[tuple[str, Any]] = []
    for path, item in found:
        while outer and not path.startswith(below(outer[-1][0])):
            yield outer.pop()
        outer.append((path, item))
    yield from reversed(outer)


def below(path: str) -> str:
    """Return what stands before the names of what is below a path."""
    return f"{path}." if path else ""


def hooks_of(item: Any, kind: str) -> list[Callable[..., Any]]:
    """Return the hooks of a kind, which may be removed by one of them."""
    return list(item._state_hooks.of[kind].values())


def state_with_hooks(
    found: list[tuple[str, Any]], make: Callable[[], Any], prefix: str, keep_vars: bool
) -> Any:
    """Make a state between the hooks of it."""
    for path, item in found:
        for hook in hooks_of(item, "state_dict_pre"):
            hook(item, prefix + below(path), keep_vars)
    state = make()
    for path, item in inner_first(found):
        for hook in hooks_of(item, "state_dict_post"):
            if hook(item, state, prefix + below(path), {}) is not None:
                raise RuntimeError("a hook of state_dict changes the dict, and returns None")
    return state


def load_with_hooks(
    module: Any,
    found: list[tuple[str, Any]],
    load: Callable[[Mapping[str, Any]], IncompatibleKeys],
    before: Callable[[], Mapping[str, Any]],
    state_dict: Mapping[str, Any],
    strict: bool,
) -> IncompatibleKeys:
    """Load a state between the hooks of that, on a copy of the dict; all, or nothing.

    Args:
        load: sets what there is, and returns the names that do not fit.
        before: gives the state as it is.
    """
    state = dict(state_dict)
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    for path, item in found:
        for hook in hooks_of(item, "load_pre"):
            hook(item, state, below(path), {}, strict, missing, unexpected, errors)
    if errors:
        raise state_error(module, errors)
    old = {name: x.clone() for name, x in before().items()}
    keys = load(state)
    keys.missing_keys[:0], keys.unexpected_keys[:0] = missing, unexpected
    try:
        for _, item in inner_first(found):
            for hook in hooks_of(item, "load_post"):
                if hook(item, keys) is not None:
                    raise RuntimeError("a hook of load_state_dict changes the keys, returns None")
        if strict and (keys.missing_keys or keys.unexpected_keys):
            raise state_error(module, (), *keys)
    except BaseException:
        load(old)
        raise
    return keys
