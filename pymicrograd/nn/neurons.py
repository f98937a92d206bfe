"""Networks of neurons on the C core: one call records what the loops of networks.py record.

The classes are those of networks.py; only `__call__` differs. A module keeps the handles of its
parameters as a C array, its plan, until something about any module changes: `structure` counts
the changes, which attributes and lists of modules report. Where a network is not the plain one
(a subclass of Neuron, layers of mixed activations), its loop runs, in larger steps
where it can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import _core, modules, networks
from ..networks import as_inputs, is_batch
from ..random import default_generator
from ..scalars import as_float
from ..value import Value

__all__ = ["MLP", "Layer", "Module", "Neuron"]


class Structure:
    """Counts the changes that void plans."""

    version = 0


def voiding(name: str) -> Callable[..., Any]:
    """Return a list's method that also reports a change."""
    method = getattr(list, name)

    def change(self: list[Any], *args: Any, **kwargs: Any) -> Any:
        Structure.version += 1
        return method(self, *args, **kwargs)

    change.__name__ = name
    return change


class WatchedList(list[Any]):
    """A list in a module: to change it voids the plans."""

    for _name in (
        "__delitem__", "__iadd__", "__imul__", "__setitem__", "append", "clear",
        "extend", "insert", "pop", "remove", "reverse", "sort",
    ):  # fmt: skip
        locals()[_name] = voiding(_name)
    del _name


def is_watched(item: Any) -> bool:
    """Tell whether every change of what a module holds is reported to Structure."""
    pending, seen = [item], set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        if isinstance(item, Module):
            pending += vars(item).values()
        elif isinstance(item, (WatchedList, tuple)):
            pending += item
        elif isinstance(item, (list, Mapping, modules.Module)):
            return False
        else:
            continue
        seen.add(id(item))
    return True


class Module(modules.Module):
    """Something with parameters: the leaf Values among its attributes, lists and modules."""

    __slots__ = ("_listed", "_plan")  # beside the attributes, which hold what has parameters

    value_type = Value
    list_type = WatchedList
    _listed: tuple[int, tuple[Any, ...]]  # the structure's version, and the parameters then
    _plan: tuple[int, Plan | None]  # the structure's version, and the plan then, if there is one

    def parameters(self) -> list[Any]:
        """Return the parameters in the order of `named_parameters`."""
        version, found = getattr(self, "_listed", (-1, ()))
        if version != Structure.version:
            found = tuple(super().parameters())
            if is_watched(self):
                object.__setattr__(self, "_listed", (Structure.version, found))
        return list(found)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()

    def __setattr__(self, name: str, value: Any) -> None:
        Structure.version += 1
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        Structure.version += 1
        object.__delattr__(self, name)

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


class Planned(Module):
    """A module that is called in one step while its parts are plain."""

    def _plan_layers(self) -> list[Any]:
        """Return the neurons of each layer; none where a part is not plain."""
        raise NotImplementedError(f"{type(self).__name__} has no layers")

    def _plan_anew(self) -> Plan | None:
        layers = self._plan_layers()
        plan = Plan(layers) if is_plain(layers) else None
        object.__setattr__(self, "_plan", (Structure.version, plan))
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
            version, plan = self._plan
        except AttributeError:
            version = -1
        if version != Structure.version:
            plan = self._plan_anew()
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
        return [self.neurons]


class MLP(Planned, networks.MLP):
    __doc__ = networks.MLP.__doc__
    layer_type = Layer

    def _plan_layers(self) -> list[Any]:
        if type(self.layers) is not WatchedList:
            return []
        return [layer.neurons if type(layer) is Layer else [] for layer in self.layers]
