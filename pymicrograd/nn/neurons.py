"""Networks of neurons on the C core: one call records what the loops of networks.py record.

The classes are those of networks.py; only `__call__` differs. A module keeps the handles of its
parameters as a C array, its plan, until something about its parts changes: attributes and lists of
modules report changes, each gets the next number, and `Structure.version` is the last one given.
While that is the same, nothing has changed; where it is another, the numbers of a plan's own parts
tell whether it still holds. Where a network is not the plain one
(a subclass of Neuron, layers of mixed activations), its loop runs, in larger steps
where it can.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping
from typing import Any

from .. import _core, modules, networks
from ..networks import as_inputs, is_batch
from ..random import default_generator
from ..scalars import as_float
from ..value import Value

__all__ = ["MLP", "Layer", "Module", "Neuron"]


class Structure:
    """Numbers the changes of modules and their lists.

    Attributes:
        version: the number of the last change.
    """

    version = 0
    numbers = itertools.count(1)


last_change = operator.attrgetter("_changed")


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

    _changed = 0

    for _name in (
        "__delitem__", "__iadd__", "__imul__", "__setitem__", "append", "clear",
        "extend", "insert", "pop", "remove", "reverse", "sort",
    ):  # fmt: skip
        locals()[_name] = reporting(_name)
    del _name


def watched_parts(item: Any) -> list[Any] | None:
    """Return the modules and lists within a module; None where one does not report changes."""
    pending, parts = [item], []
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        if isinstance(item, Module):
            pending += vars(item).values()
        elif isinstance(item, (WatchedList, tuple)):
            pending += item
        elif isinstance(item, (list, Mapping, modules.Module)):
            return None
        else:
            continue
        seen.add(id(item))
        if not isinstance(item, tuple):
            parts.append(item)
    return parts


class Derived:
    """What follows from modules and lists, and holds while they do not change.

    Args:
        result: what follows from them.
        parts: the modules and lists.
        version: the structure's before they were looked at.
    """

    __slots__ = ("last", "parts", "result")

    def __init__(self, result: Any, parts: list[Any], version: int) -> None:
        self.result, self.parts = result, parts
        self.last: int = max(map(last_change, parts))
        if Structure.version != version:  # another thread has changed something meanwhile
            self.last = -1

    def holds(self) -> bool:
        """Tell whether no part has changed since."""
        last: int = max(map(last_change, self.parts))
        return last == self.last


class Module(modules.Module):
    """Something with parameters: the leaf Values among its attributes, lists and modules."""

    __slots__ = ("_changed", "_listed", "_plan")  # not among the attributes, which are parts

    value_type = Value
    list_type = WatchedList
    _changed: int
    _listed: tuple[int, Derived]  # the structure's version, and the parameters then
    _plan: tuple[int, Any, Derived]  # the structure's version, the plan then, if any, and both

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls)
        object.__setattr__(self, "_changed", 0)
        return self

    def parameters(self) -> list[Any]:
        """Return the parameters in the order of `named_parameters`."""
        version = Structure.version
        try:
            listed_in, derived = self._listed
        except AttributeError:
            return list(self._list_anew(version))
        if listed_in != version:
            if not derived.holds():
                return list(self._list_anew(version))
            object.__setattr__(self, "_listed", (version, derived))
        return list(derived.result)

    def _list_anew(self, version: int) -> list[Any]:
        """Return the parameters, and remember them if every change of them will be reported."""
        parts = watched_parts(self)
        found = super().parameters()
        if parts:
            derived = Derived(tuple(found), parts, version)
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

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0.0."""
        handles = [parameter._handle for parameter in self.parameters()]
        _core.zero_gradients(handles, len(handles))

    @staticmethod
    def default_generator() -> Any:
        """Return the generator of weights where none is given."""
        return default_generator()


class Plan(_core.Plan):
    """What one call into the core needs to know of layers of plain neurons.

    Args:
        layers: the neurons of each layer, all Neuron, of one activation in a layer.

    Attributes:
        nin: number of inputs.
        values: the parameters, layer by layer, neuron by neuron, weights then bias.
    """

    def __init__(self, layers: list[list[Neuron]]) -> None:
        self.nin = len(layers[0][0].w)
        self.values = tuple(
            p for neurons in layers for neuron in neurons for p in (*neuron.w, neuron.b)
        )
        super().__init__(
            [self.nin, *map(len, layers)],
            number_of(layers[0][0].activation),
            number_of(layers[-1][0].activation),
            [p._handle for p in self.values],
        )


record_mlp = _core.ValueBase._mlp


def number_of(activation: str) -> int:
    """Return the op of an activation; -1 is linear."""
    return -1 if activation == "linear" else _core.OPS[activation]


def is_plain(layers: list[Any]) -> bool:
    """Tell whether one call of the core can record layers, each a list of neurons."""
    if not layers or not all(type(layer) is WatchedList and layer for layer in layers):
        return False
    neurons = [neuron for layer in layers for neuron in layer]
    if not all(type(neuron) is Neuron and type(neuron.w) is WatchedList for neuron in neurons):
        return False
    if not all(type(p) is Value for neuron in neurons for p in (*neuron.w, neuron.b)):
        return False
    if not all(neuron.activation in networks.ACTIVATIONS for neuron in neurons):
        return False
    inputs = [{len(neuron.w) for neuron in layer} for layer in layers]
    if inputs[1:] != [{len(layer)} for layer in layers[:-1]] or inputs[0] == {0}:
        return False
    activations = [{neuron.activation for neuron in layer} for layer in layers]
    return len(inputs[0]) == len(activations[-1]) == 1 and len(set().union(*activations[:-1])) <= 1


def planned_parts(module: Any) -> list[Any]:
    """Return the modules and lists that tell what the plan of a module is, if there is one.

    They are those that report changes. What does not, such as a list of the user's own, makes a
    module not plain, whatever it holds; so does a part of another class.
    """
    pending, parts = [module], []
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        parts.append(item)
        if type(item) is WatchedList:
            pending += [part for part in item if isinstance(part, Planned)]
        else:
            inner = [vars(item).get(name) for name in ("layers", "neurons", "w")]
            pending += [part for part in inner if type(part) is WatchedList]
    return parts


class Planned(Module):
    """A module that is called in one step while its parts are plain."""

    def _plan_layers(self) -> list[Any]:
        """Return the neurons of each layer; none where a part is not plain."""
        raise NotImplementedError(f"{type(self).__name__} has no layers")

    def _plan_again(self) -> Plan | None:
        """Return the plan as the structure is now; the one from before, if it still holds."""
        version, derived = Structure.version, getattr(self, "_plan", (0, None, None))[2]
        if derived is None or not derived.holds():
            parts, layers = planned_parts(self), self._plan_layers()
            derived = Derived(Plan(layers) if is_plain(layers) else None, parts, version)
        plan: Plan | None = derived.result
        object.__setattr__(self, "_plan", (version, plan, derived))
        return plan

    def _check(self, x: Any) -> None:
        if isinstance(x, _core.TensorBase):
            raise TypeError(f"{self!r} takes numbers or Values, not a Tensor; see tolist()")

    def __call__(self, x: Any) -> Any:
        """Compute the result of one example, or a list of results of a list of examples.

        Args:
            x: as many numbers or Values as there are inputs; or rows of them.

        Returns:
            A Value where one neuron comes last, else a list of them; of rows a list of such.

        Raises:
            TypeError: x is no sequence of numbers or Values.
            ValueError: the number of inputs is wrong.
        """
        try:
            version, plan, _ = self._plan
        except AttributeError:
            version = -1
        if version != Structure.version:
            plan = self._plan_again()
        if plan is None:
            self._check(x)
            return super().__call__(x)  # type: ignore[misc]
        result = record_mlp(plan.address, plan.values, x)
        if result is not NotImplemented:
            return result
        self._check(x)
        x = as_inputs(x)
        batch = is_batch(x)
        rows = [as_inputs(row) for row in x] if batch else [x]
        for row in rows:
            if len(row) != plan.nin:
                raise ValueError(f"{self!r} takes {plan.nin} inputs, got {len(row)}")
        rows = [[x if isinstance(x, Value) else as_float(x) for x in row] for row in rows]
        return record_mlp(plan.address, plan.values, rows if batch else rows[0])


class Neuron(Planned, networks.Neuron):
    __doc__ = networks.Neuron.__doc__

    def _plan_layers(self) -> list[Any]:
        return [WatchedList([self])]


class Layer(Planned, networks.Layer):
    __doc__ = networks.Layer.__doc__
    neuron_type = Neuron

    def _plan_layers(self) -> list[Any]:
        return [vars(self).get("neurons")]


class MLP(Planned, networks.MLP):
    __doc__ = networks.MLP.__doc__
    layer_type = Layer

    def _plan_layers(self) -> list[Any]:
        layers = vars(self).get("layers")
        if type(layers) is not WatchedList:
            return []
        return [layer.neurons if type(layer) is Layer else [] for layer in layers]
