"""Packages whose names are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["names_of"]

Homes = Mapping[str, tuple[str, ...]]


def names_of(
    namespace: dict[str, Any],
    homes: Homes,
    modules: tuple[str, ...] = (),
    instead: Mapping[str, str] | None = None,
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__all__`, `__getattr__` and `__dir__` of a package with a table of its names.

    The stub beside it, which type checkers read, is written by tools/names.py from the same table.

    Args:
        namespace: the package's `globals()`.
        homes: its names, by the module in it that they are imported from.
        modules: modules in it that are names as well.
        instead: why names of PyTorch's are not there, and what there is in their place.
    """
    package = namespace["__name__"]
    names = sorted({*modules}.union(*homes.values()))

    def get(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f".{name}", package)
        for home, found in homes.items():
            if name in found:
                value = getattr(importlib.import_module(f".{home}", package), name)
                namespace[name] = value
                return value
        reason = f": {instead[name]}" if instead and name in instead else near(name, names)
        raise AttributeError(f"module {package!r} has no attribute {name!r}{reason}")

    return names, get, lambda: sorted({*namespace, *names})


def near(name: str, names: list[str]) -> str:
    """Return which names resemble one that there is not, as the end of a sentence."""
    if name.startswith("_"):  # what Python and its tools ask for
        return ""
    import difflib

    found = difflib.get_close_matches(name, names, 3, 0.7)
    return f"; there is {', '.join(found)}" if found else ""
