"""Networks of neurons on the C core: one call records what the loops of networks.py record.

The classes are those of networks.py; only `__call__` differs. A module keeps the handles of its
parameters as a C array, its plan, until one of its parts changes. Where a network is not the plain
one (a subclass of Neuron, layers of mixed activations), its loop runs, in larger steps where it
can.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .. import _core, networks
from ..networks import as_inputs, is_batch
from ..scalars import as_float
from ..value import Value
from .module import Derived, Module, Structure, WatchedList

__all__ = ["MLP", "Layer", "Module", "Neuron", "plain"]

Kind = TypeVar("Kind", bound=type[Any])
# The classes of neurons and layers that compute what their base here does; not their subclasses.
PLAIN: set[type[Any]] = set()


def plain(kind: Kind) -> Kind:
    """Declare, as a decorator, that one call of the core can compute what a class does."""
    PLAIN.add(kind)
    return kind


class Plan(_core.Plan):
    """What one call into the core needs to know of layers of plain neurons.

    Args:
        layers: the neurons of each layer, all plain, of one activation in a layer.
        lists: what one neuron gives is a list, too.

    Attributes:
        nin: number of inputs.
        values: the parameters, layer by layer, neuron by neuron, weights then bias.
    """

    def __init__(self, layers: list[list[Neuron]], lists: bool) -> None:
        self.nin = len(layers[0][0].w)
        self.values = tuple(
            p for neurons in layers for neuron in neurons for p in (*neuron.w, neuron.b)
        )
        super().__init__(
            [self.nin, *map(len, layers)],
            number_of(layers[0][0].activation),
            number_of(layers[-1][0].activation),
            [p._handle for p in self.values],
            lists,
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
    if not all(type(neuron) in PLAIN and type(neuron.w) is WatchedList for neuron in neurons):
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
    """Return the modules and lists in a module that tell what its plan is, if it has one.

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
        if item is not module:
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

    def _gives_lists(self) -> bool:
        """Tell whether a result is a list even where one neuron comes last."""
        return False

    def _plan_again(self) -> Plan | None:
        """Return the plan as the structure is now; the one from before, if it still holds."""
        version, derived = Structure.version, getattr(self, "_planned", None)
        if derived is None or not derived.holds(self):
            parts, layers = planned_parts(self), self._plan_layers()
            has_own = any(
                "forward" in vars(part) or part._hooks is not None
                for part in (self, *parts)
                if isinstance(part, Planned)
            )
            fits = not has_own and is_plain(layers)
            plan = Plan(layers, self._gives_lists()) if fits else None
            derived = Derived(self, plan, parts, version)
            object.__setattr__(self, "_planned", derived)
        object.__setattr__(self, "_plan", (version, derived.result))
        return derived.result  # type: ignore[no-any-return]

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
            plan = self._plan_again()
        if plan is None or is_patched():
            return self._call(x)
        result = record_mlp(plan.address, plan.values, x)
        return self.forward(x) if result is NotImplemented else result

    def forward(self, x: Any) -> Any:
        """Compute what a call does."""
        plan = self._plan_again()
        if plan is None or is_patched():
            return self._loop(x)
        self._check(x)
        x = as_inputs(x)
        batch = is_batch(x)
        rows = [as_inputs(row) for row in x] if batch else [x]
        for row in rows:
            if len(row) != plan.nin:
                raise ValueError(f"{self!r} takes {plan.nin} inputs, got {len(row)}")
        rows = [[x if isinstance(x, Value) else as_float(x) for x in row] for row in rows]
        result = record_mlp(plan.address, plan.values, rows if batch else rows[0])
        return self._loop(x) if result is NotImplemented else result

    def _loop(self, x: Any) -> Any:
        """Call the parts one by one, whatever a user has made of them."""
        self._check(x)
        return super().__call__(x)


@plain
class Neuron(Planned, networks.Neuron):
    __doc__ = networks.Neuron.__doc__

    def _plan_layers(self) -> list[Any]:
        return [WatchedList([self])]


@plain
class Layer(Planned, networks.Layer):
    __doc__ = networks.Layer.__doc__
    neuron_type: type[Any] = Neuron

    def _plan_layers(self) -> list[Any]:
        return [vars(self).get("neurons")]

    def _gives_lists(self) -> bool:
        return not self.unwraps


class MLP(Planned, networks.MLP):
    __doc__ = networks.MLP.__doc__
    layer_type: type[Any] = Layer

    def _plan_layers(self) -> list[Any]:
        layers = vars(self).get("layers")
        if type(layers) is not WatchedList:
            return []
        return [layer.neurons if type(layer) in PLAIN else [] for layer in layers]

    def _gives_lists(self) -> bool:
        return not self.layers[-1].unwraps


# What the classes have as they are here. While they have as much, nothing was put into them.
CLASSES = (Neuron, Layer, MLP)
OWN = tuple(vars(kind) for kind in CLASSES)
COUNT = sum(map(len, OWN))


def is_patched() -> bool:
    """Tell whether a user has replaced how the classes are called."""
    if len(OWN[0]) + len(OWN[1]) + len(OWN[2]) == COUNT:
        return False
    return any(
        getattr(kind, name) is not getattr(Planned, name)
        for kind in CLASSES
        for name in ("__call__", "forward")
    )
