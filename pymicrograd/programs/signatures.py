"""What a program depends on: the arguments of a call, and what a function finds around it."""

from __future__ import annotations

import operator
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from .. import _core
from ..modules import Module
from ..tensors.ops import TensorBase

__all__ = ["Surroundings", "Unrecorded", "key_of", "tensors_in"]

SIMPLE = (bool, int, float, str, bytes, type(None))
PACKAGE = __name__.split(".")[0]
NUMBERS = (bool, float)


class Unrecorded(Exception):
    """A call that runs eagerly: it has Values, or Tensors that depend on other ones."""


def key_of(x: Any, tensors: list[Any], kept: list[Any]) -> Any:
    """Return what of an argument makes another program; Tensors are added to a list."""
    if isinstance(x, TensorBase):
        for i, other in enumerate(tensors):
            if other is x:
                return i
        key = x._program_key()
        if key is None:
            raise Unrecorded
        tensors.append(x)
        return key
    if isinstance(x, float):
        return float, x.hex()
    if isinstance(x, SIMPLE):
        return type(x), x
    if isinstance(x, _core.ValueBase):
        raise Unrecorded
    if isinstance(x, (tuple, list)):
        return type(x), tuple([key_of(item, tensors, kept) for item in x])
    if isinstance(x, dict):
        return dict, tuple([(name, key_of(item, tensors, kept)) for name, item in x.items()])
    kept.append(x)
    return id(x)


def same(a: Any, b: Any) -> bool:
    """Tell whether two numbers are one, in type and value, NaN included."""
    return type(a) is type(b) and repr(a) == repr(b)


def is_part(x: Any) -> bool:
    """Tell whether an attribute of a module is a module or a parameter in it."""
    if isinstance(x, TensorBase):
        return hasattr(x, "is_parameter") or bool(x.is_leaf and x.requires_grad)
    return isinstance(x, Module)


def tensors_in(x: Any) -> Iterator[Any]:
    """Yield the Tensors in a result of nested tuples, lists and dicts."""
    if isinstance(x, TensorBase):
        yield x
    elif isinstance(x, (tuple, list)):
        for item in x:
            yield from tensors_in(item)
    elif isinstance(x, dict):
        yield from tensors_in(tuple(x.values()))


def codes_of(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a function's code and that of functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_of(constant)


class Surroundings:
    """What a function finds around it: variables of other scopes, and modules in them.

    Attributes:
        kept: objects that are told by where they are.
        tensors: those that the function finds, by who they are.
        counters: attributes of modules that the function itself changes, and are no part of it.
        numbers: of what there was at some call, by all of it.
        last, last_number: what there was at the last call.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.cells: list[types.CellType] = []
        self.names: list[tuple[dict[str, Any], str]] = []
        self.kept: list[Any] = []
        self.seen: set[int] = set()
        self.modules: dict[int, Module] = {}
        self.watched: list[Module] = []
        self.counters: set[tuple[int, str]] = set()
        self.tensors: dict[int, Any] = {}
        self.look(function)
        for thing in list(self.things()):
            self.look_for_modules(thing, 2)
        self.numbers: dict[Any, int] = {}
        self.last: list[Any] = [object()]
        self.last_number = -1

    def look(self, function: Any) -> None:
        """Note the variables of a function, and of those of the user's that it names."""
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType):
            self.look_for_modules(owner, 2)
        function = getattr(function, "__func__", function)
        if not isinstance(function, types.FunctionType) or id(function) in self.seen:
            return
        self.seen.add(id(function))
        if function.__module__ and function.__module__.split(".")[0] == PACKAGE:
            return
        self.cells += function.__closure__ or ()
        for code in codes_of(function.__code__):
            for name in code.co_names:
                if name in function.__globals__:
                    self.names.append((function.__globals__, name))
        for thing in (*(function.__defaults__ or ()), *self.things()):
            self.look(thing)

    def things(self) -> Iterator[Any]:
        """Yield what the variables hold now."""
        for cell in self.cells:
            try:
                yield cell.cell_contents
            except ValueError:  # empty
                yield None
        for variables, name in self.names:
            yield variables.get(name)

    def look_for_modules(self, thing: Any, depth: int) -> None:
        """Note modules and Tensors, also those in the attributes of an object, or in a list."""
        if isinstance(thing, TensorBase):
            self.tensors[id(thing)] = thing
        elif isinstance(thing, Module):
            for x in (*thing.parameters(), *thing.buffers()):
                self.tensors[id(x)] = x
            for module in thing.modules():
                if isinstance(module, Module):
                    self.modules.setdefault(id(module), module)
            self.watched = list(self.modules.values())
        elif isinstance(thing, (list, tuple)):
            for item in thing if depth else ():
                self.look_for_modules(item, depth - 1)
        elif depth and not isinstance(thing, (type, types.ModuleType, types.FunctionType)):
            for item in list(getattr(thing, "__dict__", {}).values()):
                self.look_for_modules(item, depth - 1)

    def attributes(self) -> list[tuple[dict[str, Any], str]]:
        """Return the attributes of modules that count: modules and parameters in them, which
        others may replace; numbers, but whole ones of layers, which are their shapes.
        """
        found = []
        for module in self.watched:
            kinds = NUMBERS if type(module).__module__.startswith(PACKAGE) else (*NUMBERS, int)
            for name, x in vars(module).items():
                counts = type(x) in kinds or is_part(x)
                if counts and (id(module), name) not in self.counters:
                    found.append((vars(module), name))
        return found

    def changes(self, before: Any) -> list[tuple[Module, str, Any]]:
        """Return the attributes that are others than before a call, of a function that was
        recorded in it; ints count such calls.

        Args:
            before: a copy of all attributes of each of the modules.
        """
        found = []
        for module, old in before:
            for name, x in vars(module).items():
                if type(x) is int and name in old and old[name] != x:
                    self.counters.add((id(module), name))
                elif type(x) in NUMBERS and not (name in old and same(old[name], x)):
                    found.append((module, name, x))
        return found

    def replaced(self, before: Any, nodes: Sequence[int]) -> str | None:
        """Return the name of an attribute of a module that had one of some nodes' Tensors before
        a call, and has another one since; or None.
        """
        for module, old in before:
            for name, x in old.items():
                now = vars(module).get(name)
                if isinstance(x, TensorBase) and now is not x and _core.handles_of([x])[0] in nodes:
                    return f"{type(module).__name__}.{name}"
        return None

    def held(self) -> tuple[Any, ...]:
        """Return what tells that nothing is another: names, cells, and what they hold.

        Of a module these are also the attributes that are None now, and, by the name None, how many
        attributes it has: `training`, say, is its class's until somebody sets it.
        """
        names: list[tuple[dict[str, Any], str | None]] = [*self.attributes(), *self.names]
        of_modules = [vars(module) for module in self.watched]
        for variables in of_modules:
            names += [(variables, name) for name, x in variables.items() if x is None]
        values = [None if name is None else variables.get(name) for variables, name in names]
        names += [(variables, None) for variables in of_modules]
        values += [len(variables) for variables in of_modules]
        with suppress(ValueError):  # one is empty
            values += [cell.cell_contents for cell in self.cells]
        return tuple([x for pair in names for x in pair]), tuple(self.cells), tuple(values)

    def now(self) -> list[Any]:
        """Return what there is now: modes, values, objects."""
        now: list[Any] = [_core.is_grad_enabled()]
        for variables, name in self.attributes():
            now += [variables, name, variables[name]]
        try:
            now += [cell.cell_contents for cell in self.cells]
        except ValueError:  # one is empty
            now += list(self.things())[: len(self.cells)]
        return now + [variables.get(name) for variables, name in self.names]

    def number(self) -> int:
        """Return the number of what there is now.

        Numbers and strings count by value, other things by who they are.
        """
        now = self.now()
        if len(now) != len(self.last) or not all(map(operator.is_, now, self.last)):
            for module in self.watched:  # others may be in them now
                self.look_for_modules(module, 0)
            now = self.now()
            key = tuple([(type(x), x) if type(x) in SIMPLE else id(x) for x in now])
            if key not in self.numbers:
                self.kept.append(now)
            self.last_number = self.numbers.setdefault(key, len(self.numbers))
            self.last = now
        return self.last_number
