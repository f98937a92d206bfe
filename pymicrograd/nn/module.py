"""Module, with Values and Tensors on the C core.

Attributes and lists of modules report their changes, each of which gets the next number;
`Structure.version` is the last one given. While that is the same, nothing has changed; where it is
another, the numbers of the modules and lists that something was derived from tell whether it still
holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from .. import _core, modules
from ..modules import Block, has_own
from ..random import default_generator
from ..value import Value

__all__ = ["Derived", "Module", "Structure", "WatchedList", "last_change"]


class Structure:
    """Numbers the changes of modules and their lists.

    Attributes:
        version: the number of the last change.
    """

    version = 0
    numbers = itertools.count(1)


def last_change(part: Any) -> int:
    """Return the number of the last change of a module or list; 0: there was none."""
    number: int = getattr(part, "_changed", 0)
    return number


def report(part: Any) -> None:
    """Note that a module or list has just changed."""
    number = next(Structure.numbers)  # one step, so that threads get different ones
    object.__setattr__(part, "_changed", number)
    Structure.version = number


def reporting(name: str) -> Callable[..., Any]:
    """Return a list's method that also reports a change."""
    method = getattr(list, name)

    def change(self: list[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        finally:
            report(self)

    change.__name__ = name
    return change


class WatchedList(list[Any]):
    """A list in a module, which reports its changes."""

    for _name in (
        "__delitem__", "__iadd__", "__imul__", "__setitem__", "append", "clear",
        "extend", "insert", "pop", "remove", "reverse", "sort",
    ):  # fmt: skip
        locals()[_name] = reporting(_name)
    del _name


def watched_parts(module: Any) -> list[Any] | None:
    """Return the modules and lists within a module; None where one does not report changes."""
    pending, parts = [module], []
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        if isinstance(item, Module):
            if item is not module and has_own(item, "parameters"):
                return None  # nobody reports what it will say
            pending += vars(item).values()
        elif isinstance(item, (WatchedList, tuple)):
            pending += item
        elif isinstance(item, (list, Mapping, modules.Module, _core.TensorBase)):
            return None  # a Tensor may come to require a gradient
        else:
            continue
        seen.add(id(item))
        if item is not module and not isinstance(item, tuple):
            parts.append(item)
    return parts


class Derived:
    """What follows from a module and what it holds, while they do not change.

    Args:
        module: which keeps this object, and so is not kept by it.
        result: what follows.
        parts: the modules and lists that it follows from, but for the module itself.
        version: the structure's before they were looked at.
    """

    __slots__ = ("kinds", "last", "parts", "result")

    def __init__(self, module: Any, result: Any, parts: list[Any], version: int) -> None:
        self.result, self.parts = result, parts
        self.kinds = {type(part) for part in parts if isinstance(part, Module)}
        self.last = self.last_change(module)
        if Structure.version != version:  # another thread has changed something meanwhile
            self.last = -1

    def last_change(self, module: Any) -> int:
        """Return the number of the last change of the module or a part."""
        last: int = max(map(last_change, (module, *self.parts)))
        return last

    def holds(self, module: Any) -> bool:
        """Tell whether nothing has changed since."""
        return self.last_change(module) == self.last


class Module(modules.Module):
    __doc__ = modules.Module.__doc__

    __slots__ = (
        "_changed",
        "_listed",
        "_plan",
        "_planned",
    )  # not among the attributes, which are parts

    value_type = Value
    tensor_type = _core.TensorBase
    list_type = WatchedList
    _changed: int
    _listed: tuple[int, Derived]  # the structure's version, and the parameters then
    _plan: tuple[int, Any]  # the structure's version, and the plan then, if there is one
    _planned: Derived  # the same with its parts

    def parameters(self, recurse: bool = True) -> list[Any]:
        """Return the parameters in the order of `named_parameters`.

        Args:
            recurse: whether those of the modules inside are among them.

        Returns:
            A new list of Values and Tensors, each once.
        """
        if not recurse:
            return super().parameters(False)
        version = Structure.version
        try:
            listed_in, derived = self._listed
        except AttributeError:
            return list(self._list_anew(version))
        if not all(kind.parameters is Module.parameters for kind in derived.kinds):
            return list(self._list_anew(version))
        if listed_in != version:
            if not derived.holds(self):
                return list(self._list_anew(version))
            object.__setattr__(self, "_listed", (version, derived))
        return list(derived.result)

    def _list_anew(self, version: int) -> list[Any]:
        """Return the parameters, and remember them if every change of them will be reported."""
        parts = watched_parts(self)
        found = super().parameters()
        if parts is not None:
            derived = Derived(self, tuple(found), parts, version)
            object.__setattr__(self, "_listed", (version, derived))
        elif hasattr(self, "_listed"):
            object.__delattr__(self, "_listed")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        report(self)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        report(self)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of Values to 0.0; take those of Tensors away, or set them to 0.

        Args:
            set_to_none: of Tensors: let grad be None; else the gradient's elements become 0.
        """
        parameters = self.parameters()
        handles = [p._handle for p in parameters if type(p) is Value]
        _core.zero_gradients(handles, len(handles))
        if len(handles) < len(parameters):
            super().zero_grad(set_to_none)

    # ---- state, for which the Tensor half is imported

    @staticmethod
    def _entry_of(shape: tuple[int, ...], numbers: list[float]) -> Any:
        from ..tensors.conversion import new
        from ..tensors.dtypes import float64

        return new(modules.Module._entry_of(shape, numbers), float64)

    def _read_entry(self, name: str, entry: Any, target: Any) -> tuple[tuple[int, ...], Any]:
        if isinstance(target, Block):
            return super()._read_entry(name, entry, target)
        from ..tensors.conversion import as_tensor

        try:
            found: Any = as_tensor(entry)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        return found.shape, found.detach().to(target.dtype)

    def _set_states(self, states: list[tuple[Any, Any]]) -> None:
        tensors, others, values, numbers = [], [], [], []
        for target, found in states:
            if isinstance(target, Block):
                values += target.values
                numbers += found
            else:
                tensors.append(target.detach())
                others.append(found)
        _core.TensorBase._load(tuple(tensors), tuple(others), tuple(values), tuple(numbers))

    @staticmethod
    def default_generator() -> Any:
        """Return the generator of weights where none is given."""
        return default_generator()
