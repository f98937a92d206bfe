"""Nested tuples, lists and dicts of which some things are replaced by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["filled"]


def filled(x: Any, is_place: Callable[[Any], bool], things: Iterator[Any]) -> Any:
    """Return tuples, lists and dicts with other things in some places, in order."""

    def fill(x: Any) -> Any:
        if is_place(x):
            return next(things)
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return type(x)(*map(fill, x))
        if isinstance(x, (tuple, list)):
            return type(x)(map(fill, x))
        if isinstance(x, dict):
            return {name: fill(item) for name, item in x.items()}
        return x

    return fill(x)
