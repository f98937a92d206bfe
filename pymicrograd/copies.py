"""Copies of Values: copy, deepcopy and pickle, of a whole graph and without recursion.

A deepcopy walks the graph and makes the copy of each node once those of its operands are made;
after that the copies get what users stored on the nodes, which may lead anywhere in the graph.

Pickle asks each object how it is made, goes to whatever the answer names, and remembers what it
has met; one answer with operands after the other would recurse as deep as the graph. So the first
Value of a graph that it meets answers with a list of all nodes, operands before their users, and
each of these with its operands, which have been met then. What users stored comes behind the list.
That a node's operands have been met is only supposed, of what is in a list that is still alive:
where it is wrong, as another pickler is asking, the node answers with a list of its own.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Container, Iterator
from types import FunctionType, MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Copyable"]


# ---- the nodes of a graph --------------------------------------------------------------------


def values_in(attributes: dict[str, Any]) -> Iterator[Any]:
    """Yield the Values among attributes, and in lists, tuples, sets and dicts among these."""
    for x in attributes.values():
        if isinstance(x, Copyable):
            yield x
        elif type(x) in (list, tuple, set, dict):
            yield from (y for y in (x.values() if type(x) is dict else x) if is_copyable(y))


def is_copyable(x: Any) -> bool:
    """Tell whether x is a Value of any engine."""
    return isinstance(x, Copyable)


def nodes_of(root: Any, known: Container[int]) -> tuple[list[Any], dict[int, Any]]:
    """List a Value with all that it depends on, and so on with Values that users stored on these.

    Args:
        root: the Value.
        known: identities of Values to leave out, with what only they lead to.

    Returns:
        The nodes, operands in their order and before their users; and by identity those that have
        more to be copied than the node itself.
    """
    order: list[Any] = []
    holders: dict[int, Any] = {}
    kinds: dict[type, tuple[bool, list[str]]] = {}
    seen: set[int] = set()
    path: list[Any] = [root]
    looked_at = 0
    while path:
        node = path.pop()
        if node is None:  # all operands of the node below have been listed
            order.append(path.pop())
        elif id(node) not in seen and id(node) not in known:
            seen.add(id(node))
            path += (node, None)
            path += node._operands()[::-1]
        while not path and looked_at < len(order):
            node = order[looked_at]
            looked_at += 1
            kind = type(node)
            if kind not in kinds:
                kinds[kind] = has_own_state(kind), slot_names(kind)
            has_state, slots = kinds[kind]
            attributes = attributes_of(node, slots)
            if attributes or has_state:
                holders[id(node)] = node
                path += values_in(attributes)
    for kind in filter(has_own_reduction, kinds):
        holders = {i: node for i, node in holders.items() if type(node) is not kind}
    return order, holders


def slot_names(kind: type) -> list[str]:
    """List the attributes that have a slot in a subclass of a user's."""
    names = []
    for base in kind.__mro__:
        if "_form" in vars(base):  # an engine's Value
            break
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            mangled = name.startswith("__") and not name.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{name}" if mangled else name)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def attributes_of(node: Any, slots: list[str]) -> dict[str, Any]:
    """Return what a user has stored on a node, by name."""
    attributes: dict[str, Any] = node._attributes()
    for name in slots:
        if hasattr(node, name):
            attributes[name] = getattr(node, name)
    return attributes


# ---- pickle ----------------------------------------------------------------------------------


class Session:
    """What a pickler has met or is about to meet; it lives as long as a Graph that it has met.

    Attributes:
        nodes: by identity of a Value, the Graph that lists it, until it has answered; then None.
        kept: these Values, whose identities are nobody else's as long as they live.
    """

    def __init__(self) -> None:
        self.nodes: dict[int, Graph | None] = {}
        self.kept: list[Any] = []

    def add(self, order: list[Any], graph: Graph | None) -> None:
        """Say that nodes are in a Graph, or that they have answered."""
        self.kept += order
        self.nodes.update(dict.fromkeys(map(id, order), graph))


latest = threading.local()  # .session: a weak reference to the last one of the thread


class Graph(list):  # type: ignore[type-arg]
    """The nodes of a graph, operands before their users: what pickle makes one after the other."""

    __slots__ = ("__weakref__", "holders", "session")
    holders: dict[int, Any]
    session: Session

    def __reduce__(self) -> Any:
        return Graph, (), None, iter(self), self.states()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def states(self) -> Iterator[tuple[Any, Any]]:
        """Yield nodes with what users stored on them, once pickle has met all nodes."""
        self.session.nodes.update(dict.fromkeys(map(id, self)))
        for node in self.holders.values():
            yield node, node.__getstate__()

    def __setitem__(self, node: Any, state: Any) -> None:
        if not is_copyable(node):
            raise TypeError(f"a graph has the states of Values, not of {type(node).__name__}")
        node.__setstate__(state)


def take(graph: Any, node: Any) -> Any:
    """Return a node, which is in a Graph; for pickle."""
    if type(graph) is not Graph or not is_copyable(node):
        raise TypeError("what is taken out of a Graph is a Value")
    return node


def make(
    kind: Any, op: Any, data: Any, gradient: Any, operands: Any = (), extra: Any = None
) -> Any:
    """Make a node as it was recorded, for copies and pickle.

    Raises:
        TypeError, ValueError: kind is no class of Values, or has no such node.
    """
    if not (isinstance(kind, type) and issubclass(kind, Copyable)):
        raise TypeError(f"a node is of a class of Values, not {kind!r}")
    node: Any = kind.__new__(kind)
    node._fill(op, data, gradient, operands, extra)
    return node


def come_later(node: Any, graph: Any) -> None:
    """Set nothing: the state of this node is among those of its graph."""


def is_named(function: FunctionType) -> bool:
    """Tell whether a function is what its module has under its name, by which it is pickled."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def refuse_closure(node: Any) -> None:
    """Raise where the rule of a node is a function that cannot be pickled."""
    rule = node._attributes().get("_backward")
    if isinstance(rule, FunctionType) and not is_named(rule):
        raise TypeError(
            f"cannot pickle a graph with the op {node._op!r}, whose _backward is the function"
            f" {rule.__qualname__} that no module has by that name; detach() gives a leaf without"
            " the graph, and local gradients, Value(data, operands, gradients), are pickled"
        )


def reduce(self: Any) -> Any:
    """Say how this Value is made; for pickle."""
    reference = getattr(latest, "session", None)
    session = reference() if reference is not None else None
    if session is not None and id(self) in session.nodes:
        graph = session.nodes[id(self)]
        if graph is not None:
            session.nodes[id(self)] = None
            answer = make, (type(self), *self._form())
            return (*answer, graph, None, None, come_later) if id(self) in graph.holders else answer
        session = None  # that session's pickler has met it, and this is another one
    order, holders = nodes_of(self, session.nodes if session is not None else ())
    for node in holders.values():
        refuse_closure(node)
    if len(order) == 1:
        if session is not None:
            session.add(order, None)
        answer = make, (type(self), *self._form())
        return (*answer, self.__getstate__()) if holders else answer
    graph = Graph(order)
    graph.holders = holders
    graph.session = session = session or Session()
    session.add(order, graph)
    latest.session = weakref.ref(session)
    return take, (graph, self)


# ---- copies ----------------------------------------------------------------------------------


def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    """Copy a Value with its graph, but for what memo has."""
    import copy

    order, holders = nodes_of(self, memo)
    memo.setdefault(id(memo), []).append(order)  # identities stay theirs
    kinds: set[Any] = set(map(type, order))
    own = {kind for kind in kinds if kind.__deepcopy__ is not deepcopy}
    for node in order:
        if type(node) in own and node is not self:
            memo[id(node)] = copy.deepcopy(node, memo)
            continue
        op, data, gradient, operands, extra = node._form()
        copied = tuple([memo[id(x)] for x in operands])
        memo[id(node)] = make(type(node), op, data, gradient, copied, extra)
    for node in holders.values():
        if type(node) not in own or node is self:
            memo[id(node)].__setstate__(copy.deepcopy(node.__getstate__(), memo))
    return memo[id(self)]


def shallow_copy(self: Any) -> Any:
    """Copy a Value; the copy has the same operands and attributes."""
    copied = make(type(self), *self._form())
    copied.__setstate__(self.__getstate__())
    return copied


class Unless:
    """A method of `copy`, which is not there in classes that say themselves how they are made."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __get__(self, value: Any, kind: type) -> Any:
        if has_own_reduction(kind):
            return None
        return self.function if value is None else MethodType(self.function, value)


def has_own_reduction(kind: Any) -> bool:
    """Tell whether a class of Values overrides how its objects are made."""
    return (
        kind.__reduce__ is not Copyable.__reduce__ or kind.__reduce_ex__ is not object.__reduce_ex__
    )


def has_own_state(kind: Any) -> bool:
    """Tell whether a class of Values overrides what its objects have to be copied."""
    return (
        kind.__getstate__ is not Copyable.__getstate__
        or kind.__setstate__ is not Copyable.__setstate__
    )


class Copyable:
    """What copies are made by; `_form()` and `_fill()` are an engine's.

    `_form()` returns the op's name, data, gradient, operands and what else the node has; `_fill()`
    makes such a node of a Value that has none. `_operands()` returns the operands, `_attributes()`
    a new dict of what users have stored.
    """

    __slots__ = ()
    __copy__: Any = Unless(shallow_copy)
    __deepcopy__: Any = Unless(deepcopy)

    def __reduce__(self) -> Any:
        return reduce(self)

    def __getstate__(self) -> dict[str, Any]:
        return attributes_of(self, slot_names(type(self)))

    def __setstate__(self: Any, state: dict[str, Any]) -> None:
        if not isinstance(state, dict):
            raise TypeError(f"the state of a Value is a dict, not {type(state).__name__}")
        slots = slot_names(type(self))
        for name, attribute in state.items():
            if name == "_backward" or name in slots:
                setattr(self, name, attribute)
            else:
                self._store(name, attribute)
