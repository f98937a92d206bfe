"""Modules that hold modules or parameters by their place or by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .module import Module

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class Container(Module):
    """What it holds are its public attributes."""

    def _accept(self, item: Any) -> Any:
        """Return an item as it is held, or refuse it."""
        if not isinstance(item, Module) and item is not None:
            kind = type(item).__name__
            raise TypeError(f"{type(self).__name__} holds modules, and {kind} is none")
        return item

    def _names(self) -> list[str]:
        return [name for name in vars(self) if not name.startswith("_") and name != "training"]

    def __len__(self) -> int:
        return len(self._names())


class Items(Container):
    """What is held by place: the attributes "0", "1" and so on."""

    def _fill(self, items: Iterable[Any]) -> None:
        """Hold these in place of the ones before."""
        for name in self._names():
            delattr(self, name)
        for i, item in enumerate(items):
            setattr(self, str(i), self._accept(item))

    def _items(self) -> list[Any]:
        return [vars(self)[name] for name in self._names()]

    def _place(self, index: Any) -> int:
        """Return a place as a number from 0."""
        place, count = operator.index(index), len(self)
        if not -count <= place < count:
            raise IndexError(f"index {place} is out of range of {count} items")
        return place % count

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            made = type(self)()
            for name in self._names()[index]:
                setattr(made, self._name_in_slice(made, name), vars(self)[name])
            return made
        return self._items()[self._place(index)]

    def _name_in_slice(self, made: Any, name: str) -> str:
        return str(len(made))

    def __setitem__(self, index: Any, item: Any) -> None:
        if isinstance(index, slice):
            for place, one in zip(range(len(self))[index], item, strict=True):
                self[place] = one
            return
        setattr(self, self._names()[self._place(index)], self._accept(item))

    def __delitem__(self, index: Any) -> None:
        gone = range(len(self))[index] if isinstance(index, slice) else [self._place(index)]
        self._fill([item for i, item in enumerate(self) if i not in set(gone)])

    def append(self, module: Any) -> Any:
        """Add an item at the end; return this module."""
        setattr(self, str(len(self)), self._accept(module))
        return self

    def insert(self, index: int, module: Any) -> Any:
        """Put an item before a place; return this module."""
        items = self._items()
        items.insert(index, self._accept(module))
        self._fill(items)
        return self

    def extend(self, modules: Iterable[Any]) -> Any:
        """Add items at the end; return this module."""
        for item in list(modules):
            self.append(item)
        return self

    def pop(self, key: int = -1) -> Any:
        """Take an item out, by default the last one."""
        item = self[key]
        del self[key]
        return item

    def __iadd__(self, items: Iterable[Any]) -> Any:
        return self.extend(items)

    def __add__(self, items: Iterable[Any]) -> Any:
        return type(self)().extend([*self, *items])

    def __contains__(self, item: Any) -> bool:
        return any(item is own for own in self)


class Sequential(Items):
    """Modules, each of which is called with what the one before it gave.

    Args:
        modules: the modules, or one dict of them by name.

    Example:
        >>> from pymicrograd.nn import Linear, Tanh
        >>> net = Sequential(Linear(2, 8), Tanh(), Linear(8, 1))
        >>> [name for name, _ in net.named_parameters()]
        ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, self._accept(module))
        else:
            self._fill(modules)

    def _accept(self, item: Any) -> Any:
        if item is None:
            raise TypeError("Sequential holds modules, and None is none")
        return super()._accept(item)

    def _name_in_slice(self, made: Any, name: str) -> str:
        return name

    def extend(self, sequential: Iterable[Any]) -> Any:
        """Add modules at the end; return this module."""
        return super().extend(sequential)

    def __add__(self, items: Iterable[Any]) -> Any:
        return type(self)(*self, *items)

    def forward(self, input: Any) -> Any:
        """Return what the last module gives; input itself where there are none."""
        for module in self._items():
            input = module(input)
        return input


class ModuleList(Items):
    """A list of modules, whose parameters count.

    Args:
        modules: any iterable of modules.
    """

    def __init__(self, modules: Iterable[Any] = ()) -> None:
        self._fill(modules or ())


class ParameterList(Items):
    """A list of parameters; Tensors become Parameters.

    Args:
        values: any iterable.
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._fill(values or ())

    def _accept(self, item: Any) -> Any:
        return as_parameter(item)

    def extra_repr(self) -> str:
        """Return a line for each item."""
        return "\n".join(f"({i}): {line_of(item)}" for i, item in enumerate(self))


class Named(Container):
    """What is held by name."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __contains__(self, name: Any) -> bool:
        return name in self._names()

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return vars(self)[name]

    def __setitem__(self, name: str, item: Any) -> None:
        self._register("part", name, self._accept(item), object)

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def keys(self) -> list[str]:
        """Return the names."""
        return self._names()

    def values(self) -> list[Any]:
        """Return the items."""
        return [self[name] for name in self]

    def items(self) -> list[tuple[str, Any]]:
        """Return names and items."""
        return [(name, self[name]) for name in self]

    def pop(self, key: str) -> Any:
        """Take an item out."""
        item = self[key]
        del self[key]
        return item

    def clear(self) -> None:
        """Take all items out."""
        for name in self._names():
            delattr(self, name)

    def update(self, modules: Any) -> None:
        """Set items from a mapping, or from pairs of a name and an item."""
        pairs = modules.items() if hasattr(modules, "items") else modules
        for name, item in pairs:
            self[name] = item


class ModuleDict(Named):
    """A dict of modules, whose parameters count.

    Args:
        modules: a mapping, or pairs of a name and a module.
    """

    def __init__(self, modules: Any = None) -> None:
        self.update(modules or {})


class ParameterDict(Named):
    """A dict of parameters; Tensors become Parameters.

    Args:
        parameters: a mapping, or pairs of a name and a parameter.
    """

    def __init__(self, parameters: Any = None) -> None:
        self.update(parameters or {})

    def _accept(self, item: Any) -> Any:
        return as_parameter(item)

    def extra_repr(self) -> str:
        """Return a line for each item."""
        return "\n".join(f"({name}): {line_of(item)}" for name, item in self.items())

    def get(self, key: str, default: Any = None) -> Any:
        """Return a parameter; default where there is none of the name."""
        return self[key] if key in self else default

    def update(self, parameters: Any) -> None:
        """Set parameters from a mapping, or from pairs of a name and a parameter."""
        super().update(parameters)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a parameter, which is set to default where there is none of the name."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Take the last parameter out; return its name and it."""
        if not self._names():
            raise KeyError("popitem: there are no parameters")
        name = self._names()[-1]
        return name, self.pop(name)

    def copy(self) -> Any:
        """Return a dict of the same parameters."""
        return type(self)(dict(self.items()))


def as_parameter(item: Any) -> Any:
    """Return a Tensor as a Parameter, anything else as it is."""
    from ..tensors.tensor import Tensor
    from .parameter import Parameter

    return Parameter(item) if type(item) is Tensor else item


def line_of(item: Any) -> str:
    """Return a line that says what a parameter is."""
    shape = "x".join(map(str, getattr(item, "shape", ())))
    kind = type(item).__name__
    return f"{kind} containing: [{item.dtype} of size {shape}]" if shape else f"{kind}: {item!r}"
