"""A module called with other parameters and buffers than its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ArgumentError
from ..module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module, parameter_and_buffer_dicts: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """Call a module with Tensors in place of parameters and buffers, which it has again after.

    Args:
        module: the module.
        parameter_and_buffer_dicts: a dict of Tensors by their path, such as "0.weight", or
            several such dicts; what is not named stays.
        args: the arguments, a tuple, or the only one; kwargs: those by name.

    Returns:
        What the module returns.

    Raises:
        ValueError: a path names no parameter or buffer.
    """
    given = parameter_and_buffer_dicts
    items: dict[str, Any] = {}
    for part in (given,) if isinstance(given, Mapping) else given:
        items.update(part)
    places = []
    for path, item in items.items():
        owner, _, name = path.rpartition(".")
        try:
            holder = module.get_submodule(owner)
            places.append((holder, name, vars(holder)[name], item))
        except (AttributeError, KeyError):
            raise ArgumentError(f"functional_call: the module has no {path!r}") from None
    try:
        for holder, name, _, item in places:
            setattr(holder, name, item)
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
    finally:
        for holder, name, own, _ in places:
            setattr(holder, name, own)
